/** What a person says, and what one may answer. @module */

import { $, make } from "./dom.js";
import { closeWindow, isOpen, openWindow, setUpWindow } from "./windows.js";

/** @import { Entity } from "../lib/entities.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Tables } from "./goods.js" */

/** Farther away nobody is heard, metres. */
const HEARD_M = 5;
/** An answer that brings no more words ends the talk, ms. */
const LAST_WORD_MS = 1_200;

export class Talk {
  /** @param {World} world @param {() => Tables} tables */
  constructor(world, tables) {
    this.world = world;
    this.tables = tables;
    /** Who speaks: an entity's id. */
    this.target = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    setUpWindow("talk-window", () => clearTimeout(this.timer));
  }

  /** @param {Entity} person */
  begin(person) {
    this.target = person.id;
    this.world.act("Talk", { target: person.id });
  }

  /** @param {Record<string, any>} said */
  says({ who, text, choices }) {
    clearTimeout(this.timer);
    if (!text) return closeWindow("talk-window");
    this.target = who;
    const person = this.world.entities.get(who)?.components.Person;
    $("talk-title").textContent = person ? this.tables().person(person.who) : "Somebody";
    $("talk-text").textContent = text;
    const answers = choices.length > 0 ? choices : [];
    $("talk-choices").replaceChildren(...answers.map((/** @type {string} */ choice, /** @type {number} */ n) => {
      const button = make("button", { type: "button" }, make("kbd", { "aria-hidden": "true" }, String(n + 1)), ` ${choice}`);
      button.setAttribute("aria-label", choice);
      button.onclick = () => this.answer(n);
      return button;
    }));
    openWindow("talk-window");
  }

  /** @param {number} choice @returns {boolean} whether there is such an answer */
  answer(choice) {
    const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ ($("talk-choices").querySelectorAll("button"));
    if (!isOpen("talk-window") || !buttons[choice] || buttons[choice].disabled) return false;
    for (const button of buttons) button.disabled = true;
    this.world.act("Choose", { target: this.target, choice });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => closeWindow("talk-window"), LAST_WORD_MS);
    return true;
  }

  /** Who walks away hears no more. */
  look() {
    if (!isOpen("talk-window")) return;
    const [here, person] = [this.world.here(), this.world.entities.get(this.target)];
    if (!here || !person || Math.hypot(person.x - here.x, person.y - here.y) > HEARD_M) closeWindow("talk-window");
  }
}
