/**
 * What the character sees: a local copy that is always whole. An update is applied entirely before any
 * callback runs.
 * @module
 */

import { Emitter } from "./emitter.js";
import { Track } from "./track.js";

/** @import { Update } from "./frames.js" */

/** One entity in view. */
export class Entity {
  /** @param {number} id @param {number} kind @param {string} name @param {string} faction @param {Track} track */
  constructor(id, kind, name, faction, track) {
    /** Until it leaves the view. */
    this.id = id;
    /** 0 a character. */
    this.kind = kind;
    this.name = name;
    /** Its faction's id, or empty. */
    this.faction = faction;
    /** Where it is by the newest update, centimetres. */
    this.xCm = 0;
    this.yCm = 0;
    this.track = track;
  }

  /** Metres east. */
  get x() { return this.xCm / 100; }

  /** Metres south. */
  get y() { return this.yCm / 100; }

  /** Where to draw it at a moment of the playhead. @param {number} tick */
  at(tick) {
    return this.track.at(tick);
  }
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
  constructor() {
    /** @type {Map<number, Entity>} */
    this.byId = new Map();
    /** The newest tick, above 2³² too. */
    this.tick = 0;
  }

  /**
   * Applies one update.
   * @param {Update} update
   * @returns {Changes}
   */
  apply(update) {
    this.tick = widen(update.tick, this.tick);
    const before = this.byId;
    if (update.whole) this.byId = new Map();
    /** @type {Changes} */
    const changes = { added: [], changed: [], removed: [] };
    for (const id of update.left) {
      const entity = this.byId.get(id);
      if (entity) changes.removed.push(entity);
      this.byId.delete(id);
    }
    for (const e of update.entered) {
      const old = before.get(e.id);
      const same = old && old.kind === e.kind && old.name === e.name && old.faction === e.faction;
      if (same && !changes.removed.includes(old)) {
        this.byId.set(e.id, old);
        this.move(old, e.x, e.y, changes);
        continue;
      }
      const replaced = this.byId.get(e.id);
      if (replaced) changes.removed.push(replaced);
      const entity = new Entity(e.id, e.kind, e.name, e.faction, new Track(this.tick, e.x / 100, e.y / 100));
      entity.xCm = e.x;
      entity.yCm = e.y;
      this.byId.set(e.id, entity);
      changes.added.push(entity);
    }
    for (const { id, dx, dy } of update.moved) {
      const entity = this.byId.get(id);
      if (entity) this.move(entity, entity.xCm + dx, entity.yCm + dy, changes);
    }
    for (const { id, x, y } of update.jumped) {
      const entity = this.byId.get(id);
      if (entity) this.move(entity, x, y, changes);
    }
    if (update.whole) {
      for (const [id, entity] of before) if (this.byId.get(id) !== entity) changes.removed.push(entity);
    }
    return changes;
  }

  /** @param {Entity} entity @param {number} xCm @param {number} yCm @param {Changes} changes */
  move(entity, xCm, yCm, changes) {
    if (entity.xCm !== xCm || entity.yCm !== yCm) changes.changed.push(entity);
    entity.xCm = xCm;
    entity.yCm = yCm;
    entity.track.push(this.tick, xCm / 100, yCm / 100);
  }
}

/**
 * The full tick of which only the low 32 bits were sent.
 * @param {number} low @param {number} near a full tick not far away
 */
export function widen(low, near) {
  const span = 2 ** 32;
  const tick = Math.floor(near / span) * span + low;
  if (tick - near > span / 2 && tick >= span) return tick - span;
  if (near - tick > span / 2) return tick + span;
  return tick;
}

/**
 * The entities in view, for a game: `onAdd`, `onChange`, `onRemove`.
 * @extends {Emitter<EntityEvents>}
 */
export class Entities extends Emitter {
  constructor() {
    super();
    this.known = new Known();
  }

  /** How many. */
  get size() { return this.known.byId.size; }

  /** @param {number} id @returns {Entity | undefined} */
  get(id) { return this.known.byId.get(id); }

  [Symbol.iterator]() { return this.known.byId.values(); }

  /** @param {(entity: Entity) => void} listener @returns {() => void} */
  onAdd(listener) { return this.on("add", listener); }

  /** @param {(entity: Entity) => void} listener @returns {() => void} */
  onChange(listener) { return this.on("change", listener); }

  /** @param {(entity: Entity) => void} listener @returns {() => void} */
  onRemove(listener) { return this.on("remove", listener); }

  /** Tells the listeners. @param {Changes} changes */
  tell(changes) {
    for (const entity of changes.removed) this.emit("remove", entity);
    for (const entity of changes.added) this.emit("add", entity);
    for (const entity of changes.changed) this.emit("change", entity);
  }

  /** Shows what another connection knows from now on. @param {Known} known */
  become(known) {
    if (known === this.known) return;
    const removed = [...this.known.byId.values()];
    this.known = known;
    this.tell({ added: [...known.byId.values()], changed: [], removed });
  }
}
