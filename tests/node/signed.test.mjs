// Session tokens with our own signature under what we would never say: wrong claims, other heads, retired spellings.
// The keys are taken out of the store's files, as somebody would who has a copy of them; so a token fails here for
// what it says and for nothing else.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { expectError, start, until } from './lib.mjs';
import { keyOf, partsOf, signToken } from './signing.mjs';

let kv, other, key, header, claims, jwt;
before(async () => {
  kv = await start({ log_level: 'debug' });
  other = await kv.makeProject('other');
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
  await kv.ask('PUT', '/kv/mine', { as: other.apiKey, body: '"there"' });
  jwt = await kv.signIn({ id: 7, first_name: 'Ada' });
  [header, claims] = partsOf(jwt);
  key = await keyOf(kv, header.kid);
});
after(() => kv?.stop());

const signed = (head, body) => signToken(key, head, body);
const of = (more) => signed(header, { ...claims, ...more });
const get = (token, headers) => kv.ask('GET', '/kv/mine', { as: token, headers });
const isGood = async (token) => assert.equal((await get(token)).data, '"here"');
const isRefused = async (token, what, code = 'invalid_token') =>
  expectError(await get(token), 401, code, typeof what === 'string' ? what : JSON.stringify(what));
const now = () => Math.floor(Date.now() / 1000);
const without = (name) => Object.fromEntries(Object.entries(claims).filter(([one]) => one !== name));
/** The claims as a text, with what stands behind "NAME": replaced. */
const spelled = (name, value) => JSON.stringify({ ...claims, [name]: '@' }).replace('"@"', value);

test('what we sign ourselves is good, or nothing below would mean anything', async () => {
  await isGood(of({}));
  await isGood(of({ more: 1, admin: true }));
  await isGood(signed({ alg: 'ES256', kid: header.kid }, claims));
  await isGood(of({ exp: now() + 10 }));
  for (const optional of ['lastName', 'username', 'iss', 'aud']) await isGood(signed(header, without(optional)));
});

test('B3, B6: another spelling of the algorithm, other types and extensions are refused, rightly signed', async () => {
  for (const alg of ['es256', 'Es256', 'ES256 ', 'none', 'HS256', 'RS256', 'ES384', 'EdDSA', '', null, 256, ['ES256']])
    await isRefused(signed({ ...header, alg }, claims), { alg });
  await isRefused(signed({ typ: 'JWT', kid: header.kid }, claims), 'no alg');
  for (const more of [{ crit: [] }, { crit: ['exp'] }, { crit: ['b64'], b64: false }, { b64: false }, { b64: true },
    { typ: 'at+jwt' }, { typ: 'jwt' }, { typ: 'JWE' }, { typ: null }, { typ: 1 }, { typ: ['JWT'] }])
    await isRefused(signed({ ...header, ...more }, claims), more);
  const text = JSON.stringify(header);
  for (const twice of [text.replace('}', ',"alg":"ES256"}'), text.replace('{', '{"alg":"none",'),
    text.replace('}', `,"kid":"${header.kid}"}`), text.replace('}', ',"\\u0061lg":"ES256"}')])
    await isRefused(signed(twice, claims), twice);
  for (const head of ['[]', 'null', '"ES256"', '', ' ', `${text}x`, `${text}\0`, `[${text}]`, `\ufeff${text}`])
    await isRefused(signed(head, claims), head);
});

test('B4: another key\'s id, or none, is refused though the signature is ours', async () => {
  for (const kid of [undefined, '', 'unknown', header.kid.slice(1), `${header.kid} `, header.kid.toUpperCase(),
    `${header.kid}\0`, `../${header.kid}`, null, 1, [header.kid]])
    await isRefused(signed({ ...header, kid }, claims), { kid });
});

