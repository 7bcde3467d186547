// Lists: parameters, prefixes, cursors, and that pages of any size together are the whole and nothing twice.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectError, start } from './lib.mjs';

let kv;
before(async () => { kv = await start({ write_limit: 0 }); });
after(() => kv?.stop());

const list = (query = '', as = kv.apiKey) => kv.ask('GET', `/sdk/v1/kv${query}`, { as });
const names = (answer) => JSON.parse(Buffer.from(answer.data, 'latin1')).keys.map((key) => key.name);
const percent = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

/** Keys into PROJECT, many at once. */
async function fill(project, keys, method = 'PUT') {
  const requests = keys.map((key) =>
    kv.request(method, `/kv/${percent(key)}`, { as: project.apiKey, body: '1' }));
  await Promise.all(Array.from({ length: 8 }, async (_, c) => {
    const part = requests.filter((_, i) => i % 8 === c);
    if (part.length)
      for (const answer of await kv.talk(part.join(''), { n: part.length }))
        assert.equal(answer.status, 200, answer.text);
  }));
}

/** All pages; each but the last is full and has a cursor. BETWEEN(page) runs behind each. */
async function pages(project, query, limit, between = () => {}) {
  const all = [];
  for (let cursor = ''; ;) {
    const page = JSON.parse(Buffer.from((await list(`?${query}&limit=${limit}&cursor=${encodeURIComponent(cursor)}`,
      project.apiKey)).data, 'latin1'));
    assert.deepEqual(Object.keys(page), page.list_complete ? ['keys', 'list_complete']
      : ['keys', 'list_complete', 'cursor']);
    if (!page.list_complete) assert.equal(page.keys.length, limit);
    all.push(...page.keys.map((key) => key.name));
    if (page.list_complete) return all;
    await between(page);
    cursor = page.cursor;
  }
}

test('an empty project has an empty, complete list', async () => {
  assert.equal((await list()).data, '{"keys":[],"list_complete":true}');
  assert.equal((await list('?prefix=x')).data, '{"keys":[],"list_complete":true}');
});

test('the limit is a whole number from 1 to 1000', async () => {
  const project = await kv.makeProject('limits');
  await fill(project, ['a', 'b', 'c']);
  for (const [limit, n] of [['1', 1], ['2', 2], ['3', 3], ['1000', 3], ['', 3]])
    assert.equal(names(await list(`?limit=${limit}`, project.apiKey)).length, n);
  for (const bad of ['0', '-1', '1001', '10000', '18446744073709551617', '4294967297', 'abc', '1.0', '1e2', '0x1',
    '+1', '%2B1', '1%20', '%201', '1,2', 'null', 'true', '1%00', '%ef%bc%91'])
    expectError(await list(`?limit=${bad}`), 400, 'bad_limit', bad);
});

test('of a parameter that comes twice the first counts, and others are not looked at', async () => {
  const project = await kv.makeProject('twice');
  await fill(project, ['a1', 'a2', 'b1']);
  const ask = async (query) => names(await list(query, project.apiKey));
  assert.deepEqual(await ask('?prefix=a&prefix=b'), ['a1', 'a2']);
  assert.deepEqual(await ask('?limit=1&limit=abc'), ['a1']);
  assert.deepEqual(await ask('?Prefix=b&PREFIX=b&xprefix=b&prefixx=b&_=1&&=&prefix'), ['a1', 'a2', 'b1']);
  assert.deepEqual(await ask('?'), ['a1', 'a2', 'b1']);
});

test('a cursor that no list answered is refused', async () => {
  const b64 = (bytes) => Buffer.from(bytes, 'latin1').toString('base64url');
  for (const cursor of ['abc', 'A', '*', '%00', '%ff', 'a+b', '../x', '0', 'null', '=', b64('k'), b64('x'), b64('xa'),
    b64('k\0'), b64('ka\0b'), b64('k\xff'), b64('k\xed\xa0\x80'), b64('k.'), b64('k..'),
    b64(`k${'a'.repeat(513)}`), b64(`k${'a'.repeat(5000)}`), `${b64('ka')}=`, `${b64('ka')}==`, `${b64('ka')}A`,
      `%20${b64('ka')}`, `${b64('kab')}%0a`, 'a'.repeat(6000)])
    expectError(await list(`?cursor=${cursor}`), 400, 'bad_cursor', cursor.slice(0, 30));
});

