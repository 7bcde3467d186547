// The npm package `cloudflare`, unchanged but for its baseURL: namespaces, values, metadata, keys, bulk, its automatic
// paging and its retries.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Cloudflare, { AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError, RateLimitError,
  toFile } from 'cloudflare';
import { start } from './lib.mjs';
import { accountOf, binary, makeAdminKey, namespaceOf, V4 } from './rest.mjs';

let kv, account_id, namespace_id, values, kvs;
const clientWith = (apiToken, options = {}) => new Cloudflare({ baseURL: `${kv.url}${V4}`, apiToken, ...options });
before(async () => {
  kv = await start({ write_limit: 50, workers: 2 });
  account_id = await accountOf(kv);
  namespace_id = namespaceOf(kv);
  kvs = clientWith(kv.apiKey).kv.namespaces;
  values = {
    put: (key, value, more = {}) => kvs.values.update(key, { account_id, namespace_id, value, ...more }),
    get: (key) => kvs.values.get(key, { account_id, namespace_id }),
    bytes: async (key) => Buffer.from(await (await values.get(key)).arrayBuffer()),
    text: async (key) => (await values.get(key)).text(),
    delete: (key) => kvs.values.delete(key, { account_id, namespace_id }),
    metadata: (key) => kvs.metadata.get(key, { account_id, namespace_id }),
  };
});
after(() => kv?.stop());

const names = async (params = {}) => {
  const found = [];
  for await (const key of kvs.keys.list(namespace_id, { account_id, ...params })) found.push(key.name);
  return found;
};
const now = () => Math.floor(Date.now() / 1000);
/** What a call throws: its class, and the door's own codes inside of it. */
const refused = (call, kind, code, message) => assert.rejects(call, (error) => {
  assert.ok(error instanceof kind, `${error}`);
  assert.deepEqual(error.errors.map((one) => one.code), [code], JSON.stringify(error.errors));
  if (message) assert.equal(error.errors[0].message, message);
  return true;
});

describe('namespaces, with an admin key', () => {
  let all;
  before(async () => { all = clientWith(await makeAdminKey(kv)).kv.namespaces; });

  test('one is made, read, renamed and removed', async () => {
    const made = await all.create({ account_id, title: 'A shop of mine' });
    assert.match(made.id, /^[0-9a-f]{32}$/);
    assert.deepEqual(made, { id: made.id, title: 'A shop of mine', supports_url_encoding: true });
    assert.deepEqual(await all.get(made.id, { account_id }), made);
    const where = { account_id, namespace_id: made.id };
    await all.values.update('k', { ...where, value: 'kept' });
    assert.equal((await all.update(made.id, { account_id, title: 'Another title ✓' })).title, 'Another title ✓');
    assert.equal((await all.get(made.id, { account_id })).title, 'Another title ✓');
    assert.equal(await (await all.values.get('k', where)).text(), 'kept');
    await all.delete(made.id, { account_id });
    await refused(all.get(made.id, { account_id }), NotFoundError, 10013, "get namespace: 'namespace not found'");
    await refused(all.values.get('k', where), NotFoundError, 10013, "get: 'namespace not found'");
  });

  test('a title that is taken, and none', async () => {
    await all.create({ account_id, title: 'taken' });
    await refused(all.create({ account_id, title: 'taken' }), BadRequestError, 10014);
    await refused(all.create({ account_id }), BadRequestError, 10019);
  });

  test('the list is asked for page by page until one is empty', async () => {
    for (let i = 0; i < 25; i++) await all.create({ account_id, title: `page-${String(i).padStart(2, '0')}` });
    const seen = [];
    for await (const one of all.list({ account_id, per_page: 7 })) seen.push(one);
    const ours = seen.map((one) => one.title).filter((title) => title.startsWith('page-'));
    assert.equal(ours.length, 25);
    assert.equal(new Set(seen.map((one) => one.id)).size, seen.length);
    assert.ok(seen.some((one) => one.id === namespace_id && one.title === kv.projectName));
    for (const direction of ['asc', 'desc']) {
      const titles = [];
      for await (const one of all.list({ account_id, order: 'title', direction, per_page: 10 })) titles.push(one.title);
      const sorted = titles.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.deepEqual(titles, direction === 'asc' ? sorted : sorted.toReversed());
    }
    const { result, result_info } = await all.list({ account_id, page: 2, per_page: 10 });
    assert.deepEqual(result_info, { page: 2, per_page: 10, count: result.length, total_count: seen.length,
      total_pages: Math.ceil(seen.length / 10) });
  });

  test('an API key sees its own namespace only, and changes none', async () => {
    const seen = [];
    for await (const one of kvs.list({ account_id })) seen.push(one.id);
    assert.deepEqual(seen, [namespace_id]);
    assert.equal((await kvs.get(namespace_id, { account_id })).title, kv.projectName);
    await assert.rejects(kvs.create({ account_id, title: 'mine' }), PermissionDeniedError);
    await assert.rejects(kvs.update(namespace_id, { account_id, title: 'mine' }), PermissionDeniedError);
    await assert.rejects(kvs.delete(namespace_id, { account_id }), PermissionDeniedError);
    const other = await kv.makeProject('other');
    await refused(kvs.keys.list(namespaceOf(other), { account_id }), PermissionDeniedError, 9109);
  });
});

