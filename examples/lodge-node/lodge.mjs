// The lodge: a room to talk in, as a game server of its own. It knows the Agones SDK and the check of a
// ticket, and nothing else of Pangea. See README.md.

import { createServer } from 'node:http';
import AgonesSDK from '@google-cloud/agones-sdk';
import { WebSocketServer } from 'ws';
import { Refusal, Tickets } from './ticket.mjs';

/** Time to show a ticket, ms. */
const HELLO_MS = 10_000;
/** Longest message of a client, bytes. */
const MAX_MESSAGE_BYTES = 4_096;
/** Most messages of a client per second; more ends its connection. */
const MESSAGES_PER_SECOND = 20;
/** Most connections that have not shown a ticket. */
const MAX_STRANGERS = 256;
/** Most bytes that wait for a slow client; more ends its connection. */
const MAX_WAITING_BYTES = 1 << 20;
/** How long a client may take to close its side, ms. */
const CLOSE_MS = 2_000;
/** Closes with a refusal in JSON as its reason. */
const CLOSE_REFUSED = 4000;

const sdk = new AgonesSDK();
const tickets = new Tickets();
/** Character id → { name, socket, listed }; listed: the spawner's list has had him. */
const guests = new Map();
let strangers = 0;
/** The bell that everybody can ring. */
let rings = 0;
/** What the spawner says of this server: annotations and state. */
let server = { annotations: {}, state: 'Starting', seats: 0 };

function onServer(now) {
  const annotations = Object.fromEntries(now.objectMeta.annotationsMap);
  const players = new Map(now.status.listsMap).get('players');
  server = { annotations, state: now.status.state, seats: players ? players.capacity : 0 };
  const listed = new Set(players?.valuesList);
  for (const [character, guest] of guests) {
    if (listed.has(character)) guest.listed = true;
    else if (guest.listed) refuse(guest.socket, 'session_ended', 'your login has ended, or you went elsewhere');
  }
  if (server.state === 'Shutdown') stop();
}

/** The SDK list `players` says who is here; one change after the other, so that none overtakes another. */
let presence = Promise.resolve();
function tellPresence(change) {
  presence = presence.then(change).catch((error) => console.error(`presence: ${error.message}`));
}

function say(socket, message) {
  if (socket.bufferedAmount > MAX_WAITING_BYTES) socket.terminate();
  else socket.send(JSON.stringify(message));
}

function sayAll(message) {
  for (const guest of guests.values()) say(guest.socket, message);
}

function refuse(socket, code, text) {
  socket.close(CLOSE_REFUSED, JSON.stringify({ code, text }));
  setTimeout(() => socket.terminate(), CLOSE_MS).unref();
}

function read(data) {
  try {
    const message = JSON.parse(data.toString());
    return message !== null && typeof message === 'object' ? message : {};
  } catch {
    throw new Refusal('protocol', 'a message is one JSON object');
  }
}

/** The first message: the ticket. Returns the character's id. */
function enter(socket, message) {
  if (server.state !== 'Allocated') throw new Refusal('stopping', 'this server takes nobody');
  const keys = JSON.parse(server.annotations['pangea.dev/ticket-keys'] ?? '{"keys":[]}');
  const claims = tickets.use(message.ticket, keys, server.annotations['pangea.dev/audience']);
  const before = guests.get(claims.sub);
  if (!before && guests.size >= server.seats) throw new Refusal('server_full', 'the lodge is full');
  guests.set(claims.sub, { name: claims.name, socket, listed: before?.listed ?? false });
  if (before) {
    refuse(before.socket, 'session_ended', 'you came in again elsewhere');
  } else {
    tellPresence(() => sdk.beta.appendListValue('players', claims.sub));
    sayAll({ came: claims.name });
  }
  const here = [...guests.values()].map((guest) => guest.name);
  say(socket, { welcome: { name: claims.name, character: claims.sub, here, rings } });
  return claims.sub;
}

function leave(character, socket) {
  const guest = guests.get(character);
  if (guest?.socket !== socket) return;
  guests.delete(character);
  tellPresence(() => sdk.beta.deleteListValue('players', character));
  sayAll({ left: guest.name });
}

/** A guest says something, or rings the bell. */
function act(character, message) {
  const { name } = guests.get(character) ?? {};
  if (typeof message.say === 'string' && message.say.length <= 500) {
    sayAll({ said: message.say, by: name });
  } else if (message.ring === true) {
    rings += 1;
    sayAll({ rings, by: name });
  } else {
    throw new Refusal('protocol', 'say {"say":"…"} or {"ring":true}');
  }
}

function onConnection(socket) {
  if (strangers >= MAX_STRANGERS) return refuse(socket, 'too_many_requests', 'too many strangers at the door');
  strangers += 1;
  let character = null;
  let messages = 0;
  const tooLate = setTimeout(() => refuse(socket, 'ticket_invalid', 'no ticket was shown'), HELLO_MS);
  const refill = setInterval(() => (messages = 0), 1_000);
  const known = () => {
    clearTimeout(tooLate);
    strangers -= 1;
  };
  socket.on('message', (data) => {
    if (socket.readyState !== socket.OPEN) return;
    try {
      messages += 1;
      if (messages > MESSAGES_PER_SECOND) throw new Refusal('too_many_requests', 'slower, please');
      if (character === null) {
        character = enter(socket, read(data));
        known();
      } else {
        act(character, read(data));
      }
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      refuse(socket, error.code ?? 'internal', error instanceof Refusal ? error.message : 'that went wrong');
    }
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    clearInterval(refill);
    if (character === null) known();
    else leave(character, socket);
  });
}

let stopping = false;
function stop() {
  if (stopping) return;
  stopping = true;
  for (const guest of guests.values()) refuse(guest.socket, 'stopping', 'the lodge closes');
  http.close();
  setTimeout(() => process.exit(0), 500);
}

const http = createServer((_, answer) => answer.writeHead(404).end());
const sockets = new WebSocketServer({ server: http, path: process.env.LODGE_PATH ?? '/play', maxPayload: MAX_MESSAGE_BYTES });
sockets.on('connection', onConnection);
process.on('SIGTERM', stop);

await sdk.connect();
const port = (await sdk.getGameServer()).status.portsList[0].port;
/** While the spawner is away the watch ends; it begins again with the state by then. */
function watch() {
  let ended = false;
  sdk.watchGameServer(onServer, () => {
    if (!ended) setTimeout(watch, 500);
    ended = true;
  });
}
watch();
http.listen(port, process.env.HOST ?? '127.0.0.1', async () => {
  await sdk.ready();
  console.log(`the lodge listens on port ${port}`);
});
setInterval(beat, 2_000);
beat();

/** A stream of its own for each beat: a longer one does not survive a restart of the spawner. */
function beat() {
  sdk.healthStream?.end();
  sdk.healthStream = undefined;
  sdk.health(() => {});
}
