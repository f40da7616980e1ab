/** Characters: choose, make, delete; and where to enter. @module */

import { asRefusal } from "../lib/refusal.js";
import { $, confirm, input, sentenceOf, showChoices, showError, showScreen } from "./dom.js";
import { inOrder, showPlaces } from "./places.js";
import { change, settings } from "./settings.js";

/** @import { Api } from "../lib/api.js" */
/** @import { Character, Faction, WorldInfo, Wish } from "../lib/http_types.js" */
/** @import { Destination } from "./places.js" */

/** Between two tries to reach central. */
const AGAIN_MS = 3000;

/** The screen between login and world. */
export class Lobby {
  /** @param {Api} api @param {(wish: Wish) => void} enter */
  constructor(api, enter) {
    this.api = api;
    this.enter = enter;
    /** @type {WorldInfo[]} */
    this.worlds = [];
    /** @type {Character[]} */
    this.characters = [];
    this.newWorld = "";
    this.newFaction = "";
    /** What was chosen last in «somewhere else»: after a «no» it can be mended. @type {Destination} */
    this.wish = {};
    /** The next try to read what is shown. @type {ReturnType<typeof setTimeout> | undefined} */
    this.again = undefined;
    $("show-create").onclick = () => this.showCreate(true);
    $("create-cancel").onclick = () => this.showCreate(false);
    $("create").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.create();
    });
    $("enter").onclick = () => {
      if (this.chosen) this.enter({ character: this.chosen.id });
    };
    $("delete-character").onclick = () => void this.delete();
  }

  /** @returns {Character | undefined} */
  get chosen() {
    return this.characters.find(({ id }) => id === settings.character) ?? this.characters[0];
  }

  /** @param {string} [why] what went wrong before */
  async show(why = "") {
    showScreen("lobby");
    showError("lobby-error", why);
    $("account-shown").textContent = this.api.session?.account?.name ?? "";
    // What was asked last time is not shown as if it were new: a choice made in it would be lost with the answer.
    $("enter-panel").hidden = true;
    await this.read(why);
  }

  /** Asks for what is shown, until it is there or another screen is. @param {string} why */
  async read(why) {
    clearTimeout(this.again);
    try {
      [this.worlds, this.characters] = await Promise.all([this.api.worlds(), this.api.characters()]);
    } catch (thrown) {
      if (!this.api.session) return;
      showError("lobby-error", `${sentenceOf(asRefusal(thrown).text)} Trying again…`);
      this.again = setTimeout(() => { if (!$("lobby").hidden) void this.read(why); }, AGAIN_MS);
      return;
    }
    showError("lobby-error", why);
    this.showCharacters();
    this.showCreate(this.characters.length === 0);
    if (why) $("lobby-error").scrollIntoView({ block: "center" });
  }

  showCharacters() {
    const options = this.characters.map((character) => {
      const { world, faction } = this.homeOf(character);
      const where = [world?.title ?? character.world, faction?.title].filter(Boolean).join(" · ");
      return { value: character.id, title: character.name, about: where, colour: faction?.colour ?? "" };
    });
    showChoices($("character-list"), options, this.chosen?.id ?? "", (id) => {
      change({ character: id });
      this.api.selectCharacter(id).catch(() => {});
      this.showEnter();
    });
    $("no-characters").hidden = this.characters.length > 0;
    this.showEnter();
  }

  showEnter() {
    const { chosen } = this;
    $("enter-panel").hidden = !chosen || !$("create").hidden;
    if (!chosen) return;
    const { world, faction } = this.homeOf(chosen);
    const map = chosen.place?.map && world?.maps.find(({ id }) => id === chosen.place?.map)?.title;
    const title = [world?.title ?? chosen.world, map].filter(Boolean).join(", ");
    $("enter-where").textContent = chosen.place
      ? `${chosen.name} stands in ${title}.`
      : `${chosen.name} begins in ${title}${faction ? ` with ${faction.title}` : ""}.`;
    const home = chosen.place?.world ?? chosen.world;
    showPlaces($("enter-places"), this.api, this.worlds, {
      verb: "Enter there",
      home,
      start: { world: home, ...this.wish },
      go: (to) => {
        this.wish = to;
        this.enter({ character: chosen.id, ...to });
      },
    });
  }

  /** @param {Character} character */
  homeOf(character) {
    const world = this.worlds.find(({ name }) => name === (character.place?.world ?? character.world));
    const home = this.worlds.find(({ name }) => name === character.world);
    return { world, faction: home?.factions.find(({ id }) => id === character.faction) };
  }

  // ---- a new one --------------------------------------------------------------------------------------

  /** @param {boolean} open */
  showCreate(open) {
    $("create").hidden = !open;
    $("show-create").hidden = open;
    $("create-cancel").hidden = this.characters.length === 0;
    this.showEnter();
    if (!open) return;
    showError("create-error");
    const worlds = inOrder(this.worlds);
    this.newWorld = worlds.some(({ name }) => name === this.newWorld) ? this.newWorld : worlds[0]?.name ?? "";
    const options = worlds.map(({ name, title, about, players }) => {
      return { value: name, title, about, count: `${players} ${players === 1 ? "player" : "players"}` };
    });
    showChoices($("create-worlds"), options, this.newWorld, (name) => {
      this.newWorld = name;
      this.showFactions();
    });
    this.showFactions();
    input("create-name").focus();
  }

  showFactions() {
    /** @type {Faction[]} */
    const factions = this.worlds.find(({ name }) => name === this.newWorld)?.factions ?? [];
    this.newFaction = factions[0]?.id ?? "";
    const options = factions.map(({ id, title, about, colour }) => ({ value: id, title, about, colour }));
    showChoices($("create-factions"), options, this.newFaction, (id) => { this.newFaction = id; });
    const set = $("create-factions").closest("fieldset");
    if (set) set.hidden = factions.length === 0;
  }

  async create() {
    showError("create-error");
    try {
      const wish = { world: this.newWorld, name: input("create-name").value, faction: this.newFaction || null };
      const character = await this.api.createCharacter(wish);
      input("create-name").value = "";
      change({ character: character.id });
      await this.show();
    } catch (thrown) {
      showError("create-error", asRefusal(thrown).text);
    }
  }

  async delete() {
    const { chosen } = this;
    if (!chosen) return;
    const yes = await confirm(`Delete ${chosen.name}?`, "It is gone for good, and its name is free again.", "Delete");
    if (!yes) return;
    try {
      await this.api.deleteCharacter(chosen.id);
      await this.show();
    } catch (thrown) {
      showError("lobby-error", asRefusal(thrown).text);
    }
  }
}
