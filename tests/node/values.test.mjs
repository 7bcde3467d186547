// Values: one JSON text, kept byte for byte, or refused without a trace (API.md 2).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { after, before, test } from 'node:test';
import { expectError, start } from './lib.mjs';

let kv;
before(async () => { kv = await start({ write_limit: 0 }); });
after(() => kv?.stop());

const bytes = (text) => Buffer.from(text, 'latin1');
const utf8 = (text) => Buffer.from(text);
const string = (length) => `"${'x'.repeat(length - 2)}"`;

/** PUT, then GET: to the byte what was sent. BODY is text in Latin-1 or bytes. */
async function isKept(body, options = {}) {
  const sent = Buffer.isBuffer(body) ? body : bytes(body);
  const put = await kv.ask('PUT', '/kv/kept', { body: sent, ...options });
  assert.equal(put.status, 200, put.text);
  const got = await kv.ask('GET', '/sdk/v1/kv/kept');
  assert.ok(bytes(got.data).equals(sent), `${got.text.slice(0, 200)} instead of ${sent.subarray(0, 200)}`);
  assert.equal(got.headers.etag, put.headers.etag);
}

const OLD = ' {"old" :\t[1.50, "\\u00e9"]}\r\n';

/** ATTEMPT() is refused with STATUS and CODE, and what was there before is there as it was. */
async function isRefused(attempt, status, code, why) {
  if ((await kv.ask('GET', '/kv/target')).text !== `{"success":true,"data":${OLD}}`) await kv.ask('PUT', '/kv/target', { body: OLD });
  const old = await kv.ask('GET', '/kv/target');
  const answer = await attempt('/kv/target');
  expectError(answer, status, code, why);
  const now = await kv.ask('GET', '/kv/target');
  assert.equal(now.data, OLD, why);
  assert.deepEqual([now.headers.etag, now.headers['x-kv-writes']], [old.headers.etag, old.headers['x-kv-writes']], why);
  return answer;
}
const put = (body, headers = {}) => (path) => kv.ask('PUT', path, { body, headers });

// --- sizes ---

for (const size of [1, 2, 3, 100, 500, 4095, 4096, 4097, 8191, 8192, 8193, 32_767, 32_768, 65_528, 65_535, 65_536,
  131_071, 131_072])
  test(`a value of ${size} bytes is kept`, () => isKept(size < 3 ? '1'.repeat(size) : string(size)));

test('values around the size that still fits beside its key are kept, growing and shrinking', async () => {
  for (const key of ['k', 'k'.repeat(512)])
    for (let size = 380; size <= 1030; size += 10) {
      const body = string(size + randomInt(10));
      assert.equal((await kv.ask('PUT', `/kv/${key}`, { body })).status, 200);
      assert.equal((await kv.ask('GET', `/kv/${key}`)).data, body);
    }
  for (const size of [100_000, 10, 2000, 131_072, 3, 1006, 1007, 400, 5000]) await isKept(string(size));
});

test('an empty value is no JSON', () => isRefused(put(''), 400, 'bad_json'));
test('a PUT that says nothing of a body has an empty one', () => isRefused(async (path) => (await kv.talk(
  `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${kv.apiKey}\r\n\r\n`))[0], 400, 'bad_json'));
test('131,073 bytes are too many, and the sentence says how many are not', async () => {
  const answer = await isRefused(put(string(131_073)), 413, 'value_too_large');
  assert.match(answer.json.error, /131072/);
});
test('a megabyte is too much, said by the server', () => isRefused(put(string(1_048_576)), 413, 'value_too_large'));
test('more is too much, said by nginx', () => isRefused(put(string(1_048_577)), 413, 'value_too_large'));
test('131,073 bytes that are no JSON are too large before they are anything else', () =>
  isRefused(put('x'.repeat(131_073)), 413, 'value_too_large'));
test('white space counts: 131,072 of it and a digit are too much', () =>
  isRefused(put(`${' '.repeat(131_072)}1`), 413, 'value_too_large'));

// --- what is kept ---

