/**
 * The seams of the world, for who wants to see them: which server plays, under which epoch, which others are seen
 * beyond the borders, whose everything is, and how long the last crossing took.
 * @module
 */

/** @import { Entity } from "../lib/entities.js" */
/** @import { World } from "../lib/world.js" */

/** Of the area that plays, and of those beside it. */
const OWN = "#f2c14e";
const BESIDE = ["#7cc4f2", "#d08df0", "#8fe0a0"];

/**
 * @typedef {{x0: number, y0: number, x1: number, y1: number, area: string}} Ground
 * @typedef {{pen: CanvasRenderingContext2D, left: number, top: number, px: number}} Sheet
 */

/** Whose ground: the own first. @param {World} world @returns {(Ground & {colour: string})[]} */
function grounds(world) {
  const { welcome } = world;
  if (!welcome) return [];
  const beside = world.beside.flatMap((one) => (one.welcome ? [one.welcome] : []));
  return [{ ...welcome, colour: OWN }, ...beside.map((one, n) => ({ ...one, colour: BESIDE[n % BESIDE.length] }))];
}

/** Whose an entity is; undefined: an area's to which no connection stands. @param {World} world @param {Entity} entity */
function ownerOf(world, entity) {
  const of = entity.components.GhostOf;
  return of ? grounds(world).find(({ x0, y0 }) => x0 === of.x && y0 === of.y) : grounds(world)[0];
}

/** A ring under everybody, broken under ghosts, in the colour of its owner's ground. @param {World} world @param {{entity: Entity, x: number, y: number}[]} standing @param {Sheet} sheet */
export function drawOwners(world, standing, { pen, left, top, px }) {
  pen.save();
  pen.lineWidth = Math.max(1.5, px * 0.06);
  for (const { entity, x, y } of standing) {
    pen.strokeStyle = ownerOf(world, entity)?.colour ?? "#ffffff80";
    pen.setLineDash(entity.components.GhostOf ? [px * 0.2, px * 0.15] : []);
    pen.beginPath();
    pen.ellipse(x * px - left, y * px - top + px * 0.25, px * 0.5, px * 0.25, 0, 0, 7);
    pen.stroke();
  }
  pen.restore();
}

/** The borders of what lies beside and is ready. @param {World} world @param {Sheet} sheet */
export function drawBeside(world, { pen, left, top, px }) {
  pen.save();
  pen.lineWidth = Math.max(2, px * 0.08);
  for (const { x0, y0, x1, y1, colour } of grounds(world).slice(1)) {
    pen.strokeStyle = `${colour}b0`;
    pen.strokeRect(x0 * px - left + px * 0.1, y0 * px - top + px * 0.1, (x1 - x0) * px - px * 0.2, (y1 - y0) * px - px * 0.2);
  }
  pen.restore();
}

/** @param {World} world @param {{from: string, to: string, gapMs: number} | null} last @returns {string} */
export function seamsText(world, last) {
  const { live, welcome } = world;
  if (!welcome) return "";
  const host = (/** @type {string} */ url) => url.replace(/^\w+:\/\//, "").replace(/\/.*$/, "");
  const ghosts = [...world.entities].filter((entity) => entity.components.GhostOf).length;
  const lines = [`${welcome.area} at ${live ? host(live.url) : "–"}, epoch ${welcome.epoch}, tick ${world.entities.known.tick}`];
  for (const beside of world.beside) {
    if (beside.welcome) lines.push(`beside: ${beside.welcome.area} at ${host(beside.url)}`);
  }
  lines.push(`${world.entities.size} entities, ${ghosts} of them ghosts`);
  if (last) lines.push(`last crossing: ${last.gapMs.toFixed(0)} ms without an update`);
  return lines.join("\n");
}
