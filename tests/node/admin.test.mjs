// The operator's page (nginx/admin) in a real Chromium, through the nginx that is shipped: signing in, looking, changing,
// what is hostile, what is read out, how it looks. TMAKV_SCREENSHOTS=FOLDER keeps a picture of each view.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBrowser } from './chromium.mjs';
import { source, start, until } from './lib.mjs';
import { binary, expectResult, makeAdminKey, multipart, namespaceOf, restOf } from './rest.mjs';

const KEYS = 2500, PAGE = 100;
const DAY = 86400;
const FAR = Math.floor(Date.now() / 1000) + 90 * DAY;
// Numbers that no program may read and write again, a member twice, white space of its own.
const DOCUMENT = '{"id":12345678901234567890,"id": 1.0,\n "name":"Ада","e":1e2,\t"mode":"old"}';
const METADATA = '{"build":98765432109876543210,"by":"deploy"}';
const LARGE = Buffer.alloc(300 * 1024, 'large\0');

let kv, other, rest, admin, reader, browser, page, home;

before(async () => {
  kv = await start({ write_limit: 0 });
  other = await kv.makeProject('other');
  rest = await restOf(kv);
  home = `#/projects/${namespaceOf(kv)}`;
  admin = await makeAdminKey(kv);
  reader = await kv.makeKey('demo', '--read-only');
  const many = Array.from({ length: KEYS }, (_, i) => ({ key: `n/${String(i).padStart(5, '0')}`, value: '1' }));
  expectResult(await rest.ask('PUT', '/bulk', { body: JSON.stringify(many) }));
  browser = await openBrowser();
  page = await browser.open(kv.operator);
  await page.resize(1440);
  await page.media({ 'prefers-reduced-motion': 'reduce' });
}, { timeout: 60_000 });
after(async () => {
  await browser?.close();
  await kv?.stop();
});

// --- using the page ---

const go = async (hash, p = page) => {
  await p.run((to) => { location.hash = to; }, hash);
  await settled(p);
};

/** Nothing is being loaded. */
const settled = (p = page) => p.until('the view is there', () => !document.querySelector('main').hasAttribute('aria-busy') &&
  document.querySelector('main h1') !== null);

/** Whatever is pressed has this text, and is to be seen. */
async function click(text, p = page) {
  await p.until(`"${text}" can be pressed`, (wanted) => {
    const found = [...document.querySelectorAll('button, a, summary')]
      .find((one) => one.textContent.trim() === wanted && one.checkVisibility() && !one.disabled);
    found?.click();
    return found !== undefined;
  }, text);
}

const heading = (p = page) => p.run(() => document.querySelector('main h1').textContent);
const waitHeading = (text, p = page) => p.until(`the heading is ${text}`, (wanted) => document.querySelector('main h1')?.textContent === wanted &&
  !document.querySelector('main').hasAttribute('aria-busy'), text);
const said = (text, p = page) => p.until(`it says ${text}`, (wanted) => document.querySelector('#status').textContent.includes(wanted), text);
const names = (p = page) => p.run(() => [...document.querySelectorAll('table.keys tbody a')].map((one) => one.textContent));
const keyHash = (name) => `${home}/key?${new URLSearchParams({ name })}`;
const editHash = (name) => `${home}/edit?${new URLSearchParams({ name })}`;

/** A fresh document, in which nobody is signed in. */
async function reload(hash = '', p = page) {
  await p.send('Page.navigate', { url: 'about:blank' });
  await p.until('the page is gone', () => location.href === 'about:blank');
  await p.send('Page.navigate', { url: `${kv.operator}/${hash}` });
  await p.until('a key is asked for', () => document.activeElement !== null && document.querySelector('#key') !== null);
}

async function enterKey(key, p = page) {
  await p.until('a key is asked for', () => {
    document.querySelector('#key')?.focus();
    return document.activeElement?.id === 'key';
  });
  await p.type(key);
  await p.press('Enter');
}

async function signIn(key, hash = '', p = page) {
  await reload(hash, p);
  await enterKey(key, p);
  await p.until('somebody is signed in', () => !document.querySelector('#who').hidden);
  await settled(p);
}

/** Put TEXT in the place of what a control has. */
const fill = (selector, text, p = page) => p.run((where, value) => {
  const control = document.querySelector(where);
  control.value = value;
  control.dispatchEvent(new Event('input', { bubbles: true }));
}, selector, text);
const choose = (label, p = page) => p.run((wanted) => {
  [...document.querySelectorAll('label')].find((one) => one.textContent.trim().startsWith(wanted)).click();
}, label);

/** What is stored, all of it. */
async function stored(name) {
  const answer = await rest.get(name);
  if (answer.status === 404) return null;
  return { text: answer.text, body: answer.body, expiration: Number(answer.headers.expiration ?? 0),
    metadata: (await rest.ask('GET', `/metadata/${encodeURIComponent(name)}`)).text.match(/"result":(.*)\}$/s)[1] };
}

async function put(name, value, { metadata, query = '' } = {}) {
  const parts = [['value', value], ...(metadata ? [['metadata', metadata]] : [])];
  const { body, headers } = multipart(parts);
  await rest.put(name, body, query, headers);
}

// --- the files ---

