// Keys, spelled in every way a client may spell them, through nginx and back: the raw path decoded once,
// 1..512 bytes of UTF-8, anything but "." and ".." and NUL (API.md 2).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { expectError, start } from './lib.mjs';

const bases = ['/sdk/v1/kv', '/kv'];
let kv;
before(async () => { kv = await start({ write_limit: 0 }); });
after(() => kv?.stop());

/** Each byte as %XX: no server on the way can take any of it for something else. */
const percent = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const nameOf = (answer) => JSON.parse(Buffer.from(answer.data, 'latin1').toString()).keys.map((key) => key.name);

/** Put, get, head, list and remove under one spelling; the other base and the full encoding are the same key. */
async function roundTrip(base, spelling, key) {
  const other = bases.find((one) => one !== base);
  const value = JSON.stringify({ key, base, is: randomInt(1e9) });
  const ask = (method, path, options) => kv.ask(method, path, options);
  const put = await ask('PUT', `${base}/${spelling}`, { body: value });
  assert.equal(put.data, 'null');
  assert.equal(put.headers['x-kv-writes'], '1');
  for (const path of [`${base}/${spelling}`, `${other}/${spelling}`, `${base}/${percent(key)}`]) {
    const got = await ask('GET', path);
    assert.equal(Buffer.from(got.data, 'latin1').toString(), value, path);
    assert.equal(got.headers.etag, put.headers.etag);
  }
  const head = await ask('HEAD', `${base}/${spelling}`);
  assert.deepEqual([head.status, head.headers.etag, head.body.length], [200, put.headers.etag, 0]);
  assert.deepEqual(nameOf(await ask('GET', `${base}?prefix=${percent(key)}`)), [key]);
  assert.equal((await ask('DELETE', `${other}/${spelling}`)).data, 'null');
  expectError(await ask('GET', `${base}/${spelling}`), 404, 'key_not_found');
  assert.deepEqual(nameOf(await ask('GET', `${base}?prefix=${percent(key)}`)), []);
}

