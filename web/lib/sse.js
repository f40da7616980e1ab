/**
 * Server-sent events read off a fetch body (HTML standard §9.2.6), because EventSource cannot POST.
 * @module
 */

/** Longest event that is read, characters. */
const MOST_CHARS = 65_536;

/** @typedef {{event: string, data: string}} ServerEvent */

/** Takes text in pieces of any size, gives whole events. */
export class EventParser {
  constructor() {
    this.line = "";
    this.event = "";
    /** @type {string[]} */
    this.data = [];
    this.size = 0;
    this.afterReturn = false;
  }

  /**
   * @param {string} text the next piece
   * @returns {ServerEvent[]} the events that it completed
   * @throws {RangeError} if an event is too long
   */
  push(text) {
    /** @type {ServerEvent[]} */
    const events = [];
    for (const char of text) {
      const lineFeedOfPair = char === "\n" && this.afterReturn;
      this.afterReturn = char === "\r";
      if (lineFeedOfPair) continue;
      if (char !== "\n" && char !== "\r") {
        this.line += char;
        if (++this.size > MOST_CHARS) throw new RangeError("an event is too long");
        continue;
      }
      const event = this.endLine();
      if (event) events.push(event);
    }
    return events;
  }

  /** @returns {ServerEvent | null} */
  endLine() {
    const line = this.line;
    this.line = "";
    if (line === "") {
      const event = this.data.length > 0 ? { event: this.event || "message", data: this.data.join("\n") } : null;
      this.event = "";
      this.data = [];
      this.size = 0;
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    if (field === "data") this.data.push(value);
    return null;
  }
}

/**
 * The events of a body, as they come.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerEvent, void, void>}
 */
export async function* serverEvents(body) {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
