/**
 * What central's HTTP API takes and gives, under short names. `types/openapi.d.ts` is made from
 * docs/openapi.json, which central's own code makes: `npm run api`.
 * @module
 */

/** @import { components } from "../types/openapi.js" */

/**
 * @typedef {components["schemas"]["AccountInfo"]} Account
 * @typedef {components["schemas"]["TokensAnswer"]} Session
 * @typedef {components["schemas"]["PlaceAnswer"]} Place
 * @typedef {components["schemas"]["FactionAnswer"]} Faction
 * @typedef {components["schemas"]["MapAnswer"]} MapInfo
 * @typedef {components["schemas"]["WorldAnswer"]} WorldInfo
 * @typedef {components["schemas"]["LayerPopulation"]} LayerInfo
 * @typedef {components["schemas"]["CharacterAnswer"]} Character
 * @typedef {components["schemas"]["NewCharacter"]} NewCharacter
 * @typedef {components["schemas"]["EnterWish"]} Wish  what is left out central finds
 * @typedef {components["schemas"]["Prepared"]} Prepared  a server that waits for the character
 */

/** @typedef {{state: string, position: number}} EnterProgress  position in line from 1, 0 if not queued */

export {};
