// The real wrangler, told by CLOUDFLARE_API_BASE_URL alone where we are: every `kv namespace`, `kv key` and `kv bulk`
// command, and whoami. No account id is configured: it asks for it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from './lib.mjs';
import { accountOf, binary, expectRestError, makeAdminKey, namespaceOf, restOf, V4 } from './rest.mjs';

const program = fileURLToPath(new URL('node_modules/wrangler/bin/wrangler.js', import.meta.url));

let kv, rest, admin, account, folders;
before(async () => {
  kv = await start();
  rest = await restOf(kv);
  account = await accountOf(kv);
  admin = await makeAdminKey(kv);
  folders = join(kv.dir, 'wrangler');
  mkdirSync(folders);
});
after(() => kv?.stop());

/**
 * A run of wrangler in a folder of its own, with FILES {name: content} in it; its home is there too. It may talk to
 * this machine and to nobody else. Answers {code, out (bytes), text, err}.
 */
function wrangler(args, { token = kv.apiKey, files = {}, env = {} } = {}) {
  const cwd = mkdtempSync(join(folders, 'run-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
  const options = {
    cwd, encoding: 'buffer', maxBuffer: 1 << 28,
    env: {
      PATH: process.env.PATH, HOME: cwd, XDG_CONFIG_HOME: cwd, XDG_CACHE_HOME: cwd, XDG_DATA_HOME: cwd, TMPDIR: cwd,
      CI: 'true', NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_SEND_ERROR_REPORTS: 'false',
      WRANGLER_HIDE_BANNER: 'true', WRANGLER_WRITE_LOGS: 'false',
      NODE_COMPILE_CACHE: join(folders, 'compiled'), // a quarter of the time it takes to start
      HTTPS_PROXY: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9', NO_PROXY: '127.0.0.1',
      CLOUDFLARE_API_BASE_URL: `${kv.url}${V4}`, CLOUDFLARE_API_TOKEN: token, ...env,
    },
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], options, (error, out, err) => resolve(
      { code: error ? error.code : 0, out, text: out.toString(), err: err.toString() }));
  });
}

/** A run that must go well. */
async function done(args, options) {
  const run = await wrangler(args, options);
  assert.equal(run.code, 0, `wrangler ${args.join(' ')}: ${run.text.slice(-2000)} ${run.err.slice(-2000)}`);
  return run;
}
/** A run that must fail, with TEXT in what it says. */
async function fails(args, text, options) {
  const run = await wrangler(args, options);
  assert.notEqual(run.code, 0, `wrangler ${args.join(' ')} went well: ${run.text}`);
  assert.match(run.text + run.err, text);
}
/** Those of kv key and kv bulk: in our namespace, and not in a local one. */
const here = (...args) => ['kv', ...args, '--namespace-id', namespaceOf(kv), '--remote'];
const now = () => Math.floor(Date.now() / 1000);

