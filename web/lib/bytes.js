/**
 * Numbers and strings in frames: reading checks every bound, writing grows as it must.
 * @module
 */

import { Refusal } from "./refusal.js";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns {Refusal} */
export function malformed() {
  return new Refusal("protocol", "a message that is cut off or malformed");
}

/** Reads numbers and strings off a payload; every step checks its bound. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  /** @param {number} count */
  take(count) {
    if (count > this.left) throw malformed();
    const from = this.at;
    this.at += count;
    return from;
  }

  /** @param {number} count @returns {Uint8Array} */
  slice(count) {
    const from = this.take(count);
    return this.bytes.subarray(from, from + count);
  }

  u8() { return this.view.getUint8(this.take(1)); }
  i8() { return this.view.getInt8(this.take(1)); }
  u16() { return this.view.getUint16(this.take(2), true); }
  i16() { return this.view.getInt16(this.take(2), true); }
  u32() { return this.view.getUint32(this.take(4), true); }
  i32() { return this.view.getInt32(this.take(4), true); }
  f32() { return this.view.getFloat32(this.take(4), true); }

  /** A number up to 2⁵³ − 1: ticks and epochs never come near. */
  u64() {
    const value = Number(this.view.getBigUint64(this.take(8), true));
    if (!Number.isSafeInteger(value)) throw malformed();
    return value;
  }

  /** 64 bits that are no count. */
  hash() { return this.view.getBigUint64(this.take(8), true); }

  bool() {
    const byte = this.u8();
    if (byte > 1) throw malformed();
    return byte === 1;
  }

  /** LEB128, at most 5 bytes, at most 2³² − 1. */
  varint() {
    let value = 0;
    for (let n = 0; n < 5; n++) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** (7 * n);
      if (byte < 0x80) {
        if (value > 0xffff_ffff) throw malformed();
        return value;
      }
    }
    throw malformed();
  }

  /** A count of things that take at least `least` bytes each. @param {number} least */
  count(least) {
    const count = this.varint();
    if (count * least > this.left) throw malformed();
    return count;
  }

  string() {
    try {
      return utf8.decode(this.slice(this.count(1)));
    } catch {
      throw malformed();
    }
  }

  /** All that is left. */
  rest() {
    return this.slice(this.left).slice();
  }

  /** LEB128 up to 64 bits; above 2⁵³ it is rounded. */
  wide() {
    let value = 0;
    for (let n = 0; n < 10; n++) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** (7 * n);
      if (byte < 0x80) return value;
    }
    throw malformed();
  }

  f64() { return this.view.getFloat64(this.take(8), true); }

  end() {
    if (this.left > 0) throw malformed();
  }
}

const encoder = new TextEncoder();

/** Appends numbers and strings to a buffer that grows. */
export class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  /** @param {number} count */
  room(count) {
    const from = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, from));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return from;
  }

  /** @param {number} v */ u8(v) { const at = this.room(1); this.view.setUint8(at, v); }
  /** @param {number} v */ i8(v) { const at = this.room(1); this.view.setInt8(at, v); }
  /** @param {number} v */ u16(v) { const at = this.room(2); this.view.setUint16(at, v, true); }
  /** @param {number} v */ u32(v) { const at = this.room(4); this.view.setUint32(at, v, true); }
  /** @param {number} v */ i32(v) { const at = this.room(4); this.view.setInt32(at, v, true); }
  /** @param {number} v */ f32(v) { const at = this.room(4); this.view.setFloat32(at, v, true); }
  /** @param {number} v */ u64(v) { const at = this.room(8); this.view.setBigUint64(at, BigInt(v), true); }
  /** @param {bigint} v */ hash(v) { const at = this.room(8); this.view.setBigUint64(at, v, true); }
  /** @param {number} v */ f64(v) { const at = this.room(8); this.view.setFloat64(at, v, true); }
  /** @param {boolean} v */ bool(v) { this.u8(v ? 1 : 0); }

  /** @param {number} v */
  varint(v) {
    for (; v >= 0x80; v = Math.floor(v / 128)) this.u8((v % 128) | 0x80);
    this.u8(v);
  }

  /** @param {Uint8Array} bytes */
  put(bytes) {
    const from = this.room(bytes.length);
    this.bytes.set(bytes, from);
  }

  /** @param {string} text */
  string(text) {
    const bytes = encoder.encode(text);
    this.varint(bytes.length);
    this.put(bytes);
  }

  done() {
    return this.bytes.slice(0, this.length);
  }
}
