/** How far an enter is, as steps. @module */

import { $, make, showScreen } from "./dom.js";

/** @import { EnterProgress } from "../lib/http_types.js" */

const STEPS = [
  { states: ["queued"], title: "Queue", text: "Looking for a place" },
  { states: ["spawning"], title: "Server", text: "Starting a game server" },
  { states: ["generating", "restoring"], title: "Land", text: "Making the land" },
  { states: ["syncing"], title: "Character", text: "Preparing your character" },
  { states: ["ready"], title: "Ready", text: "Connecting" },
];

/** @param {EnterProgress} progress @returns {string} */
export function sentence({ state, position }) {
  if (state === "queued" && position > 0) return `Everything is full. You are number ${position} in the queue.`;
  if (state === "restoring") return "Waking the land where it stopped…";
  const step = STEPS.find(({ states }) => states.includes(state));
  return step ? `${step.text}…` : state;
}

/** @param {() => void} cancel */
export function startProgress(cancel) {
  $("progress-cancel").onclick = cancel;
  showProgress({ state: "queued", position: 0 });
  showScreen("progress");
}

/** @param {EnterProgress} progress */
export function showProgress(progress) {
  const now = STEPS.findIndex(({ states }) => states.includes(progress.state));
  $("progress-steps").replaceChildren(...STEPS.map(({ title }, index) => {
    const item = make("li", {}, title);
    if (index < now) item.className = "done";
    if (index === now) {
      item.className = "now";
      item.setAttribute("aria-current", "step");
    }
    return item;
  }));
  $("progress-text").textContent = sentence(progress);
}
