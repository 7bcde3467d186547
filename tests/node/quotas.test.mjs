// What a project and each of its users may keep and ask: quotas to the key and to the byte, a rate to the request.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectError, start } from './lib.mjs';

let kv;
before(async () => { kv = await start({ workers: 2, write_limit: 0 }); });
after(() => kv?.stop());

const limit = (project, ...options) => kv.ctl(['project', 'limit', project, ...options]);
const show = async (project) => JSON.parse(await kv.ctl(['project', 'show', project, '--json']));
const used = async (project, user) => {
  const { keys, bytes } = JSON.parse(await kv.ctl(['project', 'usage', project, ...(user ? ['--user', `${user}`] : []), '--json']));
  return { keys, bytes };
};
const put = (as, key, body = '1') => kv.ask('PUT', `/kv/${key}`, { as, body });
const remove = (as, key) => kv.ask('DELETE', `/kv/${key}`, { as });
const passed = (answers) => answers.filter((answer) => answer.status === 200).length;

function expectFull(answer, sentence) {
  expectError(answer, 507, 'storage_full');
  assert.match(answer.json.error, sentence);
}

/** A project with its users' tokens. */
async function projectWith(name, ...ids) {
  const project = await kv.makeProject(name);
  return { ...project, users: await Promise.all(ids.map((id) => kv.signIn({ id, first_name: 'U' }, project))) };
}

