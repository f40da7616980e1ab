/**
 * People in a real browser against a running Pangea: lines of the world once each, also over a lost connection,
 * whispers, a party with its frames, friends, a faction, mail, the market.
 *
 *     PANGEA_URL=http://127.0.0.1:8080 PANGEA_OPERATOR_KEY=… node social.mjs
 *
 * Ends with 1 if a step failed. Pictures are kept in test-output/.
 */

import assert from "node:assert/strict";

import { button, hear, inWorld, newPage, place, register, run, runAll, shot, step, url } from "./support.mjs";

const key = process.env.PANGEA_OPERATOR_KEY;
assert.ok(key, "the operator's key is in PANGEA_OPERATOR_KEY");
const ada = `Ada ${run}`;
const bob = `Bob ${run}`;
/** Unlike anything else that is said. */
const word = (name) => `${name} ${run}`;
let first;
let second;

// ---- what a player does and sees ------------------------------------------------------------------------

const look = (page) => page.getByLabel("The world.", { exact: false }).focus();
const field = (page) => page.getByRole("textbox", { name: "Say something" });
/** The lines with these words. */
const lines = (page, words) => page.getByRole("log", { name: "Chat lines" }).locator("p").filter({ hasText: words });

async function say(page, typed) {
  await look(page);
  await page.keyboard.press("Enter");
  await field(page).fill(typed);
  await page.keyboard.press("Enter");
}

/** It is there, once. */
async function once(page, words) {
  await lines(page, words).first().waitFor();
  assert.equal(await lines(page, words).count(), 1, `«${words}» is shown once`);
}

/** The menu on a name in the chat. */
async function choose(page, name, doing) {
  await page.getByRole("log", { name: "Chat lines" }).getByRole("button", { name, exact: true }).last().click();
  await button(page, doing).click();
}

const asked = (page, text) => page.getByRole("alertdialog").filter({ hasText: text });

