/** What a character does beside walking: strikes, fells, and what is heard of it. @module */

import { TILE } from "../lib/frames.js";
import { isCreature } from "./creatures.js";

/** @import { Entity } from "../lib/entities.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Picture } from "./picture.js" */

/** How far one strikes, metres; the server says the last word. */
const REACH_M = 2;
/** How far a tree may be, metres to its middle. */
const GATHER_M = 1.6;
/** Between two strokes, ms: what the server allows, and a little. */
const STRIKE_MS = 650;
const GATHER_MS = 560;
/** How near to a creature a click means it, metres. */
const CLICK_M = 1.1;

/** Deeds of the own character. */
export class Deeds {
  /** @param {World} world @param {Picture} picture @param {(text: string, bad?: boolean) => void} toast */
  constructor(world, picture, toast) {
    this.world = world;
    this.picture = picture;
    this.toast = toast;
    this.readyMs = 0;
    world.on("event", ({ name, values }) => {
      if (name === "Hit") this.heardHit(values);
      if (name === "Died") this.heardDeath(values);
      if (name === "Gathered") this.heardGathered(values);
    });
  }

  /** Whether this game has blows. */
  get canStrike() {
    return this.world.schema?.inputs.some(({ name }) => name === "Attack") ?? false;
  }

  /** Whether the own character lies on the ground. */
  get isDown() {
    return this.world.me()?.components.Body?.health === 0;
  }

  /** Strikes the nearest who can be struck, or the air. */
  strike(target = this.nearest(REACH_M)) {
    const now = performance.now();
    if (!this.canStrike || now < this.readyMs || this.isDown) return;
    this.readyMs = now + STRIKE_MS;
    this.swing(target);
    if (target) this.world.act("Attack", { target: target.id, tick: Math.max(0, Math.floor(this.moment())) });
  }

  /** Strikes at the tree or rock before the character. */
  gather(tile = this.tileBefore()) {
    const now = performance.now();
    if (!this.canStrike || now < this.readyMs || this.isDown || !tile) return;
    this.readyMs = now + GATHER_MS;
    this.swing({ x: tile.x + 0.5, y: tile.y + 0.5 });
    this.world.act("Gather", tile);
  }

  /** A click or a tap: on a creature it strikes, on a tree or a rock it fells. @param {{x: number, y: number}} at metres */
  pointAt(at) {
    const here = this.world.here();
    if (!here) return;
    const target = this.nearest(Infinity, { x: at.x, y: at.y + 0.35 }, CLICK_M);
    if (target) {
      if (this.far(target, here) <= REACH_M) this.strike(target);
      else this.toast("That is too far away: go nearer.");
      return;
    }
    for (const down of [0, 1]) {
      const tile = { x: Math.floor(at.x), y: Math.floor(at.y) + down };
      if (this.stands(tile) && Math.hypot(tile.x + 0.5 - here.x, tile.y + 0.5 - here.y) <= GATHER_M) return this.gather(tile);
    }
  }

  /** The tick that is shown. */
  moment() {
    const { shownTick } = this.picture;
    return Number.isNaN(shownTick) ? this.world.entities.known.tick : shownTick;
  }

  /** @param {Entity} entity @param {{x: number, y: number}} from */
  far(entity, from) {
    const at = entity.at(this.moment());
    return Math.hypot(at.x - from.x, at.y - from.y);
  }

  /** The nearest creature. @param {number} reach @param {{x: number, y: number} | null} [from] @param {number} [within] @returns {Entity | undefined} */
  nearest(reach, from = this.world.here(), within = reach) {
    if (!from) return undefined;
    let best;
    let least = within;
    for (const entity of this.world.entities) {
      if (!isCreature(entity.kindName)) continue;
      const far = this.far(entity, from);
      if (far <= least) [best, least] = [entity, far];
    }
    return best;
  }

  /** @param {{x: number, y: number}} tile */
  stands({ x, y }) {
    const kind = this.world.land.tile(x, y);
    return kind === TILE.TREE || kind === TILE.ROCK;
  }

