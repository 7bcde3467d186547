// What was good a moment ago: tokens and initData behind a revocation, tokens of signing keys that retire or are taken
// away, API keys that end. Two workers, many connections: "at once" is everywhere.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectError, signInitData, start } from './lib.mjs';
import { keyOf, partsOf, publishedKeys, signToken, twinOf } from './signing.mjs';

let kv;
before(async () => {
  kv = await start({ workers: 2 }, { clock: true });
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
});
after(() => kv?.stop());

const now = () => Math.floor(Date.now() / 1000);
const get = (as) => kv.ask('GET', '/kv/mine', { as });
/** Over as many connections as there are in the pool, so that every worker is asked. */
const everywhere = (ask) => Promise.all(Array.from({ length: 16 }, ask));
async function isGood(token) {
  for (const answer of await everywhere(() => get(token))) assert.equal(answer.data, '"here"');
}
async function isRefused(token, code = 'invalid_token') {
  for (const answer of await everywhere(() => get(token))) expectError(answer, 401, code);
  for (const [method, body] of [['PUT', '"theirs"'], ['DELETE']])
    expectError(await kv.ask(method, '/kv/mine', { as: token, body }), 401, code);
}
const tma = (initData) => kv.ask('GET', '/kv/mine', {
  as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': 'demo' } });
const validate = (initData) => kv.ask('POST', '/sdk/v1/auth/validate', {
  as: null, body: JSON.stringify({ initData, projectId: 'demo' }) });
/** Behind the second of a mark: who signs in now is new. */
const nextSecond = async () => { const at = now(); while (now() <= at) await sleep(20); };

test('B13, B8: who is revoked is out at once, with every proof there was, in this second too', async () => {
  const user = { id: 7, first_name: 'Ada' }, bob = { id: 8, first_name: 'Bob' };
  const [initData, bobs] = [kv.initData(user), kv.initData(bob)];
  const [jwt, unseen] = [await kv.signIn(user), (await validate(kv.initData(user, { authDate: now() - 5 }))).json.data.jwt];
  const [twin, bobsJwt] = [twinOf(jwt), await kv.signIn(bob)];
  for (const token of [jwt, twin, bobsJwt]) await isGood(token);
  assert.equal((await tma(initData)).data, '"here"');
  assert.equal((await validate(initData)).status, 200);

  await kv.ctl(['revoke', 'demo', '--user', '7']);
  for (const token of [jwt, twin, unseen, twinOf(unseen)]) await isRefused(token);
  for (const answer of await everywhere(() => tma(initData))) expectError(answer, 401, answer.code);
  for (const answer of await everywhere(() => validate(initData))) expectError(answer, 401, answer.code);
  // Nobody else, and what is signed from now on.
  await isGood(bobsJwt);
  assert.equal((await tma(bobs)).data, '"here"');
  await kv.restart();
  for (const token of [jwt, twin, unseen]) await isRefused(token);
  expectError(await validate(initData), 401, (await validate(initData)).code);
  await isGood(bobsJwt);
  await nextSecond();
  await isGood(await kv.signIn(user));
  await isRefused(jwt);
});

test('B13: a whole project is revoked at once, its API keys are not', async () => {
  const other = await kv.makeProject('other');
  await kv.ask('PUT', '/kv/mine', { as: other.apiKey, body: '"here"' });
  const users = Array.from({ length: 5 }, (_, i) => ({ id: 100 + i, first_name: 'U' }));
  const tokens = await Promise.all(users.map((user) => kv.signIn(user)));
  const foreign = await kv.signIn(users[0], other);
  const data = users.map((user) => kv.initData(user));
  await kv.ctl(['revoke', 'demo']);
  for (const token of tokens) await isRefused(token);
  for (const initData of data) {
    assert.equal((await tma(initData)).status, 401);
    assert.equal((await validate(initData)).status, 401);
  }
  await isGood(kv.apiKey);
  await isGood(foreign);
  await nextSecond();
  await isGood(await kv.signIn(users[0]));
});

test('B13: claims cannot say that a token is younger than its mark without our signature, nor with a copy of it', async () => {
  const user = { id: 9, first_name: 'Eve' };
  const jwt = await kv.signIn(user);
  const [head, claims] = partsOf(jwt);
  await isGood(jwt);
  await kv.ctl(['revoke', 'demo', '--user', '9']);
  await isRefused(jwt);
  const [h, , s] = jwt.split('.');
  await isRefused(`${h}.${Buffer.from(JSON.stringify({ ...claims, iat: now() + 30 })).toString('base64url')}.${s}`);
  // Somebody who has the key can: the mark is about what we signed, and the key is what has to go then.
  await isGood(signToken(await keyOf(kv, head.kid), head, { ...claims, iat: now() + 30 }));
});

test('B15: a key that retires is published and good as long as its tokens, one that is taken away is nothing', async () => {
  const user = { id: 10, first_name: 'Rot' };
  const old = await kv.signIn(user);
  const [oldHead, claims] = partsOf(old);
  const oldKey = await keyOf(kv, oldHead.kid);
  await isGood(old);
  await kv.ctl(['signing-key', 'rotate', '--at-once']);
  await nextSecond();
  const young = await kv.signIn({ id: 11, first_name: 'New' });
  const [youngHead] = partsOf(young);
  assert.notEqual(youngHead.kid, oldHead.kid);
  const kids = (await publishedKeys(kv)).map((key) => key.kid);
  for (const kid of [oldHead.kid, youngHead.kid]) assert.ok(kids.includes(kid), 'both are published');
  for (const token of [old, young, twinOf(old)]) await isGood(token);
  // One key's id with the other's signature is nobody's.
  await isRefused(signToken(oldKey, youngHead, claims));
  await kv.restart();
  for (const token of [old, young]) await isGood(token);

  const unseen = signToken(oldKey, oldHead, { ...claims, lastName: 'not seen before' });
  await kv.ctl(['signing-key', 'remove', oldHead.kid]);
  for (const token of [old, twinOf(old), unseen]) await isRefused(token);
  await isGood(young);
  assert.ok(!(await publishedKeys(kv)).some((key) => key.kid === oldHead.kid), 'it is not published');
  await kv.restart();
  for (const token of [old, unseen]) await isRefused(token);
  await isGood(young);
  // validate made a token for this initData with the old key, less than a minute ago; it does not give that again.
  const again = await kv.signIn(user);
  assert.notEqual(partsOf(again)[0].kid, oldHead.kid);
  await isGood(again);
});

test('B15: what validate remembers is not from a key that is gone by now', async () => {
  const initData = kv.initData({ id: 12, first_name: 'Memo' });
  const first = (await validate(initData)).json.data.jwt;
  const [{ kid }] = partsOf(first);
  await kv.ctl(['signing-key', 'rotate', '--at-once']);
  await kv.ctl(['signing-key', 'remove', kid]);
  const second = (await validate(initData)).json.data.jwt;
  await isRefused(first);
  await isGood(second);
});

test('B11, B15: a project with signing keys of its own takes no other key\'s word, nor do others take theirs', async () => {
  const own = await kv.makeProject('own');
  await kv.ask('PUT', '/kv/mine', { as: own.apiKey, body: '"own"' });
  const user = { id: 13, first_name: 'Own' };
  const before_it = await kv.signIn(user, own);
  const [sharedHead, claims] = partsOf(before_it);
  const sharedKey = await keyOf(kv, sharedHead.kid);
  const jwks = `/p/${own.projectId}/.well-known/jwks.json`;
  await kv.ctl(['project', 'signing', 'own', 'own']);
  try {
    // They sign when everybody can have fetched them.
    kv.setClock(17 * 60);
    const later = now() + 17 * 60;
    const token = await kv.signIn(user, own);
    const [head, own_claims] = partsOf(token);
    assert.notEqual(head.kid, sharedHead.kid);
    assert.equal((await get(token)).data, '"own"');
    assert.equal((await get(before_it)).data, '"own"', 'who was signed in stays so');
    assert.ok((await publishedKeys(kv, jwks)).some((key) => key.kid === head.kid));
    assert.ok(!(await publishedKeys(kv)).some((key) => key.kid === head.kid), 'not among everybody\'s keys');
    // Its own key signs for nobody else.
    const ownKey = await keyOf(kv, head.kid, jwks);
    for (const more of [{ projectId: kv.projectId, aud: kv.projectId }, { projectId: kv.projectId }, { aud: kv.projectId }])
      await isRefused(signToken(ownKey, head, { ...own_claims, ...more }));
    // Nor everybody's key for it, once their last token is over.
    kv.setClock(17 * 60 + 86_400 + 3600);
    const then = { ...claims, iat: later + 86_400, exp: later + 2 * 86_400 };
    await isRefused(signToken(sharedKey, sharedHead, then));
    assert.equal((await get(signToken(ownKey, head, then))).data, '"own"');
    assert.equal((await get(signToken(sharedKey, sharedHead, { ...then, projectId: kv.projectId, aud: kv.projectId }))).data,
      '"here"');
    assert.ok(!(await publishedKeys(kv, jwks)).some((key) => key.kid === sharedHead.kid), 'nor is it published there');
  } finally {
    kv.setClock(0);
  }
});

test('an API key that has an end is refused from that second on, everywhere', async () => {
  const key = await kv.makeKey('demo', '--expires-in', '3600s');
  await isGood(key);
  try {
    kv.setClock(3590);
    await isGood(key);
    kv.setClock(3601);
    for (const answer of await everywhere(() => get(key))) assert.equal(answer.status, 401, answer.text);
    expectError(await kv.ask('PUT', '/kv/mine', { as: key, body: '1' }), 401, (await get(key)).code);
  } finally {
    kv.setClock(0);
  }
  await isGood(kv.apiKey);
});

test('B13: initData of a token that was changed, or of a bot that is gone, is refused though it is remembered', async () => {
  const project = await kv.makeProject('bots');
  const user = { id: 14, first_name: 'Bot' };
  const second = project.botToken.replace(/:.*/, `:second-${'x'.repeat(30)}`);
  const ask = (initData) => kv.ask('GET', '/kv/none', {
    as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': 'bots' } });
  const validate_it = (initData) => kv.ask('POST', '/sdk/v1/auth/validate', {
    as: null, body: JSON.stringify({ initData, projectId: 'bots' }) });
  const out = async (initData) => {
    for (const answer of await everywhere(() => ask(initData))) expectError(answer, 401, 'invalid_init_data');
    for (const answer of await everywhere(() => validate_it(initData))) expectError(answer, 401, 'invalid_init_data');
  };
  const within = async (initData) => {
    for (const answer of await everywhere(() => ask(initData))) expectError(answer, 404, 'key_not_found');
    assert.equal((await validate_it(initData)).status, 200);
  };
  const [old, young] = [project.initData(user), signInitData(second, user)];
  await within(old);
  await out(young);
  await kv.ctl(['bot', 'add', 'bots', '--bot-token-file', '-'], `${second}\n`);
  for (const initData of [old, young]) await within(initData);
  const bot = project.botToken.split(':')[0];
  await kv.ctl(['bot', 'retire', 'bots', bot]);
  await out(old);
  await within(young);
  await kv.ctl(['bot', 'remove', 'bots', bot]);
  for (const initData of [old, young]) await out(initData);
});

test('an API key that is used while it is revoked stays revoked, whatever is still to be noted of its use', async () => {
  for (let i = 0; i < 5; i++) {
    const { key, id } = JSON.parse(await kv.ctl(['key', 'create', 'demo', '--json']));
    let go = true;
    const use = Promise.all(Array.from({ length: 4 }, async () => { while (go) await get(key); }));
    await kv.ctl(['key', 'revoke', 'demo', id]);
    for (const answer of await everywhere(() => get(key))) expectError(answer, 401, 'invalid_token');
    go = false;
    await use;
    if (i % 4 === 0) await kv.restart(); // what was noted of its use goes to the disk
    for (const answer of await everywhere(() => get(key))) expectError(answer, 401, 'invalid_token');
    assert.ok(!JSON.stringify(JSON.parse(await kv.ctl(['key', 'list', 'demo', '--json']))).includes(id), 'it is in no list');
  }
});

test('B13: a revocation holds at every moment while hundreds of others come', async () => {
  const user = { id: 15, first_name: 'Race' };
  const token = await kv.signIn(user);
  await kv.ctl(['revoke', 'demo', '--user', '15']);
  const request = kv.request('GET', '/kv/mine', { as: token });
  let go = true;
  const asking = Promise.all(Array.from({ length: 4 }, async () => {
    const seen = new Set();
    while (go) for (const answer of await kv.talk(request.repeat(50), { n: 50 })) seen.add(answer.status);
    return seen;
  }));
  for (let i = 0; i < 80; i++) await kv.ctl(['revoke', 'demo', '--user', String(1_000_000 + i)]);
  go = false;
  for (const seen of await asking) assert.deepEqual([...seen], [401]);
});

test('B5: the path of a project\'s keys leads to those and nowhere else', async () => {
  const other = await kv.makeProject('paths');
  const ask = (method, path, headers) => kv.ask(method, path, { as: null, headers });
  const whole = await ask('GET', '/p/paths/.well-known/jwks.json', { Origin: 'https://page.example' });
  assert.equal(whole.status, 200);
  assert.equal(whole.headers['access-control-allow-origin'], '*');
  assert.equal(whole.headers['cache-control'], 'public, max-age=300');
  assert.deepEqual(Object.keys(whole.json), ['keys']);
  for (const key of whole.json.keys)
    assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'], 'public halves only');
  for (const name of [other.projectId, other.projectId.replaceAll('-', ''), 'paths'])
    assert.equal((await ask('GET', `/p/${name}/.well-known/jwks.json`)).text, whole.text);
  const head = await ask('HEAD', '/p/paths/.well-known/jwks.json');
  assert.deepEqual([head.status, head.body.length], [200, 0]);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'PURGE'])
    expectError(await ask(method, '/p/paths/.well-known/jwks.json'), 405, 'method_not_allowed');
  assert.equal((await ask('OPTIONS', '/p/paths/.well-known/jwks.json')).status, 204);
  for (const name of ['nobodys', '0'.repeat(32), '%00', 'paths%00', 'paths%20', 'PATHS', '%2e', '%2e%2e', '*', '..', '.',
    'paths%2f..%2fdemo', 'x'.repeat(3000), '%ff', "'", '%27%20or%201=1']) {
    const answer = await ask('GET', `/p/${name}/.well-known/jwks.json`);
    assert.ok([400, 403].includes(answer.status), `${answer.status} for ${name.slice(0, 40)}`);
    expectError(answer, answer.status, answer.code);
    assert.ok(!answer.text.includes('"keys"'));
  }
  for (const path of ['/p/paths/.well-known/jwks.json/', '/p/paths//.well-known/jwks.json', '/p//.well-known/jwks.json',
    '/p/.well-known/jwks.json', '/p/paths/.well-known/../.well-known/jwks.json', '/p/paths/%2ewell-known/jwks.json',
    '/p/paths/.well-known/jwks%2ejson', '/p/paths/.well-known%2fjwks.json', '/p/paths/demo/.well-known/jwks.json',
    '/p/paths/../.well-known/jwks.json', '/p/../.well-known/jwks.json', '/kv/../p/paths/.well-known/jwks.json',
    '/P/paths/.well-known/jwks.json', '/p/paths', '/p/paths/', '/p/paths/kv/mine', '/p/paths/sdk/v1/kv/mine']) {
    const answer = await kv.ask('GET', path);
    assert.ok([400, 403, 404].includes(answer.status), `${answer.status} to ${path}`);
    assert.ok(!answer.text.includes('"keys"'), path);
  }
  await kv.ctl(['project', 'disable', 'paths']);
  expectError(await ask('GET', '/p/paths/.well-known/jwks.json'), 403, 'project_unavailable');
});
