/** The picker of a place to go to: world, map, layer, rules, a friend. @module */

import { make } from "./dom.js";

/** @import { Api } from "../lib/api.js" */
/** @import { MapInfo, WorldInfo } from "../lib/http_types.js" */
/** @typedef {{world?: string, map?: string, layer?: number, rule?: string, friend?: string}} Destination */

/** Most layers that are listed beside the running ones. */
const MOST_LAYERS = 16;

/**
 * Worlds as they are proposed: where one's character is, then where most players are.
 * @template {{name: string, title: string, players: number}} T
 * @param {T[]} worlds @param {string} [home] the world of one's character
 */
export function inOrder(worlds, home = "") {
  const isHome = (/** @type {T} */ { name }) => Number(name === home);
  return [...worlds].sort((a, b) => isHome(b) - isHome(a) || b.players - a.players || a.title.localeCompare(b.title));
}

/**
 * Fills a place with the picker.
 * @param {HTMLElement} place @param {Api} api @param {WorldInfo[]} all
 * @param {{verb: string, go: (to: Destination) => void, home: string, start?: Destination, beside?: HTMLElement[]}} options
 *   `home`: the world of one's character; `start`: what is chosen at first; `beside`: further buttons
 */
export function showPlaces(place, api, all, { verb, go, home, start = {}, beside = [] }) {
  const worlds = inOrder(all, home);
  const rule = make("select", { "aria-label": "Rules" });
  const world = make("select", { "aria-label": "World" });
  const map = make("select", { "aria-label": "Map" });
  const layer = make("select", { "aria-label": "Layer" });
  const friend = make("input", { "aria-label": "Friend", maxlength: "24", autocomplete: "off", spellcheck: "false", placeholder: "name of a character" });
  const about = make("p", { class: "hint whole" });
  const mapLabel = make("label", { class: "whole" }, "Map ", map);
  const rules = [...new Set(worlds.flatMap((one) => one.rules))];
  const chosen = () => worlds.find(({ name }) => name === world.value);

  const fillLayers = async () => {
    const [at, wished] = [chosen(), layer.value];
    layer.replaceChildren(option("", "Wherever there is room"));
    if (!at) return;
    const asked = `${world.value} ${map.value}`;
    for (const [number, text] of await layersOf(api, at, map.value)) {
      if (asked !== `${world.value} ${map.value}`) return;
      layer.append(option(String(number), text));
    }
    choose(layer, wished);
  };
  const fillMaps = () => {
    const [at, wished] = [chosen(), map.value];
    about.textContent = at?.about ?? "";
    mapLabel.hidden = !at?.maps.length;
    map.replaceChildren(option("", "Where I was last"), ...(at?.maps ?? []).map((one) => option(one.id, mapTitle(one))));
    choose(map, wished);
    void fillLayers();
  };
  const fillWorlds = () => {
    const wished = world.value;
    const fitting = worlds.filter((one) => !rule.value || one.rules.includes(rule.value));
    world.replaceChildren(...fitting.map((one) => option(one.name, worldTitle(one))));
    choose(world, wished);
    fillMaps();
  };
  rule.append(option("", "Any rules"), ...rules.map((name) => option(name, name)));
  rule.onchange = fillWorlds;
  world.onchange = fillMaps;
  map.onchange = () => void fillLayers();

  const form = make("form", { class: "places" },
    make("label", { class: "whole" }, "World ", world), about, mapLabel, make("label", rules.length > 0 ? {} : { class: "whole" }, "Layer ", layer));
  const rulesLabel = make("label", {}, "Rules ", rule);
  rulesLabel.hidden = rules.length === 0;
  form.append(rulesLabel, make("label", { class: "whole" }, "Beside a friend ", friend));
  form.append(make("p", { class: "hint whole" }, "A layer is a copy of the same land. A friend's layer is taken if he is there and it has room."));
  form.append(make("div", { class: "row end whole" }, ...beside, make("button", { type: "submit", class: "primary" }, verb)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    /** @type {Destination} */
    const to = { world: world.value };
    if (map.value) to.map = map.value;
    if (layer.value !== "") to.layer = Number(layer.value);
    if (rule.value) to.rule = rule.value;
    if (friend.value.trim()) to.friend = friend.value.trim();
    go(to);
  });
  place.replaceChildren(form);

  friend.value = start.friend ?? "";
  choose(rule, start.rule ?? "");
  fillWorlds();
  choose(world, start.world ?? "");
  fillMaps();
  choose(map, start.map ?? "");
  void fillLayers().then(() => choose(layer, String(start.layer ?? "")));
}

/** @param {string} value @param {string} text */
const option = (value, text) => make("option", { value }, text);

/** Chooses what is there, else leaves the first. @param {HTMLSelectElement} list @param {string} value */
function choose(list, value) {
  if ([...list.options].some((one) => one.value === value)) list.value = value;
}

/** @param {WorldInfo} world */
function worldTitle({ title, players, status }) {
  if (status !== "online") return `${title} (${status})`;
  return `${title} (${players} ${players === 1 ? "player" : "players"})`;
}

/** @param {MapInfo} map */
function mapTitle({ title, lobby, own }) {
  const notes = [lobby ? "lobby" : "", own ? "" : "guest server"].filter(Boolean).join(", ");
  return notes ? `${title} (${notes})` : title;
}

/**
 * The layers that may be wished for, with how full they are.
 * @param {Api} api @param {WorldInfo} world @param {string} map empty: all of them together
 * @returns {Promise<[number, string][]>}
 */
async function layersOf(api, world, map) {
  /** @type {Map<number, {players: number, capacity: number}>} */
  const running = new Map();
  try {
    // On a grid many areas have a layer of the same number: together they are that layer.
    for (const { layer, players, capacity } of await api.layers(world.name, map || undefined)) {
      const sum = running.get(layer) ?? { players: 0, capacity: 0 };
      running.set(layer, { players: sum.players + players, capacity: sum.capacity + capacity });
    }
  } catch {
    return []; // the picker works without: central finds a layer
  }
  const all = new Set([...Array(Math.min(world.layers, MOST_LAYERS)).keys(), ...running.keys()]);
  return [...all].sort((a, b) => a - b).map((number) => {
    const at = running.get(number);
    return [number, at ? `Layer ${number}: ${at.players} of ${at.capacity}` : `Layer ${number}: empty`];
  });
}