describe('values', () => {
  test('a text comes back as it went, the empty one too', async () => {
    for (const text of ['hello', '', '{"a": [1]}', 'ключ 😀\r\n--\r\n', '\0', 'x'.repeat(131_072)]) {
      await values.put('text', text);
      assert.equal(await values.text('text'), text);
    }
    const answer = await values.get('text');
    assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
    assert.equal(answer.headers.get('expiration'), null);
  });

  test('bytes in a file part come back as they went, whatever is in them', async () => {
    const all = [binary, Buffer.alloc(0), Buffer.alloc(131_072, binary), Buffer.from('\r\n'), Buffer.from([0])];
    for (const bytes of all) {
      await values.put('bytes', new File([bytes], 'value.bin'));
      assert.ok((await values.bytes('bytes')).equals(bytes));
      await values.put('bytes', await toFile(bytes, 'blob', { type: 'text/plain' }), { metadata: '{"n":1}' });
      assert.ok((await values.bytes('bytes')).equals(bytes));
    }
  });

  test('keys may hold anything that a path can say', async () => {
    const keys = ['a/b', 'a//b', 'a b', 'a+b', '100%', 'a%2Fb', 'a:@!$&\'()*+,;=~b', '😀', 'a?b#c', '...',
      'k'.repeat(512)];
    for (const key of keys) await values.put(key, key);
    for (const key of keys) assert.equal(await values.text(key), key);
    const seen = await names();
    for (const key of keys) assert.ok(seen.includes(key), key);
  });

  test('metadata is kept as JSON, told as a text, as an object or as null', async () => {
    const told = async (metadata) => {
      await values.put('with', 'v', { metadata });
      return values.metadata('with');
    };
    assert.deepEqual(await told('{"a": [1, {"b": null}], "c": "\\u00e9"}'), { a: [1, { b: null }], c: 'é' });
    assert.equal(await told('"text"'), 'text');
    assert.equal(await told('7'), 7);
    // Exploded into parts by the package; its leaves have become texts on the way.
    assert.deepEqual(await told({ a: 1, deep: { list: ['x', 'y'], yes: true } }),
      { a: '1', deep: { list: ['x', 'y'], yes: 'true' } });
    assert.equal(await told('null'), null);
    assert.equal(await told(undefined), null);
    await refused(told('{"a":'), BadRequestError, 10147);
    assert.equal(await values.metadata('with'), null);
  });

  test('times to live are told back by the value and the list', async () => {
    const expiration = async () => Number((await values.get('timed')).headers.get('expiration'));
    const at = now() + 3600;
    await values.put('timed', 'v', { expiration: at });
    assert.equal(await expiration(), at);
    const before_it = now();
    await values.put('timed', 'v', { expiration: at, expiration_ttl: 120 });
    const told = await expiration();
    assert.ok(told >= before_it + 120 && told <= now() + 120, `${told - before_it}`);
    const { result: [key] } = await kvs.keys.list(namespace_id, { account_id, prefix: 'timed' });
    assert.deepEqual(key, { name: 'timed', expiration: told });
    await values.put('timed', 'v');
    assert.equal((await values.get('timed')).headers.get('expiration'), null);
    await refused(values.put('timed', 'v', { expiration_ttl: 59 }), BadRequestError, 10034);
    await refused(values.put('timed', 'v', { expiration: now() - 1 }), BadRequestError, 10033);
  });

  test('what is removed or was never there is a NotFoundError, and removing twice is fine', async () => {
    await values.put('gone', 'v');
    await values.delete('gone');
    await values.delete('gone');
    await refused(values.get('gone'), NotFoundError, 10009, "get: 'key not found'");
    await refused(values.metadata('gone'), NotFoundError, 10009, "metadata: 'key not found'");
  });

  test('a bad token is an AuthenticationError, a read-only key cannot write', async () => {
    const where = { account_id, namespace_id };
    await refused(clientWith('nobody').kv.namespaces.values.get('k', where), AuthenticationError, 10000);
    const reader = clientWith(await kv.makeKey('demo', '--read-only')).kv.namespaces;
    await values.put('k', 'v');
    assert.equal(await (await reader.values.get('k', where)).text(), 'v');
    await assert.rejects(reader.values.update('k', { ...where, value: 'w' }), PermissionDeniedError);
    assert.equal(await values.text('k'), 'v');
  });

  test('the two older ways to say a key work as well', async () => {
    await values.put('k', 'v');
    for (const options of [{ apiKey: kv.apiKey, apiEmail: 'me@example.com' }, { userServiceKey: kv.apiKey }]) {
      const older = clientWith(null, options).kv.namespaces;
      assert.equal(await (await older.values.get('k', { account_id, namespace_id })).text(), 'v');
    }
  });
});

