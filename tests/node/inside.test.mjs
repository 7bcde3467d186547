// Attacks from inside: by users with good credentials on what the project's access rules, quotas, rates and origins keep
// from them. What each of these promises by itself is in rules, quotas, origins, conditions and patch; here they are
// turned against each other.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { expectError, start } from './lib.mjs';
import { makeAdminKey, restOf } from './rest.mjs';

let kv, rest, eve, eves;
const EVE = { id: 12, first_name: 'Eve' };
before(async () => {
  kv = await start({ workers: 2, write_limit: 0 });
  rest = await restOf(kv);
  eve = await kv.signIn(EVE);
  eves = { as: null, headers: { Authorization: `tma ${kv.initData(EVE)}`, 'X-Project-Id': 'demo' } };
});
after(() => kv?.stop());

let files = 0;
async function setRules(...list) {
  const file = join(kv.dir, `rules-${files++}`);
  writeFileSync(file, JSON.stringify({ version: 1, rules: list.map(([match, allow, maxBytes]) => ({ match, allow, maxBytes })) }));
  await kv.ctl(['rules', 'set', 'demo', '--file', file]);
}
const ALL = ['read', 'write', 'delete', 'list'];
const MERGE = { 'Content-Type': 'application/merge-patch+json' };
const OP = { 'Content-Type': 'application/vnd.tmakv.op+json' };
const op = (members) => JSON.stringify(members);

/** What somebody sees of an answer who looks at everything. */
const seen = (answer) => JSON.stringify([answer.status, answer.text, Object.entries(answer.headers)
  .filter(([name]) => !['date', 'x-request-id', 'etag', 'connection', 'keep-alive'].includes(name)).sort()]);

// Everything that a user can do with a key.
const doings = [
  ['GET'], ['HEAD'], ['PUT', '"theirs"'], ['DELETE'], ['PATCH', '{"a":1}', MERGE], ['PATCH', op({ op: 'add', by: 1 }), OP],
  ['PATCH', op({ op: 'max', value: 9 }), OP], ['PATCH', op({ op: 'append', value: 1, limit: 5 }), OP],
  ['PATCH', op({ op: 'rank', entry: { userId: 1, score: 2 }, by: 'score', id: 'userId', limit: 10 }), OP],
  ['PATCH', 'rubbish', OP], ['PATCH', '{}', { 'Content-Type': 'text/plain' }], ['PUT', 'rubbish'], ['PUT', 'x'.repeat(140_000)],
  ...['"1"', '*', 'W/"1"', '"1", "2"', 'rubbish'].flatMap((tag) => ['If-Match', 'If-None-Match'].flatMap((name) => [
    ['GET', undefined, { [name]: tag }], ['HEAD', undefined, { [name]: tag }], ['PUT', '1', { [name]: tag }],
    ['DELETE', undefined, { [name]: tag }], ['PATCH', '{"a":1}', { ...MERGE, [name]: tag }]])),
];

test('a key that is not theirs looks the same to them whether it is there or not, whatever they do with it', async () => {
  await setRules(['user:{telegramId}:**', ALL], ['public:**', ['read', 'list']]);
  await kv.ask('PUT', '/kv/user:123:here', { body: '{"secret":true}' });
  await kv.ask('PUT', '/kv/user:123:gone', { body: '1' });
  await kv.ask('DELETE', '/kv/user:123:gone');
  const ways = (key) => [`/kv/${key}`, `/sdk/v1/kv/${key}`, `/kv/${key.replaceAll(':', '%3A')}`,
    `/sdk/v1/kv/%75ser:%3123:${key.slice(9)}`, `/kv/${key}?expirationTtl=&x=1`];
  for (const [i, who] of [{ as: eve }, eves].entries())
    for (const [k, [method, body, headers]] of doings.entries()) {
      // One way of writing the key for each doing, the next one under the other credential.
      const answers = await Promise.all(['user:123:here', 'user:123:gone', 'user:123:never'].map((key) =>
        kv.ask(method, ways(key)[(i + k) % 5], { ...who, body, headers: { ...who.headers, ...headers } })));
      for (const answer of answers) {
        assert.equal(seen(answer), seen(answers[0]), `${method} ${body?.slice(0, 40)} ${JSON.stringify(headers)}`);
        assert.ok(answer.status !== 404 && answer.status >= 400, `${answer.status}`);
        assert.ok(!answer.text.includes('secret'));
      }
    }
  assert.equal((await kv.ask('GET', '/kv/user:123:here')).data, '{"secret":true}');
  assert.equal((await kv.ask('GET', '/kv/user:123:here')).headers['x-kv-writes'], '1');
  for (const key of ['user:123:gone', 'user:123:never']) expectError(await kv.ask('GET', `/kv/${key}`), 404, 'key_not_found');
});

