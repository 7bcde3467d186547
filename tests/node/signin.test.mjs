// Signing in with initData that is not what it seems, through both ways in: POST /sdk/v1/auth/validate and
// `Authorization: tma` (API.md 1.1). What Telegram itself has published is checked elsewhere; here are the attacks.
import assert from 'node:assert/strict';
import { createHash, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { ADA, fieldsOf, hmac, lines, now, query, secretOf, waysIn } from './initdata.mjs';
import { expectError, start } from './lib.mjs';
import { within } from './rest.mjs';

let kv, other, hashOf, signed, validateBody, validate, asUser, isRefused, isAccepted;
before(async () => {
  kv = await start({}, { clock: true });
  other = await kv.makeProject('other');
  ({ hashOf, signed, validateBody, validate, asUser, isRefused, isAccepted } = waysIn(kv));
});
after(() => kv?.stop());

test('genuine initData signs in, its fields in whatever order and spelling', async () => {
  const fields = fieldsOf(ADA, { start_param: 'a b' });
  const hash = hashOf(fields);
  await isAccepted(signed(fields));
  await isAccepted(`hash=${hash}&${query(fields)}`);
  await isAccepted(`${query(Object.fromEntries(Object.entries(fields).reverse()))}&hash=${hash}`);
  await isAccepted(`${query(fields).replaceAll('%20', '+')}&hash=${hash}`);
  await isAccepted(`${query(fields).replaceAll(/%../g, (escape) => escape.toLowerCase())}&hash=${hash}`);
  await isAccepted(`${query(fields).replaceAll('e', '%65')}&hash=${hash}`);
});

test('a project answers to its id, its id without dashes, and its name', async () => {
  for (const project of [kv.projectId, kv.projectId.replaceAll('-', ''), kv.projectName])
    await isAccepted(signed(fieldsOf(ADA)), ADA, project);
});

describe('A1: a hash that does not fit', () => {
  const spoil = {
    'its first digit changed': (hash) => (hash[0] === '0' ? '1' : '0') + hash.slice(1),
    'its last digit changed': (hash) => hash.slice(0, -1) + (hash.at(-1) === '0' ? '1' : '0'),
    'nothing but zeros': () => '0'.repeat(64), '63 digits': (hash) => hash.slice(1), '65 digits': (hash) => `${hash}0`,
    '62 digits': (hash) => hash.slice(2), '128 digits': (hash) => hash + hash, 'empty': () => '',
    'no hexadecimal': (hash) => `g${hash.slice(1)}`, 'a space in front': (hash) => ` ${hash.slice(1)}`,
    'with 0x in front': (hash) => `0x${hash.slice(2)}`, 'in base64': (hash) =>
      Buffer.from(hash, 'hex').toString('base64url'),
  };
  for (const [what, change] of Object.entries(spoil))
    test(`${what} is refused`, () => {
      const fields = fieldsOf(ADA);
      return isRefused(`${query(fields)}&hash=${encodeURIComponent(change(hashOf(fields)))}`);
    });
  test('no hash at all is refused', () => isRefused(query(fieldsOf(ADA))));
  test('a hash under another name is refused', async () => {
    const fields = fieldsOf(ADA);
    for (const name of ['HASH', 'Hash', 'hash%00', '%20hash', 'hash ', 'signature'])
      await isRefused(`${query(fields)}&${name}=${hashOf(fields)}`, { header: !name.includes(' ') });
  });
});

test('A2: fields that were changed, added, removed or encoded once more are refused', async () => {
  const fields = fieldsOf(ADA);
  const hash = hashOf(fields);
  for (const changed of [
    { ...fields, user: JSON.stringify({ ...ADA, id: 8 }) }, { ...fields, user: `${fields.user} ` },
    { ...fields, auth_date: String(now() - 1000) }, { ...fields, auth_date: `0${fields.auth_date}` },
    { ...fields, query_id: 'AAG' }, { ...fields, more: '1' }, { ...fields, a: '' },
    { auth_date: fields.auth_date, user: fields.user }, { user: fields.user },
    { ...fields, user: encodeURIComponent(fields.user) },
  ]) await isRefused(`${query(changed)}&hash=${hash}`);
  await isRefused(`${query(fields).replaceAll('%', '%25')}&hash=${hash}`);
  await isRefused(encodeURIComponent(signed(fieldsOf(ADA))));
  await isRefused(decodeURIComponent(signed(fieldsOf({ id: 7, first_name: 'a&b=c%' }))));
});

test('A2: no byte of it may be another, wherever it stands', async () => {
  const good = signed(fieldsOf({ ...ADA, last_name: 'Lovelace', username: 'ada', language_code: 'en' }, { chat_type: 'private' }));
  const reads = (text) => {
    try {
      return JSON.stringify([...new URLSearchParams(text)].sort());
    } catch {
      return '';
    }
  };
  const changed = [];
  for (let i = 0; i < good.length; i++)
    for (const c of new Set(['a', '0', '&', '=', '%', '+', String.fromCharCode(good.charCodeAt(i) ^ 1)])) {
      const text = good.slice(0, i) + c + good.slice(i + 1);
      if (reads(text) !== reads(good)) changed.push(text); // else it is another spelling of the same
    }
  for (let i = 0; i <= good.length; i++) changed.push(good.slice(0, i) + good.slice(i + 1), `${good.slice(0, i)}x${good.slice(i)}`);
  const requests = changed.filter((text) => text !== good).map((initData) => kv.request('POST', '/sdk/v1/auth/validate',
    { as: null, body: JSON.stringify({ initData, projectId: kv.projectId }) }));
  assert.ok(requests.length > 1500, `${requests.length}`);
  const answers = (await Promise.all([0, 1, 2, 3].map((c) => {
    const part = requests.filter((_, i) => i % 4 === c);
    return kv.talk(part.join(''), { n: part.length });
  }))).flat();
  for (const answer of answers) expectError(answer, 401, 'invalid_init_data');
  assert.equal(answers.length, requests.length);
});

test('A3: a field that stands there twice is refused, before or behind, and never the second user', async () => {
  const fields = fieldsOf(ADA);
  const good = signed(fields);
  const eve = encodeURIComponent(JSON.stringify({ id: 666, first_name: 'Eve' }));
  for (const twice of [`user=${eve}`, `user=${encodeURIComponent(fields.user)}`, `auth_date=${now()}`,
    `auth_date=${fields.auth_date}`,
    `hash=${hashOf(fields)}`, `hash=${'0'.repeat(64)}`, 'query_id=AAF', 'us%65r=1']) {
    await isRefused(`${good}&${twice}`);
    await isRefused(`${twice}&${good}`);
  }
});

test('A4: what could give one signed text two readings is refused, rightly signed as it is', async () => {
  const fields = fieldsOf(ADA);
  // The same text is signed when a value swallows the next line.
  await isRefused(signed({ auth_date: `${fields.auth_date}\nquery_id=AAF`, user: fields.user }));
  await isRefused(signed({ a: `x\nauth_date=${fields.auth_date}`, user: fields.user }));
  for (const value of ['\0', '\x01', '\t', '\r', '\n', '\x1f', '\x7f'])
    await isRefused(signed({ ...fields, x: `a${value}b` }));
  for (const name of ['X', 'x-y', 'x.y', 'ключ', 'x y', '', 'n'.repeat(65), 'x=', 'x\n'])
    await isRefused(signed({ ...fields, [name]: '1' }));
  await isAccepted(signed({ ...fields, ['n'.repeat(64)]: '1' }));
  const good = signed(fields);
  for (const tail of ['&x=%', '&x=%4', '&x=%zz', '&x=%-1', '&x=%ff', '&x=%c0%af', '&x=%ed%a0%80', '&x=%f4%90%80%80',
    '&x', '&', '&&', '&=1', '%', '\u20ac'])
    await isRefused(good + tail, { header: !tail.includes('\u20ac') });
  for (const text of ['', '&', '=', 'x', '#', '?', `?${good}`, `#tgWebAppData=${encodeURIComponent(good)}`, ` ${good}`,
    `${good} `, `${good}\n`, `\ufeff${good}`])
    await isRefused(text, { header: /^[!-~]+$/.test(text) });
});

test('A5: another bot\'s genuine initData is refused, whichever project it names', async () => {
  await isRefused(other.initData(ADA));
  await isRefused(kv.initData(ADA), { project: other.projectId });
});

test('A7: a hash made with a key that is not ours is refused', async () => {
  const fields = fieldsOf(ADA);
  const text = lines(fields);
  const keys = {
    'the login widget\'s': createHash('sha256').update(kv.botToken).digest(),
    'swapped': hmac(kv.botToken, 'WebAppData').digest(), 'in hex': secretOf(kv.botToken).toString('hex'),
    'the token itself': kv.botToken, 'of an empty token': secretOf(''),
    'of the bot id': secretOf(kv.botToken.split(':')[0]), 'without the id': secretOf(kv.botToken.split(':')[1]),
    'empty': '', 'zeros': Buffer.alloc(32), 'the name alone': 'WebAppData',
    'of the token with a line end': secretOf(`${kv.botToken}\n`),
  };
  for (const key of Object.values(keys)) await isRefused(`${query(fields)}&hash=${hmac(key, text).digest('hex')}`);
  await isRefused(`${query(fields)}&hash=${createHash('sha256').update(text).digest('hex')}`);
  const without = { ...fields };
  delete without.query_id;
  await isRefused(`${query(fields)}&hash=${hashOf(without)}`);
  for (const token of ['', ':', '123:', ':abc', '0:abc', 'abc:abc'])
    await assert.rejects(kv.ctl(['project', 'create', `none-${randomInt(1e9)}`, '--bot-token-file', '-'], token),
      `${token} is no token`);
});

test('A8: a date that is none, too new or too old is refused', async () => {
  // At the beginning of a second, so that it is the same one there.
  while (Date.now() % 1000 > 300) await sleep(20);
  const t = now();
  const dated = (auth_date) => signed({ auth_date: String(auth_date), user: JSON.stringify(ADA) });
  await isAccepted(dated(t + 60));
  await isRefused(dated(t + 61));
  await isAccepted(dated(t - 86_400));
  await isRefused(dated(t - 86_401), { code: 'init_data_expired' });
  await isRefused(dated(0), { code: 'init_data_expired' });
  for (const date of [t * 1000, t + 3600, '', ' ', 'now', `${t}.0`, `${t}e0`, `+${t}`, `-${t}`, `0x${t.toString(16)}`,
    `${t} `, `${t}a`, '9'.repeat(20), '18446744073709551616',
    `${2n ** 64n + BigInt(t)}`, `${'0'.repeat(20)}${t}`, '１２３'])
    await isRefused(dated(date));
  await isRefused(signed({ user: JSON.stringify(ADA) }));
});

test('A9: a user that is none is refused', async () => {
  const as = (user) => signed({ auth_date: String(now()), ...(user !== undefined && { user }) });
  for (const user of [undefined, '', 'null', '7', '"7"', '[]', '[{"id":7,"first_name":"A"}]', '{}', '{', '{"id":7}',
    '{"first_name":"A"}', '{"id":7,"first_name":""}',
    '{"id":7,"first_name":null}', '{"id":7,"first_name":7}', '{"id":7,"first_name":"a\\u0000b"}',
    '{"id":7,"first_name":"A","id":8}', '{"id":7,"first_name":"A","\\u0069d":8}', '{"ID":7,"first_name":"A"}',
    `${'{"id":7,"first_name":"A","x":'}${'['.repeat(1000)}${']'.repeat(1000)}}`, '{"id":7,"first_name":"A"}x',
    '{"id":7,"first_name":"A"}{}',
    ...['0', '-1', '-0', '"7"', '7.0', '7.5', '7e0', '1e3', '9007199254740992', '9223372036854775807',
      '9223372036854775808', '18446744073709551623', '1'.repeat(400), 'null', 'true', '[7]']
      .map((id) => `{"id":${id},"first_name":"A"}`)]) await isRefused(as(user));
});

test('A10: ids beyond 32 and 53 bits stay themselves, or are refused', async () => {
  const ids = [1, 2_147_483_647, 2_147_483_648, 4_294_967_295, 4_294_967_296, 7_387_289_974, 2 ** 53 - 1];
  const tokens = new Map();
  for (const id of ids) {
    const answer = await validate(kv.initData({ id, first_name: 'Big' }));
    assert.equal(answer.json.data.user.telegramId, id);
    const { jwt } = JSON.parse(answer.data);
    const claims = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));
    assert.deepEqual([claims.sub, claims.telegramId], [`tg_${id}`, id]);
    tokens.set(claims.sub, jwt);
    expectError(await kv.ask('GET', '/kv/never-written', { as: jwt }), 404, 'key_not_found');
  }
  assert.equal(tokens.size, ids.length);
  await isRefused(kv.initData({ id: 2 ** 53, first_name: 'Bigger' }));
});

