// openapi_world.mjs - a running server for openapi.test.mjs, and requests to it by somebody: with whose credentials, to
// which namespace, and what has to be known of those to spoil a request.
import { randomInt } from 'node:crypto';
import { start } from './lib.mjs';
import { mutationsOf, pathOf, random, setBody, setHeader } from './openapi_mutations.mjs';
import { accountOf, makeAdminKey, multipart, namespaceOf } from './rest.mjs';
import { Wire } from './wire.mjs';

export const seed = Number(process.env.TMAKV_OPENAPI_SEED ?? randomInt(2 ** 31));
export let kv;	// the server, with the project that the requests are about
let other;	// another project
let who;	// everybody's credentials
const json = JSON.stringify;

export async function open() {
  kv = await start();
  other = await kv.makeProject('other');
  who = {
    admin: await makeAdminKey(kv), apiKey: kv.apiKey, foreign: other.apiKey,
    reader: await kv.makeKey('demo', '--read-only'),
    session: await kv.signIn(), initData: kv.initData(), account: await accountOf(kv), namespace: namespaceOf(kv),
  };
  await kv.ask('PUT', '/kv/known', { body: '{"known":[1,2,3]}' });
}

const wires = [];
/** The answer to REQUEST. */
export async function send(request) {
  const wire = wires.pop() ?? new Wire(kv.port);
  const { method, version, headers, body } = request;
  const answer = await wire.ask({ method, version, path: pathOf(request), headers, body });
  // A request that was spoilt as HTTP may have left the connection in any state.
  if (answer.status === 0 || answer.status === 400) wire.close();
  wires.push(wire);
  return answer;
}

let n_keys = 0;
const freshKey = () => `fresh-${++n_keys}`;
export const isRead = (operation) => ['GET', 'HEAD'].includes(operation.method);
// -- good requests --

const bearer = (token) => [['Authorization', `Bearer ${token}`]];
/** The headers of a security requirement's schemes. */
function credentials(operation, requirement) {
  const all = operation.security.some((one) => 'apiKey' in one) ? who.apiKey : who.admin;
  return {
    session: () => bearer(who.session), apiKey: () => bearer(who.apiKey), adminKey: () => bearer(who.admin),
    initData: () => [['Authorization', `tma ${who.initData}`], ['X-Project-Id', kv.projectId]],
    authKey: () => [['X-Auth-Key', all]], userServiceKey: () => [['X-Auth-User-Service-Key', all]],
  }[Object.keys(requirement)[0]]();
}

/** A namespace of the operator's that may be renamed and deleted. */
let victim;
async function takeVictim(operation) {
  if (victim && operation.method === 'PUT') return victim;
  const made = await kv.ask('POST', `/client/v4/accounts/${who.account}/storage/kv/namespaces`,
    { as: who.admin, body: JSON.stringify({ title: `victim ${freshKey()}` }) });
  const { id } = made.json.result;
  if (operation.method === 'PUT') victim = id;
  return id;
}

/** A request that the document allows. WITH_KEY: as the project's own server. */
export async function makeGood(operation, rng, withKey) {
  const requirement = operation.security.length === 0 ? undefined
    : withKey ? operation.security.find((one) => 'apiKey' in one) ?? operation.security[0] : rng.pick(operation.security);
  const isAdmins = operation.isRest && operation.security.length !== 0 && !operation.security.some((one) => 'apiKey' in one);
  const request = {
    operation, method: operation.method, version: 'HTTP/1.1', query: [],
    path: { key: isRead(operation) ? 'known' : freshKey(), account: who.account,
      project: rng.pick([kv.projectId, 'demo', who.namespace]),
      namespace: isAdmins && operation.path.includes('{namespace}') ? await takeVictim(operation) : who.namespace },
    headers: [['Host', 'kv.example'], ...(requirement ? credentials(operation, requirement) : [])],
  };
  const media = operation.bodies.length ? rng.pick(operation.bodies) : undefined;
  if (operation.operationId === 'validate')
    setBody(request, JSON.stringify({ initData: who.initData, projectId: kv.projectId }), media.type);
  else if (media?.schema?.$ref?.endsWith('/Title'))
    setBody(request, JSON.stringify({ title: `title ${freshKey()}` }), media.type);
  else if (media?.type === 'multipart/form-data') {
    const form = multipart(Object.entries(rng.pick(media.examples)));
    setBody(request, form.body, form.headers['Content-Type']);
  } else if (media?.type === '*/*')
    setBody(request, rng.pick(['', 'text', '\0\xff']), rng.pick([undefined, 'text/plain', 'application/json']));
  else if (media)
    // An operation that only a server may ask for is among the examples.
    setBody(request, JSON.stringify(withKey ? rng.pick(media.examples) : media.examples[0]), media.type);
  return request;
}