test('2,500 keys are the same list in pages of any size', async () => {
  const project = await kv.makeProject('many');
  const keys = Array.from({ length: 2500 }, (_, i) =>
    `${'abc'[i % 3]}/${String(i * 7919 % 2500).padStart(i % 5, '0')}-${i}`);
  await fill(project, keys);
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const limit of [7, 100, 199, 200, 201, 999, 1000])
    assert.deepEqual(await pages(project, '', limit), sorted, `limit ${limit}`);
  assert.equal(names(await list('', project.apiKey)).length, 1000, 'without a limit it is 1,000');
  for (const prefix of ['a', 'a/', 'b/1', 'c/2499', 'c/24', 'nothing']) {
    const below = sorted.filter((key) => key.startsWith(prefix));
    for (const limit of [1, 50, 834, 1000])
      if (below.length / limit < 400)
        assert.deepEqual(await pages(project, `prefix=${prefix}`, limit), below, `${prefix} by ${limit}`);
  }
  // A page that ends where the list does is complete: no cursor to nothing.
  assert.equal((await pages(project, 'prefix=a/', 834)).length, 834);
  assert.equal((await list('?prefix=a/&limit=834', project.apiKey)).json.data.list_complete, true);
  assert.equal((await list('?prefix=a/&limit=833', project.apiKey)).json.data.list_complete, false);
});

test('a cursor is a place in the list it came from, and in no other', async () => {
  const project = await kv.makeProject('places'), other = await kv.makeProject('other-places');
  for (const one of [project, other]) await fill(one, ['a1', 'a2', 'b1', 'b2', 'c1']);
  const cursorBehind = async (query) => encodeURIComponent((await list(query, project.apiKey)).json.data.cursor);
  const a1 = await cursorBehind('?prefix=a&limit=1'), b1 = await cursorBehind('?prefix=b&limit=1');
  const whole = await cursorBehind('?limit=2');
  const ask = async (query) => names(await list(query, project.apiKey));
  assert.deepEqual(await ask(`?prefix=a&cursor=${a1}`), ['a2']);
  assert.deepEqual(await ask(`?prefix=b&cursor=${b1}&limit=1`), ['b2']);
  assert.deepEqual(await ask(`?prefix=&cursor=${whole}&limit=2`), ['b1', 'b2']);
  for (const query of [`?prefix=b&cursor=${a1}`, `?prefix=a&cursor=${b1}`, `?cursor=${b1}`, `?prefix=a1&cursor=${a1}`,
    `?prefix=b&cursor=${whole}`]) expectError(await list(query, project.apiKey), 400, 'bad_cursor', query);
  expectError(await list(`?prefix=a&cursor=${a1}`, other.apiKey), 400, 'bad_cursor', 'of another project');
  // It keeps its place when its key has gone, and a new key before it is not seen, one behind it is.
  await fill(project, ['b1'], 'DELETE');
  await fill(project, ['b0', 'b11']);
  assert.deepEqual(await ask(`?prefix=b&cursor=${b1}`), ['b11', 'b2']);
});

test('a prefix is any beginning of a key, spelled in any way', async () => {
  const project = await kv.makeProject('prefixes');
  const keys = ['%', '%25', '%a', '_x', '*', '*a', 'a b', 'a+b', 'a&b', 'a=b', 'a/b', 'a//b', '.', '..', './a', '../a',
    'é1', 'e\u0301', '😀a', '😁', '\x01', '\n', '"q', '\\b', '[x]', '#h', '?q', 'A', 'a', '{}']
    .filter((key) => key !== '.' && key !== '..');
  await fill(project, keys);
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const prefix of ['%', '%2', '_', '*', 'a', 'a ', 'a+', 'a&', 'a=', 'a/', '.', '..', '../', 'é', 'e', '😀', '😁',
    '\x01', '\n', '"', '\\', '[', '#', '?', 'A', '{', ' ', '/', 'b'])
    assert.deepEqual(names(await list(`?prefix=${percent(prefix)}`, project.apiKey)),
      sorted.filter((key) => key.startsWith(prefix)), JSON.stringify(prefix));
  // As a form would send it: + is a space, %2B a plus.
  assert.deepEqual(names(await list('?prefix=a+b', project.apiKey)), ['a b']);
  assert.deepEqual(names(await list('?prefix=a%2Bb', project.apiKey)), ['a+b']);
  assert.deepEqual(names(await list('?prefix=a%2bb', project.apiKey)), ['a+b']);
  assert.deepEqual(names(await list('?prefix=a/b?', project.apiKey)), []);
  for (const bad of ['%ff', '%c3', '%f0%9f%98', '%ed%a0%80', '%c0%af'])
    expectError(await list(`?prefix=${bad}`), 400, 'bad_key', bad);
  for (const bad of ['%', '%2', '%zz']) assert.equal((await list(`?prefix=${bad}`)).status, 400, bad);
  assert.deepEqual(names(await list('?prefix=%00', project.apiKey)), []);
});

