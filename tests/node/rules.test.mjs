// Access rules: who reaches which keys, through nginx; what a list shows; and that a change holds from the next request.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { expectError, start } from './lib.mjs';

const ALL = ['read', 'write', 'delete', 'list'];
const FORBIDDEN = "the project's access rules do not allow this";
let kv;
before(async () => { kv = await start({ workers: 2, write_limit: 0, value_limit: 1 << 20 }); });
after(() => kv?.stop());

let count = 0;
async function setRules(project, document) {
  const file = join(kv.dir, `rules-${count++}.json`);
  writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
  return kv.ctl(['rules', 'set', project.projectName, '--file', file]);
}

const rules = (...list) => ({ version: 1, rules: list.map(([match, allow, maxBytes]) => ({ match, allow, maxBytes })) });

/** A project under these rules, with users 12 and 123, who act as `as12` and `as123`. */
async function makeProject(...list) {
  const project = await kv.makeProject(`rules-${count++}`);
  const as = (id) => kv.signIn({ id, first_name: 'U' }, project);
  if (list.length) await setRules(project, rules(...list));
  return Object.assign(project, { as12: await as(12), as123: await as(123) });
}

const path = (key) => `/sdk/v1/kv/${encodeURIComponent(key)}`;
const get = (key, as) => kv.ask('GET', path(key), { as });
const put = (key, as, body = '1', headers = {}) => kv.ask('PUT', path(key), { as, body, headers });
const remove = (key, as, headers = {}) => kv.ask('DELETE', path(key), { as, headers });
const list = (query, as) => kv.ask('GET', `/sdk/v1/kv?${new URLSearchParams(query)}`, { as });
const page = async (query, as) => JSON.parse(Buffer.from((await list(query, as)).data, 'latin1'));
const names = async (query, as) => (await page(query, as)).keys.map((key) => key.name);

function expectForbidden(answer, why) {
  expectError(answer, 403, 'forbidden_by_rules', why);
  if (!answer.isHead) assert.equal(answer.json.error, FORBIDDEN, why);
  assert.equal(answer.headers.etag, undefined);
  assert.equal(answer.headers['x-kv-writes'], undefined);
}

test('a project without rules is open to its users', async () => {
  const project = await makeProject();
  assert.equal((await put('user:123:a', project.as12)).status, 200);
  assert.equal((await get('user:123:a', project.as123)).data, '1');
  assert.deepEqual(await names({}, project.as123), ['user:123:a']);
  assert.equal((await remove('user:123:a', project.as12)).status, 200);
});

