/** The window of the bag: slots, what is worn, coins; move, split, drop, use. @module */

import { Changes } from "./changes.js";
import { $, make } from "./dom.js";
import { PLACES, countsOf, fits, freeSlot, half as halfOf, linesOf, slotsShown, stacksOf, useOf, wornOf } from "./goods.js";
import { draggable, hideTip, slotButton } from "./slots.js";
import { isOpen, openWindow, setUpWindow } from "./windows.js";

/** @import { World } from "../lib/world.js" */
/** @import { Stack, Tables } from "./goods.js" */

/** Slots in a row. */
const ACROSS = 6;
/** What stands in the empty places of the equipment. */
const PLACE_ICONS = { hand: "✋", head: "🧢", body: "👕", feet: "🥾" };
const PLACE_TITLES = { hand: "Hand", head: "Head", body: "Body", feet: "Feet" };

/** @typedef {{slot: number} | {place: number}} Chosen */

export class Bag {
  /** @param {World} world @param {() => Tables} tables @param {(slot: number, half: boolean) => boolean} offer a tap on a slot while one trades or has the strongbox open; whether one does */
  constructor(world, tables, offer) {
    this.world = world;
    this.tables = tables;
    this.offer = offer;
    this.changes = [new Changes(), new Changes()];
    /** @type {Map<number, Stack>} */
    this.stacks = new Map();
    /** @type {Chosen | null} */
    this.chosen = null;
    /** Slots that were asked to change; forgotten with the next news of the bag. @type {Set<number>} */
    this.asked = new Set();
    setUpWindow("bag-window", () => {
      this.chosen = null;
      hideTip();
    });
  }

  open() {
    openWindow("bag-window");
    this.draw();
  }

  get counts() {
    return countsOf(this.stacks);
  }

  /** Looks whether there is something new. @returns {boolean} */
  look() {
    const parts = this.world.me()?.components ?? {};
    const [bag, gear] = [this.changes[0].in(parts.Bag), this.changes[1].in(parts.Gear)];
    if (!bag && !gear) return false;
    this.stacks = stacksOf(parts.Bag);
    this.asked.clear();
    if (this.chosen && "slot" in this.chosen && !this.stacks.has(this.chosen.slot)) this.chosen = null;
    if (isOpen("bag-window")) this.draw();
    const waits = (parts.Bag?.pending ?? 0) > 0;
    $("bag-pending").hidden = !waits;
    $("show-bag").classList.toggle("waits", waits);
    return true;
  }

  draw() {
    const parts = this.world.me()?.components ?? {};
    // A stack that is under the mouse is drawn anew: its tip goes with it.
    hideTip();
    $("bag-coins").textContent = `🪙 ${(parts.Bag?.coins ?? 0).toLocaleString("en")}`;
    const most = slotsShown(this.stacks, this.tables(), ACROSS);
    const focused = Number(/** @type {HTMLElement | null} */ (document.activeElement?.closest("#bag-grid .slot"))?.dataset.slot ?? -1);
    $("bag-grid").replaceChildren(...Array.from({ length: most }, (_, slot) => this.slot(slot)));
    $("bag-worn").replaceChildren(...wornOf(parts.Gear).map(({ place, item }, n) => this.worn(place, item, n)));
    this.drawAbout();
    if (focused >= 0) /** @type {HTMLElement | null} */ ($("bag-grid").querySelector(`[data-slot="${focused}"]`))?.focus();
  }

  /** @param {number} slot */
  slot(slot) {
    const stack = this.stacks.get(slot);
    const button = slotButton(this.tables(), stack);
    button.dataset.slot = String(slot);
    if (this.asked.has(slot)) button.classList.add("waits");
    if (this.chosen && "slot" in this.chosen && this.chosen.slot === slot) button.setAttribute("aria-pressed", "true");
    button.onclick = (event) => this.tap(slot, event.shiftKey);
    button.ondblclick = () => { if (!this.asked.has(slot)) this.use(slot); };
    if (stack) draggable(button, this.tables().item(stack.item).icon, (on, half) => this.letGo(slot, on, half));
    return button;
  }

  /** @param {typeof PLACES[number]} place @param {number | null} item @param {number} n */
  worn(place, item, n) {
    const button = slotButton(this.tables(), item === null ? null : { item, count: 1 }, PLACE_ICONS[place], PLACE_TITLES[place]);
    button.dataset.place = String(n);
    if (this.chosen && "place" in this.chosen && this.chosen.place === n) button.setAttribute("aria-pressed", "true");
    button.onclick = () => this.choose(item === null ? null : { place: n });
    button.ondblclick = () => { if (item !== null) this.takeOff(n); };
    return make("div", { class: "worn" }, button, make("small", {}, PLACE_TITLES[place]));
  }