const good = [
  ['an ordinary name', 'user:12', 'user:12'],
  ['an encoded slash', 'a%2Fb', 'a/b'],
  ['the same in lower case', 'a%2fb', 'a/b'],
  ['two slashes', 'a//b', 'a//b'],
  ['a slash in front', '/a', '/a'],
  ['a slash behind', 'a/', 'a/'],
  ['nothing but slashes', '//', '//'],
  ['a slash alone', '%2F', '/'],
  ['dots in the middle, raw', 'a/../b', 'a/../b'],
  ['a dot in the middle, raw', 'a/./b', 'a/./b'],
  ['encoded dots in the middle', 'a/%2e%2e/b', 'a/../b'],
  ['dots and an encoded slash', '..%2Fa', '../a'],
  ['encoded dots and a slash', '%2e%2e/a', '../a'],
  ['dots that climb to another door', '../sdk/v1/auth/validate', '../sdk/v1/auth/validate'],
  ['the same, encoded', '..%2Fauth%2Fvalidate', '../auth/validate'],
  ['dots that climb to a door without its slash', '../sdk', '../sdk'],
  ['another such door', '../p', '../p'],
  ['yet another', '..%2Fclient%2Fv4', '../client/v4'],
  ['dots behind', 'a/..', 'a/..'],
  ['a dot behind', 'a/.', 'a/.'],
  ['three dots', '...', '...'],
  ['a dot and more', '.hidden', '.hidden'],
  ['an encoded percent sign', '100%25', '100%'],
  ['an escape that is encoded itself', 'a%252Fb', 'a%2Fb'],
  ['an encoded NUL that is encoded itself', 'a%2500', 'a%00'],
  ['a plus', 'a+b', 'a+b'],
  ['an encoded plus', 'a%2Bb', 'a+b'],
  ['an encoded space', 'a%20b', 'a b'],
  ['nothing but a space', '%20', ' '],
  ['an encoded question mark', 'a%3Fb%3Dc', 'a?b=c'],
  ['an encoded hash', 'a%23b', 'a#b'],
  ['an encoded ampersand', 'a%26limit=1', 'a&limit=1'],
  ['a raw ampersand', 'a&limit=1', 'a&limit=1'],
  ['control bytes', '%01%1f%7f', '\x01\x1f\x7f'],
  ['line ends', 'a%0d%0aSet-Cookie:%20a=b', 'a\r\nSet-Cookie: a=b'],
  ['quotes and backslashes', 'a%22%5Cb\'', 'a"\\b\''],
  ['what JSON and HTML dislike', '%3C/script%3E%E2%80%A8', '</script>\u2028'],
  ['raw signs that URLs do not have', '{}|^`"\\', '{}|^`"\\'],
  ['Cyrillic', '%D0%BA%D0%BB%D1%8E%D1%87', 'ключ'],
  ['an emoji', '%F0%9F%98%80', '😀'],
  ['a family that is seven code points', percent('👩‍👩‍👧‍👦'), '👩‍👩‍👧‍👦'],
  ['a combining accent', 'e%CC%81', 'e\u0301'],
  ['the letter with that accent, another key', '%C3%A9', 'é'],
  ['the last code point there is', '%F4%8F%BF%BF', '\u{10FFFF}'],
  ['the neighbours of the surrogates', '%ED%9F%BF%EE%80%80', '\uD7FF\uE000'],
  ['a byte order mark', '%EF%BB%BF', '\uFEFF'],
  ['a replacement character', '%EF%BF%BD', '\uFFFD'],
  ['a letter that is encoded without need', '%6B', 'k'],
  ['a name like a route', 'v1/auth/validate', 'v1/auth/validate'],
  ['a name like a prototype\'s', '__proto__', '__proto__'],
  ['511 bytes', 'k'.repeat(511), 'k'.repeat(511)],
  ['512 bytes', 'k'.repeat(512), 'k'.repeat(512)],
  ['512 bytes, each encoded', percent('k'.repeat(512)), 'k'.repeat(512)],
  ['512 bytes of emoji', percent('😀'.repeat(128)), '😀'.repeat(128)],
  ['511 bytes with a letter of two', percent('k'.repeat(509) + 'é'), `${'k'.repeat(509)}é`],
  ['512 bytes of slashes', '/'.repeat(512), '/'.repeat(512)],
  ['512 control bytes', percent('\x01'.repeat(512)), '\x01'.repeat(512)],
];
for (const base of bases)
  describe(`under ${base}`, () => {
    for (const [what, spelling, key] of good)
      test(`${what} is a key like any other: ${spelling.slice(0, 40)}`, () => roundTrip(base, spelling, key));
  });

