// Conditional requests (RFC 9110, 13) through nginx, at both doors: compare and set, 304, and what is refused.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { askServer } from './fcgi.mjs';
import { expectError, start, until } from './lib.mjs';
import { expectResult, expectRestError, multipart, restOf } from './rest.mjs';

let kv, rest;
before(async () => {
  kv = await start({ workers: 2 });
  rest = await restOf(kv);
});
after(() => kv?.stop());

const put = (key, body, headers = {}) => kv.ask('PUT', `/kv/${key}`, { body, headers });
const get = (key, headers = {}) => kv.ask('GET', `/kv/${key}`, { headers });
const remove = (key, headers = {}) => kv.ask('DELETE', `/kv/${key}`, { headers });
const written = async (key, body) => {
  const answer = await put(key, body);
  assert.equal(answer.status, 200);
  return answer.headers.etag;
};
/** A 412, and nothing has changed; ETAG: what the key has, undefined for a key that is not there. */
async function expectRefused(answer, key, etag) {
  expectError(answer, 412, 'precondition_failed');
  assert.equal(answer.headers.etag, etag);
  const now = await get(key);
  assert.equal(now.status, etag === undefined ? 404 : 200);
  assert.equal(now.headers.etag, etag);
}

describe('writing', () => {
  test('If-Match lets a PUT through only over the version it names', async () => {
    const first = await written('cas', '1');
    const second = await put('cas', '2', { 'If-Match': first });
    assert.equal(second.status, 200);
    assert.equal(second.headers['x-kv-writes'], '2');
    await expectRefused(await put('cas', '3', { 'If-Match': first }), 'cas', second.headers.etag);
    const third = await put('cas', '3', { 'If-Match': `"7", ${second.headers.etag} ,, "a,b"` });
    assert.equal(third.status, 200);
    assert.equal((await put('cas', '4', { 'If-Match': '*' })).status, 200);
    assert.equal((await get('cas')).data, '4');
  });

  test('If-None-Match: * is "only if it is not there yet"', async () => {
    const made = await put('once', '1', { 'If-None-Match': '*' });
    assert.equal(made.status, 200);
    await expectRefused(await put('once', '2', { 'If-None-Match': '*' }), 'once', made.headers.etag);
    await expectRefused(await put('once', '2', { 'If-None-Match': made.headers.etag }), 'once', made.headers.etag);
    assert.equal((await put('once', '2', { 'If-None-Match': '"1"' })).status, 200);
    assert.equal((await remove('once')).status, 200);
    assert.equal((await put('once', '3', { 'If-None-Match': '*' })).status, 200);
  });

  test('If-Match on a key that is not there is 412, for DELETE too', async () => {
    await expectRefused(await put('nothing', '1', { 'If-Match': '*' }), 'nothing', undefined);
    await expectRefused(await put('nothing', '1', { 'If-Match': '"1"' }), 'nothing', undefined);
    await expectRefused(await remove('nothing', { 'If-Match': '*' }), 'nothing', undefined);
    assert.equal((await remove('nothing', { 'If-None-Match': '*' })).status, 200);
  });

  test('DELETE takes away only the version that is named', async () => {
    const first = await written('gone', '1');
    const second = await written('gone', '2');
    await expectRefused(await remove('gone', { 'If-Match': first }), 'gone', second);
    await expectRefused(await remove('gone', { 'If-None-Match': '*' }), 'gone', second);
    assert.equal((await remove('gone', { 'If-Match': second })).status, 200);
    assert.equal((await get('gone')).status, 404);
  });

  test('a weak tag never matches in If-Match, and as well as another in If-None-Match', async () => {
    const etag = await written('weak', '1');
    await expectRefused(await put('weak', '2', { 'If-Match': `W/${etag}` }), 'weak', etag);
    await expectRefused(await put('weak', '2', { 'If-None-Match': `W/${etag}` }), 'weak', etag);
    assert.equal((await put('weak', '2', { 'If-Match': `W/${etag}, ${etag}` })).status, 200);
  });

  test('both together: If-Match is asked first, and both must hold', async () => {
    const etag = await written('both', '1');
    await expectRefused(await put('both', '2', { 'If-Match': etag, 'If-None-Match': '*' }), 'both', etag);
    await expectRefused(await put('both', '2', { 'If-Match': '"1"', 'If-None-Match': '"1"' }), 'both', etag);
    assert.equal((await put('both', '2', { 'If-Match': etag, 'If-None-Match': '"1"' })).status, 200);
  });

  test('an ETag of a key that was removed and made again does not match', async () => {
    const old = await written('again', '1');
    assert.equal((await remove('again')).status, 200);
    const etag = await written('again', '1');
    await expectRefused(await put('again', '2', { 'If-Match': old }), 'again', etag);
  });

  test('what is no list of tags is 400, and the old value stays', async () => {
    const etag = await written('bad', '1');
    const digits = etag.slice(1, -1);
    const bad = [digits, `'${digits}'`, `"${digits}`, `w/${etag}`, `*, ${etag}`, `${etag} ${etag}`, ',', '"a b"'];
    for (const value of bad)
      for (const name of ['If-Match', 'If-None-Match'])
        for (const ask of [put, (key, _, headers) => remove(key, headers), (key, _, headers) => get(key, headers)])
          expectError(await ask('bad', '2', { [name]: value }), 400, 'bad_request', `${name}: ${value}`);
    assert.equal((await get('bad')).headers.etag, etag);
    // No version, but a tag: it just matches nothing.
    for (const value of [`"0${digits}"`, `"+${digits}"`, '""', `"${digits}0000"`])
      await expectRefused(await put('bad', '2', { 'If-Match': value }), 'bad', etag);
  });

  test('64 tags are taken, 65 are not', async () => {
    const etag = await written('many', '1');
    const tags = Array.from({ length: 63 }, (_, i) => `"${i}"`);
    expectError(await put('many', '2', { 'If-Match': [...tags, '"x"', etag].join() }), 400, 'bad_request');
    assert.equal((await put('many', '2', { 'If-Match': [...tags, etag].join() })).status, 200);
  });

  test('the header twice is refused, by nginx: it would pass on one of them', async () => {
    const etag = await written('twice', '1');
    const line = `If-Match: ${etag}\r\n`;
    const bytes = kv.request('PUT', '/kv/twice', { body: '2' }).replace('\r\n', `\r\n${line}If-Match: "1"\r\n`);
    assert.equal((await kv.talk(bytes))[0].status, 400);
    assert.equal((await get('twice')).headers.etag, etag);
  });

  test('of clients that race from one version exactly one wins', async () => {
    let etag = await written('race', '0');
    for (let round = 1; round <= 30; round++) {
      const answers = await Promise.all(Array.from({ length: 4 }, (_, i) =>
        put('race', `"${round} ${i}"`, { 'If-Match': etag })));
      const winners = answers.filter((answer) => answer.status === 200);
      assert.equal(winners.length, 1, `round ${round}: ${answers.map((answer) => answer.status)}`);
      etag = winners[0].headers.etag;
      for (const answer of answers.filter((one) => one.status !== 200)) {
        expectError(answer, 412, 'precondition_failed');
        assert.equal(answer.headers.etag, etag);
      }
      assert.equal((await get('race')).data, `"${round} ${answers.indexOf(winners[0])}"`);
    }
    assert.equal((await get('race')).headers['x-kv-writes'], '31');
  });

  test('what is refused counts for no write limit', async () => {
    await kv.ctl(['project', 'limit', 'demo', '--write-limit', '3']);
    const key = `limited-${randomBytes(4).toString('hex')}`;
    const etag = await written(key, '1');
    for (let i = 0; i < 10; i++) await expectRefused(await put(key, '2', { 'If-Match': '"1"' }), key, etag);
    assert.equal((await put(key, '2', { 'If-Match': etag })).status, 200);
    await kv.ctl(['project', 'limit', 'demo', '--write-limit', 'default']);
  });
});

