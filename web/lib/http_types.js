/**
 * What central's HTTP API takes and gives, under short names; `/api` describes it in full.
 * @module
 */

/**
 * @typedef {{id: string, name: string}} Account
 * @typedef {{access_token: string, access_expires_in_s: number, refresh_token: string, account: Account}} Session
 * @typedef {{world: string, map?: string | null, x: number, y: number}} Place
 * @typedef {{id: string, title: string, colour: string, about: string, spawn?: unknown}} Faction
 * @typedef {{id: string, title: string, lobby: boolean, own: boolean}} MapInfo
 * @typedef {object} WorldInfo
 * @property {string} name
 * @property {string} title
 * @property {string} about
 * @property {"grid" | "maps"} kind
 * @property {string[]} rules
 * @property {string} status
 * @property {number} players
 * @property {Faction[]} factions
 * @property {MapInfo[]} maps empty for a grid
 * @property {number} layers most parallel copies of an area
 */

/**
 * @typedef {{layer: number, players: number, capacity: number}} LayerInfo
 * @typedef {{id: string, name: string, world: string, faction: string | null, place?: Place | null}} Character
 */

/**
 * @typedef {object} Wish where to enter; what is left out central finds
 * @property {string} character its id
 * @property {string} [world]
 * @property {string} [map]
 * @property {string} [rule]
 * @property {number} [layer]
 */

/**
 * @typedef {object} Prepared a server that waits for the character
 * @property {string} enter_id
 * @property {string} state `ready`
 * @property {string} url of the game socket
 * @property {string} ticket single use, at most 30 s
 * @property {boolean} plain a third-party server: JSON text instead of frames
 * @property {string} area `world/ground/layer`
 */

/** @typedef {{state: string, position: number}} EnterProgress  position in line from 1, 0 if not queued */

export {};