const kept = {
  'null': 'null', 'true': 'true', 'false': 'false', 'zero': '0', 'minus zero': '-0', 'an empty string': '""',
  'an empty array': '[]', 'an empty object': '{}', 'white space around': ' \t\r\n{"a" : [ 1 , 2 ] }\n\r\t ',
  'white space inside': '[\n\n1\t,\r2 ]', 'a number of 400 digits': '1234567890'.repeat(40),
  'a fraction of 400 digits': `0.${'1234567890'.repeat(40)}`, 'an exponent of 400 digits': `1e${'9'.repeat(400)}`,
  'an exponent with a sign': '-1.5E+07', 'a number beyond a double': '1e400',
  'a number between two doubles': '9007199254740993', 'members twice': '{"a":1,"a":2,"a":1}',
  'a member without a name': '{"":0}', '__proto__': '{"__proto__":{"x":1}}',
  'a lone high surrogate, escaped': '"\\ud800"', 'a lone low surrogate, escaped': '"\\uDC00"',
  'surrogates the wrong way round, escaped': '"\\udc00\\ud800"', 'an escaped NUL': '"\\u0000"',
  'escapes of every kind': '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"', 'a raw DEL': '"\x7f"',
  'text that ends an HTML script': '"</script><!--"', 'text like our envelope': '"},\\"success\\":false,\\"data\\":{"',
  '512 arrays in each other': '['.repeat(512) + ']'.repeat(512),
  '512 objects in each other': `${'{"a":'.repeat(512)}1${'}'.repeat(512)}`,
  '65,000 empty arrays': `[${'[],'.repeat(40_000)}[]]`, 'a string of 131,070 escapes': `"${'\\u0000'.repeat(21_844)}"`,
};
for (const [what, text] of Object.entries(kept)) test(`kept to the byte: ${what}`, () => isKept(text));
for (const [what, text] of Object.entries({
  'letters of two, three and four bytes': '["é","€","😀","\u{10FFFF}"]', 'line separators': '"\u2028\u2029"',
  'noncharacters': '"\uFFFE\uFFFF\uFDD0"', 'a byte order mark inside a string': '"\uFEFF"',
  'names in Cyrillic': '{"ключ":"значение"}',
})) test(`kept to the byte: ${what}`, () => isKept(utf8(text)));

test('what Content-Type says changes nothing', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
    'application/json; charset=utf-16', ''])
    await isKept('{"a":1}', { headers: { 'Content-Type': type } });
});

// --- what is refused ---

const open = (n) => '['.repeat(n);
const bad = [
  ' ', '\n', 'nul', 'Null', 'TRUE', 'nulll', 'null null', 'undefined', 'NaN', '-NaN', 'Infinity', '-Infinity', 'nan',
  'abc', '+1', '01', '-01', '00', '1.', '.5', '-.5', '2.e3', '1e', '1e+', '1E-', '1e1.5', '1.2.3', '0x10', '1_000',
  '1,000', '-', '--1', '1-', '1 2', '- 1', '1a', '"a', 'a"', '"', "'a'", '`a`', '"\t"', '"\n"', '"\r"', '"\0"',
  '"\x1f"', '"\\x41"', '"\\u12"', '"\\u12G4"', '"\\U0041"', '"\\"', '"\\a"', '"\\0"', '"\\\n"', '"a" "b"', '"a"b',
  '"\\ud83d\\u"', '[', '[1', '[1,', '[1,]', '[,1]', '[1,,2]', '[1 2]', '[,]', ']', '[1]]', '[1}', '["a', '[[]',
  '[1,\n', '[1:2]', '{', '}', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '{"a" 1}', '{"a"}', '{a:1}',
  "{'a':1}", '{1:1}', '{null:1}', '{[]:1}', '{"a":1 "b":2}', '{"a"::1}', '{"a":1}}', '{"a":1]', '{"a":}', '{:1}',
  '{"a":1,,"b":2}', '{"a","b"}', '{"a":1;"b":2}', '{"a\n":1}', '//c\n1', '1//c', '/*c*/1', '[1/*c*/]', '#c\n1',
  '\xef\xbb\xbf1', '\xef\xbb\xbf', '\v1', '\f1', '\x081', '\xc2\xa01', '\xe2\x80\xa81', '1\0', '\0', '\x001', '1\x1a',
  '1;', '{"a":1}{"b":2}', '[1]\n[2]', 'null,', '(1)', '<a/>', 'callback({})', ')]}\'\n1', '1}', '"a"}', '"\xff"',
  '"\x80"', '"\xc0\xaf"', '"\xc0\x80"', '"\xe0\x80\xaf"', '"\xed\xa0\x80"', '"\xed\xa0\xbd\xed\xb8\x80"',
  '"\xf4\x90\x80\x80"', '"\xf0\x9f\x98"', '"\xf0\x9f\x98', '"\xe9"', '\xff\xfe"\0a\0"\0', '\0"\0a\0"', '{"\xff":1}',
  '[1,\xff]', `${open(513)}${']'.repeat(513)}`, `${open(10_000)}${']'.repeat(10_000)}`, open(512), open(100_000),
  `${'{"a":'.repeat(513)}1${'}'.repeat(513)}`, `${'[{"a":'.repeat(257)}1${'}]'.repeat(257)}`,
];
test('there are enough kinds of broken JSON here, and none of them twice', () => {
  assert.ok(bad.length > 100);
  assert.equal(new Set(bad).size, bad.length);
});
for (const text of bad)
  test(`refused as no JSON: ${JSON.stringify(text.slice(0, 30))}${text.length > 30 ? ` ... ${text.length}` : ''}`,
    async () => {
    const answer = await isRefused(put(bytes(text)), 400, 'bad_json');
    const offset = Number(answer.json.error.match(/byte (\d+)/)[1]);
    assert.ok(offset >= 0 && offset <= text.length, answer.text);
  });

