/**
 * Which way to a game server: WebTransport where it is wished, the browser has it and the server offers it; else,
 * or if that does not come about, WebSocket. Whoever asked sees one socket and no difference.
 * @module
 */

import { StreamSocket } from "./stream_socket.js";

/** How long WebTransport may take to open before WebSocket is taken, ms. */
export const OPEN_TIMEOUT_MS = 2_500;

/**
 * How a server is reached by WebTransport.
 * @typedef {object} Offer
 * @property {string} url `https://…`
 * @property {Uint8Array[]} hashes SHA-256 of the certificates that may be met; none: one that any browser believes
 *
 * @typedef {typeof globalThis.WebSocket} Sockets
 * @typedef {typeof globalThis.WebTransport} Transports
 *
 * What a connection needs of a socket.
 * @typedef {object} Socket
 * @property {(data: string | Uint8Array<ArrayBuffer>) => void} send
 * @property {(code: number) => void} close
 * @property {BinaryType} binaryType
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {((datagram: Uint8Array) => void) | null} [ondatagram] what came apart; where there is such a way
 */

/** The ways of one page. */
export class Ways {
  /** @param {Sockets} Sockets @param {Transports | undefined} Transports undefined: WebSocket alone */
  constructor(Sockets, Transports) {
    this.Sockets = Sockets;
    this.Transports = Transports;
    /** WebTransport did not come about: it is not tried again, a browser holds on to what failed. */
    this.failed = false;
  }

  /** @param {string} url @param {Offer | null} offer @returns {Socket} */
  dial(url, offer) {
    const { Sockets, Transports } = this;
    if (!offer || !Transports || this.failed) return new Sockets(url);
    return new EitherSocket(this, url, offer, Transports);
  }
}

/** A session if it opens in time, else a WebSocket. @implements {Socket} */
class EitherSocket {
  /** @param {Ways} ways @param {string} url @param {Offer} offer @param {Transports} Transports */
  constructor(ways, url, offer, Transports) {
    this.ways = ways;
    this.url = url;
    /** @type {BinaryType} */
    this.binaryType = "arraybuffer";
    this.onopen = this.onmessage = this.onclose = this.onerror = /** @type {((event: any) => void) | null} */ (null);
    /** @type {((datagram: Uint8Array) => void) | null} */
    this.ondatagram = null;
    /** Something was heard: the way is good. */
    this.heard = false;
    this.timer = setTimeout(() => this.fallBack(), OPEN_TIMEOUT_MS);
    /** The one that is used now. @type {Socket | StreamSocket} */
    this.inner = new StreamSocket(offer, Transports);
    this.inner.onopen = (event) => {
      clearTimeout(this.timer);
      this.onopen?.(event);
    };
    this.inner.onmessage = (event) => {
      this.heard = true;
      this.onmessage?.(event);
    };
    this.inner.ondatagram = (datagram) => this.ondatagram?.(datagram);
    this.inner.onclose = (event) => {
      if (!this.opened) return this.fallBack();
      // It opened and then nothing went through: the next one takes the other way.
      if (!this.heard && event.code === 1006) this.ways.failed = true;
      this.onclose?.(event);
    };
  }

  get opened() {
    return this.inner instanceof StreamSocket && this.inner.opened;
  }

  get transport() {
    return this.inner instanceof StreamSocket ? "webtransport" : "websocket";
  }

  fallBack() {
    clearTimeout(this.timer);
    this.ways.failed = true;
    const failed = this.inner;
    failed.onopen = failed.onmessage = failed.onclose = null;
    failed.close(1000);
    const socket = new this.ways.Sockets(this.url);
    this.inner = socket;
    socket.binaryType = this.binaryType;
    socket.onopen = (event) => this.onopen?.(event);
    socket.onmessage = (event) => this.onmessage?.(event);
    socket.onclose = (event) => this.onclose?.(event);
    socket.onerror = (event) => this.onerror?.(event);
  }

  /** @param {string | Uint8Array<ArrayBuffer>} data */
  send(data) {
    this.inner.send(data);
  }

  /** @param {number} code */
  close(code) {
    clearTimeout(this.timer);
    if (this.inner instanceof StreamSocket && !this.opened) this.inner.onclose = (event) => this.onclose?.(event);
    this.inner.close(code);
  }
}

/** By which way a socket goes. @param {Socket | null} socket @returns {"webtransport" | "websocket"} */
export function transportOf(socket) {
  return socket instanceof EitherSocket && socket.transport === "webtransport" ? "webtransport" : "websocket";
}
