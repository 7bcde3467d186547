// Every error of the REST door (API.md 3) by raw HTTP: status, number, text, envelope; and who may ask, by each of the
// ways to say a key. The binding door's errors are in workerd.test.mjs, nginx's own in tests/integration/front.sh.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { start } from './lib.mjs';
import { expectResult, expectRestError, makeAdminKey, multipart, namespaceOf, restOf, V4 } from './rest.mjs';

let kv, other, disabled, user, reader, admin, rest, all, base, foreign;
before(async () => {
  kv = await start({ write_limit: 50 });
  other = await kv.makeProject('other');
  disabled = await kv.makeProject('disabled');
  await kv.ctl(['project', 'disable', 'disabled']);
  user = await kv.signIn();
  reader = await kv.makeKey('demo', '--read-only');
  admin = await makeAdminKey(kv);
  rest = await restOf(kv);
  ({ all, base } = rest);
  foreign = `${V4}/accounts/${'0'.repeat(32)}/storage/kv/namespaces/${namespaceOf(kv)}`;
  await rest.put('k', 'v', '', {});
});
after(() => kv?.stop());

const now = () => Math.floor(Date.now() / 1000);
const json = (value) => JSON.stringify(value);
const unknown = 'f'.repeat(32);
const put = (query, more = {}) => rest.ask('PUT', `/values/k${query}`, { body: 'w', ...more });
const bulk = (items) => rest.ask('PUT', '/bulk', { body: json(items) });
const at = now();

