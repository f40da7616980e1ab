/**
 * Which way a real browser goes to a running Pangea: WebTransport from server to server, and WebSocket by
 * itself where UDP leads nowhere or the certificate is another's. What a bad network loses is lost to nobody.
 *
 *     PANGEA_URL=http://127.0.0.1:8080 node transport.mjs
 *
 * `PANGEA_CHROMIUM` names another browser. Ends with 1 if a step failed.
 */

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";

import { chromium } from "playwright-core";

const url = process.env.PANGEA_URL ?? "http://127.0.0.1:8080";
const run = Math.floor(Math.random() * 1e9).toString(36).padStart(6, "0");
const letters = [...run].map((digit) => String.fromCharCode(97 + parseInt(digit, 36) % 26)).join("");

const browser = await chromium.launch({
  executablePath: process.env.PANGEA_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});

/** A page whose player is on his way in; every answer to an enter passes `change` first. */
async function enter(name, change = (offer) => offer) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(60_000);
  await page.route("**/api/enter", async (route) => {
    const response = await route.fetch();
    const text = await response.text();
    const [whole, offer] = text.match(/"webtransport":(\{[^}]*\})/) ?? [];
    const body = offer ? text.replace(whole, `"webtransport":${JSON.stringify(await change(JSON.parse(offer)))}`) : text;
    await route.fulfill({ response, body });
  });
  await page.goto(url);
  await page.evaluate(async (name) => {
    const { Api, World } = await import("/lib/index.js");
    const api = new Api();
    await api.register(name, "three blue herons");
    const { id } = await api.createCharacter({ world: "isles", name, faction: null });
    const world = new World(api, { followsUnasked: true, transport: "webtransport" });
    globalThis.player = world;
    globalThis.began = performance.now();
    await world.enter({ character: id });
    globalThis.took = performance.now() - began;
  }, name);
  return page;
}

const way = (page) => page.evaluate(() => [player.live?.transport, player.welcome.area.split("/")[1]]);

/** A bad network before a server's UDP port: of the packets each way one in ten is lost while it storms. */
async function badNetwork(port) {
  const network = { port: 0, storms: false, lost: 0, close: () => front.close() };
  const front = createSocket("udp4");
  /** @type {Map<string, import("node:dgram").Socket>} */
  const ways = new Map();
  const passes = () => !network.storms || Math.random() >= 0.1 || (network.lost++, false);
  front.on("message", (packet, { address, port: from }) => {
    let way = ways.get(`${address}:${from}`);
    if (!way) {
      way = createSocket("udp4");
      way.on("message", (answer) => passes() && front.send(answer, from, address));
      ways.set(`${address}:${from}`, way);
    }
    if (passes()) way.send(packet, port, "127.0.0.1");
  });
  front.on("close", () => ways.forEach((way) => way.close()));
  await new Promise((resolve) => front.bind(0, "127.0.0.1", () => resolve(undefined)));
  network.port = front.address().port;
  return network;
}

let failed = false;
try {
  const visitor = await (await browser.newContext()).newPage();
  for (const [query, wished] of [["", false], ["?transport=webtransport", true]]) {
    await visitor.goto(url + query);
    await visitor.waitForFunction(() => globalThis.pangea?.world);
    assert.equal(await visitor.evaluate(() => Boolean(pangea.world.ways.Transports)), wished, query);
  }
  await visitor.close();
  console.log("ok   the page tries WebTransport where it is wished");

  const page = await enter(`wt${letters}a`);
  assert.deepEqual(await way(page), ["webtransport", "harbour"]);
  console.log("ok   the browser takes WebTransport");

  const from = await page.evaluate(() => player.me().x);
  await page.evaluate(() => player.steer(1, 0));
  await page.waitForFunction((x) => player.me().x > x + 2, from);
  await page.evaluate(() => player.steer(0, 0));
  await page.evaluate(() => player.goOn({ map: "forest" }));
  await page.waitForFunction(() => player.welcome?.area.startsWith("isles/forest"));
  assert.deepEqual(await way(page), ["webtransport", "forest"]);
  console.log("ok   from one server to the other too");

  // It may be back before anybody looks again.
  await page.evaluate(() => new Promise((dropped) => {
    player.on("drop", () => dropped(undefined));
    player.live.socket.close(4999);
  }));
  await page.waitForFunction(() => player.state === "in");
  assert.deepEqual(await way(page), ["webtransport", "forest"]);
  console.log("ok   and back after a loss");

  const dead = await enter(`wt${letters}b`, (offer) => ({ ...offer, url: "https://127.0.0.1:9/play" }));
  assert.deepEqual(await way(dead), ["websocket", "harbour"]);
  console.log("ok   where UDP leads nowhere it takes WebSocket by itself");

  await dead.evaluate(() => player.goOn({ map: "forest" }));
  await dead.waitForFunction(() => player.welcome?.area.startsWith("isles/forest"));
  assert.deepEqual(await way(dead), ["websocket", "forest"], "what failed once is not tried again");

  const foreign = await enter(`wt${letters}c`, (offer) => ({ ...offer, certificate_hashes: ["07".repeat(32)] }));
  assert.deepEqual(await way(foreign), ["websocket", "harbour"]);
  console.log("ok   another certificate than was announced is not taken");

  let network;
  const far = await enter(`wt${letters}d`);
  const networkOf = async (offer) => {
    network = await badNetwork(Number(new URL(offer.url).port));
    return { ...offer, url: `https://127.0.0.1:${network.port}/play` };
  };
  const near = await enter(`wt${letters}e`, networkOf);
  assert.deepEqual([await way(far), await way(near)], [["webtransport", "harbour"], ["webtransport", "harbour"]]);
  const heard = () => near.evaluate(() => globalThis.datagrams);
  await near.evaluate(() => {
    globalThis.datagrams = globalThis.drops = 0;
    const placed = player.placed.bind(player);
    player.live.onPlaces = (moved) => { globalThis.datagrams += 1; placed(player.live, moved); };
    player.on("drop", () => { globalThis.drops += 1; });
  });
  network.storms = true;
  const whose = await far.evaluate(() => player.me().name);
  for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0.3], [0.2, -1], [1, 1]]) {
    const before = await heard();
    await far.evaluate(([dx, dy]) => player.steer(dx, dy), [dx, dy]);
    await near.evaluate(([dx, dy]) => player.steer(-dx, dy), [dx, dy]);
    await near.waitForFunction((before) => globalThis.datagrams > before + 20, before);
    for (const one of [far, near]) await one.evaluate(() => player.steer(0, 0));
    await far.waitForFunction(() => player.steering.inputs.open.length === 0);
    await near.waitForFunction(() => player.steering.inputs.open.length === 0);
    const at = await far.evaluate(() => [player.me().xCm, player.me().yCm]);
    await near.waitForFunction(([whose, at]) => {
      const other = [...player.entities].find(({ name }) => name === whose);
      return other && other.xCm === at[0] && other.yCm === at[1];
    }, [whose, at]);
  }
  assert.ok(network.lost > 20, `only ${network.lost} packets were lost`);
  assert.deepEqual([await near.evaluate(() => globalThis.drops), await way(near)], [0, ["webtransport", "harbour"]]);
  network.storms = false;
  network.close();
  console.log("ok   one packet in ten is lost: who comes to rest is seen where he is, and nobody is dropped");

  await page.evaluate(() => player.leave());
  assert.equal(await page.evaluate(() => player.state), "out");
  console.log("passed");
} catch (error) {
  failed = true;
  console.log(`FAIL ${String(error?.stack ?? error)}`);
} finally {
  await browser.close();
}
process.exitCode = failed ? 1 : 0;