describe('the files of the page', () => {
  const get = (path, headers = {}) => kv.ask('GET', path, { as: null, port: Number(new URL(kv.operator).port), headers });

  test('come with their types, and with what keeps a page to itself', async () => {
    const types = { '/': 'text/html', '/index.html': 'text/html', '/admin.js': 'text/javascript', '/admin.css': 'text/css', '/icon.svg': 'image/svg+xml' };
    for (const [path, type] of Object.entries(types)) {
      const { status, headers } = await get(path);
      assert.equal(status, 200, path);
      assert.equal(headers['content-type'], `${type}; charset=utf-8`);
      assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self'; /);
      assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*|http|data:|blob:/);
      for (const word of ["form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"])
        assert.ok(headers['content-security-policy'].includes(word), word);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(headers['cache-control'], 'no-cache');
      assert.ok(headers['permissions-policy']);
      assert.equal(headers['access-control-allow-origin'], undefined);
      assert.equal((await get(path, { 'If-None-Match': headers.etag })).status, 304);
    }
  });

  test('name nothing elsewhere, and no program or style stands in the markup', () => {
    const html = readFileSync(join(source, 'nginx/admin/index.html'), 'utf8');
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|https?:/);
  });

  test('are all that is there', async () => {
    for (const path of ['/nginx.conf', '/../nginx/nginx.conf', '/%2e%2e/nginx/nginx.conf', '/admin', '/.tmakv-error', '/kv/x'])
      assert.ok([400, 404].includes((await get(path)).status), path);
    assert.equal((await kv.ask('POST', '/', { as: null, port: Number(new URL(kv.operator).port), body: 'x' })).status, 405);
  });

  test('and /metrics are not for a name that a stranger can lead here', async () => {
    for (const path of ['/', '/admin.js', '/metrics'])
      for (const [host, status] of [['evil.example', 421], ['127.0.0.1.evil.example', 421], ['127.0.0.1', 200], ['localhost:8481', 200], ['[::1]:8481', 200]])
        assert.equal((await get(path, { Host: host })).status, status, `${host} ${path}`);
    const [old] = await kv.talk('GET / HTTP/1.0\r\n\r\n', { port: Number(new URL(kv.operator).port) });
    assert.equal(old.status, 200);
    // Load balancers ask under any name, and learn nothing that is worth a name.
    assert.equal((await get('/healthz', { Host: 'evil.example' })).status, 200);
  });
});

// --- signing in ---

describe('signing in', () => {
  test('who pastes another secret is told what is wanted, and nothing is sent', async () => {
    await reload();
    const sent = page.requests.length;
    const jwt = await kv.signIn();
    for (const [secret, words] of [[jwt, /session token of a Mini App user.*tmakv_/], [kv.initData(), /initData of a Mini App/],
      [kv.botToken, /bot token.*sent nowhere/], ['hello world', /no key of TMA KV/], ['', /Paste a key/]]) {
      await fill('#key', '');
      await enterKey(secret);
      assert.match(await page.run(() => document.querySelector('.problem')?.textContent), words);
      assert.equal(await page.run(() => document.querySelector('#key').getAttribute('aria-invalid')), 'true');
    }
    assert.deepEqual(page.requests.slice(sent).filter((url) => !url.endsWith('/icon.svg')), []);
    await fill('#key', '');
    await enterKey(`tmakv_${'x'.repeat(43)}`);
    await page.until('the key is refused', () => /not known here/.test(document.querySelector('.problem')?.textContent));
    await page.picture('sign-in-refused');
  });

  test('the key is nowhere but in the memory of the page, and after signing out nothing of what it opened is there', async () => {
    await signIn(admin);
    const traces = (key) => page.run(async (secret) => {
      const places = { html: document.documentElement.outerHTML, url: location.href, title: document.title, name: window.name,
        state: JSON.stringify(history.state), local: JSON.stringify({ ...localStorage }), session: JSON.stringify({ ...sessionStorage }),
        cookie: document.cookie, inputs: [...document.querySelectorAll('input, textarea')].map((one) => one.value).join(),
        globals: Object.keys(window).map((name) => { try { return JSON.stringify(window[name]); } catch { return ''; } }).join(),
        databases: JSON.stringify(await indexedDB.databases()), caches: JSON.stringify(await caches.keys()) };
      return Object.keys(places).filter((place) => String(places[place]).includes(secret));
    }, key);
    const empty = () => page.run(async () => [localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length,
      (await caches.keys()).length]);
    assert.deepEqual(await traces(admin), []);
    assert.deepEqual(await empty(), [0, 0, '', 0, 0]);
    await go(`${home}/keys?prefix=n/`);
    assert.deepEqual(await traces(admin), []);
    assert.ok(page.requests.every((url) => !url.includes(admin)));
    await click('Sign out');
    await page.until('a key is asked for', () => document.querySelector('#key') !== null);
    assert.deepEqual(await traces(admin), []);
    assert.deepEqual(await empty(), [0, 0, '', 0, 0]);
    assert.doesNotMatch(await page.run(() => document.documentElement.outerHTML + location.href), /n\/0|demo/);
    const asked = page.requests.length;
    await page.run(() => new Promise((resolve) => { setTimeout(resolve, 1300); }));
    assert.deepEqual(page.requests.slice(asked), [], 'signed out, it asks for nothing');
  });

  test('an API key sees its own project, and only that', async () => {
    await signIn(kv.apiKey);
    await waitHeading('demo');
    assert.deepEqual([await page.run(() => document.querySelector('#access').textContent), (await names()).length], ['API key', PAGE]);
    await go(`#/projects/${namespaceOf(other)}/keys`);
    await waitHeading('Not with this key');
    await go('#/projects');
    await waitHeading('demo');
  });

  test('a key that is revoked leads back to the start, with words, and to the same place afterwards', async () => {
    const { key, id } = JSON.parse(await kv.ctl(['key', 'create', 'demo', '--json']));
    await signIn(key);
    await kv.ctl(['key', 'revoke', 'demo', id]);
    await page.run((to) => { location.hash = to; }, `${home}/keys?prefix=n/000`);
    await page.until('another key is asked for', () => /no longer taken/.test(document.querySelector('.sign-in .note')?.textContent));
    await enterKey(kv.apiKey);
    await page.until('it is where it was', () => document.querySelectorAll('table.keys tbody tr').length === 100);
    assert.match((await names())[0], /^n\/000/);
  });
});

