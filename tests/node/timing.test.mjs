// What can be learnt from how long an answer takes, and what a flood does to others. The figures are printed and are no
// gate: they fail only when nothing could be measured. TMAKV_TIMING_N requests of each kind (300; `make check-timing`
// asks for 5,000). That comparisons are constant in time by construction: tests/unit/check_secrets.sh.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADA, fieldsOf, query, waysIn } from './initdata.mjs';
import { expectError, start, until } from './lib.mjs';

const N = Number(process.env.TMAKV_TIMING_N ?? 300);
let kv, signed;
before(async () => {
  kv = await start({ log_level: 'debug' });
  ({ signed } = waysIn(kv));
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
});
after(() => kv?.stop());

/**
 * A kept connection: ask(bytes) answers the status, the text, and how long it took, in microseconds. nginx closes one
 * after a thousand requests; the next one is made before the clock runs.
 */
async function connection(port = kv.port) {
  let socket, done, fail, pieces;
  async function open() {
    socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    pieces = '';
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.on('data', (piece) => {
      pieces += piece.toString('latin1');
      const end = pieces.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(pieces.slice(0, end).match(/\r\ncontent-length: (\d+)/i)?.[1] ?? 0);
      if (pieces.length >= end + 4 + length) done(pieces);
    });
    socket.on('close', () => fail(new Error('the connection was closed')));
    socket.on('error', (error) => fail(error));
  }
  done = fail = () => {};
  await open();
  return {
    async ask(bytes) {
      const began = process.hrtime.bigint();
      const text = await new Promise((resolve, reject) => { done = resolve; fail = reject; socket.write(bytes, 'latin1'); });
      const us = Number(process.hrtime.bigint() - began) / 1000;
      done = fail = () => {};
      pieces = '';
      if (/\r\nconnection: close/i.test(text)) {
        socket.destroy();
        await open();
      }
      return { us, status: Number(text.slice(9, 12)), text };
    },
    end() { socket.destroy(); },
  };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const at = (list, part) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * part))];

/**
 * N of each of the two requests, in turns, so that whatever else the machine does happens to both. Prints both medians,
 * their difference, and what the same request differs from itself, the odd from the even ones.
 */
async function compare(t, what, status, first, second) {
  const one = await connection();
  const times = [[], []];
  for (const bytes of [first, second]) await one.ask(bytes);
  for (let i = 0; i < 2 * N; i++) {
    // 0 1 1 0 0 1 1 0: neither is always the one behind the other.
    const which = ((i + 1) >> 1) & 1;
    const answer = await one.ask(which ? second : first);
    assert.equal(answer.status, status[which], answer.text);
    times[which].push(answer.us);
  }
  one.end();
  const [a, b] = times.map(median);
  const noise = Math.max(...times.map((list) =>
    Math.abs(median(list.filter((_, i) => i % 2)) - median(list.filter((_, i) => i % 2 === 0)))));
  assert.ok(a > 0 && b > 0 && times[0].length === N && times[1].length === N);
  t.diagnostic(`${what}: ${a.toFixed(1)} and ${b.toFixed(1)} us, ${(b - a).toFixed(1)} apart; the same with itself ${noise.toFixed(1)}`);
}

const other = (c) => (c === '0' ? '1' : '0');
const validate = (initData, projectId = kv.projectId) => kv.request('POST', '/sdk/v1/auth/validate',
  { as: null, body: JSON.stringify({ initData, projectId }) });
