/** Characters: a cloak in the faction's colour, a head, a walk, a name, what they wear. @module */

import { iconPicture } from "./icons.js";
import { drawShadow } from "./shadow.js";

/**
 * How a character stands and walks.
 * @typedef {{x: number, y: number, facing: number, stride: number, walking: number, seenMs: number}} Pose
 */

/**
 * What a character wears: signs for hand and head, colours for body and feet.
 * @typedef {{hand?: string, head?: string, body?: string, feet?: string}} Worn
 */

/** Poses by entity, advanced once per picture. */
export class Poses {
  constructor() {
    /** @type {WeakMap<object, Pose>} */
    this.poses = new WeakMap();
  }

  /** @param {object} key @param {{x: number, y: number}} at metres @param {number} nowMs @returns {Pose} */
  of(key, at, nowMs) {
    const pose = this.poses.get(key) ?? { ...at, facing: 0, stride: 0, walking: 0, seenMs: nowMs };
    const passed = Math.max(1, nowMs - pose.seenMs);
    const [dx, dy] = [at.x - pose.x, at.y - pose.y];
    const speed = (Math.hypot(dx, dy) / passed) * 1000;
    if (speed > 0.4 && speed < 40) {
      const turn = Math.atan2(dy, dx);
      const by = Math.atan2(Math.sin(turn - pose.facing), Math.cos(turn - pose.facing));
      pose.facing += by * Math.min(1, passed / 90);
      pose.stride += Math.min(speed, 8) * passed * 0.0032;
    }
    const target = speed > 0.4 && speed < 40 ? 1 : 0;
    pose.walking += (target - pose.walking) * Math.min(1, passed / 120);
    pose.x = at.x;
    pose.y = at.y;
    pose.seenMs = nowMs;
    this.poses.set(key, pose);
    return pose;
  }

  /** Where one looks, as an angle from east to south. @param {object} key */
  facing(key) {
    return this.poses.get(key)?.facing ?? 0;
  }
}

/**
 * @param {CanvasRenderingContext2D} pen in pixels @param {Pose} pose @param {string} colour
 * @param {number} left pixel of its foot @param {number} top @param {number} px pixels per metre @param {boolean} own
 * @param {boolean} [lies] on the ground @param {Worn} [worn] @param {number | null} [swing] how much of a stroke is over, 0 to 1
 */
