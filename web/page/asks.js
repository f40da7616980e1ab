/** Questions that wait for a yes or a no, beside the picture: invitations, requests. @module */

import { $, make } from "./dom.js";

/** Most at once; the oldest goes. */
const MOST = 4;

export class Asks {
  constructor() {
    /** @type {Map<string, HTMLElement>} */
    this.open = new Map();
    for (const name of ["pointerdown", "wheel"]) $("asks").addEventListener(name, (event) => event.stopPropagation());
  }

  /**
   * @param {string} key the same key is the same question
   * @param {string} text @param {[yes: string, no: string]} words
   * @param {(yes: boolean) => void} answered
   * @param {number} [lastsMs] after that nobody waits for the answer any more
   */
  ask(key, text, [yes, no], answered, lastsMs) {
    if (this.open.has(key)) return;
    const element = make("div", { class: "panel ask", role: "alertdialog", "aria-label": text }, make("span", { class: "grow", dir: "auto" }, text));
    for (const [title, is] of /** @type {[string, boolean][]} */ ([[no, false], [yes, true]])) {
      const button = make("button", { type: "button", class: is ? "primary" : "" }, title);
      button.onclick = () => {
        this.drop(key);
        answered(is);
      };
      element.append(button);
    }
    this.open.set(key, element);
    if (lastsMs) setTimeout(() => { if (this.open.get(key) === element) this.drop(key); }, lastsMs);
    $("asks").append(element);
    for (const old of this.open.keys()) {
      if (this.open.size <= MOST) break;
      this.drop(old);
    }
  }

  /** @param {string} key */
  drop(key) {
    this.open.get(key)?.remove();
    this.open.delete(key);
  }

  /** Those that are no question any more. @param {(key: string) => boolean} holds */
  keep(holds) {
    for (const key of [...this.open.keys()]) if (!holds(key)) this.drop(key);
  }
}
