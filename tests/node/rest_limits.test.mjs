// The limits of the REST and the binding door: each one below, at and above; and bodies that are too much, or broken,
// which must leave the connection in step and the server's memory where it was.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { start } from './lib.mjs';
import { expectReason, expectResult, expectRestError, makeAdminKey, multipart, restOf, within } from './rest.mjs';

let kv, rest;
before(async () => {
  // A small cache, so that the memory is that of the requests.
  kv = await start({ write_limit: 0, cache_size: '4M' }, { clock: true });
  rest = await restOf(kv);
});
after(() => kv?.stop());

const now = () => Math.floor(Date.now() / 1000);
const json = (value) => JSON.stringify(value);
const put = (query, body = 'v') => rest.ask('PUT', `/values/k${query}`, { body });
const atBinding = (method, path, options) => kv.ask(method, path, { socket: kv.binding, ...options });
const metadataOf = (n) => `"${'m'.repeat(n - 2)}"`;

describe('sizes', () => {
  test('a key of 511 and 512 bytes is one, 513 are 414, through both doors', async () => {
    for (const n of [511, 512]) {
      for (const key of ['k'.repeat(n), `${'ü'.repeat(Math.floor(n / 2) - 1)}xx${n % 2 ? 'x' : ''}`]) {
        assert.equal(Buffer.byteLength(key), n);
        await rest.put(key, `${n}`);
        assert.equal((await atBinding('GET', `/${encodeURIComponent(key)}`)).text, `${n}`);
        assert.equal((await rest.find(key)).name, key);
      }
    }
    const path = `/${'%C3%BC'.repeat(256)}x`;
    const text = 'UTF-8 encoded length of 513 exceeds key length limit of 512.';
    expectRestError(await rest.ask('PUT', `/values${path}`, { body: 'v' }), 414, 10030, `put: '${text}'`);
    expectRestError(await rest.ask('DELETE', `/values${path}`), 414, 10030, `remove key: '${text}'`);
    expectRestError(await rest.ask('GET', `/metadata${path}`), 414, 10030, `metadata: '${text}'`);
    for (const method of ['GET', 'PUT', 'DELETE']) expectReason(await atBinding(method, path), 414, text);
  });

  test('a value of 131,071 and 131,072 bytes is one, 131,073 are 413, in every form', async () => {
    const ways = {
      raw: (body) => rest.ask('PUT', '/values/sized', { body }),
      multipart: (body) => rest.ask('PUT', '/values/sized', multipart([['value', body], ['metadata', '{"m":1}']])),
      file: (body) => rest.ask('PUT', '/values/sized',
        multipart([['metadata', 'null'], ['value', body, '; filename="v"\r\nContent-Type: application/octet-stream']])),
      binding: (body) => atBinding('PUT', '/sized', { body }),
      bulk: (body) => rest.ask('PUT', '/bulk',
        { body: json([{ key: 'sized', value: body.toString('base64'), base64: true }]) }),
    };
    for (const [name, write] of Object.entries(ways)) {
      for (const n of [131_071, 131_072]) {
        const body = Buffer.alloc(n, `${name}\0\r\n`);
        const answer = await write(body);
        assert.equal(answer.status, 200, `${name} ${n} ${answer.text}`);
        assert.deepEqual((await rest.get('sized')).body, body, name);
      }
      const answer = await write(Buffer.alloc(131_073));
      const text = 'Value length of 131073 exceeds limit of 131072.';
      if (name === 'binding') expectReason(answer, 413, text);
      else if (name === 'bulk') expectRestError(answer, 413, 10024, /Value length of 131073 exceeds limit of 131072\./);
      else expectRestError(answer, 413, 10024, `put: '${text}'`);
      assert.equal((await rest.get('sized')).body.length, 131_072, name);
    }
  });

  test('metadata of 1,023 and 1,024 bytes is kept, 1,025 are 413', async () => {
    const ways = {
      multipart: (metadata) => rest.ask('PUT', '/values/meta', multipart([['value', 'v'], ['metadata', metadata]])),
      binding: (metadata) => atBinding('PUT', '/meta', { body: 'v', headers: { 'CF-KV-Metadata': metadata } }),
      bulk: (metadata) => rest.ask('PUT', '/bulk', { body: `[{"key":"meta","value":"v","metadata":${metadata}}]` }),
    };
    for (const [name, write] of Object.entries(ways)) {
      for (const n of [1023, 1024]) {
        assert.equal((await write(metadataOf(n))).status, 200, `${name} ${n}`);
        assert.equal((await rest.metadata('meta')).length, n - 2);
      }
      const answer = await write(metadataOf(1025));
      assert.equal(answer.status, 413, `${name} ${answer.text}`);
      assert.match(name === 'binding' ? answer.reason : answer.json.errors[0].message,
        /Metadata length of 1025 exceeds limit of 1024\./);
      assert.equal((await rest.metadata('meta')).length, 1022);
    }
  });

  test('a title of 512 bytes is one, 513 are refused', async () => {
    const as = await makeAdminKey(kv);
    const make = (n) => kv.ask('POST', rest.all, { as, body: json({ title: 't'.repeat(n) }) });
    for (const n of [511, 512]) assert.equal(expectResult(await make(n)).title.length, n);
    expectRestError(await make(513), 400, 10019);
  });
});

