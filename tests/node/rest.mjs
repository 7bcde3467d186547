// rest.mjs - the REST and the binding door as tests ask them: paths, keys, and what every answer promises.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

export const V4 = '/client/v4';

/** A key of the operator's; OPTIONS as tmakvctl takes them. */
export async function makeAdminKey(kv, ...options) {
  return JSON.parse(await kv.ctl(['admin-key', 'create', '--json', ...options])).key;
}

/** What Cloudflare calls PROJECT (what makeProject() answered): its id without dashes. */
export const namespaceOf = (project) => project.projectId.replaceAll('-', '');

/** This installation's account id, as the door itself names it. */
export async function accountOf(kv) {
  const [account] = expectResult(await kv.ask('GET', `${V4}/accounts`));
  assert.match(account.id, /^[0-9a-f]{32}$/);
  return account.id;
}

/**
 * The REST door of one project. ask() is kv.ask() below /namespaces/{id}; the rest is what tests do often.
 *   const rest = await restOf(kv);
 *   await rest.put('k', 'value', '?expiration_ttl=60');
 */
export async function restOf(kv, project = kv, account = undefined) {
  account ??= await accountOf(kv);
  const all = `${V4}/accounts/${account}/storage/kv/namespaces`;
  const base = `${all}/${namespaceOf(project)}`;
  const ask = (method, path, options) => kv.ask(method, base + path, { as: project.apiKey, ...options });
  const key = encodeURIComponent;
  return {
    account, all, base, ask,
    put: async (name, body, query = '', headers = {}) =>
      expectResult(await ask('PUT', `/values/${key(name)}${query}`, { body, headers })),
    get: (name) => ask('GET', `/values/${key(name)}`),
    metadata: async (name) => expectResult(await ask('GET', `/metadata/${key(name)}`)),
    names: async (prefix = '') =>
      expectResult(await ask('GET', `/keys?prefix=${key(prefix)}`)).map((one) => one.name),
    find: async (name) =>
      expectResult(await ask('GET', `/keys?prefix=${key(name)}`)).find((one) => one.name === name),
  };
}

/** A whole and good envelope; answers its result. */
export function expectResult(answer) {
  assert.equal(answer.status, 200, `${answer.status} ${answer.text.slice(0, 500)}`);
  assert.equal(answer.headers['content-type'], 'application/json');
  const { success, errors, messages, result, result_info, ...more } = answer.json;
  assert.deepEqual({ success, errors, messages, more }, { success: true, errors: [], messages: [], more: {} });
  assert.notEqual(result, undefined);
  return result;
}

/** All that an error of the REST door promises. MESSAGE: a text, or what it must match. HEAD has no body. */
export function expectRestError(answer, status, code, message = /^\S.*\S$/, why = '') {
  const said = `${why} ${answer.status} ${answer.text.slice(0, 500)}`;
  assert.equal(answer.status, status, said);
  assert.equal(answer.headers['content-type'], 'application/json', said);
  assert.equal(answer.headers['access-control-allow-origin'], '*', said);
  assert.equal(answer.headers['cache-control'], 'no-store', said);
  assert.match(answer.headers['x-request-id'] ?? '', /^[0-9a-f]{32}$/, said);
  if (status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/, said);
  if (status === 405) assert.match(answer.headers.allow ?? '', /^[A-Z]+(, [A-Z]+)*$/, said);
  if ([429, 502, 503].includes(status)) assert.equal(answer.headers['retry-after'], '1', said);
  if (answer.isHead) return;
  const { errors, ...rest } = answer.json;
  assert.deepEqual(rest, { success: false, messages: [], result: null }, said);
  assert.equal(errors.length, 1, said);
  assert.deepEqual(Object.keys(errors[0]).sort(), ['code', 'message'], said);
  assert.equal(errors[0].code, code, said);
  if (typeof message === 'string') assert.equal(errors[0].message, message, said);
  else assert.match(errors[0].message, message, said);
}

/** The binding door's errors: the text is the reason phrase. */
export function expectReason(answer, status, reason) {
  assert.equal(answer.status, status, `${answer.status} ${answer.reason}`);
  if (typeof reason === 'string') assert.equal(answer.reason, reason);
  else assert.match(answer.reason, reason);
}

/**
 * A multipart/form-data body: parts are [name, content, more headers]. Answers {body, headers}, to be spread into
 * what ask() takes.
 */
export function multipart(parts, boundary = '----tmakv-test-boundary') {
  const pieces = parts.map(([name, content, more = '']) => Buffer.concat([
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(content), Buffer.from('\r\n')]));
  return {
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
  };
}

/** Every byte there is, then what ends a part of a multipart body, or nearly. */
export const binary = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  Buffer.from('\r\n--\r\n\0\r\n------tmakv\r\n----formdata-undici-\r\n-\r\r\n--'),
]);

/**
 * WORK may take MB MiB more than the server has now, at any moment. Not where a sanitizer keeps what was freed for a
 * while.
 */
export async function within(kv, mb, work) {
  const proc = `/proc/${kv.serverPid()}`;
  const peak = () => Number(readFileSync(`${proc}/status`, 'utf8').match(/^VmHWM:\s+(\d+) kB/m)[1]) / 1024;
  writeFileSync(`${proc}/clear_refs`, '5'); // the peak is what is there now
  const was = peak();
  await work();
  const grown = peak() - was;
  if (!readFileSync(`${proc}/maps`, 'utf8').includes('libasan')) assert.ok(grown < mb, `${grown} MiB more`);
}
