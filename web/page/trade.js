/** Trading with another player: both sides, what changes, who agrees, how it ends. @module */

import { Changes } from "./changes.js";
import { $, input, make } from "./dom.js";
import { noWords, stacksOf } from "./goods.js";
import { slotButton } from "./slots.js";
import { closeWindow, isOpen, openWindow, setUpWindow } from "./windows.js";

/** @import { Values } from "../lib/schema.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Stack, Tables } from "./goods.js" */

/** Most stacks on one side. */
const MOST = 16;
/** So long nobody agrees after the other has changed something: one sees it first, ms. */
const LOOK_MS = 1_000;

/** @typedef {{slots: number[], counts: number[], coins: number}} Offer */

/**
 * An offer with so many of a slot; none takes the slot out.
 * @param {Offer} offer @param {number} slot @param {number} count @returns {Offer}
 */
export function withSlot({ slots, counts, coins }, slot, count) {
  /** @type {[number, number][]} */
  const kept = slots.map((one, n) => [one, counts[n]]);
  const at = kept.findIndex(([one]) => one === slot);
  if (at >= 0) kept[at][1] = count;
  else kept.push([slot, count]);
  const left = kept.filter(([, many]) => many > 0).slice(0, MOST);
  return { slots: left.map(([one]) => one), counts: left.map(([, many]) => many), coins };
}

export class Trade {
  /** @param {World} world @param {() => Tables} tables @param {(text: string, bad?: boolean) => void} toast @param {() => void} openBag */
  constructor(world, tables, toast, openBag) {
    this.world = world;
    this.tables = tables;
    this.toast = toast;
    this.openBag = openBag;
    this.changes = new Changes();
    /** The last offer that was sent, until the server has shown it. @type {Offer | null} */
    this.sent = null;
    this.agreedMs = 0;
    /** What the other side was at the last look. */
    this.theirs = "";
    this.lookUntilMs = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.with = "";
    setUpWindow("trade-window", () => { if (this.trading) this.world.act("EndTrade", {}); });
    $("trade-agree").onclick = () => this.agree();
    input("trade-coins").onchange = () => this.offerCoins(Number(input("trade-coins").value));
    $("trade-yes").onclick = () => this.accept();
    $("trade-no").onclick = () => this.world.act("EndTrade", {});
  }

  /** @returns {Values | undefined} */
  get trading() {
    return this.world.me()?.components.Trading;
  }

  /** Whether the window with both sides is there. */
  get isOpen() {
    return isOpen("trade-window");
  }

  /** @param {{id: number, name: string}} whom */
  ask(whom) {
    this.world.act("Trade", { target: whom.id });
    this.toast(`You ask ${whom.name} to trade.`);
  }

  accept() {
    const name = this.trading?.with;
    const other = [...this.world.entities].find((entity) => entity.name === name && entity !== this.world.me());
    if (other) this.world.act("Trade", { target: other.id });
    else this.toast("That is too far away.", true);
  }

