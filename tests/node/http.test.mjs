// What a client can do with HTTP itself: headers that want to be something else, pages of any origin, answers that
// are to be split, and what remains of all that in the logs.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { expectError, frontName, source, start, until } from './lib.mjs';

let kv, other, user, planted;
before(async () => {
  kv = await start({ log_level: 'debug' });
  other = await kv.makeProject('other');
  user = await kv.signIn({ id: 7, first_name: 'MARKER-first-name' });
  planted = kv.initData({ id: 8, first_name: 'Ada' }, { fields: { start_param: 'MARKER-initdata' } });
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
});
after(() => kv?.stop());

const auth = () => `Authorization: Bearer ${kv.apiKey}\r\n`;
const get = (lines, path = '/kv/mine') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`;

// --- C: headers ---

test('C1: a header with an underscore is no header', async () => {
  const tma = `Authorization: tma ${planted}\r\n`;
  const [without] = await kv.talk(get(`${tma}X_Project_Id: demo\r\n`));
  expectError(without, 400, 'bad_request');
  const [beside] = await kv.talk(get(`X_Project_Id: other\r\n${auth()}X-Project-Id: demo\r\n`));
  assert.equal(beside.data, '"here"');
});

test('C1: the nginx files that are shipped leave underscores off, and nobody\'s headers come through as a whole', () => {
  for (const file of readdirSync(join(source, 'nginx')).filter((name) => name.endsWith('.conf'))) {
    const lines = readFileSync(join(source, 'nginx', file), 'utf8').split('\n').map((line) => line.replace(/#.*/, ''));
    for (const line of lines) {
      assert.doesNotMatch(line, /underscores_in_headers\s+on|ignore_invalid_headers\s+off/, file);
      assert.doesNotMatch(line, /fastcgi_pass_request_headers\s+on/, file);
    }
    const text = lines.join('\n');
    if (text.includes('HTTP_AUTHORIZATION')) assert.match(text, /fastcgi_pass_request_headers\s+off/, file);
  }
});

test('C2: a header that comes twice never leads into the project of the second', async () => {
  const both = (first, second) => kv.talk(get(`${auth()}X-Project-Id: ${first}\r\nX-Project-Id: ${second}\r\n`));
  // nginx up to 1.22 hands over the first one, later ones join both.
  const [own_first] = await both('demo', 'other');
  if (own_first.status === 200) assert.equal(own_first.data, '"here"');
  else expectError(own_first, 403, 'forbidden');
  const [foreign_first] = await both('other', 'demo');
  expectError(foreign_first, 403, 'forbidden');
});

test('C3: what could be read in two ways is nginx\'s 400', async () => {
  const requests = [
    `GET /kv/mine HTTP/1.1\r\n${auth()}\r\n`, // no Host
    get(`Host: y\r\n${auth()}`), get(`${auth()}${auth()}`), get(auth().replace(':', ' :')),
    get(auth().replace('Bearer', 'Bearer\r\n')), get(auth().replace('Bearer', 'Bearer\r\n\t')),
    get(`${auth()}X: a\0b\r\n`), get(`${auth()}X\x01: a\r\n`), get(`${auth()}: a\r\n`),
    get(auth()).replace('Host: x', 'Host: x y'), get(auth()).replace('Host: x', 'Host: x/y'),
    get(auth()).replace('GET', 'get'), get(auth()).replace('GET', 'G T'), get(auth()).replace('HTTP/1.1', 'HTTP/1.x'),
    get(auth()).replace('HTTP/1.1', 'XTTP/1.1'), get(auth()).replace('/kv', 'kv'),
    // lighttpd waits for more of the one, and speaks HTTP/2 to the other.
    ...(frontName === 'lighttpd' ? [] : ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']),
    `GET /kv/mine\rX: y HTTP/1.1\r\nHost: x\r\n\r\n`,
    // Two lengths, or a length and chunks: where one ends for nginx it may go on for somebody else.
    ...['Content-Length: 1\r\nContent-Length: 1\r\n', 'Content-Length: 1\r\nContent-Length: 2\r\n',
      'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: chunked\r\nContent-Length: 1\r\n',
      'Content-Length: 1, 1\r\n', 'Content-Length: +1\r\n', 'Content-Length: -1\r\n', 'Content-Length: 0x1\r\n',
      'Content-Length : 1\r\n', 'Content-Length:\r\n 1\r\n', 'Content-Length: 1\0\r\n',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: chunked, identity\r\n',
      'Transfer-Encoding: xchunked\r\n', 'Transfer-Encoding:\x0bchunked\r\n']
      .map((lines) => `${get(`${auth()}${lines}`).replace('GET', 'PUT')}1\r\n7\r\n0\r\n\r\n`),
  ];
  for (const request of requests) {
    const [answer] = await kv.talk(request);
    // Others than nginx join a header that comes twice, and there is no such token.
    assert.ok([400, 405, 501, 505, ...(frontName === 'nginx' ? [] : [401])].includes(answer.status), `${answer.status} to ${JSON.stringify(request)}`);
    expectError(answer, answer.status, answer.code);
  }
  assert.equal((await kv.ask('GET', '/kv/mine')).data, '"here"');
});

test('C4: no header sets what nginx alone may say', async () => {
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
  for (const line of ['TMAKV-Door: operator', 'TMAKV_DOOR: operator', 'Tmakv-Door: binding', 'Request-Id: 1',
    'REQUEST_ID: 1', 'X-Request-Id: mine', 'Request-Uri: /kv/other', 'Request-Method: DELETE',
    'X-HTTP-Method-Override: DELETE', 'X-Original-URL: /kv/other', 'X-Rewrite-URL: /kv/other',
    'X-Forwarded-Host: other', 'Content-Encoding: identity', 'FCGI-Role: FILTER', 'HTTP-Authorization: x',
    'Status: 500']) {
    const [answer] = await kv.talk(get(`${line}\r\n${auth()}`));
    assert.equal(answer.data, '"here"', line);
    assert.match(answer.headers['x-request-id'], /^[0-9a-f]{32}$/, line);
  }
});

test('C5: bare line feeds end lines as well, and a name with a dot is no header', async () => {
  const [bare] = await kv.talk(get(auth()).replaceAll('\r\n', '\n'));
  assert.equal(bare.data, '"here"');
  const [dotted] = await kv.talk(get(auth().replace('Authorization', 'Authoriz.ation')));
  expectError(dotted, 401, 'unauthorized');
});

test('C6, C7: Proxy, and bytes that are no ASCII, change nothing', async () => {
  for (const line of ['Proxy: http://127.0.0.1:1/', 'Origin: https://\xff\xfe', 'Origin: \xd0\xbf', 'X: \xff',
    'Origin: https://a\x01b', 'If-None-Match: "\xff"', 'Content-Type: \xff'])
    assert.equal((await kv.talk(get(`${line}\r\n${auth()}`)))[0].data, '"here"', line);
  for (const line of ['If-None-Match: \xff', 'If-Match: "\x01"'])
    expectError((await kv.talk(get(`${line}\r\n${auth()}`)))[0], 400, 'bad_request', line);
  for (const id of ['\xff', 'd\xc3\xa9mo', 'demo\x01', '%64emo', 'demo,demo'])
    expectError((await kv.talk(get(`X-Project-Id: ${id}\r\n${auth()}`)))[0], 403, 'forbidden', id);
});

test('C10: only nginx\'s group reaches the FastCGI socket, and only the owner the control socket', () => {
  assert.equal(statSync(join(kv.dir, 's')).mode & 0o777, 0o660);
  assert.equal(statSync(kv.control).mode & 0o777, 0o600);
});

// --- D: pages of any origin ---

const ORIGINS = ['https://mini.app', 'https://evil.example', 'null', 'https://good.example.evil.com',
  'HTTPS://GOOD.EXAMPLE', 'https://good.example:444', '*', ''];
const PREFLIGHT = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS',
  'access-control-allow-headers': 'Authorization, Content-Type, If-Match, If-None-Match, X-Project-Id',
  'access-control-max-age': '86400',
};

test('D: a preflight is answered for any path and origin, without credentials and without a body', async () => {
  for (const path of ['/kv/k', '/sdk/v1/kv/a%2Fb', '/kv', '/sdk/v1/kv', '/sdk/v1/auth/validate',
    '/.well-known/jwks.json', '/', '/nothing/here', '/kv/', '/kv/%ff', `/kv/${'k'.repeat(600)}`, '/client/v4/user',
    '/kv?limit=0'])
    for (const origin of ORIGINS) {
      const answer = await kv.ask('OPTIONS', path, {
        as: null, headers: { Origin: origin, 'Access-Control-Request-Method': 'PUT',
          'Access-Control-Request-Headers': 'authorization,content-type' } });
      assert.deepEqual([answer.status, answer.body.length, answer.headers['content-type']], [204, 0, undefined], path);
      for (const [name, value] of Object.entries(PREFLIGHT))
        assert.equal(answer.headers[name], value, `${path} ${name}`);
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
    }
});

test('D: a preflight with rubbish for credentials is answered like any other', async () => {
  for (const headers of [{ Authorization: 'Bearer x' }, { Authorization: '' }, { 'X-Project-Id': 'nobodys' },
    { 'Content-Encoding': 'gzip' }])
    assert.equal((await kv.ask('OPTIONS', '/kv/k', { as: null, headers })).status, 204);
  assert.equal((await kv.ask('OPTIONS', '/kv/k', { as: null, body: 'x'.repeat(200_000) })).status, 204);
});

test('D: a page of any origin may read every answer, and none is told its credentials are welcome', async () => {
  const asked = [['GET', '/kv/mine'], ['HEAD', '/kv/mine'], ['GET', '/kv'], ['PUT', '/kv/mine', '"here"'],
    ['DELETE', '/kv/nothing'], ['GET', '/.well-known/jwks.json']];
  for (const origin of ORIGINS)
    for (const [method, path, body] of asked) {
      const answer = await kv.ask(method, path, { body, headers: { Origin: origin, Cookie: 'a=b' } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.equal(answer.headers['access-control-expose-headers'], 'ETag, X-KV-Writes, Retry-After, X-Request-Id');
      for (const name of ['access-control-allow-credentials', 'set-cookie'])
        assert.equal(answer.headers[name], undefined);
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(answer.headers['cache-control'], path.endsWith('jwks.json') ? 'public, max-age=300' : 'no-store');
      assert.match(answer.headers['x-request-id'], /^[0-9a-f]{32}$/);
    }
});

// --- response splitting ---

test('nothing that a client says becomes a header of an answer', async () => {
  const known = new Set(['server', 'date', 'content-type', 'content-length', 'connection',
    'access-control-allow-origin', 'access-control-expose-headers', 'access-control-allow-methods',
    'access-control-allow-headers', 'access-control-max-age', 'x-request-id', 'cache-control', 'etag', 'x-kv-writes',
    'keep-alive', 'www-authenticate', 'allow', 'retry-after', 'accept-ranges']);
  const evil = '%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a%3Chtml%3E';
  const isClean = (answer, why) => {
    for (const [name, value] of Object.entries(answer.headers)) {
      assert.ok(known.has(name), `${name} in the answer to ${why}`);
      assert.doesNotMatch(value, /evil/, why);
    }
  };
  for (const base of ['/kv', '/sdk/v1/kv']) {
    for (const [method, body] of [['PUT', '"\\r\\nSet-Cookie: evil=1"'], ['GET'], ['HEAD'], ['POST', 'x'], ['OPTIONS']])
      isClean(await kv.ask(method, `${base}/a${evil}`, { body }), `${method} ${base}`);
    for (const parameter of ['prefix', 'cursor', 'limit', 'expirationTtl'])
      isClean(await kv.ask('GET', `${base}?${parameter}=${evil}`), parameter);
    isClean(await kv.ask('PUT', `${base}/a?expiration=${evil}`, { body: '1' }), 'expiration');
    assert.deepEqual((await kv.ask('GET', `${base}?prefix=a%0d`)).json.data.keys,
      [{ name: 'a\r\nSet-Cookie: evil=1\r\n\r\n<html>' }]);
    await kv.ask('DELETE', `${base}/a${evil}`);
  }
  for (const line of ['Origin: evil', 'X-Request-Id: evil', 'X-Project-Id: evil', 'If-None-Match: "evil"',
    'Content-Type: evil', 'Content-Encoding: evil', 'Authorization: evil evil'])
    isClean((await kv.talk(get(`${line}\r\n${line.startsWith('Authorization') ? '' : auth()}`)))[0], line);
});

// --- what remains ---

const logs = () => ['tmakvd.log', 'nginx.log', 'front/log/access.log', 'front/log/error.log']
  .map((file) => [file, readFileSync(join(kv.dir, file), 'latin1')]);

test('C11, A13: no key, value, token, initData, API key or bot token is in any log', async () => {
  const secrets = {
    value: 'MARKER-value', name: 'MARKER-first-name', initData: 'MARKER-initdata', rubbish: 'MARKER-rubbish',
    token: user.split('.')[2], claims: user.split('.')[1], hash: planted.match(/hash=([0-9a-f]+)/)[1],
    apiKey: kv.apiKey.slice(6), foreign: other.apiKey.slice(6), botToken: kv.botToken.split(':')[1],
  };
  const as_user = { as: user };
  const tma = { as: null, headers: { Authorization: `tma ${planted}`, 'X-Project-Id': 'demo' } };
  const body = JSON.stringify({ value: secrets.value });
  for (const who of [{}, as_user, tma, { as: other.apiKey }, { as: secrets.rubbish },
    { as: `${user}${secrets.rubbish}` }, { as: `tmakv_${secrets.rubbish}` },
    { as: null, headers: { Authorization: `Basic ${secrets.rubbish}` } },
    { headers: { 'X-Project-Id': secrets.rubbish } },
    { headers: { Origin: secrets.rubbish, 'Content-Type': secrets.rubbish } }])
    for (const [method, path, content] of [['PUT', '/kv/MARKER-key', body], ['PUT', '/kv/MARKER-key', `${body}]`],
      ['GET', '/kv/MARKER-key'], ['GET', '/kv/MARKER-key%ff'], ['GET', '/kv?prefix=MARKER-key&cursor=MARKER-key'],
      ['GET', '/kv?prefix=MARKER-key'], ['POST', '/kv/MARKER-key', body], ['GET', '/MARKER-key'],
      ['DELETE', '/kv/MARKER-key'], ['POST', '/sdk/v1/auth/validate', body],
      ['GET', `/kv/MARKER-key?${planted}`], ['POST', `/sdk/v1/auth/validate?initData=${encodeURIComponent(planted)}`, ''],
      ['POST', '/sdk/v1/auth/validate?MARKER-key', JSON.stringify({ initData: planted, projectId: 'demo' })],
      ['POST', '/sdk/v1/auth/validate', JSON.stringify({ initData: `${planted}x`, projectId: secrets.rubbish })]])
      await kv.ask(method, path, { ...who, body: content });
  const asked = logs();
  assert.ok(asked[0][1].length > 1000 && asked[2][1].length > 1000, 'something was logged');
  for (const [file, text] of asked)
    for (const [what, secret] of Object.entries({ ...secrets, key: 'MARKER-key' }))
      assert.ok(!text.includes(secret), `a ${what} in ${file}`);
  // When nginx cannot reach tmakvd its error log has the request's first line, the key and the query in it: nothing
  // in nginx takes it out. It has no header and no body, so never a credential or a value.
  await kv.stopServer();
  for (const who of [{}, as_user, tma])
    assert.equal((await kv.ask('PUT', '/kv/MARKER-key', { ...who, body })).status, frontName === 'apache' ? 503 : 502);
  await kv.startServer();
  const unreached = Object.fromEntries(logs());
  if (frontName === 'nginx') assert.ok(unreached['front/log/error.log'].includes('MARKER-key'));
  assert.ok(!unreached['front/log/access.log'].includes('MARKER-key'));
  for (const text of Object.values(unreached))
    for (const [what, secret] of Object.entries(secrets)) assert.ok(!text.includes(secret), what);
});

test('B4, C11: every line of the server\'s log is one JSON object, whatever the clients sent', () => {
  for (const line of readFileSync(join(kv.dir, 'tmakvd.log'), 'utf8').split('\n').filter(Boolean))
    assert.ok(JSON.parse(line.replace(/^<\d>/, '')).msg, line);
});

test('a request\'s line in the log says how it was answered', async () => {
  const { headers } = await kv.ask('GET', '/kv/nothing-here');
  let line;
  // It is written behind the answer.
  await until('the log has its line', () => {
    line = readFileSync(join(kv.dir, 'tmakvd.log'), 'utf8').split('\n')
      .find((text) => text.includes(headers['x-request-id']) && text.endsWith('}'));
    return line !== undefined;
  });
  const { status, code, route } = JSON.parse(line.replace(/^<\d>/, ''));
  assert.deepEqual({ status, code, route }, { status: 404, code: 'key_not_found', route: '/kv/{key}' });
});

test('E5: no bot token, API key, session token or initData is in the store\'s files', () => {
  const files = readdirSync(join(kv.dir, 'data'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile());
  let all = 0;
  for (const entry of files) {
    const bytes = readFileSync(join(entry.parentPath ?? entry.path, entry.name));
    all += bytes.length;
    for (const [what, secret] of Object.entries({ botToken: kv.botToken.split(':')[1], apiKey: kv.apiKey.slice(6),
      token: user.split('.')[2], initData: 'MARKER-initdata' }))
      assert.ok(!bytes.includes(secret), `a ${what} in ${entry.name}`);
  }
  assert.ok(all > 10_000, 'these are the files');
});
