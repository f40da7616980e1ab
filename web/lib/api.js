/**
 * Central over HTTP: accounts, worlds, characters, and the wish to enter.
 *
 * The access token is renewed by itself; several tabs that share a storage renew it once. A «no» is thrown
 * as a {@link Refusal}.
 * @module
 */

import { CharacterApi } from "./character_api.js";
import { Emitter } from "./emitter.js";
import { BUSY_CODES, anySignal, queryOf, randomKey, refusalOf, wait } from "./http.js";
import { Refusal, SIGNED_OUT_CODES, asRefusal } from "./refusal.js";
import { serverEvents } from "./sse.js";

/** @import { Session, WorldInfo, LayerInfo, Character, Wish, Prepared, EnterProgress } from "./http_types.js" */

/** @import { FactionHead, FactionInfo, Offers, Presence, PresenceQuery } from "./social_types.js" */

/** How often a wish to enter is repeated while the answer is «not yet» or gets lost. */
const MOST_REPEATS = 40;
/** Milliseconds after which a request is given up; an enter answers after 30 s at the latest. */
const REQUEST_TIMEOUT_MS = 45_000;
const STORAGE_KEY = "pangea.session";

/**
 * @typedef {object} Storage_ where the session is kept, e.g. `localStorage`
 * @property {(key: string) => string | null} getItem
 * @property {(key: string, value: string) => void} setItem
 * @property {(key: string) => void} removeItem
 */

/**
 * @typedef {object} ApiOptions
 * @property {Storage_} [storage] else the session lives as long as this object
 * @property {typeof fetch} [fetch]
 */

/**
 * @typedef {object} ApiEvents
 * @property {Refusal} signedOut the login ended: logged out, taken over, or too old
 */

/** @extends {Emitter<ApiEvents>} */
export class Api extends Emitter {
  /**
   * @param {string} [base] central's address, e.g. `https://play.example`; empty: where the page came from
   * @param {ApiOptions} [options]
   */
  constructor(base = "", options = {}) {
    super();
    this.base = base.replace(/\/$/, "");
    this.storage = options.storage ?? null;
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    /** @type {Session | null} */
    this.kept = null;
    /** @type {Promise<void> | null} */
    this.refreshing = null;
    /** The ids of enters that wait, by their keys. @type {Map<string, string>} */
    this.enters = new Map();
  }

