// Where secrets might be found by somebody who is on the machine but not root: the process list, core files, files and
// sockets that are open to all, texts of errors. And what a broken reload, or a clock that jumps, does to them.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { expectError, start, until } from './lib.mjs';
import { makeAdminKey } from './rest.mjs';

let kv, user, admin, secrets;
before(async () => {
  process.umask(0); // tmakvd has it from here
  kv = await start({ log_level: 'debug' }, { clock: true });
  user = await kv.signIn({ id: 7, first_name: 'Ada' });
  admin = await makeAdminKey(kv);
  secrets = { 'bot token': kv.botToken, 'its second half': kv.botToken.split(':')[1], 'API key': kv.apiKey.slice(6),
    'admin key': admin.slice(6), 'session token': user };
});
after(() => kv?.stop());

const pids = () => ({ supervisor: kv.tmakvd.pid, server: kv.serverPid() });
const has = (text, why) => {
  for (const [what, secret] of Object.entries(secrets)) assert.ok(!text.includes(secret), `the ${what} in ${why}`);
};

test('E5: the process list has no secret in it', async () => {
  await kv.ask('PUT', '/kv/k', { as: user, body: '1' });
  for (const [name, pid] of Object.entries(pids()))
    for (const file of ['cmdline', 'environ', 'comm', 'status', 'limits', 'maps', 'mountinfo'])
      has(readFileSync(`/proc/${pid}/${file}`, 'latin1'), `${file} of the ${name}`);
});

test('E5: a server that crashes leaves no core file, for its memory has secrets in it', () => {
  const limits = readFileSync(`/proc/${pids().server}/limits`, 'utf8');
  assert.match(limits, /^Max core file size\s+0\s+0\s/m);
});

test('E5: what holds secrets is for the owner alone, whatever the umask was', () => {
  const walk = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const files = walk(join(kv.dir, 'data'));
  assert.ok(files.length > 5);
  assert.equal(statSync(join(kv.dir, 'data')).mode & 0o077, 0, 'the folder');
  for (const file of files) assert.equal(statSync(file).mode & 0o077, 0, file);
  assert.equal(statSync(kv.control).mode & 0o777, 0o600);
});

test('E5, C10: the server listens on Unix sockets only', () => {
  const inodes = new Set();
  for (const pid of Object.values(pids()))
    for (const fd of readdirSync(`/proc/${pid}/fd`))
      try {
        const [, inode] = readlinkSync(`/proc/${pid}/fd/${fd}`).match(/^socket:\[(\d+)\]$/) ?? [];
        if (inode) inodes.add(inode);
      } catch { /* closed by now */ }
  assert.ok(inodes.size >= 2, 'its listener and its control socket');
  for (const protocol of ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'packet', 'netlink']) {
    let table;
    try {
      table = readFileSync(`/proc/${pids().server}/net/${protocol}`, 'utf8');
    } catch {
      continue; // a kernel without it
    }
    for (const line of table.split('\n').slice(1))
      for (const word of line.trim().split(/\s+/)) assert.ok(word.length < 4 || !inodes.has(word), `${protocol}: ${line}`);
  }
});

test('E5: no error says a secret, whatever is wrong', async () => {
  const eve = kv.initData({ id: 666, first_name: 'Eve' }, { authDate: 1_600_000_000 });
  const asked = [
    ['GET', '/kv/none', { as: user }], ['GET', '/kv/none', { as: `${user}x` }], ['GET', '/kv/none', { as: `${kv.apiKey}x` }],
    ['GET', '/kv/none', { headers: { 'X-Project-Id': 'other' } }], ['GET', '/kv/%zz', { as: user }],
    ['PUT', '/kv/k', { as: user, body: kv.botToken }], ['GET', '/client/v4/user', { as: user }],
    ['GET', '/client/v4/user', { as: `${admin}x` }], ['GET', `/kv?cursor=${kv.apiKey}`, {}],
    ['POST', '/sdk/v1/auth/validate', { as: null, body: JSON.stringify({ initData: eve, projectId: 'demo' }) }],
    ['POST', '/sdk/v1/auth/validate', { as: null, body: kv.botToken }],
    ['GET', '/kv/none', { as: null, headers: { Authorization: `tma ${eve}`, 'X-Project-Id': 'demo' } }],
    ['GET', '/kv/none', { as: null, headers: { Authorization: `Basic ${kv.apiKey}` } }],
  ];
  for (const [method, path, options] of asked) {
    const answer = await kv.ask(method, path, options);
    assert.ok(answer.status >= 400, `${answer.status} to ${method} ${path}`);
    has(answer.text, answer.text);
    has(JSON.stringify(answer.headers), 'the headers');
  }
  for (const args of [['project', 'show', 'demo', '--json'], ['key', 'list', 'demo', '--json'], ['project', 'list', '--json'],
    ['admin-key', 'list', '--json'], ['status', '--json']]) has(await kv.ctl(args), args.join(' '));
});

