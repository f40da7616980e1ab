/** Creatures: drawn from the side, looking where they go. @module */

import { drawShadow } from "./shadow.js";

/** @import { Pose } from "./people.js" */

/**
 * How a kind looks. Lengths in metres, its foot in the middle below.
 * @typedef {object} Look
 * @property {number} long half the length of the body
 * @property {number} leg length of the legs
 * @property {number} thick half the height of the body
 * @property {string} coat @property {string} belly @property {string} dark legs, ears, snout
 * @property {number} head radius @property {number} neck how far the head is above the back
 */

/** In the order of the game's species. @type {Record<string, Look>} */
const LOOKS = {
  rabbit: { long: 0.2, leg: 0.1, thick: 0.14, coat: "#a58c6f", belly: "#d9c9b2", dark: "#6f5a45", head: 0.115, neck: 0.07 },
  deer: { long: 0.46, leg: 0.5, thick: 0.2, coat: "#a86f3f", belly: "#d8b48a", dark: "#5a3a22", head: 0.13, neck: 0.36 },
  boar: { long: 0.48, leg: 0.22, thick: 0.29, coat: "#55443a", belly: "#6d584a", dark: "#2f2622", head: 0.22, neck: -0.08 },
  wolf: { long: 0.5, leg: 0.32, thick: 0.2, coat: "#7d848c", belly: "#b9bdc0", dark: "#4a5058", head: 0.165, neck: 0.14 },
};

/** The dots of creatures on the small map. @type {Record<string, string>} */
export const CREATURE_COLOURS = { rabbit: "#e2d3bb", deer: "#dca36c", boar: "#b08d78", wolf: "#ff8d78" };

/** How high a kind is, metres; for its bar. @param {string} kind */
export function heightOf(kind) {
  const look = LOOKS[kind];
  return look ? look.leg + look.thick * 2 + Math.max(0, look.neck) + look.head + (kind === "deer" ? 0.25 : 0) : 1.1;
}

/** The kind with the number that the game gives its species; empty for another. @param {number} number */
export function speciesOf(number) {
  return Object.keys(LOOKS)[number] ?? "";
}

/** @param {string} kind */
export function isCreature(kind) {
  return kind in LOOKS;
}

/**
 * @param {CanvasRenderingContext2D} pen in pixels @param {string} kind @param {Pose} pose
 * @param {number} left pixel of its foot @param {number} top @param {number} px pixels per metre
 */
export function drawCreature(pen, kind, pose, left, top, px) {
  const look = LOOKS[kind];
  if (!look) return;
  const gait = Math.sin(pose.stride * Math.PI * (kind === "rabbit" ? 1.2 : 1.6));
  const hop = kind === "rabbit" ? Math.abs(gait) * 0.16 : Math.abs(gait) * 0.04;
  const up = hop * pose.walking;
  const side = Math.cos(pose.facing) < 0 ? -1 : 1;
  // Coming or going it is seen shorter.
  const short = 0.68 + 0.32 * Math.abs(Math.cos(pose.facing));
  pen.save();
  pen.translate(left, top);
  pen.scale(px, px);
  drawShadow(pen, look.long * 1.15 * short, look.long * 0.38);
  pen.scale(side * short, 1);
  pen.lineJoin = pen.lineCap = "round";
  drawLegs(pen, look, gait * pose.walking, up);
  pen.translate(0, -up);
  pen.rotate(gait * 0.05 * pose.walking);
  const back = -look.leg - look.thick;
  if (kind === "wolf") drawTail(pen, look, back, gait * pose.walking);
  drawBody(pen, look, back, kind);
  const nod = Math.sin(pose.seenMs / 900 + look.long * 9) * 0.02 * (1 - pose.walking);
  drawHead(pen, look, kind, back + nod + (kind === "deer" ? 0.5 * (1 - pose.walking) * grazing(pose) : 0));
  pen.restore();
}

