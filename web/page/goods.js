/**
 * What the game says of its goods, quests and people, and how the page reads it: no document, no world.
 * @module
 */

/** @import { Values } from "../lib/schema.js" */

/**
 * @typedef {object} Item
 * @property {string} name @property {string} title @property {string} icon
 * @property {number} stack how many fit on one slot
 * @property {string} place where it is worn: "", "hand", "head", "body", "feet"
 * @property {number} price
 * @property {string} use "", "eat", "wear"
 * @property {number} [damage] @property {number} [armour] @property {number} [heals]
 *
 * @typedef {{item: number, count: number}} Stack
 * @typedef {{gets: [number, number], gives: [number, number][]}} Recipe
 * @typedef {{text: string, count: number, who?: number | null}} Step
 * @typedef {{name: string, title: string, giver: number, steps: Step[], reward: {items: [number, number][], coins: number}}} Quest
 */

/** Slots that a bag shows at least, and at most if the game does not say how many it has. */
const LEAST_SLOTS = 30;
const MOST_SLOTS = 240;
/** The places where something is worn, in the order of `TakeOff`. */
export const PLACES = /** @type {const} */ (["hand", "head", "body", "feet"]);
/** @type {Item} */
const UNKNOWN = { name: "", title: "Something", icon: "❔", stack: 1, place: "", price: 0, use: "" };

/** The tables of a game. */
export class Tables {
  /** @param {Record<string, any>} [tables] of the schema */
  constructor(tables = {}) {
    /** @type {Item[]} */
    this.items = list(tables.items);
    /** @type {Quest[]} */
    this.quests = list(tables.quests);
    /** @type {Recipe[]} */
    this.recipes = list(tables.recipes);
    /** @type {{name: string, title: string}[]} */
    this.people = list(tables.people);
    this.slots = Number(tables.slots) || 0;
  }

  /** @param {number} number @returns {Item} */
  item(number) {
    return this.items[number] ?? UNKNOWN;
  }

  /** «3 🪵 Wood» @param {number} item @param {number} count */
  words(item, count) {
    const { icon, title } = this.item(item);
    return count === 1 ? `${icon} ${title}` : `${count} ${icon} ${title}`;
  }

  /** @param {number} who */
  person(who) {
    return this.people[who]?.name ?? "Somebody";
  }

  /** «Mara, forester» @param {number} who */
  personWithTitle(who) {
    const title = this.people[who]?.title;
    return title ? `${this.person(who)}, ${title.toLowerCase()}` : this.person(who);
  }
}

/** @param {unknown} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** What lies in each used slot. @param {Values | undefined} bag @returns {Map<number, Stack>} */
export function stacksOf(bag) {
  const { slots = [], items = [], counts = [] } = bag ?? {};
  return new Map(slots.map((/** @type {number} */ slot, /** @type {number} */ n) => [slot, { item: items[n] ?? -1, count: counts[n] ?? 0 }]));
}

/** How many slots are shown: whole rows, the last one empty. @param {Map<number, Stack>} stacks @param {Tables} tables @param {number} across slots in a row */
export function slotsShown(stacks, tables, across) {
  const most = tables.slots || MOST_SLOTS;
  const used = Math.max(0, ...[...stacks.keys()].map((slot) => slot + 1));
  const rows = Math.ceil(used / across) + 1;
  return Math.max(used, Math.min(most, Math.max(LEAST_SLOTS, rows * across)));
}

/** How many of each there are, by item. @param {Map<number, Stack>} stacks @returns {Map<number, number>} */
export function countsOf(stacks) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const { item, count } of stacks.values()) counts.set(item, (counts.get(item) ?? 0) + count);
  return counts;
}

/** What a recipe needs beyond what is there. @param {Recipe} recipe @param {Map<number, number>} counts @returns {[number, number][]} */
export function missing({ gives }, counts) {
  return gives.flatMap(([item, count]) => {
    const lack = count - (counts.get(item) ?? 0);
    return lack > 0 ? [/** @type {[number, number]} */ ([item, lack])] : [];
  });
}

/** How many of `from` can go onto `to`; 0 if none. @param {Stack} from @param {Stack | undefined} to @param {Tables} tables @param {number} [wish] */
export function fits(from, to, tables, wish = from.count) {
  if (!to) return wish;
  // Whole stacks of different goods change places.
  if (to.item !== from.item) return wish === from.count ? wish : 0;
  return Math.max(0, Math.min(wish, tables.item(from.item).stack - to.count));
}

/** Half of so many, the larger one. @param {number} count */
export const half = (count) => Math.ceil(count / 2);