// -- mutations that need to know who is who --

/** What a value that fits its schema is worth, where no schema can say all of it. */
function careful(operation, value) {
  const says = JSON.stringify(value);
  if (operation.operationId === 'validate')
    return value.initData === who.initData && value.projectId === kv.projectId ? 'accepted' : 'any';
  if (/namespace/i.test(operation.operationId)) return 'any'; // a title that is taken
  return says?.includes('"expiration"') || says?.includes('"rank"') ? 'any' : 'accepted';
}

const letters = (n) => 'v'.repeat(n);
const body = (what, expect, bytes, type, more = {}) =>
  ({ what, expect, isBody: true, isHeavy: true, change: (request) => setBody(request, bytes(), type), ...more });

/** Bodies at the limits that stand in the document's words. */
function sizes(operation) {
  const value = (n) => json([{ key: 'sized', value: letters(n) }]);
  const names = (n) => json(Array.from({ length: n }, (_, i) => `n${i}`));
  const form = (parts) => ({ change: (request) => {
    const made = multipart(parts);
    setBody(request, made.body, made.headers['Content-Type']);
  } });
  const pad = (n, members) => json({ ...members, pad: letters(n - json({ ...members, pad: '' }).length) });
  switch (operation.operationId.replace('Short', '')) {
    case 'putValue':
      return [[131_071, 'accepted'], [131_072, 'accepted'], [131_073, 'refused'], [1_048_577, 'refused']].map(([n, expect]) =>
        body(`${n} bytes`, expect, () => json(letters(n - 2)), 'application/json'));
    case 'patchValue':
      return [...[[131_072, 'accepted'], [131_073, 'refused']].map(([n, expect]) =>
        body(`${n} bytes`, expect, () => json(letters(n - 2)), 'application/merge-patch+json')),
        ...['application/json', 'text/plain', '', 'application/merge-patch', '*/*', '\xff'].map((type) =>
          body(`Content-Type: ${type}`, 'refused', () => '{}', type)),
        body('Content-Type: in capitals and with a charset', 'accepted', () => '{}', 'Application/Merge-Patch+JSON; charset=utf-8')];
    case 'validate':
      return [body('16384 bytes', 'accepted', () => pad(16_384, { initData: who.initData, projectId: kv.projectId })),
        body('16385 bytes', 'refused', () => pad(16_385, { initData: who.initData, projectId: kv.projectId }))];
    case 'restPut':
      return [...[[131_072, 'accepted'], [131_073, 'refused'], [500_000, 'refused']].flatMap(([n, expect]) =>
        [body(`${n} bytes`, expect, () => letters(n), 'text/plain'),
          body(`${n} bytes in a form`, expect, undefined, undefined, form([['value', letters(n)]]))]),
        ...[[[['value', 'v'], ['metadata', 'null']], 'accepted'], [[['value', ''], ['metadata', '']], 'accepted'],
          [[['value', 'v'], ['metadata', json(letters(1022))]], 'accepted'],
          [[['value', 'v'], ['metadata', json(letters(1023))]], 'refused'],
          [[['value', 'v'], ['metadata', '{']], 'refused'], [[['value', 'v'], ['value', 'w']], 'refused'],
          [[['metadata', '1'], ['metadata', '1'], ['value', 'v']], 'refused'], [[['metadata', '{}']], 'refused'], [[], 'refused'],
          [[['value', 'v'], ['metadata[a][b]', '1'], ['metadata[c][]', 'x']], 'accepted'],
          [[['value', 'v'], ['metadata[a', '1']], 'refused'],
          [[['value', 'v'], ['unknown', 'x']], 'accepted']].map(([parts, expect]) =>
          body(`a form of ${json(parts).slice(0, 60)}`, expect, undefined, undefined, form(parts))),
        ...['', '; boundary=', '; boundary="x', `; boundary=${letters(80)}`].map((end) => `multipart/form-data${end}`)
          .map((type) => body(`Content-Type: ${type.slice(0, 50)}`, 'refused', () => '--x\r\n\r\n--x--\r\n', type)),
        body('a form that ends early', 'refused',
          () => '--x\r\nContent-Disposition: form-data; name="value"\r\n\r\nv', 'multipart/form-data; boundary=x')];
    case 'restBulkPut':
      return [body('a value of 131072 bytes', 'accepted', () => value(131_072)),
        body('a value of 131073 bytes', 'refused', () => value(131_073)),
        body('10001 items', 'refused', () => json(Array.from({ length: 10_001 }, (_, i) => ({ key: `n${i}`, value: '' })))),
        body('no items', 'accepted', () => '[]'),
        body('a bad item behind good ones', 'refused', () => json([{ key: 'a', value: '1' }, { key: '', value: '' }]))];
    case 'restBulkDelete':
    case 'restBulkDeletePost':
      return [body('10000 names', 'accepted', () => names(10_000)), body('10001 names', 'refused', () => names(10_001)),
        body('no names', 'accepted', () => '[]')];
    case 'restBulkGet':
      return [body('100 keys', 'accepted', () => `{"keys":${names(100)}}`),
        body('101 keys', 'refused', () => `{"keys":${names(101)}}`),
        body('a key that is there, as JSON', 'accepted', () => '{"keys":["known"],"type":"json","withMetadata":true}'),
        body('1 MiB and a byte', 'refused', () => pad(1_048_577, { keys: ['a'] }))];
    case 'restCreateNamespace':
    case 'restRenameNamespace':
      return [body('a title of 512 bytes', 'accepted', () => json({ title: freshKey().padEnd(512, 't') })),
        body('a title of 512 letters, 1024 bytes', 'refused', () => json({ title: '\u00fc'.repeat(512) })),
        body('a title that is taken', 'refused', () => json({ title: 'demo' })),
        body('16385 bytes', 'refused', () => pad(16_385, { title: 'x' }))];
    default:
      return [];
  }
}

