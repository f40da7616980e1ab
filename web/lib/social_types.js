/**
 * What central and the game servers tell of people: friends, parties, factions, mail, the market. Ids are 32 hex
 * digits, of characters where nothing else is said.
 * @module
 */

/** @import { components } from "../types/openapi.js" */

/**
 * @typedef {components["schemas"]["WhoAnswer"]} Who
 * @typedef {components["schemas"]["PartyAnswer"]} Party
 * @typedef {components["schemas"]["FriendAnswer"]} Friend
 * @typedef {components["schemas"]["MembershipAnswer"]} Membership  in a faction
 * @typedef {components["schemas"]["InviteAnswer"]} PartyInvite
 * @typedef {components["schemas"]["FactionInviteAnswer"]} FactionInvite
 * @typedef {components["schemas"]["VisibleData"]} Visible  to whom one is shown
 * @typedef {components["schemas"]["SocialAnswer"]} Social  all that a social window shows
 * @typedef {components["schemas"]["SeenAnswer"]} Presence
 * @typedef {{name?: string, world?: string, faction?: string, founded?: string, online?: boolean, limit?: number}} PresenceQuery
 * @typedef {components["schemas"]["BelongingsData"]} Belongings
 * @typedef {components["schemas"]["ContentAnswer"]} Parcel  an item in a mail
 * @typedef {components["schemas"]["MailAnswer"]} Mail
 * @typedef {components["schemas"]["MailWish"]} NewMail
 * @typedef {components["schemas"]["OfferAnswer"]} Offer  on the market
 * @typedef {components["schemas"]["OffersAnswer"]} Offers  a page of them
 * @typedef {components["schemas"]["CallsData"]} Calls  what becomes of one whose leader calls
 * @typedef {components["schemas"]["RightsData"]} Rights  on claimed ground
 * @typedef {components["schemas"]["RoleData"]} Role  in a faction
 * @typedef {components["schemas"]["FoundedAnswer"]} FactionHead  a faction among others
 * @typedef {components["schemas"]["FoundedInfo"]} FactionInfo  all of one; the first of its roles leads
 * @typedef {components["schemas"]["ClaimAnswer"]} Claim
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
 *   | {type: "command", text: string, ok: boolean, code?: string, commands?: {shape: string, does: string}[]}
 *   | {type: "gather", from: Who, world: string, map: string, asks_s: number}
 *   | {type: "muted", until_ms: number}} Notice
 */

export {};
