/** Windows over the picture: one walks on while they are open. @module */

import { $, canvas } from "./dom.js";

/** @type {Set<string>} */
const open = new Set();
/** @type {Map<string, () => void>} */
const onClose = new Map();

/** @param {string} id */
export const isOpen = (id) => open.has(id);

/** @param {string} id */
export function openWindow(id) {
  // The newest is closed first.
  open.delete(id);
  open.add(id);
  $(id).hidden = false;
}

/** @param {string} id */
export function closeWindow(id) {
  if (!open.delete(id)) return;
  const had = $(id).contains(document.activeElement);
  $(id).hidden = true;
  if (had) canvas("picture").focus();
  onClose.get(id)?.();
}

/** @param {string} id @param {() => void} [opened] */
export function toggleWindow(id, opened) {
  if (isOpen(id)) return closeWindow(id);
  openWindow(id);
  opened?.();
}

/** Closes the one that was opened last. @returns {boolean} whether there was one */
export function closeNewest() {
  const id = [...open].at(-1);
  if (id) closeWindow(id);
  return id !== undefined;
}

export function closeAll() {
  for (const id of [...open]) closeWindow(id);
}

/** @param {string} id @param {() => void} [closed] told when it is closed, whoever did it */
export function setUpWindow(id, closed) {
  if (closed) onClose.set(id, closed);
  const element = $(id);
  for (const button of element.querySelectorAll(".close")) button.addEventListener("click", () => closeWindow(id));
  // A click with the mouse leaves the keys to the walk; who uses the keyboard stays in the window.
  element.addEventListener("click", (event) => {
    if (event.detail > 0 && !(event.target instanceof HTMLInputElement)) canvas("picture").focus();
  });
  // What is done in a window is not done in the world.
  for (const name of ["pointerdown", "wheel"]) element.addEventListener(name, (event) => event.stopPropagation());
}
