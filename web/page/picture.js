/**
 * One picture of the world: ground, what stands on it from north to south, names, borders.
 * @module
 */

import { CHUNK_TILES, TILE } from "../lib/frames.js";
import { CREATURE_COLOURS, drawCreature, heightOf, isCreature, speciesOf } from "./creatures.js";
import { safeColour } from "./dom.js";
import { Effects, drawHealth } from "./effects.js";
import { wornOf } from "./goods.js";
import { Ground } from "./ground.js";
import { drawLying } from "./lying.js";
import { Poses, drawName, drawPerson } from "./people.js";
import { isThing, nearestForHands } from "./reach.js";
import { drawBeside, drawOwners } from "./seams.js";
import { settings } from "./settings.js";
import { Night, darkness, hourOf } from "./sky.js";
import { Things, drawPortal } from "./things.js";
import { drawUnknown, isPerson, kindColour } from "./unknown.js";

/** @import { World } from "../lib/world.js" */
/** @import { Entity } from "../lib/entities.js" */
/** @import { Item } from "./goods.js" */
/** @import { Worn } from "./people.js" */

/** Tiles across the shorter side of the window at zoom 1; fewer on a phone. */
const TILES_ACROSS = { wide: 22, phone: 15 };
const PHONE_PX = 560;
/** How fast the camera follows, per millisecond. */
const FOLLOW = 0.012;
/** Most names one above the other; more cover each other. */
const MOST_NAME_ROWS = 4;

/** @typedef {{entity: Entity, x: number, y: number, own: boolean}} Standing */

/** Draws a world onto a canvas. */
export class Picture {
  /** @param {HTMLCanvasElement} canvas @param {World} world */
  constructor(canvas, world) {
    this.canvas = canvas;
    this.world = world;
    const pen = canvas.getContext("2d", { alpha: false });
    if (!pen) throw new Error("no canvas");
    this.pen = pen;
    this.ground = new Ground();
    this.things = new Things();
    this.poses = new Poses();
    this.effects = new Effects();
    this.night = new Night();
    /** The sign over somebody; empty: none. @type {(entity: Entity) => string} */
    this.marks = () => "";
    /** What an item looks like. @type {(item: number) => Item | null} */
    this.icons = () => null;
    /** What a person is called. @type {(who: number) => string} */
    this.titles = () => "";
    /** What the hands would take now. @type {Entity | undefined} */
    this.forHands = undefined;
    /** The moment of the others that the last picture showed. */
    this.shownTick = NaN;
    /** What the last picture showed: pixels of its corner, and per metre. */
    this.view = { left: 0, top: 0, px: 1, ratio: 1 };
    /** @type {Map<string, string>} */
    this.colours = new Map();
    /** @type {{x: number, y: number} | null} */
    this.camera = null;
    this.drawnMs = 0;
    /** Half the window, metres; for what land to ask for. */
    this.reach = 40;
  }

  /** The camera jumps to the character with the next picture. */
  jump() {
    this.camera = null;
  }

  /** @param {number} nowMs */
  draw(nowMs) {
    const { canvas, pen } = this;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const side = Math.min(width, height);
    const across = side / ratio <= PHONE_PX ? TILES_ACROSS.phone : TILES_ACROSS.wide;
    const px = Math.max(10, (side / across) * settings.zoom);
    this.things.scale(px);
    this.reach = Math.hypot(width, height) / px / 2;
    const standing = this.standing();
    this.follow(nowMs);
    pen.fillStyle = "#0b0f14";
    pen.fillRect(0, 0, width, height);
    if (!this.camera) return;
    // Whole pixels, so that neighbouring chunks meet without a seam.
    const left = Math.round(this.camera.x * px - width / 2);
    const top = Math.round(this.camera.y * px - height / 2);
    this.view = { left, top, px, ratio };
    this.effects.forgetOld(nowMs);
    const here = this.world.here();
    this.forHands = here ? nearestForHands(this.world.entities, here) : undefined;
    this.drawGround(left, top, px);
    this.drawStanding(standing, left, top, px, nowMs);
    this.drawDark(standing, left, top, px);
    this.drawBars(standing, left, top, px);
    this.effects.draw(pen, left, top, px, nowMs);
    if (settings.borders) {
      this.drawBorders(left, top, px);
      drawBeside(this.world, { pen, left, top, px });
      drawOwners(this.world, standing, { pen, left, top, px });
    }
    if (settings.names) this.drawNames(standing, left, top, px);
    this.drawMarks(standing, left, top, px, nowMs);
    this.drawVignette(nowMs);
    this.drawnMs = nowMs;
  }

