/**
 * What the scripts of this folder share: a browser, steps that are told, and what a person does in a page.
 *
 * `PANGEA_URL` says where Pangea runs, `PANGEA_CHROMIUM` names another browser, `PANGEA_OUTPUT` another folder.
 */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

export const url = process.env.PANGEA_URL ?? "http://127.0.0.1:8080";
const output = process.env.PANGEA_OUTPUT ?? new URL("../../test-output", import.meta.url).pathname;
const PASSWORD = "three blue herons";
/** Bound of every wait. */
export const TIMEOUT_MS = 60_000;
/** Names are unique on a server; several runs may share one. */
export const run = Math.floor(Math.random() * 1e9).toString(36).padStart(6, "0");

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
export async function newPage(options = {}) {
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

export async function step(name, work) {
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

export const shot = (page, name) => page.screenshot({ path: `${output}/${name}.png` });
export const button = (page, name) => page.getByRole("button", { name, exact: true });
/** Where the server says that the character is. */
export const place = (page) => page.evaluate(() => {
  const me = window.pangea.me();
  return { x: me.x, y: me.y, area: window.pangea.world.welcome.area };
});
export const far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

export async function register(page, name, character, world = "The Wilds", faction = "The Embers") {
  await page.getByRole("tab", { name: "Register" }).click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await button(page, "Register").click();
  await create(page, character, world, faction);
}

export async function create(page, character, world, faction) {
  await page.getByLabel("Character name").fill(character);
  await page.getByRole("radiogroup", { name: "World" }).getByRole("radio", { name: world }).click();
  await page.getByRole("radiogroup", { name: "Faction" }).getByRole("radio", { name: faction }).click();
  await button(page, "Create").click();
  await page.getByRole("radio", { name: character, checked: true }).waitFor();
}

/** From now on every event of the world is written down. */
export async function hear(page) {
  await page.evaluate(() => {
    window.heard = [];
    const { world } = window.pangea;
    for (const name of ["drop", "resume", "switch", "follow", "refused", "end", "notice"]) {
      world.on(name, (event) => window.heard.push({ name, code: event?.code }));
    }
    world.on("closed", ({ code }) => window.heard.push({ name: "closed", code }));
  });
}

export async function inWorld(page) {
  await page.waitForFunction(() => window.pangea.world.state === "in" && window.pangea.me(), null, { timeout: TIMEOUT_MS });
  await page.getByLabel("Status").waitFor();
}

/** Walks in whichever direction is free until the character is this far from a place. */
export async function walkAway(page, from, metres) {
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
export async function walkTo(page, target, condition, argument) {
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
export async function standStill(page) {
  await page.waitForFunction(() => {
    const me = window.pangea.me();
    const now = `${me.x} ${me.y} ${window.pangea.world.steering.inputs.open.length}`;
    const same = window.stood === now;
    window.stood = now;
    return same;
  }, null, { polling: 300, timeout: TIMEOUT_MS });
}

/** The last step, the end of the browser, and the sum. @param {() => Promise<void>} steps */
export async function runAll(steps) {
  try {
    await steps();
    await step("the pages complained about nothing", async () => assert.deepEqual(complaints, []));
  } catch {
    // Told above; what follows a failed step would only fail too.
  } finally {
    await browser.close();
  }
  console.log(failed > 0 ? `${passed} passed, ${failed} failed` : `${passed} passed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
