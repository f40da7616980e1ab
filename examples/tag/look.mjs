// A player of tag in JavaScript: `node look.mjs http://127.0.0.1:8080`. Takes coins, sprints, waits until somebody is tagged.
import { createRequire } from "node:module";
import { Api, World } from "../../web/lib/index.js";

// Node 22 and browsers have their own; the lodge beside this example brings one for older ones.
const WebSocket = globalThis.WebSocket ?? createRequire(new URL("../lodge-node/", import.meta.url))("ws");

const api = new Api(process.argv[2]);
const name = process.argv[3] ?? "Bob";
await api.register(name, "correct horse battery");
const { id } = await api.createCharacter({ world: "green", name, faction: null });
const world = new World(api, { WebSocket });

const coins = new Set();
world.entities.onAdd("coin", (coin) => coins.add(coin));
world.entities.onRemove("coin", (coin) => coins.delete(coin));
const tagged = new Promise((resolve) => world.on("event", (event) => { if (event.name === "Tagged") resolve(event.values); }));
await world.enter({ character: id });

const me = await seen(() => world.me()?.components.Runner && world.me());
const sprinted = new Promise((resolve) => me.listen("Runner", "sprints", resolve));
const scored = new Promise((resolve) => me.listen("Runner", "score", resolve));
world.act("Sprint", { dx: 0.6, dy: -0.8 });
console.log("sprints", await sprinted);

let goals = () => [...coins];
world.on("update", () => {
  const away = (goal) => Math.hypot(goal.x - me.x, goal.y - me.y);
  const [goal] = goals().sort((a, b) => away(a) - away(b));
  if (!goal) return world.steer(0, 0);
  // A little from side to side, so that no tree holds us up.
  const angle = Math.atan2(goal.y - me.y, goal.x - me.x) + Math.sin(performance.now() / 500);
  world.steer(Math.cos(angle), Math.sin(angle));
});
console.log("score", await scored, "worth", typeof (await seen(() => [...coins][0]))?.components.Coin.worth);
// Whoever is it of two that meet, somebody is tagged.
goals = () => [...world.entities].filter((entity) => entity.kindName === "character" && entity !== me);
console.log("tagged", JSON.stringify(await tagged));
console.log("secret", "safe_s" in me.components.Runner);
await world.leave();

/** What this finds, as soon as an update brings it. */
function seen(find) {
  return new Promise((resolve) => {
    const off = world.on("update", () => { const found = find(); if (found) { off(); resolve(found); } });
  });
}