describe('reading', () => {
  test('If-None-Match answers 304 without a body while the version is the one named', async () => {
    const etag = await written('read', '[1,2]');
    for (const value of [etag, `W/${etag}`, `"1", ${etag}`, '*']) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await kv.ask(method, '/kv/read', { headers: { 'If-None-Match': value } });
        assert.equal(answer.status, 304, value);
        assert.equal(answer.reason, 'Not Modified');
        assert.equal(answer.body.length, 0);
        assert.equal(answer.headers.etag, etag);
        assert.equal(answer.headers['cache-control'], 'no-store');
        assert.equal(answer.headers['x-kv-writes'], '1');
        assert.equal(answer.headers['access-control-allow-origin'], '*');
        for (const name of ['content-length', 'content-type', 'transfer-encoding', 'content-encoding'])
          assert.equal(answer.headers[name], undefined, name);
      }
    }
    assert.equal((await get('read', { 'If-None-Match': '"1"' })).data, '[1,2]');
    await written('read', '[3]');
    assert.equal((await get('read', { 'If-None-Match': etag })).data, '[3]');
  });

  test('a read is one read, whatever it demands', async () => {
    const reads = async () => JSON.parse(await kv.ctl(['status', '--json'])).metrics.reads;
    const etag = (await kv.ask('PUT', '/kv/counted', { body: '1' })).headers.etag;
    for (const [headers, status] of [[{}, 200], [{ 'If-Match': etag }, 200], [{ 'If-None-Match': '"1"' }, 200],
      [{ 'If-None-Match': etag }, 304], [{ 'If-Match': '"1"' }, 412]]) {
      const before_it = await reads();
      assert.equal((await kv.ask('GET', '/kv/counted', { headers })).status, status);
      assert.equal(await reads() - before_it, 1, JSON.stringify(headers));
    }
  });

  test('the connection goes on behind a 304', async () => {
    const etag = await written('kept', '1');
    const one = kv.request('GET', '/kv/kept', { headers: { 'If-None-Match': etag } });
    const answers = await kv.talk(one + one + kv.request('GET', '/kv/kept'), { n: 3 });
    assert.deepEqual(answers.map((answer) => answer.status), [304, 304, 200]);
    assert.equal(answers[2].data, '1');
  });

  test('If-Match reads the version that is named, or 412', async () => {
    const etag = await written('exact', '1');
    assert.equal((await get('exact', { 'If-Match': etag })).data, '1');
    assert.equal((await get('exact', { 'If-Match': '*' })).data, '1');
    const refused = await get('exact', { 'If-Match': '"1"' });
    expectError(refused, 412, 'precondition_failed');
    assert.equal(refused.headers.etag, etag);
    assert.equal((await kv.ask('HEAD', '/kv/exact', { headers: { 'If-Match': `W/${etag}` } })).status, 412);
    assert.equal((await get('exact', { 'If-Match': etag, 'If-None-Match': etag })).status, 304);
  });

  test('a key that is not there is 404 whatever the condition says', async () => {
    for (const headers of [{ 'If-None-Match': '*' }, { 'If-None-Match': '"1"' }, { 'If-Match': '*' }, { 'If-Match': '"1"' }])
      expectError(await get('not-there', headers), 404, 'key_not_found');
  });

  test('fetch() shows a 304 to whoever sent the condition', async () => {
    const etag = await written('fetched', '1');
    const answer = await fetch(`${kv.url}/kv/fetched`, {
      headers: { Authorization: `Bearer ${kv.apiKey}`, 'If-None-Match': etag } });
    assert.equal(answer.status, 304);
    assert.equal(await answer.text(), '');
  });
});

