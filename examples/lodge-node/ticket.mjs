// The check of a ticket: a JSON Web Token signed with Ed25519, for this server, alive, and used once.
// Needs nothing but node:crypto; the keys are a JSON Web Key Set.

import { createPublicKey, verify } from 'node:crypto';

/** Longest ticket that is looked at, bytes. */
const MAX_BYTES = 1024;
/** Longest life of a ticket, seconds. */
const LIFE_S = 30;
/** How far two clocks may differ, seconds. */
const SKEW_S = 2;

/** An expected «no»: a stable code and a sentence. */
export class Refusal extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

/** Remembers the tickets that were used, until they would be refused for their age. */
export class Tickets {
  /** Ticket id to the second at which it may be forgotten. */
  #used = new Map();

  /**
   * Checks a ticket and marks it as used.
   * @param {unknown} ticket the text that the client sent
   * @param {{keys: object[]}} keySet central's public keys
   * @param {string} audience `<server>/<incarnation>` of this server
   * @param {number} nowS seconds since 1970
   * @returns {{sub: string, name: string, jti: string, exp: number}} what it says
   * @throws {Refusal} ticket_invalid, ticket_expired, ticket_foreign or ticket_used
   */
  use(ticket, keySet, audience, nowS = Date.now() / 1000) {
    const claims = read(ticket, keySet);
    if (claims.exp + SKEW_S < nowS || claims.iat > nowS + SKEW_S || claims.exp > claims.iat + LIFE_S) {
      throw new Refusal('ticket_expired', "this ticket's time is over");
    }
    if (!audience || claims.aud !== audience) {
      throw new Refusal('ticket_foreign', 'this ticket is for another server');
    }
    for (const [jti, until] of this.#used) {
      if (until < nowS) this.#used.delete(jti);
    }
    if (this.#used.has(claims.jti)) throw new Refusal('ticket_used', 'this ticket was used before');
    this.#used.set(claims.jti, claims.exp + SKEW_S);
    return claims;
  }
}

function read(ticket, keySet) {
  const invalid = new Refusal('ticket_invalid', 'this ticket is not valid');
  if (typeof ticket !== 'string' || ticket.length > MAX_BYTES) throw invalid;
  const parts = ticket.split('.');
  if (parts.length !== 3) throw invalid;
  const [header, claims] = parts.slice(0, 2).map((part) => {
    try {
      return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    } catch {
      throw invalid;
    }
  });
  const key = header?.alg === 'EdDSA' && keySet?.keys?.find((one) => one.kid === header.kid);
  if (!key || key.kty !== 'OKP' || key.crv !== 'Ed25519') throw invalid;
  const publicKey = createPublicKey({ key, format: 'jwk' });
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  if (!verify(null, signed, publicKey, Buffer.from(parts[2], 'base64url'))) throw invalid;
  const whole = (value) => Number.isSafeInteger(value);
  if (claims?.iss !== 'pangea' || !whole(claims.iat) || !whole(claims.exp)) throw invalid;
  if (typeof claims.jti !== 'string' || typeof claims.sub !== 'string') throw invalid;
  return claims;
}
