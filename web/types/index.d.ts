export { Api } from "./api.js";
export { Land } from "./land.js";
export { Schema } from "./schema.js";
export { Refusal } from "./refusal.js";
export { World } from "./world.js";
export { Entities, Entity } from "./entities.js";
export { CHUNK_TILES, CLOSE, TILE, VERSION, clientFrame, readClientFrame, readServerFrame, serverFrame } from "./frames.js";
export { EventParser, serverEvents } from "./sse.js";