describe('quotas', () => {
  test('off at first, shown when set, and kept over a restart', async () => {
    const { limits } = await show('demo');
    assert.deepEqual([limits.max_keys, limits.max_bytes, limits.user_max_keys, limits.user_max_bytes, limits.user_rate],
      [0, 0, 0, 0, 0]);
    await limit('demo', '--max-keys', '3', '--max-bytes', '2K', '--user-max-keys', '2', '--user-max-bytes', '1K',
      '--user-rate', '1000');
    await put(kv.apiKey, 'a', '"12345"');
    await kv.restart();
    const text = await kv.ctl(['project', 'show', 'demo']);
    assert.match(text, /^project +3 keys and 2048 \(.*\) bytes at most$/m);
    assert.match(text, /^each user +2 keys and 1024 \(.*\) bytes at most$/m);
    assert.match(text, /^requests +1000 a second and user$/m);
    assert.match(text, /^keys in use +1 of 3$/m);
    assert.match(text, /^bytes in use +8 .* of 2048/m);
    await put(kv.apiKey, 'b');
    await put(kv.apiKey, 'c');
    expectFull(await put(kv.apiKey, 'd'), /project has as many keys/);
    await limit('demo', '--max-keys', '0', '--max-bytes', 'default', '--user-max-keys', '0', '--user-max-bytes', '0',
      '--user-rate', '0');
    assert.equal((await put(kv.apiKey, 'd')).status, 200);
    await assert.rejects(limit('demo', '--max-keys', '-1'), { code: 64 });
    await assert.rejects(limit('demo', '--user-rate', '1000001'), { code: 64 });
  });

  test('below, at and above, for the project and for a user', async () => {
    const { apiKey, users: [anna, ben] } = await projectWith('edges', 1, 2);
    await limit('edges', '--max-keys', '3', '--user-max-keys', '2', '--user-max-bytes', '100');
    assert.equal((await put(anna, 'a')).status, 200);
    assert.equal((await put(anna, 'b', `"${'x'.repeat(95)}"`)).status, 200); // 98 + 2: all of it
    assert.deepEqual(await used('edges', 1), { keys: 2, bytes: 100 });
    expectFull(await put(anna, 'c'), /you have as many keys/);
    expectFull(await put(anna, 'a', '12'), /you have no room/);
    assert.equal((await put(anna, 'a', '2')).status, 200);
    assert.equal((await put(ben, 'c')).status, 200);
    expectFull(await put(ben, 'd'), /project has as many keys/);
    expectFull(await put(apiKey, 'd'), /project has as many keys/);
    // What another overwrites is that one's.
    assert.equal((await put(ben, 'a')).status, 200);
    expectFull(await put(ben, 'b'), /you have as many keys/);
    assert.deepEqual(await used('edges', 1), { keys: 1, bytes: 98 + 1 - 1 });
    assert.equal((await remove(ben, 'c')).status, 200);
    assert.equal((await put(anna, 'd')).status, 200);
    // An API key has no quota of a user.
    assert.equal((await put(apiKey, 'b', `"${'x'.repeat(1000)}"`)).status, 200);
    assert.deepEqual(await used('edges', 1), { keys: 1, bytes: 2 });
  });

  test('a lowered quota takes nothing away, and whoever is over it can only become smaller', async () => {
    const { apiKey } = await projectWith('lowered');
    for (const key of ['a', 'b', 'c']) await put(apiKey, key, '"123456789"');
    await limit('lowered', '--max-keys', '1', '--max-bytes', '10');
    assert.equal((await kv.ask('GET', '/kv/b', { as: apiKey })).data, '"123456789"');
    assert.equal((await put(apiKey, 'a', '"abcdefghi"')).status, 200);
    assert.equal((await put(apiKey, 'a', '"abc"')).status, 200);
    expectFull(await put(apiKey, 'a', '"abcd"'), /project has no room/);
    expectFull(await put(apiKey, 'd', '1'), /project has as many keys/);
    for (const key of ['a', 'b', 'c']) assert.equal((await remove(apiKey, key)).status, 200);
    assert.equal((await put(apiKey, 'd', '"1234567"')).status, 200);
    assert.deepEqual(await used('lowered'), { keys: 1, bytes: 10 });
  });

  test('of 64 clients that race for the last key exactly one gets it', async () => {
    const { projectId, apiKey } = await projectWith('race');
    await limit('race', '--max-keys', '10');
    for (let i = 0; i < 9; i++) await put(apiKey, `k${i}`);
    for (let round = 0; round < 5; round++) {
      const race = (await Promise.all(Array.from({ length: 64 }, (_, i) =>
        kv.talk(kv.request('PUT', `/kv/last-${round}-${i}`, { as: apiKey, body: '1' }))))).flat();
      assert.equal(passed(race), 1, `round ${round} of ${projectId}`);
      for (const answer of race.filter(({ status }) => status !== 200)) expectFull(answer, /project has as many keys/);
      assert.deepEqual((await used('race')).keys, 10);
      await remove(apiKey, `last-${round}-${race.findIndex(({ status }) => status === 200)}`);
    }
  });

  test('atomic changes grow a value only within the quota of the user whose key it is', async () => {
    const { apiKey, users: [anna, ben] } = await projectWith('patched', 1, 2);
    await limit('patched', '--max-keys', '3', '--user-max-keys', '1', '--user-max-bytes', '20');
    const append = (as, key, value) => kv.ask('PATCH', `/kv/${key}`, { as, body: JSON.stringify({ op: 'append', value }),
      headers: { 'Content-Type': 'application/vnd.tmakv.op+json' } });
    assert.equal((await append(anna, 'a', 1234567890)).status, 200);
    expectFull(await append(anna, 'b', 1), /you have as many keys/);
    assert.equal((await append(anna, 'a', 123456)).status, 200);
    assert.deepEqual(await used('patched', 1), { keys: 1, bytes: 1 + 19 });
    expectFull(await append(anna, 'a', 1), /you have no room/);
    expectFull(await append(ben, 'a', 1), /the user whose key this is has no room/);
    assert.equal((await append(ben, 'b', 1)).status, 200);
    assert.equal((await append(apiKey, 'c', 1)).status, 200);
    expectFull(await append(apiKey, 'd', 1), /project has as many keys/);
    assert.equal((await kv.ask('GET', '/kv/a', { as: anna })).data, '[1234567890,123456]');
  });

  test('access rules may give a user fewer keys than the limits do', async () => {
    const { users: [anna] } = await projectWith('ruled', 1);
    const rules = (maxKeys) => {
      writeFileSync(`${kv.dir}/rules.json`, JSON.stringify({ version: 1, default: 'deny', ...(maxKeys && { maxKeys }),
        rules: [{ match: '**', allow: ['read', 'write'] }] }));
      return kv.ctl(['rules', 'set', 'ruled', '--file', `${kv.dir}/rules.json`]);
    };
    await limit('ruled', '--user-max-keys', '2');
    await rules(1);
    assert.equal((await put(anna, 'a')).status, 200);
    expectFull(await put(anna, 'b'), /you have as many keys/);
    await rules(5);
    assert.equal((await put(anna, 'b')).status, 200);
    expectFull(await put(anna, 'c'), /you have as many keys/);
    await limit('ruled', '--user-max-keys', '0');
    for (const key of ['c', 'd', 'e']) assert.equal((await put(anna, key)).status, 200);
    expectFull(await put(anna, 'f'), /you have as many keys/);
    await rules(0);
    assert.equal((await put(anna, 'f')).status, 200);
  });

  test('bulk calls and large values', async () => {
    const { projectId, apiKey, users: [anna] } = await projectWith('bulk', 1);
    await limit('bulk', '--value-limit', '4M', '--max-keys', '100', '--max-bytes', '800K', '--user-max-bytes', '500K');
    const base = `/client/v4/accounts/${JSON.parse(await kv.ctl(['status', '--json'])).account_id}` +
      `/storage/kv/namespaces/${projectId.replaceAll('-', '')}`;
    const bulk = (from, n) => kv.ask('PUT', `${base}/bulk`, { as: apiKey,
      body: JSON.stringify(Array.from({ length: n }, (_, i) => ({ key: `b${from + i}`, value: 'v' }))) });
    assert.equal((await bulk(0, 90)).json.result.successful_key_count, 90);
    const over = await bulk(90, 20);
    assert.equal(over.status, 507);
    assert.match(over.json.errors[0].message, /^put: 'the namespace has as many keys as it may have/);
    assert.equal((await used('bulk')).keys, 90);
    assert.equal((await bulk(80, 20)).json.result.successful_key_count, 20);

    // A value of many chunks is held at its put, and one that alone is too much before it is taken in.
    const large = (n) => `"${'x'.repeat(n - 2)}"`;
    const keep = await remove(apiKey, 'b0');
    assert.equal(keep.status, 200);
    expectFull(await put(apiKey, 'l', large(900_000)), /project has no room/);
    expectFull(await put(anna, 'l', large(600_000)), /you have no room/);
    assert.equal((await put(apiKey, 'l', large(700_000))).status, 200);
    expectFull(await put(apiKey, 'l', large(819_000)), /project has no room/);
    assert.equal((await kv.ask('GET', '/kv/l', { as: apiKey })).data.length, 700_000);
    assert.equal((await put(anna, 'l', large(500_000))).status, 200);
  });
});

describe('the rate of a user', () => {
  const get = (as, key = 'k') => kv.request('GET', `/kv/${key}`, { as });
  /** N requests of each token at once, over 8 connections each; how long it took. */
  async function storm(n, tokens) {
    const began = performance.now();
    const answers = await Promise.all(tokens.map(async (as) => (await Promise.all(Array.from({ length: 8 }, () =>
      kv.talk(get(as).repeat(n / 8), { n: n / 8 })))).flat()));
    return { answers, ms: performance.now() - began };
  }

  test('so many requests a second and no more, over all workers; users do not disturb each other', async () => {
    const { apiKey, users: [anna, ben, cleo] } = await projectWith('rated', 1, 2, 3);
    await put(apiKey, 'k');
    await limit('rated', '--user-rate', '50');
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt < 20, 'this machine does not do 480 requests in a second');
      const { answers: [a, b], ms } = await storm(240, [anna, ben]);
      if (ms >= 1000) {
        await sleep(1000); // each window is closed
        continue;
      }
      assert.equal(passed(a), 50);
      assert.equal(passed(b), 50);
      const refused = a.find(({ status }) => status !== 200);
      expectError(refused, 429, 'rate_limit');
      break;
    }
    // Nobody else notices: another user, a server.
    assert.equal((await kv.talk(get(cleo)))[0].status, 200);
    assert.equal(passed((await storm(80, [apiKey])).answers[0]), 80);
    // And it ends.
    await sleep(1000);
    assert.equal((await kv.talk(get(anna)))[0].status, 200);
  });

  test('initData in place of a token counts for the same user, a sign-in does not count', async () => {
    const project = await projectWith('mixed', 9);
    await limit('mixed', '--user-rate', '2');
    const initData = project.initData({ id: 9, first_name: 'U' });
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt < 20);
      const began = performance.now();
      const answers = [];
      for (let i = 0; i < 2; i++) {
        answers.push(await kv.ask('GET', '/kv/k', { as: null,
          headers: { Authorization: `tma ${initData}`, 'X-Project-Id': project.projectId } }));
      }
      answers.push(await kv.ask('GET', '/kv/k', { as: project.users[0] }));
      const signIn = await kv.signIn({ id: 9, first_name: 'U' }, project);
      if (performance.now() - began >= 1000) {
        await sleep(1000);
        continue;
      }
      assert.deepEqual(answers.map(({ status }) => status), [404, 404, 429]);
      assert.ok(signIn);
      break;
    }
  });

  test('a request that starts again in the slow lane is one', async () => {
    const { apiKey, users: [anna] } = await projectWith('slow', 1);
    await kv.ctl(['kv', 'bulk-put', 'slow', '-'], JSON.stringify(Array.from({ length: 400 }, (_, i) => ({ key: `l${i}`, value: '1' }))));
    assert.ok(apiKey);
    await limit('slow', '--user-rate', '4');
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt < 20);
      const began = performance.now();
      const answers = await kv.talk(kv.request('GET', '/kv?prefix=l', { as: anna }).repeat(6), { n: 6 });
      if (performance.now() - began >= 1000) {
        await sleep(1000);
        continue;
      }
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 429, 429]);
      break;
    }
  });
});
