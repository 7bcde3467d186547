// Session tokens and API keys in the hands of somebody who has good ones, knows the published keys, and can sign
// with keys of their own. Wrong claims under our own signature cannot be made from outside: unit tests do that.
// Revocation is in revocation.test.mjs, keys that change in signing_keys.test.mjs.
import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { LETTERS } from './initdata.mjs';
import { expectError, start } from './lib.mjs';
import { twinOf } from './signing.mjs';

let kv, other, jwt, header, claims, jwk;
before(async () => {
  kv = await start({ workers: 2 }, { clock: true });
  other = await kv.makeProject('other');
  jwt = await kv.signIn({ id: 7, first_name: 'Ada' });
  [header, claims] = jwt.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  [jwk] = (await kv.ask('GET', '/.well-known/jwks.json', { as: null })).json.keys;
  await kv.ask('PUT', '/kv/mine', { body: '"here"' });
});
after(() => kv?.stop());

const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const bytesOf = (value) => (typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value));
const b64 = (value) => Buffer.from(bytesOf(value)).toString('base64url');
const es256 = (text, key = own.privateKey, hash = 'sha256') =>
  sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
/** A token of HEADER and CLAIMS (objects, or texts as they are), signed by MAKE(text). */
const forge = (head, body = claims, make = es256) => {
  const text = `${b64(head)}.${b64(body)}`;
  return `${text}.${b64(make(text))}`;
};
const get = (token, headers) => kv.ask('GET', '/kv/mine', { as: token, headers });
const isGood = async (token, headers) => assert.equal((await get(token, headers)).data, '"here"');
async function isRefused(token, code = 'invalid_token', why = token.slice(0, 200)) {
  expectError(await get(token), 401, code, why);
  await isGood(jwt); // and nobody else suffers from it
}

test('what a user gets is an ES256 token of a published key, and it is good', async () => {
  assert.deepEqual(header, { alg: 'ES256', typ: 'JWT', kid: jwk.kid });
  assert.deepEqual([claims.sub, claims.telegramId, claims.projectId, claims.aud],
    ['tg_7', 7, kv.projectId, kv.projectId]);
  await isGood(jwt);
  for (const project of [kv.projectId, kv.projectId.replaceAll('-', ''), 'demo', ''])
    await isGood(jwt, { 'X-Project-Id': project });
});

test('B1: a token without a signature is refused, however it spells that', async () => {
  const [, body, signature] = jwt.split('.');
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', 'null', null, false])
    for (const tail of ['.', `.${signature}`, '', `.${b64('none')}`])
      await isRefused(`${b64({ ...header, alg })}.${body}${tail}`);
  for (const token of [jwt.split('.').slice(0, 2).join('.'), `${jwt.split('.').slice(0, 2).join('.')}.`, '..', '.',
    '...', jwt.split('.')[0]]) await isRefused(token);
});

test('B2: the published key is no secret to sign with', async () => {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const pem = key.export({ type: 'spki', format: 'pem' });
  for (const secret of [pem, pem.trim(), pem.replaceAll('\n', '\r\n'), key.export({ type: 'spki', format: 'der' }),
    jwk.x, jwk.y, JSON.stringify(jwk), jwk.kid,
    Buffer.from(jwk.x, 'base64url'), '', 'secret', kv.projectId])
    for (const [alg, hash] of [['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512'], ['ES256', 'sha256']])
      await isRefused(forge({ ...header, alg }, claims, (text) => createHmac(hash, secret).update(text).digest()));
});

