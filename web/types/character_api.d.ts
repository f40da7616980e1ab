export class CharacterApi {
    /** @param {Api} api @param {string} id of a character of the account that is logged in */
    constructor(api: Api, id: string);
    api: Api;
    path: string;
    /** The keys of wishes that got no answer. @type {Map<string, string>} */
    open: Map<string, string>;
    /** @param {string} path @param {unknown} [body] @returns {Promise<any>} */
    post(path: string, body?: unknown): Promise<any>;
    /**
     * Goods or money move: done once, however often it has to be sent. One that got no answer keeps its key, so that
     * the same wish again is the same deed.
     * @param {string} path @param {unknown} [body] @returns {Promise<any>}
     */
    once(path: string, body?: unknown): Promise<any>;
    /** @param {string} path @param {string} id @returns {Promise<void>} */
    delete(path: string, id: string): Promise<void>;
    /** Friends, requests, party, invitations, faction in one answer. @returns {Promise<Social>} */
    social(): Promise<Social>;
    /** What one says of oneself, who sees where one is, how one takes a leader's call. @param {{text?: string, visible?: Visible, calls?: Calls}} status */
    setStatus(status: {
        text?: string;
        visible?: Visible;
        calls?: Calls;
    }): Promise<any>;
    /** Asks for friendship, or says yes if the other has asked. @param {string} name */
    befriend(name: string): Promise<any>;
    /** Ends a friendship, takes a request back, or says no to one. @param {string} other its id */
    unfriend(other: string): Promise<void>;
    /** @param {string} name */
    block(name: string): Promise<any>;
    /** @param {string} other its id */
    unblock(other: string): Promise<void>;
    /** Tells the operators of somebody. @param {string} name @param {string} text */
    report(name: string, text: string): Promise<any>;
    /** @param {string} name */
    inviteToParty(name: string): Promise<any>;
    /** @param {string} party */
    acceptParty(party: string): Promise<any>;
    /** @param {string} party */
    declineParty(party: string): Promise<any>;
    leaveParty(): Promise<any>;
    /** @param {string} character */
    kickFromParty(character: string): Promise<any>;
    /** @param {string} character */
    leadParty(character: string): Promise<any>;
    /** Everybody is called beside the leader; who has not settled otherwise is asked by a notice. */
    gatherParty(): Promise<any>;
    /** Answers the leader's call. @param {boolean} come */
    answerCall(come: boolean): Promise<any>;
    /** @param {{name: string, title: string, about: string, open: boolean}} faction */
    foundFaction(faction: {
        name: string;
        title: string;
        about: string;
        open: boolean;
    }): Promise<any>;
    /** An open one, or one that has invited. @param {string} faction */
    joinFaction(faction: string): Promise<any>;
    /** @param {string} faction */
    declineFaction(faction: string): Promise<any>;
    leaveFaction(): Promise<any>;
    /** @param {{title?: string, about?: string, open?: boolean}} changes */
    editFaction(changes: {
        title?: string;
        about?: string;
        open?: boolean;
    }): Promise<any>;
    /** @param {string} name @param {string} role */
    inviteToFaction(name: string, role: string): Promise<any>;
    /** @param {string} character */
    kickFromFaction(character: string): Promise<any>;
    /** @param {string} character @param {string} role */
    giveRole(character: string, role: string): Promise<any>;
    /** @param {Role[]} roles */
    setRoles(roles: Role[]): Promise<any>;
    /** @param {string} faction @param {"ally" | "enemy" | "neutral"} relation */
    setRelation(faction: string, relation: "ally" | "enemy" | "neutral"): Promise<any>;
    /** Members begin where the character stands. */
    setFactionSpawn(): Promise<any>;
    /** The ground where the character stands. */
    claim(): Promise<any>;
    /** @param {string} area */
    unclaim(area: string): Promise<any>;
    /** @param {string} area @param {{owner: Rights, ally: Rights, guest: Rights}} rights */
    setRights(area: string, rights: {
        owner: Rights;
        ally: Rights;
        guest: Rights;
    }): Promise<any>;
    /** @param {string} area @param {number} days */
    payUpkeep(area: string, days: number): Promise<any>;
    /** What the character has, as far as it is durable: mail and market take the ids. @returns {Promise<Belongings>} */
    belongings(): Promise<Belongings>;
    /** @returns {Promise<Mail[]>} */
    mail(): Promise<Mail[]>;
    /** @param {NewMail} mail */
    sendMail(mail: NewMail): Promise<any>;
    /** What is in it goes to the character, once. @param {string} mail */
    claimMail(mail: string): Promise<any>;
    /** @param {string} mail */
    readMail(mail: string): Promise<any>;
    /** @param {string} mail */
    deleteMail(mail: string): Promise<void>;
    /** All that the character offers. @returns {Promise<Offer[]>} */
    ownOffers(): Promise<Offer[]>;
    /** @param {{item: string, count: number, price: number}} offer price for all of it */
    offer(offer: {
        item: string;
        count: number;
        price: number;
    }): Promise<any>;
    /** @param {string} offer */
    buy(offer: string): Promise<any>;
    /** @param {string} offer */
    withdraw(offer: string): Promise<void>;
}
import type { Api } from "./api.js";
import type { Social } from "./social_types.js";
import type { Visible } from "./social_types.js";
import type { Calls } from "./social_types.js";
import type { Role } from "./social_types.js";
import type { Rights } from "./social_types.js";
import type { Belongings } from "./social_types.js";
import type { Mail } from "./social_types.js";
import type { NewMail } from "./social_types.js";
import type { Offer } from "./social_types.js";
