/** What stands on the ground: trees and rocks, drawn once per look and size, and shimmering portals. @module */

import { TILE } from "../lib/frames.js";
import { chance } from "./hash.js";

/** How many different trees and rocks there are. */
const LOOKS = 6;

/** @typedef {{picture: HTMLCanvasElement, size: number, foot: number}} Sprite  size and foot in tiles */

/** Sprites for one size of a tile. */
export class Things {
  constructor() {
    this.px = 0;
    /** @type {Map<string, Sprite>} */
    this.sprites = new Map();
  }

  /** @param {number} px pixels per tile */
  scale(px) {
    if (Math.abs(px - this.px) < 0.5) return;
    this.px = px;
    this.sprites.clear();
  }

  /**
   * Draws the thing of a tile; its foot stands in the tile's middle.
   * @param {CanvasRenderingContext2D} pen in pixels @param {number} kind @param {number} x tile @param {number} y tile
   * @param {number} left pixel of the tile @param {number} top pixel of the tile
   * @param {number} [lean] how far it is shaken aside, metres
   */
  draw(pen, kind, x, y, left, top, lean = 0) {
    const look = Math.floor(chance(x, y, 50) * LOOKS);
    const sprite = this.sprite(kind, look);
    const size = sprite.size * this.px;
    const shift = kind === TILE.TREE ? (chance(x, y, 51) - 0.5) * 0.24 * this.px : 0;
    const shaken = lean * this.px;
    pen.drawImage(sprite.picture, left + this.px / 2 + shift + shaken - size / 2, top + this.px * 0.62 - sprite.foot * this.px, size, size);
  }

  /** @param {number} kind @param {number} look @returns {Sprite} */
  sprite(kind, look) {
    const key = `${kind} ${look}`;
    let sprite = this.sprites.get(key);
    if (!sprite) {
      sprite = kind === TILE.TREE ? tree(look, this.px) : rock(look, this.px);
      this.sprites.set(key, sprite);
    }
    return sprite;
  }
}

/** @param {number} size tiles @param {number} px @returns {[HTMLCanvasElement, CanvasRenderingContext2D]} */
function sheet(size, px) {
  const picture = document.createElement("canvas");
  picture.width = picture.height = Math.ceil(size * px);
  const pen = picture.getContext("2d");
  if (!pen) throw new Error("no canvas");
  pen.scale(px, px);
  return [picture, pen];
}

/** @param {number} look @param {number} px @returns {Sprite} */
function tree(look, px) {
  const size = 2.4;
  const [picture, pen] = sheet(size, px);
  const middle = size / 2;
  const foot = 2.15;
  pen.fillStyle = "#0a140a44";
  pen.beginPath();
  pen.ellipse(middle + 0.14, foot - 0.03, 0.62, 0.22, 0, 0, 7);
  pen.fill();
  pen.fillStyle = "#5a4330";
  pen.beginPath();
  pen.moveTo(middle - 0.1, foot);
  pen.lineTo(middle - 0.06, foot - 0.8);
  pen.lineTo(middle + 0.06, foot - 0.8);
  pen.lineTo(middle + 0.11, foot);
  pen.fill();
  const hue = 92 + look * 9;
  if (look % 3 === 2) {
    // A fir: three skirts.
    for (let n = 0; n < 3; n++) {
      const y = foot - 0.35 - n * 0.48;
      const half = 0.66 - n * 0.17;
      pen.fillStyle = `hsl(${hue + 22} 34% ${20 + n * 4}%)`;
      pen.beginPath();
      pen.moveTo(middle - half, y);
      pen.quadraticCurveTo(middle, y + 0.16, middle + half, y);
      pen.lineTo(middle, y - 0.82);
      pen.fill();
      pen.fillStyle = "#ffffff10";
      pen.beginPath();
      pen.moveTo(middle - half * 0.8, y);
      pen.lineTo(middle - half * 0.2, y + 0.06);
      pen.lineTo(middle, y - 0.8);
      pen.fill();
    }
  } else {
    // A crown of leaves: dark below, light above.
    const y = foot - 1.2;
    const leaves = 9;
    for (const [shade, grow, up] of [[21, 1, 0], [27, 0.86, 0.08], [34, 0.55, 0.22]]) {
      pen.fillStyle = `hsl(${hue} 34% ${shade + (look % 2) * 2}%)`;
      pen.beginPath();
      for (let n = 0; n < leaves; n++) {
        const turn = (n / leaves) * 2 * Math.PI + look;
        const far = 0.42 * grow * (0.85 + chance(n, look, 60) * 0.3);
        const x = middle - (grow < 1 ? 0.06 : 0) + Math.cos(turn) * far;
        const top = y - up + Math.sin(turn) * far * 0.86;
        pen.moveTo(x + 0.3 * grow, top);
        pen.arc(x, top, 0.3 * grow, 0, 7);
      }
      pen.fill();
    }
  }
  return { picture, size, foot };
}

