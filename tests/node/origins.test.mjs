// A project's list of origins: whose pages may use it, and what browsers are told.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { expectError, start } from './lib.mjs';

const good = 'https://good.example';
const other = 'http://localhost:3000';
const allow = 'access-control-allow-origin';

let kv, jwt;
before(async () => {
  kv = await start();
  jwt = await kv.signIn();
});
after(() => kv?.stop());

const ask = (method, path, origin, more = {}) =>
  kv.ask(method, path, { as: jwt, ...more, headers: { ...(origin !== undefined && { Origin: origin }), ...more.headers } });
const origins = async (...options) => (await kv.ctl(['project', 'origins', 'demo', ...options])).trim();
const rest = async () => `/client/v4/accounts/x/storage/kv/namespaces/${kv.projectId.replaceAll('-', '')}`;

function expectListed(answer, status, origin = good) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers[allow], origin);
  assert.equal(answer.headers.vary, 'Origin');
  assert.equal(answer.headers['access-control-expose-headers'], 'ETag, X-KV-Writes, Retry-After, X-Request-Id');
  assert.equal(answer.headers['access-control-allow-credentials'], undefined);
}

function expectForeign(answer, why) {
  assert.equal(answer.status, 403, why);
  assert.equal(answer.code, 'origin_not_allowed', why);
  assert.equal(answer.headers[allow], undefined, why);
  assert.equal(answer.headers['access-control-expose-headers'], undefined, why);
  assert.equal(answer.headers.vary, 'Origin', why);
}

describe('without a list', () => {
  test('any page may ask, as ever', async () => {
    assert.equal(await origins(), 'any');
    for (const origin of [undefined, good, 'https://evil.example', 'null']) {
      const answer = await ask('PUT', '/kv/k', origin, { body: '1' });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers[allow], '*');
      assert.equal(answer.headers.vary, undefined);
    }
  });
});