test('the offset in the sentence is where the JSON breaks', async () => {
  for (const [text, offset] of [['nope', 1], ['[1,]', 3], ['{"a":1,}', 7], ['01', 1], ['"a\tb"', 2], [' \n x', 3],
    ['[1', 2], ['1 2', 2],
    [`${' '.repeat(100_000)}x`, 100_000], [`${open(513)}${']'.repeat(513)}`, 512]])
    assert.match((await isRefused(put(text), 400, 'bad_json')).json.error, new RegExp(`byte ${offset}$`),
      text.slice(0, 20));
});

test('a value that fails in its last byte is refused like one that fails in its first', async () => {
  await isRefused(put(`[${'1,'.repeat(65_000)}]`), 400, 'bad_json');
  await isRefused(put(Buffer.concat([bytes(`"${'x'.repeat(131_000)}`), Buffer.from([0xff]), bytes('"')])), 400,
    'bad_json');
});

// --- how a body arrives ---

for (const encoding of ['gzip', 'br', 'deflate', 'GZIP', 'gzip, identity', 'identity, gzip', 'x', 'identity;q=1'])
  test(`Content-Encoding: ${encoding} is refused`, async () => {
    await isRefused(put(gzipSync('{"a":1}'), { 'Content-Encoding': encoding }), 415, 'unsupported_encoding');
    await isRefused(put('{"a":1}', { 'Content-Encoding': encoding }), 415, 'unsupported_encoding');
  });
test('Content-Encoding: identity is none', async () => {
  for (const encoding of ['identity', 'Identity', '']) await isKept('1', { headers: { 'Content-Encoding': encoding } });
});
test('compressed bytes without a word about it are no JSON', () =>
  isRefused(put(gzipSync('{"a":1}')), 400, 'bad_json'));

const head = (path, headers) =>
  `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${kv.apiKey}\r\n${headers}\r\n`;
const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
const chunked = (path, ...chunks) =>
  `${head(path, 'Transfer-Encoding: chunked\r\n')}${chunks.map(chunk).join('')}0\r\n\r\n`;