function more(operation) {
  const nobodys = operation.security.length === 0;
  const isWrite = !isRead(operation) && operation.operationId !== 'restBulkGet';
  const isAdmins = !nobodys && operation.isRest && !operation.security.some((one) => 'apiKey' in one);
  const expects = (expect) => (nobodys && expect !== 'any' ? 'accepted' : expect);
  const as = (what, headers, expect) => ({ what, expect: expects(expect), isAuth: true, change: (request) => {
    for (const name of ['Authorization', 'X-Project-Id', 'X-Auth-Key', 'X-Auth-User-Service-Key']) setHeader(request, name, undefined);
    request.headers.push(...headers());
  } });
  const at = (what, name, value, expect) => ({ what: `${name} ${what}`, expect, isAuth: true,
    change: (request) => { request.path[name] = typeof value === 'function' ? value(request) : value; } });
  const has = (name) => operation.path.includes(`{${name}}`);
  const names = (name) => operation.path.includes(`{${name}}`) && operation.method !== 'OPTIONS';
  return [
    as('nobody', () => [], 'refused'),
    ...['x', 'Bearer', 'Bearer ', 'Bearer x', 'Bearer a.b.c', `Bearer tmakv_${letters(43)}`, 'Basic eDp5', 'tma', 'tma ', 'tma x',
      'tma auth_date=1&hash=0', 'Bearer \xff', 'bearer', ',', `Bearer ${letters(9000)}`].map((value) =>
      as(`Authorization: ${value.slice(0, 30)}`, () => [['Authorization', value]], 'refused')),
    as('a scheme in capitals', () => [['Authorization', `BEARER ${isAdmins ? who.admin : who.apiKey}`]], 'accepted'),
    as('a key for reading', () => bearer(who.reader), isWrite || isAdmins ? 'refused' : 'accepted'),
    as('a token with its last letter changed', () => bearer(who.session.slice(0, -1) + (who.session.endsWith('A') ? 'Q' : 'A')), 'refused'),
    as('another project\'s key', () => bearer(who.foreign), operation.isRest && has('namespace') ? 'refused' : 'any'),
    // nginx refuses that, before it looks whether it matters.
    as('Authorization twice', () => [...bearer(who.apiKey), ...bearer(who.apiKey)], 'any'),
    as('X-Auth-Key that is none', () => [['X-Auth-Key', 'x']], 'refused'),
    as('initData without a project', () => [['Authorization', `tma ${who.initData}`]], 'refused'),
    as('initData for another project', () => [['Authorization', `tma ${who.initData}`], ['X-Project-Id', 'other']], 'refused'),
    as('a key for another project', () => [...bearer(who.apiKey), ['X-Project-Id', 'other']], operation.isRest ? 'any' : 'refused'),
    as('a key and the project\'s name', () => [...bearer(who.apiKey), ['X-Project-Id', 'demo']], isAdmins ? 'refused' : 'accepted'),
    ...(operation.isRest ? [as('a user', () => bearer(who.session), 'refused'),
      as('a user\'s initData', () => [['Authorization', `tma ${who.initData}`], ['X-Project-Id', 'demo']], 'refused'),
      as('an admin key', () => bearer(who.admin), 'accepted')]
      : [as('an admin key', () => bearer(who.admin), 'refused'), as('X-Auth-Key', () => [['X-Auth-Key', who.apiKey]], 'refused')]),
    ...(names('account') ? [at('of nobody', 'account', '0'.repeat(32), 'refused'), at('with a slash', 'account', 'a%2Fb', 'refused')] : []),
    ...(names('namespace') ? [at('of another project', 'namespace', () => namespaceOf(other), 'any'),
      at('of nobody', 'namespace', '0'.repeat(32), 'refused'), at('that is none', 'namespace', 'x_y', 'refused'),
      at('of bad bytes', 'namespace', '%ff', 'refused'), at('as a UUID', 'namespace', ({ path }) =>
        path.namespace.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'), 'accepted'),
      at('in capitals', 'namespace', ({ path }) => path.namespace.toUpperCase(), 'any')] : []),
    ...(names('project') ? [at('of nobody', 'project', 'nobodys', 'refused'), at('of bad bytes', 'project', '%ff', 'refused'),
      at('of a bad escape', 'project', '%zz', 'refused'), at('that is long', 'project', letters(600), 'refused')] : []),
    ...sizes(operation),
  ];
}

export const mutationsIn = (doc, operation) => mutationsOf(doc, operation, {
  careful, more: more(operation), rng: random(seed),
}).map((one) => {
  const name = one.parameter?.name;
  // A preflight is about the door, not about a key.
  if (operation.method === 'OPTIONS' && one.isKey && one.expect === 'refused') return { ...one, expect: 'any' };
  // The schema cannot know what time it is.
  if (name === 'expiration' && one.expect === 'accepted')
    return { ...one, expect: /=[012]?$/.test(one.what) ? 'any' : 'accepted', needsKey: true };
  if (operation.method === 'PATCH' && one.isKey) return { ...one, change: (request) => {
    // The key may be there already, with a value that is no number.
    setBody(request, '{}', 'application/merge-patch+json');
    one.change(request);
  } };
  if (name === 'expiration_ttl' && /=9007/.test(one.what)) return { ...one, expect: 'any' };
  if (name === 'expirationTtl' || operation.method === 'PATCH') return { ...one, needsKey: true };
  if (one.isExample) return { ...one, expect: /namespace/i.test(operation.operationId) || one.what.includes('touch') ? 'any' : 'accepted' };
  return one;
});

/** REQUEST as something to paste, without secrets. */
export function curlLine(request) {
  const secrets = [[who.admin, '$ADMIN_KEY'], [who.session, '$TOKEN'], [who.initData, '$INIT_DATA'],
    [who.reader, '$READ_KEY'], [who.foreign, '$OTHER_KEY'], [who.apiKey, '$KEY']];
  const hide = (what) => secrets.reduce((all, [secret, name]) => all.replaceAll(secret, name), String(what));
  const quote = (what) => `"${hide(what).replaceAll(/["\\`]/g, '\\$&').slice(0, 300)}"`;
  const lines = request.headers.filter(([name]) => !['Host', 'Content-Length'].includes(name))
    .map(([name, value]) => ` -H ${quote(`${name}: ${value}`)}`);
  return `curl -i --path-as-is -X ${request.method}${lines.join('')}${
    request.body === undefined ? '' : ` --data-binary ${quote(request.body)}`} ${quote(`http://127.0.0.1:8480${pathOf(request)}`)}`;
}
