/** There is land beside that is another server's. @param {World} world @param {Beside} beside */
export function see(world: World, beside: Beside): void;
/** All of them. @param {World} world */
export function dropAll(world: World): void;
/**
 * One of them is closed. Its server offers it anew while the character is near.
 * @param {World} world @param {Connection} connection
 */
export function lostBeside(world: World, connection: Connection): void;
/** The server beyond the border plays from now on. @param {World} world @param {Connection} next @param {number | null} acked */
export function cross(world: World, next: Connection, acked: number | null): void;
/** An update came: the first one beyond a border tells how long there was none. @param {World} world @param {Connection} live */
export function crossed(world: World, live: Connection): void;
/** Where the character may walk: the area, and what lies beside it and is ready. @param {World} world */
export function grounds(world: World): import("./frames.js").Welcome[];
import type { World } from "./world.js";
import type { Beside } from "./frames.js";
import type { Connection } from "./connection.js";
