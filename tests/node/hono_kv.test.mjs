// A leaderboard and a session store with Hono and createKV(c.env.KV), unmodified, in workerd with TMA KV behind it;
// who the user is says a token of ours.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { device, start } from './lib.mjs';
import { restOf } from './rest.mjs';
import { startWorkerd } from './workerd.mjs';

let kv, rest, worker;
before(async () => {
  kv = await start();
  rest = await restOf(kv);
  const { outputFiles: [bundle] } = await build({
    entryPoints: [fileURLToPath(new URL('hono_app.mjs', import.meta.url))],
    bundle: true, format: 'esm', conditions: ['workerd'], write: false, logLevel: 'warning',
  });
  const jwks = (await kv.ask('GET', '/.well-known/jwks.json', { as: null })).text;
  worker = await startWorkerd(kv, bundle.text, { bindings: `, (name = "TMA_JWKS", text = ${JSON.stringify(jwks)})` });
});
after(async () => {
  await worker?.stop();
  await kv?.stop();
});

/** A player's page: signs in with the SDK, then speaks to the Worker with its token. */
async function player(id, first_name) {
  const { createTMA } = await device();
  const tma = createTMA({ apiUrl: kv.url });
  const { jwt } = await tma.auth.validate(kv.initData({ id, first_name }), kv.projectId);
  const call = (method, path, body) => worker.ask(method, path, { as: jwt, body: body && JSON.stringify(body) });
  return { tma, call };
}

test('players see each other on the board, the best first', async () => {
  const [ada, vika] = [await player(7_000_000_123, 'Ada'), await player(8, 'Вика')];
  assert.deepEqual((await ada.call('POST', '/scores', { points: 40 })).json, { best: 40 });
  assert.deepEqual((await vika.call('POST', '/scores', { points: 70 })).json, { best: 70 });
  assert.deepEqual((await ada.call('POST', '/scores', { points: 30 })).json, { best: 40 });
  assert.deepEqual((await ada.call('POST', '/scores', { points: 55 })).json, { best: 55 });
  const board = [{ name: 'Вика', points: 70 }, { name: 'Ada', points: 55 }];
  assert.deepEqual((await worker.ask('GET', '/scores')).json, board);
  // The page reads what the Worker wrote, and the other way round.
  assert.deepEqual(await ada.tma.kv.get('score:7000000123'), { name: 'Ada', points: 55 });
  await vika.tma.kv.set('score:9', { name: 'Guest', points: 60 });
  assert.equal((await worker.ask('GET', '/scores')).json[1].name, 'Guest');
  assert.equal((await vika.call('DELETE', '/scores')).status, 204);
  assert.deepEqual((await worker.ask('GET', '/scores')).json.map((one) => one.name), ['Guest', 'Ada']);
});

test('a session is kept for an hour, from its last change on', async () => {
  const { call } = await player(7, 'Ada');
  const { id } = (await call('POST', '/sessions', {})).json;
  const key = `session:${id}`;
  assert.deepEqual((await call('GET', `/sessions/${id}`)).json, { user: 7, cart: [] });
  const { expiration } = await rest.find(key);
  const left = expiration - Math.floor(Date.now() / 1000);
  assert.ok(left > 3590 && left <= 3600, `${left}`);
  for (const item of ['tea', 'cake']) await call('POST', `/sessions/${id}/cart`, { item });
  assert.deepEqual((await call('GET', `/sessions/${id}`)).json.cart, [{ item: 'tea' }, { item: 'cake' }]);
  assert.ok((await rest.find(key)).expiration >= expiration);
  assert.equal((await call('GET', '/sessions/never-begun')).status, 404);
});

test('who has no token of ours is nobody', async () => {
  assert.equal((await worker.ask('POST', '/scores', { body: '{"points":1}' })).status, 401);
  assert.equal((await worker.ask('POST', '/scores', { as: kv.apiKey, body: '{"points":1}' })).status, 401);
  const { call } = await player(10, 'Eve');
  assert.equal((await call('POST', '/scores', { points: 1 })).status, 200);
});

test('a kill -9 of the server in between costs nobody a point', async () => {
  const { call } = await player(11, 'Sam');
  for (let points = 1; points <= 5; points++) {
    assert.deepEqual((await call('POST', '/scores', { points })).json, { best: points });
    await kv.kill9Server();
  }
  assert.deepEqual((await call('POST', '/scores', { points: 0 })).json, { best: 5 });
});
