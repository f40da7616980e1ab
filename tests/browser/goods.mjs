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
  button, hear, inWorld, newPage, place, register, run, runAll, shot, standStill, step, url, walkTo,
} from "./support.mjs";

const key = process.env.PANGEA_OPERATOR_KEY;
assert.ok(key, "the operator's key is in PANGEA_OPERATOR_KEY");
const ada = { account: `Ada ${run}`, character: `Ada ${run}` };
const bob = { account: `Bob ${run}`, character: `Bob ${run}` };
const TREE = 17;
/** Where the Wilds begin, metres. */
const SPAWN = { x: 200, y: 300 };

// ---- what the page and central say ----------------------------------------------------------------------

/** What the page shows, worn things too: goods by name, and coins. */
const bagOf = (page) => page.evaluate(() => {
  const { items } = window.pangea.world.schema.tables;
  const { Bag, Gear } = window.pangea.me().components;
  const goods = {};
  Bag.items.forEach((item, n) => { goods[items[item].name] = (goods[items[item].name] ?? 0) + Bag.counts[n]; });
  for (const worn of Object.values(Gear).filter((worn) => worn > 0)) {
    goods[items[worn - 1].name] = (goods[items[worn - 1].name] ?? 0) + 1;
  }
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

/** Walks to a person; who is not in view stands where the world begins. */
async function walkToPerson(page, name) {
  const seen = (name) => {
    const { people } = window.pangea.world.schema.tables;
    return window.pangea.entities().find((one) => people[one.components.Person?.who]?.name === name);
  };
  // As text, so that it is the same function in the page.
  const isSeen = `Boolean((${seen})(${JSON.stringify(name)}))`;
  if (!await page.evaluate(isSeen)) await walkTo(page, SPAWN, seen, name);
  await walkToEntity(page, await page.evaluate(`(${seen})(${JSON.stringify(name)}).id`), 1.2);
}

/** Walks to a place. */
async function walkToPlace(page, at) {
  await walkTo(page, at, ([x, y]) => Math.hypot(window.pangea.me().x - x, window.pangea.me().y - y) < 1.5, [at.x, at.y]);
}

/** A slot of the bag by the name of what is in it. */
const slotWith = (page, title) => page.locator("#bag-grid").getByRole("button", { name: new RegExp(`^${title}(,|$)`) }).first();

const titleOf = (page, name) => page.evaluate((name) => {
  return window.pangea.world.schema.tables.items.find((item) => item.name === name).title;
}, name);

/** Goods of which there are none are not there. */
const without = (goods) => Object.fromEntries(Object.entries(goods).filter(([, count]) => count > 0));

/** Until the page shows these fields of the trade. */
const trading = (page, wish) => page.waitForFunction((wish) => {
  const now = window.pangea.me()?.components.Trading ?? {};
  return Object.entries(wish).every(([field, value]) => JSON.stringify(now[field]) === JSON.stringify(value));
}, wish);

/** Where somebody is drawn, in pixels of the page. */
async function spotOf(page, name) {
  return page.evaluate((name) => {
    const { picture } = window.pangea.game;
    const entity = window.pangea.entities().find((one) => one.name === name);
    const { left, top, px, ratio } = picture.view;
    const box = picture.canvas.getBoundingClientRect();
    return { x: box.left + (entity.x * px - left) / ratio, y: box.top + ((entity.y - 0.4) * px - top) / ratio };
  }, name);
}

let first;
let second;
/** Where both began. */
let home;

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
    home = await place(first);
    assert.equal(home.area, (await place(second)).area);
  });

  await step("somebody has a quest to give: talk, and take it on", async () => {
    await walkToPerson(first, "Mara");
    await shot(first, "20-people");
    await press(first, "e");
    const talk = first.locator("#talk-window");
    await talk.getByRole("heading", { name: "Mara, forester" }).waitFor();
    await shot(first, "21-talk");
    await talk.getByRole("button", { name: "Accept: Wood for the fire" }).click();
    await first.getByRole("list", { name: "Open quests" }).getByText("Bring Mara 6 wood").waitFor();
    await talk.getByRole("button", { name: "Goodbye" }).click();
    await talk.waitFor({ state: "hidden" });
    const { quests } = await operator(`characters/${ada.id}/belongings`);
    const { step: open, completed } = quests.find(({ id }) => id === "firewood");
    assert.deepEqual([open, completed], [0, false]);
  });

  await step("a felled tree gives wood, which is durable", async () => {
    await fell(first, TREE);
    await has(first, "wood", 1);
    const { goods } = await settled(first, ada);
    assert.ok(goods.wood >= 1);
    await press(first, "i");
    await slotWith(first, await titleOf(first, "wood")).click();
    await shot(first, "22-bag");
    await press(first, "i");
  });

  await step("a club is made of it, held in the hand, and seen by the other", async () => {
    while ((await settled(first, ada)).goods.wood < 5) await fell(first, TREE);
    const before = await settled(first, ada);
    await press(first, "c");
    await shot(first, "23-make");
    await button(first, "Make Club").click();
    await has(first, "club", 1);
    const after = await settled(first, ada);
    assert.equal(after.goods.wood ?? 0, before.goods.wood - 4);
    await first.getByRole("tab", { name: "Bag" }).click();
    await slotWith(first, "Club").click();
    await button(first, "Put on").click();
    await first.getByRole("button", { name: "Hand: Club" }).waitFor();
    await press(first, "i");
    await second.waitForFunction((name) => {
      const other = window.pangea.entities().find((one) => one.name === name);
      const { items } = window.pangea.world.schema.tables;
      return items[other?.components.Gear?.hand - 1]?.name === "club";
    }, ada.character);
    await settled(first, ada);
  });

  await step("what one drops the other takes, with a finger", async () => {
    const mine = await settled(first, ada);
    const his = await settled(second, bob);
    await press(first, "i");
    await slotWith(first, "Wood").click();
    await first.getByRole("button", { name: /^Drop( one)?$/ }).click();
    await second.waitForFunction(() => window.pangea.entities().some((one) => one.kindName === "heap"));
    const heap = await second.evaluate(() => window.pangea.entities().find((one) => one.kindName === "heap").id);
    await first.getByRole("button", { name: "Close the bag" }).click();
    await walkToEntity(second, heap, 1.6);
    await shot(second, "23b-heap-phone");
    await second.getByRole("button", { name: "Take" }).tap();
    await has(second, "wood", (his.goods.wood ?? 0) + 1);
    await second.waitForFunction((heap) => !window.pangea.world.entities.get(heap), heap);
    assert.equal((await settled(second, bob)).goods.wood, (his.goods.wood ?? 0) + 1);
    assert.equal((await settled(first, ada)).goods.wood ?? 0, mine.goods.wood - 1);
  });

  await step("wood enough: the quest is done, its reward is there, and the log says so", async () => {
    let before = await settled(first, ada);
    while ((before.goods.wood ?? 0) < 8) {
      await fell(first, TREE);
      before = await settled(first, ada);
    }
    await press(first, "l");
    await first.locator("#quest-list").getByText("6 of 6").waitFor();
    await shot(first, "24-quests");
    await press(first, "l");
    await walkToPerson(first, "Mara");
    await shot(first, "25-back");
    await press(first, "e");
    await first.locator("#talk-window").getByRole("button", { name: /^Wood for the fire/ }).click();
    await first.getByText("Wood for the fire is done.").waitFor();
    await first.waitForFunction((coins) => window.pangea.me().components.Bag.coins === coins + 20, before.coins);
    const after = await settled(first, ada);
    const bread = (before.goods.bread ?? 0) + 2;
    assert.deepEqual(after, { goods: without({ ...before.goods, wood: before.goods.wood - 6, bread }), coins: before.coins + 20 });
    const { quests } = await operator(`characters/${ada.id}/belongings`);
    assert.ok(quests.some(({ id, completed }) => id === "firewood" && completed));
    await press(first, "Escape");
  });

  await step("what is put into the strongbox is in no bag, and comes out again", async () => {
    const before = await settled(first, ada);
    await walkToPerson(first, "Odo");
    await press(first, "e");
    await first.locator("#talk-window").getByRole("button", { name: "Open your strongbox" }).click();
    const box = first.locator("#strongbox-window");
    await box.waitFor();
    await slotWith(first, "Bread").click();
    const bread = box.getByRole("button", { name: /^Bread/ });
    await bread.waitFor();
    await shot(first, "25b-strongbox");
    assert.deepEqual((await settled(first, ada)).goods, without({ ...before.goods, bread: 0 }));
    await box.getByRole("button", { name: "Close the strongbox" }).click();
    await first.waitForFunction(() => !window.pangea.me().components.Strongbox);
    await press(first, "e");
    await first.locator("#talk-window").getByRole("button", { name: "Open your strongbox" }).click();
    await bread.focus();
    await first.keyboard.press("Enter");
    await has(first, "bread", before.goods.bread);
    assert.deepEqual(await settled(first, ada), before);
    await press(first, "Escape");
    await press(first, "Escape");
    await box.waitFor({ state: "hidden" });
  });

  await step("two trade: an offer that changes is agreed to anew, and exactly it changes hands", async () => {
    await operator(`characters/${bob.id}/grant`, { reason: "pocket money", coins: [{ currency: "coin", amount: 30 }] });
    await second.waitForFunction(() => window.pangea.me().components.Bag.coins >= 30);
    await walkToPlace(first, home);
    await walkToPlace(second, home);
    const other = await second.evaluate((name) => window.pangea.entities().find((one) => one.name === name).id, ada.character);
    await walkToEntity(second, other, 2);
    const [mine, his] = [await settled(first, ada), await settled(second, bob)];
    const spot = await spotOf(second, ada.character);
    await second.touchscreen.tap(spot.x, spot.y);
    await button(second, `Trade with ${ada.character}`).tap();
    await first.getByText(`${bob.character} wants to trade with you.`).waitFor();
    await shot(first, "26-asked");
    await button(first, "Trade").click();
    for (const page of [first, second]) await page.locator("#trade-window").waitFor();
    await slotWith(first, "Wood").click();
    await second.getByRole("spinbutton", { name: "Coins" }).fill("9");
    await second.getByRole("spinbutton", { name: "Coins" }).blur();
    await trading(first, { their_coins: 9, my_counts: [mine.goods.wood] });
    await button(first, "Agree").click();
    await trading(second, { they_agree: true });
    await second.getByRole("spinbutton", { name: "Coins" }).fill("7");
    await second.getByRole("spinbutton", { name: "Coins" }).blur();
    await trading(first, { their_coins: 7, i_agree: false });
    await shot(first, "27-trade");
    await shot(second, "28-trade-phone");
    await button(second, "Agree").tap();
    await trading(first, { they_agree: true });
    await button(first, "Agree").click();
    for (const page of [first, second]) await page.getByText("is done.").first().waitFor();
    for (const page of [first, second]) await page.locator("#trade-window").waitFor({ state: "hidden" });
    await shot(first, "29-traded");
    const [now, then] = [await settled(first, ada), await settled(second, bob)];
    const wood = mine.goods.wood - (now.goods.wood ?? 0);
    assert.ok(wood > 0);
    assert.deepEqual(now, { goods: without({ ...mine.goods, wood: mine.goods.wood - wood }), coins: mine.coins + 7 });
    assert.deepEqual(then, { goods: { ...his.goods, wood: (his.goods.wood ?? 0) + wood }, coins: his.coins - 7 });
  });
});