test('B3: another algorithm is refused, and so is another spelling of ours', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const ed = generateKeyPairSync('ed25519');
  await isRefused(forge({ ...header, alg: 'RS256' }, claims, (text) =>
    sign('sha256', Buffer.from(text), rsa.privateKey)));
  await isRefused(forge({ ...header, alg: 'ES384' }, claims, (text) => es256(text, p384.privateKey, 'sha384')));
  await isRefused(forge({ ...header, alg: 'EdDSA' }, claims, (text) => sign(null, Buffer.from(text), ed.privateKey)));
  for (const alg of ['es256', 'Es256', 'ES256K', 'ES256 ', ' ES256', 'ES256\0', ['ES256'], { a: 'ES256' }, 256, true,
    null]) await isRefused(forge({ ...header, alg }));
  const text = JSON.stringify(header);
  for (const twice of [text.replace('}', ',"alg":"ES256"}'), text.replace('{', '{"alg":"none",'),
    text.replace('}', ',"\\u0061lg":"ES256"}'), text.replace('}', ',"kid":"x"}')]) await isRefused(forge(twice));
  await isRefused(forge({ typ: 'JWT', kid: jwk.kid }));
});

test('B4: a key id that is none of ours leads nowhere', async () => {
  for (const kid of [undefined, '', 'unknown', '../../../../dev/null', '/etc/passwd', '/dev/zero',
    'file:///etc/passwd', 'http://127.0.0.1:1/', '\' OR 1=1 --', '$(id)', '`id`', '|id', 'a\r\nb', 'a\0b',
    `${jwk.kid}\0`, ` ${jwk.kid}`, jwk.kid.toLowerCase(), jwk.kid.slice(1), 'k'.repeat(2000), 0, 1, -1, null, true,
    [jwk.kid], { kid: jwk.kid }, '{{7*7}}', '%s%n', '__proto__'])
    await isRefused(forge({ alg: 'ES256', typ: 'JWT', kid }));
});

