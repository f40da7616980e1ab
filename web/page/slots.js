/** Slots with goods: how one looks, what is said of it, and how it is dragged. @module */

import { linesOf } from "./goods.js";
import { $, make } from "./dom.js";

/** @import { Stack, Tables } from "./goods.js" */

/** A finger or mouse that moves farther than this drags, pixels. */
const DRAG_PX = 7;

/**
 * A slot as a button.
 * @param {Tables} tables @param {Stack | null | undefined} stack @param {string} [empty] what stands in an empty one
 * @param {string} [place] its name for who does not see it
 */
export function slotButton(tables, stack, empty = "", place = "") {
  const button = make("button", { type: "button", class: stack ? "slot" : "slot empty" });
  if (!stack) {
    button.append(make("span", { class: "icon ghost", "aria-hidden": "true" }, empty));
    button.setAttribute("aria-label", place ? `${place}: nothing` : "Empty");
    return button;
  }
  const item = tables.item(stack.item);
  button.append(make("span", { class: "icon", "aria-hidden": "true" }, item.icon));
  if (stack.count !== 1) button.append(make("span", { class: "amount", "aria-hidden": "true" }, short(stack.count)));
  button.setAttribute("aria-label", `${place ? `${place}: ` : ""}${item.title}${stack.count === 1 ? "" : `, ${stack.count}`}`);
  button.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse" && matchMedia("(hover: hover)").matches) showTip(tables, stack, button); });
  button.addEventListener("pointerleave", hideTip);
  return button;
}

/** A count in at most four signs. @param {number} count */
export function short(count) {
  if (count < 10_000) return String(count);
  if (count < 1_000_000) return `${Math.floor(count / 1_000)}k`;
  return `${Math.floor(count / 1_000_000)}M`;
}

/** @param {Tables} tables @param {Stack} stack @param {HTMLElement} at */
function showTip(tables, { item, count }, at) {
  const tip = $("tip");
  const told = tables.item(item);
  tip.replaceChildren(make("strong", {}, count === 1 ? told.title : `${told.title} × ${count}`), ...linesOf(told).map((line) => make("span", {}, line)));
  tip.hidden = false;
  const [box, size] = [at.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.max(8, Math.min(innerWidth - size.width - 8, box.left + box.width / 2 - size.width / 2));
  tip.style.left = `${left}px`;
  tip.style.top = `${box.top - size.height - 8 > 8 ? box.top - size.height - 8 : box.bottom + 8}px`;
}

export function hideTip() {
  $("tip").hidden = true;
}

/**
 * Lets a button be dragged, with mouse or finger; a short press stays a click.
 * @param {HTMLElement} button @param {string} icon what is seen under the finger
 * @param {(on: Element | null, half: boolean) => void} drop what it was let go on; half: with shift
 */
export function draggable(button, icon, drop) {
  button.classList.add("draggable");
  button.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    const life = new AbortController();
    const { signal } = life;
    const ghost = $("drag");
    let drags = false;
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== down.pointerId) return;
      if (!drags && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < DRAG_PX) return;
      if (!drags) {
        drags = true;
        hideTip();
        ghost.textContent = icon;
        ghost.hidden = false;
        button.classList.add("dragged");
      }
      ghost.style.left = `${event.clientX}px`;
      ghost.style.top = `${event.clientY}px`;
      const on = below(event);
      for (const one of document.querySelectorAll(".slot.over")) if (one !== on) one.classList.remove("over");
      on?.closest(".slot")?.classList.add("over");
    };
    const end = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== down.pointerId) return;
      life.abort();
      ghost.hidden = true;
      button.classList.remove("dragged");
      for (const one of document.querySelectorAll(".slot.over")) one.classList.remove("over");
      if (!drags || event.type !== "pointerup") return;
      // The press has become a drag: it is no click as well.
      const swallow = (/** @type {Event} */ click) => click.stopPropagation();
      addEventListener("click", swallow, { capture: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
      drop(below(event), event.shiftKey);
    };
    addEventListener("pointermove", move, { signal });
    addEventListener("pointerup", end, { signal });
    addEventListener("pointercancel", end, { signal });
  });
}

/** @param {PointerEvent} event */
const below = (event) => document.elementFromPoint(event.clientX, event.clientY);
