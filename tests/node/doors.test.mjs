// What one door writes, every other reads: texts, JSON, bytes, nothing at all; with metadata and expiry along.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { device, expectError, start } from './lib.mjs';
import { binary, expectReason, expectRestError, multipart, restOf } from './rest.mjs';

let kv, rest, tma, user;
before(async () => {
  kv = await start({ write_limit: 0 }, { clock: true });
  rest = await restOf(kv);
  user = await kv.signIn();
  const { createTMA } = await device();
  tma = createTMA({ apiUrl: kv.url });
  await tma.auth.validate(kv.initData({ id: 7, first_name: 'Ada' }), kv.projectId);
});
after(() => kv?.stop());

/** Told in a few words: what differs may be a hundred thousand bytes. */
function same(bytes, expected, why) {
  if (bytes === null || !bytes.equals(expected))
    assert.fail(`${why}: ${bytes === null ? 'null' : bytes.subarray(0, 200).toString('latin1')}`);
}
const path = (key) => encodeURIComponent(key);
const ok = (answer) => assert.equal(answer.status, 200, `${answer.status} ${answer.text.slice(0, 300)}`);

/** Each door: how it writes bytes, with what it can say of them; how it reads bytes; how it reads JSON's and texts. */
const doors = {
  sdk: {
    put: async (key, body, { ttl } = {}) =>
      ok(await kv.ask('PUT', `/sdk/v1/kv/${path(key)}${ttl ? `?expirationTtl=${ttl}` : ''}`, { body })),
    delete: async (key) => ok(await kv.ask('DELETE', `/kv/${path(key)}`)),
    /** As it stands in the envelope. */
    get: async (key) => {
      const answer = await kv.ask('GET', `/kv/${path(key)}`, { as: user });
      return answer.status === 404 ? null : Buffer.from(answer.data, 'latin1');
    },
    list: async (prefix) => (await kv.ask('GET', `/kv?prefix=${path(prefix)}`)).json.data.keys,
  },
  rest: {
    put: async (key, body, { ttl, metadata } = {}) => {
      const parts = multipart([['value', body], ...(metadata ? [['metadata', metadata]] : [])]);
      ok(await rest.ask('PUT', `/values/${path(key)}${ttl ? `?expiration_ttl=${ttl}` : ''}`, parts));
    },
    delete: async (key) => ok(await rest.ask('DELETE', `/values/${path(key)}`)),
    get: async (key) => {
      const answer = await rest.get(key);
      return answer.status === 404 ? null : answer.body;
    },
    list: async (prefix) => (await rest.ask('GET', `/keys?prefix=${path(prefix)}`)).json.result,
  },
  bulk: {
    put: async (key, body, { ttl, metadata } = {}) => ok(await rest.ask('PUT', '/bulk', { body: JSON.stringify([{ key,
      value: Buffer.from(body).toString('base64'), base64: true, expiration_ttl: ttl,
      metadata: metadata && JSON.parse(metadata) }]) })),
    delete: async (key) => ok(await rest.ask('POST', '/bulk/delete', { body: JSON.stringify([key]) })),
    get: async (key) => {
      const { values } = (await rest.ask('POST', '/bulk/get', { body: JSON.stringify({ keys: [key] }) })).json.result;
      return values[key] === null ? null : Buffer.from(values[key]);
    },
  },
  binding: {
    put: async (key, body, { ttl, metadata } = {}) => {
      const headers = metadata ? { 'CF-KV-Metadata': Buffer.from(metadata).toString('latin1') } : {};
      const query = `?urlencoded=true${ttl ? `&expiration_ttl=${ttl}` : ''}`;
      // As bytes: with a text behind them Node.js would send the headers in UTF-8, and so twice encoded.
      ok(await kv.ask('PUT', `/${path(key)}${query}`, { body: Buffer.from(body), headers, socket: kv.binding }));
    },
    delete: async (key) => ok(await kv.ask('DELETE', `/${path(key)}?urlencoded=true`, { socket: kv.binding })),
    get: async (key) => {
      const answer = await kv.ask('GET', `/${path(key)}?urlencoded=true`, { socket: kv.binding });
      return answer.status === 404 ? null : answer.body;
    },
    list: async (prefix) => (await kv.ask('GET', `/?prefix=${path(prefix)}`, { socket: kv.binding })).json.keys
      .map((key) => ('metadata' in key ? { ...key, metadata: JSON.parse(key.metadata) } : key)),
  },
};
const writers = Object.entries(doors);
const raw = [doors.rest, doors.binding];

