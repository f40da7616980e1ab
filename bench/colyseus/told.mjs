// What players of both forms were told, decoded: place by number.

import { Reflection } from "@colyseus/schema";

/** By the frames of a schema, whose description came with the handshake. */
export function knownOfSchema(handshake, frames) {
  const decoder = Reflection.decode(handshake);
  for (const frame of frames) decoder.decode(frame);
  const known = new Map();
  decoder.state.walkers?.forEach(({ x, y }, number) => known.set(Number(number), { x, y }));
  return known;
}

/** By a raw message. */
export function knownOfBytes(bytes, sideM) {
  const known = new Map();
  for (let at = 0; at < bytes.length; at += 6) {
    const share = (from) => (bytes.readUInt16LE(from) / 0xffff) * sideM;
    known.set(bytes.readUInt16LE(at), { x: share(at + 2), y: share(at + 4) });
  }
  return known;
}