/** Now and then a head goes down to the grass: 0 to 1. @param {Pose} pose */
function grazing(pose) {
  const turn = Math.sin(pose.seenMs / 2600 + pose.x * 3 + pose.y);
  return Math.min(1, Math.max(0, turn * 3 - 0.6)) * 0.9;
}

/** @param {CanvasRenderingContext2D} pen @param {Look} look @param {number} swing @param {number} up */
function drawLegs(pen, look, swing, up) {
  pen.strokeStyle = look.dark;
  for (const [place, phase, shade] of [[-0.72, 1, 1], [0.6, -1, 1], [-0.58, -1, 0], [0.74, 1, 0]]) {
    const x = place * look.long;
    pen.lineWidth = look.thick * (shade ? 0.34 : 0.4);
    pen.globalAlpha = shade ? 0.75 : 1;
    pen.beginPath();
    pen.moveTo(x, -look.leg - up);
    pen.lineTo(x + swing * phase * look.leg * 0.55, -0.02 - Math.max(0, swing * phase) * look.leg * 0.3 - up * 0.6);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} pen @param {Look} look @param {number} back @param {number} sway */
function drawTail(pen, look, back, sway) {
  pen.fillStyle = look.dark;
  pen.beginPath();
  pen.moveTo(-look.long * 0.85, back - 0.08);
  pen.quadraticCurveTo(-look.long * 1.5, back - 0.06 + sway * 0.06, -look.long * 1.62, back + 0.26 + sway * 0.08);
  pen.quadraticCurveTo(-look.long * 1.25, back + 0.2, -look.long * 0.85, back + 0.1);
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {Look} look @param {number} back @param {string} kind */
function drawBody(pen, look, back, kind) {
  const { long, thick } = look;
  const body = new Path2D();
  if (kind === "boar") {
    body.moveTo(-long, back + thick * 0.3);
    body.bezierCurveTo(-long, back - thick * 0.9, -long * 0.2, back - thick * 1.1, long * 0.35, back - thick * 1.25);
    body.bezierCurveTo(long * 1.05, back - thick, long * 1.1, back + thick * 0.5, long * 0.6, back + thick * 0.9);
    body.bezierCurveTo(0, back + thick * 1.1, -long, back + thick, -long, back + thick * 0.3);
  } else {
    body.moveTo(-long, back);
    body.bezierCurveTo(-long * 0.95, back - thick * 1.15, long * 0.5, back - thick * 0.95, long, back - thick * 0.75);
    body.bezierCurveTo(long * 1.15, back + thick * 0.5, long * 0.75, back + thick * 1.05, long * 0.35, back + thick);
    body.bezierCurveTo(-long * 0.1, back + thick * 0.62, -long * 0.95, back + thick * 1.2, -long, back);
  }
  pen.fillStyle = look.coat;
  pen.fill(body);
  pen.save();
  pen.clip(body);
  pen.fillStyle = look.belly;
  pen.globalAlpha = 0.75;
  pen.beginPath();
  pen.ellipse(long * 0.1, back + thick * 1.1, long * 0.95, thick * 0.62, 0, 0, 7);
  pen.fill();
  pen.globalAlpha = 1;
  pen.fillStyle = "#ffffff24";
  pen.beginPath();
  pen.ellipse(-long * 0.1, back - thick * 0.85, long * 0.9, thick * 0.5, 0, 0, 7);
  pen.fill();
  pen.restore();
  pen.strokeStyle = "#0b121a70";
  pen.lineWidth = 0.03;
  pen.stroke(body);
  if (kind === "rabbit" || kind === "deer") {
    pen.fillStyle = "#f4eee4";
    pen.beginPath();
    pen.arc(-long * 0.98, back - thick * 0.1, thick * (kind === "rabbit" ? 0.5 : 0.34), 0, 7);
    pen.fill();
  }
  if (kind === "boar") {
    pen.strokeStyle = look.dark;
    pen.lineWidth = 0.05;
    pen.beginPath();
    for (let n = 0; n < 7; n++) {
      const x = -long * 0.5 + n * long * 0.22;
      pen.moveTo(x, back - thick * (0.86 + n * 0.05));
      pen.lineTo(x - 0.07, back - thick * (1.12 + n * 0.05));
    }
    pen.stroke();
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Look} look @param {string} kind @param {number} back */
function drawHead(pen, look, kind, back) {
  const { long, head } = look;
  const [x, y] = [long * (kind === "boar" ? 1.05 : 1.12), back - look.thick * 0.5 - look.neck];
  // Neck
  pen.strokeStyle = look.coat;
  pen.lineWidth = head * 1.5;
  if (look.neck > 0.1) {
    pen.beginPath();
    pen.moveTo(long * 0.8, -look.leg - look.thick * 1.3);
    pen.lineTo(x, y);
    pen.stroke();
  }
  if (kind === "deer") drawAntlers(pen, x, y - head * 0.7);
  drawEars(pen, look, kind, x, y);
  pen.fillStyle = look.coat;
  pen.beginPath();
  pen.arc(x, y, head, 0, 7);
  pen.fill();
  // Snout
  const snout = kind === "rabbit" ? 0.5 : kind === "boar" ? 1.15 : 1.05;
  pen.beginPath();
  pen.ellipse(x + head * snout * 0.85, y + head * 0.32, head * snout * 0.75, head * 0.52, 0.12, 0, 7);
  pen.fillStyle = kind === "wolf" ? look.belly : look.coat;
  pen.fill();
  pen.fillStyle = kind === "boar" ? "#8d6f66" : "#241d1b";
  pen.beginPath();
  pen.ellipse(x + head * snout * 1.5, y + head * 0.25, head * (kind === "boar" ? 0.26 : 0.2), head * (kind === "boar" ? 0.4 : 0.18), 0, 0, 7);
  pen.fill();
  if (kind === "boar") {
    pen.strokeStyle = "#efe7d2";
    pen.lineWidth = 0.045;
    pen.beginPath();
    pen.moveTo(x + head * 1.1, y + head * 0.65);
    pen.quadraticCurveTo(x + head * 1.45, y + head * 0.5, x + head * 1.4, y);
    pen.stroke();
  }
  pen.fillStyle = kind === "wolf" ? "#ffd75e" : "#1a1413";
  pen.beginPath();
  pen.arc(x + head * 0.35, y - head * 0.22, Math.max(0.022, head * 0.16), 0, 7);
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {Look} look @param {string} kind @param {number} x @param {number} y */
function drawEars(pen, look, kind, x, y) {
  const { head } = look;
  const high = kind === "rabbit" ? 2.2 : kind === "wolf" ? 1.05 : 0.75;
  for (const [shift, colour] of /** @type {[number, string][]} */ ([[-0.15, look.dark], [-0.5, look.coat]])) {
    pen.fillStyle = colour;
    pen.beginPath();
    if (kind === "rabbit") {
      pen.ellipse(x + head * (shift - 0.25), y - head * 1.5, head * 0.3, head * high * 0.5, -0.28 + shift * 0.3, 0, 7);
    } else {
      pen.moveTo(x + head * (shift - 0.38), y - head * 0.55);
      pen.lineTo(x + head * (shift - 0.15), y - head * (0.75 + high));
      pen.lineTo(x + head * (shift + 0.42), y - head * 0.7);
    }
    pen.fill();
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y */
function drawAntlers(pen, x, y) {
  pen.strokeStyle = "#e4d3b0";
  pen.lineWidth = 0.04;
  pen.beginPath();
  for (const side of [-1, 0.6]) {
    pen.moveTo(x - 0.03, y + 0.03);
    pen.quadraticCurveTo(x + side * 0.17, y - 0.08, x + side * 0.17 - 0.03, y - 0.3);
    pen.moveTo(x + side * 0.15, y - 0.12);
    pen.lineTo(x + side * 0.27, y - 0.22);
  }
  pen.stroke();
}