/** The first slot in which nothing lies; -1 if there is none. @param {Map<number, Stack>} stacks @param {number} most */
export function freeSlot(stacks, most) {
  for (let slot = 0; slot < most; slot++) if (!stacks.has(slot)) return slot;
  return -1;
}

/** What is worn, by place. @param {Values | undefined} gear @returns {{place: typeof PLACES[number], item: number | null}[]} */
export function wornOf(gear) {
  return PLACES.map((place) => ({ place, item: gear?.[place] ? gear[place] - 1 : null }));
}

/** What an item does, a line each. @param {Item} item @returns {string[]} */
export function linesOf(item) {
  const worn = { hand: "Held in the hand", head: "Worn on the head", body: "Worn on the body", feet: "Worn on the feet" };
  return [
    worn[/** @type {keyof typeof worn} */ (item.place)],
    item.damage ? `Damage ${item.damage}` : "",
    item.armour ? `Armour ${item.armour}` : "",
    item.heals ? `Eating it heals ${item.heals}` : "",
    item.stack > 1 ? `Up to ${item.stack} on a stack` : "",
    item.price ? `Worth ${item.price} ${item.price === 1 ? "coin" : "coins"}` : "",
  ].filter(Boolean);
}

/** What using it is called; empty if it cannot be used. @param {Item} item */
export function useOf(item) {
  if (item.use === "eat") return "Eat";
  return item.use === "wear" || item.place ? "Put on" : "";
}

/**
 * @typedef {{quest: number, title: string, giver: string, text: string, count: number, of: number, step: number, steps: number, reward: string}} OpenQuest
 */

/** The open quests, in the order in which they were accepted. @param {Values | undefined} log @param {Tables} tables @returns {OpenQuest[]} */
export function openQuests(log, tables) {
  const { quests = [], steps = [], counts = [] } = log ?? {};
  return quests.map((/** @type {number} */ quest, /** @type {number} */ n) => {
    const told = tables.quests[quest];
    const step = Math.min(steps[n] ?? 0, Math.max(0, (told?.steps.length ?? 1) - 1));
    const of = told?.steps[step]?.count ?? 1;
    return {
      quest, title: told?.title ?? "A quest", giver: told ? tables.person(told.giver) : "",
      text: told?.steps[step]?.text ?? "", count: Math.min(counts[n] ?? 0, of), of,
      step, steps: told?.steps.length ?? 1, reward: rewardOf(told, tables),
    };
  });
}

/** @param {Quest | undefined} quest @param {Tables} tables */
export function rewardOf(quest, tables) {
  const items = quest?.reward?.items.map(([item, count]) => tables.words(item, count)) ?? [];
  const coins = quest?.reward?.coins ?? 0;
  if (coins > 0) items.push(`🪙 ${coins}`);
  return items.join(" · ");
}

/** Marks of persons that the game gives: who deals in goods. */
const DEALS = 2;

/**
 * The sign over a person: «?» an open step ends with him now, «!» he has a quest that one does not know yet,
 * a coin: he deals in goods.
 * @param {number} who @param {number} mark what the game says by itself @param {Values | undefined} log @param {Tables} tables
 */
export function markOf(who, mark, log, tables) {
  const ready = openQuests(log, tables).filter(({ count, of }) => of === 1 || count >= of);
  if (ready.some(({ quest, step }) => tables.quests[quest]?.steps[step]?.who === who)) return "?";
  const known = new Set([...(log?.quests ?? []), ...(log?.done ?? [])]);
  if (tables.quests.some(({ giver }, quest) => giver === who && !known.has(quest))) return "!";
  return mark === DEALS ? "🪙" : "";
}

/** Words for a «no» that came without them. @type {Record<string, string>} */
const WORDS = {
  no_room: "Your bag is full.", not_enough: "You do not have enough of it.", not_owner: "That is not yours.",
  source_spent: "There is nothing left to take.", unknown_item: "That is not there any more.",
  too_far: "That is too far away.", gone: "There is nothing to take.", stunned: "Not now.", busy: "Wait until what you have begun is done.",
  quest_order: "That is not what is asked of you now.", amount_invalid: "That amount is not possible.",
  storage_busy: "The world is very busy; try again.", bad_input: "That cannot be done.", stale_epoch: "You have just moved; try again.",
  storage_reserved: "Have it opened first.",
  old_version: "The offer has changed meanwhile: look again.", ended: "It was ended.",
};

/** A «no» as a sentence. @param {string} code @param {string} [text] */
export function noWords(code, text = "") {
  return text || WORDS[code] || `That did not work (${code.replaceAll("_", " ")}).`;
}
