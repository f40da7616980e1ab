/**
 * What one character does over HTTP: friends, party, faction, mail, market. `api.of(id)` makes one.
 * @module
 */

import { BUSY_CODES, randomKey, wait } from "./http.js";
import { Refusal } from "./refusal.js";

/** @import { Api } from "./api.js" */
/** @import { Belongings, Calls, Mail, NewMail, Offer, Rights, Role, Social, Visible } from "./social_types.js" */

/** How often a deed is sent again whose answer was lost. */
const MOST_REPEATS = 4;

/** Most wishes without an answer whose keys are kept. */
const MOST_OPEN = 64;

export class CharacterApi {
  /** @param {Api} api @param {string} id of a character of the account that is logged in */
  constructor(api, id) {
    this.api = api;
    this.path = `/api/characters/${encodeURIComponent(id)}`;
    /** The keys of wishes that got no answer. @type {Map<string, string>} */
    this.open = new Map();
  }

  /** @param {string} path @param {unknown} [body] @returns {Promise<any>} */
  post(path, body = {}) {
    return this.api.json("POST", `${this.path}/${path}`, body);
  }

  /**
   * Goods or money move: done once, however often it has to be sent. One that got no answer keeps its key, so that
   * the same wish again is the same deed.
   * @param {string} path @param {unknown} [body] @returns {Promise<any>}
   */
  async once(path, body = {}) {
    const wish = `${path} ${JSON.stringify(body)}`;
    const key = this.open.get(wish) ?? randomKey();
    if (this.open.size >= MOST_OPEN) this.open.clear();
    this.open.set(wish, key);
    const headers = { "Idempotency-Key": key };
    for (let repeat = 0; ; repeat++) {
      try {
        const done = await this.api.json("POST", `${this.path}/${path}`, body, { headers });
        this.open.delete(wish);
        return done;
      } catch (thrown) {
        const no = thrown instanceof Refusal && !BUSY_CODES.includes(thrown.code);
        if (no) this.open.delete(wish);
        if (no || repeat >= MOST_REPEATS) throw thrown;
        await wait(250 * 2 ** repeat);
      }
    }
  }

  /** @param {string} path @param {string} id @returns {Promise<void>} */
  delete(path, id) {
    return this.api.json("DELETE", `${this.path}/${path}/${encodeURIComponent(id)}`);
  }

  // ---- friends ----------------------------------------------------------------------------------------

  /** Friends, requests, party, invitations, faction in one answer. @returns {Promise<Social>} */
  social() {
    return this.api.json("GET", `${this.path}/social`);
  }

  /** What one says of oneself, who sees where one is, how one takes a leader's call. @param {{text?: string, visible?: Visible, calls?: Calls}} status */
  setStatus(status) {
    return this.api.json("PUT", `${this.path}/status`, status);
  }

  /** Asks for friendship, or says yes if the other has asked. @param {string} name */
  befriend(name) { return this.post("friends", { name }); }

  /** Ends a friendship, takes a request back, or says no to one. @param {string} other its id */
  unfriend(other) { return this.delete("friends", other); }

  /** @param {string} name */
  block(name) { return this.post("blocks", { name }); }

  /** @param {string} other its id */
  unblock(other) { return this.delete("blocks", other); }

  /** Tells the operators of somebody. @param {string} name @param {string} text */
  report(name, text) { return this.post("reports", { name, text }); }

  // ---- party ------------------------------------------------------------------------------------------

  /** @param {string} name */
  inviteToParty(name) { return this.post("party/invite", { name }); }

  /** @param {string} party */
  acceptParty(party) { return this.post("party/accept", { party }); }

  /** @param {string} party */
  declineParty(party) { return this.post("party/decline", { party }); }

  leaveParty() { return this.post("party/leave"); }

  /** @param {string} character */
  kickFromParty(character) { return this.post("party/kick", { character }); }

  /** @param {string} character */
  leadParty(character) { return this.post("party/leader", { character }); }

  /** Everybody is called beside the leader; who has not settled otherwise is asked by a notice. */
  gatherParty() { return this.post("party/gather"); }

  /** Answers the leader's call. @param {boolean} come */
  answerCall(come) { return this.post("party/come", { come }); }

  // ---- faction ----------------------------------------------------------------------------------------

  /** @param {{name: string, title: string, about: string, open: boolean}} faction */
  foundFaction(faction) { return this.post("faction", faction); }

  /** An open one, or one that has invited. @param {string} faction */
  joinFaction(faction) { return this.post("faction/join", { faction }); }

  /** @param {string} faction */
  declineFaction(faction) { return this.post("faction/decline", { faction }); }

  leaveFaction() { return this.post("faction/leave"); }

  /** @param {{title?: string, about?: string, open?: boolean}} changes */
  editFaction(changes) { return this.post("faction/edit", changes); }

  /** @param {string} name @param {string} role */
  inviteToFaction(name, role) { return this.post("faction/invite", { name, role }); }

  /** @param {string} character */
  kickFromFaction(character) { return this.post("faction/kick", { character }); }

  /** @param {string} character @param {string} role */
  giveRole(character, role) { return this.post("faction/role", { character, role }); }

  /** @param {Role[]} roles */
  setRoles(roles) { return this.post("faction/roles", { roles }); }

  /** @param {string} faction @param {"ally" | "enemy" | "neutral"} relation */
  setRelation(faction, relation) { return this.post("faction/relation", { faction, relation }); }

  /** Members begin where the character stands. */
  setFactionSpawn() { return this.post("faction/spawn"); }

  /** The ground where the character stands. */
  claim() { return this.post("faction/claim"); }

  /** @param {string} area */
  unclaim(area) { return this.post("faction/unclaim", { area }); }

  /** @param {string} area @param {{owner: Rights, ally: Rights, guest: Rights}} rights */
  setRights(area, rights) { return this.post("faction/rights", { area, ...rights }); }

  /** @param {string} area @param {number} days */
  payUpkeep(area, days) { return this.once("faction/upkeep", { area, days }); }

  // ---- mail and market --------------------------------------------------------------------------------

  /** What the character has, as far as it is durable: mail and market take the ids. @returns {Promise<Belongings>} */
  belongings() {
    return this.api.json("GET", `${this.path}/belongings`);
  }

  /** @returns {Promise<Mail[]>} */
  async mail() {
    return (await this.api.json("GET", `${this.path}/mail`)).mail;
  }

  /** @param {NewMail} mail */
  sendMail(mail) { return this.once("mail", mail); }

  /** What is in it goes to the character, once. @param {string} mail */
  claimMail(mail) { return this.once(`mail/${encodeURIComponent(mail)}/claim`); }

  /** @param {string} mail */
  readMail(mail) { return this.api.json("PUT", `${this.path}/mail/${encodeURIComponent(mail)}/read`, {}); }

  /** @param {string} mail */
  deleteMail(mail) { return this.delete("mail", mail); }

  /** All that the character offers. @returns {Promise<Offer[]>} */
  async ownOffers() {
    return (await this.api.json("GET", `${this.path}/market`)).offers;
  }

  /** @param {{item: string, count: number, price: number}} offer price for all of it */
  offer(offer) { return this.once("market", offer); }

  /** @param {string} offer */
  buy(offer) { return this.once(`market/${encodeURIComponent(offer)}/buy`); }

  /** @param {string} offer */
  withdraw(offer) { return this.delete("market", offer); }
}
