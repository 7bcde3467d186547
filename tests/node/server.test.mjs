// A Mini App's own back end: @tma.sh/sdk/server with Hono, and jose alone, checking our tokens.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { requireUser, validateInitData } from '@tma.sh/sdk/server';
import { Hono } from 'hono';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { device, start } from './lib.mjs';

let kv, jwt;
before(async () => {
  kv = await start();
  const { createTMA } = await device();
  ({ jwt } = await createTMA({ apiUrl: kv.url }).auth.validate(kv.initData({ id: 7, first_name: 'Ada' }), kv.projectId));
});
after(() => kv?.stop());

const jwksUrl = () => `${kv.url}/.well-known/jwks.json`;

test('requireUser lets our token through and names the user', async () => {
  const app = new Hono();
  app.get('/me', requireUser({ jwksUrl: jwksUrl() }), (c) => c.json(c.get('user')));
  const answer = await app.request('/me', { headers: { Authorization: `Bearer ${jwt}` } });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { telegramId: 7, firstName: 'Ada', projectId: kv.projectId });
});

test('requireUser takes the keys from TMA_JWKS as well', async () => {
  const app = new Hono();
  app.get('/me', requireUser(), (c) => c.text('in'));
  const env = { TMA_JWKS: await (await fetch(jwksUrl())).text() };
  assert.equal((await app.request('/me', { headers: { Authorization: `Bearer ${jwt}` } }, env)).status, 200);
  const broken = jwt.slice(0, -4) + (jwt.endsWith('AAAA') ? 'BBBB' : 'AAAA');
  assert.equal((await app.request('/me', { headers: { Authorization: `Bearer ${broken}` } }, env)).status, 401);
});

test('jose verifies the token for this project and no other', async () => {
  const keys = createRemoteJWKSet(new URL(jwksUrl()));
  const { payload, protectedHeader } = await jwtVerify(jwt, keys, { audience: kv.projectId, algorithms: ['ES256'] });
  assert.equal(protectedHeader.alg, 'ES256');
  assert.equal(payload.sub, 'tg_7');
  assert.equal(payload.exp - payload.iat, 86400);
  await assert.rejects(jwtVerify(jwt, keys, { audience: 'another-project' }));
});

test('the published keys are cacheable, open to any page, and hold no private part', async () => {
  const answer = await fetch(jwksUrl());
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('cache-control'), 'public, max-age=300');
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  const { keys } = await answer.json();
  assert.ok(keys.some((key) => key.kid === decodeProtectedHeader(jwt).kid));
  for (const key of keys) {
    assert.deepEqual([key.kty, key.crv, key.use, key.alg, key.d], ['EC', 'P-256', 'sig', 'ES256', undefined]);
    assert.equal(Buffer.from(key.x, 'base64url').length, 32);
    assert.equal(Buffer.from(key.y, 'base64url').length, 32);
  }
});

test('the SDK\'s own check agrees that our test initData is genuine', async () => {
  const user = await validateInitData(kv.initData({ id: 9, first_name: 'Вика' }), kv.botToken);
  assert.equal(user.telegramId, 9);
});