  /** Everybody, from north to south. @returns {Standing[]} */
  standing() {
    const { world } = this;
    const moment = world.moment();
    this.shownTick = moment;
    const me = world.me();
    const here = world.here();
    const all = [];
    for (const entity of world.entities) {
      const own = entity === me;
      const at = own && here ? here : entity.at(moment);
      all.push({ entity, own, x: at.x, y: at.y });
    }
    return all.sort((a, b) => a.y - b.y);
  }

  /** @param {number} nowMs */
  follow(nowMs) {
    const here = this.world.here();
    if (!here) return;
    if (!this.camera || Math.hypot(here.x - this.camera.x, here.y - this.camera.y) > 15) {
      this.camera = { x: here.x, y: here.y };
      return;
    }
    const part = 1 - Math.exp(-FOLLOW * Math.min(200, nowMs - this.drawnMs));
    this.camera.x += (here.x - this.camera.x) * part;
    this.camera.y += (here.y - this.camera.y) * part;
  }

  /** @param {number} left @param {number} top @param {number} px */
  drawGround(left, top, px) {
    const { pen, canvas, world } = this;
    const side = CHUNK_TILES * px;
    this.ground.begin(world.land);
    for (let cy = Math.floor(top / side); cy * side < top + canvas.height; cy++) {
      for (let cx = Math.floor(left / side); cx * side < left + canvas.width; cx++) {
        const chunk = this.ground.chunk(cx, cy);
        if (!chunk) continue;
        const [x, y] = [Math.round(cx * side) - left, Math.round(cy * side) - top];
        const [w, h] = [Math.round((cx + 1) * side) - left - x, Math.round((cy + 1) * side) - top - y];
        pen.drawImage(chunk, x, y, w, h);
      }
    }
  }

  /** @param {Standing[]} standing @param {number} left @param {number} top @param {number} px @param {number} nowMs */
  drawStanding(standing, left, top, px, nowMs) {
    const { pen, canvas, world } = this;
    const first = { x: Math.floor(left / px) - 1, y: Math.floor(top / px) - 1 };
    const last = { x: Math.ceil((left + canvas.width) / px) + 1, y: Math.ceil((top + canvas.height) / px) + 2 };
    let next = 0;
    for (let y = first.y; y <= last.y; y++) {
      // Who stands north of this row's feet is drawn before its trees.
      while (next < standing.length && standing[next].y < y + 0.62) this.drawOne(standing[next++], left, top, px, nowMs);
      for (let x = first.x; x <= last.x; x++) {
        const kind = world.land.tile(x, y);
        if (kind === TILE.TREE || kind === TILE.ROCK) {
          this.things.draw(pen, kind, x, y, x * px - left, y * px - top, this.effects.lean(x, y, nowMs));
        }
        else if (kind === TILE.PORTAL) drawPortal(pen, x, y, x * px - left, y * px - top, px, nowMs);
      }
    }
    while (next < standing.length) this.drawOne(standing[next++], left, top, px, nowMs);
  }

  /** @param {Standing} one @param {number} left @param {number} top @param {number} px @param {number} nowMs */
  drawOne(one, left, top, px, nowMs) {
    const { pen } = this;
    const { entity, own } = one;
    const pose = this.poses.of(entity, one, nowMs);
    const leap = this.effects.leap(entity.id, nowMs);
    const [x, y] = [(one.x + leap.x) * px - left, (one.y + leap.y) * px - top];
    if (isThing(entity.kindName)) {
      const icon = this.icons(entity.components.Heap?.item)?.icon ?? "📦";
      drawLying(pen, entity, one, x, y, px, nowMs, { icon, near: entity === this.forHands, prey: this.preyOf(entity) });
      return;
    }
    const struck = this.effects.part("flash", entity.id, nowMs);
    if (struck !== null && struck < 1) pen.filter = "brightness(1.9) saturate(1.6)";
    if (isCreature(entity.kindName)) drawCreature(pen, entity.kindName, pose, x, y, px * 1.1);
    else if (!isPerson(entity)) drawUnknown(pen, entity.kindName, x, y, px);
    else {
      const swing = this.effects.part("swing", entity.id, nowMs);
      drawPerson(pen, pose, this.colour(entity), x, y, px * 1.15, own, entity.components.Body?.health === 0, this.worn(entity), swing);
    }
    pen.filter = "none";
  }

