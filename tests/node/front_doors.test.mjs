// What a front server has to see to by itself (conf/fronts.md): an id for every request, and which door it is.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { frontName, start } from './lib.mjs';

let kv;
before(async () => {
  kv = await start();
  await kv.ask('PUT', '/kv/mine', { body: '{"n":1}' });
});
after(() => kv?.stop());

// Two requests of one id are one to tmakvd: the second write would be answered and not done.
test('no two requests have the same id, on one connection or on many', async () => {
  const ids = [];
  for (let i = 0; i < 50; i++) ids.push((await kv.ask('GET', '/kv/mine')).headers['x-request-id']);
  const many = await Promise.all(Array.from({ length: 100 }, () => kv.ask('GET', '/kv/mine', { agent: false })));
  ids.push(...many.map((answer) => answer.headers['x-request-id']));
  const pipelined = kv.request('GET', '/kv/mine').repeat(20);
  ids.push(...(await kv.talk(pipelined, { n: 20 })).map((answer) => answer.headers['x-request-id']));
  assert.equal(ids.length, 170);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(new Set(ids).size, 170);
});

test('a write that a client sends twice is done twice', async () => {
  for (let i = 1; i <= 20; i++)
    assert.equal((await kv.ask('PUT', '/kv/twice', { body: '1' })).headers['x-kv-writes'], `${i}`);
});

test('the binding door is where it is said to be, and nowhere else', async () => {
  const bound = await kv.ask('GET', '/mine?urlencoded=true', { socket: kv.binding });
  assert.deepEqual([bound.status, bound.text], [200, '{"n":1}']);
  for (const line of ['TMAKV-Door', 'TMAKV_DOOR', 'Tmakv_Door', 'TMAKV-DOOR', 'X-TMAKV-Door', 'HTTP_TMAKV_DOOR']) {
    assert.equal((await kv.ask('GET', '/mine', { headers: { [line]: 'binding' } })).status, 400, line);
    assert.equal((await kv.ask('GET', '/kv/mine', { headers: { [line]: 'operator' } })).data, '{"n":1}', line);
  }
});

test('the operator\'s door says how tmakvd is, and counts nothing for a name that a stranger can lead to it', async () => {
  const get = (path, host) => kv.ask('GET', path, { as: null, port: Number(new URL(kv.operator).port), headers: host ? { Host: host } : {} });
  for (const path of ['/healthz', '/readyz'])
    for (const host of [undefined, 'balancer.example']) assert.deepEqual([(await get(path, host)).status, (await get(path, host)).text], [200, 'ok\n']);
  for (const host of [undefined, '127.0.0.1', 'localhost:8481', '[::1]:8481']) {
    const answer = await get('/metrics', host);
    assert.equal(answer.status, 200, host);
    assert.match(answer.text, /^tmakv_requests_total\{/m);
  }
  for (const host of ['evil.example', 'evil.example:8481', '127.0.0.1.evil.example']) {
    const answer = await get('/metrics', host);
    assert.ok([403, 421].includes(answer.status), `${host}: ${answer.status}`);
    assert.doesNotMatch(answer.text, /tmakv_/);
  }
  assert.equal((await get('/kv/mine')).status, 404);
});

test('the words of an error reach a Worker, behind its status', async () => {
  const answer = await kv.ask('PUT', '/k', { socket: kv.binding, body: 'x'.repeat(131_073) });
  assert.deepEqual([answer.status, answer.reason], [413, 'Value length of 131073 exceeds limit of 131072.']);
});

test('HEAD has the length and no body, and the connection goes on', async () => {
  const answers = await Promise.all([kv.ask('HEAD', '/kv/mine'), kv.ask('GET', '/kv/mine')]);
  assert.deepEqual(answers.map((answer) => [answer.status, answer.body.length > 0]), [[200, false], [200, true]]);
  assert.equal(answers[0].headers.etag, answers[1].headers.etag);
});

// Half a body on many connections: they wait at the front server and hold nothing up. Apache has a thread for each, 25
// in a process, and whoever else is connected to one that has no more waits for the slow ones.
test('clients that are slow to send do not keep others waiting', async () => {
  const half = kv.request('PUT', '/kv/slow', { body: '"h', headers: { 'Content-Length': 1000 } });
  const sockets = await Promise.all(Array.from({ length: frontName === 'apache' ? 10 : 50 }, () => new Promise((resolve, reject) => {
    const socket = connect(kv.port, '127.0.0.1', () => socket.write(Buffer.from(half, 'latin1'), () => resolve(socket)));
    socket.on('error', reject);
  })));
  try {
    for (let i = 0; i < 20; i++) assert.equal((await kv.ask('GET', '/kv/mine')).data, '{"n":1}');
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  assert.equal((await kv.ask('GET', '/kv/slow')).status, 404);
});
