/** The window «Faction». @module */

import { makeWindow } from "./parts.js";
import { toggleWindow } from "./windows.js";

/** @import { World } from "../lib/world.js" */
/** @import { Company } from "./company.js" */
/** @import { At } from "./name_menu.js" */

const ID = "faction-window";

export class FactionWindow {
  /** @param {World} world @param {Company} company @param {(name: string, at: At) => void} menu */
  constructor(world, company, menu) {
    this.world = world;
    this.company = company;
    this.menu = menu;
    this.body = makeWindow(ID, "Faction");
  }

  toggle() {
    toggleWindow(ID);
  }

  news() {}
}
