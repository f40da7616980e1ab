/** The frames of the party: who is in it, who leads, who is in sight and how they are. @module */

import { $, make } from "./dom.js";

/** @import { Entity } from "../lib/entities.js" */
/** @import { Who } from "../lib/social_types.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Company } from "./company.js" */
/** @import { At } from "./name_menu.js" */

/** @typedef {{root: HTMLElement, about: HTMLElement, health: HTMLMeterElement}} Frame */

export class PartyFrames {
  /** @param {World} world @param {Company} company @param {(name: string, at: At) => void} menu */
  constructor(world, company, menu) {
    this.world = world;
    this.company = company;
    this.menu = menu;
    /** @type {Map<string, Frame>} */
    this.frames = new Map();
    $("party-leave").onclick = () => void company.do((api) => api.leaveParty());
    $("party-gather").onclick = () => void company.do((api) => api.gatherParty(), "You call your party.");
    for (const name of ["pointerdown", "wheel"]) $("party").addEventListener(name, (event) => event.stopPropagation());
    company.on("change", () => this.draw());
  }

  draw() {
    const { party } = this.company.social;
    $("party").hidden = !party;
    if (!party) return;
    const leads = party.leader === this.world.character;
    $("party-title").textContent = leads ? "👑 Your party" : "Party";
    $("party-gather").hidden = !leads || party.members.length < 2;
    this.frames.clear();
    const others = party.members.filter(({ id }) => id !== this.world.character);
    $("party-members").replaceChildren(...others.map((member) => this.frame(member, member.id === party.leader)));
    this.look();
  }

  /** @param {Who} member @param {boolean} leads */
  frame({ id, name }, leads) {
    const who = make("button", { type: "button", class: "who", dir: "auto" }, name);
    who.onclick = (event) => this.menu(name, event);
    const health = make("meter", { min: "0", max: "100", low: "30", high: "60", optimum: "100", "aria-label": `Health of ${name}` });
    const about = make("small", {});
    const head = make("span", { class: "row" }, who, about);
    if (leads) who.prepend(make("span", { title: "leads the party", role: "img", "aria-label": "leader" }, "👑"), " ");
    const root = make("li", { "data-name": name }, head, health);
    this.frames.set(id, { root, about, health });
    return root;
  }

  /** Who is in sight changes as one walks. */
  look() {
    const { party } = this.company.social;
    if (!party) return;
    const here = this.world.here();
    const near = new Map([...this.world.entities].filter(({ kind }) => kind === 0).map((entity) => [entity.name, entity]));
    for (const { id, name } of party.members) {
      const frame = this.frames.get(id);
      if (frame) showFrame(frame, near.get(name), here, this.company.social.friends.find((friend) => friend.id === id)?.online);
    }
  }
}

/** @param {Frame} frame @param {Entity | undefined} entity @param {{x: number, y: number} | null} here @param {boolean} [online] where one knows it */
function showFrame({ root, about, health }, entity, here, online) {
  const body = entity?.components.Body;
  const far = entity && here ? `${Math.round(Math.hypot(entity.x - here.x, entity.y - here.y))} m` : "in sight";
  const text = entity ? far : online === false ? "offline" : "away";
  if (about.textContent !== text) about.textContent = text;
  root.classList.toggle("away", !entity);
  health.hidden = !body;
  if (!body) return;
  health.max = body.most;
  health.value = body.health;
}
