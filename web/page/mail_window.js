/** The window «Mail»: what has come, what is in it, and writing one. @module */

import { make } from "./dom.js";
import { chooseSome, coins, stacks, words } from "./parcels.js";
import { button, form, labelled, list, makeWindow, row, tabs } from "./parts.js";
import { isOpen, openWindow, toggleWindow } from "./windows.js";

/** @import { Mail } from "../lib/social_types.js" */
/** @import { Company } from "./company.js" */
/** @import { Tables } from "./goods.js" */
/** @import { Stack } from "./parcels.js" */

const ID = "mail-window";
const TABS = /** @type {const} */ ({ inbox: "Inbox", write: "Write" });
/** Most stacks in one mail. */
const MOST_ITEMS = 8;

export class MailWindow {
  /** @param {Company} company @param {() => Tables} tables */
  constructor(company, tables) {
    this.company = company;
    this.tables = tables;
    /** @type {keyof typeof TABS} */
    this.tab = "inbox";
    /** @type {Mail[]} */
    this.mail = [];
    /** Which one is read. */
    this.opened = "";
    /** The stacks of the bag, while one writes. @type {Stack[]} */
    this.has = [];
    this.to = "";
    this.body = makeWindow(ID, "Mail");
  }

  toggle() {
    toggleWindow(ID, () => void this.turnTo("inbox"));
  }

  /** Something has come. */
  news() {
    if (isOpen(ID) && this.tab === "inbox") void this.read();
  }

  /** @param {keyof typeof TABS} tab */
  async turnTo(tab) {
    this.tab = tab;
    this.opened = "";
    openWindow(ID);
    this.draw();
    if (tab === "inbox") return this.read();
    this.has = await stacks(this.company);
    this.draw();
  }

  async read() {
    const { api } = this.company;
    this.mail = (api && await this.company.look(() => api.mail())) ?? [];
    if (this.tab === "inbox") this.draw();
  }

  draw() {
    const head = tabs(TABS, this.tab, (tab) => void this.turnTo(tab));
    const opened = this.mail.find(({ id }) => id === this.opened);
    const page = this.tab === "write" ? this.writing() : opened ? this.one(opened) : this.inbox();
    this.body.replaceChildren(head, ...page);
  }

  inbox() {
    const rows = this.mail.map((mail) => {
      const title = make("button", { type: "button", class: "who", dir: "auto" }, mail.subject || "(no subject)");
      title.onclick = () => void this.openOne(mail);
      const gifts = hasGifts(mail) && !mail.claimed ? " · 🎁" : "";
      const entry = row(title, `from ${mail.from} · ${new Date(mail.sent_ms).toLocaleDateString()}${gifts}`);
      entry.classList.toggle("unread-mail", !mail.read);
      return entry;
    });
    return [list(rows, "No mail.")];
  }

  /** @param {Mail} mail */
  async openOne(mail) {
    this.opened = mail.id;
    this.draw();
    if (mail.read) return;
    mail.read = true;
    await this.company.do((api) => api.readMail(mail.id));
  }

  /** @param {Mail} mail */
  one(mail) {
    const { company } = this;
    const gifts = [...mail.items.map(({ template, count }) => words(this.tables(), template, count)), ...mail.money > 0 ? [coins(mail.money)] : []];
    const doings = make("div", { class: "row end" }, button("Back", () => this.back()), button("Answer", () => this.write(mail.from)));
    const full = hasGifts(mail) && !mail.claimed;
    // What is in it must be taken first.
    if (!full) doings.append(button("Delete", () => void this.remove(mail)));
    if (full) {
      doings.append(button("Take it", () => void company.do((api) => api.claimMail(mail.id), "It is in your bag.").then(() => this.read()), "primary"));
    }
    return [
      make("div", {}, make("strong", { dir: "auto" }, mail.subject || "(no subject)"), make("p", { class: "hint" }, `from ${mail.from} · ${new Date(mail.sent_ms).toLocaleString()}`)),
      make("p", { class: "prose", dir: "auto" }, mail.text),
      ...gifts.length > 0 ? [make("p", {}, `${mail.claimed ? "Taken" : "In it"}: ${gifts.join(", ")}`)] : [],
      doings,
    ];
  }

  back() {
    this.opened = "";
    this.draw();
  }

  /** @param {Mail} mail */
  async remove(mail) {
    if (await this.company.do((api) => api.deleteMail(mail.id))) this.opened = "";
    await this.read();
  }

  /** @param {string} to */
  write(to) {
    this.to = to;
    void this.turnTo("write");
  }

  writing() {
    const to = make("input", { maxlength: "24", required: "", autocomplete: "off", spellcheck: "false" });
    to.value = this.to;
    to.onchange = () => { this.to = to.value; };
    const subject = make("input", { maxlength: "80", required: "", autocomplete: "off" });
    const text = make("textarea", { rows: "5", maxlength: "1000" });
    const money = make("input", { type: "number", min: "0", value: "0", inputmode: "numeric" });
    const goods = chooseSome(this.tables(), this.has, MOST_ITEMS);
    return [form("Send", [make("div", { class: "two-fields" }, labelled("To", to), labelled("Subject", subject)), labelled("Text", text), labelled("Coins", money), goods.element], async () => {
      const mail = { to: to.value.trim(), subject: subject.value.trim(), text: text.value.trim(), items: goods.chosen(), money: Number(money.value) || 0 };
      const sent = await this.company.do((api) => api.sendMail(mail), `Sent to ${mail.to}.`);
      if (!sent) return false;
      this.to = "";
      void this.turnTo("inbox");
      return true;
    })];
  }
}

/** @param {Mail} mail */
const hasGifts = ({ items, money }) => items.length > 0 || money > 0;
