/**
 * What the character sees: a local copy that is always whole. An update is applied entirely before any
 * callback runs.
 * @module
 */

import { malformed } from "./bytes.js";
import { Emitter } from "./emitter.js";
import { MAX_KNOWN } from "./frames.js";
import { BASIC } from "./schema.js";
import { Track } from "./track.js";

/** @import { Component, KnownAt, Update } from "./frames.js" */
/** @import { Places } from "./places.js" */
/** @import { Values } from "./schema.js" */

/** One entity in view. */
export class Entity {
  /** @param {number} id @param {number} kind @param {string} kindName @param {Track} track */
  constructor(id, kind, kindName, track) {
    /** Until it leaves the view. */
    this.id = id;
    /** 0 a character. */
    this.kind = kind;
    /** The kind as the game calls it. */
    this.kindName = kindName;
    /** Its components by name, each an object of its fields. @type {Record<string, Values | undefined>} */
    this.components = {};
    /** Where it is by the newest update, centimetres. */
    this.xCm = 0;
    this.yCm = 0;
    /** The tick of that. */
    this.tick = 0;
    this.track = track;
    /** @type {Map<string, Set<(now: any, before: any) => void>>} */
    this.listeners = new Map();
  }

  /** A character's name, or empty. @returns {string} */
  get name() { return this.components.Character?.name ?? ""; }

  /** Its faction's id, or empty. @returns {string} */
  get faction() { return this.components.Character?.faction ?? ""; }

  /**
   * Tells of each change of a field; of the component itself with the field left out (`undefined`: it was taken off).
   * @param {string} component @param {string | null} field @param {(now: any, before: any) => void} listener
   * @returns {() => void} ends it
   */
  listen(component, field, listener) {
    const key = field === null ? component : `${component}.${field}`;
    const set = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, set.add(listener));
    return () => set.delete(listener);
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
 * @typedef {{entity: Entity, key: string, now: any, before: any}} FieldChange
 * @typedef {{added: Entity[], changed: Entity[], removed: Entity[], fields: FieldChange[]}} Changes
 */

/** The entities of one connection, by id; one that resumes goes on with them. */
export class Known {
  constructor() {
    /** @type {Map<number, Entity>} */
    this.byId = new Map();
    /** The same ids in the order in which the server has them too. @type {number[]} */
    this.order = [];
    /** The newest tick, above 2³² too. */
    this.tick = 0;
    /** The highest input number that the server took. */
    this.acked = 0;
    /** The same of the newest update: what comes in datagrams may be ahead of it. */
    this.told = { tick: 0, acked: 0 };
    this.schema = BASIC;
  }

  /** For a resume; null where there is nothing to say, or too much. @returns {KnownAt | null} */
  at() {
    const { order, told } = this;
    return order.length > 0 && order.length <= MAX_KNOWN ? { tick: told.tick % 2 ** 32, ids: [...order] } : null;
  }

  /**
   * Applies one update.
   * @param {Update} update
   * @returns {Changes}
   * @throws {import("./refusal.js").Refusal} `protocol` if it does not follow from the one before
   */
  apply(update) {
    const { told } = this;
    told.tick = update.whole ? widen(update.tick, this.tick) : told.tick + update.tick;
    told.acked = update.whole ? update.acked : told.acked + update.acked;
    if (update.whole || told.tick >= this.tick) [this.tick, this.acked] = [told.tick, told.acked];
    const before = this.byId;
    if (update.whole) [this.byId, this.order] = [new Map(), []];
    /** @type {Changes} */
    const changes = { added: [], changed: [], removed: [], fields: [] };
    for (const id of update.left) {
      const entity = this.byId.get(id);
      if (entity) changes.removed.push(entity);
      this.byId.delete(id);
      const place = this.order.indexOf(id);
      const last = this.order.pop();
      if (place >= 0 && place < this.order.length && last !== undefined) this.order[place] = last;
    }
    for (const e of update.entered) this.enter(e, before, changes);
    for (const { place, dx, dy } of update.moved) {
      const entity = this.byId.get(this.order[place] ?? -1);
      if (!entity) throw malformed();
      this.move(entity, entity.xCm + dx, entity.yCm + dy, changes);
    }
    for (const { id, x, y } of update.jumped) {
      const entity = this.byId.get(id);
      if (entity && entity.tick < told.tick) this.move(entity, x, y, changes);
    }
    for (const { id, components } of update.changed) {
      const entity = this.byId.get(id);
      if (entity) this.change(entity, components, changes);
    }
    if (update.whole) {
      for (const [id, entity] of before) if (this.byId.get(id) !== entity) changes.removed.push(entity);
    }
    return changes;
  }

