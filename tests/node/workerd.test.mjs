// workerd with conf/workerd.capnp: every method of KVNamespace as a Worker calls it, and the errors it throws.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { start } from './lib.mjs';
import { binary, restOf } from './rest.mjs';
import { startWorkerd } from './workerd.mjs';

const source = readFileSync(new URL('kv_worker.mjs', import.meta.url), 'utf8');
let kv, rest, worker, KV;
before(async () => {
  kv = await start({ write_limit: 0 });
  rest = await restOf(kv);
  worker = await startWorkerd(kv, source);
  KV = envOf(worker);
});
after(async () => {
  await worker?.stop();
  await kv?.stop();
});

// Bytes on their way in and out of the Worker: kv_worker.mjs.
const given = (bytes, as = '$bytes') => ({ [as]: Buffer.from(bytes).toString('base64') });
function received(value) {
  if (value === null || typeof value !== 'object') return value;
  if ('$undefined' in value) return undefined;
  if ('$bytes' in value || '$stream' in value) return Buffer.from(value.$bytes ?? value.$stream, 'base64');
  if ('$map' in value) return new Map(value.$map.map(([key, one]) => [key, received(one)]));
  if (Array.isArray(value)) return value.map(received);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, received(one)]));
}

/** env.KV of a Worker, from here: each method runs in there. */
const envOf = (one) => new Proxy({}, { get: (_, method) => async (...args) => {
  const answer = await one.ask('POST', '/', { body: JSON.stringify({ method, args }) });
  const { value, error } = answer.json;
  if (error) throw Object.assign(new Error(error.message), { name: error.name });
  return received(value);
} });
const refused = (call, message, name = 'Error') => assert.rejects(call, (error) => {
  if (typeof message === 'string') assert.equal(error.message, message);
  else assert.match(error.message, message);
  assert.equal(error.name, name);
  return true;
});
const now = () => Math.floor(Date.now() / 1000);

describe('get', () => {
  test('a text, as each type', async () => {
    for (const text of ['hello', '', 'ключ 😀\0', 'x'.repeat(131_072)]) {
      await KV.put('text', text);
      assert.equal(await KV.get('text'), text);
      assert.equal(await KV.get('text', 'text'), text);
      assert.equal(await KV.get('text', { type: 'text', cacheTtl: 60 }), text);
      for (const type of ['arrayBuffer', 'stream'])
        assert.deepEqual(await KV.get('text', type), Buffer.from(text));
    }
    await KV.put('json', '{"a": [1, "ü"]}');
    assert.deepEqual(await KV.get('json', 'json'), { a: [1, 'ü'] });
    assert.deepEqual(await KV.get('json', { type: 'json' }), { a: [1, 'ü'] });
    await KV.put('json', 'no json');
    await refused(KV.get('json', 'json'), /JSON/, 'SyntaxError');
  });

  test('any bytes', async () => {
    for (const bytes of [binary, Buffer.alloc(0), Buffer.alloc(131_072, binary)]) {
      await KV.put('bytes', given(bytes));
      for (const type of ['arrayBuffer', 'stream']) assert.deepEqual(await KV.get('bytes', type), bytes);
    }
  });

  test('a key that is not there is null, as each type', async () => {
    for (const type of ['text', 'json', 'arrayBuffer', 'stream'])
      assert.equal(await KV.get('never-written', type), null);
    assert.deepEqual(await KV.getWithMetadata('never-written'), { value: null, metadata: null, cacheStatus: null });
  });

  test('several keys are a Map, in the order asked for, missing ones null', async () => {
    await KV.put('several/b', '"text"');
    await KV.put('several/a', '{"n": 1}');
    const keys = ['several/b', 'several/none', 'several/a'];
    assert.deepEqual([...await KV.get(keys)], [[keys[0], '"text"'], [keys[1], null], [keys[2], '{"n": 1}']]);
    assert.deepEqual([...await KV.get(keys, 'json')], [[keys[0], 'text'], [keys[1], null], [keys[2], { n: 1 }]]);
    assert.deepEqual([...await KV.get(keys, { type: 'json', cacheTtl: 60 })].map(([key]) => key), keys);
    const many = Array.from({ length: 100 }, (_, i) => `several/${i}`);
    assert.equal((await KV.get(many)).size, 100);
    await refused(KV.get([...many, 'one more']), /^KV GET_BULK failed: 400 .*maximum of 100 keys/);
    await refused(KV.get([]), /^KV GET_BULK failed: 400 /);
    await KV.put('several/binary', given(Buffer.from([0xff])));
    await refused(KV.get(['several/a', 'several/binary']), /^KV GET_BULK failed: 400 .*non-text/);
  });

  test('metadata comes with the value, with one and with several', async () => {
    const metadata = { who: 'Вика', list: [1, null, { a: true }] };
    await KV.put('with/object', 'v', { metadata });
    await KV.put('with/text', 'w', { metadata: 'just a text' });
    await KV.put('with/none', 'x');
    const { cacheStatus, ...one } = await KV.getWithMetadata('with/object');
    assert.deepEqual([one, cacheStatus], [{ value: 'v', metadata }, null]);
    assert.equal((await KV.getWithMetadata('with/text')).metadata, 'just a text');
    assert.equal((await KV.getWithMetadata('with/none')).metadata, null);
    assert.deepEqual((await KV.getWithMetadata('with/object', 'arrayBuffer')).value, Buffer.from('v'));
    const several = await KV.getWithMetadata(['with/text', 'with/none', 'with/missing']);
    assert.deepEqual([...several.keys()], ['with/text', 'with/none', 'with/missing']);
    assert.deepEqual([several.get('with/text').value, several.get('with/text').metadata], ['w', 'just a text']);
    assert.deepEqual([several.get('with/none').value, several.get('with/none').metadata], ['x', null]);
    assert.equal(several.get('with/missing')?.value ?? null, null);
  });
});

