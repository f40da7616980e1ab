/**
 * The lands that are remembered: a grid world has one, a maps world one per map.
 * @module
 */

import { Land } from "./land.js";

/** Most lands; the one that was asked for longest ago is forgotten. */
const MOST_LANDS = 4;

/** Lands by area. */
export class Lands {
  constructor() {
    /** @type {Map<string, Land>} */
    this.byKey = new Map();
  }

  /** @param {string} area @returns {Land} */
  of(area) {
    const [world, ground] = area.split("/");
    const key = ground?.includes("..") ? world : `${world}/${ground}`;
    const land = this.byKey.get(key) ?? new Land();
    this.byKey.delete(key);
    this.byKey.set(key, land);
    if (this.byKey.size > MOST_LANDS) {
      for (const oldest of this.byKey.keys()) {
        this.byKey.delete(oldest);
        break;
      }
    }
    return land;
  }
}