describe('bulk, and lists of many', () => {
  const many = Array.from({ length: 2500 }, (_, i) => `many/${String(i).padStart(4, '0')}`);

  test('2,500 pairs are written, listed page by page, and removed', async () => {
    const body = many.map((key, i) => ({ key, value: `${i}`, ...(i % 2 && { metadata: { i } }) }));
    assert.deepEqual(await kvs.bulkUpdate(namespace_id, { account_id, body }),
      { successful_key_count: 2500, unsuccessful_keys: [] });
    assert.deepEqual(await names({ prefix: 'many/' }), many);
    assert.deepEqual(await names({ prefix: 'many/12', limit: 7 }), many.slice(1200, 1300));
    const page = await kvs.keys.list(namespace_id, { account_id, prefix: 'many/' });
    assert.equal(page.result.length, 1000);
    assert.deepEqual(page.result.slice(0, 2), [{ name: 'many/0000' }, { name: 'many/0001', metadata: { i: 1 } }]);
    assert.equal(page.result_info.count, 1000);
    assert.deepEqual(await names({ prefix: 'nothing/' }), []);
    assert.deepEqual(await kvs.bulkDelete(namespace_id, { account_id, body: many }),
      { successful_key_count: 2500, unsuccessful_keys: [] });
    assert.deepEqual(await names({ prefix: 'many/' }), []);
  });

  test('base64, times and metadata come along', async () => {
    const at = now() + 3600;
    await kvs.bulkUpdate(namespace_id, { account_id, body: [
      { key: 'b/64', value: binary.toString('base64'), base64: true },
      { key: 'b/at', value: 'x', expiration: at, metadata: 'word' },
      { key: 'b/twice', value: 'first' }, { key: 'b/twice', value: 'last' }] });
    assert.deepEqual(await values.bytes('b/64'), binary);
    assert.equal(await values.text('b/twice'), 'last');
    const { result } = await kvs.keys.list(namespace_id, { account_id, prefix: 'b/at' });
    assert.deepEqual(result, [{ name: 'b/at', expiration: at, metadata: 'word' }]);
  });

  test('bulk get answers texts, JSON, metadata and null', async () => {
    const at = now() + 3600;
    await kvs.bulkUpdate(namespace_id, { account_id, body: [
      { key: 'g/text', value: 'a text', expiration: at, metadata: { m: 1 } },
      { key: 'g/json', value: '{"a": [1]}' }] });
    const get = async (keys, more = {}) => (await kvs.bulkGet(namespace_id, { account_id, keys, ...more })).values;
    assert.deepEqual(await get(['g/text', 'g/json', 'g/none']),
      { 'g/text': 'a text', 'g/json': '{"a": [1]}', 'g/none': null });
    assert.deepEqual(await get(['g/json', 'g/none'], { type: 'json' }), { 'g/json': { a: [1] }, 'g/none': null });
    assert.deepEqual(await get(['g/text', 'g/json', 'g/none'], { withMetadata: true }), {
      'g/text': { value: 'a text', metadata: { m: 1 }, expiration: at },
      'g/json': { value: '{"a": [1]}', metadata: null },
      'g/none': null });
    await refused(kvs.bulkGet(namespace_id, { account_id, keys: many.slice(0, 101) }), BadRequestError, 10029);
  });
});