describe('keys of one user', () => {
  let project;
  before(async () => { project = await makeProject(['user:{telegramId}:**', ALL]); });

  const own = ['user:12:a', 'user:12:', 'user:12:a:b', 'user:12::', 'user:12:a/b ü'];
  const others = ['user:123:a', 'user:1:a', 'user:12', 'USER:12:a', 'user:012:a', 'user:+12:a', 'user: 12:a', 'user:12 :a',
    'user:-12:a', 'user:12.0:a', 'user:１２:a', 'user:١٢:a', 'user：12：a', 'user:12：a', 'x', ':user:12:a',
    'user:12\n:a', 'user::12:a', 'user:{telegramId}:a', 'user:*:a', 'user:**', 'user/12/a', 'user:12%3Aa', 'user:12/:a'];

  test('are reached', async () => {
    for (const key of own) {
      assert.equal((await put(key, project.as12, '"mine"')).status, 200, key);
      assert.equal((await get(key, project.as12)).data, '"mine"', key);
      assert.equal((await kv.ask('HEAD', path(key), { as: project.as12 })).status, 200, key);
      expectForbidden(await get(key, project.as123), key);
      assert.equal((await remove(key, project.as12)).status, 200, key);
      expectError(await get(key, project.as12), 404, 'key_not_found', key);
    }
    // A line end in a key is one like any other.
    assert.equal((await put('user:12:a\nb', project.as12)).status, 200);
  });

  test('and no others, whether they exist or not, with the same words', async () => {
    for (const there of [false, true])
      for (const key of others) {
        if (there) assert.equal((await put(key, project.apiKey)).status, 200, key);
        const answers = [await get(key, project.as12), await put(key, project.as12), await remove(key, project.as12)];
        for (const answer of answers) expectForbidden(answer, key);
        expectForbidden(await kv.ask('HEAD', path(key), { as: project.as12 }), key);
        assert.equal(new Set(answers.map((answer) => answer.text)).size, 1);
        if (there) assert.equal((await get(key, project.apiKey)).data, '1', key);
      }
  });

  test('in whatever way they are written', async () => {
    assert.equal((await kv.ask('PUT', '/sdk/v1/kv/user%3A12%3Aa', { as: project.as12, body: '2' })).status, 200);
    assert.equal((await kv.ask('GET', '/kv/user:12:a', { as: project.as12 })).data, '2');
    assert.equal((await kv.ask('GET', '/kv/%75ser%3a12:%61', { as: project.as12 })).data, '2');
    expectForbidden(await kv.ask('GET', '/kv/user%3A123%3Aa', { as: project.as12 }));
    // Decoded once: this names another key.
    expectForbidden(await kv.ask('GET', '/kv/user%253A12%253Aa', { as: project.as12 }));
    for (const where of ['/kv/user:12:../user:123:a', '/kv/user:123:a/../user:12:a', '/kv//user:12:a', '/kv/./user:12:a'])
      assert.ok((await kv.ask('GET', where, { as: project.as12 })).status >= 400, where);
    expectForbidden(await kv.ask('GET', '/kv/user:123:a/../user:12:a', { as: project.as12 }));
  });

  test("behind what a key itself must be", async () => {
    expectError(await kv.ask('GET', '/kv/user:12:%ff', { as: project.as123 }), 400, 'bad_key');
    expectError(await kv.ask('GET', `/kv/${'x'.repeat(513)}`, { as: project.as123 }), 414, 'key_too_long');
    expectError(await kv.ask('GET', '/kv/', { as: project.as123 }), 400, 'bad_key');
  });

  test('before the body is looked at', async () => {
    expectForbidden(await put('user:123:a', project.as12, 'no JSON'));
    expectForbidden(await put('user:123:a', project.as12, 'x'.repeat(600_000)));
    expectError(await put('user:12:a', project.as12, 'no JSON'), 400, 'bad_json');
  });

  test('for initData as for a token', async () => {
    const headers = { Authorization: `tma ${project.initData({ id: 12, first_name: 'U' })}`, 'X-Project-Id': project.projectId };
    assert.equal((await kv.ask('PUT', path('user:12:t'), { as: null, headers, body: '3' })).status, 200);
    expectForbidden(await kv.ask('PUT', path('user:123:t'), { as: null, headers, body: '3' }));
  });

  test('API keys and the operator are above it', async () => {
    assert.equal((await put('user:123:x', project.apiKey)).status, 200);
    const readOnly = await kv.makeKey(project.projectName, '--read-only');
    assert.equal((await get('user:123:x', readOnly)).data, '1');
    expectError(await put('user:12:x', readOnly), 403, 'read_only_key');
    expectError(await remove('user:12:x', readOnly), 403, 'read_only_key');
    assert.ok((await names({ prefix: 'user:' }, readOnly)).includes('user:123:x'));
    assert.equal(await kv.ctl(['kv', 'get', project.projectName, 'user:123:x']), '1');
  });
});

