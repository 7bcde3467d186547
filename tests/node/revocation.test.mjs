// What is taken away holds at the next request in every worker, for what is remembered as well, and after a restart:
// revoked sign-ins, bots and their tokens, API keys, projects. Rows B8, B12 and B13 of the attack list are here.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { expectError, signInitData, start, until } from './lib.mjs';

let kv, ahead = 0;
before(async () => {
  kv = await start({ workers: 4, write_limit: 0 }, { clock: true });
  await kv.ask('PUT', '/kv/mine', { body: '1' });
});
after(() => kv?.stop());

const now = () => Math.floor(Date.now() / 1000) + ahead;
const pass = (seconds) => { ahead += seconds; kv.setClock(ahead); };
const json = async (...args) => JSON.parse(await kv.ctl([...args, '--json']));
const all = (n, one) => Promise.all(Array.from({ length: n }, (_, i) => one(i)));
/** Sixteen connections are spread over all workers. */
const MANY = 32;
const get = (token) => kv.ask('GET', '/kv/mine', { as: token });
const tma = (initData, project = kv) => kv.ask('GET', '/kv/mine',
  { as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': project.projectId } });
const validate = (initData, project = kv) => kv.ask('POST', '/sdk/v1/auth/validate',
  { as: null, body: JSON.stringify({ initData, projectId: project.projectId }) });
const jwtOf = (answer) => JSON.parse(answer.data).jwt;
const fresh = (id, authDate = now()) => kv.initData({ id, first_name: 'U' }, { authDate });

/** The other signature (r, n - s) of the same text. */
function twin(token) {
  const n = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const [head, claims, signature] = token.split('.');
  const hex = Buffer.from(signature, 'base64url').toString('hex');
  const s = (n - BigInt(`0x${hex.slice(64)}`)).toString(16).padStart(64, '0');
  return `${head}.${claims}.${Buffer.from(hex.slice(0, 64) + s, 'hex').toString('base64url')}`;
}

/** What a user has: initData, its token, and the token's twin; all good, and remembered. */
async function session(id) {
  const initData = fresh(id);
  const jwt = jwtOf(await validate(initData));
  const own = { initData, jwt, twin: twin(jwt) };
  assert.notEqual(own.twin, own.jwt);
  await isGood(own);
  return own;
}
async function isGood({ initData, jwt, twin: other }) {
  await all(MANY, async (i) => assert.equal((await [get(jwt), get(other), tma(initData), validate(initData)][i % 4]).status, 200));
}
async function isDead({ initData, jwt, twin: other }) {
  await all(MANY, async (i) => {
    expectError(await get(i % 2 ? jwt : other), 401, 'invalid_token');
    expectError(await (i % 2 ? tma(initData) : validate(initData)), 401, 'invalid_init_data');
  });
}

test('B8, B13: a user\'s tokens, twins and initData are refused from the mark on, and nobody else\'s', async () => {
  assert.deepEqual((await json('revoke', 'demo', '--list')).users, []);
  const [eve, ada] = [await session(42), await session(43)];
  const done = await json('revoke', 'demo', '--user', '42');
  assert.ok(Math.abs(done.not_before - now()) <= 2);
  await isDead(eve);
  await isGood(ada);
  pass(2);
  await isDead(eve);
  // Opened again, the Mini App signs in again.
  const again = await session(42);
  await isDead(eve);
  await kv.kill9Server();
  await isDead(eve);
  await isGood(again);
  await isGood(ada);
  assert.deepEqual(await json('revoke', 'demo', '--list'),
    { not_before: 0, users: [{ user: 42, not_before: done.not_before }], count: 1 });
  const verdict = JSON.parse(await kv.ctl(['check-initdata', '--project', 'demo', '--json'], eve.initData).catch((e) => '{"reason":"revoked"}'));
  assert.equal(verdict.reason, 'revoked');
});

test('what is of the second of the mark, or the one before, is refused; of the one behind it, not', async () => {
  const { not_before: mark } = await json('revoke', 'demo', '--user', '50');
  pass(5);
  for (const [authDate, good] of [[mark - 2, false], [mark - 1, false], [mark, true], [mark + 1, true]]) {
    const answer = await tma(fresh(50, authDate));
    if (good) assert.equal(answer.status, 200); else expectError(answer, 401, 'invalid_init_data');
  }
  // It only moves on.
  pass(-60);
  await kv.ctl(['revoke', 'demo', '--user', '50']);
  pass(60);
  assert.equal((await json('revoke', 'demo', '--list')).users.find(({ user }) => user === 50).not_before, mark);
});

test('a project\'s mark is all its users\'; API keys stay', async () => {
  const sessions = await all(3, (i) => session(60 + i));
  await kv.ctl(['revoke', 'demo']);
  for (const one of sessions) await isDead(one);
  assert.equal((await get(kv.apiKey)).status, 200);
  pass(2);
  await session(60);
  await kv.restart();
  for (const one of sessions) await isDead(one);
  assert.ok((await json('project', 'show', 'demo')).not_before > 0);
});

test('a mark is forgotten when nothing can be older, and not before', async () => {
  await kv.ctl(['revoke', 'demo', '--user', '70']);
  pass(31 * 86400 - 3700);
  await kv.restart();
  assert.ok((await json('revoke', 'demo', '--list')).users.some(({ user }) => user === 70));
  pass(3700 + 3600);
  await until('it is swept', async () => (await json('revoke', 'demo', '--list')).count === 0);
  await kv.restart();
  assert.equal((await json('revoke', 'demo', '--list')).count, 0);
});

test('while a bot\'s token is changed both count; then the older one does not, at once', async () => {
  const [id, secret] = kv.botToken.split(':');
  const newer = `${id}:${secret.replace('test-', 'next-')}`;
  const sign = (token, user) => signInitData(token, { id: user, first_name: 'U' }, { authDate: now() });
  const [before, unknown] = [sign(kv.botToken, 80), sign(newer, 81)];
  await all(4, async () => assert.equal((await tma(before)).status, 200));
  expectError(await tma(unknown), 401, 'invalid_init_data');
  assert.deepEqual((await json('bot', 'list', 'demo')).bots.map(({ secrets }) => secrets), [1]);
  const add = (token) => kv.ctl(['bot', 'add', 'demo', '--bot-token-file', '-'], `${token}\n`);
  assert.match(await add(newer), /2 tokens/);
  await all(MANY, async (i) => assert.equal((await tma(i % 2 ? before : unknown)).status, 200));
  const jwt = jwtOf(await validate(before));
  await validate(unknown);
  await assert.rejects(add(newer), /same token/);
  await assert.rejects(add(`${id}:third-${'0'.repeat(32)}`), /more than 2 tokens/);
  await assert.rejects(kv.ctl(['bot', 'add', 'demo', '--bot-id', id]), /there already, with its token/);
  await kv.ctl(['bot', 'retire', 'demo', id]);
  await all(MANY, async (i) => expectError(await (i % 2 ? tma(before) : validate(before)), 401, 'invalid_init_data'));
  await all(MANY, async (i) => assert.equal((await (i % 2 ? tma(unknown) : validate(unknown))).status, 200));
  assert.equal((await get(jwt)).status, 200); // a session that was given stays: revoke ends it
  await assert.rejects(kv.ctl(['bot', 'retire', 'demo', id]), /nothing to retire/);
  await kv.kill9Server();
  expectError(await tma(before), 401, 'invalid_init_data');
  assert.equal((await tma(unknown)).status, 200);
  await kv.ctl(['bot', 'remove', 'demo', id]);
  await all(MANY, async () => expectError(await tma(unknown), 401, 'invalid_init_data'));
  await assert.rejects(kv.ctl(['bot', 'remove', 'demo', id]), /no bot/);
  await add(kv.botToken);
  assert.equal((await tma(before)).status, 200);
});

test('a project has eight bots and no more', async () => {
  const token = (i) => `99${randomInt(1e9, 1e10)}${i}:test-${'0'.repeat(32)}`;
  const add = (i) => kv.ctl(['bot', 'add', 'demo', '--bot-token-file', '-'], token(i));
  for (let i = 1; i < 8; i++) await add(i);
  await assert.rejects(add(8), /at most 8/);
  const { bots } = await json('bot', 'list', 'demo');
  assert.equal(bots.length, 8);
  await kv.ctl(['bot', 'remove', 'demo', String(bots[7].id)]);
  // A bot by its id alone, which then gets its token.
  const mine = token(9);
  await kv.ctl(['bot', 'add', 'demo', '--bot-id', mine.split(':')[0], '--test']);
  await assert.rejects(kv.ctl(['bot', 'add', 'demo', '--bot-id', mine.split(':')[0]]), /there already/);
  const initData = signInitData(mine, { id: 5, first_name: 'U' }, { authDate: now() });
  expectError(await tma(initData), 401, 'invalid_init_data');
  await kv.ctl(['bot', 'add', 'demo', '--bot-token-file', '-'], mine);
  assert.equal((await tma(initData)).status, 200);
  assert.equal((await tma(fresh(6))).status, 200);
});

test('an API key ends when it says, in every worker; so does an admin key', async () => {
  const key = await kv.makeKey('demo', '--expires-in', '90d');
  const admin = (await json('admin-key', 'create', '--expires-at', String(now() + 90 * 86400))).key;
  const account = (await kv.ask('GET', '/client/v4/accounts', { as: admin })).json.result[0].id;
  const asAdmin = () => kv.ask('GET', `/client/v4/accounts/${account}/storage/kv/namespaces`, { as: admin });
  await all(MANY, async () => assert.equal((await get(key)).status, 200));
  pass(90 * 86400 - 30);
  assert.equal((await get(key)).status, 200);
  assert.equal((await asAdmin()).status, 200);
  pass(31);
  await all(MANY, async () => expectError(await get(key), 401, 'invalid_token'));
  assert.equal((await asAdmin()).status, 401);
  assert.equal((await get(kv.apiKey)).status, 200);
  for (const wrong of ['90', 'd', '0d', '-1d', '1.5d', '1w', '36501d', ''])
    await assert.rejects(kv.ctl(['key', 'create', 'demo', `--expires-in=${wrong}`]), /needs a time like/);
  await assert.rejects(kv.ctl(['key', 'create', 'demo', '--expires-at', String(now() - 10)]), /that is over/);
  await assert.rejects(kv.ctl(['key', 'create', 'demo', '--expires-in', '1d', '--expires-at', '1']), /not both/);
});

test('the last use of a key is shown, and outlives a stop', async () => {
  await kv.ctl(['key', 'create', 'demo', '--name', 'idle']);
  const key = await kv.makeKey('demo', '--name', 'busy');
  const used = async () => Object.fromEntries((await json('key', 'list', 'demo')).keys.map((one) => [one.name, one.last_used_at]));
  assert.deepEqual([(await used()).idle, (await used()).busy], [0, 0]);
  await all(MANY, () => get(key));
  const first = (await used()).busy;
  assert.ok(Math.abs(first - now()) <= 3);
  assert.match(await kv.ctl(['key', 'list', 'demo']), /never.*never.*idle/);
  await kv.restart();
  assert.deepEqual([(await used()).idle, (await used()).busy], [0, first]);
  pass(100);
  await get(key);
  assert.ok((await used()).busy > first);
});

/** Requests of all kinds to PROJECT from many connections until it is stopped: when each began, and its answer. */
function load(project, initData, jwt) {
  const answers = [];
  let going = true;
  const one = async (i) => {
    while (going) {
      const began = performance.now();
      const answer = await [
        () => kv.ask('GET', '/kv/mine', { as: jwt }),
        () => kv.ask('PUT', `/kv/k${i}`, { as: jwt, body: '1' }),
        () => kv.ask('PUT', `/kv/k${i}`, { as: project.apiKey, body: '1' }),
        () => tma(initData, project),
        () => validate(initData, project),
      ][i % 5]();
      answers.push({ began, answer, withKey: i % 5 === 2 });
    }
  };
  const workers = all(15, one);
  return { answers, stop: () => { going = false; return workers; } };
}

for (const [verb, args, keyCode] of [['disable', [], 'project_unavailable'], ['delete', ['--yes'], 'invalid_token']]) {
  test(`B12: from the answer to '${verb}' on no request of the project is served, under load and in every worker`, async () => {
    const project = await kv.makeProject(`gone-${verb}`);
    await kv.ask('PUT', '/kv/mine', { as: project.apiKey, body: '1' });
    const initData = project.initData({ id: 7, first_name: 'U' }, { authDate: now() });
    const jwt = jwtOf(await validate(initData, project));
    const running = load(project, initData, jwt);
    await until('all are served', () => running.answers.length > 300);
    await kv.ctl(['project', verb, project.projectId, ...args]);
    const ended = performance.now();
    const after = running.answers.length;
    await until('many were refused', () => running.answers.length > after + 300);
    await running.stop();
    const late = running.answers.filter(({ began }) => began > ended);
    assert.ok(late.length > 100 && running.answers.length - late.length > 100);
    for (const { answer, withKey } of late)
      expectError(answer, withKey && keyCode === 'invalid_token' ? 401 : 403, withKey ? keyCode : 'project_unavailable');
    for (const { began, answer } of running.answers)
      assert.ok(answer.status === 200 || [401, 403].includes(answer.status), `${answer.status} at ${began}`);
    if (verb === 'disable') {
      await kv.ctl(['project', 'enable', project.projectId]);
      assert.equal((await kv.ask('GET', '/kv/mine', { as: jwt })).data, '1');
    } else {
      await kv.kill9Server();
      expectError(await kv.ask('GET', '/kv/mine', { as: jwt }), 403, 'project_unavailable');
    }
  });
}
