/** @returns {Refusal} */
export function malformed(): Refusal;
/** Reads numbers and strings off a payload; every step checks its bound. */
export class Reader {
    /** @param {Uint8Array} bytes */
    constructor(bytes: Uint8Array);
    bytes: Uint8Array<ArrayBufferLike>;
    view: DataView<ArrayBufferLike>;
    at: number;
    get left(): number;
    /** @param {number} count */
    take(count: number): number;
    /** @param {number} count @returns {Uint8Array} */
    slice(count: number): Uint8Array;
    u8(): number;
    i8(): number;
    u16(): number;
    i16(): number;
    u32(): number;
    i32(): number;
    f32(): number;
    /** A number up to 2⁵³ − 1: ticks and epochs never come near. */
    u64(): number;
    /** 64 bits that are no count. */
    hash(): bigint;
    bool(): boolean;
    /** LEB128, at most 5 bytes, at most 2³² − 1. */
    varint(): number;
    /** A count of things that take at least `least` bytes each. @param {number} least */
    count(least: number): number;
    string(): string;
    /** All that is left. */
    rest(): Uint8Array<ArrayBuffer>;
    /** LEB128 up to 64 bits; above 2⁵³ it is rounded. */
    wide(): number;
    f64(): number;
    end(): void;
}
/** Appends numbers and strings to a buffer that grows. */
export class Writer {
    bytes: Uint8Array<ArrayBuffer>;
    view: DataView<ArrayBuffer>;
    length: number;
    /** @param {number} count */
    room(count: number): number;
    /** @param {number} v */ u8(v: number): void;
    /** @param {number} v */ i8(v: number): void;
    /** @param {number} v */ u16(v: number): void;
    /** @param {number} v */ u32(v: number): void;
    /** @param {number} v */ i32(v: number): void;
    /** @param {number} v */ f32(v: number): void;
    /** @param {number} v */ u64(v: number): void;
    /** @param {bigint} v */ hash(v: bigint): void;
    /** @param {number} v */ f64(v: number): void;
    /** @param {boolean} v */ bool(v: boolean): void;
    /** @param {number} v */
    varint(v: number): void;
    /** @param {Uint8Array} bytes */
    put(bytes: Uint8Array): void;
    /** @param {string} text */
    string(text: string): void;
    done(): Uint8Array<ArrayBuffer>;
}
import { Refusal } from "./refusal.js";
