/** The window «Faction»: the own one, others, and how one joins or founds one. @module */

import { make } from "./dom.js";
import { PAGES, pagesOf } from "./faction_pages.js";
import { button, check, counted, form, labelled, list, makeWindow, row, tabs } from "./parts.js";
import { isOpen, toggleWindow } from "./windows.js";

/** @import { FactionHead, FactionInfo } from "../lib/social_types.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Company } from "./company.js" */
/** @import { At } from "./name_menu.js" */
/** @import { Page } from "./faction_pages.js" */

const ID = "faction-window";

export class FactionWindow {
  /** @param {World} world @param {Company} company @param {(name: string, at: At) => void} menu */
  constructor(world, company, menu) {
    this.world = world;
    this.company = company;
    this.menu = menu;
    /** @type {Page | "others"} */
    this.page = "members";
    /** The own one, as it was last told. @type {FactionInfo | null} */
    this.info = null;
    /** @type {FactionHead[]} */
    this.others = [];
    this.body = makeWindow(ID, "Faction");
    company.on("change", () => {
      const { faction } = company.social;
      if (isOpen(ID) && faction?.id !== this.info?.id) void this.read();
    });
  }

  toggle() {
    toggleWindow(ID, () => {
      this.draw();
      void this.company.refresh();
      void this.read();
    });
  }

  /** Something has changed in a faction. */
  news() {
    if (isOpen(ID)) void this.read();
  }

  /** Asks for what is shown. */
  async read() {
    const { company } = this;
    const own = company.social.faction;
    const world = this.world.lastArea.split("/", 1)[0];
    const [info, others] = await Promise.all([
      own ? company.look(() => company.all.faction(own.id)) : null,
      company.look(() => company.all.factions({ world })),
    ]);
    this.info = own ? info : null;
    this.others = others ?? [];
    if (!this.isWriting) this.draw();
  }

  get isWriting() {
    const at = document.activeElement;
    return this.body.contains(at) && (at instanceof HTMLTextAreaElement || (at instanceof HTMLInputElement && at.type !== "checkbox"));
  }

  /** Does something and shows what has come of it. @param {Parameters<Company["do"]>[0]} deed @param {string} [done] */
  async do(deed, done) {
    const is = await this.company.do(deed, done);
    await this.read();
    return is;
  }

  draw() {
    const own = this.company.social.faction;
    if (!own) return this.body.replaceChildren(...this.outside());
    const titles = { ...PAGES, others: "Others" };
    const head = tabs(titles, this.page, (page) => {
      this.page = page;
      this.draw();
    });
    const title = make("p", {}, make("strong", { dir: "auto" }, this.info?.title || own.name), ` · you are ${own.role}`);
    if (this.page === "others") return this.body.replaceChildren(title, head, this.listOf(this.others.filter(({ id }) => id !== own.id), false, "There is no other faction in this world yet."));
    if (!this.info) return this.body.replaceChildren(title, head);
    this.body.replaceChildren(title, head, ...pagesOf(this, this.info)[this.page]());
  }

  /** Who is in none. */
  outside() {
    const { company } = this;
    const invites = company.social.faction_invites.map(({ faction, role, from }) => row(faction.name, `${from.name} invites you, as ${role}`,
      button("Join", () => void this.do((api) => api.joinFaction(faction.id)), "primary"), button("No", () => void this.do((api) => api.declineFaction(faction.id)))));
    return [...invites.length > 0 ? [list(invites, "")] : [], this.listOf(this.others, true, "No player has founded a faction in this world yet."), make("details", {}, make("summary", {}, "Found a faction"), this.founding())];
  }

  /** @param {FactionHead[]} heads @param {boolean} joins whether one may join @param {string} nothing said of none */
  listOf(heads, joins, nothing) {
    return list(heads.map((head) => {
      const about = [counted(head.members, "member"), head.open ? "everybody may join" : "by invitation", head.about].filter(Boolean).join(" · ");
      const title = head.title && head.title !== head.name ? `${head.title} (${head.name})` : head.name;
      return row(title, about, joins && head.open ? button("Join", () => void this.do((api) => api.joinFaction(head.id)), "primary") : null);
    }), nothing);
  }

  founding() {
    const name = make("input", { maxlength: "24", required: "", autocomplete: "off", spellcheck: "false" });
    const title = make("input", { maxlength: "48", autocomplete: "off" });
    const about = make("textarea", { rows: "3", maxlength: "500" });
    const open = check("Everybody may join", false, () => {});
    const fields = [labelled("Name", name), labelled("Title", title), labelled("About", about), open];
    return form("Found it", fields, () => this.do((api) => api.foundFaction({
      name: name.value.trim(), title: title.value.trim() || name.value.trim(), about: about.value.trim(), open: open.querySelector("input")?.checked ?? false,
    }), "Your faction is founded."));
  }
}