describe('put and delete', () => {
  test('a string, a buffer, a view, streams of known and unknown length', async () => {
    await KV.put('put', 'a string');
    assert.equal(await KV.get('put'), 'a string');
    const bytes = Buffer.alloc(100_000, binary);
    for (const as of ['$bytes', '$view', '$stream', '$sized']) {
      assert.equal(await KV.put('put', given(bytes, as)), undefined);
      assert.deepEqual(await KV.get('put', 'arrayBuffer'), bytes, as);
      await KV.put('put', given(Buffer.alloc(0), as));
      assert.deepEqual(await KV.get('put', 'arrayBuffer'), Buffer.alloc(0), as);
    }
  });

  test('expiration, expirationTtl and metadata, and a put without them takes them away', async () => {
    const at = now() + 3600;
    await KV.put('timed', 'v', { expiration: at, metadata: { m: 1 } });
    assert.deepEqual((await KV.list({ prefix: 'timed' })).keys,
      [{ name: 'timed', expiration: at, metadata: { m: 1 } }]);
    const before_it = now();
    await KV.put('timed', 'v', { expirationTtl: 60 });
    const { keys: [key] } = await KV.list({ prefix: 'timed' });
    assert.ok(key.expiration >= before_it + 60 && key.expiration <= now() + 60 && !('metadata' in key));
    await KV.put('timed', 'v');
    assert.deepEqual((await KV.list({ prefix: 'timed' })).keys, [{ name: 'timed' }]);
  });

  test('what is deleted is gone, and deleting twice is fine', async () => {
    await KV.put('gone', 'v');
    assert.equal(await KV.delete('gone'), undefined);
    assert.equal(await KV.delete('gone'), undefined);
    assert.equal(await KV.get('gone'), null);
  });

  test('keys may hold anything', async () => {
    const keys = ['a/b', 'a//b', 'a b', 'a+b', '100%', 'a%2Fb', 'a?b=c&d#e', '😀', '...', './x', 'a/../b', 'bulk/get',
      '/', '.tmakv-error', '@tmakv_binding_error', '?', '\u0001', 'k'.repeat(512)];
    for (const key of keys) await KV.put(key, `of ${key}`);
    for (const key of keys) assert.equal(await KV.get(key), `of ${key}`, key);
    assert.deepEqual([...await KV.get(keys)], keys.map((key) => [key, `of ${key}`]));
    for (const key of keys) assert.deepEqual((await KV.list({ prefix: key })).keys[0], { name: key });
    for (const key of keys) await KV.delete(key);
    for (const key of keys) assert.equal(await KV.get(key), null, key);
  });

  test('a key whose ".." climbs out of the path is refused by nginx; a list of keys has no path', async () => {
    for (const key of ['../x', 'a/../../b']) {
      await rest.put(key, 'by REST');
      await refused(KV.put(key, 'v'), 'KV PUT failed: 400 Bad Request');
      await refused(KV.get(key), 'KV GET failed: 400 Bad Request');
      assert.deepEqual([...await KV.get([key])], [[key, 'by REST']]);
    }
  });
});

describe('list', () => {
  const names = Array.from({ length: 2500 }, (_, i) => `list/${String(i).padStart(4, '0')}`);
  before(() => rest.ask('PUT', '/bulk', { body: JSON.stringify(names.map((key) => ({ key, value: '' }))) }));

  /** As everybody writes it: until list_complete. */
  const all = async (options) => {
    const pages = [];
    for (let cursor; ;) {
      const page = await KV.list({ ...options, cursor });
      pages.push(page.keys.map((key) => key.name));
      if (page.list_complete) return pages;
      assert.equal(typeof page.cursor, 'string');
      cursor = page.cursor;
    }
  };

  test('to the end, a thousand names a page', async () => {
    const pages = await all({ prefix: 'list/' });
    assert.deepEqual(pages.flat(), names);
    assert.deepEqual(pages.slice(0, 2).map((page) => page.length), [1000, 1000]);
    const { keys, list_complete, cursor, cacheStatus } = await KV.list({ prefix: 'list/24' });
    assert.deepEqual([keys.length, list_complete, cursor, cacheStatus], [100, true, undefined, null]);
  });

  test('with a limit, and a prefix that nothing has', async () => {
    assert.deepEqual((await all({ prefix: 'list/00', limit: 7 })).flat(), names.slice(0, 100));
    assert.deepEqual((await KV.list({ prefix: 'list/', limit: 1 })).keys, [{ name: names[0] }]);
    assert.deepEqual(await all({ prefix: 'nothing/' }), [[]]);
    assert.equal((await KV.list()).keys.length, 1000);
  });

  test('limits and cursors that are none', async () => {
    await refused(KV.list({ limit: 1001 }), /^KV GET failed: 400 Invalid key_count_limit of 1001\. Please specify an integer less than 1000\.$/);
    await refused(KV.list({ cursor: 'made up' }), /^KV GET failed: 400 .*cursor/i);
    const { cursor } = await KV.list({ prefix: 'list/', limit: 5 });
    await refused(KV.list({ prefix: 'list/1', cursor }), /^KV GET failed: 400 .*cursor/i);
  });
});

