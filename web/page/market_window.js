/** The window «Market». @module */

import { makeWindow } from "./parts.js";
import { toggleWindow } from "./windows.js";

/** @import { Company } from "./company.js" */
/** @import { Tables } from "./goods.js" */

const ID = "market-window";

export class MarketWindow {
  /** @param {Company} company @param {() => Tables} tables */
  constructor(company, tables) {
    this.company = company;
    this.tables = tables;
    this.body = makeWindow(ID, "Market");
  }

  toggle() {
    toggleWindow(ID);
  }

}
