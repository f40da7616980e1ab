/**
 * The page in a real browser against a running Pangea: register, enter by a wish, be refused, walk, see a
 * second player, go through a portal, close, come back to the same place. Pictures are kept in test-output/.
 *
 *     PANGEA_URL=http://127.0.0.1:8080 node walk.mjs
 *
 * `PANGEA_CHROMIUM` names another browser, `PANGEA_OUTPUT` another folder. Ends with 1 if a step failed.
 */

import assert from "node:assert/strict";

import {
  TIMEOUT_MS, button, far, hear, inWorld, newPage, place, register, run, runAll, shot, standStill, step, url, walkAway, walkTo,
} from "./support.mjs";

const ada = { account: `Ada ${run}`, character: `Ada ${run}` };
const bob = { account: `Bob ${run}`, character: `Bob ${run}` };
let first;
let second;
let home;

await runAll(async () => {
  await step("a wrong login is refused with a sentence", async () => {
    first = await newPage();
    await first.getByLabel("Name", { exact: true }).fill(`Nobody ${run}`);
    await first.getByLabel("Password").fill("wrong and wrong");
    await button(first, "Log in").click();
    await first.getByRole("alert").filter({ hasText: /\w/ }).first().waitFor();
    await shot(first, "01-sign-in");
  });

  await step("register, make a character, choose a world and a faction", async () => {
    await register(first, ada.account, ada.character);
    await shot(first, "02-characters");
  });

  await step("enter the Wilds on a wished layer, with wished rules", async () => {
    await hear(first);
    await first.getByText("Enter somewhere else").click();
    await first.getByRole("combobox", { name: "Rules" }).selectOption("pve");
    await first.getByRole("combobox", { name: "World" }).selectOption("wilds");
    await first.getByRole("combobox", { name: "Layer" }).selectOption("1");
    await shot(first, "03-picker");
    const asked = first.waitForRequest((request) => request.url().endsWith("/api/enter"));
    await button(first, "Enter there").click();
    const { character, ...wish } = (await asked).postDataJSON();
    assert.deepEqual(wish, { world: "wilds", layer: 1, rule: "pve" });
    assert.match(character, /^[0-9a-f]{32}$/);
    await inWorld(first);
    assert.match((await place(first)).area, /^wilds\/.*\/1$/);
    await first.getByText("Walk with W, A, S, D").waitFor();
  });

  await step("walk: the server moves the character", async () => {
    const from = await place(first);
    await walkAway(first, from, 4);
    await standStill(first);
    assert.ok(far(from, await place(first)) >= 3.9);
    await first.getByText("Walk with W, A, S, D").waitFor({ state: "hidden" });
    await first.waitForFunction(() => window.pangea.world.land.chunks.size >= 9);
    await shot(first, "04-wilds");
  });

  await step("a friend whom nobody knows is a «no» in words, and the wish can be mended", async () => {
    second = await newPage({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
    await register(second, bob.account, bob.character);
    await hear(second);
    await second.getByText("Enter somewhere else").click();
    await second.getByRole("textbox", { name: "Friend" }).fill(`Nobody ${run}`);
    await button(second, "Enter there").click();
    const no = second.getByRole("alert").filter({ hasText: /no such character/ });
    await no.waitFor();
    await second.waitForFunction((alert) => alert.getBoundingClientRect().top >= 0, await no.elementHandle());
    assert.equal(await second.getByRole("textbox", { name: "Friend" }).inputValue(), `Nobody ${run}`);
    const wide = await second.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wide, "nothing is wider than the phone");
    await shot(second, "05-phone-refused");
  });

  await step("a friend's layer: the second player is seen, and seen walking", async () => {
    await second.getByRole("textbox", { name: "Friend" }).fill(ada.character);
    await button(second, "Enter there").click();
    await inWorld(second);
    assert.equal((await place(second)).area, (await place(first)).area);
    const sees = (page, name) => page.waitForFunction((name) => window.pangea.entities().some((e) => e.name === name), name);
    await sees(first, bob.character);
    await sees(second, ada.character);
    const at = (name) => {
      const entity = window.pangea.entities().find((e) => e.name === name);
      return entity && { x: entity.x, y: entity.y };
    };
    const before = await first.evaluate(at, bob.character);
    await walkAway(second, await place(second), 3);
    await first.waitForFunction(([name, x, y]) => {
      const entity = window.pangea.entities().find((e) => e.name === name);
      return entity && Math.hypot(entity.x - x, entity.y - y) > 2;
    }, [bob.character, before.x, before.y]);
    await shot(first, "06-two-players");
    await shot(second, "07-phone");
  });

  await step("the seams of the world are a toggle", async () => {
    await first.getByLabel("The world.", { exact: false }).focus();
    await first.keyboard.press("b");
    await first.getByRole("button", { name: "Seams", pressed: true }).waitFor();
    await shot(first, "06a-seams");
    await first.keyboard.press("b");
    await first.getByRole("button", { name: "Seams", pressed: false }).waitFor();
  });

  await step("creatures are seen, and a tree falls before the eyes of another", async () => {
    for (const page of [first, second]) {
      await page.waitForFunction(() => {
        const creatures = window.pangea.entities().filter((e) => ["rabbit", "deer", "boar", "wolf"].includes(e.kindName));
        return creatures.some((e) => e.components.Body?.health > 0);
      });
    }
    const tree = await first.evaluate(() => {
      const { land } = window.pangea.world;
      const me = window.pangea.me();
      const { x: x0, y: y0 } = { x: Math.floor(me.x), y: Math.floor(me.y) };
      let best = null;
      for (let y = y0 - 25; y <= y0 + 25; y++) {
        for (let x = x0 - 25; x <= x0 + 25; x++) {
          const far = Math.hypot(x + 0.5 - me.x, y + 0.5 - me.y);
          if (land.tile(x, y) === 17 && (!best || far < best.far)) best = { x, y, far };
        }
      }
      return best;
    });
    assert.ok(tree, "there is a tree somewhere near");
    await walkTo(first, { x: tree.x + 0.5, y: tree.y + 0.5 }, ([x, y]) => {
      const me = window.pangea.me();
      return Math.hypot(x + 0.5 - me.x, y + 0.5 - me.y) < 1.5;
    }, [tree.x, tree.y]);
    await standStill(first);
    await shot(first, "06b-tree");
    await second.waitForFunction(([x, y]) => window.pangea.world.land.tile(x, y) === 17, [tree.x, tree.y]);
    await first.getByLabel("The world.", { exact: false }).focus();
    await first.keyboard.down("e");
    // Held, the key strokes on until nothing stands there.
    const stroke = setInterval(() => void first.keyboard.down("e").catch(() => {}), 150);
    try {
      await second.waitForFunction(([x, y]) => window.pangea.world.land.tile(x, y) === 0, [tree.x, tree.y]);
    } finally {
      clearInterval(stroke);
      await first.keyboard.up("e");
    }
    await first.waitForFunction(([x, y]) => window.pangea.world.land.tile(x, y) === 0, [tree.x, tree.y]);
  });

  await step("a touch walks", async () => {
    const from = await place(second);
    const touch = (name, x, y) => second.evaluate(([name, x, y]) => {
      const target = document.getElementById("picture");
      target.setPointerCapture = () => {};
      target.dispatchEvent(new PointerEvent(name, { pointerId: 7, pointerType: "touch", clientX: x, clientY: y, bubbles: true }));
    }, [name, x, y]);
    for (const [dx, dy] of [[0, -60], [60, 0], [-60, 0], [0, 60]]) {
      await touch("pointerdown", 120, 500);
      await touch("pointermove", 120 + dx, 500 + dy);
      const moved = await second.waitForFunction(([x, y]) => {
        const me = window.pangea.me();
        return Math.hypot(me.x - x, me.y - y) > 1;
      }, [from.x, from.y], { timeout: 5_000 }).then(() => true, () => false);
      await touch("pointerup", 120 + dx, 500 + dy);
      if (moved) break;
    }
    await standStill(second);
    assert.ok(far(from, await place(second)) > 0.9);
  });

  await step("a lost connection is resumed by itself", async () => {
    await second.evaluate(() => { window.heard.length = 0; });
    await second.evaluate(() => window.pangea.world.live.socket.close(4999));
    await second.waitForFunction(() => window.heard.some(({ name }) => name === "resume"));
    await inWorld(second);
    await second.close();
  });

  await step("leave, and enter the Isles", async () => {
    await button(first, "Leave").click();
    await button(first, "Enter").waitFor();
    await first.getByRole("combobox", { name: "World" }).selectOption("isles");
    await first.getByRole("combobox", { name: "Map" }).selectOption("harbour");
    await button(first, "Enter there").click();
    await inWorld(first);
    assert.match((await place(first)).area, /^isles\/harbour\//);
    await shot(first, "08-harbour");
  });

  await step("go on from inside the game: asked, and back", async () => {
    await first.evaluate(() => { window.heard.length = 0; });
    for (const [map, prefix] of [["cave", "isles/cave/"], ["harbour", "isles/harbour/"]]) {
      await first.getByLabel("The world.", { exact: false }).focus();
      await first.keyboard.press("g");
      const dialog = first.getByRole("dialog", { name: "Where to?" });
      await dialog.getByRole("combobox", { name: "World" }).selectOption("isles");
      await dialog.getByRole("combobox", { name: "Map" }).selectOption(map);
      await dialog.getByRole("button", { name: "Go on" }).click();
      const ready = first.getByRole("dialog", { name: "Everything is ready" });
      await ready.getByRole("button", { name: "Go", exact: true }).click();
      await first.waitForFunction((prefix) => window.pangea.world.welcome?.area.startsWith(prefix), prefix);
      await first.waitForFunction((map) => window.heard.filter(({ name }) => name === "closed").length === (map === "cave" ? 1 : 2), map);
    }
    const heard = await first.evaluate(() => window.heard);
    assert.ok(!heard.some(({ name }) => name === "drop" || name === "refused"), JSON.stringify(heard));
  });

  await step("through the portal to the forest: make before break", async () => {
    await first.evaluate(() => { window.heard.length = 0; });
    await walkTo(first, { x: 110, y: 64 }, () => (window.pangea.world.welcome?.area ?? "").startsWith("isles/forest/"));
    await inWorld(first);
    await first.waitForFunction(() => window.heard.some(({ name }) => name === "closed"));
    const heard = await first.evaluate(() => window.heard);
    assert.ok(!heard.some(({ name }) => name === "drop"), JSON.stringify(heard));
    assert.deepEqual(heard.filter(({ name }) => name === "closed"), [{ name: "closed", code: 4001 }]);
    assert.ok(heard.some(({ name }) => name === "switch"));
    await first.waitForFunction(() => window.pangea.world.land.chunks.size >= 9);
    await shot(first, "09-forest");
  });

  await step("walk on there", async () => {
    const from = await place(first);
    await walkTo(first, { x: from.x + 6, y: from.y }, (x) => window.pangea.me()?.x > x, from.x + 4);
    await standStill(first);
    home = await place(first);
    assert.match(home.area, /^isles\/forest\//);
  });

  await step("close the page, come back, stand where one stood", async () => {
    const context = first.context();
    await first.close();
    first = await context.newPage();
    first.setDefaultTimeout(TIMEOUT_MS);
    await first.goto(url);
    await button(first, "Enter").click();
    await inWorld(first);
    const now = await place(first);
    assert.match(now.area, /^isles\/forest\//);
    assert.ok(far(home, now) <= 1, `${JSON.stringify(home)} and then ${JSON.stringify(now)}`);
    await shot(first, "10-back");
  });
});