test('A11: initData of 8,192 bytes is read, of 8,193 refused; 64 fields are read, 65 refused', async () => {
  const sized = (size) => {
    const fields = fieldsOf(ADA, { x: '' });
    return signed({ ...fields, x: 'x'.repeat(size - signed(fields).length) });
  };
  assert.equal(sized(8192).length, 8192);
  await isAccepted(sized(8192));
  await isRefused(sized(8193));
  await isRefused(sized(15_000), { header: true });
  const many = (n) => signed({ ...fieldsOf(ADA), ...Object.fromEntries(Array.from({ length: n - 4 }, (_, i) =>
    [`f${i}`, '1'])) });
  await isAccepted(many(64));
  await isRefused(many(65));
  await isRefused('&'.repeat(8192));
  await isRefused('a=&'.repeat(2700));
});

test('A11: a body of validate has at most 16 KiB and little depth', async () => {
  const body = (size) => {
    const text = JSON.stringify({ initData: kv.initData(ADA), projectId: kv.projectId });
    return text + ' '.repeat(size - text.length);
  };
  assert.equal((await validateBody(body(16_384))).status, 200);
  expectError(await validateBody(body(16_385)), 413, 'value_too_large');
  expectError(await validateBody(body(1_000_000)), 413, 'value_too_large');
  expectError(await validateBody(body(1_048_577)), 413, 'value_too_large');
  expectError(await validateBody(`{"x":${'['.repeat(1000)}${']'.repeat(1000)}}`), 400, 'bad_request');
});