describe('times and counts', () => {
  test('a ttl of 60 and 61 is one, 59 is not; an expiration in 60 seconds is one, in 59 is not', async () => {
    for (const ttl of [60, 61]) {
      const t = now();
      expectResult(await put(`?expiration_ttl=${ttl}`));
      const { expiration } = await rest.find('k');
      assert.ok(expiration >= t + ttl && expiration <= now() + ttl);
    }
    expectRestError(await put('?expiration_ttl=59'), 400, 10034,
      "put: 'Invalid expiration_ttl of 59. Expiration TTL must be at least 60.'");
    // Until the request and its answer fall into one second.
    let t, answer;
    do answer = await put(`?expiration=${(t = now()) + 60}`); while (now() !== t);
    expectResult(answer);
    assert.equal((await rest.find('k')).expiration, t + 60);
    expectRestError(await put(`?expiration=${t + 59}`), 400, 10033);
    expectReason(await atBinding('PUT', `/k?expiration=${t + 59}`, { body: 'v' }), 400, /^Invalid expiration of \d+\./);
    expectReason(await atBinding('PUT', '/k?expiration_ttl=59', { body: 'v' }), 400, /^Invalid expiration_ttl of 59\./);
    assert.equal((await rest.find('k')).expiration, t + 60);
    expectResult(await put(`?expiration=1&expiration_ttl=60`), 'the ttl wins');
  });

  test('the operator may lower the shortest time to 1 second, for one project', async () => {
    const quick = await kv.makeProject('quick');
    await kv.ctl(['project', 'limit', 'quick', '--min-ttl', '1']);
    const its = await restOf(kv, quick, rest.account);
    expectResult(await its.ask('PUT', '/values/k?expiration_ttl=1', { body: 'v' }));
    expectRestError(await its.ask('PUT', '/values/k?expiration_ttl=0', { body: 'v' }), 400, 10034);
    kv.setClock(2);
    try {
      expectRestError(await its.get('k'), 404, 10009);
      assert.deepEqual(await its.names(), []);
    } finally {
      kv.setClock(0);
    }
  });

  test('a list of 1 and of 1,000 is one, 0 and 1,001 are none', async () => {
    const body = json(Array.from({ length: 1001 }, (_, i) => ({ key: `list/${i}`, value: '' })));
    expectResult(await rest.ask('PUT', '/bulk', { body }));
    for (const [limit, n] of [['1', 1], ['999', 999], ['1000', 1000], ['', 1000]]) {
      const { result, result_info } = (await rest.ask('GET', `/keys?prefix=list/&limit=${limit}`)).json;
      assert.deepEqual([result.length, result_info.count, result_info.cursor !== ''], [n, n, true]);
      assert.equal((await atBinding('GET', `/?prefix=list/&key_count_limit=${limit}`)).json.keys.length, n);
    }
    const last = (await rest.ask('GET', '/keys?prefix=list/999')).json;
    assert.deepEqual([last.result.length, last.result_info], [1, { count: 1, cursor: '' }]);
    for (const limit of ['0', '1001', '-1', '1.5', 'x', '99999999999999999999']) {
      expectRestError(await rest.ask('GET', `/keys?limit=${limit}`), 400, 10028);
      assert.equal((await atBinding('GET', `/?key_count_limit=${limit}`)).status, 400);
    }
  });

  test('a bulk of 9,999 and 10,000 items is one, 10,001 are not, for put and both deletes', async () => {
    const names = Array.from({ length: 10_001 }, (_, i) => `bulk/${String(i).padStart(5, '0')}`);
    const items = names.map((key) => ({ key, value: key }));
    const count = (successful_key_count) => ({ successful_key_count, unsuccessful_keys: [] });
    const ask = async (method, path, list) => expectResult(await rest.ask(method, path, { body: json(list) }));
    expectRestError(await rest.ask('PUT', '/bulk', { body: json(items) }), 400, 10029, /10,?000/);
    assert.deepEqual(await rest.names('bulk/'), []);
    assert.deepEqual(await ask('PUT', '/bulk', items.slice(0, 10_000)), count(10_000));
    for (const [method, path] of [['POST', '/bulk/delete'], ['DELETE', '/bulk']]) {
      expectRestError(await rest.ask(method, path, { body: json(names) }), 400, 10029, /10,?000/);
      assert.equal((await rest.names('bulk/')).length, 1000);
      assert.deepEqual(await ask(method, path, names.slice(0, 10_000)), count(10_000));
      assert.deepEqual(await rest.names('bulk/'), []);
      assert.deepEqual(await ask('PUT', '/bulk', items.slice(0, 9_999)), count(9_999));
    }
    assert.deepEqual(await ask('PUT', '/bulk', []), count(0));
  });

  test('a bulk get of 99 and 100 keys is one, 101 are not', async () => {
    const keys = Array.from({ length: 101 }, (_, i) => `bulk/${String(i).padStart(5, '0')}`);
    const ask = (n) => ({ body: json({ keys: keys.slice(0, n) }) });
    for (const n of [1, 99, 100]) {
      assert.equal(Object.keys(expectResult(await rest.ask('POST', '/bulk/get', ask(n))).values).length, n);
      assert.equal(Object.keys((await atBinding('POST', '/bulk/get', ask(n))).json).length, n);
    }
    expectRestError(await rest.ask('POST', '/bulk/get', ask(101)), 400, 10029,
      "bulk get keys: 'You can request a maximum of 100 keys'");
    expectReason(await atBinding('POST', '/bulk/get', ask(101)), 400, /maximum of 100 keys/);
  });
});