test('paths that climb, other hosts and absolute forms lead to no key of others', async () => {
  await setRules(['user:{telegramId}:**', ALL]);
  await kv.ask('PUT', '/kv/user:123:a', { body: '"secret"' });
  for (const path of ['/kv/user:12:x/../user:123:a', '/kv/user:12:x/../../kv/user:123:a', '/kv/user:12:%2e%2e/user:123:a',
    '/kv/user:12:a%2f..%2fuser:123:a', '/sdk/v1/kv/user:12:../../user:123:a', '/kv//user:123:a', '/kv/./user:123:a',
    '/kv/user:12:a#/../user:123:a', '/kv/user:12:a?/../user:123:a', '/kv/user:12:a;user:123:a', '/kv/user:12:a%00user:123:a',
    '/kv/user:12:a%0auser:123:a', '/kv/user%253A123%253Aa', '/kv/user:12%33:a', '/kv/user:%EF%BC%9123:a'])
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const answer = await kv.ask(method, path, { as: eve });
      assert.ok(!answer.text.includes('secret'), `${method} ${path}`);
    }
  for (const line of ['GET http://x/kv/user:123:a HTTP/1.1', 'GET //kv/user:123:a HTTP/1.1', 'GET /kv/user:123:a HTTP/1.0'])
    assert.ok(!(await kv.talk(`${line}\r\nHost: x\r\nAuthorization: Bearer ${eve}\r\nConnection: close\r\n\r\n`))[0].text
      .includes('secret'), line);
  for (const name of ['X-HTTP-Method-Override', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Prefix'])
    assert.equal((await kv.ask('GET', '/kv/user:12:a', { as: eve, headers: { [name]: '/kv/user:123:a' } })).status, 404);
  assert.equal((await kv.ask('GET', '/kv/user:123:a')).data, '"secret"');
});

test('the doors that know no rules know no users', async () => {
  await setRules(['user:{telegramId}:**', ALL]);
  await kv.ask('PUT', '/kv/user:123:a', { body: '"secret"' });
  for (const who of [{ as: eve }, eves, { as: null, headers: { 'X-Auth-Key': eve } },
    { as: null, headers: { 'X-Auth-User-Service-Key': eve } }, { as: null, headers: { Cookie: `token=${eve}` } }]) {
    for (const [method, path, body] of [['GET', '/values/user:123:a'], ['PUT', '/values/user:12:a', '1'], ['GET', '/keys'],
      ['GET', '/metadata/user:123:a'], ['DELETE', '/values/user:123:a'], ['PUT', '/bulk', '[{"key":"user:123:a","value":"x"}]'],
      ['POST', '/bulk/get', '{"keys":["user:123:a"]}'], ['POST', '/bulk/delete', '["user:123:a"]'], ['GET', '']]) {
      const answer = await rest.ask(method, path, { ...who, body });
      assert.ok([401, 403].includes(answer.status) && !answer.text.includes('secret'), `${answer.status} ${method} ${path}`);
    }
    for (const [method, path, body] of [['GET', '/user:123:a?urlencoded=true'], ['PUT', '/user:123:a', '1'], ['DELETE', '/user:123:a'],
      ['GET', '/?prefix=user'], ['POST', '/bulk/get', '{"keys":["user:123:a"]}']]) {
      const answer = await kv.ask(method, path, { ...who, body, socket: kv.binding });
      assert.ok([400, 401, 403].includes(answer.status) && !answer.text.includes('secret'), `${answer.status} ${method} ${path}`);
    }
  }
  assert.equal((await kv.ask('GET', '/kv/user:123:a')).data, '"secret"');
});

describe('who may write and not read', () => {
  before(async () => {
    await setRules(['inbox:*', ['write']], ['drop:*', ['write', 'delete']], ['own:{telegramId}', ALL]);
  });

  test('learns from no answer what was there', async () => {
    const told = async (key, doing) => seen(await kv.ask(doing[0], `/kv/${key}`, { as: eve, body: doing[1], headers: doing[2] }));
    await Promise.all(doings.map(async (doing, k) => {
      await kv.ask('PUT', `/kv/inbox:here-${k}`, { body: '{"secret":[1,2,3]}' });
      for (let i = 0; i < 3; i++) await kv.ask('PUT', `/kv/inbox:often-${k}`, { body: '7' });
      const answers = [await told(`inbox:never-${k}`, doing), await told(`inbox:here-${k}`, doing), await told(`inbox:often-${k}`, doing)];
      assert.deepEqual([...new Set(answers)].length, 1, `${JSON.stringify(doing).slice(0, 150)}: ${answers.join('\n')}`);
    }));
    for (const doing of [['DELETE'], ['DELETE', undefined, { 'If-Match': '*' }], ['DELETE', undefined, { 'If-None-Match': '*' }]]) {
      await kv.ask('PUT', '/kv/drop:here', { body: '1' });
      assert.equal(await told('drop:here', doing), await told('drop:never', doing));
    }
  });

  test('cannot count, rank or append there: the answer would say what is there', async () => {
    await kv.ask('PUT', '/kv/inbox:n', { body: '41' });
    for (const [method, body, headers] of doings.filter(([method]) => method === 'PATCH')) {
      const answer = await kv.ask(method, '/kv/inbox:n', { as: eve, body, headers });
      assert.ok(answer.status >= 400 && !/4[12]/.test(answer.text), answer.text);
    }
    assert.equal((await kv.ask('GET', '/kv/inbox:n')).data, '41');
    assert.equal((await kv.ask('PATCH', '/kv/own:12', { as: eve, body: op({ op: 'add', by: 1 }), headers: OP })).status, 200);
  });
});

test('who may read and not write changes nothing by any method', async () => {
  await setRules(['board:*', ['read', 'list']]);
  await kv.ask('PUT', '/kv/board:top', { body: '[1]' });
  const before_it = await kv.ask('GET', '/kv/board:top');
  for (const [method, body, headers] of doings.filter(([method]) => !['GET', 'HEAD'].includes(method)))
    for (const key of ['board:top', 'board:new']) {
      const answer = await kv.ask(method, `/kv/${key}`, { as: eve, body, headers });
      // A condition that is none may be told before anything is asked for.
      if (!Object.values(headers ?? {}).includes('rubbish')) expectError(answer, 403, 'forbidden_by_rules', method);
      else assert.ok([400, 403].includes(answer.status));
    }
  const after_it = await kv.ask('GET', '/kv/board:top', { as: eve });
  assert.deepEqual([after_it.data, after_it.headers.etag], ['[1]', before_it.headers.etag]);
});

test('a value grows over its rule\'s maxBytes by no change', async () => {
  await setRules(['score:{telegramId}', ALL, 32]);
  const key = '/kv/score:12';
  const patch = (body, headers) => kv.ask('PATCH', key, { as: eve, body, headers });
  expectError(await kv.ask('PUT', key, { as: eve, body: `"${'x'.repeat(31)}"` }), 413, 'value_too_large');
  for (const first of ['[]', '{}', '{"a":"xxxxxxxxxxxxxxxx"}', '[1,2,3,4,5,6,7,8,9,10]']) {
    assert.equal((await kv.ask('PUT', key, { as: eve, body: first })).status, 200);
    const long = 'y'.repeat(40);
    for (const [body, headers] of [[JSON.stringify({ b: long }), MERGE], [JSON.stringify(long), MERGE],
      [op({ op: 'append', value: long, limit: 100 }), OP],
      [op({ op: 'rank', entry: { userId: long, score: 1 }, by: 'score', id: 'userId', limit: 10 }), OP]])
      assert.ok((await patch(body, headers)).status >= 400);
    assert.equal((await kv.ask('GET', key)).data, first);
    // Nor bit by bit.
    for (let i = 0; i < 15; i++) {
      await patch(JSON.stringify({ [`k${i}`]: i }), MERGE);
      await patch(op({ op: 'append', value: i, limit: 1000 }), OP);
    }
    assert.ok((await kv.ask('GET', key)).data.length <= 32, (await kv.ask('GET', key)).data);
  }
});

test('a list shows no name, by prefix, cursor, limit or length, that its user may not see', async () => {
  await setRules(['user:{telegramId}:**', ALL], ['score:*:{telegramId}', ['list', 'read', 'write']], ['public:*', ['list']]);
  for (const key of ['user:1:secret', 'user:12:mine', 'user:123:secret', 'score:a:123', 'score:b:12', 'score:secret:7',
    'public:a', 'public:a:secret', 'secret', 'zsecret']) await kv.ask('PUT', `/kv/${encodeURIComponent(key)}`, { body: '1' });
  const allowed = ['public:a', 'score:b:12', 'user:12:mine'];
  const other = await kv.signIn({ id: 123, first_name: 'O' });
  const pages = async (prefix, limit, as = eve) => {
    const names = [], cursors = [];
    for (let cursor = ''; ;) {
      const answer = await kv.ask('GET', `/kv?${new URLSearchParams({ prefix, limit, cursor })}`, { as });
      if (answer.status !== 200) return { answer, names, cursors };
      const { keys, list_complete, cursor: next } = answer.json.data;
      names.push(...keys.map((key) => key.name));
      if (list_complete) return { names, cursors };
      cursors.push(next);
      cursor = next;
    }
  };
  for (const limit of [1, 2, 1000]) {
    const { names, cursors } = await pages('', limit);
    assert.deepEqual(names, allowed);
    for (const cursor of cursors)
      for (const text of [cursor, Buffer.from(cursor, 'base64url').toString('latin1'), Buffer.from(cursor, 'base64').toString('latin1')])
        assert.ok(!/secret|score|user|123/.test(text), text);
    // Her cursors in another's hands are a place in a list, and the list is that other's.
    for (const cursor of cursors) {
      const answer = await kv.ask('GET', `/kv?${new URLSearchParams({ cursor })}`, { as: other });
      if (answer.status === 200)
        for (const { name } of answer.json.data.keys) assert.ok(/^user:123:|^score:[^:]*:123$|^public:[^:]*$/.test(name), name);
      else expectError(answer, 400, 'bad_cursor');
    }
  }
  for (const [prefix, names] of [['user:12', ['user:12:mine']], ['user:1', ['user:12:mine']], ['user:', ['user:12:mine']],
    ['score:', ['score:b:12']], ['score:secret', []], ['public:a', ['public:a']], ['public:a:', []]]) {
    const { answer, names: got } = await pages(prefix, 1000);
    assert.deepEqual(got, names, prefix);
    if (answer) expectError(answer, 403, 'forbidden_by_rules');
  }
  // Where nothing is granted it is 403, with or without keys there.
  for (const prefix of ['user:123:', 'user:124:', 'secret', 'secreu', 'z', 'USER:12:'])
    expectError((await pages(prefix, 1000)).answer, 403, 'forbidden_by_rules', prefix);
  // HEAD is a list as well.
  const heads = await Promise.all(['user:123:', 'user:124:'].map((prefix) => kv.ask('HEAD', `/kv?prefix=${prefix}`, { as: eve })));
  assert.equal(seen(heads[0]), seen(heads[1]));
  assert.equal(heads[0].status, 403);
});

test('what was remembered of a credential is not what it may do: rules change under both kinds of it', async () => {
  await kv.ask('PUT', '/kv/shared:a', { body: '1' });
  const everybody = [{ as: eve }, eves];
  for (let i = 0; i < 5; i++) {
    await setRules(['shared:*', ['read']]);
    for (const answer of await Promise.all(Array.from({ length: 16 }, (_, k) => kv.ask('GET', '/kv/shared:a', everybody[k % 2]))))
      assert.equal(answer.data, '1');
    await setRules(['other:*', ['read']]);
    for (const answer of await Promise.all(Array.from({ length: 16 }, (_, k) => kv.ask('GET', '/kv/shared:a', everybody[k % 2]))))
      expectError(answer, 403, 'forbidden_by_rules');
  }
});

/** N requests that MAKE(i) made, over C connections at once. */
async function atOnce(n, make, c = 16) {
  const requests = Array.from({ length: n }, (_, i) => make(i));
  return (await Promise.all(Array.from({ length: c }, (_, k) => {
    const part = requests.filter((_, i) => i % c === k);
    return part.length ? kv.talk(part.join(''), { n: part.length }) : [];
  }))).flat();
}
const passed = (answers) => answers.filter((answer) => answer.status === 200).length;
const limit = (...options) => kv.ctl(['project', 'limit', 'demo', ...options]);

describe('quotas', () => {
  before(() => kv.ctl(['rules', 'set', 'demo', '--none']));
  after(() => limit('--max-keys', '0', '--max-bytes', '0', '--user-max-keys', '0', '--user-max-bytes', '0'));

  test('of a hundred new keys at once, by all ways of making one, exactly as many pass as there is room', async () => {
    for (const [round, members] of [['--user-max-keys', '7'], ['--user-max-keys', '0']].entries()) {
      await limit(...members);
      if (round === 1) {
        const { usage } = JSON.parse(await kv.ctl(['project', 'show', 'demo', '--json']));
        await limit('--max-keys', String(usage.keys + 7));
      }
      const as = await kv.signIn({ id: 500 + round, first_name: 'Q' });
      const make = (i) => [
        kv.request('PUT', `/kv/quota:${round}:${i}`, { as, body: '1' }),
        kv.request('PATCH', `/kv/quota:${round}:${i}`, { as, body: op({ op: 'add', by: 1 }), headers: OP }),
        kv.request('PATCH', `/sdk/v1/kv/quota:${round}:${i}`, { as, body: '{"a":1}', headers: MERGE }),
        kv.request('PATCH', `/kv/quota:${round}:${i}`, { as, body: op({ op: 'append', value: 1, limit: 9 }), headers: OP }),
      ][i % 4];
      const answers = await atOnce(100, make);
      assert.equal(passed(answers), 7);
      for (const answer of answers.filter((one) => one.status !== 200)) expectError(answer, 507, 'storage_full');
      assert.equal((await kv.ask('GET', `/kv?prefix=quota:${round}:`)).json.data.keys.length, 7);
      // Room comes back once for each key that goes, however often it is told to.
      const [{ name }] = (await kv.ask('GET', `/kv?prefix=quota:${round}:`)).json.data.keys;
      await atOnce(20, () => kv.request('DELETE', `/kv/${name}`, { as }));
      assert.equal(passed(await atOnce(40, (i) => kv.request('PUT', `/kv/quota:${round}:again-${i}`, { as, body: '1' }))), 1);
    }
    await limit('--max-keys', '0');
  });

  test('bytes are not got around by growing a little at a time', async () => {
    const as = await kv.signIn({ id: 510, first_name: 'Q' });
    await limit('--user-max-bytes', '600');
    await kv.ask('PUT', '/kv/grow', { as, body: '[]' });
    await atOnce(400, (i) => (i % 2 ? kv.request('PATCH', '/kv/grow', { as, headers: OP,
      body: op({ op: 'append', value: 'x'.repeat(10), limit: 10_000 }) }) : kv.request('PUT', `/kv/grow:${i % 9}`, { as,
      body: JSON.stringify('y'.repeat(i)) })));
    const { bytes } = JSON.parse(await kv.ctl(['project', 'usage', 'demo', '--user', '510', '--json']));
    assert.ok(bytes <= 600 && bytes > 300, `${bytes}`);
  });

  test('the most keys that the rules allow a user hold for every way of making one', async () => {
    const file = join(kv.dir, 'max-keys.json');
    writeFileSync(file, JSON.stringify({ version: 1, maxKeys: 3, rules: [{ match: 'mine:{telegramId}:*', allow: ALL }] }));
    await kv.ctl(['rules', 'set', 'demo', '--file', file]);
    try {
      const as = await kv.signIn({ id: 512, first_name: 'Q' });
      const answers = await atOnce(40, (i) => (i % 2 ? kv.request('PUT', `/kv/mine:512:${i}`, { as, body: '1' })
        : kv.request('PATCH', `/kv/mine:512:${i}`, { as, body: op({ op: 'add', by: 1 }), headers: OP })));
      assert.equal(passed(answers), 3);
      assert.equal((await kv.ask('GET', '/kv?prefix=mine:512:')).json.data.keys.length, 3);
      // The smaller of the two limits counts.
      await limit('--user-max-keys', '2');
      const other = await kv.signIn({ id: 513, first_name: 'Q' });
      assert.equal(passed(await atOnce(20, (i) => kv.request('PUT', `/kv/mine:513:${i}`, { as: other, body: '1' }))), 2);
      await limit('--user-max-keys', '100');
      assert.equal(passed(await atOnce(20, (i) => kv.request('PUT', `/kv/mine:513:${i}-`, { as: other, body: '1' }))), 1);
    } finally {
      await limit('--user-max-keys', '0');
      await kv.ctl(['rules', 'set', 'demo', '--none']);
    }
  });

  test('a repeat of a refused or accepted write counts once', async () => {
    const as = await kv.signIn({ id: 511, first_name: 'Q' });
    await limit('--user-max-bytes', '0', '--user-max-keys', '1');
    assert.equal((await kv.ask('PUT', '/kv/once', { as, body: '1' })).status, 200);
    for (let i = 0; i < 5; i++) assert.equal((await kv.ask('PUT', '/kv/once', { as, body: `${i}` })).status, 200);
    expectError(await kv.ask('PUT', '/kv/twice', { as, body: '1' }), 507, 'storage_full');
    // Overwritten by a server, the key is nobody's any more.
    assert.equal((await kv.ask('PUT', '/kv/once', { body: '1' })).status, 200);
    assert.equal((await kv.ask('PUT', '/kv/twice', { as, body: '1' })).status, 200);
    const { keys } = JSON.parse(await kv.ctl(['project', 'usage', 'demo', '--user', '511', '--json']));
    assert.equal(keys, 1);
  });
});

test('a rate is one user\'s, over workers, doors, paths, kinds of credentials, and whatever comes of the request', async () => {
  await limit('--user-rate', '20');
  try {
    const user = { id: 520, first_name: 'R' };
    const as = await kv.signIn(user), again = await kv.signIn(user, kv);
    const initData = kv.initData(user, { fields: { start_param: 'x' } });
    const tma = { as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': kv.projectId } };
    const kinds = [(i) => kv.request('GET', `/kv/none-${i}`, { as }), (i) => kv.request('PUT', `/sdk/v1/kv/k-${i}`, { as: again, body: '1' }),
      () => kv.request('GET', '/kv', tma), (i) => kv.request('DELETE', `/kv/k-${i}`, tma), () => kv.request('PUT', '/kv/bad', { as, body: '{' }),
      (i) => kv.request('GET', `/kv/${'k'.repeat(600)}${i}`, { as })];
    let answers, ms;
    for (let attempt = 0; attempt < 10; attempt++) {
      const began = performance.now();
      answers = await atOnce(240, (i) => kinds[i % kinds.length](i));
      ms = performance.now() - began;
      if (ms < 900) break;
    }
    const refused = answers.filter((answer) => answer.status === 429);
    for (const answer of refused) expectError(answer, 429, 'rate_limit');
    // A second's worth, and what comes with the next one while they go on.
    assert.ok(240 - refused.length <= 20 * (1 + Math.ceil(ms / 1000)), `${240 - refused.length} in ${ms} ms`);
    assert.ok(240 - refused.length >= 20);
    // Nobody else is slower for it.
    const other = await kv.signIn({ id: 521, first_name: 'R' });
    assert.equal((await kv.ask('GET', '/kv', { as: other })).status, 200);
    assert.equal(passed(await atOnce(60, () => kv.request('GET', '/kv'))), 60);
  } finally {
    await limit('--user-rate', '0');
  }
});

test('a page of a foreign origin changes nothing, whatever it sends', async () => {
  await kv.ctl(['project', 'origins', 'demo', '--add', 'https://good.example']);
  try {
    await kv.ask('PUT', '/kv/origin', { body: '1' });
    const before_it = await kv.ask('GET', '/kv/origin');
    for (const Origin of ['https://evil.example', 'null', 'https://good.example.evil.com', 'https://good.example:444',
      'http://good.example', 'HTTPS://good.example', 'https://GOOD.example', 'https://good.example/', 'https://good.example.',
      'https://evil.example, https://good.example', 'https://good.example https://evil.example', 'https://xgood.example',
      'https://good.example@evil.example', 'https://good.example%00.evil.example', 'file://', '*'])
      for (const who of [{ as: eve }, eves, { as: kv.apiKey }])
        for (const [method, body, headers] of [...doings.slice(0, 9), ['PUT', '2', { 'If-Match': '*' }]]) {
          const answer = await kv.ask(method, '/kv/origin', { ...who, body, headers: { ...who.headers, ...headers, Origin } });
          assert.equal(answer.status, 403, `${method} ${Origin} ${answer.text}`);
          assert.equal(answer.headers['access-control-allow-origin'], undefined);
          if (method !== 'HEAD') assert.equal(answer.code, 'origin_not_allowed');
        }
    const body = JSON.stringify({ initData: kv.initData(EVE), projectId: 'demo' });
    const foreign = await kv.ask('POST', '/sdk/v1/auth/validate', { as: null, body, headers: { Origin: 'https://evil.example' } });
    assert.deepEqual([foreign.status, foreign.code, foreign.headers['access-control-allow-origin']],
      [403, 'origin_not_allowed', undefined]);
    const good = await kv.ask('GET', '/kv/origin', { headers: { Origin: 'https://good.example' } });
    assert.deepEqual([good.status, good.headers['access-control-allow-origin'], good.headers.vary],
      [200, 'https://good.example', 'Origin']);
    assert.equal(good.headers.etag, before_it.headers.etag);
    // As the preflight names no project it is answered to all; and what is wrong before the project is known, too.
    assert.equal((await kv.ask('OPTIONS', '/kv/origin', { as: null, headers: { Origin: 'https://evil.example' } })).status, 204);
    // At once, in both workers and under credentials that are remembered.
    for (let i = 0; i < 4; i++) {
      await kv.ctl(['project', 'origins', 'demo', '--add', 'https://evil.example']);
      const ask = (k) => kv.ask('GET', '/kv/origin', { ...[{ as: eve }, eves][k % 2],
        headers: { ...[{}, eves.headers][k % 2], Origin: 'https://evil.example' } });
      for (const answer of await Promise.all(Array.from({ length: 16 }, (_, k) => ask(k)))) assert.equal(answer.status, 200);
      await kv.ctl(['project', 'origins', 'demo', '--remove', 'https://evil.example']);
      for (const answer of await Promise.all(Array.from({ length: 16 }, (_, k) => ask(k)))) assert.equal(answer.status, 403);
    }
  } finally {
    await kv.ctl(['project', 'origins', 'demo', '--any']);
  }
});

describe('changes in place', () => {
  before(() => kv.ctl(['rules', 'set', 'demo', '--none']));
  let n = 0;
  const patch = (key, body, headers = OP) => kv.ask('PATCH', `/kv/${key}`, { as: eve, body, headers });
  const stored = async (key) => (await kv.ask('GET', `/kv/${key}`)).data;

  test('numbers do not wrap, vanish or become what is no JSON', async () => {
    const edges = ['9223372036854775807', '-9223372036854775808', '9223372036854775806', '1e308', '-1e308', '0', '-0', '1',
      '18446744073709551615', '0.1', '9007199254740993'];
    const steps = ['1', '-1', '9223372036854775807', '-9223372036854775808', '1e308', '-1e308', '0.1', '9007199254740993',
      '18446744073709551616', '1e400', '-1e400', '123456789012345678901234567890'];
    for (const first of edges)
      await Promise.all(steps.flatMap((step) => [['add', 'by'], ['max', 'value'], ['min', 'value']]
        .map(async ([name, member]) => {
          const key = `edge-${n++}`;
          await kv.ask('PUT', `/kv/${key}`, { body: first });
          const answer = await patch(key, `{"op":"${name}","${member}":${step}}`);
          const now = await stored(key);
          const why = `${name} ${first} ${step}: ${answer.status} ${answer.text} ${now}`;
          assert.match(now, /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/, why);
          if (answer.status !== 200) {
            assert.ok([400, 409, 422].includes(answer.status), why);
            assert.equal(now, first, why);
            return;
          }
          const whole = [first, step].every((text) => /^-?\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text));
          if (whole) {
            const [a, b] = [BigInt(first), BigInt(step)];
            const want = { add: a + b, max: a > b ? a : b, min: a < b ? a : b }[name];
            if (BigInt.asIntN(64, want) === want) {
              assert.equal(BigInt(now), want, why);
              return;
            }
          }
          const [a, b, c] = [Number(first), Number(step), Number(now)];
          assert.ok(Number.isFinite(c), why);
          const want = { add: a + b, max: Math.max(a, b), min: Math.min(a, b) }[name];
          assert.ok(Math.abs(c - want) <= Math.abs(want) * 1e-9 + 1e-9, why);
        })));
  });

  test('what is no change is refused and changes nothing', async () => {
    await kv.ask('PUT', '/kv/kept', { body: '{"n":1}' });
    for (const body of ['', ' ', '{', 'null', '[]', '1', '{}', '{"op":"add"}', '{"op":"add","by":"1"}', '{"op":"add","by":null}',
      '{"op":"add","by":NaN}', '{"op":"add","by":01}', '{"op":"add","by":1,"by":2}', '{"op":"add","by":1,"\\u0062y":2}',
      '{"op":"add","by":1}x', '{"op":"ADD","by":1}', '{"op":"sub","by":1}', '{"op":"add","by":1,"value":2}', '{"op":["add"],"by":1}',
      '[{"op":"add","by":1}]', '{"op":"append","value":1,"limit":0}', '{"op":"append","value":1,"limit":-1}',
      '{"op":"append","value":1,"limit":1.5}', '{"op":"append","value":1,"limit":18446744073709551617}', '{"op":"append"}',
      '{"op":"rank","entry":1,"by":"a","id":"b","limit":1}', '{"op":"rank","entry":{"b":1},"by":"a","id":"b","limit":1}',
      '{"op":"rank","entry":{"a":1},"by":"a","id":"b","limit":1}', '{"op":"rank","entry":{"a":"x","b":1},"by":"a","id":"b","limit":1}',
      '{"op":"rank","entry":{"a":1,"a":2,"b":1},"by":"a","id":"b","limit":1}', '{"op":"rank","entry":{"a":1,"b":1},"by":"a","id":"b","limit":0}',
      `{"op":"append","value":${'['.repeat(600)}${']'.repeat(600)},"limit":9}`, '{"op":"touch","ttl":60}', '{"op":"add","by":1}\0']) {
      const answer = await patch('kept', body);
      assert.ok([400, 403, 413, 415].includes(answer.status), `${answer.status} ${answer.text} to ${body.slice(0, 80)}`);
      expectError(answer, answer.status, answer.code);
      assert.equal(await stored('kept'), '{"n":1}', body.slice(0, 80));
    }
    for (const type of ['text/plain', 'application/json', 'application/json-patch+json', 'application/merge-patch', '', 'application/vnd.tmakv.op',
      'multipart/form-data; boundary=b', 'application/vnd.tmakv.op+json, application/merge-patch+json']) {
      const answer = await patch('kept', '{"op":"add","by":1}', { 'Content-Type': type });
      assert.ok([400, 415].includes(answer.status), `${answer.status} for ${type}`);
    }
    assert.equal(await stored('kept'), '{"n":1}');
    expectError(await patch('kept', '{"op":"append","value":1,"limit":9}', { ...OP, 'Content-Encoding': 'gzip' }), 415, 'unsupported_encoding');
    const big = await patch('kept', `{"op":"append","value":"${'x'.repeat(200_000)}","limit":9}`);
    assert.equal(big.status, 413, big.text);
  });

  test('whatever comes out is a value as any other: it can be read, and put again', async () => {
    const deep = (n) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`;
    const array = (n) => `${'['.repeat(n)}1${']'.repeat(n)}`;
    for (const [first, body, headers] of [[deep(511), deep(511), MERGE], [deep(300), deep(511).replace('1', '{"b":2}'), MERGE],
      ['[]', `{"op":"append","value":${array(511)},"limit":9}`, OP], ['[]', `{"op":"append","value":${array(510)},"limit":9}`, OP],
      ['{"\\u0061":1}', '{"a":2}', MERGE], ['{"a":1,"b":2}', '{"\\u0061":null}', MERGE], ['{"é":1}', '{"\\u00e9":{"x":null}}', MERGE],
      ['{"a":"\\ud83d\\ude00"}', '{"b":"\\ud83d"}', MERGE], ['{"a":1e400}', '{"b":1}', MERGE], ['1', '{"a":{"b":null}}', MERGE],
      ['{"a":1}', 'null', MERGE], ['{"a":1}', '[1]', MERGE], ['{"__proto__":1}', '{"__proto__":{"a":1}}', MERGE]]) {
      const key = `deep-${n++}`;
      assert.equal((await kv.ask('PUT', `/kv/${key}`, { body: first })).status, 200, first.slice(0, 60));
      const answer = await patch(key, body, headers);
      const got = await kv.ask('GET', `/kv/${key}`);
      assert.equal(got.status, 200, got.text);
      const again = await kv.ask('PUT', `/kv/${key}-again`, { body: Buffer.from(got.data, 'latin1') });
      assert.equal(again.status, 200, `${answer.status} ${answer.text.slice(0, 200)} -> ${got.data.slice(0, 200)}: ${again.text}`);
      JSON.parse(got.text);
    }
  });
});

describe('the audit log', () => {
  const audit = async () => (await kv.ctl(['audit', '--json', '--limit', '1000'])).split('\n').filter(Boolean).map((line) => JSON.parse(line));

  test('is a line of JSON for a change, whatever names its operators give', async () => {
    const admin = await makeAdminKey(kv);
    const before_it = (await audit()).length;
    const evil = ['a"\n{"command":"forged"}', 'a\\', '\u001b[2J\u001b[1A', '\r\nforged', '\u2028forged', '}{', '%s%n', 'é\u202eforged'];
    let made = 0;
    for (const title of evil) {
      const answer = await kv.ask('POST', rest.all, { as: admin, body: JSON.stringify({ title }) });
      if (answer.status === 200) made++;
    }
    const lines = await audit();
    assert.ok(made > 0 && lines.length >= before_it + made, `${before_it} ${made} ${lines.length}`);
    for (const line of lines) {
      assert.notEqual(line.command, 'forged');
      assert.match(line.at, /^\d{4}-/);
    }
    const told = await kv.ctl(['audit', '--limit', '1000']);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(told, /[\x00-\x09\x0b-\x1f\x7f]/, 'what a person reads moves no cursor');
    for (const line of told.split('\n')) assert.ok(!line.startsWith('forged') && !line.startsWith('{"command"'), line);
  });

  test('has no secret in it, and names the key that an operator used by its id', async () => {
    const { key, id } = JSON.parse(await kv.ctl(['admin-key', 'create', '--json']));
    const project = await kv.makeProject('audited');
    await kv.ask('POST', rest.all, { as: key, body: JSON.stringify({ title: 'by key' }) });
    await kv.ask('PUT', '/kv/MARKER-key', { body: '"MARKER-value"' });
    const text = JSON.stringify(await audit());
    for (const secret of [key.slice(6), project.apiKey.slice(6), project.botToken.split(':')[1], kv.apiKey.slice(6), 'MARKER'])
      assert.ok(!text.includes(secret));
    assert.ok(text.includes(id), 'the key\'s id');
  });
});

test('no command that changes one thing of a project lets go of another, nor does a restart', async () => {
  const project = await kv.makeProject('guarded');
  const admin = await makeAdminKey(kv);
  let name = 'guarded';
  const revoked = await kv.signIn({ id: 13, first_name: 'Out' }, project);
  const as = await kv.signIn(EVE, project);
  await kv.ctl(['revoke', name, '--user', '13']);
  const file = join(kv.dir, 'guarded.json');
  writeFileSync(file, JSON.stringify({ version: 1, rules: [{ match: 'user:{telegramId}:**', allow: ALL }] }));
  await kv.ctl(['rules', 'set', name, '--file', file]);
  await kv.ctl(['project', 'origins', name, '--add', 'https://good.example']);
  await kv.ctl(['project', 'limit', name, '--user-max-keys', '1', '--value-limit', '100']);
  await kv.ask('PUT', '/kv/user:12:a', { as, body: '1' });
  const isRefused = async (status, code, why, method, key, options) => {
    const answer = await kv.ask(method, `/kv/${key}`, options);
    assert.deepEqual([answer.status, answer.code], [status, code], `${why}: ${answer.text}`);
  };
  const holds = async (why) => {
    await isRefused(403, 'forbidden_by_rules', why, 'GET', 'user:123:a', { as });
    await isRefused(401, 'invalid_token', why, 'GET', 'user:13:a', { as: revoked });
    await isRefused(507, 'storage_full', why, 'PUT', 'user:12:b', { as, body: '1' });
    await isRefused(413, 'value_too_large', why, 'PUT', 'user:12:a', { as, body: `"${'x'.repeat(99)}"` });
    const foreign = await kv.ask('GET', '/kv/user:12:a', { as, headers: { Origin: 'https://evil.example' } });
    assert.deepEqual([foreign.status, foreign.code], [403, 'origin_not_allowed'], why);
    assert.equal((await kv.ask('GET', '/kv/user:12:a', { as })).data, '1', why);
  };
  const changes = [
    () => {}, () => kv.ctl(['project', 'rename', name, 'guarded-2']).then(() => { name = 'guarded-2'; }),
    () => kv.ctl(['project', 'disable', name]).then(() => kv.ctl(['project', 'enable', name])),
    () => kv.ctl(['project', 'limit', name, '--write-limit', '500']), () => kv.ctl(['project', 'limit', name, '--user-rate', '900']),
    () => kv.ctl(['project', 'origins', name, '--add', 'https://two.example']), () => kv.ctl(['key', 'create', name, '--json']),
    () => kv.ctl(['revoke', name, '--user', '14']), () => kv.ctl(['bot', 'add', name, '--bot-id', '9900000077']),
    () => kv.ctl(['rules', 'set', name, '--file', file]), () => kv.ctl(['project', 'signing', name, 'own']),
    () => kv.ctl(['signing-key', 'rotate', '--at-once']),
    () => kv.ask('PUT', `${rest.all}/${project.projectId.replaceAll('-', '')}`, { as: admin, body: '{"title":"A new title"}' }),
    () => kv.restart(),
  ];
  for (const [i, change] of changes.entries()) {
    await change();
    await holds(`change ${i}: ${change}`);
  }
});