for (const [name, door] of writers)
  describe(`what the ${name} door writes`, () => {
    for (const text of ['{"a": [1,  2.50, "\\u00e9"]}', '"a text"', 'null', '  7 ', `"${'x'.repeat(131_070)}"`])
      test(`JSON (${text.slice(0, 12)}) is read by every door as the bytes it was`, async () => {
        await door.put('json', text);
        for (const [name, reader] of writers) same(await reader.get('json'), Buffer.from(text), name);
        assert.deepEqual(await tma.kv.get('json'), JSON.parse(text));
      });

    test('expiry is told by every list, and is over for every door at once', async () => {
      await door.put('timed', '1', { ttl: 60 });
      await door.put('stays', '1', { ttl: 600 });
      const lists = await Promise.all([doors.sdk, ...raw].map((reader) => reader.list('timed')));
      const [{ expiration }] = lists[0];
      for (const list of lists) assert.deepEqual(list, [{ name: 'timed', expiration }]);
      assert.equal((await rest.get('timed')).headers.expiration, `${expiration}`);
      const bound = await kv.ask('GET', '/timed?urlencoded=true', { socket: kv.binding });
      assert.equal(bound.headers['cf-expiration'], `${expiration}`);
      kv.setClock(120);
      try {
        for (const [, reader] of writers) assert.equal(await reader.get('timed'), null);
        for (const reader of [doors.sdk, ...raw]) assert.deepEqual(await reader.list('timed'), []);
        for (const [name, reader] of writers) same(await reader.get('stays'), Buffer.from('1'), name);
      } finally {
        kv.setClock(0);
      }
    });

    test('what every door removes is gone for all of them', async () => {
      for (const [, remover] of writers) {
        await door.put('gone', '1');
        await remover.delete('gone');
        for (const [, reader] of writers) assert.equal(await reader.get('gone'), null);
      }
    });
  });

for (const [name, door] of writers.filter(([name]) => name !== 'sdk'))
  describe(`what no SDK would write, written by the ${name} door`, () => {
    const texts = { 'no JSON': 'hello, "you" \\ ключ 😀', 'nothing at all': '', 'nearly JSON': '{"a":',
      'control bytes': 'a\0\n\u001f' };
    for (const [what, text] of Object.entries(texts))
      test(`a text (${what}) reads as itself, and at the SDK door as a JSON string`, async () => {
        await door.put('text', text);
        for (const reader of [...raw, doors.bulk]) same(await reader.get('text'), Buffer.from(text), what);
        assert.equal(await tma.kv.get('text'), text);
        assert.equal(JSON.parse((await doors.sdk.get('text')).toString()), text);
      });

    test('bytes read as themselves, and the SDK door says 406 value_not_json', async () => {
      const all = [binary, Buffer.from([0xff]), Buffer.from('"\xe9"', 'latin1'), Buffer.alloc(131_072, binary)];
      for (const bytes of all) {
        await door.put('bytes', bytes);
        for (const reader of raw) same(await reader.get('bytes'), bytes, `${bytes.length} bytes`);
        for (const method of ['GET', 'HEAD'])
          expectError(await kv.ask(method, '/kv/bytes', { as: user }), 406, 'value_not_json');
        await assert.rejects(tma.kv.get('bytes'), { code: 'HTTP_406' });
        const body = '{"keys":["bytes"]}';
        expectRestError(await rest.ask('POST', '/bulk/get', { body }), 400, 10029,
          "bulk get keys: 'At least one of the requested keys corresponds to a non-text value'");
        expectReason(await kv.ask('POST', '/bulk/get', { socket: kv.binding, body }), 400, /non-text/);
      }
    });

    test('metadata is told by every door that has a place for it', async () => {
      const all = ['{"a": [1, {"b": "ключ"}], "n": 1.50}', '"text"', '0', 'false', '[]', `"${'x'.repeat(1022)}"`];
      for (const metadata of all) {
        await door.put('with', '1', { metadata });
        const value = JSON.parse(metadata);
        for (const reader of [doors.sdk, ...raw])
          assert.deepEqual(await reader.list('with'), [{ name: 'with', metadata: value }]);
        assert.deepEqual(await rest.metadata('with'), value);
        const bound = await kv.ask('GET', '/with', { socket: kv.binding });
        assert.deepEqual(JSON.parse(Buffer.from(bound.headers['cf-kv-metadata'], 'latin1').toString()), value);
        const body = JSON.stringify({ keys: ['with'], withMetadata: true });
        assert.deepEqual((await rest.ask('POST', '/bulk/get', { body })).json.result.values,
          { with: { value: '1', metadata: value } });
        assert.deepEqual((await kv.ask('POST', '/bulk/get', { socket: kv.binding, body })).json.with.metadata, value);
      }
      // A write without metadata takes it away, through whichever door.
      for (const [, writer] of writers) {
        await door.put('with', '1', { metadata: '7' });
        await writer.put('with', '2');
        assert.equal(await rest.metadata('with'), null);
      }
    });
  });