describe('bodies that are broken or too much', () => {
  const boundary = '----b';
  const type = (value = `multipart/form-data; boundary=${boundary}`) => ({ 'Content-Type': value });
  const part = (name, content) => `--${boundary}\r\nContent-Disposition: form-data${name}\r\n\r\n${content}\r\n`;
  const end = `--${boundary}--\r\n`;
  const broken = {
    'without a boundary': [part('; name="value"', 'w') + end, 'multipart/form-data'],
    'with an empty boundary': [part('; name="value"', 'w') + end, 'multipart/form-data; boundary='],
    'with another boundary than it says': [part('; name="value"', 'w') + end, 'multipart/form-data; boundary=other'],
    'with a part without a name': [part('', 'w') + end],
    'with a part without a disposition': [`--${boundary}\r\n\r\nw\r\n${end}`],
    'without a value': [part('; name="metadata"', '{}') + end],
    'with metadata that is no JSON': [part('; name="value"', 'w') + part('; name="metadata"', '{a:1}') + end],
    'with metadata that contradicts itself': [part('; name="value"', 'w') + part('; name="metadata[a]"', '1') +
      part('; name="metadata[a][b]"', '2') + end],
    'with metadata of too many levels': [part('; name="value"', 'w') +
      part(`; name="metadata${'[a]'.repeat(40)}"`, '1') + end],
    'with two values': [part('; name="value"', 'w') + part('; name="value"', 'x') + end],
    'cut in a header': [`--${boundary}\r\nContent-Disposition: form-da`],
    'cut in a value': [`--${boundary}\r\nContent-Disposition: form-data; name="value"\r\n\r\nw`],
    'cut in its end': [`${part('; name="value"', 'w')}--${boundary}`],
    'that is empty': [''],
    'that is only its end': [end],
    'with a header that has no end': [`--${boundary}\r\nContent-Disposition: ${'x'.repeat(20_000)}`],
  };
  for (const [what, [body, contentType]] of Object.entries(broken))
    test(`multipart ${what} is 400, nothing is written, and the connection goes on`, async () => {
      await rest.put('kept', 'old');
      const request = kv.request('PUT', `${rest.base}/values/kept`, { headers: type(contentType), body });
      const read = kv.request('GET', `${rest.base}/values/kept`);
      const [refused, answer] = await kv.talk(request + read, { n: 2 });
      expectRestError(refused, 400, refused.json.errors?.[0].code);
      assert.deepEqual([answer.status, answer.text], [200, 'old']);
    });

  test('a body of 100 MB to a small route is refused, the connection goes on, and memory does not', async () => {
    const body = Buffer.alloc(100_000_000, '[');
    await rest.put('kept', 'old');
    const small = [['PUT', '/values/kept', 413], ['PUT', '/values/kept', 413, type()], ['POST', '/bulk/get', 413],
      ['GET', '/values/kept', 200], ['DELETE', '/values/none', 200], ['PUT', '/nowhere', 404], ['PUT', '', 403]];
    const large = [['PUT', '/bulk', 400], ['POST', '/bulk/delete', 400], ['DELETE', '/bulk', 400]];
    const ask_all = async (routes) => {
      for (const [method, path, status, headers = {}] of routes) {
        const answer = await rest.ask(method, path, { body, headers });
        assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
        if (answer.status !== 200) expectRestError(answer, answer.status, answer.json.errors[0].code);
        assert.equal((await rest.get('kept')).text, 'old');
      }
    };
    await within(kv, 8, () => ask_all(small));
    // There the body has to be somewhere; but no copy of it.
    await within(kv, 110, () => ask_all(large));
    await within(kv, 8, async () => {
      for (const as of [null, 'nobody'])
        expectRestError(await rest.ask('PUT', '/bulk', { as, body }), 401, 10000);
    });
  });

  test('a bulk of 100 MB is written, and memory stays bounded', async () => {
    const value = 'v'.repeat(9_900);
    const items = Array.from({ length: 10_000 }, (_, i) => ({ key: `heavy/${i}`, value }));
    const body = json(items);
    assert.ok(body.length < 100_000_000 && body.length > 99_000_000, `${body.length}`);
    await within(kv, 130, async () => assert.deepEqual(expectResult(await rest.ask('PUT', '/bulk', { body })),
      { successful_key_count: 10_000, unsuccessful_keys: [] }));
    assert.equal((await rest.get('heavy/9999')).text, value);
  });
});
