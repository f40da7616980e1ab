/** Parts of which windows are made: rows, fields, tabs. @module */

import { $, make } from "./dom.js";
import { setUpWindow } from "./windows.js";

/**
 * A window over the picture with a title and a close button; what is in it goes into the returned element.
 * @param {string} id @param {string} title @param {() => void} [closed]
 */
export function makeWindow(id, title, closed) {
  const close = make("button", { type: "button", class: "close", "aria-label": `Close: ${title}` }, "✕");
  const body = make("div", { class: "body" });
  const heading = make("h2", { id: `${id}-title`, class: "grow" }, title);
  const element = make("section", { id, class: "window side-window", "aria-labelledby": `${id}-title` }, make("header", { class: "row" }, heading, close), body);
  element.hidden = true;
  $("toasts").before(element);
  setUpWindow(id, closed);
  return body;
}

/** @param {string} text @param {() => void} deed @param {string} [kind] its class */
export function button(text, deed, kind = "") {
  const element = make("button", { type: "button", class: kind }, text);
  element.onclick = deed;
  return element;
}

/**
 * A row of a list: somebody or something, a word about it, what can be done.
 * @param {Node | string} title @param {string} about @param {...(Node | null)} doings
 */
export function row(title, about, ...doings) {
  const texts = make("span", { class: "texts grow" }, typeof title === "string" ? make("strong", { dir: "auto" }, title) : title);
  if (about) texts.append(make("small", { dir: "auto" }, about));
  return make("li", { class: "entry" }, texts, ...doings.filter((one) => one !== null));
}

/** A list, or a word that there is nothing. @param {HTMLElement[]} rows @param {string} nothing @returns {HTMLElement} */
export function list(rows, nothing) {
  return rows.length > 0 ? make("ul", { class: "plain" }, ...rows) : make("p", { class: "hint" }, nothing);
}

/** @param {string} label @param {HTMLElement} field */
export function labelled(label, field) {
  return make("label", {}, label, field);
}

/** @param {string} label @param {boolean} on @param {(on: boolean) => void} [changed] */
export function check(label, on, changed) {
  const box = make("input", { type: "checkbox" });
  box.checked = on;
  if (changed) box.onchange = () => changed(box.checked);
  else box.disabled = true;
  return make("label", { class: "check" }, box, ` ${label}`);
}

/** @param {Record<string, string>} options titles by value @param {string} chosen @param {string} label @param {(value: string) => void} [changed] */
export function select(options, chosen, label, changed) {
  const element = make("select", { "aria-label": label }, ...Object.entries(options).map(([value, title]) => make("option", { value }, title)));
  element.value = chosen;
  if (changed) element.onchange = () => changed(element.value);
  return element;
}

/**
 * Fields and a button that sends them; what stands in them is there until it has been taken.
 * @param {string} verb @param {HTMLElement[]} fields @param {() => Promise<boolean>} send whether it was taken
 */
export function form(verb, fields, send) {
  const go = make("button", { type: "submit", class: "primary" }, verb);
  const element = make("form", { class: "fields" }, ...fields, make("div", { class: "row end" }, go));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    if (await send()) element.reset();
    go.disabled = false;
  });
  return element;
}

/**
 * @template {string} T
 * @param {Record<T, string>} titles @param {T} chosen @param {(tab: T) => void} choose
 */
export function tabs(titles, chosen, choose) {
  const element = make("div", { class: "tabs many", role: "tablist" });
  for (const [tab, title] of /** @type {[T, string][]} */ (Object.entries(titles))) {
    const one = make("button", { type: "button", role: "tab", "aria-selected": String(tab === chosen) }, title);
    one.onclick = () => choose(tab);
    element.append(one);
  }
  return element;
}

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** «in 3 days» @param {number} ms milliseconds since 1970 @param {number} [now] */
export function untilText(ms, now = Date.now()) {
  const hours = Math.max(0, (ms - now) / 3_600_000);
  if (hours < 1) return `in ${counted(Math.max(1, Math.ceil(hours * 60)), "minute")}`;
  return hours < 48 ? `in ${counted(Math.round(hours), "hour")}` : `in ${counted(Math.round(hours / 24), "day")}`;
}
