// A WebSocket by hand: as little work as can be for the program that plays all players.

import net from "node:net";

const MASK = [0x37, 0xfa, 0x21, 0x3d];

/** A client's frame of at most 125 bytes. */
export function clientFrame(payload, kind = 2) {
  const frame = Buffer.alloc(6 + payload.length);
  frame[0] = 0x80 | kind;
  frame[1] = 0x80 | payload.length;
  MASK.forEach((byte, n) => { frame[2 + n] = byte; });
  payload.forEach((byte, n) => { frame[6 + n] = byte ^ MASK[n & 3]; });
  return frame;
}

/** Calls with kind and payload of each whole frame of a server; gives the bytes of one that is not whole. */
export function serverFrames(bytes, call) {
  let at = 0;
  while (bytes.length - at >= 2) {
    let [head, length] = [2, bytes[at + 1]];
    if (length === 126) {
      if (bytes.length - at < 4) break;
      [head, length] = [4, bytes.readUInt16BE(at + 2)];
    } else if (length === 127) {
      if (bytes.length - at < 10) break;
      [head, length] = [10, Number(bytes.readBigUInt64BE(at + 2))];
    }
    if (bytes.length - at < head + length) break;
    call(bytes[at] & 0x0f, bytes.subarray(at + head, at + head + length));
    at += head + length;
  }
  return bytes.subarray(at);
}

/**
 * Connects and upgrades.
 * @param {(kind: number, payload: Buffer, socket: net.Socket) => void} onFrame the payload is good until it returns
 * @param {(bytes: number) => void} onBytes after each read
 * @returns {Promise<net.Socket>}
 */
export function open(port, path, onFrame, onBytes, onClose) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    let waiting = Buffer.alloc(0);
    let upgraded = false;
    socket.on("error", (error) => { reject(error); });
    socket.on("close", () => { upgraded ? onClose() : reject(new Error("closed instead of an upgrade")); });
    socket.on("connect", () => socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
      + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ));
    socket.on("data", (chunk) => {
      let bytes = waiting.length ? Buffer.concat([waiting, chunk]) : chunk;
      if (!upgraded) {
        const end = bytes.indexOf("\r\n\r\n");
        if (end < 0) { waiting = bytes; return; }
        if (!bytes.subarray(0, 12).equals(Buffer.from("HTTP/1.1 101"))) {
          reject(new Error(bytes.subarray(0, end).toString()));
          socket.destroy();
          return;
        }
        upgraded = true;
        bytes = bytes.subarray(end + 4);
        resolve(socket);
      } else {
        onBytes(chunk.length);
      }
      const rest = serverFrames(bytes, (kind, payload) => {
        if (kind === 9) socket.write(clientFrame(payload, 10));
        else onFrame(kind, payload, socket);
      });
      // A copy, so that a few bytes do not keep a whole chunk.
      waiting = rest.length ? Buffer.from(rest) : Buffer.alloc(0);
    });
  });
}
