/** Keys and touch as a direction to walk in. @module */

import { $ } from "./dom.js";

/** By the key's place, so that it is the same on every keyboard. @type {Record<string, [number, number]>} */
const DIRECTIONS = {
  KeyW: [0, -1], ArrowUp: [0, -1], KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};
/** Radius of the stick, pixels, and the part of it that counts as still. */
const STICK_PX = 52;
const STILL = 0.18;

/** @param {EventTarget | null} target */
function writes(target) {
  return target instanceof HTMLElement && target.closest("input, select, textarea, dialog") !== null;
}

/** Keys with which one goes through a window and presses its buttons. */
const WINDOW_KEYS = ["Space", "Enter", "Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"];

/** @param {KeyboardEvent} event */
function isForWindow({ target, code }) {
  return target instanceof HTMLElement && target.closest(".window, .ask, #chat, #party, #player-menu") !== null && WINDOW_KEYS.includes(code);
}

/**
 * Listens until the returned function is called.
 * @param {HTMLElement} area where a touch makes the stick
 * @param {(dx: number, dy: number) => void} steer
 * @param {(code: string, again: boolean) => void} press any other key; `again`: it is held
 * @returns {() => void}
 */
export function listen(area, steer, press) {
  const life = new AbortController();
  const { signal } = life;
  /** @type {Set<string>} */
  const held = new Set();
  /** @type {number | null} */
  let finger = null;
  let from = { x: 0, y: 0 };
  const stick = $("stick");
  const knob = $("knob");

  const tell = () => {
    let [dx, dy] = [0, 0];
    for (const code of held) {
      dx += DIRECTIONS[code][0];
      dy += DIRECTIONS[code][1];
    }
    steer(Math.sign(dx), Math.sign(dy));
  };
  const release = () => {
    held.clear();
    finger = null;
    stick.classList.remove("shown");
    steer(0, 0);
  };

  addEventListener("keydown", (event) => {
    if (writes(event.target) || isForWindow(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code in DIRECTIONS) {
      event.preventDefault();
      held.add(event.code);
      tell();
    } else {
      // What opens a field does not write or send in it.
      const opens = event.code === "Slash" || (event.code.endsWith("Enter") && (event.target === area || event.target === document.body));
      if (event.code === "Space" || opens) event.preventDefault();
      press(event.code, event.repeat);
    }
  }, { signal });
  addEventListener("keyup", (event) => {
    if (held.delete(event.code)) tell();
  }, { signal });
  addEventListener("blur", release, { signal });
  document.addEventListener("visibilitychange", () => { if (document.hidden) release(); }, { signal });

  area.addEventListener("pointerdown", (event) => {
    if (finger !== null || event.pointerType === "mouse") return;
    finger = event.pointerId;
    area.setPointerCapture(finger);
    from = { x: event.clientX, y: event.clientY };
    stick.style.left = `${from.x}px`;
    stick.style.top = `${from.y}px`;
    knob.style.transform = "";
    stick.classList.add("shown");
  }, { signal });
  area.addEventListener("pointermove", (event) => {
    if (event.pointerId !== finger) return;
    let [dx, dy] = [(event.clientX - from.x) / STICK_PX, (event.clientY - from.y) / STICK_PX];
    const length = Math.hypot(dx, dy);
    if (length > 1) [dx, dy] = [dx / length, dy / length];
    knob.style.transform = `translate(${dx * STICK_PX}px, ${dy * STICK_PX}px)`;
    if (length < STILL) steer(0, 0);
    else steer(dx, dy);
  }, { signal });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    area.addEventListener(name, (event) => { if (event.pointerId === finger) release(); }, { signal });
  }
  return () => {
    life.abort();
    release();
  };
}
