/**
 * The seams of the world: two pages on two area servers, who sees whom as whose, and a walk over the line.
 *
 *     PANGEA_URL=http://127.0.0.1:8080 node seams.mjs
 *
 * The world is one of `pangea/tests/cluster/browser.rs`: areas of 64 m, Embers to the west of the line, Tides to the
 * east. Ends with 1 if a step failed.
 */

import assert from "node:assert/strict";

import { button, hear, inWorld, newPage, place, register, run, runAll, shot, standStill, step, walkTo } from "./support.mjs";

const west = { account: `Wes ${run}`, character: `Wes ${run}`, faction: "The Embers" };
const east = { account: `Eva ${run}`, character: `Eva ${run}`, faction: "The Tides" };
const LINE_M = 64;

/** What the overlay says of an entity: whose ghost it is, or null. */
const ghostOf = (page, name) => page.evaluate((name) => {
  const entity = window.pangea.entities().find((e) => e.name === name);
  return entity ? (entity.components.GhostOf ?? null) : undefined;
}, name);

const sees = (page, name, x) => page.waitForFunction(([name, x]) => {
  const entity = window.pangea.entities().find((e) => e.name === name);
  return entity && (x === null ? !entity.components.GhostOf : entity.components.GhostOf?.x === x);
}, [name, x]);

await runAll(async () => {
  let [first, second] = [];

  await step("two people stand on two sides of a line", async () => {
    for (const one of [west, east]) {
      const page = await newPage();
      await register(page, one.account, one.character, "Seams", one.faction);
      await hear(page);
      await button(page, "Enter").click();
      await inWorld(page);
      if (one === west) first = page;
      else second = page;
    }
    const [a, b] = [await place(first), await place(second)];
    assert.ok(a.x < LINE_M && b.x > LINE_M && a.area !== b.area, JSON.stringify([a, b]));
  });

  await step("each is the other's ghost, and the overlay says so", async () => {
    await sees(first, east.character, LINE_M);
    await sees(second, west.character, 0);
    assert.equal(await ghostOf(first, west.character), null);
    for (const page of [first, second]) {
      await page.getByLabel("The world.", { exact: false }).focus();
      await page.keyboard.press("b");
      await page.waitForFunction(() => window.pangea.world.beside.some(({ welcome }) => welcome));
      await page.getByTestId("seams").filter({ hasText: /2 entities, 1 of them ghosts/ }).waitFor();
    }
    await shot(first, "30-seams-west");
    await shot(second, "31-seams-east");
  });

  await step("over the line: the owner changes, the connection does not drop", async () => {
    const before = await place(first);
    const { x, y } = await place(second);
    await walkTo(first, { x, y }, (area) => window.pangea.world.welcome.area !== area, before.area);
    await standStill(first);
    assert.equal((await place(first)).area, (await place(second)).area);
    await sees(first, east.character, null);
    await sees(second, west.character, null);
    await first.getByTestId("seams").filter({ hasText: /last crossing: \d+ ms without an update/ }).waitFor();
    await second.getByTestId("seams").filter({ hasText: /2 entities, 0 of them ghosts/ }).waitFor();
    const heard = await first.evaluate(() => window.heard);
    assert.ok(!heard.some(({ name }) => ["drop", "refused", "resume"].includes(name)), JSON.stringify(heard));
    assert.deepEqual(heard.filter(({ name }) => name === "closed"), [{ name: "closed", code: 4001 }]);
    await shot(first, "32-seams-crossed");
  });
});