test('A11: what is far too much is refused in little memory', async () => {
  const flood = async () => {
    const bodies = [
      JSON.stringify({ initData: 'a=&'.repeat(300_000), projectId: 'demo' }),
      `{"x":${'['.repeat(900_000)}`, `${'{"x":'.repeat(180_000)}`, JSON.stringify({ initData: '%'.repeat(900_000) }),
      JSON.stringify({ initData: signed({ ...fieldsOf(ADA), user: `{"id":7,"first_name":"A","x":${'['.repeat(5000)}` }),
        projectId: 'demo' }),
      JSON.stringify({ initData: Array.from({ length: 200 }, (_, i) => `f${i}=1`).join('&'), projectId: 'demo' }),
    ];
    for (let round = 0; round < 5; round++)
      for (const answer of await Promise.all(bodies.flatMap((body) => [validateBody(body), validateBody(body)])))
        assert.ok([400, 401, 413].includes(answer.status), `${answer.status}`);
  };
  await flood(); // what is kept for the next request is not growth
  await within(kv, 4, flood);
});

test('A12: a body that is not what it should be is 400', async () => {
  const initData = kv.initData(ADA);
  const good = JSON.stringify({ initData, projectId: kv.projectId });
  for (const body of ['', ' ', 'x', 'null', '7', '"x"', '[]', `[${good}]`, '{}', '{', good.slice(0, -1), `${good}x`,
    `${good}${good}`, initData, `\ufeff${good}`,
    JSON.stringify({ initData }), JSON.stringify({ projectId: kv.projectId }),
    JSON.stringify({ initdata: initData, projectid: kv.projectId }),
    ...[null, 7, true, [], {}, [initData]].map((wrong) => JSON.stringify({ initData: wrong, projectId: kv.projectId })),
    ...[null, 7, true, [], {}, [kv.projectId]].map((wrong) => JSON.stringify({ initData, projectId: wrong })),
    good.replace('}', `,"projectId":"${other.projectId}"}`), good.replace('}', ',"initData":""}'),
    `${good.slice(0, -1)},}`, good.replaceAll('"', '\'')])
    expectError(await validateBody(body), 400, 'bad_request', body.slice(0, 100));
  expectError(await validateBody(new URLSearchParams({ initData, projectId: kv.projectId }).toString()), 400,
    'bad_request');
});