// Each test has keys of its own; two at a time, for wrangler takes a second of processor time to start.
describe('wrangler', { concurrency: 2 }, () => {
  test('whoami knows the token and the account', async () => {
    const { text } = await done(['whoami']);
    assert.match(text, new RegExp(account));
  });

  test('kv namespace: create, list, rename and delete', async () => {
    const as = { token: admin };
    const made = await done(['kv', 'namespace', 'create', 'Wrangler\'s own'], as);
    const [id] = made.text.match(/\b[0-9a-f]{32}\b/);
    await done(['kv', 'namespace', 'rename', 'Wrangler\'s own', '--new-name', 'renamed ✓'], as);
    const listed = JSON.parse((await done(['kv', 'namespace', 'list'], as)).text);
    assert.deepEqual(listed.find((one) => one.id === id), { id, title: 'renamed ✓', supports_url_encoding: true });
    assert.ok(listed.some((one) => one.id === namespaceOf(kv)));
    await fails(['kv', 'namespace', 'create', 'renamed ✓'], /already exists/, as);
    await done(['kv', 'namespace', 'delete', '--namespace-id', id, '-y'], as);
    expectRestError(await kv.ask('GET', `${rest.all}/${id}`, { as: admin }), 404, 10013);
  });

  test('kv namespace list with an API key is its one namespace', async () => {
    const { text } = await done(['kv', 'namespace', 'list']);
    assert.deepEqual(JSON.parse(text),
      [{ id: namespaceOf(kv), title: kv.projectName, supports_url_encoding: true }]);
  });

  test('kv key: put, get, list and delete of a text', async () => {
    await done(here('key', 'put', 'text/ключ: a b', 'a value ✓'));
    assert.equal((await done(here('key', 'get', 'text/ключ: a b', '--text'))).text, 'a value ✓\n');
    assert.deepEqual(JSON.parse((await done(here('key', 'list', '--prefix', 'text/'))).text),
      [{ name: 'text/ключ: a b' }]);
    await done(here('key', 'delete', 'text/ключ: a b'));
    await fails(here('key', 'get', 'text/ключ: a b'), /404: Not Found/);
  });

  test('kv key put --path takes any bytes, and get gives them back', async () => {
    const bytes = Buffer.alloc(131_072, binary);
    await done(here('key', 'put', 'bytes', '--path', 'value.bin'), { files: { 'value.bin': bytes } });
    assert.ok((await done(here('key', 'get', 'bytes'))).out.equals(bytes));
    await done(here('key', 'put', 'bytes-with', '--path', 'value.bin', '--metadata', '{"from": ["a", "file"]}'),
      { files: { 'value.bin': binary } });
    assert.ok((await rest.get('bytes-with')).body.equals(binary));
    assert.deepEqual(await rest.metadata('bytes-with'), { from: ['a', 'file'] });
  });

  test('kv key put --metadata, --ttl and --expiration', async () => {
    const at = now() + 3600;
    await done(here('key', 'put', 'with/at', 'v', '--expiration', `${at}`, '--metadata', '{"n":{"deep":[1]}}'));
    const before_it = now();
    await done(here('key', 'put', 'with/ttl', 'v', '--ttl', '120'));
    const second = await rest.find('with/ttl');
    assert.deepEqual(await rest.find('with/at'), { name: 'with/at', expiration: at, metadata: { n: { deep: [1] } } });
    assert.ok(second.expiration >= before_it + 120 && second.expiration <= now() + 120);
    await fails(here('key', 'put', 'with/ttl', 'v', '--ttl', '59'), /10034/);
  });

  test('kv bulk: 2,500 pairs put, listed, a hundred got, all deleted', async () => {
    const at = now() + 3600;
    const names = Array.from({ length: 2500 }, (_, i) => `bulk/${String(i).padStart(4, '0')}`);
    const pairs = names.map((key, i) => ({ key, value: `value ${i}` }));
    pairs[0] = { key: names[0], value: Buffer.from('text of 0').toString('base64'), base64: true };
    pairs[1] = { key: names[1], value: 'value 1', expiration: at, metadata: { one: 1 } };
    await done(here('bulk', 'put', 'pairs.json'), { files: { 'pairs.json': JSON.stringify(pairs) } });
    const listed = JSON.parse((await done(here('key', 'list', '--prefix', 'bulk/'))).text);
    assert.deepEqual(listed.map((key) => key.name), names);
    assert.deepEqual(listed[1], { name: names[1], expiration: at, metadata: { one: 1 } });
    const some = [...names.slice(0, 99), 'bulk/none'];
    const got = await done(here('bulk', 'get', 'names.json'), { files: { 'names.json': JSON.stringify(some) } });
    const values = JSON.parse(got.text.slice(got.text.indexOf('{')));
    assert.equal(Object.keys(values).length, 100);
    assert.deepEqual([values[names[0]], values[names[98]], values['bulk/none']], ['text of 0', 'value 98', null]);
    await fails(here('bulk', 'get', 'names.json'), /10029|maximum of 100/,
      { files: { 'names.json': JSON.stringify(names.slice(0, 101)) } });
    await done(here('bulk', 'delete', 'names.json', '--force'), { files: { 'names.json': JSON.stringify(names) } });
    assert.deepEqual(await rest.names('bulk/'), []);
  });

  test('a bad item in a bulk refuses all of it, and the place is told', async () => {
    const pairs = [{ key: 'bad/0', value: 'v' }, { key: 'bad/1', value: 'v', expiration_ttl: 5 }];
    await fails(here('bulk', 'put', 'pairs.json'), /\b1\b/, { files: { 'pairs.json': JSON.stringify(pairs) } });
    assert.deepEqual(await rest.names('bad/'), []);
  });

  test('a wrong token, and a key for reading, are told so', async () => {
    await fails(here('key', 'get', 'k'), /Authentication error|10000|401/i, { token: 'nobody' });
    const reader = await kv.makeKey('demo', '--read-only');
    await fails(here('key', 'put', 'reader', 'v'), /9109|read/i, { token: reader });
    assert.deepEqual(await rest.names('reader'), []);
  });

  test('with the account id configured it is not asked for', async () => {
    await rest.put('configured', 'v');
    const { out } = await done(here('key', 'get', 'configured'), { env: { CLOUDFLARE_ACCOUNT_ID: account } });
    assert.equal(out.toString(), 'v');
    await fails(here('key', 'get', 'configured'), /403|9109/, { env: { CLOUDFLARE_ACCOUNT_ID: '0'.repeat(32) } });
  });
});
