/** @typedef {{cx: number, cy: number, tiles: Uint8Array}} Chunk */
/** The land of one world, or of one map of it. */
export class Land {
    /** @type {Map<string, Chunk>} */
    chunks: Map<string, Chunk>;
    /** @type {Map<string, number>} when it was asked for */
    asked: Map<string, number>;
    /** @param {number} cx @param {number} cy @returns {Chunk | undefined} */
    chunk(cx: number, cy: number): Chunk | undefined;
    /** @param {Chunk} chunk */
    put(chunk: Chunk): void;
    /** A tile is another kind now; says whether its chunk is known. @param {{x: number, y: number, kind: number}} tile */
    set({ x, y, kind }: {
        x: number;
        y: number;
        kind: number;
    }): boolean;
    /** The kind of a tile, or -1 if it is not known yet. @param {number} x metres @param {number} y metres */
    tile(x: number, y: number): number;
    /** Whether a walker is stopped there; what is not known stops nobody. @param {number} x @param {number} y */
    solid(x: number, y: number): boolean;
    /**
     * Which chunks around a place are to be asked for now, nearest first; they count as asked.
     * @param {number} x metres @param {number} y metres @param {number} radius metres @param {number} nowMs
     * @returns {{cx: number, cy: number}[]}
     */
    missing(x: number, y: number, radius: number, nowMs: number): {
        cx: number;
        cy: number;
    }[];
    /** The questions will not be answered any more: their connection is gone. */
    forgetAsked(): void;
}
export type Chunk = {
    cx: number;
    cy: number;
    tiles: Uint8Array;
};
