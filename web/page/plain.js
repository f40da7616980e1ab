/** The screen on a third-party server: what it says, a line to answer, and the way out. @module */

import { $, input, make, showScreen } from "./dom.js";

/** @import { World } from "../lib/world.js" */

/** Most lines that are shown. */
const MOST_LINES = 100;

/** A few words from whatever a server says. @param {any} data @returns {string} */
export function words(data) {
  if (data === null || data === undefined) return "";
  if (typeof data !== "object") return String(data);
  const { welcome, said, by, came, left, rings, name } = data;
  if (welcome !== undefined) return typeof welcome?.name === "string" ? `Welcome, ${welcome.name}.` : words(welcome);
  if (typeof said === "string") return `${by}: ${said}`;
  if (typeof came === "string") return `${came} came in.`;
  if (typeof left === "string") return `${left} left.`;
  if (rings !== undefined && name === undefined) return `${by} rings the bell (${rings}).`;
  if (typeof data.text === "string") return typeof data.from === "string" ? `${data.from}: ${data.text}` : data.text;
  return Object.entries(data).map(([name, value]) => `${name}: ${words(value)}`).join(", ").slice(0, 500);
}

/** @param {World} world @param {() => void} leave @param {() => void} goOn */
export function setUpPlain(world, leave, goOn) {
  const lines = $("plain-lines");
  world.on("plain", ({ data, first }) => {
    if (first) {
      lines.replaceChildren();
      showScreen("plain");
      const title = data.welcome?.title;
      $("plain-title").textContent = typeof title === "string" ? title : "A guest house";
      input("plain-message").focus();
    }
    lines.append(make("p", {}, words(data)));
    while (lines.children.length > MOST_LINES) lines.firstElementChild?.remove();
    lines.scrollTop = lines.scrollHeight;
  });
  $("plain-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input("plain-message").value.trim();
    if (text) world.say({ say: text });
    input("plain-message").value = "";
  });
  $("plain-leave").onclick = leave;
  $("plain-go-on").onclick = goOn;
}
