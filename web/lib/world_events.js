/**
 * What a {@link World} tells.
 * @module
 */

/** @import { Changes } from "./entities.js" */
/** @import { EnterProgress } from "./http_types.js" */
/** @import { Refusal } from "./refusal.js" */
/** @import { Notice } from "./social_types.js" */

/**
 * @typedef {"out" | "entering" | "in" | "plain" | "dropped"} State
 *   `plain`: on a third-party server
 */

/**
 * @typedef {object} WorldEvents
 * @property {State} state
 * @property {EnterProgress} progress how far a wish to enter or to go on is
 * @property {FollowOffer} follow another server is ready
 * @property {{from: string, to: string, epoch: number, gapMs: number}} switch another server plays now; nothing to do
 * @property {{from: string, to: string, gapMs: number}} crossed it walked over a border, and another server plays; nothing to do
 * @property {{code: number, refusal: Refusal | null, attempt: number, retryInMs: number}} drop the connection was lost
 * @property {{how: "resumed" | "entered", attempts: number}} resume and it is back
 * @property {Refusal} refused a «no» to the last wish
 * @property {Notice} notice something to tell the player: of the server (`type` `server`), of friends, parties, factions, mail
 * @property {Changes} update what is seen has changed; called after the listeners of entities
 * @property {{name: string, values: Record<string, any>}} event something happened, as the game's schema has it
 * @property {number} pace how fast the area's time runs, percent of real time
 * @property {{cx: number, cy: number}} tiles of a chunk have come
 * @property {{data: any, first: boolean}} plain what a third-party server says
 * @property {{url: string, code: number}} closed a socket, whichever; for development
 * @property {Refusal} end it is over; code `left` if wished
 */

/**
 * @typedef {object} FollowOffer
 * @property {string} url
 * @property {boolean} plain a third-party server: leave first, then connect
 * @property {boolean} prompt whether it waits for `accept`
 * @property {() => void} accept
 * @property {() => void} decline
 */

export {};
