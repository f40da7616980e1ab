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
export class Api extends Emitter<ApiEvents> {
    /**
     * @param {string} [base] central's address, e.g. `https://play.example`; empty: where the page came from
     * @param {ApiOptions} [options]
     */
    constructor(base?: string, options?: ApiOptions);
    base: string;
    storage: Storage_ | null;
    fetch: typeof fetch;
    /** @type {Session | null} */
    kept: Session | null;
    /** @type {Promise<void> | null} */
    refreshing: Promise<void> | null;
    /** The ids of enters that wait, by their keys. @type {Map<string, string>} */
    enters: Map<string, string>;
    /** The login, or null. @returns {Session | null} */
    get session(): Session | null;
    /** @param {Session | null} session */
    keep(session: Session | null): void;
    /** @param {string} name @param {string} password @returns {Promise<Session>} */
    register(name: string, password: string): Promise<Session>;
    /** @param {string} name @param {string} password @returns {Promise<Session>} */
    login(name: string, password: string): Promise<Session>;
    /** @param {string} path @param {string} name @param {string} password @returns {Promise<Session>} */
    begin(path: string, name: string, password: string): Promise<Session>;
    /** Ends the login at central too, if it can be reached. */
    logout(): Promise<void>;
    /** @returns {Promise<WorldInfo[]>} */
    worlds(): Promise<WorldInfo[]>;
    /** @param {string} world @param {string} [map] @returns {Promise<LayerInfo[]>} */
    layers(world: string, map?: string): Promise<LayerInfo[]>;
    /** @returns {Promise<Character[]>} */
    characters(): Promise<Character[]>;
    /** @param {{world: string, name: string, faction: string | null}} wish @returns {Promise<Character>} */
    createCharacter(wish: {
        world: string;
        name: string;
        faction: string | null;
    }): Promise<Character>;
    /** @param {string} id */
    selectCharacter(id: string): Promise<void>;
    /** @param {string} id */
    deleteCharacter(id: string): Promise<void>;
    /** What a character does: friends, party, faction, mail, market. @param {string} id of a character of this account */
    of(id: string): CharacterApi;
    /** Who is there. @param {PresenceQuery} [query] @returns {Promise<Presence[]>} */
    presence(query?: PresenceQuery): Promise<Presence[]>;
    /** A page of what is offered; `next` of it is `after` of the one behind. @param {{template?: string, limit?: number, after?: string}} [query] @returns {Promise<Offers>} */
    market(query?: {
        template?: string;
        limit?: number;
        after?: string;
    }): Promise<Offers>;
    /** @param {{world?: string, name?: string}} [query] @returns {Promise<FactionHead[]>} */
    factions(query?: {
        world?: string;
        name?: string;
    }): Promise<FactionHead[]>;
    /** @param {string} id @returns {Promise<FactionInfo>} */
    faction(id: string): Promise<FactionInfo>;
    /**
     * Asks for a place in the world and waits until a server is ready. Answers that got lost and «not yet»
     * are asked for again under the same key, so that no second seat is taken.
     * @param {Wish} wish
     * @param {{onProgress?: (progress: EnterProgress) => void, signal?: AbortSignal}} [options]
     * @returns {Promise<Prepared>}
     * @throws {Refusal}
     */
    enter(wish: Wish, options?: {
        onProgress?: (progress: EnterProgress) => void;
        signal?: AbortSignal;
    }): Promise<Prepared>;
    /**
     * @param {Wish} wish @param {string} key
     * @param {{onProgress?: (progress: EnterProgress) => void, signal?: AbortSignal}} options
     * @returns {Promise<Prepared | null>} null: not yet
     */
    enterOnce(wish: Wish, key: string, { onProgress, signal }: {
        onProgress?: (progress: EnterProgress) => void;
        signal?: AbortSignal;
    }): Promise<Prepared | null>;
    /** Nobody waits any more: the seat need not be held until its time is over. @param {string} key */
    withdraw(key: string): void;
    /**
     * @param {string} method @param {string} path @param {unknown} [body]
     * @param {{anonymous?: boolean, headers?: Record<string, string>, signal?: AbortSignal}} [options]
     * @returns {Promise<any>}
     */
    json(method: string, path: string, body?: unknown, options?: {
        anonymous?: boolean;
        headers?: Record<string, string>;
        signal?: AbortSignal;
    }): Promise<any>;
    /**
     * @param {string} method @param {string} path @param {unknown} [body]
     * @param {{anonymous?: boolean, headers?: Record<string, string>, signal?: AbortSignal, endless?: boolean}} [options]
     * @returns {Promise<Response>}
     */
    request(method: string, path: string, body?: unknown, options?: {
        anonymous?: boolean;
        headers?: Record<string, string>;
        signal?: AbortSignal;
        endless?: boolean;
    }): Promise<Response>;
    /**
     * @param {string} method @param {string} path @param {unknown} body
     * @param {{anonymous?: boolean, headers?: Record<string, string>, signal?: AbortSignal, endless?: boolean}} options
     */
    send(method: string, path: string, body: unknown, options: {
        anonymous?: boolean;
        headers?: Record<string, string>;
        signal?: AbortSignal;
        endless?: boolean;
    }): Promise<Response>;
    /**
     * Renews the tokens, once for all who ask at the same time, also in other tabs.
     * @param {string | undefined} used the access token that did not hold
     */
    refresh(used: string | undefined): Promise<void>;
    /** @param {string | undefined} used */
    refreshNow(used: string | undefined): Promise<void>;
    /** @param {() => Promise<void>} work */
    alone(work: () => Promise<void>): Promise<void>;
    /** @param {Refusal} refusal */
    signOut(refusal: Refusal): void;
}
/**
 * where the session is kept, e.g. `localStorage`
 */
export type Storage_ = {
    getItem: (key: string) => string | null;
    setItem: (key: string, value: string) => void;
    removeItem: (key: string) => void;
};
export type ApiOptions = {
    /**
     * else the session lives as long as this object
     */
    storage?: Storage_ | undefined;
    fetch?: typeof fetch | undefined;
};
export type ApiEvents = {
    /**
     * the login ended: logged out, taken over, or too old
     */
    signedOut: Refusal;
};
import { Emitter } from "./emitter.js";
import type { Session } from "./http_types.js";
import type { WorldInfo } from "./http_types.js";
import type { LayerInfo } from "./http_types.js";
import type { Character } from "./http_types.js";
import { CharacterApi } from "./character_api.js";
import type { PresenceQuery } from "./social_types.js";
import type { Presence } from "./social_types.js";
import type { Offers } from "./social_types.js";
import type { FactionHead } from "./social_types.js";
import type { FactionInfo } from "./social_types.js";
import type { Wish } from "./http_types.js";
import type { EnterProgress } from "./http_types.js";
import type { Prepared } from "./http_types.js";
import { Refusal } from "./refusal.js";
