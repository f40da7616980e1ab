/**
 * What a game's entities are made of: read from the server, never written down twice. Components and events
 * become plain objects by it, and plain objects become inputs.
 * @module
 */

import { Reader, Writer, malformed } from "./bytes.js";

/**
 * @typedef {{n: number, name: string, type: string, quant?: number, owner?: boolean, entity?: boolean}} Field
 * @typedef {{name: string, fields: Field[]}} Struct
 * @typedef {{kinds: string[], components: Struct[], inputs: Struct[], events: Struct[], tables?: Record<string, any>}} Description
 * @typedef {Record<string, any>} Values  by the names of the fields
 */

/** One game's schema. */
export class Schema {
  /** @param {bigint} hash @param {Description} description */
  constructor(hash, description) {
    this.hash = hash;
    this.kinds = description.kinds;
    this.components = description.components;
    this.inputs = description.inputs;
    this.events = description.events;
    /** What the game tells once and for all, by name: its items, its recipes. @type {Record<string, any>} */
    this.tables = description.tables ?? {};
  }

  /** @param {bigint} hash @param {string} text JSON, as the server sends it */
  static read(hash, text) {
    return new Schema(hash, JSON.parse(text));
  }

  /**
   * Applies what was told of a component to its values.
   * @param {number} number @param {Uint8Array} bytes @param {Values} values
   * @returns {{name: string, field: string, now: any, before: any}[]} what changed
   */
  apply(number, bytes, values) {
    const struct = this.components[number];
    if (!struct) return [];
    const r = new Reader(bytes);
    const mask = r.varint();
    const changes = [];
    for (let n = 0; n < 32; n++) {
      if (!(mask & (1 << n))) continue;
      const field = struct.fields.find((one) => one.n === n);
      if (!field) throw malformed();
      const before = values[field.name];
      const now = take(r, field.type, field.quant);
      values[field.name] = now;
      if (now !== before) changes.push({ name: struct.name, field: field.name, now, before });
    }
    r.end();
    return changes;
  }

  /** The number and the bytes of an input. @param {string} name @param {Values} values */
  input(name, values) {
    const kind = this.inputs.findIndex((one) => one.name === name);
    if (kind < 0) throw new RangeError(`this game has no input «${name}»`);
    const w = new Writer();
    for (const field of this.inputs[kind].fields) put(w, field.type, values[field.name], field.quant);
    return { kind, payload: w.done() };
  }

  /** Whether an input of this kind names an entity by its number, which is another's at another server. @param {number} kind */
  namesEntity(kind) {
    return this.inputs[kind]?.fields.some((field) => field.entity) ?? false;
  }

  /** An event as an object; null for one that is not known. @param {number} number @param {Uint8Array} bytes */
  event(number, bytes) {
    const struct = this.events[number];
    if (!struct) return null;
    const r = new Reader(bytes);
    /** @type {Values} */
    const values = {};
    for (const field of struct.fields) values[field.name] = take(r, field.type, field.quant);
    return { name: struct.name, values };
  }
}

/** What every game has, before its schema has come. */
export const BASIC = new Schema(0n, {
  kinds: ["character"],
  components: [
    { name: "Position", fields: [] },
    { name: "Character", fields: [{ n: 0, name: "name", type: "string" }, { n: 1, name: "faction", type: "string" }] },
  ],
  inputs: [{ name: "Walk", fields: [{ n: 0, name: "dx", type: "f32" }, { n: 1, name: "dy", type: "f32" }] }],
  events: [],
});

/** @param {Reader} r @param {string} type @param {number} [quant] @returns {any} */
function take(r, type, quant) {
  if (quant) return signed(r.wide()) * quant;
  if (type.endsWith("?")) return r.bool() ? take(r, type.slice(0, -1)) : null;
  if (type.startsWith("[")) {
    const list = [];
    for (let n = r.count(1); n > 0; n--) list.push(take(r, type.slice(1, -1)));
    return list;
  }
  switch (type) {
    case "u8": case "u16": case "u32": case "u64": return r.wide();
    case "i8": case "i16": case "i32": case "i64": return signed(r.wide());
    case "f32": return r.f32();
    case "f64": return r.f64();
    case "bool": return r.bool();
    case "string": return r.string();
    default: throw malformed();
  }
}

/** @param {Writer} w @param {string} type @param {any} value @param {number} [quant] */
function put(w, type, value, quant) {
  if (quant) return w.varint(zigzag(Math.round(value / quant)));
  if (type.endsWith("?")) {
    w.bool(value !== null && value !== undefined);
    if (value !== null && value !== undefined) put(w, type.slice(0, -1), value);
    return;
  }
  if (type.startsWith("[")) {
    w.varint(value.length);
    for (const item of value) put(w, type.slice(1, -1), item);
    return;
  }
  switch (type) {
    case "u8": case "u16": case "u32": case "u64": return w.varint(value);
    case "i8": case "i16": case "i32": case "i64": return w.varint(zigzag(value));
    case "f32": return w.f32(value);
    case "f64": return w.f64(value);
    case "bool": return w.bool(value);
    case "string": return w.string(value);
    default: throw new RangeError(`an unknown type «${type}»`);
  }
}

/** @param {number} raw */
function signed(raw) {
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
}

/** @param {number} value */
function zigzag(value) {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}
