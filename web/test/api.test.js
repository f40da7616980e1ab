import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../lib/api.js";

/** @typedef {{method: string, path: string, headers: Record<string, string>, body: any}} Asked */

/** An API on answers that are given by hand. @param {(asked: Asked) => Response | Error} answer */
function setUp(answer) {
  /** @type {Asked[]} */
  const asked = [];
  const fetch = /** @type {any} */ (async (/** @type {string} */ path, /** @type {any} */ init) => {
    const one = { method: init.method, path, headers: init.headers, body: init.body && JSON.parse(init.body) };
    asked.push(one);
    const given = answer(one);
    if (given instanceof Error) throw given;
    return given;
  });
  const api = new Api("", { fetch });
  api.keep({ access_token: "a1", access_expires_in_s: 900, refresh_token: "r1", account: { id: "1", name: "Ada" } });
  return { api, asked };
}

/** @param {number} status @param {any} body */
const json = (status, body) => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const events = (/** @type {string} */ text) => new Response(text, { headers: { "content-type": "text/event-stream" } });
const READY = 'event: ready\ndata: {"url":"ws://one/play","ticket":"t","plain":false}\n\n';

test("an access token that is over is renewed once for all who ask", async () => {
  const { api, asked } = setUp(({ path, headers }) => {
    if (path === "/api/refresh") return json(200, { access_token: "a2", access_expires_in_s: 900, refresh_token: "r2" });
    if (headers.Authorization === "Bearer a1") return json(401, { code: "token_expired", text: "over" });
    return json(200, { worlds: [], characters: [] });
  });
  await Promise.all([api.worlds(), api.characters(), api.worlds()]);
  assert.equal(asked.filter((a) => a.path === "/api/refresh").length, 1);
  assert.equal(api.session?.refresh_token, "r2");
  assert.equal(api.session?.account.name, "Ada", "what the answer leaves out stays");
});

test("a login that is over is told once and forgotten", async () => {
  const { api } = setUp(() => json(401, { code: "session_ended", text: "You logged in elsewhere." }));
  /** @type {string[]} */
  const told = [];
  api.on("signedOut", (refusal) => { told.push(refusal.code); });
  await assert.rejects(api.worlds(), { code: "session_ended" });
  assert.deepEqual(told, ["session_ended"]);
  assert.equal(api.session, null);
});

test("enter reports its progress and asks again under the same key", async () => {
  let n = 0;
  const { api, asked } = setUp(() => {
    n += 1;
    if (n === 1) return events('event: progress\ndata: {"state":"queued","position":3}\n\n');
    if (n === 2) return json(202, { enter_id: "e", state: "spawning" });
    return events('event: progress\ndata: {"state":"syncing"}\n\n' + READY);
  });
  /** @type {string[]} */
  const seen = [];
  const prepared = await api.enter({ character: "c" }, { onProgress: (p) => seen.push(`${p.state} ${p.position}`) });
  assert.equal(prepared.url, "ws://one/play");
  assert.deepEqual(seen, ["queued 3", "spawning 0", "syncing 0"]);
  assert.equal(new Set(asked.map((a) => a.headers["Idempotency-Key"])).size, 1);
  await api.enter({ character: "c" });
  assert.equal(new Set(asked.map((a) => a.headers["Idempotency-Key"])).size, 2, "another wish has another key");
});

test("an answer that got lost is asked for again, a refusal is not", async () => {
  let n = 0;
  const { api } = setUp(() => (n++ === 0 ? new TypeError("network") : events(READY)));
  assert.equal((await api.enter({ character: "c" })).ticket, "t");
  let asks = 0;
  const busy = setUp(() => (asks++ === 0 ? json(503, { code: "stopping", text: "Ask again." }) : events(READY)));
  assert.equal((await busy.api.enter({ character: "c" })).ticket, "t", "«not now» is asked again");
  const refusing = setUp(() => events('event: refused\ndata: {"code":"world_full","text":"Full."}\n\n'));
  await assert.rejects(refusing.api.enter({ character: "c" }), { code: "world_full", message: "Full." });
  assert.equal(refusing.asked.length, 1);
});

test("what is not central's answer is still a refusal", async () => {
  const { api } = setUp(() => new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await assert.rejects(api.worlds(), { code: "internal" });
});

test("who does not wait any more gives the seat back", async () => {
  const life = new AbortController();
  const { api, asked } = setUp(({ method }) => {
    return method === "DELETE" ? new Response(null, { status: 204 }) : json(202, { enter_id: "e7", state: "queued", position: 1 });
  });
  const entering = api.enter({ character: "c" }, { signal: life.signal, onProgress: () => life.abort() });
  await assert.rejects(entering, { code: "left" });
  assert.deepEqual(asked.map((a) => `${a.method} ${a.path}`), ["POST /api/enter", "DELETE /api/enter/e7"]);
});

test("what a character does names the character", async () => {
  const { api, asked } = setUp(({ path }) => json(200, path.startsWith("/api/presence") ? { characters: [{ id: "2", name: "Bob" }] } : {}));
  const ada = api.of("a1");
  await ada.befriend("Bob");
  await ada.unblock("b/2");
  assert.deepEqual(await api.presence({ name: "Bo b", world: "", online: true }), [{ id: "2", name: "Bob" }]);
  assert.deepEqual(asked.map((a) => [a.method, a.path]), [
    ["POST", "/api/characters/a1/friends"],
    ["DELETE", "/api/characters/a1/blocks/b%2F2"],
    ["GET", "/api/presence?name=Bo+b&online=true"],
  ]);
});

test("the market is read page by page, one's own offers apart; a call is answered", async () => {
  const page = { offers: [{ id: "o1" }], next: "3.o1.white bread" };
  const { api, asked } = setUp(({ path }) => (path.includes("market") ? json(200, page) : new Response(null, { status: 204 })));
  const { next } = await api.market({ template: "", limit: 1 });
  await api.market({ limit: 1, after: next ?? undefined });
  assert.deepEqual(await api.of("a1").ownOffers(), page.offers);
  await api.of("a1").answerCall(false);
  assert.deepEqual(asked.map((a) => [a.method, a.path]), [
    ["GET", "/api/market?limit=1"],
    ["GET", "/api/market?limit=1&after=3.o1.white+bread"],
    ["GET", "/api/characters/a1/market"],
    ["POST", "/api/characters/a1/party/come"],
  ]);
});

test("goods that move are asked for again under the same key, and a «no» is the end", async () => {
  let n = 0;
  const { api, asked } = setUp(() => [() => new TypeError("network"), () => json(503, { code: "storage_busy", text: "Later." }), () => json(200, { id: "m" })][n++]());
  assert.deepEqual(await api.of("a1").sendMail({ to: "Bob", subject: "Hi", text: "", items: [], money: 3 }), { id: "m" });
  assert.equal(new Set(asked.map((a) => a.headers["Idempotency-Key"])).size, 1);
  const refusing = setUp(() => json(409, { code: "source_spent", text: "Gone." }));
  await assert.rejects(refusing.api.of("a1").buy("o1"), { code: "source_spent" });
  await assert.rejects(refusing.api.of("a1").buy("o1"), { code: "source_spent" });
  assert.equal(new Set(refusing.asked.map((a) => a.headers["Idempotency-Key"])).size, 2, "another try is another deed");
});