test('a chunked value is kept, in whatever pieces it comes', async () => {
  for (const text of ['1', '{"chunked":true}', string(131_072)]) {
    const pieces = text.length < 100 ? [...text] : text.match(/.{1,7001}/gs);
    const [answer] = await kv.talk(chunked('/kv/chunked', ...pieces));
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await kv.ask('GET', '/kv/chunked')).data, text);
  }
  const odd = head('/kv/chunked', 'Transfer-Encoding: chunked\r\nTrailer: X\r\n');
  const [answer] = await kv.talk(`${odd}1;name=value\r\n7\r\n0\r\nX: y\r\n\r\n`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await kv.ask('GET', '/kv/chunked')).data, '7');
});
test('a chunked value that is too large or no JSON is refused', async () => {
  await isRefused(async (path) => (await kv.talk(chunked(path, string(100_000), string(31_073))))[0], 413,
    'value_too_large');
  await isRefused(async (path) => (await kv.talk(chunked(path, '[1', ',]')))[0], 400, 'bad_json');
  await isRefused(async (path) => (await kv.talk(chunked(path)))[0], 400, 'bad_json');
});
const malformed = {
  'Content-Length beside Transfer-Encoding': (path) =>
    `${head(path, 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n')}1\r\n7\r\n0\r\n\r\n`,
  'two lengths': (path) => `${head(path, 'Content-Length: 1\r\nContent-Length: 2\r\n')}12`,
  'the same length twice': (path) => `${head(path, 'Content-Length: 1\r\nContent-Length: 1\r\n')}7`,
  'a negative length': (path) => `${head(path, 'Content-Length: -1\r\n')}7`,
  'a length with a sign': (path) => `${head(path, 'Content-Length: +1\r\n')}7`,
  'a length in hexadecimal': (path) => `${head(path, 'Content-Length: 0x1\r\n')}7`,
  'a list of lengths': (path) => `${head(path, 'Content-Length: 1, 1\r\n')}7`,
  'a length beyond 64 bits': (path) => `${head(path, 'Content-Length: 99999999999999999999\r\n')}7`,
  'a chunk whose size is no number': (path) => `${head(path, 'Transfer-Encoding: chunked\r\n')}x\r\n7\r\n0\r\n\r\n`,
  'a chunk of a negative size': (path) => `${head(path, 'Transfer-Encoding: chunked\r\n')}-1\r\n7\r\n0\r\n\r\n`,
  'a chunk longer than its size': (path) => `${head(path, 'Transfer-Encoding: chunked\r\n')}1\r\n77\r\n0\r\n\r\n`,
  'chunks in HTTP/1.0': (path) => chunked(path, '7').replace('HTTP/1.1', 'HTTP/1.0'),
};
for (const [what, request] of Object.entries(malformed))
  test(`${what} is nginx's 400, and nothing is written`, () =>
    isRefused(async (path) => (await kv.talk(request(path)))[0], 400, 'bad_request'));

test('a body longer than its length ends where the length says, and the rest is no request', async () => {
  const answers = await kv.talk(`${head('/kv/short', 'Content-Length: 2\r\n')}12345\r\n\r\n`, { n: 2 });
  assert.deepEqual(answers.map((answer) => answer.status), [200, 400]);
  assert.equal((await kv.ask('GET', '/kv/short')).data, '12');
});

test('Expect: 100-continue is answered before the body is sent', async () => {
  const expecting = head('/kv/expected', 'Content-Length: 1\r\nExpect: 100-continue\r\n');
  assert.deepEqual((await kv.talk(expecting)).map((answer) => answer.status), [100]);
  // Whoever sends it all at once may be spared the 100.
  const answers = await kv.talk(`${expecting}8`.replace('\r\n', '\r\nConnection: close\r\n'), { n: 3 });
  assert.deepEqual(answers.map((answer) => answer.status).filter((status) => status !== 100), [200]);
  assert.equal((await kv.ask('GET', '/kv/expected')).data, '8');
});

test('a body over nginx\'s limit is refused in place of 100 Continue', async () => {
  const [too_large] = await kv.talk(head('/kv/expected', 'Content-Length: 2000000\r\nExpect: 100-continue\r\n'));
  expectError(too_large, 413, 'value_too_large');
});

test('bodies where nobody asked for one are taken and forgotten', async () => {
  for (const size of [1, 8192, 131_072, 300_000]) {
    const [get, remove] = ['GET', 'DELETE'].map((method) => kv.request(method, '/kv/body', { body: 'x'.repeat(size) }));
    await kv.ask('PUT', '/kv/body', { body: '"mine"' });
    const answers = await kv.talk(get + get + remove + get, { n: 4 });
    assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200, 404], `${size} bytes`);
  }
});
