import assert from "node:assert/strict";
import { test } from "node:test";

import { Changes } from "../page/changes.js";
import { Tables, countsOf, fits, freeSlot, half, linesOf, markOf, missing, noWords, openQuests, slotsShown, stacksOf, useOf, wornOf } from "../page/goods.js";
import { nearestForHands, sentenceOf } from "../page/reach.js";
import { withSlot } from "../page/trade.js";

const item = (/** @type {string} */ name, more = {}) => ({ name, title: name, icon: "*", stack: 20, place: "", price: 1, use: "", ...more });
const tables = new Tables({
  items: [item("wood"), item("axe", { stack: 1, place: "hand", damage: 4 }), item("meat", { use: "eat", heals: 9 })],
  people: [{ name: "Mira", title: "Forester" }, { name: "Olin", title: "Trader" }],
  quests: [
    { name: "hearth", title: "Hearth", giver: 0, steps: [{ text: "Bring wood", count: 5 }, { text: "See Olin", count: 1, who: 1 }], reward: { items: [[1, 1]], coins: 3 } },
    { name: "late", title: "Late", giver: 1, steps: [{ text: "Wait", count: 1 }], reward: { items: [], coins: 0 } },
  ],
  recipes: [{ gets: [1, 1], gives: [[0, 6], [2, 1]] }],
});
const bag = { slots: [0, 2, 33], items: [0, 2, 0], counts: [4, 1, 1], coins: 7, pending: 0 };

test("a bag is read by slots, and shows a row more than is used", () => {
  const stacks = stacksOf(bag);
  assert.deepEqual(stacks.get(2), { item: 2, count: 1 });
  assert.deepEqual([...countsOf(stacks)], [[0, 5], [2, 1]]);
  assert.equal(slotsShown(stacks, tables, 6), 42);
  assert.equal(slotsShown(new Map(), tables, 6), 30);
  assert.equal(slotsShown(new Map(), new Tables({ slots: 20 }), 6), 20, "no more than the game has");
  assert.equal(freeSlot(stacks, 36), 1);
  assert.equal(freeSlot(stacks, 1), -1);
  assert.equal(stacksOf(undefined).size, 0);
});

test("half of a stack is at least one", () => {
  assert.deepEqual([1, 2, 5, 20].map(half), [1, 1, 3, 10]);
});

test("no more is moved than fits, and only whole stacks change places", () => {
  const wood = { item: 0, count: 15 };
  assert.equal(fits(wood, undefined, tables), 15);
  assert.equal(fits(wood, { item: 0, count: 12 }, tables), 8);
  assert.equal(fits(wood, { item: 0, count: 20 }, tables), 0);
  assert.equal(fits(wood, { item: 2, count: 1 }, tables), 15);
  assert.equal(fits(wood, { item: 2, count: 1 }, tables, 7), 0);
});

test("a recipe says what is missing", () => {
  assert.deepEqual(missing(tables.recipes[0], countsOf(stacksOf(bag))), [[0, 1]]);
  assert.deepEqual(missing(tables.recipes[0], new Map([[0, 6], [2, 2]])), []);
});

test("an item says what it is for", () => {
  assert.equal(useOf(tables.item(1)), "Put on");
  assert.equal(useOf(tables.item(2)), "Eat");
  assert.equal(useOf(tables.item(0)), "");
  assert.deepEqual(linesOf(tables.item(1)), ["Held in the hand", "Damage 4", "Worth 1 coin"]);
  assert.equal(tables.item(99).title, "Something", "an item that the tables do not know is still shown");
  assert.deepEqual(wornOf({ hand: 2, head: 0, body: 0, feet: 1 }).map(({ item }) => item), [1, null, null, 0]);
});

test("quests show the open step, and who is to be seen bears a sign", () => {
  const log = { quests: [0], steps: [0], counts: [9], done: [] };
  const [open] = openQuests(log, tables);
  assert.deepEqual([open.text, open.count, open.of, open.giver, open.reward], ["Bring wood", 5, 5, "Mira", "* axe · 🪙 3"]);
  assert.equal(markOf(0, 1, log, tables), "", "a quest that one has is not offered");
  assert.equal(markOf(1, 1, log, tables), "!");
  assert.equal(markOf(1, 1, { ...log, steps: [1] }, tables), "?");
  assert.equal(markOf(1, 2, { quests: [], steps: [], counts: [], done: [0, 1] }, tables), "🪙");
  assert.equal(markOf(0, 1, { quests: [], steps: [], counts: [], done: [0, 1] }, tables), "");
  assert.equal(tables.personWithTitle(1), "Olin, trader");
});

test("an offer changes by slots and keeps its coins", () => {
  const offer = { slots: [3], counts: [5], coins: 2 };
  assert.deepEqual(withSlot(offer, 4, 1), { slots: [3, 4], counts: [5, 1], coins: 2 });
  assert.deepEqual(withSlot(offer, 3, 2), { slots: [3], counts: [2], coins: 2 });
  assert.deepEqual(withSlot(offer, 3, 0), { slots: [], counts: [], coins: 2 });
  let many = { slots: /** @type {number[]} */ ([]), counts: /** @type {number[]} */ ([]), coins: 0 };
  for (let slot = 0; slot < 20; slot++) many = withSlot(many, slot, 1);
  assert.equal(many.slots.length, 16);
});

test("the hands take the nearest thing in reach, and nobody's character", () => {
  const entity = (/** @type {string} */ kindName, /** @type {number} */ x, components = {}) => /** @type {any} */ ({ kindName, x, y: 0, name: "", components });
  const heap = entity("heap", 1.5, { Heap: { item: 0, count: 3 } });
  const mira = entity("person", 1.8, { Person: { who: 0, mark: 1 } });
  const all = [entity("character", 0.1), entity("wolf", 0.2), mira, heap, entity("chest", 2.5)];
  assert.equal(nearestForHands(all, { x: 0, y: 0 }), heap);
  assert.equal(nearestForHands([all[4]], { x: 0, y: 0 }), undefined);
  assert.equal(sentenceOf(heap, tables), "Take 3 * wood");
  assert.equal(sentenceOf(mira, tables), "Talk to Mira");
});

test("a «no» has words, with its own first", () => {
  assert.equal(noWords("no_room", "Too heavy."), "Too heavy.");
  assert.equal(noWords("no_room"), "Your bag is full.");
  assert.match(noWords("never_heard_of"), /never heard of/);
});

test("a component has changed if a field is another", () => {
  const changes = new Changes();
  const values = { slots: [1], coins: 1 };
  assert.ok(changes.in(values));
  assert.ok(!changes.in(values));
  values.slots = [1];
  assert.ok(changes.in(values), "a list that was sent again");
  assert.ok(changes.in(undefined));
  assert.ok(!changes.in(undefined));
});
