/** Lands by area. */
export class Lands {
    /** @type {Map<string, Land>} */
    byKey: Map<string, Land>;
    /** @param {string} area @returns {Land} */
    of(area: string): Land;
}
import { Land } from "./land.js";
