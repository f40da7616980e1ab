/**
 * Goods in a real browser against a running Pangea: gather, make, wear, talk, take on a quest and get on with
 * it, drop and take, and two players who trade. What each has is read from the page and from central.
 *
 *     PANGEA_URL=http://127.0.0.1:8080 PANGEA_OPERATOR_KEY=… node goods.mjs
 *
 * Ends with 1 if a step failed. Pictures are kept in test-output/.
 */

import assert from "node:assert/strict";

import {
  TIMEOUT_MS, button, hear, inWorld, newPage, place, register, run, runAll, shot, standStill, step, url, walkTo,
} from "./support.mjs";

const key = process.env.PANGEA_OPERATOR_KEY;
assert.ok(key, "the operator's key is in PANGEA_OPERATOR_KEY");
const ada = { account: `Ada ${run}`, character: `Ada ${run}` };
const bob = { account: `Bob ${run}`, character: `Bob ${run}` };
const TREE = 17;

// ---- what the page and central say ----------------------------------------------------------------------

/** What the page shows: goods by name, and coins. */
const bagOf = (page) => page.evaluate(() => {
  const { items } = window.pangea.world.schema.tables;
  const { Bag } = window.pangea.me().components;
  const goods = {};
  Bag.items.forEach((item, n) => { goods[items[item].name] = (goods[items[item].name] ?? 0) + Bag.counts[n]; });
  return { goods, coins: Bag.coins };
});

async function operator(path, body) {
  const answer = await fetch(`${url}/api/data/${path}`, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

/** What is durable, in the same form. */
async function durable(who) {
  const { items, money } = await operator(`characters/${who.id}/belongings`);
  const goods = {};
  for (const { template, quantity } of items) goods[template] = (goods[template] ?? 0) + quantity;
  return { goods, coins: money.reduce((sum, { amount }) => sum + amount, 0) };
}

/** Nothing waits to be written, and the page and central say the same. */
async function settled(page, who) {
  await page.waitForFunction(() => window.pangea.me()?.components.Bag?.pending === 0);
  const [shown, kept] = [await bagOf(page), await durable(who)];
  assert.deepEqual(shown, kept, "the page shows what is durable");
  return shown;
}

/** Until the bag has so many of an item. */
const has = (page, name, count) => page.waitForFunction(([name, count]) => {
  const { items } = window.pangea.world.schema.tables;
  const { Bag } = window.pangea.me().components;
  let sum = 0;
  Bag.items.forEach((item, n) => { if (items[item].name === name) sum += Bag.counts[n]; });
  return sum >= count;
}, [name, count]);

// ---- what a player does ---------------------------------------------------------------------------------

const look = (page) => page.getByLabel("The world.", { exact: false }).focus();

async function press(page, code) {
  await look(page);
  await page.keyboard.press(code);
}

/** The nearest thing of a kind of tile. */
const nearestTile = (page, kind) => page.evaluate((kind) => {
  const { land } = window.pangea.world;
  const me = window.pangea.me();
  let best = null;
  for (let y = Math.floor(me.y) - 30; y <= me.y + 30; y++) {
    for (let x = Math.floor(me.x) - 30; x <= me.x + 30; x++) {
      const far = Math.hypot(x + 0.5 - me.x, y + 0.5 - me.y);
      if (land.tile(x, y) === kind && (!best || far < best.far)) best = { x, y, far };
    }
  }
  return best;
}, kind);

/** Walks to the nearest thing of this kind and strikes until it is gone. */
async function fell(page, kind) {
  await page.waitForFunction(() => window.pangea.world.land.chunks.size >= 4);
  const tile = await nearestTile(page, kind);
  assert.ok(tile, "there is one somewhere near");
  await walkTo(page, { x: tile.x + 0.5, y: tile.y + 0.5 }, ([x, y]) => {
    const me = window.pangea.me();
    return Math.hypot(x + 0.5 - me.x, y + 0.5 - me.y) < 1.4;
  }, [tile.x, tile.y]);
  await standStill(page);
  await look(page);
  const stroke = setInterval(() => void page.keyboard.down("e").catch(() => {}), 150);
  try {
    await page.waitForFunction(([x, y, kind]) => window.pangea.world.land.tile(x, y) !== kind, [tile.x, tile.y, kind]);
  } finally {
    clearInterval(stroke);
    await page.keyboard.up("e");
  }
}

/** Walks until an entity is within this distance. */
async function walkToEntity(page, id, metres) {
  const at = await page.evaluate((id) => {
    const { x, y } = window.pangea.world.entities.get(id);
    return { x, y };
  }, id);
  await walkTo(page, at, ([id, metres]) => {
    const [me, it] = [window.pangea.me(), window.pangea.world.entities.get(id)];
    return it && Math.hypot(me.x - it.x, me.y - it.y) < metres;
  }, [id, metres]);
  await standStill(page);
}

/** A slot of the bag by the name of what is in it. */
const slotWith = (page, title) => page.locator("#bag-grid").getByRole("button", { name: new RegExp(`^${title}(,|$)`) }).first();

const titleOf = (page, name) => page.evaluate((name) => {
  return window.pangea.world.schema.tables.items.find((item) => item.name === name).title;
}, name);

/** A click on where somebody is drawn. */
async function clickOn(page, name) {
  const at = await page.evaluate((name) => {
    const { picture } = window.pangea.game;
    const entity = window.pangea.entities().find((one) => one.name === name);
    const { left, top, px, ratio } = picture.view;
    const box = picture.canvas.getBoundingClientRect();
    return { x: box.left + (entity.x * px - left) / ratio, y: box.top + ((entity.y - 0.4) * px - top) / ratio };
  }, name);
  await page.mouse.click(at.x, at.y);
}

let first;
let second;

await runAll(async () => {
  await step("two players are in the Wilds, side by side", async () => {
    first = await newPage();
    await register(first, ada.account, ada.character);
    await hear(first);
    await button(first, "Enter").click();
    await inWorld(first);
    second = await newPage({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
    await register(second, bob.account, bob.character);
    await hear(second);
    await second.getByText("Enter somewhere else").click();
    await second.getByRole("textbox", { name: "Friend" }).fill(ada.character);
    await button(second, "Enter there").click();
    await inWorld(second);
    for (const [page, who] of [[first, ada], [second, bob]]) {
      [{ id: who.id }] = await page.evaluate(() => window.pangea.api.characters());
      await page.waitForFunction(() => window.pangea.me()?.components.Bag);
    }
    assert.equal((await place(first)).area, (await place(second)).area);
  });

  await step("a felled tree gives wood, which is durable", async () => {
    await fell(first, TREE);
    await has(first, "wood", 1);
    const { goods } = await settled(first, ada);
    assert.ok(goods.wood >= 1);
    await press(first, "i");
    await slotWith(first, await titleOf(first, "wood")).click();
    await shot(first, "20-bag");
    await press(first, "i");
  });
});