test('metadata that came on several lines is told on one, as a header needs it', async () => {
  const metadata = '{\r\n\t"a": [1,\n2.50]\n}';
  ok(await rest.ask('PUT', '/values/lines', multipart([['value', '1'], ['metadata', metadata]])));
  ok(await rest.ask('PUT', '/bulk', { body: `[{"key": "more-lines", "value": "1", "metadata": ${metadata}}]` }));
  for (const key of ['lines', 'more-lines']) {
    const bound = await kv.ask('GET', `/${key}`, { socket: kv.binding });
    ok(bound);
    assert.equal(bound.headers['cf-kv-metadata'], metadata.replace(/[\r\n\t]/g, ' '));
    assert.deepEqual(await rest.metadata(key), { a: [1, 2.5] });
  }
});

test('one version and one counter belong to a key, whichever door asks', async () => {
  let writes = 0;
  for (const [, writer] of writers) {
    await writer.put('counted', '1');
    writes++;
    const answers = [await kv.ask('GET', '/kv/counted'), await rest.get('counted'),
      await kv.ask('GET', '/counted', { socket: kv.binding })];
    assert.equal(new Set(answers.map((answer) => answer.headers.etag)).size, 1);
    for (const answer of answers) assert.equal(answer.headers['x-kv-writes'], `${writes}`);
  }
});

test('the write limit of a key is one, over all doors', async () => {
  const limited = await start({ write_limit: 30 });
  try {
    const its = await restOf(limited);
    for (let attempt = 0; ; attempt++) {
      const key = `hot-${attempt}`;
      const all = await Promise.all(Array.from({ length: 90 }, (_, i) => [
        () => limited.ask('PUT', `/kv/${key}`, { body: '1' }),
        () => its.ask('PUT', `/values/${key}`, { body: '1' }),
        () => limited.ask('PUT', `/${key}`, { body: '1', socket: limited.binding })][i % 3]()));
      const refused = all.filter((answer) => answer.status !== 200);
      for (const answer of refused) assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '1']);
      if (refused.length === 60) break;
      assert.ok(attempt < 20, `${refused.length} of 90 were refused`);
    }
  } finally {
    await limited.stop();
  }
});

test('what a door wrote is there after a kill -9, with all that belongs to it', async () => {
  const more = { ttl: 600, metadata: '{"m":1}' };
  for (const [name, door] of writers) await door.put(`kept/${name}`, '"here"', more);
  const was = await doors.rest.list('kept/');
  await kv.kill9Server();
  assert.deepEqual(await doors.rest.list('kept/'), was);
  for (const [name] of writers)
    for (const [by, reader] of writers)
      same(await reader.get(`kept/${name}`), Buffer.from('"here"'), `${name} by ${by}`);
});