describe('each operation by itself', () => {
  let project;
  before(async () => {
    project = await makeProject(['leaderboard:*', ['read', 'list']], ['score:{telegramId}', ['write'], 8], ['score:*', ['read']],
      ['drop:{telegramId}:**', ['write']], ['bin:*', ['delete']], ['wide:*', ['write'], 10], ['wide:x', ['write'], 100],
      ['wide:y', ['write']], ['{projectId}:**', ['read']], ['big:**', ['write', 'read'], 600_000]);
  });

  test('is granted or not', async () => {
    assert.equal((await put('leaderboard:w', project.apiKey)).status, 200);
    assert.equal((await get('leaderboard:w', project.as12)).status, 200);
    expectForbidden(await put('leaderboard:w', project.as12));
    expectForbidden(await remove('leaderboard:w', project.as12));
    expectForbidden(await get('leaderboard:a:b', project.as12));
    expectError(await get('leaderboard:', project.as12), 404, 'key_not_found');
    assert.equal((await put('score:12', project.as12)).status, 200);
    expectForbidden(await put('score:123', project.as12));
    assert.equal((await get('score:12', project.as123)).data, '1');
    expectForbidden(await get('drop:12:a', project.as12));
    expectForbidden(await get('bin:a', project.as12));
    assert.equal((await remove('bin:a', project.as12)).status, 200);
    expectError(await get(`${project.projectId}:a`, project.as12), 404, 'key_not_found');
    expectForbidden(await get(`${kv.projectId}:a`, project.as12));
  });

  test('who may not read is not told how often a key was written', async () => {
    for (const times of [1, 2]) {
      assert.equal((await put('score:12', project.as12)).headers['x-kv-writes'] > 0, true, times);
      const answer = await put('drop:12:a', project.as12);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-kv-writes'], undefined);
    }
  });

  test('a condition is a question about what is there', async () => {
    for (const header of [{ 'If-None-Match': '*' }, { 'If-Match': '"1"' }]) {
      expectForbidden(await put('drop:12:a', project.as12, '1', header));
      expectForbidden(await remove('bin:b', project.as12, header));
    }
    // Who may read may ask.
    assert.equal((await put('big:new', project.as12, '1', { 'If-None-Match': '*' })).status, 200);
    expectError(await put('big:new', project.as12, '2', { 'If-None-Match': '*' }), 412, 'precondition_failed');
  });

  test('a change in place reads and writes, and its outcome is held to the limit', async () => {
    const patch = (key, body, type = 'application/vnd.tmakv.op+json') =>
      kv.ask('PATCH', path(key), { as: project.as12, headers: { 'Content-Type': type }, body: JSON.stringify(body) });
    expectForbidden(await patch('drop:12:a', { op: 'add', by: 1 })); // write alone
    expectForbidden(await patch('leaderboard:w', { op: 'add', by: 1 })); // read alone
    expectForbidden(await patch('user:123:a', { op: 'add', by: 1 }));
    assert.equal((await put('score:12', project.as12, '9')).status, 200);
    assert.equal((await patch('score:12', { op: 'add', by: 1 })).data, '{"value":10}');
    expectError(await patch('score:12', { op: 'add', by: 1e9 }), 413, 'value_too_large');
    expectError(await patch('score:12', { name: 'Ada' }, 'application/merge-patch+json'), 413, 'value_too_large');
    assert.equal((await get('score:12', project.as12)).data, '10');
  });

  test('a value is as large as the most generous rule allows', async () => {
    for (const [key, most] of [['score:12', 8], ['wide:a', 10], ['wide:x', 100]]) {
      assert.equal((await put(key, project.as12, '1'.repeat(most))).status, 200, key);
      const answer = await put(key, project.as12, '1'.repeat(most + 1));
      expectError(answer, 413, 'value_too_large', key);
      assert.match(answer.json.error, new RegExp(`access rules .* at most ${most} bytes`));
    }
    assert.equal((await put('wide:y', project.as12, '1'.repeat(1000))).status, 200);
    assert.equal((await put('score:12', project.apiKey, '1'.repeat(1000))).status, 200);
    // What goes through the slow lane, too.
    assert.equal((await put('big:a', project.as12, `"${'x'.repeat(599_998)}"`)).status, 200);
    expectError(await put('big:a', project.as12, `"${'x'.repeat(599_999)}"`), 413, 'value_too_large');
    assert.equal((await get('big:a', project.as12)).data.length, 600_000);
  });
});