  /** A tap chooses; on an empty slot it brings what was chosen there. @param {number} slot @param {boolean} half */
  tap(slot, half) {
    const { chosen } = this;
    if (this.stacks.has(slot)) {
      if (this.offer(slot, half)) return;
      this.choose(chosen && "slot" in chosen && chosen.slot === slot ? null : { slot });
    } else if (chosen && "slot" in chosen) {
      this.arrange(chosen.slot, slot);
      this.choose(null);
    }
  }

  /** @param {Chosen | null} chosen */
  choose(chosen) {
    this.chosen = chosen;
    this.draw();
  }

  /** What the chosen thing is, and what can be done with it. */
  drawAbout() {
    const { chosen } = this;
    const about = $("bag-about");
    if (!chosen) {
      about.replaceChildren(make("p", { class: "hint" }, this.stacks.size > 0 ? "Choose something; drag it to move it." : "Nothing yet. What you gather comes in here."));
      return;
    }
    const worn = "place" in chosen ? wornOf(this.world.me()?.components.Gear)[chosen.place].item : null;
    const stack = "slot" in chosen ? this.stacks.get(chosen.slot) : worn === null ? undefined : { item: worn, count: 1 };
    if (!stack) return about.replaceChildren();
    const item = this.tables().item(stack.item);
    const doings = make("div", { class: "row wrap" });
    const add = (/** @type {string} */ text, /** @type {() => void} */ deed, kind = "") => {
      const button = make("button", { type: "button", class: kind }, text);
      button.onclick = deed;
      doings.append(button);
    };
    if ("place" in chosen) add("Take off", () => this.takeOff(chosen.place), "primary");
    else {
      const use = useOf(item);
      if (use) add(use, () => this.use(chosen.slot), "primary");
      if (stack.count > 1) add("Split", () => this.split(chosen.slot));
      if (stack.count > 1) add("Drop one", () => this.drop(chosen.slot, 1));
      add(stack.count > 1 ? "Drop all" : "Drop", () => this.drop(chosen.slot, stack.count));
    }
    about.replaceChildren(
      make("strong", {}, `${item.icon} ${item.title}${stack.count > 1 ? ` × ${stack.count}` : ""}`),
      make("p", { class: "hint" }, linesOf(item).join(" · ") || "Good for making or selling."),
      doings,
    );
  }

  // ---- deeds ------------------------------------------------------------------------------------------

  /** A stack was dragged onto something. @param {number} slot @param {Element | null} on @param {boolean} half */
  letGo(slot, on, half) {
    const stack = this.stacks.get(slot);
    if (!stack) return;
    const target = /** @type {HTMLElement | null} */ (on?.closest(".slot"));
    if (target?.dataset.slot !== undefined) {
      this.arrange(slot, Number(target.dataset.slot), half ? halfOf(stack.count) : stack.count);
    } else if (target?.dataset.place !== undefined) {
      if (this.tables().item(stack.item).place) this.use(slot);
    } else if (on?.closest("#trade-window, #strongbox-window")) {
      this.offer(slot, half);
    } else if (on?.id === "picture") {
      this.drop(slot, half ? halfOf(stack.count) : stack.count);
    }
  }

  /** @param {number} slot @param {number} to @param {number} [wish] */
  arrange(slot, to, wish) {
    const stack = this.stacks.get(slot);
    if (!stack || slot === to) return;
    const count = fits(stack, this.stacks.get(to), this.tables(), wish);
    if (count > 0) this.act("Arrange", { slot, to, count }, slot, to);
  }

  /** Half of it goes to the first empty slot. @param {number} slot */
  split(slot) {
    const stack = this.stacks.get(slot);
    const to = freeSlot(this.stacks, slotsShown(this.stacks, this.tables(), ACROSS));
    if (stack && to >= 0) this.arrange(slot, to, Math.floor(stack.count / 2));
  }

  /** @param {number} slot @param {number} count */
  drop(slot, count) {
    this.act("Drop", { slot, count }, slot);
  }

  /** @param {number} slot */
  use(slot) {
    const stack = this.stacks.get(slot);
    if (stack && useOf(this.tables().item(stack.item))) this.act("Use", { slot }, slot);
  }

  /** @param {number} place */
  takeOff(place) {
    this.world.act("TakeOff", { place });
  }

  /** @param {string} name @param {Record<string, number>} values @param {...number} slots that it changes */
  act(name, values, ...slots) {
    if (this.world.act(name, values) === 0) return;
    for (const slot of slots) this.asked.add(slot);
    this.draw();
  }
}
