/** The quests: the window with all of them, and the few lines that stay in view. @module */

import { Changes } from "./changes.js";
import { $, make } from "./dom.js";
import { openQuests, rewardOf } from "./goods.js";
import { isOpen, openWindow, setUpWindow } from "./windows.js";

/** @import { World } from "../lib/world.js" */
/** @import { Tables } from "./goods.js" */

/** Most that stay in view. */
const MOST_TRACKED = 3;

export class Quests {
  /** @param {World} world @param {() => Tables} tables @param {(text: string) => void} toast */
  constructor(world, tables, toast) {
    this.world = world;
    this.tables = tables;
    this.toast = toast;
    this.changes = new Changes();
    /** What was known before, to tell what is new; null: nothing yet. @type {{open: Map<number, string>, done: Set<number>} | null} */
    this.before = null;
    setUpWindow("quest-window");
  }

  open() {
    openWindow("quest-window");
    this.draw();
  }

  look() {
    const log = this.world.me()?.components.QuestLog;
    if (!this.changes.in(log)) return;
    this.tellNews();
    this.drawTracked();
    if (isOpen("quest-window")) this.draw();
  }

  /** A quest that was accepted, a step that is over, one that is done. */
  tellNews() {
    const log = this.world.me()?.components.QuestLog;
    if (!log) {
      this.before = null;
      return;
    }
    const tables = this.tables();
    const open = new Map(openQuests(log, tables).map(({ quest, step }) => [quest, `${step}`]));
    const done = new Set(/** @type {number[]} */ (log.done ?? []));
    const { before } = this;
    if (before) {
      for (const { quest, step, title, text } of openQuests(log, tables)) {
        if (!before.open.has(quest)) this.toast(`📜 New quest: ${title}. ${text}`);
        else if (before.open.get(quest) !== `${step}`) this.toast(`📜 ${title}: ${text}`);
      }
      for (const quest of done) {
        if (!before.done.has(quest)) this.toast(`🎉 ${tables.quests[quest]?.title ?? "A quest"} is done. ${rewardOf(tables.quests[quest], tables)}`);
      }
    }
    this.before = { open, done };
  }

  drawTracked() {
    const open = openQuests(this.world.me()?.components.QuestLog, this.tables());
    $("tracked").hidden = open.length === 0;
    $("tracked").replaceChildren(...open.slice(0, MOST_TRACKED).map(({ title, text, count, of }) => make("li", {},
      make("strong", {}, title), make("span", {}, of > 1 ? `${text} (${count}/${of})` : text))));
  }

  draw() {
    const tables = this.tables();
    const log = this.world.me()?.components.QuestLog;
    const open = openQuests(log, tables).map(({ title, giver, text, count, of, step, steps, reward }) => {
      const item = make("li", { class: "quest" }, make("strong", {}, title));
      item.append(make("small", {}, [giver && `for ${giver}`, steps > 1 && `step ${step + 1} of ${steps}`].filter(Boolean).join(" · ")));
      item.append(make("p", {}, text));
      if (of > 1) {
        const bar = make("progress", { max: String(of), value: String(count), "aria-label": text });
        item.append(make("div", { class: "row" }, bar, make("span", {}, `${count} of ${of}`)));
      }
      if (reward) item.append(make("small", {}, `Reward: ${reward}`));
      return item;
    });
    const done = (log?.done ?? []).map((/** @type {number} */ quest) => make("li", {}, `✓ ${tables.quests[quest]?.title ?? "A quest"}`));
    $("quest-list").replaceChildren(...open);
    $("no-quests").hidden = open.length > 0;
    $("quest-done").replaceChildren(...done);
    $("quest-done-title").hidden = done.length === 0;
  }
}