  /** The tree or rock in reach that the character looks at most. @returns {{x: number, y: number} | null} */
  tileBefore() {
    const here = this.world.here();
    const me = this.world.me();
    if (!here || !me) return null;
    const facing = this.picture.poses.facing(me);
    let best = null;
    let least = Infinity;
    for (let y = Math.floor(here.y) - 2; y <= Math.floor(here.y) + 2; y++) {
      for (let x = Math.floor(here.x) - 2; x <= Math.floor(here.x) + 2; x++) {
        const [dx, dy] = [x + 0.5 - here.x, y + 0.5 - here.y];
        const far = Math.hypot(dx, dy);
        if (far > GATHER_M || !this.stands({ x, y })) continue;
        const rank = far - 0.7 * Math.cos(Math.atan2(dy, dx) - facing);
        if (rank < least) [best, least] = [{ x, y }, rank];
      }
    }
    return best;
  }

  /** @param {{x: number, y: number} | undefined} at */
  swing(at) {
    const here = this.world.here();
    const me = this.world.me();
    if (!here || !me) return;
    const facing = at ? Math.atan2(at.y - here.y, at.x - here.x) : this.picture.poses.facing(me);
    this.picture.effects.add({ kind: "swing", id: me.id, ...here, facing });
  }

  // ---- what is heard ----------------------------------------------------------------------------------

  /** @param {Record<string, any>} hit */
  heardHit({ by, target, damage }) {
    const { effects } = this.picture;
    const struck = this.world.entities.get(target);
    if (!struck) return;
    const me = this.world.me();
    const at = struck === me ? (this.world.here() ?? struck) : struck.at(this.moment());
    effects.add({ kind: "flash", id: target, x: at.x, y: at.y });
    const colour = struck === me ? "#ff8d7d" : by === me?.id ? "#ffe9a8" : "#d7dee4";
    effects.add({ kind: "number", x: at.x, y: at.y, text: `−${damage}`, colour });
    const attacker = this.world.entities.get(by);
    if (attacker && attacker !== me) {
      const from = attacker.at(this.moment());
      const kind = isCreature(attacker.kindName) ? "lunge" : "swing";
      effects.add({ kind, id: by, ...from, facing: Math.atan2(at.y - from.y, at.x - from.x) });
    }
    if (struck === me) effects.add({ kind: "hurt", x: at.x, y: at.y });
  }

  /** @param {Record<string, any>} death */
  heardDeath({ who, by }) {
    const { world } = this;
    const me = world.me();
    const dead = world.entities.get(who);
    const killer = world.entities.get(by);
    if (dead) this.picture.effects.add({ kind: "puff", ...dead.at(this.moment()) });
    if (dead && dead === me) this.toast(`${title(killer)} has brought you down. You will be on your feet again soon.`, true);
    else if (dead && killer && killer === me) this.toast(`You have killed ${title(dead)}.`);
    else if (dead && !isCreature(dead.kindName)) this.toast(`${title(killer)} has brought ${dead.name} down.`);
  }

  /** @param {Record<string, any>} gathered */
  heardGathered({ what, by, x, y, left }) {
    const { effects } = this.picture;
    const wood = what === TILE.TREE;
    effects.add({ kind: "shake", x, y });
    if (left === 0) effects.add({ kind: "puff", x: x + 0.5, y: y + 0.6, colour: wood ? "#7fa35c" : "#a3a49f" });
    const attacker = this.world.entities.get(by);
    if (attacker && attacker !== this.world.me()) {
      const from = attacker.at(this.moment());
      effects.add({ kind: "swing", id: by, ...from, facing: Math.atan2(y + 0.5 - from.y, x + 0.5 - from.x) });
    }
  }
}

/** «a wolf», or a character's name. @param {Entity | undefined} entity */
function title(entity) {
  if (!entity) return "something";
  return entity.name || `a ${entity.kindName}`;
}

