export type Account = components["schemas"]["AccountInfo"];
export type Session = components["schemas"]["TokensAnswer"];
export type Place = components["schemas"]["PlaceAnswer"];
export type Faction = components["schemas"]["FactionAnswer"];
export type MapInfo = components["schemas"]["MapAnswer"];
export type WorldInfo = components["schemas"]["WorldAnswer"];
export type LayerInfo = components["schemas"]["LayerPopulation"];
export type Character = components["schemas"]["CharacterAnswer"];
export type NewCharacter = components["schemas"]["NewCharacter"];
/**
 * what is left out central finds
 */
export type Wish = components["schemas"]["EnterWish"];
/**
 * a server that waits for the character
 */
export type Prepared = components["schemas"]["Prepared"];
/**
 * position in line from 1, 0 if not queued
 */
export type EnterProgress = {
    state: string;
    position: number;
};
import type { components } from "../types/openapi.js";