export function drawPerson(pen, pose, colour, left, top, px, own, lies = false, worn = {}, swing = null) {
  const bob = Math.abs(Math.sin(pose.stride * Math.PI)) * 0.07 * pose.walking;
  const sway = Math.sin(pose.stride * Math.PI) * 0.09 * pose.walking;
  pen.save();
  pen.translate(left, top);
  pen.scale(px, px);
  if (own) {
    pen.strokeStyle = "#ffffff8c";
    pen.lineWidth = 0.05;
    pen.beginPath();
    pen.ellipse(0, 0.02, 0.47, 0.25, 0, 0, 7);
    pen.stroke();
  }
  drawShadow(pen, 0.38, 0.16);
  if (lies) {
    pen.translate(0.35, -0.12);
    pen.rotate(-1.45);
  }
  pen.fillStyle = worn.feet ?? "#2b2a2e";
  const foot = worn.feet ? 0.125 : 0.1;
  for (const side of [-1, 1]) {
    pen.beginPath();
    pen.ellipse(side * 0.12, -0.02 - Math.max(0, side * sway), foot, foot * 0.7, 0, 0, 7);
    pen.fill();
  }
  pen.translate(0, -bob);
  pen.rotate(sway * 0.35);
  // What is in the hand is behind who walks away.
  const away = Math.sin(pose.facing) < -0.3;
  if (worn.hand && away) drawHand(pen, pose, worn.hand, swing);
  // The cloak, lit from the north-west.
  const lean = Math.cos(pose.facing) * 0.05 * pose.walking;
  const cloak = new Path2D();
  cloak.moveTo(-0.34, -0.03);
  cloak.quadraticCurveTo(-0.3, -0.62, lean, -0.72);
  cloak.quadraticCurveTo(0.3, -0.62, 0.34, -0.03);
  cloak.quadraticCurveTo(0, 0.1, -0.34, -0.03);
  pen.fillStyle = colour;
  pen.fill(cloak);
  pen.fillStyle = "#0000002e";
  pen.beginPath();
  pen.moveTo(0.34, -0.03);
  pen.quadraticCurveTo(0.3, -0.62, lean, -0.72);
  pen.quadraticCurveTo(0.14, -0.4, 0.1, 0.02);
  pen.fill();
  pen.strokeStyle = "#0b121a80";
  pen.lineWidth = 0.035;
  pen.stroke(cloak);
  if (worn.body) drawArmour(pen, worn.body, lean);
  // Head and hair; the face looks where it walks.
  const [fx, fy] = [Math.cos(pose.facing) * 0.09, Math.sin(pose.facing) * 0.05];
  pen.fillStyle = "#3a2a20";
  pen.beginPath();
  pen.arc(lean, -0.86, 0.235, 0, 7);
  pen.fill();
  pen.fillStyle = "#e7bd98";
  pen.beginPath();
  pen.ellipse(lean + fx, -0.83 + fy, 0.185, 0.18, 0, 0, 7);
  pen.fill();
  if (Math.sin(pose.facing) > -0.55) {
    pen.fillStyle = "#29323a";
    for (const side of [-1, 1]) {
      pen.beginPath();
      pen.arc(lean + fx * 1.5 + side * 0.07, -0.84 + fy * 1.4, 0.027, 0, 7);
      pen.fill();
    }
  }
  if (worn.head) pen.drawImage(iconPicture(worn.head), lean + fx * 0.5 - 0.27, -1.3 + fy, 0.54, 0.54);
  if (worn.hand && !away) drawHand(pen, pose, worn.hand, swing);
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {Pose} pose @param {string} icon @param {number | null} swing */
function drawHand(pen, pose, icon, swing) {
  const side = Math.cos(pose.facing) < 0 ? -1 : 1;
  const turn = swing === null ? Math.sin(pose.stride * Math.PI) * 0.12 * pose.walking : -0.9 + 2 * swing;
  pen.save();
  pen.translate(side * 0.3, -0.34);
  pen.scale(side, 1);
  pen.rotate(turn);
  pen.drawImage(iconPicture(icon), -0.12, -0.42, 0.52, 0.52);
  pen.fillStyle = "#e7bd98";
  pen.beginPath();
  pen.arc(0, 0, 0.075, 0, 7);
  pen.fill();
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {string} colour @param {number} lean */
function drawArmour(pen, colour, lean) {
  pen.fillStyle = colour;
  pen.strokeStyle = "#0b121a80";
  pen.lineWidth = 0.03;
  pen.beginPath();
  pen.moveTo(lean - 0.17, -0.64);
  pen.quadraticCurveTo(lean, -0.56, lean + 0.17, -0.64);
  pen.quadraticCurveTo(0.27, -0.44, 0.24, -0.2);
  pen.quadraticCurveTo(0, -0.1, -0.24, -0.2);
  pen.quadraticCurveTo(-0.27, -0.44, lean - 0.17, -0.64);
  pen.fill();
  pen.stroke();
  pen.fillStyle = "#0000003a";
  pen.fillRect(-0.25, -0.25, 0.5, 0.05);
}

/** @param {CanvasRenderingContext2D} pen @param {string} name @param {string} colour @param {number} left @param {number} top @param {number} size px */
export function drawName(pen, name, colour, left, top, size) {
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "bottom";
  pen.lineJoin = "round";
  pen.lineWidth = size * 0.26;
  pen.strokeStyle = "#0b1118c8";
  pen.strokeText(name, left, top);
  pen.fillStyle = colour;
  pen.fillText(name, left, top);
}
