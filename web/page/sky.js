/** Day and night: the hour from the server's tick, and the dark over the picture. @module */

/** @import { World } from "../lib/world.js" */

/** The dark is drawn in so many pixels less, along each side. */
const COARSE = 6;
/** How far a light reaches, metres. */
const LIGHT_M = 7;
/** Hours between which it grows dark, and light again. */
const DUSK = [0.58, 0.68];
const DAWN = [0.94, 1];

/** The hour, 0 to 1 with 0 in the morning; NaN where the game has no sky. @param {World} world */
export function hourOf(world) {
  const ticks = world.me()?.components.Sky?.day_ticks;
  return ticks > 0 ? (world.entities.known.tick % ticks) / ticks : NaN;
}

/** How dark it is, 0 to 1. @param {number} hour */
export function darkness(hour) {
  if (!(hour >= DUSK[0])) return 0;
  if (hour < DUSK[1]) return (hour - DUSK[0]) / (DUSK[1] - DUSK[0]);
  if (hour < DAWN[0]) return 1;
  return Math.max(0, (DAWN[1] - hour) / (DAWN[1] - DAWN[0]));
}

/** What a clock would say. @param {number} hour */
export function hourName(hour) {
  if (Number.isNaN(hour)) return "";
  if (hour < 0.15) return "morning";
  if (hour < DUSK[0]) return "day";
  if (hour < DUSK[1]) return "dusk";
  return hour < DAWN[0] ? "night" : "dawn";
}

/** The dark over the land. */
export class Night {
  constructor() {
    this.sheet = document.createElement("canvas");
  }

  /**
   * @param {CanvasRenderingContext2D} pen @param {number} hour
   * @param {{x: number, y: number, own: boolean}[]} lights who carries one, pixels @param {number} px pixels per metre
   */
  draw(pen, hour, lights, px) {
    const dark = darkness(hour);
    if (dark <= 0) return;
    const { sheet } = this;
    const [width, height] = [Math.ceil(pen.canvas.width / COARSE), Math.ceil(pen.canvas.height / COARSE)];
    if (sheet.width !== width || sheet.height !== height) [sheet.width, sheet.height] = [width, height];
    const dim = sheet.getContext("2d", { alpha: false });
    if (!dim) return;
    // Between day and night the light is red.
    const low = 1 - Math.abs(dark * 2 - 1);
    const part = (/** @type {number} */ day, /** @type {number} */ night) => Math.round(day + (night - day) * dark);
    dim.globalCompositeOperation = "source-over";
    dim.fillStyle = `rgb(${part(255, 66) + Math.round(low * 34)} ${part(255, 82)} ${part(255, 138) - Math.round(low * 26)})`;
    dim.fillRect(0, 0, width, height);
    dim.globalCompositeOperation = "lighter";
    for (const { x, y, own } of lights) {
      const [cx, cy, reach] = [x / COARSE, y / COARSE, (LIGHT_M * (own ? 1 : 0.6) * px) / COARSE];
      const glow = dim.createRadialGradient(cx, cy, 0, cx, cy, reach);
      const warm = dark * (own ? 0.85 : 0.55);
      glow.addColorStop(0, `rgb(255 214 150 / ${warm})`);
      glow.addColorStop(0.45, `rgb(210 150 90 / ${warm * 0.42})`);
      glow.addColorStop(1, "rgb(120 80 50 / 0)");
      dim.fillStyle = glow;
      dim.fillRect(cx - reach, cy - reach, reach * 2, reach * 2);
    }
    pen.globalCompositeOperation = "multiply";
    pen.drawImage(sheet, 0, 0, width * COARSE, height * COARSE);
    pen.globalCompositeOperation = "source-over";
  }
}
