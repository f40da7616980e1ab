/** The window «People»: friends, requests, whom one does not hear, and who is there. @module */

import { input, make } from "./dom.js";
import { button, form, labelled, list, makeWindow, row, select, tabs } from "./parts.js";
import { isOpen, openWindow, toggleWindow } from "./windows.js";

/** @import { Calls, Friend, Presence, Visible } from "../lib/social_types.js" */
/** @import { Company } from "./company.js" */
/** @import { At } from "./name_menu.js" */

const ID = "people-window";
const TABS = /** @type {const} */ ({ friends: "Friends", requests: "Requests", blocked: "Blocked", search: "Search" });
/** @type {Record<Visible, string>} */
const VISIBLE = { everybody: "Everybody sees me", friends: "Friends see me", nobody: "Nobody sees me" };
/** @type {Record<Calls, string>} */
const CALLS = { ask: "My leader's calls: ask me", go: "My leader's calls: I go along", never: "My leader's calls: never" };
/** Most that a search shows. */
const MOST_FOUND = 50;

export class PeopleWindow {
  /** @param {Company} company @param {(name: string, at: At) => void} menu */
  constructor(company, menu) {
    this.company = company;
    this.menu = menu;
    /** @type {keyof typeof TABS} */
    this.tab = "friends";
    /** @type {Presence[] | null} */
    this.found = null;
    this.body = makeWindow(ID, "People");
    company.on("change", () => { if (isOpen(ID) && !this.isWriting) this.draw(); });
  }

  /** Somebody writes in one of the fields: they are not taken away. */
  get isWriting() {
    return this.body.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement;
  }

  toggle() {
    toggleWindow(ID, () => {
      this.draw();
      void this.company.refresh();
    });
  }

  /** @param {keyof typeof TABS} tab */
  turnTo(tab) {
    this.tab = tab;
    openWindow(ID);
    this.draw();
  }

  draw() {
    const waiting = this.company.social.requests.in.length;
    const titles = { ...TABS, requests: waiting > 0 ? `Requests (${waiting})` : "Requests" };
    const page = { friends: () => this.friends(), requests: () => this.requests(), blocked: () => this.blocked(), search: () => this.search() }[this.tab]();
    this.body.replaceChildren(tabs(titles, this.tab, (tab) => this.turnTo(tab)), ...page);
  }

  friends() {
    const { friends } = this.company.social;
    const sorted = [...friends].sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name));
    const rows = sorted.map((friend) => row(this.name(friend.name, friend.online), whereOf(friend)));
    return [this.status(), list(rows, "No friends yet. Click a name, or ask below."), this.byName("Ask for friendship", (name) => this.company.do((api) => api.befriend(name), `You ask ${name} for friendship.`))];
  }

  requests() {
    const { company } = this;
    const { requests } = company.social;
    const came = requests.in.map(({ id, name }) => row(this.name(name), "asks for your friendship",
      button("Yes", () => void company.do((api) => api.befriend(name)), "primary"), button("No", () => void company.do((api) => api.unfriend(id)))));
    const sent = requests.out.map(({ id, name }) => row(this.name(name), "has not answered yet", button("Take back", () => void company.do((api) => api.unfriend(id)))));
    return [list([...came, ...sent], "No requests.")];
  }

  blocked() {
    const { company } = this;
    const rows = company.social.blocked.map(({ id, name }) => row(name, "you do not hear them", button("Hear again", () => void company.do((api) => api.unblock(id)))));
    return [list(rows, "You hear everybody."), this.byName("Block", (name) => company.do((api) => api.block(name)))];
  }

  search() {
    const field = make("input", { id: "people-search", maxlength: "24", placeholder: "Name, or part of it", "aria-label": "Name to look for", autocomplete: "off" });
    const find = form("Search", [field], async () => {
      this.found = await this.company.look(() => this.company.all.presence({ name: input("people-search").value.trim(), limit: MOST_FOUND }));
      this.draw();
      return false;
    });
    if (!this.found) return [find];
    const rows = this.found.map((one) => row(this.name(one.name, one.online), [one.founded && `‹${one.founded.name}›`, whereOf(one)].filter(Boolean).join(" · ")));
    return [find, list(rows, "Nobody of this name.")];
  }

  /** What one lets others know. */
  status() {
    const { company } = this;
    const { text, visible, calls } = company.social.status;
    const field = make("input", { maxlength: "80", placeholder: "What you are up to", "aria-label": "Your status", autocomplete: "off" });
    field.value = text;
    field.onchange = () => void company.do((api) => api.setStatus({ text: field.value.trim() }));
    const seen = select(VISIBLE, visible, "Who sees where you are", (wish) => void company.do((api) => api.setStatus({ visible: /** @type {Visible} */ (wish) })));
    const called = select(CALLS, calls, "When the leader of my party calls", (wish) => void company.do((api) => api.setStatus({ calls: /** @type {Calls} */ (wish) })));
    return make("div", { class: "fields" }, make("div", { class: "two-fields" }, field, seen), called);
  }

  /** @param {string} verb @param {(name: string) => Promise<boolean>} deed */
  byName(verb, deed) {
    const field = make("input", { maxlength: "24", required: "", autocomplete: "off", spellcheck: "false" });
    return form(verb, [labelled("Name", field)], () => deed(field.value.trim()));
  }

  /** @param {string} name @param {boolean} [online] */
  name(name, online) {
    const who = make("button", { type: "button", class: "who", dir: "auto" }, name);
    who.onclick = (event) => this.menu(name, event);
    if (online !== undefined) who.prepend(make("span", { class: online ? "light on" : "light", role: "img", "aria-label": online ? "online" : "offline" }), " ");
    return who;
  }
}

/** @param {Friend | Presence} one */
function whereOf({ online, world, place, status }) {
  // A map has a name; the cells of a grid are for machines.
  const map = place && !/^-?\d/.test(place) ? place : "";
  const where = online ? map || world || "online" : "offline";
  return [where, status].filter(Boolean).join(" · ");
}
