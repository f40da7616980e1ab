// A game server that calls every verb by the official client over gRPC and prints what came back,
// one `verb: result` a line. Its output is compared by crates/server/tests/spawner/official.rs.
'use strict';

const AgonesSDK = require('@google-cloud/agones-sdk');

const sdk = new AgonesSDK();
const say = (verb, result) => console.log(`${verb}: ${JSON.stringify(result)}`);
const codeOf = (promise) => promise.then(() => 'no error', (error) => error.code);

/** States as the watch shows them, and who waits for one. */
const states = [];
const waiting = [];
function seen(server) {
  if (states.at(-1) !== server.status.state) states.push(server.status.state);
  for (const one of waiting.splice(0)) one.holds(server) ? one.done() : waiting.push(one);
}
const until = (holds) => new Promise((done) => waiting.push({ holds, done }));

async function main() {
  await sdk.connect();
  const server = await sdk.getGameServer();
  say('gameserver', [server.status.state, server.status.portsList[0].port === Number(process.env.PORT)]);
  const first = until(() => true);
  sdk.watchGameServer(seen, (error) => say('watch failed', error.message));
  await first;
  say('ready', await sdk.ready());
  sdk.health((error) => say('health failed', error.message));
  sdk.health((error) => say('health failed', error.message));
  const labelled = until((now) => now.objectMeta.labelsMap.length === 1);
  say('setlabel', await sdk.setLabel('mode', 'duel'));
  await labelled;
  say('setannotation', await sdk.setAnnotation('note', 'two words'));
  const meta = (await sdk.getGameServer()).objectMeta;
  say('labels', meta.labelsMap);
  say('annotation', Object.fromEntries(meta.annotationsMap)['agones.dev/sdk-note']);
  say('bad label', await codeOf(sdk.setLabel('mode', 'two words')));

  const reserved = until((now) => now.status.state === 'Reserved');
  say('reserve', await sdk.reserve(1));
  await reserved;
  await until((now) => now.status.state === 'Ready');

  const beta = sdk.beta;
  say('count', await beta.getCounterCount('rooms'));
  await beta.incrementCounter('rooms', 2);
  await beta.decrementCounter('rooms', 1);
  say('count', await beta.getCounterCount('rooms'));
  await beta.setCounterCount('rooms', 7);
  await beta.setCounterCapacity('rooms', 8);
  say('counter', [await beta.getCounterCount('rooms'), await beta.getCounterCapacity('rooms')]);
  say('too many', await codeOf(beta.incrementCounter('rooms', 2)));
  say('no counter', await codeOf(beta.getCounterCount('nope')));

  say('values', await beta.getListValues('players'));
  const counted = until((now) => now.status.listsMap.some(([, list]) => list.valuesList.includes('ann')));
  await beta.appendListValue('players', 'ann');
  await counted;
  await beta.deleteListValue('players', 'test1');
  say('contains', [await beta.listContains('players', 'ann'), await beta.listContains('players', 'test1')]);
  say('twice', await codeOf(beta.appendListValue('players', 'ann')));
  say('absent', await codeOf(beta.deleteListValue('players', 'zoe')));
  await beta.setListCapacity('players', 3);
  say('list', [await beta.getListCapacity('players'), await beta.getListLength('players')]);
  say('full', await codeOf(beta.appendListValue('players', 'bob')));

  const allocated = until((now) => now.status.state === 'Allocated');
  say('allocate', await sdk.allocate());
  await allocated;
  const down = until((now) => now.status.state === 'Shutdown');
  say('shutdown', await sdk.shutdown());
  await down;
  say('states', states);
  process.exit(0);
}

main().catch((error) => {
  console.log(`failed: ${error.stack}`);
  process.exit(1);
});
