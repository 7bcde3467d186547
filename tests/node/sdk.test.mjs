// The unmodified @tma.sh/sdk against the real thing: what a Mini App sees.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { device, signInitData, start } from './lib.mjs';

let kv;
before(async () => { kv = await start(); });
after(() => kv?.stop());

async function signedIn(user = { id: 7, first_name: 'Ada', last_name: 'L', username: 'ada' }) {
  const { createTMA } = await device();
  const tma = createTMA({ apiUrl: kv.url });
  return { tma, who: await tma.auth.validate(kv.initData(user), kv.projectId) };
}

test('validate answers who the user is', async () => {
  const { who } = await signedIn();
  assert.deepEqual(who.user, { telegramId: 7, firstName: 'Ada', lastName: 'L', username: 'ada' });
  assert.equal(who.jwt.split('.').length, 3);
});

test('a user id above 2^31 stays itself', async () => {
  const { who } = await signedIn({ id: 7_000_000_123, first_name: 'Big' });
  assert.equal(who.user.telegramId, 7_000_000_123);
});

test('the project may be named by its slug', async () => {
  const { createTMA } = await device();
  const who = await createTMA({ apiUrl: kv.url }).auth.validate(kv.initData({ id: 8, first_name: 'S' }), kv.projectName);
  assert.equal(who.user.telegramId, 8);
});

test('made-up initData is refused', async () => {
  const { createTMA } = await device();
  const tma = createTMA({ apiUrl: kv.url });
  const forged = signInitData('1:another-bot', { id: 7, first_name: 'Mallory' });
  await assert.rejects(tma.auth.validate(forged, kv.projectId), { name: 'TMAError', code: 'HTTP_401' });
  await assert.rejects(tma.auth.validate('', kv.projectId), { name: 'TMAError' });
});

test('initData of last week is refused', async () => {
  const { createTMA } = await device();
  const old = kv.initData({ id: 7, first_name: 'Ada' }, { authDate: Math.floor(Date.now() / 1000) - 7 * 86400 });
  await assert.rejects(createTMA({ apiUrl: kv.url }).auth.validate(old, kv.projectId), { code: 'HTTP_401' });
});

test('every kind of JSON value comes back as it went', async () => {
  const { tma } = await signedIn();
  for (const value of [null, true, 0, -1.5e300, '', 'text "quoted" \\ 😀 \u0000', [], {}, { a: [1, { b: null }] },
    'x'.repeat(131_070)]) {
    await tma.kv.set('value', value);
    assert.deepEqual(await tma.kv.get('value'), value);
  }
});

test('a missing key is null, a removed one too, and removing twice is fine', async () => {
  const { tma } = await signedIn();
  assert.equal(await tma.kv.get('never-written'), null);
  await tma.kv.set('gone', 1);
  await tma.kv.remove('gone');
  await tma.kv.remove('gone');
  assert.equal(await tma.kv.get('gone'), null);
});

test('keys may hold slashes, spaces, percent signs, emoji and dots', async () => {
  const { tma } = await signedIn();
  const keys = ['a/b', 'a//b', 'a b', 'a+b', '100%', 'a%2Fb', '😀', 'ключ', 'a?b#c', '...', 'a/../b', '"', 'k'.repeat(512)];
  for (const key of keys) await tma.kv.set(key, { key });
  for (const key of keys) assert.deepEqual(await tma.kv.get(key), { key }, key);
});

test('a key that is too long and a value that is too large are errors with a status', async () => {
  const { tma } = await signedIn();
  await assert.rejects(tma.kv.set('k'.repeat(513), 1), { code: 'HTTP_414' });
  await assert.rejects(tma.kv.set('large', 'x'.repeat(131_071)), { code: 'HTTP_413' });
  await assert.rejects(tma.kv.set('larger', 'x'.repeat(2_000_000)), { code: 'HTTP_413' });
  await assert.rejects(tma.kv.set('', 1), { code: 'HTTP_400' });
});

test('list answers the names below a prefix, in order', async () => {
  const { tma } = await signedIn();
  for (const name of ['list/b', 'list/a', 'list/ä', 'list', 'other']) await tma.kv.set(name, 1);
  const page = await tma.kv.list('list/');
  assert.deepEqual(page.keys.map((key) => key.name), ['list/a', 'list/b', 'list/ä']);
  assert.equal(page.list_complete, true);
});

test('another project cannot be reached with this token', async () => {
  const { tma, who } = await signedIn();
  await tma.kv.set('mine', 'secret');
  const other = await kv.makeProject('other');
  const answer = await fetch(`${kv.url}/sdk/v1/kv/mine`, {
    headers: { Authorization: `Bearer ${who.jwt}`, 'X-Project-Id': other.projectId },
  });
  assert.equal(answer.status, 403);
  assert.equal((await answer.json()).success, false);
  const { createTMA } = await device();
  const stranger = createTMA({ apiUrl: kv.url });
  await stranger.auth.validate(other.initData({ id: 7, first_name: 'Ada' }), other.projectId);
  assert.equal(await stranger.kv.get('mine'), null);
});

test('what was written survives kill -9 of the server', async () => {
  const { tma } = await signedIn();
  for (let i = 0; i < 20; i++) await tma.kv.set(`kept/${i}`, i);
  await kv.kill9Server();
  for (let i = 0; i < 20; i++) assert.equal(await tma.kv.get(`kept/${i}`), i);
});