describe('lists', () => {
  let project;
  before(async () => {
    project = await makeProject(['user:{telegramId}:**', ALL], ['room:*:{telegramId}', ['list']], ['public:**', ['read', 'list']],
      ['user:{telegramId}', ['list']], ['secret:**', ['read']]);
    for (const key of ['a', 'public:1', 'public:2', 'room:1:12', 'room:1:123', 'room:2:12', 'room:2:12:x', 'secret:1', 'user:1:a',
      'user:12', 'user:12:a', 'user:12:b', 'user:122:a', 'user:123:a', 'user:13', 'zz'])
      assert.equal((await put(key, project.apiKey)).status, 200);
  });

  const cases = [
    ['', ['public:1', 'public:2', 'room:1:12', 'room:2:12', 'user:12', 'user:12:a', 'user:12:b']],
    ['user:', ['user:12', 'user:12:a', 'user:12:b']],
    ['user:12', ['user:12', 'user:12:a', 'user:12:b']],
    ['user:12:', ['user:12:a', 'user:12:b']],
    ['user:12:a', ['user:12:a']],
    ['user:12:nothing', []],
    ['user:123:', 'forbidden'],
    ['user:13', 'forbidden'],
    ['room:', ['room:1:12', 'room:2:12']],
    ['room:1:123', []],
    ['public', ['public:1', 'public:2']],
    ['secret:', 'forbidden'],
    ['a', 'forbidden'],
    ['zz', 'forbidden'],
  ];

  test('show what the user may list, and walk nothing else', async () => {
    for (const [prefix, wanted] of cases)
      if (wanted === 'forbidden') expectForbidden(await list({ prefix }, project.as12), prefix);
      else assert.deepEqual(await names({ prefix }, project.as12), wanted, prefix);
    assert.deepEqual(await names({ prefix: 'user:' }, project.as123), ['user:123:a']);
    assert.equal((await names({}, project.apiKey)).length, 16);
  });

  test('page by page, with whatever limit', async () => {
    for (const [prefix, wanted] of cases.filter(([, some]) => some !== 'forbidden'))
      for (let limit = 1; limit <= wanted.length + 1; limit++) {
        const all = [];
        for (let cursor = ''; ;) {
          const one = await page({ prefix, limit, cursor }, project.as12);
          all.push(...one.keys.map((key) => key.name));
          if (one.list_complete) break;
          assert.equal(one.keys.length, limit);
          cursor = one.cursor;
        }
        assert.deepEqual(all, wanted, `${prefix} ${limit}`);
      }
  });

  test("a cursor says no name, and another user's leads to none of theirs", async () => {
    const { cursor } = await page({ limit: 4 }, project.as12);
    assert.doesNotMatch(Buffer.from(cursor, 'base64url').toString('latin1'), /room|:12/);
    assert.deepEqual(await names({ cursor }, project.as12), ['user:12', 'user:12:a', 'user:12:b']);
    assert.deepEqual(await names({ cursor }, project.as123), ['user:123:a']);
    expectError(await list({ cursor, prefix: 'user:' }, project.as12), 400, 'bad_cursor');
    const of123 = (await page({ limit: 2 }, project.as123)).cursor;
    assert.deepEqual(await names({ cursor: of123 }, project.as12), ['room:1:12', 'room:2:12', 'user:12', 'user:12:a', 'user:12:b']);
  });

  test('by the rules of the moment, on each page', async () => {
    const own = await makeProject(['a:**', ['list']], ['b:**', ['list']], ['c:**', ['list']]);
    for (const key of ['a:1', 'a:2', 'b:1', 'b:2', 'c:1']) assert.equal((await put(key, own.apiKey)).status, 200);
    const first = await page({ limit: 1 }, own.as12);
    await setRules(own, rules(['a:**', ['list']], ['c:**', ['list']]));
    assert.deepEqual(await names({ cursor: first.cursor }, own.as12), ['a:2', 'c:1']);
    await setRules(own, rules(['a:**', ['read']]));
    expectForbidden(await list({ cursor: first.cursor }, own.as12));
    await setRules(own, rules(['b:1', ['list']]));
    assert.deepEqual(await page({ cursor: first.cursor }, own.as12), { keys: [{ name: 'b:1' }], list_complete: true });
  });

  test('a long walk over what is not shown goes on behind it', async () => {
    const own = await makeProject(['room:*:{telegramId}', ['list']]);
    // A page looks at 5,000 of them; the last is one that nobody may see.
    const keys = Array.from({ length: 6000 }, (_, i) => ({ key: `room:${String(i).padStart(4, '0')}:${i % 5500 ? 9 : 12}`, value: '1' }));
    const file = join(kv.dir, 'bulk.json');
    writeFileSync(file, JSON.stringify(keys));
    await kv.ctl(['kv', 'bulk-put', own.projectName, file]);
    const first = await page({}, own.as12);
    assert.deepEqual(first.keys.map((key) => key.name), ['room:0000:12']);
    assert.equal(first.list_complete, false);
    assert.doesNotMatch(Buffer.from(first.cursor, 'base64url').toString('latin1'), /room|4999|:9/);
    assert.deepEqual(await page({ cursor: first.cursor }, own.as12), { keys: [{ name: 'room:5500:12' }], list_complete: true });
    const none = await page({}, own.as123);
    assert.deepEqual(none.keys, []);
    assert.deepEqual(await page({ cursor: none.cursor }, own.as123), { keys: [], list_complete: true });
  });
});

test('a list in 64 places', async () => {
  const project = await makeProject(...Array.from({ length: 64 }, (_, i) => [`r${String(i).padStart(2, '0')}:**`, ['list']]));
  const keys = Array.from({ length: 128 }, (_, i) => `r${String(i >> 1).padStart(2, '0')}:${i % 2}`);
  for (const key of keys) assert.equal((await put(key, project.apiKey)).status, 200);
  assert.equal((await put('r', project.apiKey)).status, 200);
  assert.deepEqual(await names({}, project.as12), keys);
  const half = await page({ limit: 64 }, project.as12);
  assert.deepEqual(half.keys.map((key) => key.name), keys.slice(0, 64));
  assert.deepEqual(await names({ cursor: half.cursor }, project.as12), keys.slice(64));
});

