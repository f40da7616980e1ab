/**
 * @typedef {object} Places
 * @property {number} tick low 32 bits
 * @property {number} listed low 32 bits of the tick of the update that must be known before
 * @property {number} acked the highest input number that the server took
 * @property {{id: number, x: number, y: number}[]} places centimetres
 */
/**
 * Reads a datagram.
 * @param {Uint8Array} bytes
 * @returns {Places}
 * @throws {import("./refusal.js").Refusal} `protocol` for anything malformed
 */
export function readPlaces(bytes: Uint8Array): Places;
export type Places = {
    /**
     * low 32 bits
     */
    tick: number;
    /**
     * low 32 bits of the tick of the update that must be known before
     */
    listed: number;
    /**
     * the highest input number that the server took
     */
    acked: number;
    /**
     * centimetres
     */
    places: {
        id: number;
        x: number;
        y: number;
    }[];
};
