export type Account = {
    id: string;
    name: string;
};
export type Session = {
    access_token: string;
    access_expires_in_s: number;
    refresh_token: string;
    account: Account;
};
export type Place = {
    world: string;
    map?: string | null;
    x: number;
    y: number;
};
export type Faction = {
    id: string;
    title: string;
    colour: string;
    about: string;
    spawn?: unknown;
};
export type MapInfo = {
    id: string;
    title: string;
    lobby: boolean;
    own: boolean;
};
export type WorldInfo = {
    name: string;
    title: string;
    about: string;
    kind: "grid" | "maps";
    rules: string[];
    status: string;
    players: number;
    factions: Faction[];
    /**
     * empty for a grid
     */
    maps: MapInfo[];
    /**
     * most parallel copies of an area
     */
    layers: number;
};
export type LayerInfo = {
    layer: number;
    players: number;
    capacity: number;
};
export type Character = {
    id: string;
    name: string;
    world: string;
    faction: string | null;
    place?: Place | null;
};
/**
 * where to enter; what is left out central finds
 */
export type Wish = {
    /**
     * its id
     */
    character: string;
    world?: string | undefined;
    map?: string | undefined;
    rule?: string | undefined;
    layer?: number | undefined;
};
/**
 * a server that waits for the character
 */
export type Prepared = {
    enter_id: string;
    /**
     * `ready`
     */
    state: string;
    /**
     * of the game socket
     */
    url: string;
    /**
     * single use, at most 30 s
     */
    ticket: string;
    /**
     * a third-party server: JSON text instead of frames
     */
    plain: boolean;
    /**
     * `world/ground/layer`
     */
    area: string;
};
/**
 * position in line from 1, 0 if not queued
 */
export type EnterProgress = {
    state: string;
    position: number;
};