test('64 rules and the longest keys', async () => {
  const head = (i) => `${String.fromCharCode(97 + i % 26)}${i}:`.repeat(20);
  const project = await makeProject(...Array.from({ length: 63 }, (_, i) => [`${head(i).slice(0, 150)}:*`, ['read']]),
    ['x:*:**', ['read', 'write']]);
  const long = `x:${'y:'.repeat(255)}`.slice(0, 512);
  assert.equal((await put(long, project.as12)).status, 200);
  assert.equal((await get(long, project.as12)).status, 200);
  expectForbidden(await get('y'.repeat(512), project.as12));
  expectForbidden(await get(`${head(3)}`.slice(0, 150), project.as12));
  expectError(await get(`${head(3).slice(0, 150)}:z`, project.as12), 404, 'key_not_found');
});

test('two users who write at once each stay where they belong', async () => {
  const project = await makeProject(['user:{telegramId}:**', ALL]);
  const wanted = (who, key) => kv.request('PUT', `/kv/${key}`, { as: who, body: '1' });
  const [a, b] = await Promise.all([['as12', 12, 123], ['as123', 123, 12]].map(([as, mine, theirs]) =>
    kv.talk(Array.from({ length: 100 }, (_, i) => wanted(project[as], `user:${i % 2 ? mine : theirs}:${i}`)).join(''), { n: 100 })));
  for (const answers of [a, b])
    answers.forEach((answer, i) => assert.equal(answer.status, i % 2 ? 200 : 403));
  assert.equal((await names({ prefix: 'user:12:' }, project.as12)).length, 50);
});

test('a change holds from the next request on, in every worker', async () => {
  const project = await makeProject(['k:a', ['read']]);
  assert.equal((await put('k:a', project.apiKey)).status, 200);
  let stop = false;
  let allowed = true; // what the newest rules say; undefined while they are being set
  let compared = 0;
  const ask = async () => {
    while (!stop) {
      const before = allowed;
      const generation = changes;
      const { status } = await get('k:a', project.as12);
      if (before === undefined || changes !== generation) continue;
      assert.equal(status, before ? 200 : 403);
      compared++;
    }
  };
  let changes = 0;
  const clients = Array.from({ length: 8 }, ask);
  for (let i = 0; i < 20; i++) {
    const next = i % 2 === 1;
    changes++;
    allowed = undefined;
    await setRules(project, rules(['k:a', [next ? 'read' : 'write']]));
    changes++;
    allowed = next;
    const seen = compared;
    while (compared < seen + 16) await get('k:a', project.apiKey);
  }
  stop = true;
  await Promise.all(clients);
});

test('rules outlive a restart, and a project without them is open again', async () => {
  const project = await makeProject(['user:{telegramId}:**', ALL]);
  await kv.restart();
  expectForbidden(await get('user:123:a', project.as12));
  assert.equal((await put('user:12:a', project.as12)).status, 200);
  await kv.ctl(['rules', 'set', project.projectName, '--none']);
  expectError(await get('user:123:a', project.as12), 404, 'key_not_found');
});

describe('presets', () => {
  const set = (project, name) => kv.ctl(['rules', 'set', project.projectName, '--preset', name]);

  test('shared lets every user reach every key', async () => {
    const project = await makeProject();
    await set(project, 'shared');
    assert.equal((await put('user:123:preferences', project.as12)).status, 200);
    assert.deepEqual(await names({}, project.as123), ['user:123:preferences']);
    assert.equal((await remove('user:123:preferences', project.as12)).status, 200);
  });

  test('private keeps user:<id>: for its user', async () => {
    const project = await makeProject();
    await set(project, 'private');
    assert.equal((await put('user:123:preferences', project.as123)).status, 200);
    expectForbidden(await get('user:123:preferences', project.as12));
    expectForbidden(await get('leaderboard:global', project.as12));
    assert.deepEqual(await names({}, project.as123), ['user:123:preferences']);
    assert.deepEqual(await names({}, project.as12), []);
  });

  test('private+public adds what all may read', async () => {
    const project = await makeProject();
    await set(project, 'private+public');
    assert.equal((await put('public:leaderboard', project.apiKey)).status, 200);
    assert.equal((await get('public:leaderboard', project.as12)).status, 200);
    expectForbidden(await put('public:leaderboard', project.as12));
    expectForbidden(await get('user:123:preferences', project.as12));
    assert.deepEqual(await names({}, project.as12), ['public:leaderboard']);
  });
});