describe('with a list', () => {
  before(async () => assert.equal(await origins('--add', good, '--add', other), `${good}, ${other}`));

  test('listed pages may ask, and are told so, in errors as well', async () => {
    for (const origin of [good, other]) {
      expectListed(await ask('PUT', '/kv/k', origin, { body: '1' }), 200, origin);
      expectListed(await ask('GET', '/sdk/v1/kv/k', origin), 200, origin);
      expectListed(await ask('HEAD', '/kv/k', origin), 200, origin);
      expectListed(await ask('GET', '/kv', origin), 200, origin);
      expectListed(await ask('GET', '/kv/missing', origin), 404, origin);
      expectListed(await ask('PUT', '/kv/k', origin, { body: '{' }), 400, origin);
      expectListed(await ask('DELETE', '/kv/k', origin), 200, origin);
    }
    expectListed(await ask('PUT', '/kv/large', good, { body: `"${'x'.repeat(140_000)}"` }), 413);
    // In the slow lane too, where a long list starts again.
    await kv.ctl(['kv', 'bulk-put', 'demo', '-'], JSON.stringify(Array.from({ length: 400 }, (_, i) => ({ key: `l${i}`, value: '1' }))));
    expectListed(await ask('GET', '/kv?prefix=l', good), 200);
    expectForeign(await ask('GET', '/kv?prefix=l', 'https://evil.example'));
    expectListed(await ask('PUT', '/kv/k', good, { body: '1' }), 200);
  });

  test('pages of all others are refused, before anything is done', async () => {
    const before = (await ask('GET', '/kv/k', good)).headers['x-kv-writes'];
    const tricks = [
      'https://good.example.evil.com', 'https://evil-good.example', 'https://xgood.example', 'https://good.exampl',
      'https://good.example.', 'https://sub.good.example', 'http://good.example', 'https://good.example:443',
      'https://good.example:8443', 'https://GOOD.example', 'HTTPS://good.example', 'https://good.example/',
      'https://good.example/x', 'https://good.example@evil.com', 'https://good.example:x@evil.com',
      'https://user@good.example', `${good} ${other}`, `${good},${other}`, `${good}, https://evil.example`,
      `https://evil.example ${good}`, 'https://good.example%2f', 'https://good.example?', 'https://good.example#',
      'null', 'file://', '*', 'http://localhost:300', 'http://localhost:30000', 'http://localhost', 'https://localhost:3000',
      '//good.example', 'good.example', 'https://good\u00a0.example', 'http://[::1]:3000',
    ];
    for (const origin of tricks) {
      expectForeign(await ask('GET', '/kv/k', origin), origin);
      expectForeign(await ask('PUT', '/kv/k', origin, { body: '2' }), origin);
    }
    for (const [method, path] of [['DELETE', '/kv/k'], ['GET', '/kv'], ['GET', '/kv/missing'], ['GET', '/kv/%ff']])
      expectForeign(await ask(method, path, 'https://evil.example'), `${method} ${path}`);
    assert.equal((await ask('HEAD', '/kv/k', 'https://evil.example')).headers[allow], undefined);
    assert.equal((await ask('GET', '/kv/k', good)).headers['x-kv-writes'], before);
    // Two headers are two origins: nginx takes the last, and joins none.
    const [twice] = await kv.talk(kv.request('GET', '/kv/k', { as: jwt }).replace('\r\n\r\n',
      `\r\nOrigin: ${good}\r\nOrigin: https://evil.example\r\n\r\n`));
    assert.notEqual(twice.headers[allow], 'https://evil.example');
    if (twice.status === 200) assert.equal(twice.headers[allow], good);
    else expectForeign(twice);
  });

  test('servers send no origin, and pass', async () => {
    for (const as of [jwt, kv.apiKey]) {
      const answer = await ask('GET', '/kv/k', undefined, { as });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers[allow], undefined);
      assert.equal(answer.headers.vary, 'Origin');
    }
    assert.equal((await ask('GET', '/kv/k', '')).status, 200);
  });

  test('an API key is no way around it, at neither door', async () => {
    expectForeign(await ask('GET', '/kv/k', 'https://evil.example', { as: kv.apiKey }));
    expectListed(await ask('GET', '/kv/k', good, { as: kv.apiKey }), 200);
    const account = JSON.parse(await kv.ctl(['status', '--json'])).account_id;
    const path = `${(await rest()).replace('/x/', `/${account}/`)}/keys`;
    expectListed(await ask('GET', path, good, { as: kv.apiKey }), 200);
    const refused = await ask('GET', path, 'https://evil.example', { as: kv.apiKey });
    assert.equal(refused.status, 403);
    assert.equal(refused.json.errors[0].code, 9109);
    assert.equal(refused.headers[allow], undefined);
    assert.equal((await ask('GET', path, undefined, { as: kv.apiKey })).status, 200);
  });

  test('who is not known yet is answered as ever', async () => {
    expectError(await ask('GET', '/kv/k', 'https://evil.example', { as: null }), 401, 'unauthorized');
    expectError(await ask('GET', '/kv/k', 'https://evil.example', { as: 'x.y.z' }), 401, 'invalid_token');
    expectError(await ask('GET', '/nowhere', 'https://evil.example'), 400, 'no_such_route');
    const preflight = await kv.ask('OPTIONS', '/kv/k', { as: null, headers: {
      Origin: 'https://evil.example', 'Access-Control-Request-Method': 'PUT' } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers[allow], '*');
    assert.equal((await kv.ask('GET', '/.well-known/jwks.json', { headers: { Origin: 'https://evil.example' } })).headers[allow], '*');
  });

  test('validate knows the project from its body', async () => {
    const validate = (origin, initData = kv.initData()) => ask('POST', '/sdk/v1/auth/validate', origin,
      { as: null, body: JSON.stringify({ initData, projectId: kv.projectId }) });
    expectListed(await validate(good), 200);
    expectForeign(await validate('https://evil.example'));
    const server = await validate(undefined);
    assert.equal(server.status, 200);
    expectError(await validate('https://evil.example', 'x=1'), 401, 'invalid_init_data');
    // And initData in place of a token.
    const tma = (origin) => ask('GET', '/kv/k', origin, { as: null,
      headers: { Authorization: `tma ${kv.initData()}`, 'X-Project-Id': kv.projectId } });
    expectListed(await tma(good), 200);
    expectForeign(await tma('https://evil.example'));
  });

  test('the list is another project\'s no more than its keys are', async () => {
    const second = await kv.makeProject('second');
    const answer = await ask('PUT', '/kv/k', 'https://evil.example', { as: second.apiKey, body: '1' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers[allow], '*');
  });

  test('it stays over a restart; a change holds from the next request on', async () => {
    await kv.restart();
    expectForeign(await ask('GET', '/kv/k', 'https://evil.example'));
    expectListed(await ask('GET', '/kv/k', good), 200);
    assert.equal(await origins('--remove', good), other);
    expectForeign(await ask('GET', '/kv/k', good));
    expectListed(await ask('GET', '/kv/k', other), 200, other);
    assert.equal(await origins('--any'), 'any');
    assert.equal((await ask('GET', '/kv/k', 'https://evil.example')).status, 200);
  });
});

test('tmakvctl takes origins only, and opens a project to all only when it is told to', async () => {
  const refused = (...options) => assert.rejects(origins(...options), (error) => error.code === 1 || error.code === 64);
  for (const bad of ['*', 'null', 'good.example', 'https://good.example/', 'https://Good.example', 'https://good.example:443', ''])
    await refused('--add', bad);
  await refused('--remove', good);
  assert.equal(await origins('--add', good), good);
  await refused('--remove', good);
  assert.equal(await origins('--any', '--add', other), other);
  const many = Array.from({ length: 31 }, (_, i) => ['--add', `https://${i}.example`]).flat();
  await origins(...many);
  await refused('--add', 'https://one-more.example');
  assert.equal(JSON.parse(await kv.ctl(['project', 'show', 'demo', '--json'])).origins.length, 32);
  assert.match(await kv.ctl(['project', 'show', 'demo']), /^origins +http:\/\/localhost:3000, https:\/\/0\.example/m);
});
