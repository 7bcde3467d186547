// Counting and time: the write limit to the write, X-KV-Writes, times to live to the second, and lists page by page.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectError, start, until } from './lib.mjs';

const put = (kv, path, body = '1', as = kv.apiKey) => kv.request('PUT', path, { as, body });
const remove = (kv, path) => kv.request('DELETE', path);
const number = (answer) => Number(answer.headers['x-kv-writes']);

/** The N requests MAKE(i) at once over some connections; the answers, and how long it took until the last of them. */
async function burst(kv, n, make, connections = 16) {
  const requests = Array.from({ length: n }, (_, i) => make(i));
  const started = performance.now();
  const answers = (await Promise.all(Array.from({ length: connections }, (_, c) => {
    const part = requests.filter((_, i) => i % connections === c);
    return kv.talk(part.join(''), { n: part.length });
  }))).flat();
  return { answers, ms: performance.now() - started };
}

/**
 * A burst that was over within a second of its beginning, so that one window saw all of it. On a machine that is busy
 * with other things a try may take longer: then again, with another key.
 */
async function burstInOneWindow(kv, n, make, connections) {
  for (let attempt = 0; attempt < 20; attempt++) {
    const { answers, ms } = await burst(kv, n, (i) => make(i, attempt), connections);
    if (ms < 1000) return { answers, attempt };
    await sleep(100);
  }
  throw new Error(`this machine does not do ${n} writes in a second`);
}

describe('the write limit', () => {
  let kv;
  before(async () => { kv = await start({ write_limit: 50, workers: 2 }); });
  after(() => kv?.stop());

  test('of 120 writes to a key inside one second exactly 50 pass, over all workers', async () => {
    const { answers, attempt } = await burstInOneWindow(kv, 120, (i, k) => put(kv, `/kv/hot-${k}`, `${i}`));
    const passed = answers.filter((answer) => answer.status === 200);
    assert.equal(passed.length, 50);
    assert.deepEqual(passed.map(number).sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i + 1));
    assert.equal(new Set(passed.map((answer) => answer.headers.etag)).size, 50);
    for (const answer of answers.filter((one) => one.status !== 200)) expectError(answer, 429, 'write_limit');
    const now = await kv.ask('GET', `/kv/hot-${attempt}`);
    assert.equal(number(now), 50);
    assert.equal(now.headers.etag, passed.find((answer) => number(answer) === 50).headers.etag);
  });

  test('writes and removals count alike, and a removal of nothing does not count', async () => {
    const { answers } = await burstInOneWindow(kv, 60, (i, k) => (i % 2 ? remove : put)(kv, `/kv/both-${k}`), 1);
    // On one connection their order is ours, and of put, remove, put, remove ... each is a change.
    assert.equal(answers.filter((answer) => answer.status === 200).length, 55);
    assert.deepEqual(answers.slice(0, 50).map((answer) => answer.status), Array(50).fill(200));
    // Behind the limit the key is gone: a put is refused, a removal finds nothing.
    assert.deepEqual(answers.slice(50).map((answer) => answer.status),
      Array.from({ length: 10 }, (_, i) => (i % 2 ? 200 : 429)));
    const nothing = await burst(kv, 120, () => remove(kv, '/kv/never-written'));
    assert.ok(nothing.answers.every((answer) => answer.status === 200));
  });

  test('a refused removal removes nothing', async () => {
    const { answers, attempt } = await burstInOneWindow(kv, 51, (i, k) =>
      (i < 50 ? put(kv, `/kv/kept-${k}`, `${i}`) : remove(kv, `/kv/kept-${k}`)), 1);
    expectError(answers[50], 429, 'write_limit');
    assert.equal((await kv.ask('GET', `/kv/kept-${attempt}`)).data, '49');
  });

  test('each key has its own limit, and each project its own keys', async () => {
    const other = await kv.makeProject('other');
    const { answers } = await burstInOneWindow(kv, 150, (i, k) => (i % 3 === 2
      ? put(kv, `/kv/own-0-${k}`, '1', other.apiKey) : put(kv, `/kv/own-${i % 3}-${k}`)));
    assert.ok(answers.every((answer) => answer.status === 200), 'three times 50, none of them one too many');
  });

  test('what is refused for another reason does not count', async () => {
    const { answers } = await burstInOneWindow(kv, 150, (i, k) => put(kv, `/kv/bad-${k}`, i < 100 ? 'nope' : '1'), 1);
    assert.deepEqual(answers.map((answer) => answer.status), [...Array(100).fill(400), ...Array(50).fill(200)]);
  });

  test('reads are not limited, and after Retry-After writing goes on', async () => {
    const { attempt } = await burstInOneWindow(kv, 60, (i, k) => put(kv, `/kv/again-${k}`));
    const reads = await burst(kv, 200, () => kv.request('GET', `/kv/again-${attempt}`));
    assert.ok(reads.answers.every((answer) => answer.status === 200));
    await sleep(1000);
    const answer = await kv.ask('PUT', `/kv/again-${attempt}`, { body: '2' });
    assert.equal(answer.status, 200);
    assert.equal(number(answer), 51);
  });

  test('without a limit every write passes and is counted', async () => {
    await kv.ask('PUT', '/kv/counted', { body: '0' });
    await kv.stopServer();
    kv.configure({ write_limit: 0 });
    await kv.startServer();
    const free = await kv.makeProject('free');
    const { answers } = await burst(kv, 1500, () => put(kv, '/kv/counted', '1', free.apiKey));
    assert.ok(answers.every((answer) => answer.status === 200));
    assert.deepEqual(answers.map(number).sort((a, b) => a - b), Array.from({ length: 1500 }, (_, i) => i + 1));
  });
});