const bad = [
  ['an empty key', '', 400, 'bad_key'],
  ['a dot', '.', 400, 'bad_key'],
  ['an encoded dot', '%2e', 400, 'bad_key'],
  ['two dots', '..', 400, 'bad_key'],
  ['two encoded dots', '%2e%2E', 400, 'bad_key'],
  ['a raw and an encoded dot', '.%2e', 400, 'bad_key'],
  ['513 bytes', 'k'.repeat(513), 414, 'key_too_long'],
  ['513 bytes, each encoded', percent('k'.repeat(513)), 414, 'key_too_long'],
  ['513 bytes with a letter of two', percent('k'.repeat(511) + 'é'), 414, 'key_too_long'],
  ['513 bytes with an emoji', percent('k'.repeat(509) + '😀'), 414, 'key_too_long'],
  ['129 emoji', percent('😀'.repeat(129)), 414, 'key_too_long'],
  ['8,000 bytes', 'k'.repeat(8000), 414, 'key_too_long'],
  ['a NUL', '%00', 400, 'bad_request'],
  ['a NUL behind', 'a%00', 400, 'bad_request'],
  ['a byte that is no UTF-8', '%ff', 400, 'bad_key'],
  ['another one', '%FE', 400, 'bad_key'],
  ['a continuation alone', 'a%80', 400, 'bad_key'],
  ['a sequence cut short', 'a%F0%9F%98', 400, 'bad_key'],
  ['an overlong slash', '%c0%af', 400, 'bad_key'],
  ['an overlong NUL', '%c0%80', 400, 'bad_key'],
  ['an overlong slash of three bytes', '%e0%80%af', 400, 'bad_key'],
  ['an overlong slash of four bytes', '%f0%80%80%af', 400, 'bad_key'],
  ['a surrogate', '%ed%a0%80', 400, 'bad_key'],
  ['a pair of surrogates', '%ed%a0%bd%ed%b8%80', 400, 'bad_key'],
  ['a code point above the last', '%f4%90%80%80', 400, 'bad_key'],
  ['Latin-1', 'caf%E9', 400, 'bad_key'],
  ['a raw hash', 'a#b', 400, 'bad_key'],
  ['an escape cut short', 'a%2', 400, 'bad_request'],
  ['an escape that is none', 'a%g0', 400, 'bad_request'],
];
for (const base of bases)
  for (const [what, spelling, status, code] of bad)
    test(`${what} is refused by every method: ${base}/${spelling.slice(0, 40)}`, async () => {
      for (const method of ['PUT', 'GET', 'HEAD', 'DELETE'])
        expectError(await kv.ask(method, `${base}/${spelling}`, { ...(method === 'PUT' && { body: '1' }) }), status,
          code, method);
    });

test('an empty key is never the list, whatever stands behind it', async () => {
  await kv.ask('PUT', '/kv/here', { body: '1' });
  for (const base of bases)
    for (const path of [`${base}/`, `${base}/?prefix=`, `${base}/?limit=1`, `${base}/?`])
      expectError(await kv.ask('GET', path), 400, 'bad_key', path);
});

test('C9: dots may climb to the root and no further: nginx refuses what would lie above it', async () => {
  await kv.ask('PUT', '/sdk/v1/kv/../../../a', { body: '"climbed"' });
  assert.equal((await kv.ask('GET', '/sdk/v1/kv/%2e%2e%2f..%2f../a')).data, '"climbed"');
  assert.deepEqual(nameOf(await kv.ask('GET', '/kv?prefix=../')), ['../../../a']);
  for (const path of ['/sdk/v1/kv/../../../../a', '/kv/../../a', '/kv/%2e%2e/%2e%2e/a', '/kv/..%2F..%2Fa'])
    expectError(await kv.ask('GET', path), 400, 'bad_request', path);
});

test('bytes that may not stand in a request line are nginx\'s 400', async () => {
  for (const path of ['a b', 'a\tb', 'a\x01b', 'a\x7fb', 'a\x00b']) {
    const [answer] = await kv.talk(kv.request('GET', `/kv/${path}`));
    expectError(answer, 400, 'bad_request', JSON.stringify(path));
  }
});

test('raw bytes above ASCII are the key that they spell', async () => {
  const spelled = Buffer.from('сырой😀').toString('latin1');
  const [put] = await kv.talk(kv.request('PUT', `/kv/${spelled}`, { body: '"raw"' }));
  assert.equal(put.status, 200);
  assert.equal((await kv.ask('GET', `/kv/${percent('сырой😀')}`)).data, '"raw"');
  const [bad] = await kv.talk(kv.request('PUT', '/kv/caf\xe9', { body: '1' }));
  expectError(bad, 400, 'bad_key');
});

test('a question mark ends the key, and what follows is the query', async () => {
  await kv.ask('PUT', '/kv/asked', { body: '"plain"' });
  assert.equal((await kv.ask('GET', '/kv/asked?anything=1&b')).data, '"plain"');
  expectError(await kv.ask('GET', '/kv/asked%3Fanything'), 404, 'key_not_found');
});