describe('errors', () => {
  test('keys that no namespace takes', async () => {
    for (const method of ['get', 'delete', 'getWithMetadata']) {
      await refused(KV[method](''), 'Key name cannot be empty.', 'TypeError');
      await refused(KV[method]('.'), '"." is not allowed as a key name.', 'TypeError');
      await refused(KV[method]('..'), '".." is not allowed as a key name.', 'TypeError');
    }
    const long = 'ü'.repeat(256) + 'x';
    const text = 'UTF-8 encoded length of 513 exceeds key length limit of 512.';
    for (const [method, word] of [['get', 'GET'], ['put', 'PUT'], ['delete', 'DELETE']])
      await refused(KV[method](long, ...(method === 'put' ? ['v'] : [])), `KV ${word} failed: 414 ${text}`);
    await refused(KV.get(['']), /^KV GET_BULK failed: 400 /);
    await refused(KV.get([long]), /^KV GET_BULK failed: 4(00|14) /);
  });

  test('values and metadata that are too large', async () => {
    for (const as of ['$bytes', '$stream', '$sized'])
      await refused(KV.put('large', given(Buffer.alloc(131_073), as)),
        'KV PUT failed: 413 Value length of 131073 exceeds limit of 131072.');
    await KV.put('large', 'v', { metadata: 'x'.repeat(1022) });
    await refused(KV.put('large', 'w', { metadata: 'x'.repeat(1023) }),
      'KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.');
    assert.equal(await KV.get('large'), 'v');
  });

  test('times to live that are too short, or over', async () => {
    await refused(KV.put('short', 'v', { expirationTtl: 59 }),
      'KV PUT failed: 400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.');
    const soon = now() + 30;
    await refused(KV.put('short', 'v', { expiration: soon }),
      `KV PUT failed: 400 Invalid expiration of ${soon}. Expiration times must be at least 60 seconds in the future.`);
    await refused(KV.put('short', 'v', { expirationTtl: 0 }), /^KV PUT failed: 400 Invalid expiration_ttl of 0\. /);
    assert.equal(await KV.get('short'), null);
    await refused(KV.get('short', { cacheTtl: 10 }),
      'KV GET failed: 400 Invalid cache_ttl of 10. Cache TTL must be at least 30.');
  });

  test('types that are none', async () => {
    await KV.put('k', 'v');
    await refused(KV.get('k', 'yaml'), /^Unknown response type\./, 'TypeError');
    await refused(KV.put('k', { an: 'object' }), /^KV put\(\) accepts only strings, ArrayBuffers/, 'TypeError');
  });

  test('a key for reading reads, a wrong one does nothing, and both are told why', async () => {
    await KV.put('readable', 'v');
    const reader = await startWorkerd(kv, source, { key: await kv.makeKey('demo', '--read-only') });
    const stranger = await startWorkerd(kv, source, { key: `tmakv_${'A'.repeat(43)}` });
    try {
      assert.equal(await envOf(reader).get('readable'), 'v');
      await refused(envOf(reader).put('readable', 'w'), /^KV PUT failed: 403 .*\w/);
      await refused(envOf(stranger).get('readable'), /^KV GET failed: 401 .*\w/);
      await refused(envOf(stranger).list(), /^KV GET failed: 401 .*\w/);
    } finally {
      await Promise.all([reader.stop(), stranger.stop()]);
    }
    assert.equal(await KV.get('readable'), 'v');
  });
});

test('two namespaces of two projects are two', async () => {
  const other = await kv.makeProject('other');
  const mine = await startWorkerd(kv, source, { key: other.apiKey });
  await KV.put('whose', 'demo');
  assert.equal(await envOf(mine).get('whose'), null);
  await envOf(mine).put('whose', 'other');
  assert.deepEqual([await KV.get('whose'), await envOf(mine).get('whose')], ['demo', 'other']);
  await mine.stop();
});

test('a kill -9 of the server is a moment\'s wait to a Worker', async () => {
  for (let i = 0; i < 3; i++) {
    await KV.put(`killed/${i}`, `${i}`);
    await kv.kill9Server();
    assert.equal(await KV.get(`killed/${i}`), `${i}`);
  }
});
