/**
 * A WebTransport session that looks like a WebSocket: one stream, frames with their length before them. What comes
 * beside it in datagrams is told by `ondatagram`.
 * @module
 */

/** @import { Offer, Transports } from "./dialing.js" */

/** How long what was sent last may take before the session is closed, ms. */
const FLUSH_MS = 1_000;

/** Most bytes of one frame; no server sends more. */
const MOST_BYTES = 16 << 20;

export class StreamSocket {
  /** @param {Offer} offer @param {Transports} Transports */
  constructor(offer, Transports) {
    this.onopen = this.onmessage = this.onclose = /** @type {((event: any) => void) | null} */ (null);
    this.ondatagram = /** @type {((datagram: Uint8Array) => void) | null} */ (null);
    this.opened = false;
    this.closed = false;
    /** What came and is no whole frame yet. */
    this.bytes = new Uint8Array();
    /** @type {WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | null} */
    this.writer = null;
    const serverCertificateHashes = offer.hashes.map((value) => ({ algorithm: "sha-256", value: value.slice() }));
    const known = serverCertificateHashes.length > 0 ? { serverCertificateHashes } : {};
    /** @type {WebTransport | null} */
    this.session = null;
    try {
      this.session = new Transports(offer.url, { ...known, congestionControl: "low-latency" });
    } catch {
      queueMicrotask(() => this.over(1006));
      return;
    }
    this.session.closed.then(({ closeCode }) => this.over(closeCode || 1006), () => this.over(1006));
    this.begin(this.session).catch(() => this.over(1006));
  }

  /** @param {WebTransport} session */
  async begin(session) {
    await session.ready;
    const { readable, writable } = await session.createBidirectionalStream();
    if (this.closed) return session.close();
    this.writer = writable.getWriter();
    this.opened = true;
    this.onopen?.({});
    this.readDatagrams(session).catch(() => {}); // the close is told by itself
    for await (const chunk of chunks(readable)) this.took(chunk);
    this.over(1006);
  }

  /** @param {WebTransport} session */
  async readDatagrams(session) {
    for await (const datagram of chunks(session.datagrams.readable)) if (!this.closed) this.ondatagram?.(datagram);
  }

  /** @param {Uint8Array<ArrayBuffer>} chunk */
  took(chunk) {
    let { bytes } = this;
    if (bytes.length > 0) {
      const both = new Uint8Array(bytes.length + chunk.length);
      both.set(bytes);
      both.set(chunk, bytes.length);
      bytes = both;
    } else {
      bytes = chunk;
    }
    let at = 0;
    while (!this.closed) {
      const head = headOf(bytes, at);
      if (!head) break;
      if (head.length === 0) {
        if (bytes.length < at + 3) break;
        this.session?.close();
        return this.over(bytes[at + 1] | (bytes[at + 2] << 8));
      }
      if (head.length > MOST_BYTES) return this.close(1009);
      const end = head.from + head.length;
      if (bytes.length < end) break;
      this.onmessage?.({ data: bytes.subarray(head.from, end) });
      at = end;
    }
    this.bytes = bytes.slice(at);
  }

  /** @param {string | Uint8Array<ArrayBuffer>} data */
  send(data) {
    if (!this.writer || this.closed || typeof data === "string") return;
    const head = [];
    let rest = data.length;
    for (; rest >= 0x80; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
    head.push(rest);
    const out = new Uint8Array(head.length + data.length);
    out.set(head);
    out.set(data, head.length);
    this.writer.write(out).catch(() => {}); // the close is told by itself
  }

  /** What was sent goes out first. @param {number} code */
  close(code) {
    const { session, writer } = this;
    this.over(code);
    if (!session) return;
    const hangUp = () => {
      try {
        session.close({ closeCode: code });
      } catch {
        // It was never open.
      }
    };
    if (!writer) return hangUp();
    const timer = setTimeout(hangUp, FLUSH_MS);
    writer.close().catch(() => {}).finally(() => {
      clearTimeout(timer);
      hangUp();
    });
  }

  /** @param {number} code */
  over(code) {
    if (this.closed) return;
    this.closed = true;
    queueMicrotask(() => this.onclose?.({ code }));
  }
}

/** @param {Uint8Array} bytes @param {number} at @returns {{from: number, length: number} | null} null: not all there */
function headOf(bytes, at) {
  let length = 0;
  for (let n = 0; n < 5; n++) {
    if (at + n >= bytes.length) return null;
    length += (bytes[at + n] & 0x7f) * 2 ** (7 * n);
    if (bytes[at + n] < 0x80) return { from: at + n + 1, length };
  }
  return { from: at, length: Infinity };
}

/** @param {ReadableStream<Uint8Array<ArrayBuffer>>} readable */
async function* chunks(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
