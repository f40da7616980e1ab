/** The window «Market»: what is offered, what one offers. @module */

import { make } from "./dom.js";
import { chooseOne, coins, itemOf, stacks, words } from "./parcels.js";
import { button, form, labelled, list, makeWindow, row, select, tabs, untilText } from "./parts.js";
import { openWindow, toggleWindow } from "./windows.js";

/** @import { Offer } from "../lib/social_types.js" */
/** @import { Company } from "./company.js" */
/** @import { Tables } from "./goods.js" */
/** @import { Stack } from "./parcels.js" */

const ID = "market-window";
const TABS = /** @type {const} */ ({ buy: "Buy", sell: "Sell" });
/** Most offers that are shown. */
const MOST = 100;

export class MarketWindow {
  /** @param {Company} company @param {() => Tables} tables */
  constructor(company, tables) {
    this.company = company;
    this.tables = tables;
    /** @type {keyof typeof TABS} */
    this.tab = "buy";
    this.template = "";
    /** What others offer, as far as it was read. @type {Offer[]} */
    this.offers = [];
    /** Where the next page begins. @type {string | null} */
    this.next = null;
    /** @type {Offer[]} */
    this.own = [];
    /** @type {Stack[]} */
    this.has = [];
    this.body = makeWindow(ID, "Market");
  }

  toggle() {
    toggleWindow(ID, () => void this.turnTo(this.tab));
  }

  /** @param {keyof typeof TABS} tab */
  async turnTo(tab) {
    this.tab = tab;
    openWindow(ID);
    this.draw();
    await this.read();
  }

  async read() {
    const { company } = this;
    if (this.tab === "buy") {
      this.offers = [];
      await this.readOn(undefined);
    } else {
      [this.own, this.has] = await Promise.all([company.look(async () => await company.api?.ownOffers() ?? []), stacks(company)]).then(([own, has]) => [own ?? [], has]);
    }
    this.draw();
  }

  /** One page more of what is offered. @param {string | undefined} after */
  async readOn(after) {
    const { template } = this;
    const page = await this.company.look(() => this.company.all.market({ template, limit: MOST, after }));
    // Another filter was chosen meanwhile.
    if (template !== this.template) return;
    this.offers.push(...page?.offers ?? []);
    this.next = page?.next ?? null;
    this.draw();
  }

  /** @param {Parameters<Company["do"]>[0]} deed @param {string} done */
  async do(deed, done) {
    const is = await this.company.do(deed, done);
    await this.read();
    return is;
  }

  draw() {
    const head = tabs(TABS, this.tab, (tab) => void this.turnTo(tab));
    this.body.replaceChildren(head, ...this.tab === "buy" ? this.buying() : this.selling());
  }

  buying() {
    const titles = Object.fromEntries([["", "Everything"], ...this.tables().items.map(({ name, icon, title }) => [name, `${icon} ${title}`])]);
    const filter = select(titles, this.template, "What", (template) => {
      this.template = template;
      void this.read();
    });
    const rows = this.offers.filter(({ seller }) => seller !== this.company.name).map((offer) => this.offer(offer, `from ${offer.seller} · ends ${untilText(offer.until_ms)}`,
      this.buyButton(offer)));
    const { next } = this;
    return [filter, list(rows, "Nothing is offered now."), ...next ? [button("Show more", () => void this.readOn(next))] : []];
  }

  /** @param {Offer} offer */
  buyButton(offer) {
    return button(`Buy for ${coins(offer.price)}`, () => void this.do((api) => api.buy(offer.id), `Bought: ${words(this.tables(), offer.template, offer.count)}.`), "primary");
  }

  selling() {
    const own = this.own.map((offer) => this.offer(offer, `for ${coins(offer.price)} · ends ${untilText(offer.until_ms)}`,
      button("Take back", () => void this.do((api) => api.withdraw(offer.id), "It comes back to you."))));
    const offers = list(own, "You offer nothing.");
    if (this.has.length === 0) return [offers, make("p", { class: "hint" }, "There is nothing in your bag to sell.")];
    const { which, many } = chooseOne(this.tables(), this.has);
    const price = make("input", { type: "number", min: "1", required: "", inputmode: "numeric" });
    return [offers, form("Offer it", [labelled("What", which), make("div", { class: "two-fields" }, labelled("How many", many), labelled("Price for all of it", price))], () => {
      return this.do((api) => api.offer({ item: which.value, count: Number(many.value), price: Number(price.value) }), "It is offered.");
    })];
  }

  /** @param {Offer} offer @param {string} about @param {HTMLElement} doing */
  offer({ template, count }, about, doing) {
    const icon = make("span", { class: "icon", "aria-hidden": "true" }, itemOf(this.tables(), template)?.icon ?? "❔");
    const title = itemOf(this.tables(), template)?.title ?? template;
    const entry = row(count === 1 ? title : `${count} ${title}`, about, doing);
    entry.prepend(icon);
    return entry;
  }
}
