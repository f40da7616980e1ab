/**
 * @typedef {{n: number, name: string, type: string, quant?: number, owner?: boolean, entity?: boolean}} Field
 * @typedef {{name: string, fields: Field[]}} Struct
 * @typedef {{kinds: string[], components: Struct[], inputs: Struct[], events: Struct[], tables?: Record<string, any>}} Description
 * @typedef {Record<string, any>} Values  by the names of the fields
 */
/** One game's schema. */
export class Schema {
    /** @param {bigint} hash @param {string} text JSON, as the server sends it */
    static read(hash: bigint, text: string): Schema;
    /** @param {bigint} hash @param {Description} description */
    constructor(hash: bigint, description: Description);
    hash: bigint;
    kinds: string[];
    components: Struct[];
    inputs: Struct[];
    events: Struct[];
    /** What the game tells once and for all, by name: its items, its recipes. @type {Record<string, any>} */
    tables: Record<string, any>;
    /**
     * Applies what was told of a component to its values.
     * @param {number} number @param {Uint8Array} bytes @param {Values} values
     * @returns {{name: string, field: string, now: any, before: any}[]} what changed
     */
    apply(number: number, bytes: Uint8Array, values: Values): {
        name: string;
        field: string;
        now: any;
        before: any;
    }[];
    /** The number and the bytes of an input. @param {string} name @param {Values} values */
    input(name: string, values: Values): {
        kind: number;
        payload: Uint8Array<ArrayBuffer>;
    };
    /** Whether an input of this kind names an entity by its number, which is another's at another server. @param {number} kind */
    namesEntity(kind: number): boolean;
    /** An event as an object; null for one that is not known. @param {number} number @param {Uint8Array} bytes */
    event(number: number, bytes: Uint8Array): {
        name: string;
        values: Values;
    } | null;
}
/** What every game has, before its schema has come. */
export const BASIC: Schema;
export type Field = {
    n: number;
    name: string;
    type: string;
    quant?: number;
    owner?: boolean;
    entity?: boolean;
};
export type Struct = {
    name: string;
    fields: Field[];
};
export type Description = {
    kinds: string[];
    components: Struct[];
    inputs: Struct[];
    events: Struct[];
    tables?: Record<string, any>;
};
/**
 * by the names of the fields
 */
export type Values = Record<string, any>;
