/**
 * What central and the game servers tell of people: friends, parties, factions, mail, the market. Ids are 32 hex
 * digits, of characters where nothing else is said.
 * @module
 */

/**
 * @typedef {{id: string, name: string}} Who
 * @typedef {{id: string, leader: string, members: Who[]}} Party  members in the order in which they came
 * @typedef {{id: string, name: string, online: boolean, world: string | null, place?: string | null, status?: string | null}} Friend  place: where one may know it
 * @typedef {{id: string, name: string, role: string}} Membership  in a faction
 * @typedef {{party: string, from: Who}} PartyInvite
 * @typedef {{faction: Who, role: string, from: Who}} FactionInvite
 * @typedef {"everybody" | "friends" | "nobody"} Visible  to whom one is shown
 * @typedef {{gather: boolean, build: boolean}} Rights  on claimed ground
 */

/**
 * All that a social window shows.
 * @typedef {object} Social
 * @property {{text: string, visible: Visible}} status
 * @property {Friend[]} friends
 * @property {{in: Who[], out: Who[]}} requests
 * @property {Who[]} blocked
 * @property {Party | null} party
 * @property {PartyInvite[]} invites
 * @property {Membership | null} faction
 * @property {FactionInvite[]} faction_invites
 * @property {number} unread_mail
 */

/**
 * @typedef {object} Presence
 * @property {string} id @property {string} name @property {boolean} online
 * @property {string | null} [world] @property {string | null} [faction] @property {string | null} [status] @property {string | null} [place]
 *
 * @typedef {{name?: string, world?: string, faction?: string, online?: boolean, limit?: number}} PresenceQuery
 */

/**
 * @typedef {{items: {id: string, slot: number, template: string, quantity: number}[], money: {currency: string, amount: number}[]}} Belongings
 * @typedef {{item: string, template: string, count: number}} Parcel  an item in a mail
 * @typedef {{id: string, from: string, subject: string, text: string, items: Parcel[], money: number, sent_ms: number, read: boolean, claimed: boolean}} Mail
 * @typedef {{to: string, subject: string, text: string, items: {item: string, count: number}[], money: number}} NewMail
 * @typedef {{id: string, seller: string, template: string, count: number, price: number, until_ms: number}} Offer
 */

/**
 * @typedef {{name: string, permissions: string[]}} Role
 * @typedef {{id: string, name: string, title: string, about: string, open: boolean, members: number}} FactionHead
 * @typedef {{area: string, until_ms: number, owner: Rights, ally: Rights, guest: Rights}} Claim
 * @typedef {object} FactionInfo
 * @property {string} id @property {string} world @property {string} name @property {string} title @property {string} about
 * @property {boolean} open whether one joins without an invitation
 * @property {unknown} spawn
 * @property {Role[]} roles the first one leads
 * @property {{id: string, name: string, role: string, online: boolean}[]} members
 * @property {{faction: Who, relation: "ally" | "enemy" | "neutral"}[]} relations
 * @property {Claim[]} claims
 */

/**
 * Something to tell the player; `server` comes from the game server itself.
 * @typedef {{type: "server", code: string, text: string}
 *   | {type: "party", party: Party | null}
 *   | {type: "party_invite", party: string, from: Who}
 *   | {type: "friend_request", from: Who}
 *   | {type: "friend", friend: Friend}
 *   | {type: "unfriended", id: string}
 *   | {type: "faction", faction: Membership | null}
 *   | {type: "faction_invite", faction: Who, role: string, from: Who}
 *   | {type: "faction_changed", id: string}
 *   | {type: "mail", unread: number}
 *   | {type: "market_sold", offer: string, money: number}
 *   | {type: "claim", claim: {faction: string, name: string} & Record<string, unknown> | null}
 *   | {type: "command", text: string, ok: boolean}
 *   | {type: "gather", from: Who, world: string, map: string | null}
 *   | {type: "muted", until_ms: number}
 *   | {type: "announce", text: string}} Notice
 */

export {};
