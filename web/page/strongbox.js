/** The window of the strongbox, beside the bag: what lies in it; a tap or a drag brings things in and out. @module */

import { Changes } from "./changes.js";
import { $ } from "./dom.js";
import { half, slotsShown, stacksOf } from "./goods.js";
import { draggable, hideTip, slotButton } from "./slots.js";
import { closeWindow, isOpen, openWindow, setUpWindow } from "./windows.js";

/** @import { World } from "../lib/world.js" */
/** @import { Bag } from "./bag.js" */
/** @import { Stack, Tables } from "./goods.js" */

/** Slots in a row. */
const ACROSS = 6;

export class Strongbox {
  /** @param {World} world @param {() => Tables} tables @param {Bag} bag @param {() => void} openBag */
  constructor(world, tables, bag, openBag) {
    this.world = world;
    this.tables = tables;
    this.bag = bag;
    this.openBag = openBag;
    this.changes = new Changes();
    /** @type {Map<number, Stack>} */
    this.stacks = new Map();
    /** Slots that were asked to change; forgotten with the next news. @type {Set<number>} */
    this.asked = new Set();
    /** It was closed here; the server has not said so yet. */
    this.closes = false;
    setUpWindow("strongbox-window", () => {
      hideTip();
      if (this.box) this.closes = this.world.act("CloseBox", {}) !== 0;
    });
  }

  get box() {
    return this.world.me()?.components.Strongbox;
  }

  look() {
    const { box } = this;
    if (!this.changes.in(box)) return;
    this.asked.clear();
    if (!box) {
      this.closes = false;
      closeWindow("strongbox-window");
      return;
    }
    this.stacks = stacksOf(box);
    if (this.closes) return;
    if (!isOpen("strongbox-window")) {
      openWindow("strongbox-window");
      this.openBag();
    }
    this.draw();
  }

  draw() {
    hideTip();
    const grid = $("strongbox-grid");
    const focused = Number(/** @type {HTMLElement | null} */ (document.activeElement?.closest("#strongbox-grid .slot"))?.dataset.boxSlot ?? -1);
    const most = slotsShown(this.stacks, this.tables(), ACROSS);
    grid.replaceChildren(...Array.from({ length: most }, (_, slot) => this.slot(slot)));
    if (focused >= 0) /** @type {HTMLElement | null} */ (grid.querySelector(`[data-box-slot="${focused}"]`))?.focus();
  }

  /** @param {number} slot */
  slot(slot) {
    const stack = this.stacks.get(slot);
    const button = slotButton(this.tables(), stack);
    button.dataset.boxSlot = String(slot);
    if (this.asked.has(slot)) button.classList.add("waits");
    if (stack) {
      button.onclick = (event) => this.fetch(slot, event.shiftKey);
      draggable(button, this.tables().item(stack.item).icon, (on, part) => { if (on?.closest("#bag-window")) this.fetch(slot, part); });
    }
    return button;
  }

  // ---- deeds ------------------------------------------------------------------------------------------

  /** @param {number} slot @param {boolean} part only half of it */
  fetch(slot, part) {
    const stack = this.stacks.get(slot);
    if (!stack || this.asked.has(slot)) return;
    if (this.world.act("Fetch", { slot, count: part ? half(stack.count) : stack.count }) === 0) return;
    this.asked.add(slot);
    this.draw();
  }

  /** A tap on a slot of the bag. @param {number} slot @param {boolean} part only half of it @returns {boolean} whether the strongbox is open */
  put(slot, part) {
    if (!isOpen("strongbox-window")) return false;
    const stack = this.bag.stacks.get(slot);
    if (stack && !this.bag.asked.has(slot)) this.bag.act("Put", { slot, count: part ? half(stack.count) : stack.count }, slot);
    return true;
  }
}
