/**
 * Pangea for the browser and for Node: `new Api(address)`, log in, `new World(api)`, enter.
 * @module
 */

export { Api } from "./api.js";
export { CharacterApi } from "./character_api.js";
export { Chat } from "./chat.js";
export { CHANNELS } from "./chat_frames.js";
export { Entities, Entity } from "./entities.js";
export { CHUNK_TILES, CLOSE, TILE, VERSION, clientFrame, readClientFrame, readServerFrame, serverFrame } from "./frames.js";
export { randomKey } from "./http.js";
export { Land } from "./land.js";
export { Schema } from "./schema.js";
export { Refusal } from "./refusal.js";
export { EventParser, serverEvents } from "./sse.js";
export { World } from "./world.js";
