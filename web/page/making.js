/** What can be made of what one has: the second page of the bag. @module */

import { $, make } from "./dom.js";
import { missing } from "./goods.js";

/** @import { World } from "../lib/world.js" */
/** @import { Tables } from "./goods.js" */

/** @param {World} world @param {Tables} tables @param {Map<number, number>} counts what there is, by item */
export function showRecipes(world, tables, counts) {
  // What can be made now stands first.
  const all = tables.recipes.map((recipe, number) => ({ recipe, number, lacks: missing(recipe, counts) }));
  all.sort((a, b) => Number(a.lacks.length > 0) - Number(b.lacks.length > 0) || a.number - b.number);
  $("recipes").replaceChildren(...all.map(({ recipe, number, lacks }) => {
    const [gets, count] = recipe.gets;
    const item = tables.item(gets);
    const needs = make("span", { class: "needs" });
    for (const [item, count] of recipe.gives) {
      const there = counts.get(item) ?? 0;
      const lack = lacks.some(([lacking]) => lacking === item);
      const need = make("span", { class: lack ? "need lack" : "need" }, `${tables.item(item).icon} ${Math.min(there, count)}/${count}`);
      need.setAttribute("aria-label", `${tables.item(item).title}: ${there} of ${count}`);
      need.title = tables.item(item).title;
      needs.append(need);
    }
    const button = make("button", { type: "button" }, "Make");
    button.setAttribute("aria-label", `Make ${item.title}`);
    button.disabled = lacks.length > 0;
    button.onclick = () => world.act("Craft", { recipe: number });
    const words = lacks.length > 0 ? `Missing: ${lacks.map(([item, count]) => `${count} ${tables.item(item).title}`).join(", ")}` : "";
    const texts = make("span", { class: "texts" }, make("strong", {}, `${item.title}${count > 1 ? ` × ${count}` : ""}`), needs);
    if (words) texts.append(make("small", {}, words));
    return make("li", { class: "recipe" }, make("span", { class: "icon", "aria-hidden": "true" }, item.icon), texts, button);
  }));
}
