// A project whose limit was raised to 25 MiB: values come back byte for byte through the REST and the binding door,
// while others read, write and kill the server; and what passes through it does not stay in its memory.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { expectError, start, until } from './lib.mjs';
import { expectReason, expectResult, expectRestError, multipart, restOf, within } from './rest.mjs';

const MOST = 26_214_400;
// Not repeating: a piece in the wrong place would show.
const piece = (_, i) => createHash('sha256').update(`${i}`).digest();
const bytes = Buffer.concat(Array.from({ length: MOST / 32 + 1 }, piece));

let kv, rest;
before(async () => {
  // A small cache, so that the memory is that of the requests.
  kv = await start({ write_limit: 0, cache_size: '4M', workers: 2 });
  await kv.ctl(['project', 'limit', 'demo', '--value-limit', '25M']);
  rest = await restOf(kv);
});
after(() => kv?.stop());

const atBinding = (method, path, options) => kv.ask(method, path, { socket: kv.binding, ...options });
const put = async (key, body) => expectResult(await rest.ask('PUT', `/values/${key}`, { body }));

test('values up to 26,214,400 bytes come back byte for byte, through both doors, in little memory', async () => {
  await within(kv, 12, async () => { // less than half of one value
    for (const n of [131_073, 262_143, 262_144, 262_145, 524_288, 524_289, 10_000_000, MOST - 1, MOST]) {
      const body = bytes.subarray(0, n);
      const form = multipart([['value', body, '; filename="v"'], ['metadata', '{"n":1}']]);
      expectResult(await rest.ask('PUT', '/values/large', n % 2 ? form : { body }));
      const got = await rest.get('large');
      assert.equal(got.status, 200);
      assert.ok(got.body.equals(body), `${n} by REST`);
      const head = await rest.ask('HEAD', '/values/large');
      assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, `${n}`, 0]);
      assert.equal((await atBinding('PUT', '/large', { body })).status, 200);
      const bound = await atBinding('GET', '/large');
      assert.ok(bound.body.equals(body), `${n} by the binding door`);
    }
  });
});

test('one byte more is 413, and the old value stays', async () => {
  await rest.put('kept', 'old');
  const body = bytes.subarray(0, MOST + 1);
  const text = `Value length of ${MOST + 1} exceeds limit of ${MOST}.`;
  expectRestError(await rest.ask('PUT', '/values/kept', { body }), 413, 10024, `put: '${text}'`);
  expectRestError(await rest.ask('PUT', '/values/kept', multipart([['value', body]])), 413, 10024);
  expectReason(await atBinding('PUT', '/kept', { body }), 413, text);
  assert.equal((await rest.get('kept')).text, 'old');
});

test('a large JSON written here is read by the SDK door, whole', async () => {
  const text = JSON.stringify({ many: Array.from({ length: 300_000 }, (_, i) => `item ${i}`) });
  await put('json', text);
  assert.equal((await kv.ask('GET', '/kv/json')).data, text);
  await put('text', text.slice(0, -1));
  assert.equal(JSON.parse((await kv.ask('GET', '/kv/text')).data), text.slice(0, -1));
  await put('bytes', bytes.subarray(0, 3_000_000));
  expectError(await kv.ask('GET', '/kv/bytes'), 406, 'value_not_json');
});

test('six clients at once with 25 MiB each: all of it is right, in bounded memory, and small requests go on', async () => {
  await rest.put('small', 'here');
  let done = false, small = 0;
  const others = (async () => {
    for (; !done; small++) assert.equal((await rest.get('small')).text, 'here');
  })();
  await within(kv, 40, async () => {
    await Promise.all(Array.from({ length: 6 }, async (_, i) => {
      const body = bytes.subarray(i, MOST - 5 + i);
      await put(`at-once/${i}`, body);
      assert.ok((await rest.get(`at-once/${i}`)).body.equals(body), `${i}`);
    }));
  });
  done = true;
  await others;
  assert.ok(small > 10, `${small} small requests meanwhile`);
});

test('who reads while others write gets one value whole, never a mixture', async () => {
  // Each byte of a value says which one it is; large ones of many chunks, one of a single row, one that needs none.
  const sizes = [1_000_000, 1_100_000, 5_000_000, 300_000, 1_000_000, 100_000, 100];
  const value = (i) => Buffer.alloc(sizes[i], 65 + i);
  await put('mixed', value(0));
  let done = false, reads = 0;
  const seen = new Set();
  const readers = Promise.all(Array.from({ length: 3 }, async () => {
    for (; !done; reads++) {
      const { status, body } = await rest.get('mixed');
      assert.equal(status, 200);
      const said = `a mixture: ${body.length} bytes, first ${body[0]}, last ${body.at(-1)}`;
      assert.ok(body.equals(value(body[0] - 65)), said);
      seen.add(body[0]);
    }
  }));
  for (let round = 0; round < 42; round++) await put('mixed', value(round % sizes.length));
  done = true;
  await readers;
  assert.ok(reads > 10 && seen.size > 1, `${reads} reads of ${seen.size} values`);
});

test('a kill -9 while 25 MiB are written costs no error, and what was written is whole', async () => {
  let midway = 0;
  for (let round = 0; round < 4; round++) {
    const body = bytes.subarray(100 + round, MOST);
    await put('killed', bytes.subarray(0, 5_000_000 + round));
    const read = () => Number(readFileSync(`/proc/${kv.serverPid()}/io`, 'utf8').match(/^rchar: (\d+)/)[1]);
    const was = read();
    let done = false;
    const writing = put('killed', body).then(() => { done = true; });
    await until('the server has read some of it', () => done || read() > was + round * 6_000_000 + 500_000);
    midway += !done;
    await kv.kill9Server();
    await writing;
    assert.ok((await rest.get('killed')).body.equals(body), `round ${round}`);
  }
  assert.ok(midway > 0, 'never in time');
});

test('removed and overwritten values give their room back', async () => {
  const usage = async () => JSON.parse(await kv.ctl(['project', 'show', 'demo', '--json'])).usage;
  const was = await usage();
  await put('room', bytes.subarray(0, MOST));
  assert.equal((await usage()).keys, was.keys + 1);
  assert.ok((await usage()).bytes >= was.bytes + MOST);
  await put('room', 'small');
  assert.ok((await usage()).bytes < was.bytes + 1000);
  expectResult(await rest.ask('DELETE', '/values/room'));
  assert.deepEqual(await usage(), was);
});