async function operator(path, body) {
  const answer = await fetch(`${url}/api/data/${path}`, {
    method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
}

const coinsOf = (page) => page.evaluate(() => window.pangea.me().components.Bag.coins);
const coinsAre = (page, coins) => page.waitForFunction((coins) => window.pangea.me().components.Bag.coins === coins, coins);
/** How many of an item are in the bag. */
const has = (page, name, count) => page.waitForFunction(([name, count]) => {
  const { items } = window.pangea.world.schema.tables;
  const { Bag } = window.pangea.me().components;
  return Bag.items.reduce((sum, item, n) => sum + (items[item].name === name ? Bag.counts[n] : 0), 0) === count;
}, [name, count]);

await runAll(async () => {
  await step("two players are in the Wilds", async () => {
    [first, second] = [await newPage(), await newPage()];
    for (const [page, name] of [[first, ada], [second, bob]]) {
      await register(page, name, name);
      await hear(page);
      await button(page, "Enter").click();
      await inWorld(page);
    }
  });

  await step("a line to the world is seen once by both, and is text", async () => {
    const stood = await place(first);
    await say(first, `/world <b>${word("hail")}</b> & good day`);
    for (const page of [first, second]) {
      await once(page, `<b>${word("hail")}</b> & good day`);
      assert.equal(await lines(page, word("hail")).locator("b").count(), 0, "no markup");
    }
    assert.deepEqual(await place(first), stood, "what is typed does not walk");
  });

  await step("what was said while the connection was lost is there once, in order", async () => {
    await first.evaluate(() => { window.heard.length = 0; });
    await first.evaluate(() => window.pangea.world.live.socket.close(4999));
    for (const n of [1, 2, 3]) await say(second, `/world ${word(`missed ${n}`)}`);
    await first.waitForFunction(() => window.heard.some(({ name }) => name === "resume"));
    await say(second, `/world ${word("missed 4")}`);
    for (const n of [1, 2, 3, 4]) await once(first, word(`missed ${n}`));
    const shown = await lines(first, "missed").filter({ hasText: run }).locator(".words").allTextContents();
    assert.deepEqual(shown, [1, 2, 3, 4].map((n) => word(`missed ${n}`)));
  });

  await step("a whisper reaches the one it is for, and is answered", async () => {
    await first.getByRole("tab", { name: "World" }).click();
    await say(second, `/w ${ada} ${word("psst")}`);
    await lines(second, `To ${ada}`).filter({ hasText: word("psst") }).waitFor();
    await first.getByRole("tab", { name: "Whispers, 1 unread" }).click();
    await once(first, word("psst"));
    await shot(first, "social-whisper");
    await say(first, `/r ${word("what is it?")}`);
    await once(second, word("what is it?"));
    await first.getByRole("tab", { name: "All" }).click();
    await say(first, `/w "Nobody ${run}" hello`);
    await lines(first, /no such character|offline|nobody/i).first().waitFor();
  });

  await step("near talk is heard near", async () => {
    await say(first, `/local ${word("hum")}`);
    for (const page of [first, second]) await once(page, word("hum"));
  });

  await step("a party: invited by a click on a name, its frames, its channel, the end", async () => {
    await choose(first, bob, "Invite to the party");
    await asked(second, `${ada} invites you to a party`).getByRole("button", { name: "Join" }).click();
    for (const [page, other] of [[first, bob], [second, ada]]) {
      const frame = page.getByRole("region", { name: /party/i }).getByRole("listitem").filter({ hasText: other });
      await frame.waitFor();
      await frame.getByText(/^\d+ m$/).waitFor();
      assert.equal(await frame.getByRole("img", { name: "leader" }).count(), other === ada ? 1 : 0);
    }
    await say(second, `/p ${word("together")}`);
    for (const page of [first, second]) await once(page, word("together"));
    await shot(first, "social-party");
    // With the last but one the party ends.
    const party = (page) => page.getByRole("region", { name: /party/i });
    await party(second).getByRole("button", { name: "Leave" }).click();
    for (const page of [second, first]) await party(page).waitFor({ state: "hidden" });
  });

  await step("a friend: asked, and seen as there", async () => {
    await choose(first, bob, "Ask for friendship");
    await asked(second, `${ada} asks for your friendship`).getByRole("button", { name: "Yes" }).click();
    for (const [page, other] of [[first, bob], [second, ada]]) {
      await look(page);
      await page.keyboard.press("p");
      const entry = page.getByRole("region", { name: "People" }).getByRole("listitem").filter({ hasText: other });
      await entry.getByRole("img", { name: "online" }).waitFor();
    }
    await shot(second, "social-people");
    for (const page of [first, second]) await page.getByRole("button", { name: "Close: People" }).click();
  });

  await step("a faction: founded, found by the other, its ground", async () => {
    for (const page of [first, second]) {
      await look(page);
      await page.keyboard.press("j");
    }
    const [mine, his] = [first, second].map((page) => page.getByRole("region", { name: "Faction" }));
    await mine.getByText("Found a faction").click();
    await mine.getByLabel("Name").fill(`Herons ${run}`);
    await mine.getByLabel("Everybody may join").check();
    await mine.getByRole("button", { name: "Found it" }).click();
    await mine.getByText("you are leader").waitFor();
    await second.getByRole("button", { name: "Close: Faction" }).click();
    await look(second);
    await second.keyboard.press("j");
    await his.getByRole("listitem").filter({ hasText: `Herons ${run}` }).getByRole("button", { name: "Join" }).click();
    await his.getByText("you are member").waitFor();
    await mine.getByRole("listitem").filter({ hasText: bob }).waitFor();
    assert.equal(await his.getByRole("button", { name: "Send away" }).count(), 0, "a member sends nobody away");
    await shot(first, "social-faction");
    await say(second, `/f ${word("herons")}`);
    for (const page of [first, second]) await once(page, word("herons"));
    for (const page of [first, second]) await page.getByRole("button", { name: "Close: Faction" }).click();
  });

  await step("mail with goods and coins is taken once; what is sold is paid", async () => {
    const id = await first.evaluate(() => window.pangea.world.character);
    await operator(`characters/${id}/grant`, { reason: "for the post", goods: [{ template: "wood", quantity: 5 }], coins: [{ currency: "coin", amount: 40 }] });
    await has(first, "wood", 5);
    const [adas, bobs] = [await coinsOf(first), await coinsOf(second)];
    await look(first);
    await first.keyboard.press("n");
    const post = first.getByRole("region", { name: "Mail" });
    await post.getByRole("tab", { name: "Write" }).click();
    await post.getByText("Put goods in").click();
    await post.getByRole("checkbox", { name: /Wood/ }).check();
    await post.getByLabel("How many").fill("3");
    await post.getByLabel("To").fill(bob);
    await post.getByLabel("Subject").fill(word("firewood"));
    await post.getByLabel("Coins").fill("30");
    await post.getByRole("button", { name: "Send" }).click();
    await has(first, "wood", 2);
    await coinsAre(first, adas - 30);
    await second.getByText("You have mail.").waitFor();
    await look(second);
    await second.keyboard.press("n");
    const inbox = second.getByRole("region", { name: "Mail" });
    await inbox.getByRole("button", { name: word("firewood") }).click();
    await shot(second, "social-mail");
    await inbox.getByRole("button", { name: "Take it" }).click();
    await has(second, "wood", 3);
    await coinsAre(second, bobs + 30);
    await inbox.getByRole("button", { name: "Take it" }).waitFor({ state: "detached" });

    await look(second);
    await second.keyboard.press("Escape");
    await second.keyboard.press("k");
    const stall = second.getByRole("region", { name: "Market" });
    await stall.getByRole("tab", { name: "Sell" }).click();
    await stall.getByLabel("How many").fill("2");
    await stall.getByLabel("Price for all of it").fill("7");
    await stall.getByRole("button", { name: "Offer it" }).click();
    await stall.getByRole("button", { name: "Take back" }).waitFor();
    await stall.getByLabel("How many").fill("1");
    await stall.getByLabel("Price for all of it").fill("9");
    await stall.getByRole("button", { name: "Offer it" }).click();
    await stall.getByRole("button", { name: "Take back" }).nth(1).waitFor();
    // A page of one offer each.
    await first.route(/\/api\/.*market\?/, (route) => route.continue({ url: route.request().url().replace(/limit=\d+/, "limit=1") }));
    await look(first);
    await first.keyboard.press("Escape");
    await first.keyboard.press("k");
    const offered = first.getByRole("region", { name: "Market" });
    const ofBob = offered.getByRole("listitem").filter({ hasText: `from ${bob}` });
    await offered.getByRole("button", { name: /Buy for/ }).first().waitFor();
    assert.equal(await offered.getByRole("button", { name: /Buy for/ }).count(), 1, "one offer on the first page");
    while (await ofBob.count() < 2) {
      const shown = await offered.getByRole("listitem").count();
      await offered.getByRole("button", { name: "Show more" }).click();
      await offered.getByRole("listitem").nth(shown).waitFor();
    }
    await ofBob.getByRole("button", { name: /Buy for .* 7$/ }).click();
    await has(first, "wood", 4);
    await coinsAre(second, bobs + 37);
    await shot(first, "social-market");
  });

  await step("who may not speak is told until when", async () => {
    await operator("mute", { name: bob, minutes: 5, reason: "test" });
    await lines(second, "You may not speak until").first().waitFor();
    await say(second, `/world ${word("muted")}`);
    await lines(second, `«${word("muted")}»`).waitFor();
    assert.equal(await lines(first, word("muted")).count(), 0);
  });
});