  /** The login, or null. @returns {Session | null} */
  get session() {
    if (!this.storage) return this.kept;
    try {
      return JSON.parse(this.storage.getItem(STORAGE_KEY) ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {Session | null} session */
  keep(session) {
    this.kept = session;
    if (session) this.storage?.setItem(STORAGE_KEY, JSON.stringify(session));
    else this.storage?.removeItem(STORAGE_KEY);
  }

  // ---- accounts ---------------------------------------------------------------------------------------

  /** @param {string} name @param {string} password @returns {Promise<Session>} */
  async register(name, password) {
    return this.begin("/api/register", name, password);
  }

  /** @param {string} name @param {string} password @returns {Promise<Session>} */
  async login(name, password) {
    return this.begin("/api/login", name, password);
  }

  /** @param {string} path @param {string} name @param {string} password @returns {Promise<Session>} */
  async begin(path, name, password) {
    const session = await this.json("POST", path, { name, password }, { anonymous: true });
    this.keep(session);
    return session;
  }

  /** Ends the login at central too, if it can be reached. */
  async logout() {
    try {
      if (this.session) await this.json("POST", "/api/logout", {});
    } catch {
      // It ends by its time-out.
    }
    this.keep(null);
  }

  // ---- worlds and characters --------------------------------------------------------------------------

  /** @returns {Promise<WorldInfo[]>} */
  async worlds() {
    return (await this.json("GET", "/api/worlds")).worlds;
  }

  /** @param {string} world @param {string} [map] @returns {Promise<LayerInfo[]>} */
  async layers(world, map) {
    const query = map ? `?map=${encodeURIComponent(map)}` : "";
    return (await this.json("GET", `/api/worlds/${encodeURIComponent(world)}/layers${query}`)).layers;
  }

  /** @returns {Promise<Character[]>} */
  async characters() {
    return (await this.json("GET", "/api/characters")).characters;
  }

  /** @param {{world: string, name: string, faction: string | null}} wish @returns {Promise<Character>} */
  async createCharacter(wish) {
    const answer = await this.json("POST", "/api/characters", wish);
    return answer.character ?? answer;
  }

  /** @param {string} id */
  async selectCharacter(id) {
    await this.json("POST", `/api/characters/${encodeURIComponent(id)}/select`, {});
  }

  /** @param {string} id */
  async deleteCharacter(id) {
    await this.json("DELETE", `/api/characters/${encodeURIComponent(id)}`);
  }

  // ---- people -----------------------------------------------------------------------------------------

  /** What a character does: friends, party, faction, mail, market. @param {string} id of a character of this account */
  of(id) {
    return new CharacterApi(this, id);
  }

  /** Who is there. @param {PresenceQuery} [query] @returns {Promise<Presence[]>} */
  async presence(query = {}) {
    return (await this.json("GET", `/api/presence${queryOf(query)}`)).characters;
  }

  /** A page of what is offered; `next` of it is `after` of the one behind. @param {{template?: string, limit?: number, after?: string}} [query] @returns {Promise<Offers>} */
  market(query = {}) {
    return this.json("GET", `/api/market${queryOf(query)}`);
  }

  /** @param {{world?: string, name?: string}} [query] @returns {Promise<FactionHead[]>} */
  async factions(query = {}) {
    return (await this.json("GET", `/api/factions${queryOf(query)}`)).factions;
  }

  /** @param {string} id @returns {Promise<FactionInfo>} */
  async faction(id) {
    return this.json("GET", `/api/factions/${encodeURIComponent(id)}`);
  }

  // ---- enter ------------------------------------------------------------------------------------------

  /**
   * Asks for a place in the world and waits until a server is ready. Answers that got lost and «not yet»
   * are asked for again under the same key, so that no second seat is taken.
   * @param {Wish} wish
   * @param {{onProgress?: (progress: EnterProgress) => void, signal?: AbortSignal}} [options]
   * @returns {Promise<Prepared>}
   * @throws {Refusal}
   */
  async enter(wish, options = {}) {
    const key = randomKey();
    options.signal?.addEventListener("abort", () => this.withdraw(key), { once: true });
    for (let repeat = 0; ; repeat++) {
      try {
        const prepared = await this.enterOnce(wish, key, options);
        if (prepared) {
          this.enters.delete(key);
          return prepared;
        }
      } catch (thrown) {
        const busy = thrown instanceof Refusal && BUSY_CODES.includes(thrown.code);
        if (options.signal?.aborted) throw new Refusal("left", "You do not wait any more.");
        if (repeat >= 5 || (thrown instanceof Refusal && !busy)) {
          this.enters.delete(key);
          throw asRefusal(thrown);
        }
        await wait(Math.min(250 * 2 ** repeat, 4_000), options.signal);
      }
      if (options.signal?.aborted) throw new Refusal("left", "You do not wait any more.");
      if (repeat >= MOST_REPEATS) throw new Refusal("enter_expired", "The world did not answer in time. Try again.");
    }
  }

  /**
   * @param {Wish} wish @param {string} key
   * @param {{onProgress?: (progress: EnterProgress) => void, signal?: AbortSignal}} options
   * @returns {Promise<Prepared | null>} null: not yet
   */
  async enterOnce(wish, key, { onProgress, signal }) {
    const response = await this.request("POST", "/api/enter", wish, {
      headers: { "Idempotency-Key": key, Accept: "text/event-stream" }, signal, endless: true,
    });
    if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream") || !response.body) {
      const answer = await response.json();
      if (answer.url) return answer;
      this.enters.set(key, String(answer.enter_id));
      onProgress?.({ state: answer.state ?? "queued", position: answer.position ?? 0 });
      return null;
    }
    for await (const { event, data } of serverEvents(response.body)) {
      const said = JSON.parse(data);
      if (event === "progress") {
        this.enters.set(key, String(said.enter_id));
        onProgress?.({ state: String(said.state), position: said.position ?? 0 });
      }
      if (event === "ready") return said;
      if (event === "refused") throw new Refusal(String(said.code), String(said.text));
    }
    return null;
  }

  /** Nobody waits any more: the seat need not be held until its time is over. @param {string} key */
  withdraw(key) {
    const id = this.enters.get(key);
    this.enters.delete(key);
    if (id) this.json("DELETE", `/api/enter/${encodeURIComponent(id)}`).catch(() => {});
  }

  // ---- requests ---------------------------------------------------------------------------------------

  /**
   * @param {string} method @param {string} path @param {unknown} [body]
   * @param {{anonymous?: boolean, headers?: Record<string, string>, signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  async json(method, path, body, options) {
    const response = await this.request(method, path, body, options);
    const text = await response.text();
    return text ? JSON.parse(text) : {};
  }

  /**
   * @param {string} method @param {string} path @param {unknown} [body]
   * @param {{anonymous?: boolean, headers?: Record<string, string>, signal?: AbortSignal, endless?: boolean}} [options]
   * @returns {Promise<Response>}
   */
  async request(method, path, body, options = {}) {
    const used = this.session?.access_token;
    let response = await this.send(method, path, body, options);
    if (response.status === 401 && !options.anonymous && this.session) {
      await this.refresh(used);
      response = await this.send(method, path, body, options);
    }
    if (response.ok) return response;
    const refusal = await refusalOf(response);
    if (!options.anonymous && SIGNED_OUT_CODES.includes(refusal.code)) this.signOut(refusal);
    throw refusal;
  }

  /**
   * @param {string} method @param {string} path @param {unknown} body
   * @param {{anonymous?: boolean, headers?: Record<string, string>, signal?: AbortSignal, endless?: boolean}} options
   */
  async send(method, path, body, options) {
    /** @type {Record<string, string>} */
    const headers = { ...options.headers };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const token = this.session?.access_token;
    if (token && !options.anonymous) headers.Authorization = `Bearer ${token}`;
    const signals = [];
    if (!options.endless) signals.push(AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    if (options.signal) signals.push(options.signal);
    return this.fetch(this.base + path, {
      method, headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: anySignal(signals),
    });
  }

  /**
   * Renews the tokens, once for all who ask at the same time, also in other tabs.
   * @param {string | undefined} used the access token that did not hold
   */
  async refresh(used) {
    this.refreshing ??= this.alone(() => this.refreshNow(used)).finally(() => { this.refreshing = null; });
    return this.refreshing;
  }

  /** @param {string | undefined} used */
  async refreshNow(used) {
    const session = this.session;
    if (!session || session.access_token !== used) return; // another tab was first
    const body = { refresh_token: session.refresh_token };
    const response = await this.send("POST", "/api/refresh", body, { anonymous: true });
    if (!response.ok) {
      const refusal = await refusalOf(response);
      if (response.status < 500 && response.status !== 429) this.signOut(refusal);
      throw refusal;
    }
    this.keep({ ...session, ...(await response.json()) });
  }

  /** @param {() => Promise<void>} work */
  async alone(work) {
    const locks = this.storage ? globalThis.navigator?.locks : undefined;
    if (!locks) return work();
    await locks.request(STORAGE_KEY, work);
  }

  /** @param {Refusal} refusal */
  signOut(refusal) {
    if (!this.session) return;
    this.keep(null);
    this.emit("signedOut", refusal);
  }
}
