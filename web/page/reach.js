/** What lies or stands within reach, and what one does with it: take, talk. @module */

/** @import { Entity } from "../lib/entities.js" */
/** @import { Tables } from "./goods.js" */

/** How far one reaches, metres; the server says the last word. */
export const REACH_M = 2;
/** And how far one speaks. */
const TALK_M = 3.5;
const TAKEN = ["corpse", "heap", "herb", "chest"];

/** Whether it is a thing, not somebody. @param {string} kind */
export function isThing(kind) {
  return TAKEN.includes(kind);
}

/** Whether E does something with it. @param {Entity} entity */
export function isForHands(entity) {
  return entity.kindName === "person" || isThing(entity.kindName);
}

/** What it is called. @param {Entity} entity @param {Tables} tables @returns {string} */
export function titleOf(entity, tables) {
  const { Heap, Person } = entity.components;
  if (Heap) return tables.words(Heap.item, Heap.count);
  if (Person) return tables.person(Person.who);
  return { herb: "herbs", chest: "the chest", corpse: "the prey" }[entity.kindName] ?? entity.name;
}

/** «Take …», «Talk to …» @param {Entity} entity @param {Tables} tables */
export function sentenceOf(entity, tables) {
  const title = titleOf(entity, tables);
  if (entity.kindName === "person") return `Talk to ${title}`;
  if (entity.kindName === "chest") return "Open the chest";
  if (entity.kindName === "herb") return "Pick herbs";
  if (entity.kindName === "corpse") return "Search the prey";
  return `Take ${title}`;
}

/**
 * The nearest for the hands; what can be taken comes before people, who do not run away.
 * @param {Iterable<Entity>} entities @param {{x: number, y: number}} from @param {number} [within] metres
 * @returns {Entity | undefined}
 */
export function nearestForHands(entities, from, within = REACH_M) {
  let best;
  let least = Infinity;
  for (const entity of entities) {
    if (!isForHands(entity)) continue;
    const far = Math.hypot(entity.x - from.x, entity.y - from.y);
    const person = entity.kindName === "person";
    const rank = person ? far + within : far;
    if (far <= (person && within === REACH_M ? TALK_M : within) && rank < least) [best, least] = [entity, rank];
  }
  return best;
}