// --- looking ---

describe('looking', () => {
  before(() => signIn(admin));

  test('projects, and the keys of one by prefix, page by page, there and back', async () => {
    await go('#/projects');
    assert.deepEqual(await page.run(() => [...document.querySelectorAll('table.projects tbody a')].map((one) => one.textContent)), ['demo', 'other']);
    await click('demo');
    await waitHeading('demo');
    await page.run(() => document.querySelector('#prefix').focus());
    await page.type('n/0');
    await page.press('Enter');
    await page.until('the prefix is in the address', () => location.hash.includes('prefix=n%2F0'));
    await settled();
    const seen = [];
    for (let n = 1; n <= KEYS / PAGE; n++) {
      const rows = await names();
      assert.equal(rows.length, PAGE);
      seen.push(...rows);
      if (n === KEYS / PAGE) break;
      await click('Next →');
      await page.until(`page ${n + 1}`, (wanted) => document.querySelector('#which-keys').textContent.endsWith(wanted), `page ${n + 1}`);
    }
    assert.deepEqual(seen, Array.from({ length: KEYS }, (_, i) => `n/${String(i).padStart(5, '0')}`));
    assert.equal(await page.run(() => document.querySelector('a[rel=next]')), null);
    await click('← Previous');
    await page.until('the page before', () => document.querySelector('table.keys tbody a').textContent === 'n/02300');
    await page.run(() => history.go(-2));
    await page.until('two pages further back', () => document.querySelector('table.keys tbody a').textContent === 'n/02300');
    await click('First');
    await page.until('the first page', () => document.querySelector('table.keys tbody a').textContent === 'n/00000');
    await page.run((to) => { location.hash = to; }, `${home}/keys?prefix=none`);
    await page.until('there is none', () => /No key begins with this/.test(document.querySelector('main').textContent));
  });

  test('a page of keys is there at once', async () => {
    const ms = await page.run(async (to) => {
      const began = performance.now();
      location.hash = to;
      await new Promise((resolve) => { new MutationObserver((_, it) => {
        if (document.querySelector('table.keys tbody a')?.textContent !== 'n/01000') return;
        it.disconnect();
        resolve();
      }).observe(document.querySelector('main'), { childList: true, subtree: true }); });
      return performance.now() - began;
    }, `${home}/keys?prefix=n/01`);
    assert.ok(ms < 3000, `${ms} ms`);
  });

  test('a value is shown with all that is known of it, and its numbers are what they are', async () => {
    await put('doc', DOCUMENT, { metadata: METADATA, query: `?expiration=${FAR}` });
    await go(keyHash('doc'));
    const facts = await page.run(() => Object.fromEntries([...document.querySelectorAll('.facts div')].map((one) =>
      [one.querySelector('dt').textContent, one.querySelector('dd').textContent])));
    const { headers } = await rest.get('doc');
    assert.deepEqual([facts.Writes, facts.Size, facts.Kind, `"${facts.Version}"`], ['1', `${Buffer.byteLength(DOCUMENT)} bytes`, 'JSON', headers.etag]);
    assert.match(facts.Expires, /^\d{4}-\d\d-\d\d .*\(in 89 days\)$/);
    const shown = await page.run(() => document.querySelector('pre.value').textContent);
    assert.equal(shown, '{\n  "id": 12345678901234567890,\n  "id": 1.0,\n  "name": "Ада",\n  "e": 1e2,\n  "mode": "old"\n}');
    assert.match(await page.run(() => document.querySelector('[aria-label=Metadata]').textContent), /98765432109876543210/);
    await choose('As stored');
    assert.equal(await page.run(() => document.querySelector('pre.value').textContent), DOCUMENT);
    await go(`${home}/keys?prefix=doc`);
    assert.equal(await page.run(() => document.querySelector('table.keys code').textContent), METADATA);
  });

  test('a value of bytes is shown as such, and can be had as a file', async () => {
    await put('bytes', binary);
    await go(keyHash('bytes'));
    assert.match(await page.run(() => document.querySelector('pre.hex').textContent), /^000000 {2}00 01 02 .*\n000010 {2}10 11/);
    const folder = join(kv.dir, 'downloads');
    mkdirSync(folder);
    await page.send('Page.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
    await click('Download');
    await until('the file is whole', () => existsSync(join(folder, 'bytes.bin')) && readFileSync(join(folder, 'bytes.bin')).length === binary.length);
    assert.deepEqual(readFileSync(join(folder, 'bytes.bin')), binary);
  });

  test('what is not there is said to be so', async () => {
    await go(keyHash('missing'));
    assert.equal(await heading(), 'There is no such key');
    await go('#/nowhere');
    assert.equal(await heading(), 'This did not work');
    await go(`#/projects/${'0'.repeat(32)}/keys`);
    assert.equal(await heading(), 'There is no such project');
  });
});

// --- changing ---

describe('changing', () => {
  before(() => signIn(kv.apiKey));

  test('a change of the value keeps metadata, expiry and every byte that was not touched', async () => {
    await put('edit/doc', DOCUMENT, { metadata: METADATA, query: `?expiration=${FAR}` });
    await go(keyHash('edit/doc'));
    await click('Edit');
    await waitHeading('Edit edit/doc');
    await fill('textarea.code', DOCUMENT.replace('old', 'new'));
    await click('Save');
    await said('Saved');
    await waitHeading('edit/doc');
    assert.deepEqual({ ...await stored('edit/doc'), body: 0 },
      { text: DOCUMENT.replace('old', 'new'), body: 0, expiration: FAR, metadata: METADATA });
    await page.run(() => history.back());
    await page.until('back is where one came from, not the editor', () => !location.hash.includes('/edit?'));
  });

  test('a change of metadata or expiry alone keeps the bytes, whatever they are', async () => {
    for (const [name, value] of [['keep/crlf', Buffer.from('a\r\nb\nc\r')], ['keep/bytes', binary], ['keep/nul', Buffer.from('a\0b')],
      ['keep/bom', Buffer.from('\ufeff1')], ['keep/empty', Buffer.from('')]]) {
      await put(name, value, { metadata: METADATA });
      await go(editHash(name));
      await choose('After');
      await click('Save');
      await said('Saved');
      const is = await stored(name);
      assert.deepEqual([is.body, is.metadata], [value, METADATA], name);
      assert.ok(Math.abs(is.expiration - Date.now() / 1000 - DAY) < 60, name);
    }
    await go(editHash('keep/bytes'));
    await choose('Never');
    await fill('#metadata', '');
    await click('Save');
    await said('Saved');
    const is = await stored('keep/bytes');
    assert.deepEqual([is.body, is.metadata, is.expiration], [binary, 'null', 0]);
  });

  test('lines that end in CR LF do so after a change', async () => {
    await put('crlf', 'one\r\ntwo\r\n');
    await go(editHash('crlf'));
    await fill('textarea.code', 'one\ntwo\nthree\n');
    await click('Save');
    await said('Saved');
    assert.equal((await stored('crlf')).text, 'one\r\ntwo\r\nthree\r\n');
  });

  test('a value too large to be shown keeps its bytes when its expiry is changed', async () => {
    await kv.ctl(['project', 'limit', 'demo', '--value-limit', '1M']);
    await put('large', LARGE);
    await go(keyHash('large'));
    assert.match(await page.run(() => document.querySelector('main').textContent), /300 KiB are too much to show here/);
    await click('Edit');
    await waitHeading('Edit large');
    await choose('After');
    await click('Save');
    await said('Saved');
    const is = await stored('large');
    assert.ok(is.body.equals(LARGE) && is.expiration > 0);
  });

  test('what is no JSON, too long or half said is not sent, and said where it is wrong', async () => {
    await put('checked', '{"a":1}', { metadata: METADATA });
    await go(editHash('checked'));
    const problem = () => page.run(() => [document.querySelector('.problem')?.textContent, document.activeElement.getAttribute('aria-invalid')]);
    await fill('textarea.code', '{"a":1,\n "b":01}');
    await click('Save');
    assert.deepEqual(await problem(), ['This is not JSON: see line 2, column 7, at "1}".', 'true']);
    await fill('textarea.code', '[ ]');
    await fill('#metadata', '{');
    await click('Save');
    assert.match((await problem())[0], /^This is not JSON/);
    await fill('#metadata', JSON.stringify('x'.repeat(1023)));
    await click('Save');
    assert.match((await problem())[0], /at most 1,024 bytes; this has 1,025/);
    await fill('#metadata', '1');
    await choose('At');
    await click('Save');
    assert.equal((await problem())[0], 'Say when it expires.');
    assert.equal((await stored('checked')).text, '{"a":1}');
    await choose('Never');
    await click('Save');
    await said('Saved');
    assert.deepEqual({ ...await stored('checked'), body: 0 }, { text: '[ ]', body: 0, expiration: 0, metadata: '1' });
  });

  test('a new key is made only where there is none', async () => {
    await go(`${home}/new?prefix=made/`);
    await fill('#name', '');
    await click('Create');
    assert.match(await page.run(() => document.querySelector('.problem').textContent), /at least one byte/);
    await fill('#name', 'ж'.repeat(257));
    await click('Create');
    assert.match(await page.run(() => document.querySelector('.problem').textContent), /at most 512 bytes; this has 514/);
    await fill('#name', 'made/😀 #?%2F');
    await fill('textarea.code', '{"made":true}');
    await fill('#metadata', '{"n":1}');
    await click('Create');
    await said('Created');
    assert.deepEqual({ ...await stored('made/😀 #?%2F'), body: 0 }, { text: '{"made":true}', body: 0, expiration: 0, metadata: '{"n":1}' });
    await go(`${home}/new`);
    await fill('#name', 'made/😀 #?%2F');
    await fill('textarea.code', '"mine"');
    await click('Create');
    await page.until('it is there already', () => document.querySelector('.conflict h2')?.textContent === 'This key is there already');
    await click('Keep what is stored');
    await waitHeading('made/😀 #?%2F');
    assert.equal((await stored('made/😀 #?%2F')).text, '{"made":true}');
  });

  test('what somebody else wrote meanwhile is shown, and never overwritten unasked', async () => {
    const conflict = async (theirs) => {
      await put('both', '{"v":"base"}', { metadata: METADATA });
      await go('#/');
      await go(editHash('both'));
      await waitHeading('Edit both');
      if (theirs === null) expectResult(await rest.ask('DELETE', '/values/both'));
      else await rest.put('both', theirs);
      await fill('textarea.code', '{"v":"mine"}');
      await click('Save');
      await page.until('both are shown', () => document.querySelector('.conflict h2') === document.activeElement);
      assert.equal((await stored('both'))?.text, theirs ?? undefined, 'nothing is written yet');
    };
    const shown = () => page.run(() => [...document.querySelectorAll('.conflict pre')].map((one) => one.textContent));

    await conflict('"theirs"');
    assert.deepEqual(await shown(), ['"theirs"', '{\n  "v": "mine"\n}']);
    await click('Keep what is stored');
    await waitHeading('both');
    assert.equal((await stored('both')).text, '"theirs"');

    await conflict('"theirs"');
    await rest.put('both', '"theirs again"');
    await click('Write mine over it');
    await page.until('once more', () => document.querySelector('.conflict pre')?.textContent === '"theirs again"');
    await click('Write mine over it');
    await said('Saved');
    assert.deepEqual([(await stored('both')).text, (await stored('both')).metadata], ['{"v":"mine"}', METADATA]);

    await conflict('"theirs"');
    await click('Go on editing mine');
    await fill('textarea.code', '{"v":"merged"}');
    await click('Save');
    await said('Saved');
    assert.equal((await stored('both')).text, '{"v":"merged"}');

    await conflict(null);
    assert.equal(await page.run(() => document.querySelector('.conflict h2').textContent), 'This key was deleted meanwhile');
    await click('Write mine as a new key');
    await said('Saved');
    assert.equal((await stored('both')).text, '{"v":"mine"}');
  });

  test('what was typed is there again when one comes back to it, and gone with the key', async () => {
    await put('draft', '"stored"');
    await go(editHash('draft'));
    await fill('textarea.code', '"typed"');
    await go(`${home}/keys`);
    await page.run(() => history.back());
    await waitHeading('Edit draft');
    assert.equal(await page.run(() => document.querySelector('textarea.code').value), '"typed"');
    await click('Sign out');
    await page.until('a key is asked for', () => document.querySelector('#key') !== null);
    await enterKey(kv.apiKey);
    await waitHeading('demo');
    await go(editHash('draft'));
    assert.equal(await page.run(() => document.querySelector('textarea.code').value), '"stored"');
  });

  test('a key is deleted after a question that names it, and only as it was seen', async () => {
    await put('gone', '1');
    await go(keyHash('gone'));
    await page.run(() => document.querySelector('#delete').focus());
    await page.press('Enter');
    await page.until('it asks', () => document.querySelector('dialog')?.open);
    assert.match(await page.run(() => document.querySelector('dialog').textContent), /gone of project demo/);
    assert.equal(await page.run(() => document.activeElement.textContent), 'Cancel');
    await page.press('Escape');
    await page.until('the focus is back', () => document.activeElement.id === 'delete' && !document.querySelector('dialog'));
    assert.equal((await stored('gone')).text, '1');
    await rest.put('gone', '2');
    const yes = async () => {
      await page.run(() => document.querySelector('#delete').click());
      await page.run(() => document.querySelector('dialog button.danger').click());
    };
    await yes();
    await said('Not deleted: it was changed meanwhile');
    assert.equal((await stored('gone')).text, '2');
    assert.equal(await page.run(() => document.querySelector('pre.value').textContent), '2');
    await yes();
    await said('Deleted: gone');
    assert.equal(await stored('gone'), null);
  });

  test('with a key that may only read nothing can be changed, and it says why', async () => {
    await put('looked at', '1');
    await signIn(reader, keyHash('looked at'));
    assert.deepEqual(await page.run(() => [...document.querySelectorAll('#edit, #delete')].map((one) =>
      [one.disabled, document.getElementById(one.getAttribute('aria-describedby'))?.textContent.includes('may only read')])),
    [[true, true], [true, true]]);
    await page.picture('read-only');
    await go(`${home}/new`);
    assert.equal(await page.run(() => document.querySelector('button[type=submit]').disabled), true);
  });
});

// --- hostile keys and values ---

const HOSTILE = ['<img src=x onerror=window.pwned=1>', '"><script>window.pwned=1</script>', "javascript:window.pwned=1//'", '{{7*7}}${7*7}',
  'a\u202egpj.exe', '\u2066\u200b\u200f', 'tab\tline\nend', '\u0001\u001b[31m', 'a/../b', '../up', '%2F', '%252e%252e', 'a//b', '/leading', 'trailing/', '?x=1#y&z',
  '+ +', ' ends ', '😀👨‍👩‍👧', 'مرحبا', '__proto__', 'constructor', 'k'.repeat(512), 'ж'.repeat(256), `${'../'.repeat(9)}admin.js`, `${'../'.repeat(8)}metrics`,
  '#/projects', '\u2028\u2029', '\ufeffbom'];

describe('hostile keys and values', () => {
  test('each is shown, found, opened, changed and deleted, and nothing of it is taken for markup or a path', { timeout: 120_000 }, async () => {
    await signIn(other.apiKey);
    const theirs = await restOf(kv, other);
    for (const name of HOSTILE) await theirs.put(name, JSON.stringify(name));
    await go('#/');
    const hash = `#/projects/${namespaceOf(other)}`;
    await go(`${hash}/keys`);
    const links = await page.run(() => [...document.querySelectorAll('table.keys tbody a')].map((one) => one.getAttribute('href')));
    const found = links.map((href) => new URLSearchParams(href.split('?')[1]).get('name'));
    assert.deepEqual([...found].sort(), [...HOSTILE].sort());
    for (const [i, name] of found.entries()) {
      await page.run((to) => { location.hash = to; }, links[i].replace('/key?', '/edit?'));
      const text = await page.until(`${JSON.stringify(name)} can be changed`, () => location.hash.includes('/edit?') &&
        !document.querySelector('main').hasAttribute('aria-busy') && document.querySelector('textarea.code')?.value);
      assert.equal(text, JSON.stringify(name), JSON.stringify(name));
      await fill('textarea.code', '"changed"');
      await click('Save');
      await page.until('it is shown as it is now', () => document.querySelector('#delete') !== null && !document.querySelector('main').hasAttribute('aria-busy'));
      // Marks are shown by their numbers.
      const shown = (await heading()).replace(/U\+[0-9A-F]{4}/g, (code) => String.fromCodePoint(parseInt(code.slice(2), 16))).replace(/^(space)+|(space)+$/g, ' ');
      assert.deepEqual([shown, await page.run(() => document.querySelector('pre.value').textContent)], [name, '"changed"']);
      const { result } = (await theirs.ask('POST', '/bulk/get', { body: JSON.stringify({ keys: [name] }) })).json;
      assert.equal(new Map(Object.entries(result.values)).get(name), '"changed"', JSON.stringify(name));
      await page.run(() => document.querySelector('#delete').click());
      await page.run(() => document.querySelector('dialog button.danger').click());
      await said('Deleted');
    }
    assert.deepEqual(await theirs.names(), []);
    assert.equal(await page.run(() => window.pwned), undefined);
  });

  test('a mark that turns text around is shown as what it is', async () => {
    const theirs = await restOf(kv, other);
    await theirs.put('a\u202egpj.exe', 'safe \u202etxt.exe');
    await go(`#/projects/${namespaceOf(other)}/key?${new URLSearchParams({ name: 'a\u202egpj.exe' })}`);
    assert.equal(await heading(), 'aU+202Egpj.exe');
    assert.equal(await page.run(() => document.querySelector('pre.value').textContent), 'safe U+202Etxt.exe');
    assert.match(await page.run(() => document.title), /^aU\+202Egpj\.exe/);
  });
});

// --- traffic ---

describe('the plot', () => {
  const table = () => page.run(() => [...document.querySelectorAll('.traffic tbody tr')].map((row) =>
    [...row.querySelectorAll('td')].map((cell) => (cell.textContent === '–' ? null : Number(cell.textContent.replaceAll(',', ''))))));

  test('shows the load that there is, of all and of one project, and no spike when tmakvd starts again', { timeout: 60_000 }, async () => {
    await signIn(admin, `${home}/keys`);
    await click('As a table');
    let going = true, reads = 0, writes = 0;
    const began = Date.now();
    const load = (async () => {
      while (going) {
        const answers = await Promise.all([rest.get('doc'), rest.get('doc'), rest.get('doc'), rest.ask('PUT', '/values/load', { body: '1' })]).catch(() => []);
        reads += answers.slice(0, 3).length;
        writes += answers.slice(3).length;
        await new Promise((resolve) => { setTimeout(resolve, 10); });
      }
    })();
    try {
      await page.until('some rates are there', () => document.querySelectorAll('.traffic tbody tr').length >= 4);
      const seconds = (Date.now() - began) / 1000;
      const real = [reads / seconds, writes / seconds];
      const rates = (await table()).slice(0, -1).filter(([one]) => one !== null);
      const mean = [0, 1].map((i) => rates.reduce((sum, row) => sum + row[i], 0) / rates.length);
      for (const i of [0, 1]) assert.ok(mean[i] > real[i] * 0.5 && mean[i] < real[i] * 1.5, `${mean} of ${real}`);
      const label = await page.run(() => document.querySelector('svg.plot').getAttribute('aria-label'));
      assert.match(label, /Latest, \d\d:\d\d:\d\d: [\d.,]+ reads, [\d.,]+ writes per second\.$/);
      assert.match(await page.run(() => document.querySelector('svg.plot path.reads').getAttribute('d')), /^M.*L/);
      await page.until('how much there is', () => /2,5\d\d keys/.test(document.querySelector('.page-head').textContent));
      await page.picture('plot');

      const most = Math.max(...rates.flat());
      const rows = (await table()).length;
      await kv.kill9Server();
      await page.until('there are rates again', (was) => {
        const cells = [...document.querySelectorAll('.traffic tbody tr')].map((row) => row.querySelector('td').textContent);
        return cells.length > was && cells[0] !== '–' && cells.includes('–');
      }, rows);
      assert.ok(Math.max(...(await table()).flat()) < most * 3, JSON.stringify(await table()));
    } finally {
      going = false;
      await load;
    }
    await go('#/projects');
    await page.until('the total has figures', () => /\d/.test(document.querySelector('.figures strong').textContent));
    assert.match(await page.run(() => document.querySelector('table.projects tbody td').textContent), /^2,5\d\d$/);
  });

  test('asks for nothing while nobody looks', async () => {
    const other = await browser.open('about:blank');
    await page.run(() => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    const asked = page.requests.length;
    await other.run(() => new Promise((resolve) => { setTimeout(resolve, 1500); }));
    assert.deepEqual(page.requests.slice(asked), []);
    await page.run(() => {
      delete document.hidden;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await until('it asks again', () => page.requests.length > asked);
  });

  test('figures of a machine are read as they are written', async () => {
    assert.deepEqual(await page.run(async () => {
      const { parse, ratesOf } = await import('/metrics.js');
      const { roundUp } = await import('/plot.js');
      const families = parse('# HELP a b\n# TYPE a counter\na{x="1, \\"}\\\\",y="\\n"} 3 1700000000\na 4.5e1\nb{} +Inf\r\n\nnonsense{ 1\nc NaN\n');
      const sample = (clock, reads, started = 1) => ({ at: clock, clock, started, all: { reads, writes: 0 } });
      const rates = ratesOf([sample(0, 100), sample(1000, 200), sample(2000, 10), sample(3000, 20), sample(60000, 5000), sample(61000, 9000, 2)],
        (one) => one.all).map((one) => one.reads);
      return [families.get('a'), families.get('b')[0].value === Infinity, families.has('nonsense'), rates, [0, 0.2, 1, 3, 11, 20, 21, 999].map(roundUp)];
    }), [[{ labels: { x: '1, "}\\', y: '\n' }, value: 3 }, { labels: {}, value: 45 }], true, false, [100, null, 10, null, null],
      [1, 1, 1, 5, 20, 20, 50, 1000]]);
  });
});

// --- for everybody ---

/** Of each text its contrast to what is behind it; the worst ones below 4.5 come back. */
function poorContrast() {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
  };
  const poor = [];
  const look = (node, colour, text) => {
    const [a, b] = [light(parse(colour).rgb), light(behind(node))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) poor.push(`${contrast.toFixed(2)} ${node.tagName}.${node.className} ${text.slice(0, 40)}`);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (walk.currentNode.data.trim() === '' || !node.checkVisibility() || node.closest('noscript')) continue;
    const style = getComputedStyle(node);
    look(node, node.closest('svg') ? style.fill : style.color, walk.currentNode.data);
  }
  for (const node of document.querySelectorAll('input:not([type=radio]), textarea, select')) look(node, getComputedStyle(node).color, 'its value');
  return poor;
}

/** What is wrong with the markup for who does not see it. */
function poorMarkup() {
  const wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const levels = all('h1, h2, h3, h4').filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) wrong.push(`h1: ${levels}`);
  levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) wrong.push(`a level is left out: ${levels}`); });
  if (all('main').length !== 1 || all('body > header').length !== 1) wrong.push('landmarks');
  for (const one of all('input, textarea, select')) if (!one.labels.length && !one.ariaLabel) wrong.push(`no label: ${one.outerHTML}`);
  for (const one of all('th')) if (!one.scope) wrong.push('a th without a scope');
  for (const one of all('table')) if (!one.querySelector('thead th')) wrong.push('a table without heads');
  for (const one of all('[aria-describedby], [aria-labelledby]'))
    for (const id of `${one.getAttribute('aria-describedby') ?? ''} ${one.getAttribute('aria-labelledby') ?? ''}`.split(' ').filter(Boolean))
      if (!document.getElementById(id)) wrong.push(`nothing is called ${id}`);
  const ids = all('[id]').map((one) => one.id);
  for (const id of new Set(ids.filter((one, i) => ids.indexOf(one) !== i))) wrong.push(`twice: #${id}`);
  for (const one of all('nav, pre[role=group]')) if (!one.ariaLabel) wrong.push(`no name: ${one.tagName}`);
  const navs = all('nav').map((one) => one.ariaLabel);
  if (new Set(navs).size !== navs.length) wrong.push(`two navs of one name: ${navs}`);
  if (document.documentElement.lang !== 'en' || !document.title) wrong.push('language or title');
  if (!document.querySelector('[role=status][aria-live=polite]')) wrong.push('no live region');
  return wrong;
}

