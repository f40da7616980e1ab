/** What one has to send or sell, by the ids that central knows, and how it is chosen. @module */

import { make } from "./dom.js";
import { check, select } from "./parts.js";

/** @import { Belongings } from "../lib/social_types.js" */
/** @import { Company } from "./company.js" */
/** @import { Item, Tables } from "./goods.js" */

/** @typedef {Belongings["items"][number]} Stack */

/** @param {Tables} tables @param {string} template @returns {Item | undefined} */
export function itemOf(tables, template) {
  return tables.items.find(({ name }) => name === template);
}

/** «3 🪵 Wood» @param {Tables} tables @param {string} template @param {number} count */
export function words(tables, template, count) {
  const item = itemOf(tables, template);
  const title = item ? `${item.icon} ${item.title}` : template;
  return count === 1 ? title : `${count} ${title}`;
}

/** «🪙 1,200» @param {number} money */
export const coins = (money) => `🪙 ${money.toLocaleString("en")}`;

/** What lies in the bag. @param {Company} company @returns {Promise<Stack[]>} */
export async function stacks(company) {
  const { api } = company;
  const has = api && await company.look(() => api.belongings());
  return has?.items ?? [];
}

/**
 * One of the stacks and how many of it.
 * @param {Tables} tables @param {Stack[]} has
 */
export function chooseOne(tables, has) {
  const titles = Object.fromEntries(has.map(({ id, template, quantity }) => [id, words(tables, template, quantity)]));
  const many = make("input", { type: "number", min: "1", value: "1", "aria-label": "How many", inputmode: "numeric" });
  const bound = () => {
    many.max = String(has.find(({ id }) => id === which.value)?.quantity ?? 1);
    many.value = String(Math.min(Number(many.value), Number(many.max)));
  };
  const which = select(titles, has[0]?.id ?? "", "What", bound);
  bound();
  return { which, many };
}

/**
 * Several of them.
 * @param {Tables} tables @param {Stack[]} has @param {number} most
 * @returns {{element: HTMLElement, chosen: () => {item: string, count: number}[]}}
 */
export function chooseSome(tables, has, most) {
  /** @type {Map<string, HTMLInputElement>} */
  const fields = new Map();
  const lines = has.map(({ id, template, quantity }) => {
    const many = make("input", { type: "number", min: "1", max: String(quantity), value: String(quantity), "aria-label": `How many ${template}`, inputmode: "numeric" });
    many.hidden = true;
    const box = check(words(tables, template, quantity), false, (on) => {
      if (on && fields.size >= most) {
        const field = box.querySelector("input");
        if (field) field.checked = false;
        return;
      }
      many.hidden = !on || quantity === 1;
      if (on) fields.set(id, many);
      else fields.delete(id);
    });
    return make("div", { class: "row parcel" }, box, many);
  });
  const element = make("details", {}, make("summary", {}, "Put goods in"), ...lines.length > 0 ? lines : [make("p", { class: "hint" }, "Your bag is empty.")]);
  return { element, chosen: () => [...fields].map(([item, field]) => ({ item, count: Number(field.value) })) };
}