describe('the REST door', () => {
  const ask = (method, path, headers, body) => rest.ask(method, path, { headers, body });
  const etagOf = async (key) => (await rest.get(key)).headers.etag;

  test('values: PUT in every form, GET and DELETE, errors in their envelope', async () => {
    await rest.put('r', 'one');
    const first = await etagOf('r');
    const second = await ask('PUT', '/values/r', { 'If-Match': first }, 'two');
    expectResult(second);
    for (const { body, headers } of [{ body: 'x' }, multipart([['value', 'x'], ['metadata', '{"a":1}']])]) {
      const refused = await ask('PUT', '/values/r', { ...headers, 'If-Match': first }, body);
      expectRestError(refused, 412, 10029, /^put: '/);
      assert.equal(refused.headers.etag, second.headers.etag);
    }
    assert.equal((await rest.get('r')).text, 'two');
    expectRestError(await ask('PUT', '/values/r', { 'If-None-Match': '*' }, 'x'), 412, 10029);
    expectRestError(await ask('PUT', '/values/r', { 'If-Match': 'x' }, 'x'), 400, 10029, /^put: 'If-Match: /);
    assert.equal((await ask('GET', '/values/r', { 'If-None-Match': second.headers.etag })).status, 304);
    expectRestError(await ask('GET', '/values/r', { 'If-Match': first }), 412, 10029, /^get: '/);
    expectRestError(await ask('DELETE', '/values/r', { 'If-Match': first }), 412, 10029, /^remove key: '/);
    expectResult(await ask('DELETE', '/values/r', { 'If-Match': second.headers.etag }));
    expectRestError(await ask('DELETE', '/values/r', { 'If-Match': '*' }), 412, 10029);
  });

  test('metadata: 304 and 412', async () => {
    await rest.put('m', 'v');
    const etag = await etagOf('m');
    const answer = await ask('GET', '/metadata/m', { 'If-None-Match': etag });
    assert.equal(answer.status, 304);
    assert.equal(answer.body.length, 0);
    expectRestError(await ask('GET', '/metadata/m', { 'If-Match': '"1"' }), 412, 10029, /^metadata: '/);
    assert.equal(expectResult(await ask('GET', '/metadata/m', { 'If-Match': etag })), null);
  });

  test('a value in chunks: refused after its upload the old one stays, and its 304 reads none of it', async () => {
    await kv.ctl(['project', 'limit', 'demo', '--value-limit', '4M']);
    const large = Buffer.alloc(1 << 20, 'a');
    await rest.put('big', large);
    const etag = await etagOf('big');
    expectRestError(await ask('PUT', '/values/big', { 'If-Match': '"1"' }, Buffer.alloc(2 << 20, 'b')), 412, 10029);
    assert.ok((await rest.get('big')).body.equals(large));
    const head = await ask('GET', '/values/big', { 'If-None-Match': etag });
    assert.deepEqual([head.status, head.body.length], [304, 0]);
    expectResult(await ask('PUT', '/values/big', { 'If-Match': etag }, Buffer.alloc(2 << 20, 'b')));
    assert.equal((await rest.get('big')).body.length, 2 << 20);
    assert.equal((await ask('GET', '/values/big', { 'If-Match': await etagOf('big') })).body.length, 2 << 20);
    await kv.ctl(['project', 'limit', 'demo', '--value-limit', 'default']);
  });

  test('where nothing is held against a condition it is refused: bulk calls', async () => {
    for (const [method, path, body] of [['PUT', '/bulk', '[]'], ['DELETE', '/bulk', '[]'], ['POST', '/bulk/delete', '[]']])
      expectRestError(await ask(method, path, { 'If-Match': '*' }, body), 400, 10029, /there are no conditions here/);
  });
});

describe('a request that the front server repeats', () => {
  const socket = () => join(kv.dir, 's');
  const ask = (method, uri, id, headers, body) => askServer(socket(), method, uri, { body, parameters: {
    REQUEST_ID: id, HTTP_AUTHORIZATION: `Bearer ${kv.apiKey}`, ...headers } });
  const killed = async () => {
    await kv.kill9Server();
    await until('the next server answers', () => kv.ctl(['status']).then(() => true, () => false));
  };
  const id = () => randomBytes(16).toString('hex');

  for (const [name, between] of [['at once', async () => {}], ['after kill -9 of the server', killed]])
    test(`is answered as the first time, ${name}: PUT and DELETE with If-Match`, async () => {
      const [one, two] = [id(), id()];
      const etag = await written('repeated', '1');
      const first = await ask('PUT', '/kv/repeated', one, { HTTP_IF_MATCH: etag }, '2');
      assert.equal(first.status, 200);
      await between();
      const again = await ask('PUT', '/kv/repeated', one, { HTTP_IF_MATCH: etag }, '2');
      assert.deepEqual([again.status, again.headers.etag, again.headers['x-kv-writes']],
        [200, first.headers.etag, first.headers['x-kv-writes']]);
      assert.equal((await get('repeated')).headers.etag, first.headers.etag);
      // Anybody else is late.
      assert.equal((await ask('PUT', '/kv/repeated', id(), { HTTP_IF_MATCH: etag }, '3')).status, 412);
      const removed = await ask('DELETE', '/kv/repeated', two, { HTTP_IF_MATCH: first.headers.etag });
      assert.equal(removed.status, 200);
      await between();
      assert.equal((await ask('DELETE', '/kv/repeated', two, { HTTP_IF_MATCH: first.headers.etag })).status, 200);
      assert.equal((await ask('DELETE', '/kv/repeated', id(), { HTTP_IF_MATCH: first.headers.etag })).status, 412);
    });

  test('a chain of compare-and-set through nginx never breaks while the server is killed', async () => {
    await kv.ctl(['project', 'limit', 'demo', '--write-limit', '0']);
    let stop = false, broken = false, n = 0;
    const chain = (async () => {
      for (let etag = await written('chain', '0'); !stop; n++) {
        const answer = await put('chain', `${n}`, { 'If-Match': etag });
        assert.equal(answer.status, 200, `${n}: ${answer.status} ${answer.text}`);
        etag = answer.headers.etag;
      }
    })();
    chain.catch(() => { broken = true; }); // it is awaited below
    try {
      for (let kills = 0; kills < 3; kills++) {
        const seen = n;
        await until('the chain goes on', () => broken || n > seen + 50);
        await killed();
      }
    } finally {
      stop = true;
    }
    await chain;
    assert.equal((await get('chain')).headers['x-kv-writes'], `${n + 1}`);
  });
});
