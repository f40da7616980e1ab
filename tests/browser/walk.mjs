/**
 * The page in a real browser against a running Pangea: register, enter by a wish, be refused, walk, see a
 * second player, go through a portal, close, come back to the same place. Pictures are kept in test-output/.
 *
 *     PANGEA_URL=http://127.0.0.1:8080 node walk.mjs
 *
 * `PANGEA_CHROMIUM` names another browser, `PANGEA_OUTPUT` another folder. Ends with 1 if a step failed.
 */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const url = process.env.PANGEA_URL ?? "http://127.0.0.1:8080";
const output = process.env.PANGEA_OUTPUT ?? new URL("../../test-output", import.meta.url).pathname;
const PASSWORD = "three blue herons";
/** Bound of every wait. */
const TIMEOUT_MS = 60_000;
/** Names are unique on a server; several runs may share one. */
const run = Math.floor(Math.random() * 1e9).toString(36).padStart(6, "0");

mkdirSync(output, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.PANGEA_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--ignore-certificate-errors"],
});
/** What the pages complained about. @type {string[]} */
const complaints = [];
let passed = 0;
let failed = 0;

/** A browser of its own: nothing is shared with the others. */
async function newPage(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
  });
  await page.goto(url);
  return page;
}

async function step(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${String(error?.stack ?? error).replaceAll("\n", "\n     ")}`);
    for (const [index, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
      await page.screenshot({ path: `${output}/failed-${index}.png` }).catch(() => {});
      console.log(`     page ${index}: ${await page.evaluate(() => JSON.stringify(window.heard ?? [])).catch(String)}`);
    }
    throw error;
  }
}

const shot = (page, name) => page.screenshot({ path: `${output}/${name}.png` });
const button = (page, name) => page.getByRole("button", { name, exact: true });
/** Where the server says that the character is. */
const place = (page) => page.evaluate(() => {
  const me = window.pangea.me();
  return { x: me.x, y: me.y, area: window.pangea.world.welcome.area };
});
const far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

async function register(page, name, character, world = "The Wilds", faction = "The Embers") {
  await page.getByRole("tab", { name: "Register" }).click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await button(page, "Register").click();
  await create(page, character, world, faction);
}

async function create(page, character, world, faction) {
  await page.getByLabel("Character name").fill(character);
  await page.getByRole("radiogroup", { name: "World" }).getByRole("radio", { name: world }).click();
  await page.getByRole("radiogroup", { name: "Faction" }).getByRole("radio", { name: faction }).click();
  await button(page, "Create").click();
  await page.getByRole("radio", { name: character, checked: true }).waitFor();
}

/** From now on every event of the world is written down. */
async function hear(page) {
  await page.evaluate(() => {
    window.heard = [];
    const { world } = window.pangea;
    for (const name of ["drop", "resume", "switch", "follow", "refused", "end", "notice"]) {
      world.on(name, (event) => window.heard.push({ name, code: event?.code }));
    }
    world.on("closed", ({ code }) => window.heard.push({ name: "closed", code }));
  });
}

async function inWorld(page) {
  await page.waitForFunction(() => window.pangea.world.state === "in" && window.pangea.me(), null, { timeout: TIMEOUT_MS });
  await page.getByLabel("Status").waitFor();
}

/** Walks in whichever direction is free until the character is this far from a place. */
async function walkAway(page, from, metres) {
  for (const key of ["d", "s", "a", "w", "d", "s"]) {
    await page.getByLabel("The world.", { exact: false }).focus();
    await page.keyboard.down(key);
    const arrived = await page.waitForFunction(([x, y, m]) => {
      const me = window.pangea.me();
      return Math.hypot(me.x - x, me.y - y) >= m;
    }, [from.x, from.y, metres], { timeout: 5_000 }).then(() => true, () => false);
    await page.keyboard.up(key);
    if (arrived) return;
  }
  throw new Error("there is no way out of this place");
}

/** Walks towards a place, and around what stands in the way, until the condition holds. */
async function walkTo(page, target, condition, argument) {
  await page.evaluate((target) => {
    const { world } = window.pangea;
    let last = { x: NaN, y: NaN };
    let detour = 0;
    let side = 1;
    window.walking = setInterval(() => {
      const me = window.pangea.me();
      if (!me) return;
      const [dx, dy] = [target.x - me.x, target.y - me.y];
      const length = Math.hypot(dx, dy) || 1;
      if (Math.hypot(me.x - last.x, me.y - last.y) < 0.05 && detour === 0) {
        detour = 8;
        side = -side;
      }
      last = { x: me.x, y: me.y };
      if (detour > 0) {
        detour -= 1;
        world.steer((-dy / length) * side, (dx / length) * side);
      } else {
        world.steer(dx / length, dy / length);
      }
    }, 120);
  }, target);
  try {
    await page.waitForFunction(condition, argument, { timeout: TIMEOUT_MS });
  } finally {
    await page.evaluate(() => {
      clearInterval(window.walking);
      window.pangea.world.steer(0, 0);
    });
  }
}

/** The character stands still, and the server has said where. */
async function standStill(page) {
  await page.waitForFunction(() => {
    const me = window.pangea.me();
    const now = `${me.x} ${me.y} ${window.pangea.world.steering.inputs.open.length}`;
    const same = window.stood === now;
    window.stood = now;
    return same;
  }, null, { polling: 300, timeout: TIMEOUT_MS });
}

const ada = { account: `Ada ${run}`, character: `Ada ${run}` };
const bob = { account: `Bob ${run}`, character: `Bob ${run}` };
let first;
let second;
let home;

try {
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

  await step("the borders of an area are a toggle", async () => {
    await first.getByLabel("The world.", { exact: false }).focus();
    await first.keyboard.press("b");
    await first.getByRole("button", { name: "Borders", pressed: true }).waitFor();
    await first.keyboard.press("b");
    await first.getByRole("button", { name: "Borders", pressed: false }).waitFor();
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
    const known = ([x, y]) => window.pangea.world.land.tile(x, y);
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
    assert.equal(await first.evaluate(known, [tree.x, tree.y]), 0);
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

  await step("the pages complained about nothing", async () => {
    assert.deepEqual(complaints, []);
  });
} catch {
  // Told above; what follows a failed step would only fail too.
} finally {
  await browser.close();
}

console.log(failed > 0 ? `${passed} passed, ${failed} failed` : `${passed} passed`);
process.exitCode = failed > 0 ? 1 : 0;