test('B5: a key or an address in a token that we signed is not looked at', async () => {
  let visits = 0;
  const trap = createServer((request, response) => { visits++; response.end('{"keys":[]}'); });
  await new Promise((resolve) => trap.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${trap.address().port}/`;
  for (const more of [{ jwk: { kty: 'oct', k: '' } }, { jku: url }, { x5u: url }, { x5c: ['AA'] }])
    await isGood(signed({ ...header, ...more }, claims));
  assert.equal(visits, 0);
  trap.close();
});

/** What the server asks the system for while WORK runs: the lines of strace. */
async function traced(work) {
  const pid = kv.serverPid();
  const lines = join(kv.dir, 'strace');
  const strace = spawn('strace', ['-f', '-qq', '-s', '300', '-o', lines, '-e',
    'trace=%file,socket,connect,accept4,sendto,execve,fork,vfork,clone,clone3', '-p', String(pid)], { stdio: 'inherit' });
  const ended = new Promise((resolve) => { strace.once('exit', resolve); strace.once('error', resolve); });
  let gone = false;
  ended.then(() => { gone = true; });
  const watched = () => readdirSync(`/proc/${pid}/task`).every((id) =>
    !readFileSync(`/proc/${pid}/task/${id}/status`, 'utf8').includes('TracerPid:\t0'));
  await until('strace watches every thread', () => {
    assert.ok(!gone, 'strace ended: may it trace here?');
    return watched();
  });
  try {
    await work();
    assert.ok(watched());
  } finally {
    strace.kill('SIGINT');
    await ended;
  }
  return readFileSync(lines, 'utf8').split('\n').filter(Boolean);
}

test('B4, B5: no token makes the server open a file, connect, or start a program', async () => {
  const bad = [];
  for (const name of ['../../../../etc/passwd', '/etc/passwd', 'file:///etc/passwd', 'http://127.0.0.1:9/keys', '/dev/zero',
    '\\\\host\\share', '$(touch /tmp/x)', '|touch /tmp/x', `${header.kid}.pem`, '%2e%2e%2fkey', 'a\r\nb', 'a\0b'])
    for (const head of [{ ...header, kid: name }, { ...header, jku: name }, { ...header, x5u: name, kid: 'x' },
      { ...header, jku: name, jwk: { kty: 'EC', x: name } }]) bad.push([signed(head, claims), head.kid === header.kid]);
  const lines = await traced(async () => {
    await kv.ctl(['status']); // a connection that it does take: the trace is alive
    for (const [token, good] of bad) await (good ? isGood(token) : isRefused(token, 'a token that names a file'));
  });
  assert.ok(lines.some((line) => line.includes('accept4(')), 'nothing was traced');
  // Its own data it may look at, whenever it likes, and what is open already: a checkpoint does. What it sends without
  // an address goes where somebody has connected; had it done that itself, connect() would be here.
  const own = new Set(['', ...['data', 'data/log'].flatMap((folder) => readdirSync(join(kv.dir, folder)))]);
  const looksAtOwn = (line) => own.has(/ newfstatat\(\d+, "([^"]*)",/.exec(line)?.[1]);
  const strange = lines.filter((line) => !/ (\+\+\+|---|<\.\.\.) /.test(line) && !line.includes('accept4(')
    && !/ sendto\(.*, NULL, 0(\) += | <unfinished)/.test(line)
    && !line.includes(' getcwd(') && !looksAtOwn(line) && !line.includes(join(kv.dir, 'data')));
  assert.deepEqual(strange, []);
});

test('B4: whatever a key id says, the log keeps its lines', async () => {
  const lines = () => readFileSync(join(kv.dir, 'tmakvd.log'), 'utf8').split('\n').filter(Boolean);
  const before_it = lines().length;
  const last = await (async () => {
    let answer;
    for (const kid of ['MARKER\r\n{"msg":"forged"}', 'MARKER\0', 'MARKER"}', 'MARKER\u001b[2J', 'MARKER%s%n', 'MARKER\u2028'])
      answer = await get(signed({ ...header, kid }, claims));
    return answer.headers['x-request-id'];
  })();
  await until('the last one is in the log', () => lines().some((line) => line.includes(last)));
  assert.ok(lines().length > before_it);
  for (const line of lines()) assert.ok(JSON.parse(line.replace(/^<\d>/, '')).msg, line);
  assert.ok(!lines().some((line) => line.includes('MARKER') || line.includes('forged')));
});

test('B9: an end that has come, is none, or is no whole number is refused', async () => {
  await isRefused(of({ exp: now() }), 'now', 'token_expired');
  for (const exp of [0, 1, now() - 1, claims.iat]) await isRefused(of({ exp }), { exp }, 'token_expired');
  await isRefused(signed(header, without('exp')), 'none');
  for (const exp of [null, true, String(claims.exp), '', [claims.exp], {}, -1]) await isRefused(of({ exp }), { exp });
  for (const exp of ['1e30', '1e400', `${claims.exp}.0`, `${claims.exp}.5`, `${claims.exp}e0`, '1.8e9',
    '9223372036854775808', '18446744073709551616', '9'.repeat(100), `-${claims.exp}`, `0${claims.exp}`, `+${claims.exp}`,
    'NaN', 'Infinity', '0x7fffffff']) await isRefused(signed(header, spelled('exp', exp)), exp);
});

test('B10: a beginning that has not come is refused, a minute of it forgiven', async () => {
  await isGood(of({ nbf: now() + 30 }));
  await isGood(of({ iat: now() + 30 }));
  await isGood(of({ nbf: 0 }));
  for (const more of [{ nbf: now() + 90 }, { nbf: now() + 86_400 }, { iat: now() + 90 }, { iat: claims.exp },
    { iat: 9_000_000_000 }, { iat: -1 }, { iat: null }, { iat: String(claims.iat) }, { nbf: null }, { nbf: '0' },
    { nbf: [0] }]) await isRefused(of(more), more);
  await isRefused(signed(header, without('iat')), 'no iat');
  for (const value of ['1e30', '9223372036854775808', `${claims.iat}.5`, '1e400'])
    for (const name of ['iat', 'nbf']) await isRefused(signed(header, spelled(name, value)), `${name} ${value}`);
});

test('B11, B14: who it is for and whose it is are said twice, and have to agree', async () => {
  for (const more of [{ sub: 'tg_8' }, { telegramId: 8 }, { sub: '7' }, { sub: 'tg_' }, { sub: 'tg_07' }, { sub: 'tg_+7' },
    { sub: 'TG_7' }, { sub: 'tg_7 ' }, { sub: 'tg_7\0' }, { sub: 7 }, { sub: null }, { telegramId: '7' },
    { telegramId: 7.5 }, { telegramId: null }, { telegramId: 0, sub: 'tg_0' }, { telegramId: -7, sub: 'tg_-7' },
    { telegramId: 2 ** 53, sub: `tg_${2 ** 53}` }, { telegramId: [7] },
    { firstName: 7 }, { firstName: null }, { lastName: 7 }, { username: {} },
    { aud: other.projectId }, { aud: [kv.projectId] }, { aud: '' }, { aud: null }, { iss: 7 }, { iss: null },
    { projectId: '' }, { projectId: null }, { projectId: 7 }, { projectId: [kv.projectId] }, { projectId: 'demo' },
    { projectId: kv.projectId.toUpperCase() }, { projectId: kv.projectId.replaceAll('-', '') },
    { projectId: `../${kv.projectId}` }, { projectId: `${kv.projectId}/../${other.projectId}` },
    { projectId: `${kv.projectId}\0` }, { projectId: ` ${kv.projectId}` }, { projectId: '../../etc/passwd' },
    { projectId: '*' }, { projectId: `${kv.projectId.slice(0, -1)}é` }]) await isRefused(of(more), more);
  for (const missing of ['sub', 'telegramId', 'firstName', 'projectId'])
    await isRefused(signed(header, without(missing)), `no ${missing}`);
  for (const id of ['7.0', '7e0', '0.7e1', '18446744073709551623', '-0'])
    await isRefused(signed(header, spelled('telegramId', id)), id);
  // A project that nobody made, and one that is another's: never 404, and only its own data.
  const nobodys = 'f'.repeat(8) + kv.projectId.slice(8);
  expectError(await get(of({ projectId: nobodys, aud: nobodys })), 403, 'project_unavailable');
  assert.equal((await get(of({ projectId: other.projectId, aud: other.projectId }))).data, '"there"');
  await isRefused(of({ projectId: other.projectId }), 'the other\'s project for our audience');
  expectError(await get(of({ projectId: other.projectId, aud: other.projectId }), { 'X-Project-Id': 'demo' }), 403,
    'forbidden');
});

test('B16: a token of 4,096 bytes is read, a larger one is refused though it is signed, up to what nginx takes',
  async () => {
    const sized = (size) => {
      let token = of({ more: '' });
      for (let n = Math.floor((size - token.length) * 3 / 4) - 4; token.length < size; n++) token = of({ more: 'x'.repeat(n) });
      return token;
    };
    const most = sized(4094);
    assert.ok(most.length <= 4096, `${most.length}`);
    await isGood(most);
    for (const size of [4097, 5000, 9000, 12_000]) await isRefused(sized(size), `${size}`);
    // Of headers nginx takes four times 16 kB, and no line over that.
    assert.equal((await get(jwt, { 'X-A': 'x'.repeat(9000) })).data, '"here"');
    expectError(await get(sized(20_000)), 431, 'headers_too_large');
    expectError(await get(jwt, Object.fromEntries([...'abcdef'].map((c) => [`X-${c}`, 'x'.repeat(15_000)]))), 431,
      'headers_too_large');
    assert.equal((await get(jwt, Object.fromEntries([...'ab'].map((c) => [`X-${c}`, 'x'.repeat(15_000)])))).data, '"here"');
  });

test('B18: claims that are no object, no JSON, or say something twice are refused', async () => {
  const text = JSON.stringify(claims);
  for (const body of ['', ' ', '[]', 'null', '7', '"x"', `[${text}]`, `${text}x`, `${text}${text}`, `${text},`,
    text.slice(0, -1), `\ufeff${text}`, `${text}\0`, text.replaceAll('"', '\''), `${text.slice(0, -1)},}`,
    `/**/${text}`, `${text.slice(0, -1)},"a":NaN}`, `${text.slice(0, -1)},"a":01}`,
    `${text.slice(0, -1)},"a":${'['.repeat(1000)}${']'.repeat(1000)}}`,
    Buffer.concat([Buffer.from(`${text.slice(0, -1)},"a":"`), Buffer.from([0xff]), Buffer.from('"}')])])
    await isRefused(signed(header, body), String(body).slice(0, 80));
  for (const name of ['sub', 'telegramId', 'projectId', 'iat', 'exp', 'firstName', 'aud'])
    for (const twice of [`${text.slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(claims[name])}}`,
      `{${JSON.stringify(name)}:${JSON.stringify(claims[name])},${text.slice(1)}`,
      `${text.slice(0, -1)},"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":${JSON.stringify(claims[name])}}`])
      await isRefused(signed(header, twice), twice);
  for (const name of ['sub', 'firstName', 'lastName', 'username', 'projectId', 'aud'])
    for (const value of ['a\0', '\0', `${claims[name]}\0x`]) await isRefused(of({ [name]: value }), { [name]: value });
});