/** @param {number} look @param {number} px @returns {Sprite} */
function rock(look, px) {
  const size = 1.5;
  const [picture, pen] = sheet(size, px);
  const middle = size / 2;
  const foot = 1.1;
  pen.fillStyle = "#0a0f1444";
  pen.beginPath();
  pen.ellipse(middle + 0.08, foot, 0.52, 0.2, 0, 0, 7);
  pen.fill();
  /** @type {number[][]} */
  const points = [];
  for (let n = 0; n < 8; n++) {
    const turn = (n / 8) * 2 * Math.PI;
    const far = 0.42 + chance(n, look, 70) * 0.12;
    points.push([middle + Math.cos(turn) * far, foot - 0.32 + Math.sin(turn) * far * 0.78]);
  }
  const shape = (/** @type {number} */ grow, /** @type {number} */ up) => {
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(middle + (x - middle) * grow, foot - 0.32 - up + (y - foot + 0.32) * grow);
    pen.closePath();
    pen.fill();
  };
  pen.fillStyle = `hsl(210 6% ${36 + look}%)`;
  shape(1, 0);
  pen.fillStyle = `hsl(210 6% ${49 + look}%)`;
  shape(0.8, 0.09);
  pen.fillStyle = `hsl(80 8% ${60 + look}%)`;
  shape(0.45, 0.2);
  return { picture, size, foot };
}

/** A soft light. @type {HTMLCanvasElement | null} */
let glow = null;

function softLight() {
  if (glow) return glow;
  const [picture, pen] = sheet(1, 64);
  const light = pen.createRadialGradient(0.5, 0.5, 0, 0.5, 0.5, 0.5);
  light.addColorStop(0, "rgb(150 110 255 / 0.9)");
  light.addColorStop(0.5, "rgb(140 90 240 / 0.35)");
  light.addColorStop(1, "rgb(120 80 220 / 0)");
  pen.fillStyle = light;
  pen.fillRect(0, 0, 1, 1);
  return (glow = picture);
}

/**
 * The shimmer of a portal's tile.
 * @param {CanvasRenderingContext2D} pen @param {number} x tile @param {number} y tile
 * @param {number} left @param {number} top @param {number} px @param {number} nowMs
 */
export function drawPortal(pen, x, y, left, top, px, nowMs) {
  const wave = Math.sin(nowMs / 600 + x * 0.9 + y * 0.7) * 0.5 + 0.5;
  pen.globalCompositeOperation = "lighter";
  pen.globalAlpha = 0.25 + wave * 0.35;
  pen.drawImage(softLight(), left - px * 0.5, top - px * 0.5, px * 2, px * 2);
  pen.globalAlpha = 1;
  for (let n = 0; n < 2; n++) {
    const rise = (nowMs / 1800 + chance(x, y, 80 + n)) % 1;
    pen.fillStyle = `hsl(${270 + n * 30} 90% 78% / ${0.8 * (1 - rise)})`;
    pen.beginPath();
    pen.arc(left + chance(x, y, 90 + n) * px, top + px * (0.9 - rise * 1.2), px * 0.05, 0, 7);
    pen.fill();
  }
  pen.globalCompositeOperation = "source-over";
}
