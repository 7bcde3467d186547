// Times to live: who may set them, from when on they may lie, and that nobody sees a key a moment too long.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectError, start, until } from './lib.mjs';

const now = () => Math.floor(Date.now() / 1000);
/** The beginning of a second, so that the next few requests fall into it. */
const freshSecond = async () => {
  while (Date.now() % 1000 > 300) await sleep(20);
  return now();
};
const expirationOf = async (kv, name) => {
  const { keys } = (await kv.ask('GET', `/kv?prefix=${name}`)).json.data;
  return keys.find((key) => key.name === name)?.expiration;
};
const usage = async (kv) => JSON.parse(await kv.ctl(['project', 'show', 'demo', '--json'])).usage;

describe('with the shortest time to live that Cloudflare KV allows', () => {
  let kv, user;
  before(async () => {
    kv = await start({ write_limit: 0 }, { clock: true });
    user = await kv.signIn();
  });
  after(() => kv?.stop());
  const put = (query, options = {}) => kv.ask('PUT', `/kv/ttl${query}`, { body: '1', ...options });

  test('60 seconds are enough, 59 are not, and the list says when they are over', async () => {
    const t = await freshSecond();
    for (const ttl of [60, 61, 3600, 31_536_000, 2_147_483_647]) {
      assert.equal((await put(`?expirationTtl=${ttl}`)).data, 'null');
      assert.equal(await expirationOf(kv, 'ttl'), t + ttl);
    }
    for (const at of [t + 60, t + 61, 4_102_444_800]) {
      assert.equal((await put(`?expiration=${at}`)).data, 'null');
      assert.equal(await expirationOf(kv, 'ttl'), at);
    }
    const was = await kv.ask('GET', '/kv/ttl');
    expectError(await put('?expirationTtl=59'), 400, 'bad_request');
    expectError(await put(`?expiration=${t + 59}`), 400, 'bad_request');
    const is = await kv.ask('GET', '/kv/ttl');
    assert.equal(is.headers.etag, was.headers.etag);
    assert.equal(await expirationOf(kv, 'ttl'), 4_102_444_800);
  });

  test('what is no number of seconds is refused, and nothing is written', async () => {
    await put('');
    const was = await kv.ask('GET', '/kv/ttl');
    for (const value of ['x', '-60', '0', '1', '60.5', '6e1', '0x3c', '+60', '%2B60', '60%20', '%2060', '60s',
      '%d9%a6%d9%a0', 'null', 'NaN', '2147483648', '99999999999999999999', '%00', '60%00', '%ff', '%zz'])
      for (const name of ['expirationTtl', 'expiration'])
        if (name === 'expirationTtl' || value.length < 10)
          expectError(await put(`?${name}=${value}`), 400, 'bad_request', `${name}=${value}`);
    assert.equal((await kv.ask('GET', '/kv/ttl')).headers.etag, was.headers.etag);
  });

  test('expirationTtl wins over expiration, and an empty parameter is none', async () => {
    const t = await freshSecond();
    await put(`?expiration=${t + 1000}&expirationTtl=100`);
    assert.equal(await expirationOf(kv, 'ttl'), t + 100);
    await put(`?expirationTtl=&expiration=${t + 1000}`);
    assert.equal(await expirationOf(kv, 'ttl'), t + 1000);
    await put('?expirationTtl=&expiration=');
    assert.equal(await expirationOf(kv, 'ttl'), undefined);
  });

  test('a write without one takes it away, a refused write does not', async () => {
    await put('?expirationTtl=100');
    expectError(await put('', { body: 'nope' }), 400, 'bad_json');
    assert.notEqual(await expirationOf(kv, 'ttl'), undefined);
    await put('');
    assert.equal(await expirationOf(kv, 'ttl'), undefined);
  });

  test('users may not set one, in whatever form they ask', async () => {
    await put('');
    for (const query of ['?expirationTtl=60', '?expiration=4102444800', '?expirationTtl=x', '?expirationTtl=0&x=1',
      '?a=b&expiration=1'])
      for (const who of [{ as: user }, { as: null,
        headers: { Authorization: `tma ${kv.initData()}`, 'X-Project-Id': 'demo' } }])
        expectError(await put(query, who), 403, 'server_only', query);
    assert.equal(await expirationOf(kv, 'ttl'), undefined);
    assert.equal((await put('?expirationTtl=&expiration=', { as: user })).status, 200);
  });

  test('a key is there until its second comes, and missing from then on, for everybody and in every way', async () => {
    const as = [kv.apiKey, await kv.signIn({ id: 2, first_name: 'B' })];
    try {
      await put('?expirationTtl=10000');
      await kv.ask('PUT', '/kv/ttl-neighbour', { body: '2' });
      const end = await expirationOf(kv, 'ttl');
      const at = async (second) => {
        const t = await freshSecond();
        kv.setClock(second - t);
      };
      await at(end - 1);
      for (const token of as) assert.equal((await kv.ask('GET', '/kv/ttl', { as: token })).data, '1');
      await at(end);
      for (const token of as)
        for (const method of ['GET', 'HEAD'])
          expectError(await kv.ask(method, '/kv/ttl', { as: token }), 404, 'key_not_found');
      assert.deepEqual((await kv.ask('GET', '/kv?prefix=ttl')).json.data,
        { keys: [{ name: 'ttl-neighbour' }], list_complete: true });
      assert.equal((await kv.ask('DELETE', '/kv/ttl')).data, 'null');
      const again = await put('');
      assert.equal(again.headers['x-kv-writes'], '1');
    } finally {
      kv.setClock(0);
    }
  });

  test('what expired while nobody served is missing afterwards, and its room is given back', async () => {
    const room = await usage(kv);
    for (let i = 0; i < 300; i++)
      await kv.ask('PUT', `/kv/asleep-${i}?expirationTtl=100`, { body: JSON.stringify('x'.repeat(i * 20)) });
    assert.equal((await usage(kv)).keys, room.keys + 300);
    await kv.stopServer();
    kv.setClock(101);
    await kv.startServer();
    try {
      expectError(await kv.ask('GET', '/kv/asleep-7'), 404, 'key_not_found');
      assert.deepEqual((await kv.ask('GET', '/kv?prefix=asleep')).json.data, { keys: [], list_complete: true });
      await until('the sweeper has been there', async () => (await usage(kv)).keys === room.keys);
      assert.deepEqual(await usage(kv), room);
    } finally {
      kv.setClock(0);
    }
  });

  test('pages between thousands of keys that have expired are whole and end', async () => {
    const requests = Array.from({ length: 5_400 }, (_, i) =>
      kv.request('PUT', `/kv/dead-${String(i).padStart(5, '0')}?expirationTtl=60`, { body: '1' }));
    await Promise.all(Array.from({ length: 16 }, (_, c) => {
      const part = requests.filter((_, i) => i % 16 === c);
      return kv.talk(part.join(''), { n: part.length });
    }));
    for (const name of ['dead-00000-alive', 'dead-02000-alive', 'dead-05399-alive'])
      await kv.ask('PUT', `/kv/${name}`, { body: '1' });
    try {
      kv.setClock(70);
      const seen = [];
      for (let cursor = '', pages = 0; ; pages++) {
        const page = (await kv.ask('GET', `/kv?prefix=dead-&cursor=${cursor}`)).json.data;
        seen.push(...page.keys.map((key) => key.name));
        if (page.list_complete) break;
        assert.ok(pages < 20 && page.cursor);
        cursor = encodeURIComponent(page.cursor);
      }
      assert.deepEqual(seen, ['dead-00000-alive', 'dead-02000-alive', 'dead-05399-alive']);
    } finally {
      kv.setClock(0);
    }
  });
});