test('B5: a key that the token brings itself is not used, and no address in it is visited', async () => {
  let visits = 0;
  const trap = createServer((request, response) => { visits++; response.end('{"keys":[]}'); });
  await new Promise((resolve) => trap.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${trap.address().port}/jwks.json`;
  const ownJwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'own', use: 'sig', alg: 'ES256' };
  for (const kid of [jwk.kid, 'own', undefined])
    for (const more of [{ jwk: ownJwk }, { jku: url, kid: kid ?? url }, { x5u: url },
      { x5c: [own.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] },
      { jwk: ownJwk, jku: url, x5u: url }])
      await isRefused(forge({ ...header, kid, ...more }));
  assert.equal(visits, 0);
  trap.close();
});

test('B6: extensions and other types of token are refused', async () => {
  for (const more of [{ crit: [] }, { crit: ['exp'] }, { crit: ['b64'], b64: false }, { b64: false },
    { typ: 'at+jwt' }, { typ: 'JWE' }, { typ: 'jwt ' }, { typ: null }, { typ: ['JWT'] }, { cty: 'JWT', crit: ['cty'] }])
    await isRefused(forge({ ...header, ...more }));
  await isRefused(`${jwt}.${jwt.split('.').slice(1).join('.')}`); // five parts, like a JWE
});

test('B7: a signature that was touched is refused', async () => {
  const [h, c, s] = jwt.split('.');
  const raw = Buffer.from(s, 'base64url');
  const flip = (i, bit = 1) => Buffer.from(raw.map((byte, k) => (k === i ? byte ^ bit : byte)));
  const der = (() => {
    const int = (bytes) => {
      let n = Buffer.from(bytes);
      while (n.length > 1 && n[0] === 0) n = n.subarray(1);
      if (n[0] & 0x80) n = Buffer.concat([Buffer.from([0]), n]);
      return Buffer.concat([Buffer.from([2, n.length]), n]);
    };
    const both = Buffer.concat([int(raw.subarray(0, 32)), int(raw.subarray(32))]);
    return Buffer.concat([Buffer.from([0x30, both.length]), both]);
  })();
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  for (const bytes of [flip(0), flip(31), flip(32), flip(63), flip(63, 128), raw.subarray(1), raw.subarray(0, 63),
    Buffer.concat([raw, Buffer.from([0])]), Buffer.concat([Buffer.from([0]), raw]),
    Buffer.alloc(64), Buffer.alloc(0), Buffer.alloc(64, 255), Buffer.concat([raw.subarray(32), raw.subarray(0, 32)]),
    Buffer.concat([order, order]), Buffer.concat([raw.subarray(0, 32), Buffer.alloc(32)]),
    Buffer.concat([Buffer.alloc(32), raw.subarray(32)]),
    Buffer.concat([Buffer.alloc(31), Buffer.from([1]), Buffer.alloc(31), Buffer.from([1])]), der, randomBytes(64)])
    await isRefused(`${h}.${c}.${b64(bytes)}`);
  for (const spelled of [`${s}A`, `${s}=`, `${s}==`, `${s}.`, `${s}.x`, `.${s}`, s + s,
    `${s.slice(0, -1)}${LETTERS[LETTERS.indexOf(s.at(-1)) ^ 1]}`, s.slice(0, -1), `${s}-`, `${s}~`, `${s}/`,
    `${s.slice(0, 40)}+${s.slice(41)}`]) await isRefused(`${h}.${c}.${spelled}`);
  for (const token of [`${h}=.${c}.${s}`, `${h}.${c}=.${s}`, `${h}A.${c}.${s}`, `${h}.${c}A.${s}`, `.${jwt}`,
    `${jwt}.`, jwt.slice(1), `${c}.${h}.${s}`, `${h}.${s}.${c}`, jwt.toLowerCase()]) await isRefused(token);
});

test('B7: claims that were touched are refused, whatever they would have given', async () => {
  const [h, , s] = jwt.split('.');
  for (const changed of [{ ...claims, telegramId: 8, sub: 'tg_8' },
    { ...claims, projectId: other.projectId, aud: other.projectId }, { ...claims, exp: claims.exp + 1 },
    { ...claims, admin: true }, [], 'x', '', `${JSON.stringify(claims)} `])
    await isRefused(`${h}.${b64(changed)}.${s}`);
  for (const changed of [claims, { ...claims, telegramId: 8, sub: 'tg_8' }]) await isRefused(forge(header, changed));
  // The head of one good token on the body of another.
  const eve = await kv.signIn({ id: 666, first_name: 'Eve' });
  await isRefused([...jwt.split('.').slice(0, 2), eve.split('.')[2]].join('.'));
  await isRefused([h, eve.split('.')[1], s].join('.'));
});

test('B8: the twin that every ECDSA signature has is the same token', async () => {
  await isGood(twinOf(jwt));
});

test('B9, B10: a token is good until its second comes, and not before its time', async () => {
  const fresh = await kv.signIn({ id: 9, first_name: 'Time' });
  const { exp, iat } = JSON.parse(Buffer.from(fresh.split('.')[1], 'base64url'));
  assert.equal(exp - iat, 86_400);
  const at = (second) => kv.setClock(second - Math.floor(Date.now() / 1000));
  try {
    at(iat - 65);
    expectError(await get(fresh), 401, 'invalid_token'); // nothing remembers it yet
    at(exp - 5);
    await isGood(fresh);
    at(exp);
    expectError(await get(fresh), 401, 'token_expired');
    at(exp + 1_000_000);
    expectError(await get(fresh), 401, 'token_expired');
    await isGood(kv.apiKey); // has no such time
  } finally {
    kv.setClock(0);
  }
  await isGood(fresh);
});

test('B16: a token of 12 kB is refused, one of 20 kB does not even arrive', async () => {
  await isRefused(forge(header, { ...claims, more: 'x'.repeat(9000) }));
  await isRefused('x'.repeat(12_000));
  await isRefused(`${jwt}${'A'.repeat(4097)}`);
  await isRefused(`tmakv_${'A'.repeat(8000)}`);
  expectError(await get('x'.repeat(20_000)), 431, 'headers_too_large');
});

test('B17: the scheme may be written in any case, and nothing else may be different', async () => {
  const ask = async (lines) => (await kv.talk(`GET /kv/mine HTTP/1.1\r\nHost: x\r\n${lines}\r\n`))[0];
  for (const word of ['Bearer', 'bearer', 'BEARER', 'bEaReR'])
    for (const token of [jwt, kv.apiKey])
      for (const line of [`Authorization: ${word} ${token}\r\n`, `AUTHORIZATION:   ${word} ${token}  \r\n`])
        assert.equal((await ask(line)).data, '"here"', line);
  const initData = kv.initData({ id: 7, first_name: 'Ada' });
  for (const word of ['tma', 'TMA', 'Tma'])
    assert.equal((await ask(`Authorization: ${word} ${initData}\r\nX-Project-Id: demo\r\n`)).data, '"here"');
  for (const value of ['', ' ', 'Bearer', 'Bearer ', jwt, kv.apiKey, `Bearer  ${jwt}`, `Bearer\t${jwt}`,
    `Bearer \t${jwt}`, `Bearer${jwt}`, `Bearer:${jwt}`, `Bearer=${jwt}`, `Bearer "${jwt}"`,
    `Bearer <${jwt}>`, `Bearer token="${jwt}"`, `Bearer ${jwt} x`, `Bearer x ${jwt}`, `Bearer ${jwt},`,
    `Bearer ${jwt}, Bearer ${jwt}`, `Bearer ${jwt};`, `Bearer ${jwt}\tx`, `Token ${jwt}`, `JWT ${jwt}`,
    `Basic ${Buffer.from(`x:${jwt}`).toString('base64')}`, `Basic ${jwt}`, `Digest ${jwt}`, `tma2 ${initData}`,
    'tma', 'tma ', `tma  ${initData}`, `Bearer ${jwt}\x01`, `Bearer \xff${jwt}`, `"Bearer" ${jwt}`, `Bearer, ${jwt}`])
    expectError(await ask(`Authorization: ${value}\r\nX-Project-Id: demo\r\n`), 401, 'unauthorized',
      JSON.stringify(value.slice(0, 60)));
  for (const value of [`Bearer ${initData.replaceAll(/[%&]/g, '-')}`, `tma ${jwt}`, `tma ${kv.apiKey}`,
    `Bearer ${jwt}=`, `Bearer ${jwt}/`])
    assert.equal((await ask(`Authorization: ${value}\r\nX-Project-Id: demo\r\n`)).status, 401, value.slice(0, 60));
  // Where a credential does not belong, nobody looks for one.
  for (const line of [`Cookie: token=${jwt}; Authorization=Bearer ${jwt}`, `X-Authorization: Bearer ${jwt}`,
    `Proxy-Authorization: Bearer ${jwt}`, `Authentication: Bearer ${jwt}`, `X-Auth-Key: ${kv.apiKey}`,
    `X-API-Key: ${kv.apiKey}`, `X_Authorization: Bearer ${jwt}`, `HTTP_AUTHORIZATION: Bearer ${jwt}`])
    expectError(await ask(`${line}\r\n`), 401, 'unauthorized', line.slice(0, 30));
  expectError(await kv.ask('GET', `/kv/mine?access_token=${jwt}&token=${jwt}&key=${kv.apiKey}`, { as: null }), 401,
    'unauthorized');
  for (const lines of [`Authorization: Bearer ${jwt}\r\nAuthorization: Bearer ${jwt}\r\n`,
    `Authorization : Bearer ${jwt}\r\n`, `Authorization: Bearer\r\n ${jwt}\r\n`, `Authorization: Bearer ${jwt}\0\r\n`])
    expectError(await ask(lines), 400, 'bad_request');
});

// --- projects ---

describe('B11: a project\'s credentials end at its border', () => {
  test('whatever names the other project gets 403, for reading, writing and listing', async () => {
    const b = await kv.signIn({ id: 7, first_name: 'Ada' }, other);
    for (const [as, foreign] of [[jwt, other], [kv.apiKey, other], [b, kv], [other.apiKey, kv]])
      for (const id of [foreign.projectId, foreign.projectId.replaceAll('-', ''), foreign.projectName, 'nobodys',
        `${foreign.projectId} x`])
        for (const [method, path, body] of [['GET', '/kv/mine'], ['PUT', '/kv/mine', '666'], ['DELETE', '/kv/mine'],
          ['GET', '/kv'], ['HEAD', '/sdk/v1/kv/mine']])
          expectError(await kv.ask(method, path, { as, body, headers: { 'X-Project-Id': id } }), 403, 'forbidden',
            `${method} ${id}`);
    await isGood(jwt);
  });

  test('no other header, host, path, query or key leads into another project', async () => {
    await kv.ask('PUT', '/kv/border', { body: '"of demo"' });
    await kv.ask('PUT', '/kv/border', { as: other.apiKey, body: '"of other"' });
    for (const name of ['Host', 'X-Forwarded-Host', 'X-Host', 'X-Original-Host', 'Forwarded', 'Origin', 'Referer', 'Cookie',
      'X-Namespace-Id', 'X-Account-Id', 'X-Tenant'])
      for (const id of [other.projectId, other.projectName, `${other.projectName}.example`])
        for (const as of [jwt, kv.apiKey])
          assert.equal((await kv.ask('GET', '/kv/border', { as, headers: { [name]: id } })).data, '"of demo"', `${name}: ${id}`);
    for (const query of ['projectId', 'project', 'namespace', 'X-Project-Id'])
      assert.equal((await kv.ask('GET', `/kv/border?${query}=${other.projectId}`, { as: jwt })).data, '"of demo"', query);
    for (const path of [`../../${other.projectId}/border`, `..%2f${other.projectId}%2fborder`, `${other.projectId}/border`,
      `${other.projectName}:border`, `%2e%2e%2f%2e%2e%2fborder`, `${other.projectId}%01border`]) {
      const answer = await kv.ask('GET', `/sdk/v1/kv/${path}`, { as: jwt });
      assert.ok([400, 404].includes(answer.status), `${answer.status} to ${path}`);
      if (answer.status === 404) expectError(answer, 404, 'key_not_found');
    }
    for (const path of [`/p/${other.projectId}/kv/border`, `/p/${other.projectId}/sdk/v1/kv/border`,
      `/sdk/v1/${other.projectId}/kv/border`, `/kv/../p/${other.projectId}/kv/border`]) {
      const answer = await kv.ask('GET', path, { as: jwt });
      assert.ok([400, 404].includes(answer.status) && !answer.text.includes('of other'), `${answer.status} to ${path}`);
    }
    for (const as of [kv.apiKey, other.apiKey]) await kv.ask('DELETE', '/kv/border', { as });
  });

  test('the same person in two projects is two strangers who never see each other\'s keys', async () => {
    const a = await kv.signIn({ id: 42, first_name: 'Both' });
    const b = await kv.signIn({ id: 42, first_name: 'Both' }, other);
    const names = ['shared', 'a/b', '../x', 'é'.repeat(256)].map(encodeURIComponent);
    for (const name of names) {
      assert.equal((await kv.ask('PUT', `/kv/${name}`, { as: a, body: '"of a"' })).headers['x-kv-writes'], '1');
      expectError(await kv.ask('GET', `/kv/${name}`, { as: b }), 404, 'key_not_found');
      assert.equal((await kv.ask('PUT', `/kv/${name}`, { as: b, body: '"of b"' })).headers['x-kv-writes'], '1');
      assert.equal((await kv.ask('GET', `/kv/${name}`, { as: a })).data, '"of a"');
      assert.equal((await kv.ask('DELETE', `/kv/${name}`, { as: b })).status, 200);
      assert.equal((await kv.ask('GET', `/kv/${name}`, { as: a })).data, '"of a"');
    }
    assert.deepEqual((await kv.ask('GET', '/kv', { as: b })).json.data, { keys: [], list_complete: true });
    // Nor where the one's keys end and the other's begin, whichever lies first.
    await kv.ask('PUT', '/kv/%F4%8F%BF%BF', { as: a, body: '1' });
    await kv.ask('PUT', '/kv/%01', { as: b, body: '1' });
    assert.deepEqual((await kv.ask('GET', '/kv', { as: b })).json.data.keys, [{ name: '\x01' }]);
    assert.ok((await kv.ask('GET', '/kv', { as: a })).json.data.keys.every((key) => key.name !== '\x01'));
    // A cursor is a place in one project's list, and no right to it.
    const { cursor } = (await kv.ask('GET', '/kv?limit=1', { as: a })).json.data;
    expectError(await kv.ask('GET', `/kv?cursor=${encodeURIComponent(cursor)}`, { as: b }), 400, 'bad_cursor');
  });
});

test('B12: a project is out at once when disabled, in at once when enabled, and gone when deleted', async () => {
  const brief = await kv.makeProject('brief');
  const user = await kv.signIn({ id: 7, first_name: 'Ada' }, brief);
  const initData = brief.initData({ id: 7, first_name: 'Ada' });
  const everybody = () => [{ as: user }, { as: brief.apiKey },
    { as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': 'brief' } }];
  await kv.ask('PUT', '/kv/k', { as: user, body: '1' });
  for (let i = 0; i < 3; i++) {
    await kv.ctl(['project', 'disable', 'brief']);
    for (const who of everybody())
      for (const method of ['GET', 'PUT', 'DELETE'])
        expectError(await kv.ask(method, '/kv/k', { ...who, body: method === 'PUT' ? '2' : undefined }), 403,
          'project_unavailable');
    await kv.ctl(['project', 'enable', 'brief']);
    for (const who of everybody()) assert.equal((await kv.ask('GET', '/kv/k', who)).data, '1');
  }
  await kv.ctl(['project', 'delete', 'brief', '--yes']);
  const gone = everybody();
  const refused = async () => {
    expectError(await kv.ask('GET', '/kv/k', gone[0]), 403, 'project_unavailable');
    expectError(await kv.ask('PUT', '/kv/k', { ...gone[1], body: '3' }), 401, 'invalid_token');
    assert.ok([401, 403].includes((await kv.ask('GET', '/kv/k', gone[2])).status));
  };
  await refused();
  // Another project of that name is another project.
  const again = await kv.makeProject('brief');
  await refused();
  assert.deepEqual((await kv.ask('GET', '/kv', { as: again.apiKey })).json.data, { keys: [], list_complete: true });
  await kv.restart();
  await refused();
  assert.deepEqual((await kv.ask('GET', '/kv', { as: again.apiKey })).json.data, { keys: [], list_complete: true });
  await isGood(jwt);
});

// --- API keys ---

test('an API key that may only read cannot change anything', async () => {
  const reader = await kv.makeKey('demo', '--read-only');
  await isGood(reader);
  assert.equal((await kv.ask('GET', '/kv', { as: reader })).status, 200);
  for (const path of ['/kv/mine', '/sdk/v1/kv/mine', '/kv/new', '/kv/mine?expirationTtl=60'])
    for (const [method, body] of [['PUT', '666'], ['DELETE']])
      expectError(await kv.ask(method, path, { as: reader, body }), 403, 'read_only_key');
  await isGood(reader);
  expectError(await kv.ask('GET', '/kv/new'), 404, 'key_not_found');
});

test('an API key that is revoked is useless at once, and stays so', async () => {
  const { key, id } = JSON.parse(await kv.ctl(['key', 'create', 'demo', '--json']));
  await isGood(key);
  await kv.ctl(['key', 'revoke', 'demo', id]);
  await isRefused(key);
  await kv.restart();
  await isRefused(key);
  await isGood(kv.apiKey);
});

test('an API key in another spelling, or of nobody, is refused', async () => {
  const key = kv.apiKey;
  assert.match(key, /^tmakv_[A-Za-z0-9_-]{43}$/);
  for (const bad of [key.slice(0, -1), `${key}A`, key.slice(1), key.toUpperCase(), key.toLowerCase(),
    key.replace('tmakv_', 'TMAKV_'), key.replace('tmakv_', ''), `tmakv_${key}`, `tmakv_${'A'.repeat(43)}`, 'tmakv_',
    `tmakv_${randomBytes(32).toString('base64url')}`, `${key}=`, `tmakv_${Buffer.from(key).toString('base64url')}`,
    key.slice(0, 20) + (key[20] === 'A' ? 'B' : 'A') + key.slice(21)]) await isRefused(bad);
});