test('A12: a project that is none is 403, never 404, whatever it is called', async () => {
  for (const project of ['nobodys', '', '/', '../demo', 'demo/', ' demo', 'demo ', 'DEMO', 'demo\0', 'demo\n', '*',
    '%', 'x'.repeat(7000), '00000000-0000-0000-0000-000000000000',
    '0'.repeat(32), kv.projectId.slice(0, -1), `${kv.projectId}0`, `{${kv.projectId}}`, '__proto__', '\u{1F600}'])
    expectError(await validate(kv.initData(ADA), project), 403, 'project_unavailable',
      JSON.stringify(project.slice(0, 50)));
  // Bad initData beside it makes no difference: nobody learns that a project is there.
  expectError(await validate('hash=0', 'nobodys'), 403, 'project_unavailable');
});

test('A13: initData in a query is not looked at', async () => {
  const initData = kv.initData(ADA);
  const parameters = new URLSearchParams({ initData, projectId: kv.projectId, authorization: `tma ${initData}` });
  expectError(await kv.ask('POST', `/sdk/v1/auth/validate?${parameters}`, { as: null, body: '' }), 400, 'bad_request');
  expectError(await kv.ask('GET', `/kv/k?${parameters}`, { as: null, headers: { 'X-Project-Id': kv.projectId } }), 401,
    'unauthorized');
});

