/** What lies about: heaps of goods, herbs, chests, prey. @module */

import { drawCreature, isCreature } from "./creatures.js";
import { chance } from "./hash.js";
import { iconPicture } from "./icons.js";
import { drawShadow } from "./shadow.js";

/** @import { Entity } from "../lib/entities.js" */

/**
 * @param {CanvasRenderingContext2D} pen in pixels @param {Entity} entity
 * @param {{x: number, y: number}} at metres @param {number} left pixel of its foot @param {number} top
 * @param {number} px pixels per metre @param {number} nowMs
 * @param {{icon: string, near: boolean, prey: string}} look its sign, whether the hands reach it, which creature it was
 */
export function drawLying(pen, entity, at, left, top, px, nowMs, { icon, near, prey }) {
  pen.save();
  pen.translate(left, top);
  pen.scale(px, px);
  drawShadow(pen, 0.34, 0.13);
  if (near) {
    pen.strokeStyle = `rgb(255 233 168 / ${0.55 + 0.3 * Math.sin(nowMs / 250)})`;
    pen.lineWidth = 0.045;
    pen.beginPath();
    pen.ellipse(0, 0.02, 0.46, 0.22, 0, 0, 7);
    pen.stroke();
  }
  if (entity.kindName === "heap") drawHeap(pen, icon, nowMs, at);
  else if (entity.kindName === "herb") drawHerb(pen, nowMs, at);
  else if (entity.kindName === "chest") drawChest(pen);
  pen.restore();
  if (entity.kindName === "corpse") drawPrey(pen, prey, at, left, top, px);
}

/** @param {CanvasRenderingContext2D} pen @param {string} icon @param {number} nowMs @param {{x: number, y: number}} at */
function drawHeap(pen, icon, nowMs, at) {
  const up = Math.sin(nowMs / 500 + at.x * 3 + at.y) * 0.025;
  pen.drawImage(iconPicture(icon), -0.3, -0.56 + up, 0.6, 0.6);
}

/** @param {CanvasRenderingContext2D} pen @param {number} nowMs @param {{x: number, y: number}} at */
function drawHerb(pen, nowMs, at) {
  const wind = Math.sin(nowMs / 800 + at.x) * 0.04;
  pen.lineCap = "round";
  for (let n = 0; n < 7; n++) {
    const lean = (n - 3) * 0.09 + wind;
    const high = 0.34 + chance(Math.floor(at.x * 10), n, 30) * 0.2;
    pen.strokeStyle = n % 2 ? "#5f9e47" : "#7fbf5d";
    pen.lineWidth = 0.055;
    pen.beginPath();
    pen.moveTo((n - 3) * 0.03, 0);
    pen.quadraticCurveTo(lean * 0.4, -high * 0.6, lean * 1.2, -high);
    pen.stroke();
    if (n % 2) continue;
    pen.fillStyle = n === 2 ? "#f3e6ff" : "#c79bff";
    pen.beginPath();
    pen.arc(lean * 1.2, -high - 0.03, 0.07, 0, 7);
    pen.fill();
    pen.fillStyle = "#ffd75e";
    pen.beginPath();
    pen.arc(lean * 1.2, -high - 0.03, 0.025, 0, 7);
    pen.fill();
  }
}

/** @param {CanvasRenderingContext2D} pen */
function drawChest(pen) {
  pen.lineJoin = "round";
  pen.lineWidth = 0.035;
  pen.strokeStyle = "#2c1c10";
  pen.fillStyle = "#80542c";
  pen.beginPath();
  pen.rect(-0.36, -0.34, 0.72, 0.36);
  pen.fill();
  pen.stroke();
  pen.fillStyle = "#9a693a";
  pen.beginPath();
  pen.moveTo(-0.38, -0.32);
  pen.quadraticCurveTo(-0.36, -0.62, 0, -0.62);
  pen.quadraticCurveTo(0.36, -0.62, 0.38, -0.32);
  pen.closePath();
  pen.fill();
  pen.stroke();
  pen.fillStyle = "#d9b455";
  for (const x of [-0.26, 0.2]) pen.fillRect(x, -0.58, 0.06, 0.58);
  pen.fillRect(-0.07, -0.38, 0.14, 0.15);
  pen.fillStyle = "#3a2a16";
  pen.fillRect(-0.02, -0.34, 0.04, 0.08);
}

/** A creature that has fallen on its side. @param {CanvasRenderingContext2D} pen @param {string} kind @param {{x: number, y: number}} at @param {number} left @param {number} top @param {number} px */
function drawPrey(pen, kind, at, left, top, px) {
  if (!isCreature(kind)) return;
  pen.save();
  pen.translate(left, top);
  // Seen from above, flat on the ground.
  pen.transform(1, 0, 0.45, 0.62, 0, 0);
  pen.filter = "saturate(0.55) brightness(0.8)";
  const facing = chance(Math.round(at.x * 100), Math.round(at.y * 100), 31) < 0.5 ? 0 : Math.PI;
  drawCreature(pen, kind, { x: at.x, y: at.y, facing, stride: 0, walking: 0, seenMs: 0 }, 0, 0, px * 1.1);
  pen.restore();
}
