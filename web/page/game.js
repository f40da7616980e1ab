/** The screen in the world: picture, status, dialogs, and what the world tells. @module */

import { $, canvas, dialog, input, make, sentenceOf, showError, showScreen } from "./dom.js";
import { Belongings } from "./belongings.js";
import { Deeds } from "./deeds.js";
import { Picture, drawMinimap } from "./picture.js";
import { showPlaces } from "./places.js";
import { sentence } from "./progress.js";
import { seamsText } from "./seams.js";
import { change, settings } from "./settings.js";
import { hourName, hourOf } from "./sky.js";
import { Society } from "./society.js";
import { listen } from "./walk_input.js";
import { closeAll, closeNewest } from "./windows.js";

/** @import { Api } from "../lib/api.js" */
/** @import { WorldInfo } from "../lib/http_types.js" */
/** @import { World } from "../lib/world.js" */
/** @import { FollowOffer } from "../lib/world_events.js" */

/** How long a message stays, ms. */
const TOAST_MS = 5_000;
/** Most messages at once. */
const MOST_TOASTS = 4;
/** How far land is asked for at most, metres. */
const MOST_LAND_M = 100;
const ZOOM = { least: 0.5, most: 2.5 };
/** Refusals that only say that a step was not taken; no news to a player. */
const QUIET_CODES = ["too_fast", "bad_input"];

/** The game's screen. */
export class Game {
  /** @param {World} world @param {Api} api @param {() => void} leave */
  constructor(world, api, leave) {
    /** @type {{from: string, to: string, gapMs: number} | null} */
    this.lastCrossing = null;
    this.world = world;
    this.api = api;
    this.leave = leave;
    this.picture = new Picture(canvas("picture"), world);
    this.deeds = new Deeds(world, this.picture, (text, bad) => this.toast(text, bad));
    this.belongings = new Belongings(world, this.picture, (text, bad) => this.toast(text, bad));
    const goods = { tables: () => this.belongings.tables, trade: this.belongings.trade.ask.bind(this.belongings.trade) };
    this.society = new Society(world, api, (text, bad) => this.toast(text, bad), goods);
    this.belongings.menu = (name, at) => this.society.menu.open(name, at);
    /** @type {WorldInfo[]} */
    this.worlds = [];
    this.shown = false;
    this.frame = 0;
    this.hudMs = 0;
    /** @type {(() => void) | null} */
    this.deaf = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.countdown = undefined;
    this.setUpButtons();
    this.setUpEvents();
  }

  /** @param {WorldInfo[]} worlds */
  show(worlds) {
    this.worlds = worlds;
    const colours = worlds.flatMap(({ factions }) => factions.map(({ id, colour }) => /** @type {[string, string]} */ ([id, colour])));
    this.picture.colours = new Map(colours);
    this.picture.jump();
    showScreen("game");
    this.connectionText("");
    if (this.shown) return;
    this.shown = true;
    const area = canvas("picture");
    this.deaf = listen(area, (dx, dy) => this.walk(dx, dy), (code, again) => this.press(code, again));
    area.focus();
    const touch = matchMedia("(pointer: coarse)").matches;
    $("walk-hint").textContent = touch
      ? "Put a finger on the ground and drag: that is the way you walk. Help shows what else there is."
      : "Walk with W, A, S, D or the arrow keys. H shows what else there is.";
    $("walk-hint").hidden = settings.walked;
    $("deeds").hidden = !touch;
    const draw = (/** @type {number} */ nowMs) => {
      if (!this.shown) return;
      this.frame = requestAnimationFrame(draw);
      this.world.askLand(Math.min(MOST_LAND_M, Math.max(this.picture.reach + 4, this.world.welcome?.viewM ?? 60)));
      this.picture.draw(nowMs);
      if (nowMs - this.hudMs > 200) {
        this.hudMs = nowMs;
        this.showHud();
      }
    };
    this.frame = requestAnimationFrame(draw);
  }

  hide() {
    if (!this.shown) return;
    this.shown = false;
    cancelAnimationFrame(this.frame);
    this.deaf?.();
    clearInterval(this.countdown);
    for (const id of ["go-on-dialog", "follow-dialog", "help-dialog"]) dialog(id).close();
    closeAll();
    this.society.hide();
    $("toasts").replaceChildren();
  }

  /** @param {number} dx east @param {number} dy south */
  walk(dx, dy) {
    // Who lies on the ground goes nowhere.
    if (this.deeds.isDown) [dx, dy] = [0, 0];
    this.world.steer(dx, dy);
    if (settings.walked || (dx === 0 && dy === 0)) return;
    change({ walked: true });
    $("walk-hint").hidden = true;
  }

  // ---- keys and buttons -------------------------------------------------------------------------------