test('A14: a thousand times the same initData is the same token, and cheaper than new ones', async () => {
  const N = 400;
  const request = (initData) => {
    const body = JSON.stringify({ initData, projectId: kv.projectId });
    return kv.request('POST', '/sdk/v1/auth/validate', { as: null, body });
  };
  // In hundredths of a second; the fields behind the name's closing parenthesis begin with the third.
  const cpu = () => {
    const fields = readFileSync(`/proc/${kv.serverPid()}/stat`, 'utf8').split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const measured = async (texts) => {
    const start_at = cpu();
    const answers = (await Promise.all([0, 1, 2, 3].map((i) => {
      const part = texts.filter((_, k) => k % 4 === i);
      return kv.talk(part.join(''), { n: part.length });
    }))).flat();
    return { ticks: cpu() - start_at, tokens: new Set(answers.map((answer) => JSON.parse(answer.data).jwt)) };
  };
  const same = await measured(Array(1000).fill(request(kv.initData({ id: 14, first_name: 'Loop' }))));
  assert.equal(same.tokens.size, 1);
  const fresh = await measured(Array.from({ length: N }, (_, i) =>
    request(kv.initData({ id: 1000 + i, first_name: 'Fresh' }))));
  assert.equal(fresh.tokens.size, N);
  assert.ok(same.ticks / 1000 < fresh.ticks / N,
    `${same.ticks} for 1000 of the same, ${fresh.ticks} for ${N} new ones`);
});

test('the same token is given for a minute, then a new one, and the old one stays good', async () => {
  const initData = kv.initData({ id: 15, first_name: 'Minute' });
  const token = async () => (await validate(initData)).json.data.jwt;
  try {
    const first = await token();
    kv.setClock(55);
    assert.equal(await token(), first);
    kv.setClock(61);
    const second = await token();
    assert.notEqual(second, first);
    for (const jwt of [first, second])
      expectError(await kv.ask('GET', '/kv/never-written', { as: jwt }), 404, 'key_not_found');
    // Time makes it old, even where the answer is remembered.
    kv.setClock(86_395);
    assert.equal(typeof await token(), 'string');
    kv.setClock(86_405);
    expectError(await validate(initData), 401, 'init_data_expired');
    expectError(await asUser(initData), 401, 'init_data_expired');
  } finally {
    kv.setClock(0);
  }
});

test('a clock that is set back does not let tomorrow\'s initData in', async () => {
  const initData = kv.initData({ id: 16, first_name: 'Back' });
  await isAccepted(initData, { id: 16 });
  try {
    kv.setClock(-600);
    await isRefused(initData);
  } finally {
    kv.setClock(0);
  }
});
