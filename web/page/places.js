/** The picker of a world, a map, a layer. @module */

import { make } from "./dom.js";

/** @import { Api } from "../lib/api.js" */
/** @import { WorldInfo } from "../lib/http_types.js" */
/** @typedef {{world?: string, map?: string, layer?: number}} Destination */

let count = 0;

/**
 * Fills a place with the picker.
 * @param {HTMLElement} place @param {Api} api @param {WorldInfo[]} worlds
 * @param {{verb: string, go: (to: Destination) => void, only?: string}} options `only`: this world alone
 */
export function showPlaces(place, api, worlds, { verb, go, only }) {
  const id = `places-${++count}`;
  const world = make("select", { id: `${id}-world`, "aria-label": "World" });
  const map = make("select", { id: `${id}-map`, "aria-label": "Map" });
  const layer = make("select", { id: `${id}-layer`, "aria-label": "Layer" });
  const mapLabel = make("label", {}, "Map ", map);
  const shown = worlds.filter(({ name }) => !only || name === only);
  for (const { name, title, players } of shown) {
    world.append(make("option", { value: name }, `${title} (${players} ${players === 1 ? "player" : "players"})`));
  }

  const chosen = () => shown.find(({ name }) => name === world.value);
  const fillLayers = async () => {
    const at = chosen();
    layer.replaceChildren(make("option", { value: "" }, "Wherever there is room"));
    if (!at) return;
    const asked = `${world.value} ${map.value}`;
    try {
      const layers = await api.layers(at.name, map.value || undefined);
      if (asked !== `${world.value} ${map.value}`) return;
      // On a grid many areas have a layer of the same number: together they are that layer.
      /** @type {Map<number, [number, number]>} */
      const sums = new Map();
      for (const { layer: number, players, capacity } of layers) {
        const [p, c] = sums.get(number) ?? [0, 0];
        sums.set(number, [p + players, c + capacity]);
      }
      for (const [number, [players, capacity]] of [...sums].sort(([a], [b]) => a - b)) {
        layer.append(make("option", { value: String(number) }, `Layer ${number}: ${players} of ${capacity}`));
      }
    } catch {
      // The picker works without: central finds a layer.
    }
  };
  const fillMaps = () => {
    const at = chosen();
    const maps = at?.maps ?? [];
    mapLabel.hidden = maps.length === 0;
    map.replaceChildren(make("option", { value: "" }, "Where I was last"));
    for (const { id: value, title, lobby, own } of maps) {
      const notes = [lobby ? "lobby" : "", own ? "" : "guest server"].filter(Boolean).join(", ");
      map.append(make("option", { value }, notes ? `${title} (${notes})` : title));
    }
    void fillLayers();
  };
  world.onchange = fillMaps;
  map.onchange = () => void fillLayers();

  const button = make("button", { type: "button", class: "primary" }, verb);
  button.onclick = () => {
    /** @type {Destination} */
    const to = { world: world.value };
    if (map.value) to.map = map.value;
    if (layer.value !== "") to.layer = Number(layer.value);
    go(to);
  };
  place.replaceChildren(make("div", { class: "places" },
    make("div", { class: "row wrap" }, make("label", {}, "World ", world), mapLabel),
    make("label", {}, "Layer ", layer),
    make("div", { class: "row end" }, button)));
  fillMaps();
}