const jwks = async () => (await kv.ask('GET', '/.well-known/jwks.json', { as: null })).json.keys.map((key) => key.kid);
const isGood = async () => assert.ok([200, 404].includes((await kv.ask('GET', '/kv/k', { as: user })).status));

test('E6: a reload that is refused changes neither the keys nor who may come in; nor does one that is good', async () => {
  const keys = await jwks();
  const conf = readFileSync(kv.conf, 'utf8');
  const said = (text) => readFileSync(join(kv.dir, 'tmakvd.log'), 'utf8').split(text).length - 1;
  for (const broken of [`${conf}workers = many\n`, `${conf}no_such_setting = 1\n`, 'data_dir\n', '\0']) {
    const before_it = said('"level":"error"');
    const server = kv.serverPid();
    writeFileSync(kv.conf, broken);
    kv.tmakvd.kill('SIGHUP');
    await until('the reload is refused', () => said('"level":"error"') > before_it);
    assert.equal(kv.serverPid(), server);
    await isGood();
    assert.deepEqual(await jwks(), keys);
  }
  writeFileSync(kv.conf, conf);
  const server = kv.serverPid();
  kv.tmakvd.kill('SIGHUP');
  await until('another server serves', () => kv.serverPid() !== server && kv.ctl(['status']).then(() => true, () => false));
  await isGood();
  assert.deepEqual(await jwks(), keys);
});

test('E7: a clock that jumps ten minutes ahead or back costs what it has to, and no more', async () => {
  const initData = kv.initData({ id: 9, first_name: 'Time' });
  const validate = (text) =>
    kv.ask('POST', '/sdk/v1/auth/validate', { as: null, body: JSON.stringify({ initData: text, projectId: 'demo' }) });
  const version = (answer) => BigInt(answer.headers.etag.replaceAll('"', ''));
  const put = async (as = kv.apiKey) => {
    const answer = await kv.ask('PUT', '/kv/clock', { as, body: '1' });
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };
  try {
    const early = await put();
    await kv.ask('PUT', '/kv/soon?expirationTtl=300', { body: '1' });
    kv.setClock(600);
    // Ahead: sessions and initData of now are ten minutes older, what had five minutes is over.
    await put(user);
    assert.equal((await validate(initData)).status, 200);
    expectError(await kv.ask('GET', '/kv/soon'), 404, 'key_not_found');
    const ahead = await kv.signIn({ id: 10, first_name: 'Ahead' });
    const unused = await kv.signIn({ id: 12, first_name: 'Unused' });
    await put(ahead);
    const second = await put();
    kv.setClock(0);
    // Back: whose token has been seen stays signed in, though it was made ten minutes from now; versions go on rising.
    await put(user);
    const third = await put(ahead);
    expectError(await kv.ask('GET', '/kv/clock', { as: unused }), 401, 'invalid_token');
    assert.equal(third.headers['x-kv-writes'], String(Number(second.headers['x-kv-writes']) + 2));
    assert.ok(version(early) < version(second) && version(second) < version(third));
    kv.setClock(-600);
    await put(user);
    expectError(await validate(kv.initData({ id: 11, first_name: 'Now' })), 401, 'invalid_init_data');
    assert.equal((await validate(kv.initData({ id: 11, first_name: 'Now' },
      { authDate: Math.floor(Date.now() / 1000) - 600 }))).status, 200);
    await kv.restart();
    await put();
    // Nobody remembers the token by now, and it says that it was made ten minutes from now.
    expectError(await kv.ask('GET', '/kv/clock', { as: user }), 401, 'invalid_token');
    kv.setClock(0);
    await put(user);
    kv.setClock(600);
    await put(unused);
  } finally {
    kv.setClock(0);
  }
});