describe('for everybody', () => {
  const INTERACTIVE = ['button', 'link', 'textbox', 'searchbox', 'radio', 'combobox', 'spinbutton', 'checkbox', 'DisclosureTriangle', 'dialog'];
  const VIEWS = [
    ['projects', () => '#/projects'],
    ['keys', () => `${home}/keys`],
    ['keys-page-2', () => `${home}/keys?prefix=n/`, () => click('Next →')],
    ['key', () => keyHash('doc')],
    ['key-bytes', () => keyHash('bytes')],
    ['edit', () => editHash('doc')],
    ['edit-wrong', () => editHash('doc'), async () => { await fill('textarea.code', '{'); await click('Save'); }],
    ['conflict', () => editHash('doc'), async () => {
      await rest.put('doc', '"theirs"');
      await fill('textarea.code', '"mine"');
      await click('Save');
      await page.until('both are shown', () => document.querySelector('.conflict') !== null);
      await put('doc', DOCUMENT, { metadata: METADATA, query: `?expiration=${FAR}` });
    }],
    ['delete', () => keyHash('doc'), () => page.run(() => document.querySelector('#delete').click()), () => page.press('Escape')],
    ['new', () => `${home}/new?prefix=user:`],
    ['missing', () => keyHash('missing')],
    ['nothing', () => `${home}/keys?prefix=none`],
  ];

  async function look(name) {
    for (const scheme of ['dark', 'light']) {
      await page.media({ 'prefers-color-scheme': scheme, 'prefers-reduced-motion': 'reduce' });
      assert.deepEqual(await page.run(poorContrast), [], `${name}, ${scheme}`);
      // Sizes are the same in the dark.
      for (const width of scheme === 'light' || process.env.TMAKV_SCREENSHOTS ? [320, 360, 1440] : []) {
        await page.resize(width);
        const { is, may, who } = await page.run(() => ({ is: document.documentElement.scrollWidth, may: innerWidth,
          who: [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 && one.checkVisibility() &&
            !one.closest('pre, .scroll')).map((one) => `${one.tagName}.${one.className}`) }));
        assert.ok(is <= may && who.length === 0, `${name} at ${width}: ${is} ${who}`);
        if (width !== 320) await page.picture(`${name}-${width}-${scheme}`);
      }
    }
    assert.deepEqual(await page.run(poorMarkup), [], name);
    const nameless = (await page.tree()).filter((node) => INTERACTIVE.includes(node.role) && node.name.trim() === '');
    assert.deepEqual(nameless, [], name);
  }

  test('every view can be read: contrast in both schemes, no scrolling sideways, names and labels', { timeout: 90_000 }, async () => {
    await put('doc', DOCUMENT, { metadata: METADATA, query: `?expiration=${FAR}` });
    await put('bytes', binary);
    await reload();
    await look('sign-in');
    await signIn(admin);
    for (const [name, hash, more, undo] of VIEWS) {
      await go('#/projects');
      await go(hash());
      await more?.();
      await settled();
      await look(name);
      await undo?.();
      // A draft would come back.
      if (name.startsWith('edit') || name === 'conflict') await click('Cancel');
    }
  });

  test('all of it works with the keyboard alone, and the focus is always seen', { timeout: 60_000 }, async () => {
    await put('hands/off', '{"n":1}');
    const focused = () => page.run(() => {
      const one = document.activeElement;
      const style = getComputedStyle(one);
      return { tag: one.tagName, text: one.textContent.trim(), id: one.id, label: one.labels?.[0]?.textContent.trim() ?? '', ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
    });
    const tabTo = async (what) => {
      for (let i = 0; i < 60; i++) {
        await page.press('Tab');
        const one = await focused();
        if (one.tag !== 'BODY') assert.ok(one.ring, `no ring: ${JSON.stringify(one)}`);
        if ([one.text, one.id, one.label].includes(what)) return;
      }
      assert.fail(`no way to ${what}`);
    };
    await reload();
    await page.until('the key has the focus', () => document.activeElement.id === 'key' || (document.querySelector('#key').focus(), false));
    await page.type(admin);
    await page.press('Enter');
    await waitHeading('Projects');
    assert.equal((await focused()).tag, 'H1');
    await tabTo('demo');
    await page.press('Enter');
    await waitHeading('demo');
    assert.equal((await focused()).text, 'demo');
    await tabTo('prefix');
    await page.type('hands/');
    await page.press('Enter');
    await page.until('the focus is at the list', () => document.activeElement.id === 'which-keys');
    await tabTo('hands/off');
    await page.press('Enter');
    await waitHeading('hands/off');
    await tabTo('edit');
    await page.press('Enter');
    await waitHeading('Edit hands/off');
    await tabTo('Value');
    await page.run(() => document.activeElement.select());
    await page.type('{"n":2}');
    await tabTo('Metadata');
    await page.type('{"by":"hand"}');
    await tabTo('Save');
    await page.press('Enter');
    await said('Saved');
    await waitHeading('hands/off');
    assert.deepEqual([(await stored('hands/off')).text, (await stored('hands/off')).metadata], ['{"n":2}', '{"by":"hand"}']);
    await tabTo('delete');
    await page.press('Enter');
    await page.until('it asks', () => document.querySelector('dialog')?.open);
    await page.press('Tab', { shift: true });
    assert.equal((await focused()).text, 'Delete');
    await page.press('Enter');
    await said('Deleted');
    assert.equal(await stored('hands/off'), null);
    // The first stop of a page leads past what is the same on all of them.
    await page.run(() => { document.activeElement.blur(); scrollTo(0, 0); });
    await reload();
    await page.run(() => document.activeElement.blur());
  });
});

test('nothing went wrong on the way, and no other origin was asked', () => {
  // The browser reports what was refused; those refusals were wanted.
  const wrong = page.complaints.filter((one) => !/^Failed to load resource: the server responded with a status of (401|403|404|412|502|503|504) /.test(one));
  assert.deepEqual(wrong, []);
  // Chromium draws the date field's own picture.
  const foreign = page.requests.filter((url) => !url.startsWith(`${kv.operator}/`) && !/^(about:|blob:http:\/\/127\.|data:image\/svg\+xml)/.test(url));
  assert.deepEqual(foreign, []);
});