  /** @param {Entity} entity @returns {Worn} */
  worn(entity) {
    /** @type {Worn} */
    const worn = {};
    for (const { place, item } of wornOf(entity.components.Gear)) {
      const look = item === null ? null : this.icons(item);
      if (!look) continue;
      // The more it protects the more it shines.
      const plate = (look.armour ?? 0) >= 4;
      if (place === "body") worn.body = plate ? "#9aa6b2" : "#8a6238";
      else if (place === "feet") worn.feet = plate ? "#7f8b97" : "#6b4524";
      else worn[place] = look.icon;
    }
    return worn;
  }

  /** Which creature it was. @param {Entity} entity */
  preyOf(entity) {
    const of = entity.components.Loot?.of;
    return of === undefined ? "" : speciesOf(of);
  }

  /** Night, and the lanterns of the characters. @param {Standing[]} standing @param {number} left @param {number} top @param {number} px */
  drawDark(standing, left, top, px) {
    const hour = hourOf(this.world);
    if (darkness(hour) <= 0) return;
    const people = standing.filter(({ entity }) => isPerson(entity));
    this.night.draw(this.pen, hour, people.map(({ x, y, own }) => ({ x: x * px - left, y: (y - 0.4) * px - top, own })), px);
  }

  /** How well those are who are hurt. @param {Standing[]} standing @param {number} left @param {number} top @param {number} px */
  drawBars(standing, left, top, px) {
    for (const { entity, x, y } of standing) {
      const body = entity.components.Body;
      if (!body || body.health >= body.most) continue;
      const high = isCreature(entity.kindName) ? heightOf(entity.kindName) * 1.1 + 0.15 : headOf(entity) + 0.01;
      drawHealth(this.pen, body.health / body.most, x * px - left, (y - high) * px - top, px);
    }
  }

  /** The place under a pixel of the page, metres. @param {number} clientX @param {number} clientY */
  placeAt(clientX, clientY) {
    const { left, top, px, ratio } = this.view;
    const box = this.canvas.getBoundingClientRect();
    return { x: ((clientX - box.left) * ratio + left) / px, y: ((clientY - box.top) * ratio + top) / px };
  }

  /** Names that would cover each other go one above the other. @param {Standing[]} standing @param {number} left @param {number} top @param {number} px */
  drawNames(standing, left, top, px) {
    const size = Math.max(11, Math.min(26, px * 0.4));
    /** @type {{x: number, y: number, half: number}[]} */
    const taken = [];
    const ownFirst = [...standing].sort((a, b) => Number(b.own) - Number(a.own) || b.y - a.y);
    for (const { entity, x: east, y: south, own } of ownFirst) {
      const name = this.nameOf(entity);
      if (name === "") continue;
      const [x, half] = [east * px - left, name.length * size * 0.3];
      const hurt = entity.components.Body && entity.components.Body.health < entity.components.Body.most;
      let y = south * px - top - px * (headOf(entity) + (hurt ? 0.14 : 0.04));
      for (let row = 1; row < MOST_NAME_ROWS && taken.some((one) => Math.abs(one.x - x) < one.half + half && Math.abs(one.y - y) < size); row++) {
        y -= size * 1.1;
      }
      taken.push({ x, y, half });
      drawName(this.pen, name, own ? "#ffffff" : entity.kindName === "person" ? "#ffe9a8" : "#dfe8ee", x, y, size);
    }
  }

  /** @param {Entity} entity */
  nameOf(entity) {
    const { Person } = entity.components;
    if (Person) return this.titles(Person.who);
    const hasPicture = isPerson(entity) || isCreature(entity.kindName) || isThing(entity.kindName);
    return hasPicture ? entity.name : entity.name || entity.kindName;
  }

  /** «!» and «?» over people. @param {Standing[]} standing @param {number} left @param {number} top @param {number} px @param {number} nowMs */
  drawMarks(standing, left, top, px, nowMs) {
    for (const { entity, x, y } of standing) {
      const mark = this.marks(entity);
      if (mark === "") continue;
      const up = (settings.names ? 1.95 : 1.5) + Math.sin(nowMs / 350) * 0.06;
      drawName(this.pen, mark, "#ffd75e", x * px - left, (y - up) * px - top, px * 0.8);
    }
  }

