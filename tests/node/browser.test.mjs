// A real page in a real browser, on an origin of its own: preflights, CORS, fetch, the SDK as a module.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start, until } from './lib.mjs';

const sdk = dirname(dirname(fileURLToPath(import.meta.resolve('@tma.sh/sdk'))));
let kv;
before(async () => { kv = await start(); });
after(() => kv?.stop());

const page = (config) => `<!doctype html><meta charset="utf-8"><script type="module">
const config = ${JSON.stringify(config).replaceAll('<', '\\u003c')};
const report = (result) => fetch('/report', { method: 'POST', body: JSON.stringify(result) });
try {
  const { createTMA } = await import('/sdk/client/index.js');
  const tma = createTMA({ apiUrl: config.url });
  const { jwt, user } = await tma.auth.validate(config.initData, config.project);
  await tma.kv.set('от/страницы 😀', { n: 1 });
  const got = await tma.kv.get('от/страницы 😀');
  const missing = await tma.kv.get('nothing');
  const list = (await tma.kv.list('от/')).keys.map((key) => key.name);
  await tma.kv.remove('от/страницы 😀');
  const removed = await tma.kv.get('от/страницы 😀');
  const refusal = await tma.kv.set('k'.repeat(513), 1).catch((error) => error.code);
  // An answer that nginx makes by itself must be readable for a page too.
  const broken = await fetch(config.url + '/sdk/v1/kv/%zz');
  const answer = await fetch(config.url + '/sdk/v1/kv/x', {
    method: 'PUT', body: '1', headers: { Authorization: 'Bearer ' + jwt } });
  // A project with a list of origins: this page's is on it, then it is not, and then any page may ask again.
  const may = () => tma.kv.set('k', 1).then(() => true, (error) => String(error));
  const listed = [];
  for (const list of ['mine', 'other', 'any']) {
    await fetch('/origins/' + list);
    listed.push(await may());
  }
  // A change in place: its method and its type want a preflight.
  const change = (headers, body) => fetch(config.url + '/sdk/v1/kv/y', { method: 'PATCH', body, headers: {
    Authorization: 'Bearer ' + jwt, 'Content-Type': 'application/vnd.tmakv.op+json', ...headers } });
  const sum = await change({}, '{"op":"add","by":2}');
  const late = await change({ 'If-Match': '"1"' }, '{"op":"add","by":2}');
  const same = await fetch(config.url + '/sdk/v1/kv/y', { headers: {
    Authorization: 'Bearer ' + jwt, 'If-None-Match': sum.headers.get('ETag') } });
  await report({ patched: [sum.status, (await sum.json()).data, late.status, late.headers.get('ETag') === sum.headers.get('ETag'),
    same.status], user, got, missing, list, removed, refusal, listed,
    broken: [broken.status, (await broken.json()).code], etag: answer.headers.get('ETag') });
} catch (error) {
  await report({ error: String(error) });
}
</script>`;

/** The page's own site; resolves with what the page reports. */
async function site(html) {
  let reported;
  const report = new Promise((resolve) => { reported = resolve; });
  const server = createServer((request, response) => {
    if (request.url === '/report') {
      let text = '';
      request.on('data', (chunk) => { text += chunk; });
      request.on('end', () => { response.end(); reported(JSON.parse(text)); });
    } else if (request.url.startsWith('/origins/')) {
      const mine = `http://${request.headers.host}`;
      const options = { mine: ['--add', mine], other: ['--any', '--add', mine.slice(0, -1)], any: ['--any'] };
      kv.ctl(['project', 'origins', 'demo', ...options[request.url.slice('/origins/'.length)]]).then(() => response.end());
    } else if (request.url.startsWith('/sdk/')) {
      response.setHeader('Content-Type', 'text/javascript');
      response.end(readFileSync(join(sdk, normalize(request.url.slice(4)))));
    } else {
      response.setHeader('Content-Type', 'text/html');
      response.end(request.url === '/' ? html : '');
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, report, server };
}

test('a Mini App page in Chromium signs in, writes, reads, lists and removes', { timeout: 120_000 }, async () => {
  const { url, report, server } = await site(page({
    url: kv.url, project: kv.projectId, initData: kv.initData({ id: 7, first_name: 'Ада' }) }));
  const profile = mkdtempSync('/tmp/tmakv-page.');
  const chromium = spawn(process.env.CHROMIUM ?? 'chromium', ['--headless', '--no-sandbox', '--disable-gpu',
    '--disable-quic', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`, '--remote-debugging-port=0', url],
  { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env: { ...process.env, TMPDIR: profile } });
  let noise = '';
  chromium.stderr.on('data', (chunk) => { noise += chunk; });
  const ended = new Promise((resolve, reject) => {
    chromium.once('error', reject);
    chromium.once('exit', resolve);
  });
  try {
    const result = await Promise.race([report, ended.then((code) => {
      throw new Error(`Chromium ended with ${code}:\n${noise.slice(-2000)}`);
    })]);
    assert.deepEqual(result, {
      user: { telegramId: 7, firstName: 'Ада' },
      got: { n: 1 },
      missing: null,
      list: ['от/страницы 😀'],
      removed: null,
      refusal: 'HTTP_414',
      listed: [true, 'TypeError: Failed to fetch', true],
      broken: [400, 'bad_request'],
      patched: [200, { value: 2 }, 412, true, 304],
      etag: result.etag,
    });
    assert.match(result.etag, /^".+"$/);
  } finally {
    ended.catch(() => {});
    // With all of its processes, which write into the profile until they are gone.
    await until('Chromium is gone', () => {
      try {
        return !process.kill(-chromium.pid, 'SIGKILL');
      } catch {
        return true;
      }
    });
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