  setUpButtons() {
    $("borders").onclick = () => this.toggleBorders();
    $("help").onclick = () => this.openHelp();
    $("go-on").onclick = () => this.openGoOn();
    $("leave").onclick = () => this.leave();
    for (const close of document.querySelectorAll("dialog .close")) {
      close.addEventListener("click", () => /** @type {HTMLDialogElement} */ (close.closest("dialog")).close());
    }
    for (const box of document.querySelectorAll("dialog")) {
      box.addEventListener("close", () => { if (this.shown) canvas("picture").focus(); });
    }
    canvas("picture").addEventListener("click", (event) => {
      const at = this.picture.placeAt(event.clientX, event.clientY);
      this.act(() => { if (!this.belongings.pointAt(at, event)) this.deeds.pointAt(at); });
    });
    $("strike").onclick = () => this.act(() => this.deeds.strike());
    $("gather").onclick = () => this.act(() => this.useHands());
    canvas("picture").addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    }, { passive: false });
    /** @type {["set-unasked" | "set-minimap" | "set-names", "unasked" | "minimap" | "names"][]} */
    const boxes = [["set-unasked", "unasked"], ["set-minimap", "minimap"], ["set-names", "names"]];
    for (const [id, name] of boxes) {
      input(id).onchange = () => {
        change({ [name]: input(id).checked });
        this.applySettings();
      };
    }
    this.applySettings();
  }

  applySettings() {
    input("set-unasked").checked = settings.unasked;
    input("set-minimap").checked = settings.minimap;
    input("set-names").checked = settings.names;
    $("borders").setAttribute("aria-pressed", String(settings.borders));
    $("minimap").hidden = !settings.minimap;
    this.world.followsUnasked = settings.unasked;
  }

  /** @param {string} code @param {boolean} [again] the key is held */
  press(code, again = false) {
    if (document.querySelector("dialog[open]")) return;
    if (code === "Space" || code === "KeyF") this.act(() => this.deeds.strike());
    // A held key strokes on, but takes only what is there when it is pressed.
    if (code === "KeyE") this.act(() => this.useHands(again));
    if (again) return;
    if (code === "Escape") closeNewest();
    if (this.belongings.press(code) || this.society.press(code)) return;
    if (code === "KeyB") this.toggleBorders();
    if (code === "KeyG") this.openGoOn();
    if (code === "KeyH") this.openHelp();
    if (code === "KeyM") {
      change({ minimap: !settings.minimap });
      this.applySettings();
    }
    if (code === "Equal" || code === "NumpadAdd") this.zoom(1.2);
    if (code === "Minus" || code === "NumpadSubtract") this.zoom(1 / 1.2);
  }

  /** What lies near, else the tree or rock. @param {boolean} [again] the key is held */
  useHands(again = false) {
    if (this.deeds.isDown) return;
    const tile = this.deeds.tileBefore();
    if (again || !this.belongings.useHands(this.belongings.before(tile !== null)?.entity)) this.deeds.gather(tile);
  }

  /** @param {() => void} deed */
  act(deed) {
    deed();
    if (settings.acted) return;
    change({ acted: true });
    if (settings.walked) $("walk-hint").hidden = true;
  }

  /** Once, when there is something to do beside walking. */
  hintDeeds() {
    if (settings.acted || !settings.walked || !$("walk-hint").hidden || !this.deeds.canStrike) return;
    if (!this.deeds.tileBefore() && !this.deeds.nearest(8)) return;
    $("walk-hint").textContent = matchMedia("(pointer: coarse)").matches
      ? "Tap a creature to strike it, a tree or a rock to fell it."
      : "Space strikes who is near. E fells the tree or rock before you.";
    $("walk-hint").hidden = false;
  }

  toggleBorders() {
    change({ borders: !settings.borders });
    this.applySettings();
  }

  /** @param {number} by */
  zoom(by) {
    change({ zoom: Math.min(ZOOM.most, Math.max(ZOOM.least, settings.zoom * by)) });
  }

  openHelp() {
    this.applySettings();
    dialog("help-dialog").showModal();
  }

  openGoOn() {
    showError("go-on-error");
    $("go-on-progress").textContent = "";
    const [home] = (this.world.welcome?.area ?? "").split("/");
    const stay = make("button", { type: "button" }, "Stay here");
    stay.onclick = () => dialog("go-on-dialog").close();
    showPlaces($("go-on-places"), this.api, this.worlds, { verb: "Go on", home, beside: [stay], go: (to) => {
      showError("go-on-error");
      $("go-on-progress").textContent = "Asking…";
      this.world.goOn(to);
    } });
    dialog("go-on-dialog").showModal();
    // Fresh numbers of players, if they come.
    this.api.worlds().then((worlds) => { this.worlds = worlds; }, () => {});
  }

  // ---- what the world tells ---------------------------------------------------------------------------

  setUpEvents() {
    const { world } = this;
    world.on("progress", (progress) => {
      if (dialog("go-on-dialog").open) $("go-on-progress").textContent = sentence(progress);
    });
    world.on("follow", (offer) => this.offer(offer));
    world.on("switch", () => {
      this.picture.jump();
      for (const id of ["go-on-dialog", "follow-dialog"]) dialog(id).close();
      this.toast(`You are in ${this.areaTitle()}.`);
    });
    world.on("crossed", (crossing) => { this.lastCrossing = crossing; });
    world.on("drop", ({ retryInMs, attempt, refusal }) => this.countDown(retryInMs, attempt, refusal?.text ?? ""));
    world.on("resume", () => {
      clearInterval(this.countdown);
      this.connectionText("");
    });
    world.on("refused", (refusal) => {
      if (QUIET_CODES.includes(refusal.code)) return;
      $("go-on-progress").textContent = "";
      if (dialog("go-on-dialog").open) showError("go-on-error", refusal.text);
      else this.toast(refusal.text, true);
    });
    world.on("notice", (notice) => { if (notice.type === "server") this.toast(notice.text); });
  }

  /** @param {FollowOffer} offer */
  offer(offer) {
    if (!offer.prompt) return;
    const box = dialog("follow-dialog");
    $("follow-text").textContent = offer.plain
      ? "A guest server waits for you. You leave this one first."
      : "The place where you want to go is ready. Do you want to go there now?";
    $("follow-yes").onclick = () => {
      box.close();
      offer.accept();
    };
    $("follow-no").onclick = () => {
      box.close();
      offer.decline();
    };
    dialog("go-on-dialog").close();
    if (!box.open) box.showModal();
  }

  /** @param {number} ms @param {number} attempt @param {string} why */
  countDown(ms, attempt, why) {
    clearInterval(this.countdown);
    const until = performance.now() + ms;
    const show = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      const when = left > 0 ? `Trying again in ${left} s.` : "Trying again…";
      this.connectionText(`The connection was lost. ${why && attempt > 1 ? `${sentenceOf(why)} ` : ""}${when}`);
    };
    show();
    this.countdown = setInterval(show, 250);
  }

  /** @param {string} text */
  connectionText(text) {
    showError("connection", text);
    if (text === "") clearInterval(this.countdown);
  }

  /** @param {string} text @param {boolean} [bad] */
  toast(text, bad = false) {
    const toast = make("div", { class: bad ? "toast bad" : "toast" }, sentenceOf(text));
    const toasts = $("toasts");
    toasts.append(toast);
    while (toasts.children.length > MOST_TOASTS) toasts.firstElementChild?.remove();
    setTimeout(() => toast.remove(), TOAST_MS);
  }

  // ---- status -----------------------------------------------------------------------------------------

  areaTitle() {
    const [name, ground, layer] = (this.world.welcome?.area ?? "//").split("/");
    const world = this.worlds.find((w) => w.name === name);
    const map = world?.maps.find(({ id }) => id === ground)?.title;
    const where = [world?.title ?? name, map].filter(Boolean).join(", ");
    return Number(layer) > 0 ? `${where}, layer ${layer}` : where;
  }

  /** What E does now, or the button on a touch screen. */
  showNear() {
    const tree = this.deeds.isDown ? null : this.deeds.tileBefore();
    const before = this.deeds.isDown ? null : this.belongings.before(tree !== null);
    const text = before?.text ?? "";
    $("show-bag").hidden = $("show-quests").hidden = !this.belongings.has;
    $("near").hidden = text === "" || !$("deeds").hidden;
    $("near-text").textContent = text;
    $("gather").textContent = before ? text.split(" ")[0] : "Gather";
    $("gather").classList.toggle("primary", Boolean(before ?? tree));
  }

  showHud() {
    const { world } = this;
    const here = world.here();
    $("hud-name").textContent = world.me()?.name ?? "";
    $("hud-area").textContent = this.areaTitle();
    const hour = hourName(hourOf(world));
    $("hud-place").textContent = here ? `${here.x.toFixed(1)}, ${here.y.toFixed(1)} m${hour ? ` · ${hour}` : ""}` : "";
    const body = world.me()?.components.Body;
    $("health").hidden = !body;
    if (body) {
      /** @type {HTMLMeterElement} */ ($("health")).max = body.most;
      /** @type {HTMLMeterElement} */ ($("health")).value = body.health;
    }
    if (this.deeds.isDown) world.steer(0, 0);
    this.hintDeeds();
    this.showNear();
    this.society.look();
    const others = Math.max(0, [...world.entities].filter(({ kind }) => kind === 0).length - 1);
    const ping = Number.isNaN(world.rttMs) ? "" : ` · ping ${Math.round(world.rttMs)} ms`;
    $("hud-numbers").textContent = `${others} in view${ping}`;
    $("hud-seams").hidden = !settings.borders;
    if (settings.borders) $("hud-seams").textContent = seamsText(world, this.lastCrossing);
    if (settings.minimap) drawMinimap(canvas("minimap"), this.picture);
  }
}