  /** The area of one server. @param {number} left @param {number} top @param {number} px */
  drawBorders(left, top, px) {
    const { pen, world } = this;
    const { welcome } = world;
    if (!welcome) return;
    const [x, y] = [welcome.x0 * px - left, welcome.y0 * px - top];
    const [width, height] = [(welcome.x1 - welcome.x0) * px, (welcome.y1 - welcome.y0) * px];
    pen.save();
    pen.lineWidth = Math.max(3, px * 0.14);
    pen.strokeStyle = "#f2c14ec0";
    pen.setLineDash([px * 0.7, px * 0.45]);
    pen.strokeRect(x, y, width, height);
    pen.setLineDash([]);
    pen.lineWidth = px * 1.4;
    pen.strokeStyle = "#f2c14e1c";
    pen.strokeRect(x + px * 0.7, y + px * 0.7, width - px * 1.4, height - px * 1.4);
    const me = world.here();
    if (me) {
      pen.lineWidth = Math.max(1, px * 0.04);
      pen.strokeStyle = "#9fd38970";
      pen.beginPath();
      pen.arc(me.x * px - left, me.y * px - top, welcome.viewM * px, 0, 7);
      pen.stroke();
    }
    pen.restore();
  }

  /** The edges are darker; red after a blow, and all is grey to who lies on the ground. @param {number} nowMs */
  drawVignette(nowMs) {
    const { pen, canvas } = this;
    const { width, height } = canvas;
    const far = Math.hypot(width, height) / 2;
    const shade = pen.createRadialGradient(width / 2, height / 2, far * 0.55, width / 2, height / 2, far);
    const down = this.world.me()?.components.Body?.health === 0;
    if (down) {
      pen.globalCompositeOperation = "saturation";
      pen.fillStyle = "#808080";
      pen.fillRect(0, 0, width, height);
      pen.globalCompositeOperation = "source-over";
    }
    const pain = this.effects.pain(nowMs);
    shade.addColorStop(0, pain > 0 ? "#b0202000" : "#0a121a00");
    shade.addColorStop(1, pain > 0 ? `rgb(176 32 32 / ${0.3 + 0.4 * pain})` : down ? "#0a121ad0" : "#0a121a78");
    pen.fillStyle = shade;
    pen.fillRect(0, 0, width, height);
  }

  /** @param {Entity} entity */
  colour(entity) {
    const { Person } = entity.components;
    if (Person) return `hsl(${(Person.who * 83 + 200) % 360} 30% 42%)`;
    return safeColour(this.colours.get(entity.faction));
  }
}

/** Where the head of a character ends, metres, or the stone of what has no picture; a hat makes it higher. @param {Entity} entity */
function headOf(entity) {
  if (!isPerson(entity)) return 0.75;
  return entity.components.Gear?.head ? 1.46 : 1.28;
}

/** @type {Map<number, string>} */
const MAP_COLOURS = new Map([
  [TILE.GRASS, "#4f7c3e"], [TILE.MEADOW, "#6d9a50"], [TILE.SAND, "#c9b27c"], [TILE.STONE, "#7b7d78"],
  [TILE.PORTAL, "#b48cff"], [TILE.WATER, "#3f7f9f"], [TILE.TREE, "#2f5a2c"], [TILE.ROCK, "#5c5e5b"], [TILE.VOID, "#0b0f14"],
]);

/** The small round map. @param {HTMLCanvasElement} canvas @param {Picture} picture */
export function drawMinimap(canvas, picture) {
  const pen = canvas.getContext("2d");
  const { world } = picture;
  const here = world.here();
  if (!pen || !here) return;
  const reach = world.welcome?.viewM ?? 60;
  const px = canvas.width / (2 * reach);
  pen.fillStyle = "#0b0f14";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const step = 2;
  const [x0, y0] = [Math.floor((here.x - reach) / step) * step, Math.floor((here.y - reach) / step) * step];
  for (let y = y0; y < here.y + reach; y += step) {
    for (let x = x0; x < here.x + reach; x += step) {
      const colour = MAP_COLOURS.get(world.land.tile(x, y));
      if (!colour) continue;
      pen.fillStyle = colour;
      pen.fillRect((x - here.x + reach) * px, (y - here.y + reach) * px, step * px + 0.6, step * px + 0.6);
    }
  }
  const me = world.me();
  for (const entity of world.entities) {
    if (entity === me) continue;
    if (isThing(entity.kindName)) continue;
    const creature = isPerson(entity) ? undefined : CREATURE_COLOURS[entity.kindName] ?? kindColour(entity.kindName);
    pen.fillStyle = creature ?? (entity.kindName === "person" ? "#ffd75e" : picture.colour(entity));
    pen.beginPath();
    pen.arc((entity.x - here.x + reach) * px, (entity.y - here.y + reach) * px, creature ? 1.8 : 3, 0, 7);
    pen.fill();
  }
  pen.fillStyle = "#ffffff";
  pen.beginPath();
  pen.arc(canvas.width / 2, canvas.height / 2, 3.4, 0, 7);
  pen.fill();
}
