// Every row of the table of errors (API.md 2), provoked through nginx: status, word, envelope, and the headers
// that go with it. expectError() looks at what all of them have in common.
//
// 406 value_not_json needs a value from another door: doors.test.mjs; the REST door's errors: rest_errors.test.mjs.
// Rows that nothing answers yet, so nothing can ask for them: 403 forbidden_by_rules and origin_not_allowed
// (rules and origins), 429 rate_limit of a user (nginx's own is here).
// 503 unavailable of tmakvd itself cannot be provoked from outside (nginx's own is here), and 400 short_body cannot
// pass nginx: tests/integration/short_body.sh.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { expectError, start, until } from './lib.mjs';

let kv, other, user, reader;
before(async () => {
  kv = await start({ write_limit: 50 }, { clock: true });
  other = await kv.makeProject('other');
  user = await kv.signIn();
  reader = await kv.makeKey('demo', '--read-only');
});
after(() => kv?.stop());

const METHODS = 'GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS';
const validate = (members, headers) =>
  kv.ask('POST', '/sdk/v1/auth/validate', { as: null, headers, body: JSON.stringify(members) });

for (const base of ['/sdk/v1/kv', '/kv']) {
  const rows = [
    [400, 'bad_key', 'a key that is empty', () => kv.ask('PUT', `${base}/`, { body: '1' })],
    [400, 'bad_key', 'a key that is no UTF-8', () => kv.ask('GET', `${base}/%ff`)],
    [400, 'bad_json', 'a value that is no JSON', () => kv.ask('PUT', `${base}/k`, { body: 'nope' })],
    [400, 'bad_cursor', 'a cursor that no list answered', () => kv.ask('GET', `${base}?cursor=abc`)],
    [400, 'bad_limit', 'a limit of 0', () => kv.ask('GET', `${base}?limit=0`)],
    [400, 'bad_request', 'initData without a project', () =>
      kv.ask('GET', `${base}/k`, { as: null, headers: { Authorization: `tma ${kv.initData()}` } })],
    [400, 'bad_request', 'a time to live that is no number', () =>
      kv.ask('PUT', `${base}/k?expirationTtl=x`, { body: '1' })],
    [400, 'no_such_route', 'a path behind the door that is not there', () => kv.ask('GET', `${base}x/k`)],
    [401, 'unauthorized', 'no Authorization', () => kv.ask('GET', `${base}/k`, { as: null })],
    [401, 'invalid_token', 'a token that is none', () => kv.ask('GET', `${base}/k`, { as: 'a.b.c' })],
    [401, 'invalid_token', 'an API key that is none', () =>
      kv.ask('GET', `${base}/k`, { as: `tmakv_${'A'.repeat(43)}` })],
    [401, 'invalid_init_data', 'initData that is not genuine', () => kv.ask('GET', `${base}/k`, {
      as: null, headers: { Authorization: 'tma auth_date=1&hash=0', 'X-Project-Id': kv.projectId } })],
    [401, 'init_data_expired', 'initData of the day before yesterday', () => kv.ask('GET', `${base}/k`, {
      as: null, headers: {
        Authorization: `tma ${kv.initData(undefined, { authDate: Math.floor(Date.now() / 1000) - 172_800 })}`,
        'X-Project-Id': kv.projectId } })],
    [403, 'forbidden', 'the name of another project', () =>
      kv.ask('GET', `${base}/k`, { as: user, headers: { 'X-Project-Id': other.projectId } })],
    [403, 'server_only', 'a time to live from a user', () =>
      kv.ask('PUT', `${base}/k?expirationTtl=60`, { as: user, body: '1' })],
    [403, 'read_only_key', 'a write with a key for reading', () =>
      kv.ask('PUT', `${base}/k`, { as: reader, body: '1' })],
    [403, 'read_only_key', 'a removal with a key for reading', () => kv.ask('DELETE', `${base}/k`, { as: reader })],
    [404, 'key_not_found', 'a key that is not there', () => kv.ask('GET', `${base}/never-written`)],
    [404, 'key_not_found', 'the head of a key that is not there', () => kv.ask('HEAD', `${base}/never-written`)],
    [405, 'method_not_allowed', 'POST on a key', () => kv.ask('POST', `${base}/k`, { body: '1' }),
      'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
    [405, 'method_not_allowed', 'PATCH on the list', () => kv.ask('PATCH', base, { body: '1' }), 'GET, HEAD, OPTIONS'],
    [405, 'method_not_allowed', 'a method of nobody', () => kv.ask('PURGE', `${base}/k`),
      'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
    [405, 'method_not_allowed', 'PUT on the list', () => kv.ask('PUT', base, { body: '1' }), 'GET, HEAD, OPTIONS'],
    [405, 'method_not_allowed', 'TRACE', () => kv.ask('TRACE', `${base}/k`), METHODS],
    [412, 'precondition_failed', 'a condition that does not hold', () =>
      kv.ask('PUT', `${base}/k`, { body: '1', headers: { 'If-Match': '"1"' } })],
    [413, 'value_too_large', 'a value of 131,073 bytes', () =>
      kv.ask('PUT', `${base}/k`, { body: `"${'x'.repeat(131_071)}"` })],
    [413, 'value_too_large', 'a body over nginx\'s limit', () =>
      kv.ask('PUT', `${base}/k`, { body: 'x'.repeat(1_048_577) })],
    [414, 'key_too_long', 'a key of 513 bytes', () => kv.ask('GET', `${base}/${'k'.repeat(513)}`)],
    [414, 'key_too_long', 'a prefix of 513 bytes', () => kv.ask('GET', `${base}?prefix=${'k'.repeat(513)}`)],
    [414, 'key_too_long', 'a request line over nginx\'s limit', () => kv.ask('GET', `${base}/${'k'.repeat(17_000)}`)],
    [415, 'unsupported_type', 'a change in a language of nobody', () => kv.ask('PATCH', `${base}/k`, { body: '1' })],
    [415, 'unsupported_encoding', 'a compressed value', () =>
      kv.ask('PUT', `${base}/k`, { body: '1', headers: { 'Content-Encoding': 'gzip' } })],
    [431, 'headers_too_large', 'a header over nginx\'s limit', () =>
      kv.ask('GET', `${base}/k`, { headers: { 'X-Long': 'x'.repeat(17_000) } })],
    [400, 'bad_request', 'a bad escape in the path', () => kv.ask('GET', `${base}/%zz`)],
    [400, 'bad_request', 'an escape cut short', () => kv.ask('GET', `${base}/100%`)],
    [400, 'bad_request', 'an encoded NUL', () => kv.ask('GET', `${base}/a%00b`)],
    [400, 'bad_request', 'a transfer encoding of nobody', () =>
      kv.talk(`PUT ${base}/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n`).then(([answer]) => answer),
        undefined, 501],
    [400, 'bad_request', 'a version of HTTP that is not spoken here', () =>
      kv.talk(`GET ${base}/k HTTP/2.0\r\nHost: x\r\n\r\n`).then(([answer]) => answer), undefined, 505],
  ];
  for (const [status, code, what, ask, allow, other_status] of rows)
    test(`under ${base}, ${what} answers ${other_status ?? status} ${code}`, async () => {
      const answer = await ask();
      expectError(answer, other_status ?? status, code);
      if (allow) assert.equal(answer.headers.allow, allow);
    });
}

describe('errors of signing in', () => {
  const rows = [
    [400, 'bad_request', 'a body that is empty', () => kv.ask('POST', '/sdk/v1/auth/validate', { as: null, body: '' })],
    [400, 'bad_request', 'no initData', () => validate({ projectId: kv.projectId })],
    [400, 'bad_request', 'no project', () => validate({ initData: kv.initData() })],
    [401, 'invalid_init_data', 'another bot\'s initData', () =>
      validate({ initData: other.initData(), projectId: kv.projectId })],
    [401, 'init_data_expired', 'initData of the day before yesterday', () => validate({
      initData: kv.initData(undefined, { authDate: Math.floor(Date.now() / 1000) - 172_800 }),
        projectId: kv.projectId })],
    [403, 'project_unavailable', 'a project that nobody made', () =>
      validate({ initData: kv.initData(), projectId: 'nobodys' })],
    [413, 'value_too_large', 'a body over 16 KiB', () =>
      validate({ initData: 'x'.repeat(16_384), projectId: kv.projectId })],
    [405, 'method_not_allowed', 'GET', () => kv.ask('GET', '/sdk/v1/auth/validate')],
  ];
  for (const [status, code, what, ask] of rows)
    test(`${what} answers ${status} ${code}`, async () => {
      const answer = await ask();
      expectError(answer, status, code);
      if (status === 405) assert.equal(answer.headers.allow, 'POST, OPTIONS');
    });
});

test('a user whose names fit no token answers 500 internal, and nothing more is said', async () => {
  const answer = await validate({
    initData: kv.initData({ id: 5, first_name: 'x'.repeat(4000) }), projectId: kv.projectId });
  expectError(answer, 500, 'internal');
  assert.doesNotMatch(answer.text, /xxx|jwt|memory/);
});

test('a token whose time is over answers 401 token_expired', async () => {
  kv.setClock(86_400);
  try {
    expectError(await kv.ask('GET', '/kv/k', { as: user }), 401, 'token_expired');
  } finally {
    kv.setClock(0);
  }
});

test('a disabled project answers 403 project_unavailable, whoever asks', async () => {
  await kv.ctl(['project', 'disable', 'other']);
  expectError(await kv.ask('GET', '/kv/k', { as: other.apiKey }), 403, 'project_unavailable');
  expectError(await kv.ask('GET', '/kv/k', { as: null, headers: {
    Authorization: `tma ${other.initData()}`, 'X-Project-Id': other.projectId } }), 403, 'project_unavailable');
  expectError(await validate({ initData: other.initData(), projectId: other.projectId }), 403, 'project_unavailable');
});

test('an unknown path answers 400 no_such_route, never 404', async () => {
  for (const path of ['/', '/sdk', '/sdk/', '/p', '/p/x', '/client', '/client/v5/', '/client/v4x', '/client/v40/accounts', '/sdk/v1', '/sdk/v2/kv/k',
    '/.well-known/', '/.well-known/jwks.json/x', '/.tmakv-error', '/sdk/v1/auth/validate/', '/SDK/v1/kv/k',
    '//sdk/v1/kv/k', '/healthz', '/metrics'])
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE'])
      expectError(await kv.ask(method, path), 400, path === '/.tmakv-error' ? 'bad_request' : 'no_such_route',
        `${method} ${path}`);
});

test('over the write limit it is 429 write_limit, and the sentence says what to do', async () => {
  const request = kv.request('PUT', '/kv/hot', { body: '1' });
  // Far more than fit into a second's window, however the seconds fall.
  const answers = (await Promise.all(Array.from({ length: 8 }, () => kv.talk(request.repeat(50), { n: 50 })))).flat();
  const refused = answers.filter((answer) => answer.status !== 200);
  assert.ok(refused.length > 0);
  for (const answer of refused) expectError(answer, 429, 'write_limit');
});

// --- what nginx says by itself, when its configuration or tmakvd's absence makes it ---

/** The shipped files with the commented limits switched on. */
const withLimits = (file, text) => (file === 'tmakv-http.conf' || file === 'tmakv.conf'
  ? text.replaceAll(/^(\s*)#(limit_req|map |    |\})/gm, '$1$2') : text);

test('A14, E3: with the snippet\'s limits switched on, strangers get 429 rate_limit and the others their answers', async () => {
  const front = await kv.openFront('limits', withLimits);
  const many = (n, ask) => Promise.all(Array.from({ length: n }, ask));
  const strangers = await many(120, () => kv.ask('GET', '/kv/k', { as: null, port: front.port }));
  const refused = strangers.filter((answer) => answer.status === 429);
  assert.ok(refused.length > 30, `${refused.length}`);
  for (const answer of refused) expectError(answer, 429, 'rate_limit');
  for (const answer of await many(120, () => kv.ask('GET', '/kv', { port: front.port })))
    assert.equal(answer.status, 200);
  for (const answer of await many(120, () => kv.ask('OPTIONS', '/kv/k', { as: null, port: front.port })))
    assert.equal(answer.status, 204);
  const body = JSON.stringify({ initData: kv.initData(), projectId: kv.projectId });
  const validated = await many(60, () => kv.ask('POST', '/sdk/v1/auth/validate', { as: null, body, port: front.port }));
  assert.ok(validated.filter((answer) => answer.status === 200).length >= 20);
  for (const answer of validated.filter((one) => one.status !== 200)) expectError(answer, 429, 'rate_limit');
  await front.end();
});

test('C8: nginx\'s own 403, 500 and 503 speak JSON as well', async () => {
  const front = await kv.openFront('own', (file, text) => (file !== 'nginx.conf' ? text : text
    .replace('include tmakv-http.conf;', 'include tmakv-http.conf;\nlimit_conn_zone $server_port zone=none:1m;')
    .replace('location / {', `location /denied { deny all; }
      location /broken { return 500; }
      location /full { limit_conn none 1; limit_rate 1; fastcgi_read_timeout 20s; client_body_timeout 20s;
        fastcgi_pass tmakv; include tmakv-params.conf; }
      location / {`)));
  expectError(await kv.ask('GET', '/denied', { port: front.port }), 403, 'forbidden');
  expectError(await kv.ask('GET', '/broken', { port: front.port }), 500, 'internal');
  // One connection that is served a byte a second; the next one is too many.
  const slow = connect(front.port, '127.0.0.1');
  slow.write('GET /full HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => slow.once('data', resolve));
  expectError(await kv.ask('GET', '/full', { port: front.port }), 503, 'unavailable');
  slow.destroy();
  await front.end();
});

test('C8: a tmakvd that does not move answers 504 timeout, and is asked again as soon as it does', async () => {
  const front = await kv.openFront('hasty', (file, text) =>
    (file === 'tmakv-params.conf' ? `${text}\nfastcgi_read_timeout 300ms;\n` : text));
  await kv.ask('PUT', '/kv/there', { body: '1', port: front.port });
  const pid = kv.serverPid();
  process.kill(pid, 'SIGSTOP');
  const threads = () => readdirSync(`/proc/${pid}/task`).map((id) =>
    readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8'));
  try {
    await until('all of its threads stand still', () => threads().every((stat) => stat.includes(') T ')));
    expectError(await kv.ask('GET', '/kv/there', { port: front.port }), 504, 'timeout');
    expectError(await kv.ask('PUT', '/kv/there', { body: '2', port: front.port }), 504, 'timeout');
    expectError(await kv.ask('HEAD', '/kv/there', { port: front.port }), 504, 'timeout');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  assert.match((await kv.ask('GET', '/kv/there')).data, /^[12]$/);
  await front.end();
});

test('a client that hangs up half way through its body changes nothing', async () => {
  await kv.ask('PUT', '/kv/kept', { body: '"old"' });
  const old = await kv.ask('GET', '/kv/kept');
  const log = join(kv.dir, 'front/log/access.log');
  const lines = () => readFileSync(log, 'utf8').split('\n').filter((line) =>
    line.includes('"PUT","status":400') || / PUT \d+ /.test(line)).length;
  const before_it = lines();
  const socket = connect(kv.port, '127.0.0.1');
  const half = kv.request('PUT', '/kv/kept', { body: '"new"', headers: { 'Content-Length': 10 } });
  socket.write(half, () => socket.destroy());
  await until('nginx has seen the client go', () => lines() > before_it);
  const now = await kv.ask('GET', '/kv/kept');
  assert.equal(now.data, '"old"');
  assert.deepEqual([now.headers.etag, now.headers['x-kv-writes']], [old.headers.etag, old.headers['x-kv-writes']]);
});

test('without space writes answer 507 storage_full, reads and removals go on', async () => {
  for (const key of ['full/a', 'full/b']) await kv.ask('PUT', `/kv/${key}`, { body: '"old"' });
  await kv.stopServer();
  kv.configure({ reserve_size: '1024T' });
  await kv.startServer();
  expectError(await kv.ask('PUT', '/kv/full/a', { body: '"new"' }), 507, 'storage_full');
  expectError(await kv.ask('PUT', '/kv/full/new', { body: '1' }), 507, 'storage_full');
  assert.equal((await kv.ask('GET', '/kv/full/a')).data, '"old"');
  assert.equal((await kv.ask('DELETE', '/kv/full/b')).data, 'null');
  expectError(await kv.ask('GET', '/kv/full/b'), 404, 'key_not_found');
  expectError(await kv.ask('GET', '/kv/full/new'), 404, 'key_not_found');
  assert.deepEqual(JSON.parse((await kv.ask('GET', '/kv?prefix=full/')).data).keys, [{ name: 'full/a' }]);
  assert.equal(typeof (await kv.signIn({ id: 1, first_name: 'Still' })), 'string');
  await kv.stopServer();
  kv.configure({ reserve_size: '1M' });
  await kv.startServer();
  assert.equal((await kv.ask('PUT', '/kv/full/a', { body: '"new"' })).data, 'null');
});

test('C8: with tmakvd stopped it is 502 unavailable, and everything is there when it is back', async () => {
  await kv.ask('PUT', '/kv/stays', { body: '"here"' });
  await kv.stopServer();
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])
    expectError(await kv.ask(method, '/kv/stays', { ...(method === 'PUT' && { body: '1' }) }), 502, 'unavailable');
  expectError(await validate({ initData: kv.initData(), projectId: kv.projectId }), 502, 'unavailable');
  expectError(await kv.ask('GET', '/.well-known/jwks.json'), 502, 'unavailable');
  await kv.startServer();
  assert.equal((await kv.ask('GET', '/kv/stays')).data, '"here"');
});
