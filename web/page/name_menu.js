/** What one can do with somebody whose name was clicked: in the picture, the chat, a window. @module */

import { $, askText, confirm } from "./dom.js";
import { button } from "./parts.js";

/** @import { Entity } from "../lib/entities.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Company } from "./company.js" */

/** @typedef {{clientX: number, clientY: number}} At */

export class NameMenu {
  /**
   * @param {World} world @param {Company} company
   * @param {{whisper: (name: string) => void, trade: (whom: Entity) => void}} deeds
   */
  constructor(world, company, deeds) {
    this.world = world;
    this.company = company;
    this.deeds = deeds;
    addEventListener("pointerdown", (event) => {
      if (!$("player-menu").contains(/** @type {Node} */ (event.target))) this.close();
    });
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); }, { capture: true });
    $("player-menu").addEventListener("pointerdown", (event) => event.stopPropagation());
  }

  /** @param {string} name @param {At} at */
  open(name, { clientX, clientY }) {
    const menu = $("player-menu");
    if (name === this.company.name) return this.close();
    menu.setAttribute("aria-label", name);
    menu.replaceChildren(...this.doings(name).map(([text, deed]) => button(text, () => {
      this.close();
      deed();
    })));
    menu.hidden = false;
    menu.style.left = `${Math.max(8, Math.min(innerWidth - menu.offsetWidth - 8, clientX))}px`;
    menu.style.top = `${Math.max(8, Math.min(innerHeight - menu.offsetHeight - 8, clientY))}px`;
  }

  close() {
    $("player-menu").hidden = true;
  }

  /** @param {string} name @returns {[string, () => void][]} */
  doings(name) {
    const { company } = this;
    const { friends, blocked, party, faction } = company.social;
    const called = (/** @type {{name: string}[]} */ list) => list.find((one) => one.name === name);
    const [friend, foe] = [friends.find((one) => one.name === name), blocked.find((one) => one.name === name)];
    const leads = !party || party.leader === this.world.character;
    const member = party?.members.find((one) => one.name === name);
    const near = [...this.world.entities].find((entity) => entity.kind === 0 && entity.name === name);
    /** @type {[string, () => void][]} */
    const doings = [[`Whisper to ${name}`, () => this.deeds.whisper(name)]];
    if (near) doings.push([`Trade with ${name}`, () => this.deeds.trade(near)]);
    if (leads && !member) doings.push(["Invite to the party", () => void company.do((api) => api.inviteToParty(name), `You invite ${name} to your party.`)]);
    if (party && leads && member) {
      doings.push(["Make the leader", () => void company.do((api) => api.leadParty(member.id))]);
      doings.push(["Take out of the party", () => void company.do((api) => api.kickFromParty(member.id))]);
    }
    if (faction) doings.push([`Invite to ${faction.name}`, () => void this.inviteToFaction(name)]);
    if (friend) doings.push(["End the friendship", () => void this.unfriend(friend)]);
    else if (!called(company.social.requests.out)) doings.push(["Ask for friendship", () => void company.do((api) => api.befriend(name), `You ask ${name} for friendship.`)]);
    if (foe) doings.push(["Hear again", () => void company.do((api) => api.unblock(foe.id))]);
    else doings.push(["Block", () => void company.do((api) => api.block(name), `You do not hear ${name} any more.`)]);
    doings.push(["Report…", () => void this.report(name)]);
    return doings;
  }

  /** @param {{id: string, name: string}} friend */
  async unfriend({ id, name }) {
    if (await confirm(`End the friendship with ${name}?`, "You can ask again later.", "End it")) await this.company.do((api) => api.unfriend(id));
  }

  /** With the lowest role. @param {string} name */
  async inviteToFaction(name) {
    const { company } = this;
    const { faction } = company.social;
    if (!faction) return;
    const info = await company.look(() => company.all.faction(faction.id));
    const role = info?.roles.at(-1)?.name;
    if (role) await company.do((api) => api.inviteToFaction(name, role), `You invite ${name} to ${faction.name}.`);
  }

  /** @param {string} name */
  async report(name) {
    const text = await askText(`Report ${name}`, "What has happened? Those who run this world will read it.", "Report");
    if (text) await this.company.do((api) => api.report(name, text), "Thank you. It will be read.");
  }
}
