/** Whether a component has changed since the last look. @module */

/** @import { Values } from "../lib/schema.js" */

/** Remembers the fields of one component: a list is a new one whenever it has changed. */
export class Changes {
  constructor() {
    /** @type {unknown[]} */
    this.last = [NaN];
  }

  /** @param {Values | undefined} values @returns {boolean} whether they differ from those of the last look */
  in(values) {
    const now = values ? Object.values(values) : [];
    const same = now.length === this.last.length && now.every((value, n) => Object.is(value, this.last[n]));
    this.last = now;
    return !same;
  }
}