describe('with a shortest time to live of a second', () => {
  let kv;
  before(async () => { kv = await start({ min_ttl_s: 1, write_limit: 0 }); });
  after(() => kv?.stop());

  test('no key is served after its second, and none is missing before it', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `brief-${i}`);
    for (const [i, name] of names.entries()) {
      await kv.ask('PUT', `/kv/${name}?expirationTtl=${1 + i % 3}`, { body: '1' });
      await sleep(35); // over all parts of a second
    }
    const ends = new Map((await kv.ask('GET', '/kv?prefix=brief-')).json.data.keys.map((key) =>
      [key.name, key.expiration]));
    const isMissing = async (name) => {
      const asked = Date.now();
      const { status } = await kv.ask('GET', `/kv/${name}`);
      const end = ends.get(name) * 1000;
      if (asked >= end) assert.equal(status, 404, `${name} ${asked - end} ms after its end`);
      if (Date.now() < end) assert.equal(status, 200, `${name} ${end - Date.now()} ms before its end`);
      return status === 404;
    };
    for (const name of ends.keys()) await until(`${name} has gone`, () => isMissing(name));
    await until('the sweeper has been there', async () => (await usage(kv)).keys === 0);
    assert.deepEqual(await usage(kv), { keys: 0, bytes: 0 });
  });

  test('a second is enough, none is not', async () => {
    expectError(await kv.ask('PUT', '/kv/k?expirationTtl=0', { body: '1' }), 400, 'bad_request');
    const t = await freshSecond();
    expectError(await kv.ask('PUT', `/kv/k?expiration=${t}`, { body: '1' }), 400, 'bad_request');
    assert.equal((await kv.ask('PUT', `/kv/k?expiration=${t + 1}`, { body: '1' })).status, 200);
  });

  test('a key that is written again in time lives on, and the sweeper leaves it alone', async () => {
    await kv.ask('PUT', '/kv/renewed?expirationTtl=1', { body: '1' });
    await kv.ask('PUT', '/kv/renewed?expirationTtl=3600', { body: '2' });
    await kv.ask('PUT', '/kv/freed?expirationTtl=1', { body: '1' });
    await kv.ask('PUT', '/kv/freed', { body: '2' });
    await kv.ask('PUT', '/kv/swept?expirationTtl=1', { body: '1' });
    await until('the sweeper has been there', async () => (await usage(kv)).keys === 2);
    for (const name of ['renewed', 'freed']) {
      const got = await kv.ask('GET', `/kv/${name}`);
      assert.deepEqual([got.data, got.headers['x-kv-writes']], ['2', '2']);
    }
  });
});