test('keys that look alike are different keys', async () => {
  const keys = ['é', 'e\u0301', 'E', 'e', 'е', 'ｅ', 'e ', ' e', 'e/', '/e', 'e%20', 'e+', '①', '1', 'ß', 'ss', 'ẞ',
    'İ', 'i'];
  for (const [i, key] of keys.entries()) await kv.ask('PUT', `/kv/${percent(`alike/${key}`)}`, { body: `${i}` });
  for (const [i, key] of keys.entries())
    assert.equal((await kv.ask('GET', `/kv/${percent(`alike/${key}`)}`)).data, `${i}`, key);
  assert.equal(nameOf(await kv.ask('GET', '/kv?prefix=alike/')).length, keys.length);
});

test('C9: a path that only looks like the door\'s to nginx is none', async () => {
  for (const path of ['/x/../kv/k', '/%6Bv/k', '/kv%2Fk', '/sdk//v1/kv/k', '/sdk/v1/./kv/k', '/sdk/v1/kv%2Fk',
    '/sdk/v1/auth/../kv/k', '/sdk/v1/auth/validate/../../kv/k', '/.well-known/../kv/k'])
    expectError(await kv.ask('PUT', path, { body: '1' }), 400, 'no_such_route', path);
  expectError(await kv.ask('POST', '/sdk/v1/kv/..%2Fauth%2Fvalidate', { body: '{}' }), 405, 'method_not_allowed');
  expectError(await kv.ask('POST', '/kv/../sdk/v1/auth/validate', { body: '{}' }), 405, 'method_not_allowed');
});

test('the absolute form of a request names the same key', async () => {
  const [answer] = await kv.talk(kv.request('PUT', 'http://elsewhere.example/kv/absolute', { body: '1' }));
  assert.equal(answer.status, 200);
  assert.equal((await kv.ask('GET', '/kv/absolute')).data, '1');
});

// --- 300 keys that nobody thought of ---

/** A code point of any plane, with the interesting neighbourhoods more often than chance would have it. */
function codePoint() {
  const [low, high] = [[0x01, 0x7f], [0x01, 0x2f], [0x80, 0x7ff], [0x800, 0xd7ff], [0xe000, 0xffff],
    [0x10000, 0x10ffff]][randomInt(6)];
  return String.fromCodePoint(randomInt(low, high + 1));
}

function randomKey() {
  let key = '';
  const length = randomInt(4) === 0 ? randomInt(1, 513) : randomInt(1, 24);
  for (;;) {
    const next = key + codePoint();
    if (Buffer.byteLength(next) > length) return key || 'a';
    key = next;
  }
}

/** Some bytes encoded, some not, as long as nginx takes them raw. */
const spell = (key) => [...Buffer.from(key)].map((byte) =>
  (/[A-Za-z0-9_.~!$&'()*+,;=:@/-]/.test(String.fromCharCode(byte)) && randomInt(2)
  ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`)).join('');

test('300 random keys of all planes are written, read and listed in the order of their bytes', async () => {
  const project = await kv.makeProject('random');
  const keys = [...new Set(Array.from({ length: 300 }, randomKey))].filter((key) => key !== '.' && key !== '..');
  const as = { as: project.apiKey };
  await Promise.all(keys.map(async (key) => {
    const answer = await kv.ask('PUT', `/kv/${spell(key)}`, { ...as, body: JSON.stringify(key) });
    assert.equal(answer.status, 200, JSON.stringify([key, answer.text]));
  }));
  await Promise.all(keys.map(async (key) => {
    const answer = await kv.ask('GET', `/sdk/v1/kv/${spell(key)}`, as);
    assert.equal(answer.json.data, key, JSON.stringify(key));
  }));
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(nameOf(await kv.ask('GET', '/kv', as)), sorted);
  const listed = [];
  for (let cursor = ''; ;) {
    const page = (await kv.ask('GET', `/kv?limit=7&cursor=${cursor}`, as)).json.data;
    listed.push(...page.keys.map((key) => key.name));
    assert.equal(page.list_complete, !('cursor' in page));
    if (page.list_complete) break;
    cursor = encodeURIComponent(page.cursor);
  }
  assert.deepEqual(listed, sorted);
});