  /**
   * Applies one datagram; what it has is older than what is known, or newer than who is in view, is left out.
   * @param {Places} moved
   * @returns {Changes}
   */
  place(moved) {
    /** @type {Changes} */
    const changes = { added: [], changed: [], removed: [], fields: [] };
    if (widen(moved.listed, this.told.tick) > this.told.tick) return changes;
    const tick = widen(moved.tick, this.tick);
    if (tick > this.tick) [this.tick, this.acked] = [tick, moved.acked];
    for (const { id, x, y } of moved.places) {
      const entity = this.byId.get(id);
      if (entity && entity.tick < tick) this.move(entity, x, y, changes, tick);
    }
    return changes;
  }

  /**
   * One came into view; after a whole update it may be one that was there before.
   * @param {Update["entered"][number]} e @param {Map<number, Entity>} before @param {Changes} changes
   */
  enter(e, before, changes) {
    const kindName = this.schema.kinds[e.kind] ?? "";
    const { tick } = this.told;
    const entity = new Entity(e.id, e.kind, kindName, new Track(tick, e.x / 100, e.y / 100));
    [entity.xCm, entity.yCm, entity.tick] = [e.x, e.y, tick];
    this.order.push(e.id);
    const old = before.get(e.id);
    /** @type {Changes} */
    const aside = { added: [], changed: [], removed: [], fields: [] };
    this.change(entity, e.components, aside);
    if (old && old.kind === e.kind && old.name === entity.name && !changes.removed.includes(old)) {
      this.byId.set(e.id, old);
      this.move(old, e.x, e.y, changes);
      for (const { number, fields } of e.components) this.change(old, [{ number, fields }], changes);
      for (const name of Object.keys(old.components).filter((name) => !entity.components[name])) {
        changes.fields.push({ entity: old, key: name, now: undefined, before: old.components[name] });
        delete old.components[name];
      }
      return;
    }
    this.byId.set(e.id, entity);
    changes.added.push(entity);
  }

  /** @param {Entity} entity @param {Component[]} components @param {Changes} changes */
  change(entity, components, changes) {
    for (const { number, fields } of components) {
      const name = this.schema.components[number]?.name;
      if (!name) continue; // a component that this schema does not have
      const before = entity.components[name];
      if (fields === null) {
        delete entity.components[name];
        changes.fields.push({ entity, key: name, now: undefined, before });
        continue;
      }
      const values = before ?? {};
      entity.components[name] = values;
      if (!before) changes.fields.push({ entity, key: name, now: values, before });
      for (const change of this.schema.apply(number, fields, values)) {
        changes.fields.push({ entity, key: `${name}.${change.field}`, now: change.now, before: change.before });
      }
    }
    if (components.length > 0 && !changes.changed.includes(entity)) changes.changed.push(entity);
  }

  /** @param {Entity} entity @param {number} xCm @param {number} yCm @param {Changes} changes @param {number} [tick] */
  move(entity, xCm, yCm, changes, tick = this.told.tick) {
    const moved = entity.xCm !== xCm || entity.yCm !== yCm;
    if (moved && !changes.changed.includes(entity)) changes.changed.push(entity);
    entity.xCm = xCm;
    entity.yCm = yCm;
    entity.tick = tick;
    entity.track.push(tick, xCm / 100, yCm / 100);
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

  /**
   * An entity came into view; of one kind only, if its name is given first.
   * @param {string | ((entity: Entity) => void)} kind @param {(entity: Entity) => void} [listener] @returns {() => void}
   */
  onAdd(kind, listener) { return this.onKind("add", kind, listener); }

  /**
   * An entity moved, or a component of it changed.
   * @param {string | ((entity: Entity) => void)} kind @param {(entity: Entity) => void} [listener] @returns {() => void}
   */
  onChange(kind, listener) { return this.onKind("change", kind, listener); }

  /**
   * An entity is gone or out of view.
   * @param {string | ((entity: Entity) => void)} kind @param {(entity: Entity) => void} [listener] @returns {() => void}
   */
  onRemove(kind, listener) { return this.onKind("remove", kind, listener); }

  /**
   * @param {keyof EntityEvents} event @param {string | ((entity: Entity) => void)} kind
   * @param {(entity: Entity) => void} [listener] @returns {() => void}
   */
  onKind(event, kind, listener) {
    if (typeof kind !== "string") return this.on(event, kind);
    return this.on(event, (entity) => { if (entity.kindName === kind) listener?.(entity); });
  }

  /** Tells the listeners. @param {Changes} changes */
  tell(changes) {
    for (const entity of changes.removed) this.emit("remove", entity);
    for (const entity of changes.added) this.emit("add", entity);
    for (const entity of changes.changed) this.emit("change", entity);
    for (const { entity, key, now, before } of changes.fields) {
      for (const listener of entity.listeners.get(key) ?? []) listener(now, before);
    }
  }

  /** Shows what another connection knows from now on. @param {Known} known */
  become(known) {
    if (known === this.known) return;
    const removed = [...this.known.byId.values()];
    this.known = known;
    this.tell({ added: [...known.byId.values()], changed: [], removed, fields: [] });
  }
}
