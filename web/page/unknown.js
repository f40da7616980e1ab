/** What a game of one's own puts into the world, and of which this page has no picture. @module */

import { drawShadow } from "./shadow.js";

/** @import { Entity } from "../lib/entities.js" */

/** @param {Entity} entity whether it is drawn as somebody */
export function isPerson(entity) {
  return entity.kind === 0 || entity.kindName === "person";
}

/** The same for all of a kind, and unlike most others. @param {string} kind */
export function kindColour(kind) {
  let sum = 0;
  for (const letter of kind) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return `hsl(${sum} 65% 62%)`;
}

/** A bright stone. @param {CanvasRenderingContext2D} pen in pixels @param {string} kind @param {number} left pixel of its foot @param {number} top @param {number} px pixels per metre */
export function drawUnknown(pen, kind, left, top, px) {
  pen.save();
  pen.translate(left, top);
  pen.scale(px, px);
  drawShadow(pen, 0.3, 0.11);
  pen.fillStyle = kindColour(kind);
  pen.beginPath();
  pen.moveTo(0, -0.02);
  pen.lineTo(0.24, -0.3);
  pen.lineTo(0, -0.62);
  pen.lineTo(-0.24, -0.3);
  pen.fill();
  pen.fillStyle = "#ffffff4d";
  pen.beginPath();
  pen.moveTo(0, -0.62);
  pen.lineTo(0, -0.02);
  pen.lineTo(-0.24, -0.3);
  pen.fill();
  pen.restore();
}