const tma = (initData, projectId = kv.projectId) => kv.request('GET', '/kv/mine',
  { as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': projectId } });

test('E1: a hash whose first byte is wrong takes as long as one whose last is', async (t) => {
  const good = signed(fieldsOf(ADA));
  const [text, hash] = good.split('&hash=');
  const first = `${text}&hash=${other(hash[0])}${hash.slice(1)}`;
  const last = `${text}&hash=${hash.slice(0, -1)}${other(hash.at(-1))}`;
  await compare(t, 'validate, first and last byte of the hash', [401, 401], validate(first), validate(last));
  await compare(t, 'tma, first and last byte of the hash', [401, 401], tma(first), tma(last));
  await compare(t, 'validate, the same twice', [401, 401], validate(first), validate(first));
});

test('E1: an API key whose first byte is wrong takes as long as one whose last is', async (t) => {
  const key = kv.apiKey;
  const get = (as) => kv.request('GET', '/kv/mine', { as });
  await compare(t, 'API key, first and last byte', [401, 401], get(`tmakv_${key[6] === 'A' ? 'B' : 'A'}${key.slice(7)}`),
    get(key.slice(0, -1) + (key.at(-1) === 'A' ? 'E' : 'A')));
});

test('E2, A12: a project that nobody made takes as long as a bad hash', async (t) => {
  const bad = signed(fieldsOf(ADA)).replace(/hash=.*/, `hash=${'0'.repeat(64)}`);
  await compare(t, 'validate, an unknown project and a bad hash', [403, 401], validate(bad, randomUUID()), validate(bad));
  await compare(t, 'tma, an unknown project and a bad hash', [403, 401], tma(bad, randomUUID()), tma(bad));
});

/** For a moment: what a GET takes while N_CLIENTS send their requests again and again; and all that they were answered. */
async function under(nClients, make, port) {
  const statuses = new Map();
  const texts = new Set();
  let go = true;
  const clients = await Promise.all(Array.from({ length: nClients }, () => connection(port)));
  const flood = Promise.all(clients.map(async (client, i) => {
    const request = make(i);
    while (go) {
      const { status, text } = await client.ask(request);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      texts.add(`${i} ${text.slice(text.indexOf('\r\n\r\n'))}`);
    }
  }));
  const one = await connection();
  const times = [];
  try {
    const until_ms = performance.now() + Math.min(5000, 2 * N);
    while (times.length < 5 || performance.now() < until_ms) {
      const answer = await one.ask(kv.request('GET', '/kv/mine'));
      assert.equal(answer.status, 200);
      times.push(answer.us);
    }
  } finally {
    go = false;
    await flood;
    for (const client of [one, ...clients]) client.end();
  }
  return { times, statuses, texts };
}
const say = (times) => `half of the reads within ${median(times).toFixed(0)} us, 99 % within ${at(times, 0.99).toFixed(0)}`;

test('E3: reads go on while initData with wrong Ed25519 signatures comes in as fast as it can', async (t) => {
  const id = JSON.parse(await kv.ctl(['project', 'create', 'third', '--bot-id', '9900000001', '--json'])).id;
  const calm = await under(0, () => '');
  const bad = `${query(fieldsOf(ADA))}&signature=${'A'.repeat(86)}`;
  const { times, statuses } = await under(16, () => validate(bad, id));
  t.diagnostic(`calm: ${say(calm.times)}; under ${statuses.get(401)} bad signatures: ${say(times)}`);
  assert.deepEqual([...statuses.keys()], [401]);
  assert.ok(at(times, 1) < 5e6);
});

test('E3: with the snippet\'s limits, what is over them is refused before anything is checked', async () => {
  const front = await kv.openFront('limited', (file, text) => (file === 'tmakv-http.conf' || file === 'tmakv.conf'
    ? text.replaceAll(/^(\s*)#(limit_req|map |    |\})/gm, '$1$2') : text));
  const request = validate(`${query(fieldsOf(ADA))}&signature=${'A'.repeat(86)}`);
  const answers = (await Promise.all(Array.from({ length: 20 }, () => kv.talk(request.repeat(10), { n: 10, port: front.port })))).flat();
  const over = answers.filter((answer) => answer.status === 429);
  assert.ok(over.length > 50, `${over.length}`);
  for (const answer of over) expectError(answer, 429, 'rate_limit');
  const within = answers.find((answer) => answer.status !== 429).headers['x-request-id'];
  const log = () => readFileSync(join(kv.dir, 'tmakvd.log'), 'utf8');
  await until('what was let through is in the log', () => log().includes(within));
  const text = log();
  for (const answer of over) assert.ok(!text.includes(answer.headers['x-request-id']));
  await front.end();
});

test('E4, A14: two hundred pages that validate in a loop leave the others\' reads alone', async (t) => {
  const initData = Array.from({ length: 200 }, (_, i) => kv.initData({ id: 5000 + i, first_name: 'Loop' }));
  const calm = await under(0, () => '');
  const { times, statuses, texts } = await under(200, (i) => validate(initData[i]));
  t.diagnostic(`calm: ${say(calm.times)}; under ${statuses.get(200)} validations: ${say(times)}`);
  assert.deepEqual([...statuses.keys()], [200]);
  assert.equal(texts.size, 200, 'each page has one token, however often it asks');
  assert.ok(at(times, 1) < 5e6);
});