  look() {
    const { trading } = this;
    if (!this.changes.in(trading)) return;
    $("trade-asked").hidden = !trading?.asked;
    if (!trading || trading.asked) {
      if (trading) $("trade-asked-text").textContent = `${trading.with} wants to trade with you.`;
      this.forget();
      return;
    }
    this.with = trading.with;
    this.sent = null;
    const theirs = JSON.stringify([trading.their_items, trading.their_counts, trading.their_coins]);
    if (this.isOpen && theirs !== this.theirs) {
      this.lookUntilMs = performance.now() + LOOK_MS;
      $("trade-theirs").classList.remove("changed");
      void $("trade-theirs").offsetWidth; // the animation begins anew
      $("trade-theirs").classList.add("changed");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.drawAgree(), LOOK_MS);
    }
    this.theirs = theirs;
    if (!this.isOpen) {
      this.lookUntilMs = 0;
      openWindow("trade-window");
      this.openBag();
    }
    this.draw();
  }

  forget() {
    this.sent = null;
    this.theirs = "";
    clearTimeout(this.timer);
    if (this.isOpen) closeWindow("trade-window");
  }

  draw() {
    const { trading } = this;
    if (!trading) return;
    const tables = this.tables();
    const mine = this.mine();
    const stacks = stacksOf(this.world.me()?.components.Bag);
    $("trade-title").textContent = `Trade with ${trading.with}`;
    $("trade-their-name").textContent = trading.with;
    $("trade-my-goods").replaceChildren(...mine.slots.map((slot, n) => this.mySlot(tables, stacks.get(slot), slot, mine.counts[n])));
    const theirs = trading.their_items.map((/** @type {number} */ item, /** @type {number} */ n) => {
      const stack = { item, count: trading.their_counts[n] };
      const button = slotButton(tables, stack);
      return make("li", {}, button, make("span", {}, `${stack.count} ${tables.item(item).title}`));
    });
    $("trade-their-goods").replaceChildren(...theirs);
    $("trade-their-coins").textContent = `🪙 ${trading.their_coins}`;
    const field = input("trade-coins");
    if (document.activeElement !== field) field.value = String(mine.coins);
    field.max = String(this.world.me()?.components.Bag?.coins ?? 0);
    $("trade-my-hint").hidden = mine.slots.length > 0;
    this.drawAgree();
  }

  /** @param {Tables} tables @param {Stack | undefined} stack @param {number} slot @param {number} count */
  mySlot(tables, stack, slot, count) {
    const button = slotButton(tables, stack && { item: stack.item, count });
    const title = stack ? tables.item(stack.item).title : "";
    button.setAttribute("aria-label", `Take back ${title}`);
    button.onclick = () => this.offer(withSlot(this.mine(), slot, 0));
    const many = make("input", { type: "number", min: "1", max: String(stack?.count ?? count), value: String(count), "aria-label": `How many ${title}`, inputmode: "numeric" });
    many.onchange = () => {
      const wish = Math.min(stack?.count ?? count, Math.max(0, Math.floor(Number(many.value) || 0)));
      this.offer(withSlot(this.mine(), slot, wish));
    };
    return make("li", {}, button, (stack?.count ?? 1) > 1 ? many : make("span", {}, title));
  }

  drawAgree() {
    const { trading } = this;
    if (!trading) return;
    const waits = performance.now() < this.lookUntilMs;
    const button = /** @type {HTMLButtonElement} */ ($("trade-agree"));
    button.disabled = waits || trading.i_agree || this.sent !== null;
    button.textContent = trading.i_agree ? "You agree" : waits ? "The offer has changed…" : "Agree";
    $("trade-mine").classList.toggle("agrees", trading.i_agree);
    $("trade-theirs").classList.toggle("agrees", trading.they_agree);
    $("trade-their-word").textContent = trading.they_agree ? "✓ agrees" : "has not agreed yet";
    $("trade-my-word").textContent = trading.i_agree ? "✓ you agree" : "";
  }

  // ---- deeds ------------------------------------------------------------------------------------------

  /** What I offer, as far as I know. @returns {Offer} */
  mine() {
    const { trading } = this;
    return this.sent ?? { slots: trading?.my_slots ?? [], counts: trading?.my_counts ?? [], coins: trading?.my_coins ?? 0 };
  }

  /** A tap on a slot of the bag. @param {number} slot @returns {boolean} whether one trades */
  offerSlot(slot) {
    if (!this.isOpen) return false;
    const stack = stacksOf(this.world.me()?.components.Bag).get(slot);
    const mine = this.mine();
    if (!stack) return true;
    if (mine.slots.length >= MOST && !mine.slots.includes(slot)) this.toast(`No more than ${MOST} stacks at once.`, true);
    else this.offer(withSlot(mine, slot, mine.slots.includes(slot) ? 0 : stack.count));
    return true;
  }

  /** @param {number} wish */
  offerCoins(wish) {
    const most = this.world.me()?.components.Bag?.coins ?? 0;
    this.offer({ ...this.mine(), coins: Math.min(most, Math.max(0, Math.floor(wish) || 0)) });
  }

  /** @param {Offer} offer */
  offer(offer) {
    if (this.world.act("Offer", offer) === 0) return;
    this.sent = offer;
    this.draw();
  }

  agree() {
    if (this.trading) this.world.act("Agree", { version: this.trading.version });
  }

  /** @param {Record<string, any>} end */
  over({ done, code }) {
    const whom = this.with || "the other";
    if (done) this.toast(`🤝 The trade with ${whom} is done.`);
    else this.toast(`The trade with ${whom} is over: ${lower(noWords(code))}`, true);
    this.with = "";
  }
}

/** @param {string} sentence */
const lower = (sentence) => sentence[0].toLowerCase() + sentence.slice(1);
