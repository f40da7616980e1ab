/** What blows look like: flashes, numbers that rise, swings, leaps, trees that shake, puffs. @module */

/** How long each is seen, ms. */
const LASTS_MS = { flash: 160, number: 900, swing: 220, shake: 260, puff: 600, gain: 1_700, lunge: 260, hurt: 450 };

/**
 * @typedef {object} Effect
 * @property {keyof typeof LASTS_MS} kind
 * @property {number} sinceMs
 * @property {number} [id] whose
 * @property {number} x metres @property {number} y metres
 * @property {string} [text] @property {string} [colour]
 * @property {number} [facing]
 */

/** Most at once. */
const MOST = 200;

/** Effects that are seen now. */
export class Effects {
  constructor() {
    /** @type {Effect[]} */
    this.all = [];
  }

  /** @param {Omit<Effect, "sinceMs">} effect */
  add(effect) {
    this.all.push({ ...effect, sinceMs: performance.now() });
    if (this.all.length > MOST) this.all.shift();
  }

  /** Something gained: it rises over who gained it, the next one below. @param {string} text @param {{x: number, y: number}} at */
  gain(text, at) {
    const now = performance.now();
    const young = this.all.filter(({ kind, sinceMs }) => kind === "gain" && now - sinceMs < 500).length;
    this.add({ kind: "gain", x: at.x, y: at.y + young * 0.55, text, colour: "#d8f5b8" });
  }

  /** @param {number} nowMs */
  forgetOld(nowMs) {
    this.all = this.all.filter((effect) => nowMs - effect.sinceMs < LASTS_MS[effect.kind]);
  }

  /** How much of an entity's effect is over, 0 to 1; null if it has none. @param {"flash" | "swing"} kind @param {number} id @param {number} nowMs */
  part(kind, id, nowMs) {
    const effect = this.all.findLast((one) => one.kind === kind && one.id === id);
    return effect ? Math.min(1, Math.max(0, (nowMs - effect.sinceMs) / LASTS_MS[kind])) : null;
  }

  /** How far somebody has leapt at whom it bites, metres. @param {number} id @param {number} nowMs */
  leap(id, nowMs) {
    const leap = this.all.findLast((one) => one.kind === "lunge" && one.id === id);
    if (!leap) return { x: 0, y: 0 };
    const part = Math.min(1, Math.max(0, (nowMs - leap.sinceMs) / LASTS_MS.lunge));
    const far = Math.sin(part * Math.PI) * 0.38;
    return { x: Math.cos(leap.facing ?? 0) * far, y: Math.sin(leap.facing ?? 0) * far };
  }

  /** How much of a blow one feels oneself, 0 to 1. @param {number} nowMs */
  pain(nowMs) {
    const blow = this.all.findLast(({ kind }) => kind === "hurt");
    return blow ? Math.max(0, 1 - (nowMs - blow.sinceMs) / LASTS_MS.hurt) : 0;
  }

  /** How far a tile's thing leans aside now, metres. @param {number} x @param {number} y @param {number} nowMs */
  lean(x, y, nowMs) {
    for (const one of this.all) {
      if (one.kind !== "shake" || one.x !== x || one.y !== y) continue;
      const part = (nowMs - one.sinceMs) / LASTS_MS.shake;
      return Math.sin(part * 20) * 0.09 * (1 - part);
    }
    return 0;
  }

  /** Numbers, swings and puffs. @param {CanvasRenderingContext2D} pen @param {number} left @param {number} top @param {number} px @param {number} nowMs */
  draw(pen, left, top, px, nowMs) {
    for (const { kind, x: east, y: south, sinceMs, text, colour, facing } of this.all) {
      const part = Math.min(1, Math.max(0, (nowMs - sinceMs) / LASTS_MS[kind]));
      const [x, y] = [east * px - left, south * px - top];
      if (kind === "number" || kind === "gain") {
        const size = Math.max(13, px * 0.42);
        pen.globalAlpha = kind === "gain" ? Math.min(1, 3 - 3 * part) : 1 - part * part;
        pen.font = `700 ${size}px system-ui, sans-serif`;
        pen.textAlign = "center";
        pen.lineWidth = size * 0.22;
        pen.lineJoin = "round";
        pen.strokeStyle = "#0b1118d0";
        pen.strokeText(text ?? "", x, y - px * (1 + part * 0.9));
        pen.fillStyle = colour ?? "#ffffff";
        pen.fillText(text ?? "", x, y - px * (1 + part * 0.9));
      } else if (kind === "swing") {
        const from = (facing ?? 0) - 1.1 + part * 1.5;
        pen.globalAlpha = 1 - part;
        pen.strokeStyle = "#f6f3e6";
        pen.lineCap = "round";
        pen.lineWidth = px * 0.1;
        pen.beginPath();
        pen.ellipse(x, y - px * 0.45, px * 0.85, px * 0.62, 0, from, from + 0.8);
        pen.stroke();
      } else if (kind === "puff") {
        pen.globalAlpha = (1 - part) * 0.8;
        pen.fillStyle = colour ?? "#d8d0c0";
        for (let n = 0; n < 8; n++) {
          const turn = n * 0.785 + east;
          const far = px * (0.15 + part * 0.75);
          pen.beginPath();
          pen.arc(x + Math.cos(turn) * far, y - px * 0.35 + Math.sin(turn) * far * 0.6 - part * px * 0.2, px * 0.13 * (1 - part * 0.6), 0, 7);
          pen.fill();
        }
      }
      pen.globalAlpha = 1;
    }
  }
}

/**
 * Health above who is hurt.
 * @param {CanvasRenderingContext2D} pen @param {number} part 0 to 1 @param {number} x pixels @param {number} y pixels @param {number} px
 */
export function drawHealth(pen, part, x, y, px) {
  const [width, height] = [Math.max(26, px * 0.95), Math.max(4, px * 0.12)];
  pen.fillStyle = "#0b1118c8";
  pen.fillRect(x - width / 2 - 1, y - 1, width + 2, height + 2);
  pen.fillStyle = part > 0.55 ? "#86c96b" : part > 0.25 ? "#e6b84c" : "#e0604f";
  pen.fillRect(x - width / 2, y, width * Math.max(0, part), height);
}
