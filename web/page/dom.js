/** Small helpers around the document. Text is always set as text. @module */

/**
 * The element of this id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function $(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return /** @type {T} */ (element);
}

/** @param {string} id @returns {HTMLInputElement} */
export const input = (id) => /** @type {HTMLInputElement} */ ($(id));

/** @param {string} id @returns {HTMLDialogElement} */
export const dialog = (id) => /** @type {HTMLDialogElement} */ ($(id));

/** @param {string} id @returns {HTMLCanvasElement} */
export const canvas = (id) => /** @type {HTMLCanvasElement} */ ($(id));

/**
 * A new element with text or children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SCREENS = ["sign-in", "lobby", "progress", "game", "plain"];

/** Shows one screen. @param {string} id */
export function showScreen(id) {
  for (const screen of SCREENS) $(screen).hidden = screen !== id;
  $("backdrop").hidden = id === "game";
}

/** A refusal's text begins small and has no full stop. @param {string} text */
export function sentenceOf(text) {
  if (text === "") return "";
  return text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

/** Shows a «no» in a place of its own, or nothing. @param {string} id @param {string} [text] */
export function showError(id, text = "") {
  const place = $(id);
  place.textContent = sentenceOf(text);
  place.hidden = text === "";
}

/**
 * Asks a question.
 * @param {string} title @param {string} text @param {string} yes @returns {Promise<boolean>}
 */
export function confirm(title, text, yes) {
  const box = dialog("confirm-dialog");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = yes;
  box.returnValue = "no";
  $("confirm-yes").onclick = () => box.close("yes");
  $("confirm-no").onclick = () => box.close("no");
  box.showModal();
  return new Promise((resolve) => {
    box.addEventListener("close", () => resolve(box.returnValue === "yes"), { once: true });
  });
}

/**
 * A list of which one is chosen.
 * @template T
 * @param {HTMLElement} list
 * @param {{value: T, title: string, about?: string, colour?: string, count?: string}[]} options
 * @param {T} chosen
 * @param {(value: T) => void} onChoose
 */
export function showChoices(list, options, chosen, onChoose) {
  /** @param {number} index */
  const choose = (index) => {
    onChoose(options[index].value);
    mark(index);
  };
  const buttons = options.map(({ title, about, colour, count }, index) => {
    const texts = make("span", { class: "texts" }, make("strong", {}, title));
    if (about) texts.append(make("small", {}, about));
    const button = make("button", { type: "button", class: "choice", role: "radio" });
    if (colour !== undefined) {
      const dot = make("span", { class: "dot", "aria-hidden": "true" });
      dot.style.background = safeColour(colour);
      button.append(dot);
    }
    button.append(texts);
    if (count) button.append(make("span", { class: "count" }, count));
    button.onclick = () => choose(index);
    button.onkeydown = (event) => {
      const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = (index + by + options.length) % options.length;
      choose(next);
      buttons[next].focus();
    };
    return button;
  });
  /** @param {number} at */
  const mark = (at) => buttons.forEach((button, index) => {
    button.setAttribute("aria-checked", String(index === at));
    button.tabIndex = index === Math.max(0, at) ? 0 : -1;
  });
  mark(options.findIndex(({ value }) => value === chosen));
  list.replaceChildren(...buttons);
}

/** A colour as world files write it, else grey. @param {string | undefined} colour */
export function safeColour(colour) {
  return colour && /^#[0-9a-f]{6}$/i.test(colour) ? colour : "#8794a1";
}

/**
 * Asks for a few sentences.
 * @param {string} title @param {string} text @param {string} yes @returns {Promise<string>} empty: none
 */
export function askText(title, text, yes) {
  const box = dialog("text-dialog");
  const field = /** @type {HTMLTextAreaElement} */ ($("text-field"));
  $("text-title").textContent = title;
  $("text-label").textContent = text;
  $("text-yes").textContent = yes;
  field.value = "";
  box.returnValue = "no";
  $("text-yes").onclick = () => box.close("yes");
  $("text-no").onclick = () => box.close("no");
  box.showModal();
  field.focus();
  return new Promise((resolve) => {
    box.addEventListener("close", () => resolve(box.returnValue === "yes" ? field.value.trim() : ""), { once: true });
  });
}