const rows = [
  // what, status, number, text, the request
  ['get of a key that is not there', 404, 10009, "get: 'key not found'", () => rest.ask('GET', '/values/none')],
  ['its head', 404, 10009, undefined, () => rest.ask('HEAD', '/values/none')],
  ['metadata of a key that is not there', 404, 10009, "metadata: 'key not found'", () =>
    rest.ask('GET', '/metadata/none')],
  ['an id that is no namespace\'s, for an admin', 404, 10013, "get: 'namespace not found'", () =>
    kv.ask('GET', `${all}/${unknown}/values/k`, { as: admin })],
  ['a put there', 404, 10013, "put: 'namespace not found'", () =>
    kv.ask('PUT', `${all}/${unknown}/values/k`, { as: admin, body: 'v' })],
  ['a removal there', 404, 10013, "remove key: 'namespace not found'", () =>
    kv.ask('DELETE', `${all}/${unknown}/values/k`, { as: admin })],
  ['a list there', 404, 10013, "list keys: 'namespace not found'", () =>
    kv.ask('GET', `${all}/${unknown}/keys`, { as: admin })],
  ['that namespace itself', 404, 10013, "get namespace: 'namespace not found'", () =>
    kv.ask('GET', `${all}/${unknown}`, { as: admin })],
  ['its removal', 404, 10013, "remove namespace: 'namespace not found'", () =>
    kv.ask('DELETE', `${all}/${unknown}`, { as: admin })],
  ['its new title', 404, 10013, "rename namespace: 'namespace not found'", () =>
    kv.ask('PUT', `${all}/${unknown}`, { as: admin, body: json({ title: 't' }) })],
  ['an id that is malformed', 400, 10011,
    /^could not parse UUID from request's namespace_id: 'invalid namespace format/, () =>
    kv.ask('GET', `${all}/NOT_AN_ID/values/k`, { as: admin })],
  ['a title that is taken', 400, 10014, /a namespace with this account ID and title already exists/, () =>
    kv.ask('POST', all, { as: admin, body: json({ title: 'other' }) })],
  ['a rename to one that is taken', 400, 10014, /a namespace with this account ID and title already exists/, () =>
    kv.ask('PUT', base, { as: admin, body: json({ title: 'other' }) })],
  ['no title', 400, 10019, 'request is missing a title definition', () =>
    kv.ask('POST', all, { as: admin, body: '{}' })],
  ['an empty title', 400, 10019, undefined, () => kv.ask('POST', all, { as: admin, body: json({ title: '' }) })],
  ['a rename without one', 400, 10019, undefined, () => kv.ask('PUT', base, { as: admin, body: '{"name":"x"}' })],
  ['a list limit of 0', 400, 10028, /^list keys: '.*limit/i, () => rest.ask('GET', '/keys?limit=0')],
  ['a list limit of 1001', 400, 10028, "list keys: 'Invalid limit of 1001. Please specify an integer less than 1000.'", () => rest.ask('GET', '/keys?limit=1001')],
  ['a list limit that is no number', 400, 10028, /^list keys: '.*limit/i, () => rest.ask('GET', '/keys?limit=ten')],
  ['101 keys in a bulk get', 400, 10029, "bulk get keys: 'You can request a maximum of 100 keys'", () =>
    rest.ask('POST', '/bulk/get', { body: json({ keys: Array.from({ length: 101 }, (_, i) => `${i}`) }) })],
  ['no keys in a bulk get', 400, 10029, /^bulk get keys: /, () =>
    rest.ask('POST', '/bulk/get', { body: '{"keys":[]}' })],
  ['a type of nobody in a bulk get', 400, 10029,
    `bulk get keys: '"yaml" is not a valid type. Use "json" or "text"'`, () =>
    rest.ask('POST', '/bulk/get', { body: '{"keys":["k"],"type":"yaml"}' })],
  ['an expiration that is over', 400, 10033,
    `put: 'Invalid expiration of ${at}. Please specify integer greater than the ` +
    "current number of seconds since the UNIX epoch.'", () => put(`?expiration=${at}`)],
  ['an expiration that is no number', 400, 10033, /^put: 'Invalid expiration of soon\./, () =>
    put('?expiration=soon')],
  ['an expiration that is too near', 400, 10033,
    /^put: 'Invalid expiration of \d+\. Expiration times must be at least 60 seconds in the future\.'$/, () =>
      put(`?expiration=${now() + 30}`)],
  ['a ttl of 10', 400, 10034, "put: 'Invalid expiration_ttl of 10. Expiration TTL must be at least 60.'", () =>
    put('?expiration_ttl=10')],
  ['a ttl of 0', 400, 10034, "put: 'Invalid expiration_ttl of 0. Please specify integer greater than 0.'", () =>
    put('?expiration_ttl=0')],
  ['a ttl that is no number', 400, 10034, /^put: 'Invalid expiration_ttl of x\./, () => put('?expiration_ttl=x')],
  ['a cursor that nobody answered', 400, 10041, /^list keys: '.*cursor/i, () => rest.ask('GET', '/keys?cursor=abc')],
  ['the key "."', 400, 10042, /^get: 'Illegal key name "\."/, () => kv.ask('GET', `${base}/values/%2e`)],
  ['the key ".."', 400, 10042, /^put: 'Illegal key name "\.\."/, () =>
    kv.ask('PUT', `${base}/values/..`, { body: 'v' })],
  ['the empty key', 400, 10042, "get: 'Key names must not be empty'", () => rest.ask('GET', '/values/')],
  ['a key that is no UTF-8', 400, 10042, /^get: '/, () => rest.ask('GET', '/values/%ff')],
  ['a key of 513 bytes', 414, 10030, "get: 'UTF-8 encoded length of 513 exceeds key length limit of 512.'", () =>
    rest.ask('GET', `/values/${'k'.repeat(513)}`)],
  ['a prefix of 513 bytes', 414, 10030, /^list keys: 'UTF-8 encoded length of 513 exceeds/, () =>
    rest.ask('GET', `/keys?prefix=${'k'.repeat(513)}`)],
  ['metadata that is no JSON', 400, 10147, 'metadata must be valid json', () =>
    rest.ask('PUT', '/values/k', multipart([['value', 'w'], ['metadata', '{a:1}']]))],
  ['a value of 131,073 bytes', 413, 10024, "put: 'Value length of 131073 exceeds limit of 131072.'", () =>
    put('', { body: Buffer.alloc(131_073) })],
  ['a method of nobody', 405, 7001, undefined, () => rest.ask('PURGE', '/values/k')],
  ['PATCH on a value', 405, 7001, undefined, () => rest.ask('PATCH', '/values/k', { body: 'v' })],
  ['POST on the keys', 405, 7001, undefined, () => rest.ask('POST', '/keys', { body: '{}' })],
  ['TRACE', 405, 7001, undefined, () => rest.ask('TRACE', '/values/k')],
  ['a path that leads nowhere', 404, 7003, /^Could not route to/, () => rest.ask('GET', '/nothing')],
  ['the door itself', 404, 7003, /^Could not route to/, () => kv.ask('GET', V4)],
  ['another part of Cloudflare', 404, 7003, /^Could not route to/, () => kv.ask('GET', `${V4}/zones`)],
  ['no credentials', 401, 10000, 'Authentication error', () => rest.ask('GET', '/values/k', { as: null })],
  ['a token of nobody', 401, 10000, 'Authentication error', () => rest.ask('GET', '/values/k', { as: 'nobody' })],
  ['a well-formed key of nobody', 401, 10000, 'Authentication error', () =>
    rest.ask('GET', '/values/k', { as: `tmakv_${'A'.repeat(43)}` })],
  ['a scheme of nobody', 401, 10000, 'Authentication error', () =>
    rest.ask('GET', '/values/k', { as: null, headers: { Authorization: `Basic ${kv.apiKey}` } })],
  ['a key of another project', 403, 9109, undefined, () => rest.ask('GET', '/values/k', { as: other.apiKey })],
  ['another project\'s namespace', 403, 9109, undefined, () =>
    kv.ask('GET', `${all}/${namespaceOf(other)}/values/k`)],
  ['a namespace that is not there, for an API key', 403, 9109, undefined, () =>
    kv.ask('GET', `${all}/${unknown}/values/k`)],
  ['another account', 403, 9109, undefined, () => kv.ask('GET', `${foreign}/values/k`)],
  ['another account, for an admin', 403, 9109, undefined, () => kv.ask('GET', `${foreign}/values/k`, { as: admin })],
  ['the key of a project that is disabled', 403, 9109, undefined, () =>
    kv.ask('GET', `${all}/${namespaceOf(disabled)}/values/k`, { as: disabled.apiKey })],
  ['a user\'s token', 403, 9109, undefined, () => rest.ask('GET', '/values/k', { as: user })],
  ['a user\'s initData', 403, 9109, undefined, () => rest.ask('GET', '/values/k', {
    as: null, headers: { Authorization: `tma ${kv.initData()}`, 'X-Project-Id': kv.projectId } })],
  ['a compressed value', 415, undefined, undefined, () => put('', { headers: { 'Content-Encoding': 'gzip' } })],
  ['a condition that does not hold', 412, 10029, /^put: 'the key has changed/, () =>
    put('', { headers: { 'If-Match': '"1"' } })],
  ['a condition that is none', 400, 10029, /^put: 'If-Match: /, () => put('', { headers: { 'If-Match': '1' } })],
  ['a bad escape', 400, 10029, undefined, () => rest.ask('GET', '/values/%zz')],
  ['a bulk that is no JSON', 400, undefined, /^put: '/, () => rest.ask('PUT', '/bulk', { body: '[{"key":' })],
  ['a bulk that is no list', 400, undefined, /^put: '/, () =>
    rest.ask('PUT', '/bulk', { body: '{"key":"k","value":"v"}' })],
  ['a bulk delete of numbers', 400, undefined, /^bulk remove keys: '/, () =>
    rest.ask('POST', '/bulk/delete', { body: '[1]' })],
  ['a page that is no number', 400, 10007, undefined, () => kv.ask('GET', `${all}?page=x`, { as: admin })],
  ['a page size of 0', 400, 10008, undefined, () => kv.ask('GET', `${all}?per_page=0`, { as: admin })],
  ['an order of nobody', 400, 10043, undefined, () => kv.ask('GET', `${all}?order=size`, { as: admin })],
  ['a direction of nobody', 400, 10044, undefined, () => kv.ask('GET', `${all}?direction=up`, { as: admin })],
];
for (const [what, status, code, message, ask] of rows)
  test(`${what} answers ${status}${code ? ` ${code}` : ''}`, async () => {
    const { etag } = (await rest.get('k')).headers;
    const answer = await ask();
    expectRestError(answer, status, code ?? answer.json.errors?.[0].code, message);
    assert.equal((await rest.get('k')).headers.etag, etag, 'and nothing was written');
  });

test('one bad item refuses a whole bulk, and its place is told', async () => {
  const good = { key: 'bulk/good', value: 'v' };
  const items = [
    [{ value: 'v' }], [{ key: 'k2' }], [{ key: 'k2', value: 7 }], [{ key: 7, value: 'v' }],
    [{ key: '', value: 'v' }, 10042], [{ key: '.', value: 'v' }, 10042], [{ key: 'k'.repeat(513), value: 'v' }, 10030],
    [null], ['text'], [[]],
    [{ key: 'k2', value: 'v', expiration_ttl: 59 }, 10034], [{ key: 'k2', value: 'v', expiration: 1 }, 10033],
    [{ key: 'k2', value: 'v', expiration_ttl: 'soon' }], [{ key: 'k2', value: '=', base64: true }],
    [{ key: 'k2', value: 'v'.repeat(131_073) }, 10024], [{ key: 'k2', value: 'v', metadata: 'x'.repeat(1023) }, 10147],
    [{ key: 'k2\0', value: 'v' }, 10042],
  ];
  for (const [item, code] of items)
    for (const index of [0, 2]) {
      const all_items = [good, { ...good, key: 'bulk/good2' }];
      all_items.splice(index, 0, item);
      const answer = await bulk(all_items);
      const said = `${json(item).slice(0, 80)} ${answer.text.slice(0, 300)}`;
      assert.ok([400, 413, 414].includes(answer.status), said);
      const message = new RegExp(`^put: '.*\\b${index}\\b`);
      expectRestError(answer, answer.status, code ?? answer.json.errors[0].code, message, said);
    }
  assert.deepEqual(await rest.names('bulk/'), []);
  for (const bad of ['', '.', 'k'.repeat(513), 7, null, {}]) {
    await rest.put('bulk/stays', 'v');
    const answer = await rest.ask('POST', '/bulk/delete', { body: json(['bulk/stays', bad]) });
    expectRestError(answer, answer.status, answer.json.errors[0].code, /^bulk remove keys: '.*\b1\b/, json(bad));
    assert.deepEqual(await rest.names('bulk/'), ['bulk/stays']);
  }
});

test('a bulk ends when its project is deleted under it', async () => {
  // 157 slices, each with a flush: the deletion comes between two of them, or the next round tries again.
  const items = json(Array.from({ length: 10_000 }, (_, i) => ({ key: `k${i}`, value: 'v' })));
  for (let round = 0; ; round++) {
    assert.ok(round < 10, 'the bulk was always quicker');
    const doomed = await kv.makeProject(`doomed-${round}`);
    const its = await restOf(kv, doomed, rest.account);
    const answer = its.ask('PUT', '/bulk', { body: items });
    while ((await its.ask('GET', '/values/k0')).status === 404);
    await kv.ctl(['project', 'delete', `doomed-${round}`, '--yes']);
    if ((await answer).status === 200) continue;
    expectRestError(await answer, 403, 9109);
    break;
  }
});

test('a cursor of another prefix or another project is refused, never answered with somebody\'s keys', async () => {
  for (const project of [kv, other]) {
    const body = json(Array.from({ length: 5 }, (_, i) => ({ key: `cursor/${i}`, value: project.projectName })));
    expectResult(await (await restOf(kv, project, rest.account)).ask('PUT', '/bulk', { body }));
  }
  const theirs = await restOf(kv, other, rest.account);
  const { cursor } = (await rest.ask('GET', '/keys?prefix=cursor/&limit=2')).json.result_info;
  const [next] = expectResult(await rest.ask('GET', `/keys?prefix=cursor/&limit=2&cursor=${cursor}`));
  assert.equal(next.name, 'cursor/2');
  const change = cursor.slice(0, -1) + (cursor.endsWith('A') ? 'B' : 'A');
  for (const ask of [
    () => theirs.ask('GET', `/keys?prefix=cursor/&cursor=${cursor}`),
    () => rest.ask('GET', `/keys?prefix=cursor&cursor=${cursor}`),
    () => rest.ask('GET', `/keys?cursor=${cursor}`),
    () => rest.ask('GET', `/keys?prefix=cursor/&cursor=${change}`),
    () => rest.ask('GET', `/keys?prefix=cursor/&cursor=${cursor}A`),
    () => rest.ask('GET', `/keys?prefix=cursor/&cursor=${cursor.slice(0, -2)}`)])
    expectRestError(await ask(), 400, 10041);
});

test('over the write limit it is 429 10022 with a time to wait', async () => {
  const request = kv.request('PUT', `${base}/values/hot`, { body: '1' });
  const answers = (await Promise.all(Array.from({ length: 8 }, () => kv.talk(request.repeat(50), { n: 50 })))).flat();
  const refused = answers.filter((answer) => answer.status !== 200);
  assert.ok(refused.length > 0);
  for (const answer of refused) expectRestError(answer, 429, 10022);
  // In a bulk such a key is named, and the others are written.
  const { result } = (await bulk([{ key: 'hot', value: '2' }, { key: 'not-hot', value: '2' }])).json;
  if (result.unsuccessful_keys.length)
    assert.deepEqual(result, { successful_key_count: 1, unsuccessful_keys: ['hot'] });
  assert.equal((await rest.get('not-hot')).text, '2');
});

describe('who may ask', () => {
  const ways = {
    'Authorization: Bearer': (key) => ({ Authorization: `Bearer ${key}` }),
    'Authorization: bearer': (key) => ({ Authorization: `bearer ${key}` }),
    'X-Auth-Key': (key) => ({ 'X-Auth-Key': key }),
    'X-Auth-Key with X-Auth-Email': (key) => ({ 'X-Auth-Key': key, 'X-Auth-Email': 'me@example.com' }),
    'X-Auth-User-Service-Key': (key) => ({ 'X-Auth-User-Service-Key': key }),
  };
  for (const [way, headers] of Object.entries(ways))
    test(`${way}: reads and writes with a key, reads with one for reading, all projects with an admin's`, async () => {
      const as = (key, method, path, body) => kv.ask(method, path, { as: null, headers: headers(key), body });
      const mine = `${base}/values/who`;
      expectResult(await as(kv.apiKey, 'PUT', mine, 'v'));
      assert.equal((await as(reader, 'GET', mine)).text, 'v');
      for (const [method, path, body] of [['PUT', '/values/who', 'w'], ['DELETE', '/values/who'],
        ['PUT', '/bulk', '[{"key":"who","value":"w"}]'], ['POST', '/bulk/delete', '["who"]'],
        ['DELETE', '/bulk', '["who"]']])
        expectRestError(await as(reader, method, base + path, body), 403, 9109);
      assert.equal(expectResult(await as(reader, 'POST', `${base}/bulk/get`, '{"keys":["who"]}')).values.who, 'v');
      for (const key of [kv.apiKey, reader]) {
        expectRestError(await as(key, 'POST', all, '{"title":"mine"}'), 403, 9109);
        expectRestError(await as(key, 'PUT', base, '{"title":"mine"}'), 403, 9109);
        expectRestError(await as(key, 'DELETE', base), 403, 9109);
      }
      for (const project of [kv, other]) {
        const theirs = `${all}/${namespaceOf(project)}/values/who`;
        expectResult(await as(admin, 'PUT', theirs, project.projectName));
        assert.equal((await as(admin, 'GET', theirs)).text, project.projectName);
      }
      assert.equal((await as(kv.apiKey, 'GET', mine)).text, 'demo');
      // A user's token is known by its header; as a key it is none.
      expectRestError(await as(user, 'GET', mine), ...(way.startsWith('Auth') ? [403, 9109] : [401, 10000]));
      expectRestError(await as('nobody', 'GET', mine), 401, 10000);
      expectRestError(await as('', 'GET', mine), 401, 10000);
    });

  test('who am I answers one account: this installation', async () => {
    for (const [as, access] of [[kv.apiKey, 'read_write'], [reader, 'read'], [admin, 'admin']]) {
      const ask = (path) => kv.ask('GET', V4 + path, { as });
      const { status, access: may } = expectResult(await ask('/user/tokens/verify'));
      assert.deepEqual([status, may], ['active', access]);
      assert.equal(typeof expectResult(await ask('/user')).id, 'string');
      for (const path of ['/accounts', '/accounts?page=1', '/accounts?page=1&per_page=50']) {
        const [account, ...more] = expectResult(await ask(path));
        assert.deepEqual([account.id, more], [rest.account, []]);
      }
      assert.deepEqual(expectResult(await ask('/accounts?page=2')), []);
      const [membership] = expectResult(await ask('/memberships?page=1'));
      assert.equal(membership.account.id, rest.account);
      assert.equal((await ask('/memberships')).json.result_info.total_count, 1);
    }
    for (const path of ['/user', '/user/tokens/verify', '/accounts', '/memberships'])
      expectRestError(await kv.ask('GET', V4 + path, { as: 'nobody' }), 401, 10000);
  });

  test('an admin key is nobody at the doors of users and Workers', async () => {
    assert.equal((await kv.ask('GET', '/kv/who', { as: admin })).status, 403);
    assert.equal((await kv.ask('GET', '/who', { as: admin, socket: kv.binding })).status, 403);
    for (const as of [user, null, 'nobody'])
      assert.equal((await kv.ask('GET', '/who', { as, socket: kv.binding })).status, as === user ? 403 : 401);
  });
});