test('a prefix of 512 bytes finds the key it is, one of 513 is too long', async () => {
  const project = await kv.makeProject('long');
  const keys = ['k'.repeat(511), 'k'.repeat(512), '😀'.repeat(128)];
  await fill(project, keys);
  assert.deepEqual(names(await list(`?prefix=${'k'.repeat(512)}`, project.apiKey)), ['k'.repeat(512)]);
  assert.deepEqual(names(await list(`?prefix=${percent('😀'.repeat(128))}`, project.apiKey)), ['😀'.repeat(128)]);
  for (const prefix of ['k'.repeat(513), percent('k'.repeat(513)), percent('é'.repeat(257))])
    expectError(await list(`?prefix=${prefix}`), 414, 'key_too_long');
});

test('a page of a thousand keys of 512 bytes, all of them control bytes, is whole', async () => {
  const project = await kv.makeProject('widest');
  const keys = Array.from({ length: 1001 }, (_, i) =>
    String.fromCharCode(1 + (i >> 8), 1 + ((i >> 4) & 15), 1 + (i & 15)).padEnd(512, '\x1f'));
  await fill(project, keys);
  const sorted = [...keys].sort();
  assert.deepEqual(await pages(project, '', 1000), sorted);
  const answer = await list('', project.apiKey);
  assert.ok(answer.body.length > 3_000_000, 'each byte is an escape of six');
});

test('keys that come and go while pages are turned: nothing twice, nothing left out that stayed', async () => {
  const project = await kv.makeProject('moving');
  const stay = Array.from({ length: 200 }, (_, i) => `s${String(i).padStart(3, '0')}`);
  const leave = Array.from({ length: 200 }, (_, i) => `s${String(i).padStart(3, '0')}-x`);
  await fill(project, [...stay, ...leave]);
  let i = 0;
  const seen = await pages(project, '', 13, async () => {
    await fill(project, leave.slice(i, i + 10), 'DELETE');
    await fill(project, [`new-${i}`, `zz-${i}`]);
    i += 10;
  });
  assert.equal(new Set(seen).size, seen.length);
  for (const key of stay) assert.ok(seen.includes(key), key);
  assert.deepEqual([...seen].sort(), seen);
});

test('the head of a long list is its headers too', async () => {
  const project = await kv.makeProject('heads-of-many');
  await fill(project, Array.from({ length: 500 }, (_, i) => `key-${i}`));
  const got = await kv.ask('GET', '/kv', { as: project.apiKey });
  const head = await kv.ask('HEAD', '/kv', { as: project.apiKey });
  assert.deepEqual([head.status, head.body.length], [200, 0]);
  assert.equal(head.headers['content-length'], String(got.body.length));
});

test('the head of a list is its headers, and both bases have the same list', async () => {
  const project = await kv.makeProject('heads');
  await fill(project, ['a', 'b']);
  for (const query of ['', '?prefix=a', '?limit=1']) {
    const got = await kv.ask('GET', `/kv${query}`, { as: project.apiKey });
    assert.equal(got.data, (await list(query, project.apiKey)).data);
    const head = await kv.ask('HEAD', `/kv${query}`, { as: project.apiKey });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
    for (const name of ['content-type', 'content-length', 'cache-control', 'access-control-allow-origin'])
      assert.equal(head.headers[name], got.headers[name], name);
  }
  expectError(await kv.ask('HEAD', '/kv?limit=0'), 400, 'bad_limit');
});
