// A game server that calls every verb over REST, by the paths of the reference gateway, and prints what came
// back, one `verb: result` a line. Its output is compared by crates/server/tests/spawner/official.rs.
'use strict';

const WebSocket = require('ws');

const base = `127.0.0.1:${process.env.AGONES_SDK_HTTP_PORT}`;
const say = (verb, result) => console.log(`${verb}: ${JSON.stringify(result)}`);

async function call(method, path, body) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(`http://${base}${path}`, { method, body: method === 'GET' ? undefined : text });
  return [answer.status, await answer.json()];
}

/** Status, and the code of the refusal. */
async function refusal(method, path, body) {
  const [status, error] = await call(method, path, body);
  return [status, error.code, typeof error.message, error.details];
}

/** The parts of an async iterator of bytes as lines. */
async function* linesOf(body) {
  let rest = '';
  for await (const part of body) {
    rest += Buffer.from(part).toString();
    let end;
    while ((end = rest.indexOf('\n')) >= 0) {
      yield JSON.parse(rest.slice(0, end)).result;
      rest = rest.slice(end + 1);
    }
  }
}

/** Names of all fields, nested. */
function shape(value) {
  if (Array.isArray(value)) return value.map(shape);
  if (value === null || typeof value !== 'object') return value === null ? null : typeof value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, shape(value[key])]));
}

async function main() {
  const [status, server] = await call('GET', '/gameserver');
  say('gameserver', [status, server.status.state, server.status.ports[0].port === Number(process.env.PORT)]);
  say('shape', shape(server));
  const lines = linesOf((await fetch(`http://${base}/watch/gameserver`)).body);
  const untilLine = async (holds) => {
    for (;;) {
      const { value } = await lines.next();
      if (holds(value)) return value.status.state;
    }
  };
  const socket = new WebSocket(`ws://${base}/watch/gameserver`);
  const messages = [];
  const onMessage = [];
  socket.on('message', (data) => {
    messages.push(JSON.parse(data).result.status.state);
    onMessage.splice(0).forEach((wake) => wake());
  });
  const untilMessage = async (state) => {
    while (!messages.includes(state)) await new Promise((wake) => onMessage.push(wake));
  };
  await untilMessage('Starting');
  say('watch', await untilLine(() => true));

  say('ready', await call('POST', '/ready', {}));
  say('ready', await call('POST', '/ready', ''));
  say('health', await call('POST', '/health', {}));
  say('no health', await refusal('POST', '/health', ''));
  say('label', await call('PUT', '/metadata/label', { key: 'mode', value: 'duel', unknown: [1] }));
  say('annotation', await call('PUT', '/metadata/annotation', { key: 'note', value: 'two words' }));
  const meta = (await call('GET', '/gameserver'))[1].object_meta;
  say('labels', meta.labels);
  say('note', meta.annotations['agones.dev/sdk-note']);
  say('bad label', await refusal('PUT', '/metadata/label', { key: 'mode', value: 'two words' }));
  say('reserve', await call('POST', '/reserve', { seconds: '1' }));
  say('reserved', await untilLine((now) => now.status.state === 'Reserved'));
  say('reserved', await untilLine((now) => now.status.state === 'Ready'));

  const rooms = '/v1beta1/counters/rooms';
  say('counter', await call('GET', rooms));
  say('counter', await call('PATCH', rooms, { countDiff: 2 }));
  say('counter', await call('PATCH', rooms, { count: '7' }));
  say('counter', await call('PATCH', rooms, { capacity: 8 }));
  say('too many', await refusal('PATCH', rooms, { countDiff: '2' }));
  say('no counter', await refusal('GET', '/v1beta1/counters/nope'));
  const players = '/v1beta1/lists/players';
  say('list', await call('GET', players));
  say('list', await call('POST', `${players}:addValue`, { value: 'ann' }));
  say('list', await call('POST', `${players}:removeValue`, { value: 'test1' }));
  say('twice', await refusal('POST', `${players}:addValue`, { value: 'ann' }));
  say('absent', await refusal('POST', `${players}:removeValue`, { value: 'zoe' }));
  say('list', await call('PATCH', `${players}?updateMask=capacity`, { capacity: '2', values: ['x'] }));
  say('full', await refusal('POST', `${players}:addValue`, { value: 'bob' }));
  say('list', await call('PATCH', `${players}?updateMask=values,capacity`, { capacity: 5, values: ['x', 'y'] }));
  say('too big', await refusal('PATCH', players, { capacity: 1001 }));
  say('no field', await refusal('PATCH', `${players}?updateMask=size`, {}));
  await untilLine((now) => now.status.lists.players?.values.join() === 'x,y');

  say('bad json', await refusal('POST', '/ready', '{'));
  say('bad number', await refusal('POST', '/reserve', { seconds: 'soon' }));
  say('no path', await refusal('GET', '/nope'));
  say('wrong verb', await refusal('DELETE', '/ready', ''));
  say('allocate', await call('POST', '/allocate', {}));
  say('shutdown', await call('POST', '/shutdown', {}));
  await untilMessage('Shutdown');
  say('messages', messages.filter((state, at) => state !== messages[at - 1]));
  process.exit(0);
}

main().catch((error) => {
  console.log(`failed: ${error.stack}`);
  process.exit(1);
});
