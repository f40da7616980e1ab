/**
 * The full tick of which only the low 32 bits were sent.
 * @param {number} low @param {number} near a full tick not far away
 */
export function widen(low: number, near: number): number;
/** @import { Update } from "./frames.js" */
/** One entity in view. */
export class Entity {
    /** @param {number} id @param {number} kind @param {string} name @param {string} faction @param {Track} track */
    constructor(id: number, kind: number, name: string, faction: string, track: Track);
    /** Until it leaves the view. */
    id: number;
    /** 0 a character. */
    kind: number;
    name: string;
    /** Its faction's id, or empty. */
    faction: string;
    /** Where it is by the newest update, centimetres. */
    xCm: number;
    yCm: number;
    track: Track;
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
 * @typedef {{added: Entity[], changed: Entity[], removed: Entity[]}} Changes
 */
/** The entities of one connection, by id. */
export class Known {
    /** @type {Map<number, Entity>} */
    byId: Map<number, Entity>;
    /** The newest tick, above 2³² too. */
    tick: number;
    /**
     * Applies one update.
     * @param {Update} update
     * @returns {Changes}
     */
    apply(update: Update): Changes;
    /** @param {Entity} entity @param {number} xCm @param {number} yCm @param {Changes} changes */
    move(entity: Entity, xCm: number, yCm: number, changes: Changes): void;
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
    /** @param {(entity: Entity) => void} listener @returns {() => void} */
    onAdd(listener: (entity: Entity) => void): () => void;
    /** @param {(entity: Entity) => void} listener @returns {() => void} */
    onChange(listener: (entity: Entity) => void): () => void;
    /** @param {(entity: Entity) => void} listener @returns {() => void} */
    onRemove(listener: (entity: Entity) => void): () => void;
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
export type Changes = {
    added: Entity[];
    changed: Entity[];
    removed: Entity[];
};
import { Track } from "./track.js";
import type { Update } from "./frames.js";
import { Emitter } from "./emitter.js";
