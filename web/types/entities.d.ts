/**
 * The full tick of which only the low 32 bits were sent.
 * @param {number} low @param {number} near a full tick not far away
 */
export function widen(low: number, near: number): number;
/** @import { Component, KnownAt, Update } from "./frames.js" */
/** @import { Places } from "./places.js" */
/** @import { Values } from "./schema.js" */
/** One entity in view. */
export class Entity {
    /** @param {number} id @param {number} kind @param {string} kindName @param {Track} track */
    constructor(id: number, kind: number, kindName: string, track: Track);
    /** Until it leaves the view. */
    id: number;
    /** 0 a character. */
    kind: number;
    /** The kind as the game calls it. */
    kindName: string;
    /** Its components by name, each an object of its fields. @type {Record<string, Values | undefined>} */
    components: Record<string, Values | undefined>;
    /** Where it is by the newest update, centimetres. */
    xCm: number;
    yCm: number;
    /** The tick of that. */
    tick: number;
    track: Track;
    /** @type {Map<string, Set<(now: any, before: any) => void>>} */
    listeners: Map<string, Set<(now: any, before: any) => void>>;
    /** A character's name, or empty. @returns {string} */
    get name(): string;
    /** Its faction's id, or empty. @returns {string} */
    get faction(): string;
    /**
     * Tells of each change of a field; of the component itself with the field left out (`undefined`: it was taken off).
     * @param {string} component @param {string | null} field @param {(now: any, before: any) => void} listener
     * @returns {() => void} ends it
     */
    listen(component: string, field: string | null, listener: (now: any, before: any) => void): () => void;
    /** Metres east. */
    get x(): number;
    /** Metres south. */
    get y(): number;
    /** Where to draw it at a moment of the playhead. @param {number} tick */
    at(tick: number): {
        x: number;
        y: number;
    };
}
/**
 * @typedef {object} EntityEvents
 * @property {Entity} add
 * @property {Entity} change
 * @property {Entity} remove
 */
/**
 * What changed by one update.
 * @typedef {{entity: Entity, key: string, now: any, before: any}} FieldChange
 * @typedef {{added: Entity[], changed: Entity[], removed: Entity[], fields: FieldChange[]}} Changes
 */
/** The entities of one connection, by id; one that resumes goes on with them. */
export class Known {
    /** @type {Map<number, Entity>} */
    byId: Map<number, Entity>;
    /** The same ids in the order in which the server has them too. @type {number[]} */
    order: number[];
    /** The newest tick, above 2³² too. */
    tick: number;
    /** The highest input number that the server took. */
    acked: number;
    /** The same of the newest update: what comes in datagrams may be ahead of it. */
    told: {
        tick: number;
        acked: number;
    };
    schema: import("./schema.js").Schema;
    /** For a resume; null where there is nothing to say, or too much. @returns {KnownAt | null} */
    at(): KnownAt | null;
    /**
     * Applies one update.
     * @param {Update} update
     * @returns {Changes}
     * @throws {import("./refusal.js").Refusal} `protocol` if it does not follow from the one before
     */
    apply(update: Update): Changes;
    /**
     * Applies one datagram; what it has is older than what is known, or newer than who is in view, is left out.
     * @param {Places} moved
     * @returns {Changes}
     */
    place(moved: Places): Changes;
    /**
     * One came into view; after a whole update it may be one that was there before.
     * @param {Update["entered"][number]} e @param {Map<number, Entity>} before @param {Changes} changes
     */
    enter(e: Update["entered"][number], before: Map<number, Entity>, changes: Changes): void;
    /** @param {Entity} entity @param {Component[]} components @param {Changes} changes */
    change(entity: Entity, components: Component[], changes: Changes): void;
    /** @param {Entity} entity @param {number} xCm @param {number} yCm @param {Changes} changes @param {number} [tick] */
    move(entity: Entity, xCm: number, yCm: number, changes: Changes, tick?: number): void;
}
/**
 * The entities in view, for a game: `onAdd`, `onChange`, `onRemove`.
 * @extends {Emitter<EntityEvents>}
 */
export class Entities extends Emitter<EntityEvents> {
    constructor();
    known: Known;
    /** How many. */
    get size(): number;
    /** @param {number} id @returns {Entity | undefined} */
    get(id: number): Entity | undefined;
    /**
     * An entity came into view; of one kind only, if its name is given first.
     * @param {string | ((entity: Entity) => void)} kind @param {(entity: Entity) => void} [listener] @returns {() => void}
     */
    onAdd(kind: string | ((entity: Entity) => void), listener?: (entity: Entity) => void): () => void;
    /**
     * An entity moved, or a component of it changed.
     * @param {string | ((entity: Entity) => void)} kind @param {(entity: Entity) => void} [listener] @returns {() => void}
     */
    onChange(kind: string | ((entity: Entity) => void), listener?: (entity: Entity) => void): () => void;
    /**
     * An entity is gone or out of view.
     * @param {string | ((entity: Entity) => void)} kind @param {(entity: Entity) => void} [listener] @returns {() => void}
     */
    onRemove(kind: string | ((entity: Entity) => void), listener?: (entity: Entity) => void): () => void;
    /**
     * @param {keyof EntityEvents} event @param {string | ((entity: Entity) => void)} kind
     * @param {(entity: Entity) => void} [listener] @returns {() => void}
     */
    onKind(event: keyof EntityEvents, kind: string | ((entity: Entity) => void), listener?: (entity: Entity) => void): () => void;
    /** Tells the listeners. @param {Changes} changes */
    tell(changes: Changes): void;
    /** Shows what another connection knows from now on. @param {Known} known */
    become(known: Known): void;
    [Symbol.iterator](): MapIterator<Entity>;
}
export type EntityEvents = {
    add: Entity;
    change: Entity;
    remove: Entity;
};
/**
 * What changed by one update.
 */
export type FieldChange = {
    entity: Entity;
    key: string;
    now: any;
    before: any;
};
/**
 * What changed by one update.
 */
export type Changes = {
    added: Entity[];
    changed: Entity[];
    removed: Entity[];
    fields: FieldChange[];
};
import type { Values } from "./schema.js";
import { Track } from "./track.js";
import type { KnownAt } from "./frames.js";
import type { Update } from "./frames.js";
import type { Places } from "./places.js";
import type { Component } from "./frames.js";
import { Emitter } from "./emitter.js";
