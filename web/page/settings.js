/** What the player has set, kept in the browser. @module */

const KEY = "pangea.settings";

/** @typedef {{borders: boolean, minimap: boolean, names: boolean, unasked: boolean, walked: boolean, acted: boolean, zoom: number, character: string}} Settings */

/** @type {Settings} */
const DEFAULTS = { borders: false, minimap: true, names: true, unasked: false, walked: false, acted: false, zoom: 1, character: "" };

/** @returns {Settings} */
function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const known = Object.entries(kept).filter(([name, value]) => {
      return name in DEFAULTS && typeof value === typeof DEFAULTS[/** @type {keyof Settings} */ (name)];
    });
    return { ...DEFAULTS, ...Object.fromEntries(known) };
  } catch {
    return { ...DEFAULTS };
  }
}

export const settings = load();

/** @param {Partial<Settings>} changes */
export function change(changes) {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing: it holds until the page is closed.
  }
}