describe('the limit as shipped, and the counter', () => {
  let kv;
  before(async () => { kv = await start({ workers: 2 }, { clock: true }); });
  after(() => kv?.stop());

  test('of 1,100 writes to a key inside one second exactly 1,000 pass', async () => {
    const { answers, attempt } = await burstInOneWindow(kv, 1100, (i, k) => put(kv, `/kv/hot-${k}`, `${i}`));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1000);
    for (const answer of answers.filter((one) => one.status !== 200)) expectError(answer, 429, 'write_limit');
    assert.equal(number(await kv.ask('GET', `/kv/hot-${attempt}`)), 1000);
    const before_it = await kv.ask('GET', `/kv/hot-${attempt}`);
    await kv.restart();
    const now = await kv.ask('GET', `/kv/hot-${attempt}`);
    assert.deepEqual([now.data, now.headers.etag, number(now)], [before_it.data, before_it.headers.etag, 1000]);
    await kv.kill9Server();
    assert.equal(number(await kv.ask('PUT', `/kv/hot-${attempt}`, { body: '1' })), 1001);
  });

  test('the counter begins again with the key', async () => {
    const write = async () => number(await kv.ask('PUT', '/kv/counted', { body: '1' }));
    assert.deepEqual([await write(), await write(), await write()], [1, 2, 3]);
    await kv.ask('DELETE', '/kv/counted');
    assert.deepEqual([await write(), await write()], [1, 2]);
    expectError(await kv.ask('PUT', '/kv/counted', { body: 'nope' }), 400, 'bad_json');
    assert.equal(await write(), 3);
    const [got, head] = [await kv.ask('GET', '/kv/counted'), await kv.ask('HEAD', '/kv/counted')];
    for (const name of ['etag', 'x-kv-writes', 'content-type', 'content-length', 'cache-control',
      'access-control-allow-origin', 'access-control-expose-headers'])
      assert.equal(head.headers[name], got.headers[name], name);
    assert.equal(head.body.length, 0);
    assert.match(got.headers.etag, /^"[^"]+"$/);
  });

  test('versions and counters go on when the clock is set back, over a restart too', async () => {
    const write = async () => {
      const { headers } = await kv.ask('PUT', '/kv/clock', { body: '1' });
      return [Number(headers.etag.slice(1, -1)), Number(headers['x-kv-writes'])];
    };
    try {
      const [first] = await write();
      kv.setClock(86_400);
      const [ahead, two] = await write();
      assert.deepEqual([ahead > first, two], [true, 2]);
      kv.setClock(0);
      const [behind, three] = await write();
      assert.deepEqual([behind > ahead, three], [true, 3]);
      await kv.restart();
      // Nothing waits for the clock to come to where it was.
      assert.equal((await kv.ask('GET', '/kv/clock')).headers.etag, `"${behind}"`);
      const [again, four] = await write();
      assert.deepEqual([again > behind, four], [true, 4]);
    } finally {
      kv.setClock(0);
    }
  });

  test('the ETag changes with every write, an equal one too, and with nothing else', async () => {
    const etag = async () => (await kv.ask('GET', '/kv/tagged')).headers.etag;
    const seen = new Set();
    for (let i = 0; i < 5; i++) {
      await kv.ask('PUT', '/kv/tagged', { body: '1' });
      seen.add(await etag());
      assert.equal(await etag(), await etag());
    }
    assert.equal(seen.size, 5);
    await kv.ask('DELETE', '/kv/tagged');
    await kv.ask('PUT', '/kv/tagged', { body: '1' });
    assert.ok(!seen.has(await etag()), 'not even after a removal does one come back');
  });
});
