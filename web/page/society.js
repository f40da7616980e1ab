/** Chat, party, friends, faction, mail, market: what ties them, the keys, and what is told of them. @module */

import { Asks } from "./asks.js";
import { ChatWindow } from "./chat.js";
import { Company } from "./company.js";
import { $, canvas } from "./dom.js";
import { FactionWindow } from "./faction_window.js";
import { MailWindow } from "./mail_window.js";
import { MarketWindow } from "./market_window.js";
import { NameMenu } from "./name_menu.js";
import { PartyFrames } from "./party.js";
import { PeopleWindow } from "./people_window.js";

/** @import { Api } from "../lib/api.js" */
/** @import { Entity } from "../lib/entities.js" */
/** @import { Notice } from "../lib/social_types.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Tables } from "./goods.js" */

/** The question whether one follows the leader's call. */
const CALL = "call";

export class Society {
  /**
   * @param {World} world @param {Api} api @param {(text: string, bad?: boolean) => void} toast
   * @param {{tables: () => Tables, trade: (whom: Entity) => void}} goods
   */
  constructor(world, api, toast, { tables, trade }) {
    this.world = world;
    this.toast = toast;
    /** Mail that was not read at the last look. */
    this.unread = 0;
    this.company = new Company(world, api, toast);
    this.asks = new Asks();
    this.menu = new NameMenu(world, this.company, { whisper: (name) => this.chat.whisper(name), trade });
    const menu = this.menu.open.bind(this.menu);
    this.chat = new ChatWindow(world, () => this.company.names(), menu);
    this.party = new PartyFrames(world, this.company, menu);
    this.people = new PeopleWindow(this.company, menu);
    this.faction = new FactionWindow(world, this.company, menu);
    this.mail = new MailWindow(this.company, tables);
    this.market = new MarketWindow(this.company, tables);
    this.company.on("change", () => this.changed());
    this.company.on("notice", (notice) => this.told(notice));
    $("show-people").onclick = () => this.people.toggle();
    $("show-faction").onclick = () => this.faction.toggle();
    $("show-mail").onclick = () => this.mail.toggle();
    $("show-market").onclick = () => this.market.toggle();
  }

  /** Called a few times a second. */
  look() {
    this.party.look();
  }

  /** @param {string} code @returns {boolean} whether it was for this */
  press(code) {
    const onPicture = [canvas("picture"), document.body, null].includes(/** @type {HTMLCanvasElement} */ (document.activeElement));
    if ((code === "Enter" || code === "NumpadEnter") && onPicture) this.chat.open();
    else if (code === "Slash") this.chat.open("/");
    else if (code === "KeyP") this.people.toggle();
    else if (code === "KeyJ") this.faction.toggle();
    else if (code === "KeyN") this.mail.toggle();
    else if (code === "KeyK") this.market.toggle();
    else return false;
    return true;
  }

  /** What is known of people is new. */
  changed() {
    const { invites, faction_invites, requests, unread_mail } = this.company.social;
    badge("show-people", requests.in.length);
    badge("show-mail", unread_mail);
    if (unread_mail > this.unread) this.toast("✉️ You have mail.");
    this.unread = unread_mail;
    for (const { party, from } of invites) {
      this.asks.ask(`party ${party}`, `${from.name} invites you to a party.`, ["Join", "No"], (yes) => {
        void this.company.do((api) => (yes ? api.acceptParty(party) : api.declineParty(party)));
      });
    }
    for (const { faction, role, from } of faction_invites) {
      this.asks.ask(`faction ${faction.id}`, `${from.name} invites you to ${faction.name}, as ${role}.`, ["Join", "No"], (yes) => {
        void this.company.do((api) => (yes ? api.joinFaction(faction.id) : api.declineFaction(faction.id)));
      });
    }
    const open = new Set([
      ...invites.map(({ party }) => `party ${party}`), ...faction_invites.map(({ faction }) => `faction ${faction.id}`),
      ...requests.in.map(({ id }) => `friend ${id}`),
    ]);
    if (this.company.social.party) open.add(CALL);
    this.asks.keep((key) => open.has(key) || (key.startsWith("friend") && this.company.asking !== null));
  }

  /** @param {Notice} notice */
  told(notice) {
    this.chat.told(notice);
    switch (notice.type) {
      case "friend_request":
        this.asks.ask(`friend ${notice.from.id}`, `${notice.from.name} asks for your friendship.`, ["Yes", "No"], (yes) => {
          void this.company.do((api) => (yes ? api.befriend(notice.from.name) : api.unfriend(notice.from.id)));
        });
        break;
      case "gather": this.called(notice.from.name, notice.asks_s); break;
      case "market_sold": this.toast(`Sold: 🪙 ${notice.money.toLocaleString("en")}.`); break;
      case "mail": this.mail.news(); break;
      case "claim": this.toast(notice.claim ? `This is the ground of ${notice.claim.name}.` : "This is nobody's ground."); break;
      case "faction_changed": case "faction": this.faction.news(); break;
    }
  }

  /** The leader calls: a question that is over after a while, or a word if one goes along anyhow. @param {string} leader @param {number} asksS */
  called(leader, asksS) {
    if (asksS === 0) return this.toast(`${leader} calls, and you go along.`);
    this.asks.drop(CALL);
    this.asks.ask(CALL, `${leader} calls the party together.`, ["Go there", "Stay"], (yes) => {
      void this.company.do((api) => api.answerCall(yes));
    }, asksS * 1000);
  }

  /** The screen is left. */
  hide() {
    this.chat.close();
    this.menu.close();
    this.asks.keep(() => false);
  }
}

/** How much waits behind a button. @param {string} id @param {number} count */
function badge(id, count) {
  const place = $(id);
  if (count > 0) place.dataset.count = String(Math.min(99, count));
  else delete place.dataset.count;
}