describe('trouble', () => {
  /** A client that counts its requests, by status. */
  const counting = (options = {}) => {
    const statuses = [];
    const client = clientWith(kv.apiKey, { ...options, fetch: async (...request) => {
      const answer = await fetch(...request);
      // Once it asks for "data:,", to see what this fetch can do.
      if (`${request[0]}`.startsWith('http')) statuses.push(answer.status);
      return answer;
    } });
    const { values: its } = client.kv.namespaces;
    return { statuses, put: (key, value) => its.update(key, { account_id, namespace_id, value }) };
  };

  test('a write over the limit is tried again by the package, and then it is there', async () => {
    // 50 in a second are allowed; each of these waits for Retry-After at most twice.
    for (let attempt = 0; ; attempt++) {
      const { statuses, put } = counting();
      await Promise.all(Array.from({ length: 80 }, (_, i) => put(`hot-${attempt}`, `${i}`)));
      assert.equal(statuses.filter((status) => status === 200).length, 80);
      if (statuses.includes(429)) break;
      assert.ok(attempt < 20, 'this machine does not do 80 writes in a second');
    }
  });

  test('without retries it is a RateLimitError with the number that Cloudflare has for it', async () => {
    for (let attempt = 0; ; attempt++) {
      const { put } = counting({ maxRetries: 0 });
      const all = await Promise.allSettled(Array.from({ length: 120 }, (_, i) => put(`cold-${attempt}`, `${i}`)));
      const failed = all.filter((one) => one.status === 'rejected').map((one) => one.reason);
      for (const error of failed) {
        assert.ok(error instanceof RateLimitError, `${error}`);
        assert.deepEqual(error.errors.map((one) => one.code), [10022]);
        assert.equal(error.headers.get('retry-after'), '1');
      }
      if (failed.length) break;
      assert.ok(attempt < 20, 'this machine does not do 120 writes in a second');
    }
  });

  test('a kill -9 of the server under load costs no error and no write', async () => {
    let stop = false, written = 0;
    const load = async (c) => {
      for (let i = 0; !stop; i++, written++) {
        await values.put(`killed/${c}/${i % 500}`, `${i}`);
        assert.equal(await values.text(`killed/${c}/${i % 500}`), `${i}`);
      }
    };
    const loads = Promise.all(Array.from({ length: 4 }, (_, c) => load(c)));
    for (let i = 0; i < 3; i++) {
      const target = written + 60;
      while (written < target && !stop) await Promise.race([loads, new Promise((resolve) => setTimeout(resolve, 5))]);
      await kv.kill9Server();
    }
    stop = true;
    await loads;
  });
});
