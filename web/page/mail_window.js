/** The window «Mail». @module */

import { makeWindow } from "./parts.js";
import { toggleWindow } from "./windows.js";

/** @import { Company } from "./company.js" */
/** @import { Tables } from "./goods.js" */

const ID = "mail-window";

export class MailWindow {
  /** @param {Company} company @param {() => Tables} tables */
  constructor(company, tables) {
    this.company = company;
    this.tables = tables;
    this.body = makeWindow(ID, "Mail");
  }

  toggle() {
    toggleWindow(ID);
  }

  /** Something has come. */
  news() {}
}
