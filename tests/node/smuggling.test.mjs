// Bodies that look like FastCGI records. Were an answer sent before its request's body is read to the end, what is left
// of the body would be the next request on that connection, with whatever parameters the client likes (DESIGN 4).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { start } from './lib.mjs';
import { accountOf, namespaceOf, V4 } from './rest.mjs';

let kv, front, namespace;
before(async () => {
  kv = await start();
  await kv.makeProject('other');
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
  namespace = `${V4}/accounts/${await accountOf(kv)}/storage/kv/namespaces/${namespaceOf(kv)}`;
  // One connection to tmakvd, used for everything.
  front = await kv.openFront('single', (file, text) =>
    text.replace('worker_processes auto', 'worker_processes 1').replace('keepalive 256', 'keepalive 1'));
});
after(() => kv?.stop());

const BEGIN = 1, PARAMS = 4, STDIN = 5;
const record = (type, content = '') => {
  const padding = (8 - content.length % 8) % 8;
  const head = [1, type, 0, 1, content.length >> 8, content.length & 255, padding, 0];
  return Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.alloc(padding)]);
};
const length = (n) => (n < 128 ? [n] : [0x80, 0, n >> 8, n & 255]);
const pair = ([name, value]) =>
  Buffer.from([...length(name.length), ...length(value.length), ...Buffer.from(name + value)]);

/** A whole request with a body, that writes KEY or asks for it. Its credentials are good: if it is read, it is obeyed. */
const forged = (key, method = 'PUT') => Buffer.concat([
  record(BEGIN, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0])),
  record(PARAMS, Buffer.concat(Object.entries({
    REQUEST_METHOD: method,
    REQUEST_URI: `/sdk/v1/kv/${key}`,
    CONTENT_LENGTH: '8',
    HTTP_AUTHORIZATION: `Bearer ${kv.apiKey}`,
    TMAKV_DOOR: 'public',
  }).map(pair))),
  record(PARAMS),
  record(STDIN, '"forged"'),
  record(STDIN),
]);

/**
 * SIZE bytes: behind SHIFT of them, over and over, a slide and a forged request at its end. Each eight bytes of the
 * slide are a record of another request, which libfcgi passes over, that has the next eight for content: so it bears
 * whoever begins to read on one of them to its end. Of two shifts that differ by eight one gets there.
 */
const body = (size, shift, key) => {
  const slide = Buffer.alloc(2048, Buffer.from([1, STDIN, 0, 2, 0, 8, 0, 0]));
  const unit = Buffer.concat([slide, forged(key)]);
  const units = Array(Math.ceil(size / unit.length)).fill(unit);
  return Buffer.concat([Buffer.alloc(shift, ' '), ...units]).subarray(0, size);
};

const attacks = [
  // what                         12 kB, 400 kB: the answers
  ['with a bad token',            401, 401, 'PUT', '/kv/target', { as: 'a.b.c' }],
  ['without a token',             401, 401, 'PUT', '/kv/target', { as: null }],
  ['to a bad key',                400, 400, 'PUT', '/kv/%ff'],
  ['to a key that is too long',   414, 414, 'PUT', `/kv/${'k'.repeat(513)}`],
  ['to a path that is none',      400, 400, 'PUT', '/nothing'],
  ['with a bad value',            400, 413, 'PUT', '/kv/target'],
  ['with a wrong method',         405, 405, 'POST', '/kv/target'],
  ['with a method of nobody',     405, 405, 'PURGE', '/kv/target'],
  ['that says it is compressed',  415, 415, 'PUT', '/kv/target', { headers: { 'Content-Encoding': 'gzip' } }],
  ['to another project',          403, 403, 'PUT', '/kv/target', { headers: { 'X-Project-Id': 'other' } }],
  ['to validate',                 400, 413, 'POST', '/sdk/v1/auth/validate'],
  ['behind a read',               200, 200, 'GET', '/kv/mine'],
  ['behind a list',               200, 200, 'GET', '/kv?prefix=mine'],
  ['behind a removal',            200, 200, 'DELETE', '/kv/nothing'],
  ['behind a preflight',          204, 204, 'OPTIONS', '/kv/mine'],
  // At the REST door, where a body may go through a file and other hands.
  ['to a value without a token',  401, 401, 'PUT', () => `${namespace}/values/target`, { as: null }],
  ['to another namespace',        403, 403, 'PUT', () => `${namespace.slice(0, -32)}${'f'.repeat(32)}/values/target`],
  ['to a REST path that is none', 404, 404, 'PUT', () => `${namespace}/nothing`],
  ['to a form that is none',      400, 413, 'PUT', () => `${namespace}/values/target`,
    { headers: { 'Content-Type': 'multipart/form-data; boundary=b' } }],
  ['to a form without boundary',  400, 413, 'PUT', () => `${namespace}/values/target`,
    { headers: { 'Content-Type': 'multipart/form-data' } }],
  ['to a bulk',                   400, 400, 'PUT', () => `${namespace}/bulk`],
  ['to a bulk get',               400, 400, 'POST', () => `${namespace}/bulk/get`],
  ['to a bulk delete',            400, 400, 'DELETE', () => `${namespace}/bulk`],
  ['behind a REST list',          200, 200, 'GET', () => `${namespace}/keys`],
];
for (const [i, [what, small, large, method, path, options]] of attacks.entries())
  for (const [size, status] of [[12_288, small], [409_600, large]])
    test(`${size} bytes of records ${what} are a body, and what follows on that connection is answered`, async () => {
      const ask = (...request) => kv.ask(request[0], request[1], { ...request[2], port: front.port });
      for (let shift = 0; shift < 16; shift++) {
        const answer = await ask(method, typeof path === 'function' ? path() : path, { ...options, body: body(size, shift, `forged-${i}-${size}`) });
        assert.equal(answer.status, status, answer.text);
        for (let again = 0; again < 2; again++) assert.equal((await ask('GET', '/kv/mine')).data, '"here"');
      }
      assert.deepEqual((await ask('GET', `/kv?prefix=forged-${i}-`)).json.data.keys, []);
    });

/** What the server answers to BYTES on a connection of their own, until it closes that; HALF: we send no more. */
async function say(bytes, half) {
  const peer = connect(join(kv.dir, 's'));
  const got = [];
  peer.on('data', (piece) => got.push(piece));
  if (half) peer.end(bytes);
  else peer.write(bytes);
  await once(peer, 'close');
  return Buffer.concat(got).toString('latin1');
}

test('a front server that says more than one request is told nothing, and neither is done', async () => {
  for (const behind of [forged('second'), Buffer.from([1]), forged('second').subarray(0, 40), Buffer.from('GET / HTTP/1.0')])
    assert.equal(await say(Buffer.concat([forged('first'), behind]), false), '');
  for (const key of ['first', 'second']) assert.equal((await kv.ask('GET', `/kv/${key}`)).status, 404);
});

// A read: a write that waits for the disk would be done and not answered, its peer having given up.
test('one that sends no more behind its request is answered, and the connection closed', async () => {
  assert.match(await say(forged('mine', 'GET'), true), /Status: 200 .*"here"/s);
});
