// The demo's Mini App (conf/miniapp/) in a real browser, through the real SDK: two people, three windows.
// TMAKV_SCREENSHOTS=FOLDER keeps pictures of it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBrowser } from './chromium.mjs';
import { source, start } from './lib.mjs';

const DARK = { bg_color: '#17212b', secondary_bg_color: '#0e1621', section_bg_color: '#17212b', text_color: '#f5f5f5',
  hint_color: '#8a9dae', button_color: '#5ea9e8', button_text_color: '#0b1218', destructive_text_color: '#ff8f87' };
const LIGHT = { bg_color: '#ffffff', secondary_bg_color: '#f0f2f5', section_bg_color: '#ffffff', text_color: '#14171a',
  hint_color: '#65717c', button_color: '#1f79c9', button_text_color: '#ffffff', destructive_text_color: '#c9302c' };
const ADA = { id: 101, first_name: 'Ada' };
const GRACE = { id: 102, first_name: 'Grace' };

let kv, browser, folder;
const windows = [];
before(async () => {
  folder = mkdtempSync('/tmp/tmakv-miniapp.');
  execFileSync(join(source, 'conf/miniapp/page.sh'), [join(folder, 'page'), 'demo'], { stdio: ['ignore', 'ignore', 'inherit'] });
  kv = await start({}, { page: join(folder, 'page') });
  await kv.ctl(['rules', 'set', 'demo', '--file', join(source, 'conf/miniapp/rules.json')]);
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await kv?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The page as Telegram opens it for USER. */
async function open(user, { params = LIGHT, initData = kv.initData(user) } = {}) {
  const fragment = new URLSearchParams({ tgWebAppData: initData, tgWebAppVersion: '8.0', tgWebAppPlatform: 'web',
    tgWebAppThemeParams: JSON.stringify(params) });
  const page = await browser.open(`${kv.url}/demo/#${fragment}`);
  windows.push(page);
  return page;
}
const ready = (page) => page.until('the page is there', () => document.getElementById('app')?.hidden === false);
const reload = async (page) => {
  await page.run(() => { document.body.dataset.old = ''; });
  await page.send('Page.reload');
  await page.until('the page is there again', () => document.body?.dataset.old === undefined && document.getElementById('app')?.hidden === false);
};
const addNote = async (page, text) => {
  await page.run(() => document.getElementById('note').focus());
  await page.type(text);
  await page.press('Enter');
  await page.until(`the note "${text}" is there`, (wanted) => document.querySelector('#notes .note-text')?.firstChild.data === wanted, text);
};
const notes = (page) => page.run(() => [...document.querySelectorAll('#notes .note-text')].map((note) => note.firstChild.data));
const tap = (page, n) => page.run((times) => { for (let i = 0; i < times; i++) document.getElementById('tap').click(); }, n);
const chosen = (page) => page.run(() => [document.querySelector('[name=theme]:checked').value, document.documentElement.dataset.theme]);
const message = (page, text) => page.until(`it says "${text}"`, (wanted) => document.getElementById('message').textContent === wanted, text);
const board = (page) => page.run(() => [...document.querySelectorAll('#board li')].map((line) =>
  [...line.children].filter((part) => !part.classList.contains('avatar')).map((part) => part.textContent)));
const boardIs = (page, wanted) => page.until('the board is right', (text) => JSON.stringify([...document.querySelectorAll('#board li')]
  .map((line) => [line.querySelector('.name').textContent, line.querySelector('.score').textContent])) === text, JSON.stringify(wanted));

describe('the demo Mini App', () => {
  let ada, grace;

  test('signs in with what Telegram puts into the address, and greets by name', async () => {
    ada = await open(ADA);
    await ready(ada);
    assert.equal(await ada.run(() => document.getElementById('hello').textContent), 'Hello, Ada');
    grace = await open(GRACE, { params: DARK });
    await ready(grace);
    assert.deepEqual(await chosen(grace), ['auto', 'dark'], 'as Telegram looks');
    assert.deepEqual(await chosen(ada), ['auto', 'light']);
    assert.equal(await grace.run(() => getComputedStyle(document.body).backgroundColor), 'rgb(14, 22, 33)');
  });

  test('keeps the theme that was chosen, for this person', async () => {
    await ada.run(() => document.querySelector('[name=theme][value=dark]').click());
    await message(ada, 'Theme saved.');
    await reload(ada);
    assert.deepEqual(await chosen(ada), ['dark', 'dark']);
    await reload(grace);
    assert.deepEqual(await chosen(grace), ['auto', 'dark']);
    await ada.run(() => document.querySelector('[name=theme][value=auto]').click());
    await message(ada, 'Theme saved.');
    assert.deepEqual(await chosen(ada), ['auto', 'light']);
  });

  test('keeps notes for their owner alone', async () => {
    await addNote(ada, 'Tickets for Saturday');
    await addNote(ada, '<b>Not bold</b> & "quoted" 😀');
    await addNote(grace, 'Call the harbour');
    assert.deepEqual(await notes(ada), ['<b>Not bold</b> & "quoted" 😀', 'Tickets for Saturday']);
    await reload(ada);
    await reload(grace);
    assert.deepEqual(await notes(ada), ['<b>Not bold</b> & "quoted" 😀', 'Tickets for Saturday']);
    assert.deepEqual(await notes(grace), ['Call the harbour']);
    // Not by the page's good manners: the server refuses.
    const token = await kv.signIn(GRACE);
    for (const path of ['/kv?prefix=user:101:', '/kv'])
      assert.deepEqual((await kv.ask('GET', path, { as: token })).json.data?.keys?.filter((key) => key.name.startsWith('user:101')) ?? [], []);
    const [key] = (await kv.ask('GET', '/kv?prefix=user:101:note:')).json.data.keys;
    assert.equal((await kv.ask('GET', `/kv/${key.name}`, { as: token })).code, 'forbidden_by_rules');
    assert.equal((await kv.ask('DELETE', `/kv/${key.name}`, { as: token })).code, 'forbidden_by_rules');
  });

  test('deletes a note, and leaves the focus where one can go on', async () => {
    await ada.run(() => document.querySelector('#notes button').focus());
    await ada.press('Enter');
    await message(ada, 'Note deleted.');
    assert.deepEqual(await notes(ada), ['Tickets for Saturday']);
    assert.equal(await ada.run(() => document.activeElement.getAttribute('aria-label')), 'Delete the note "Tickets for Saturday"');
  });

  test('counts all taps of two people who tap at the same time, one of them on two devices', async () => {
    const phone = await open(ADA);
    await ready(phone);
    // And a third device of hers, and a player who is always ahead, both as quick as can be.
    const change = (key, operation) => kv.ask('PATCH', `/kv/${key}`, { body: JSON.stringify(operation),
      headers: { 'Content-Type': 'application/vnd.tmakv.op+json' } });
    const ahead = { userId: 103, name: 'Alan' };
    let tapping = true, quick = 0;
    const others = [async () => {
      while (tapping) assert.equal((await change('user:101:taps', { op: 'add', by: 1 })).status, 200, `${++quick}`);
    }, async () => {
      for (let score = 100_000; tapping; score++)
        assert.equal((await change('board:taps', { op: 'rank', entry: { ...ahead, score }, by: 'score', id: 'userId' })).status, 200);
      assert.equal((await change('board:taps', { op: 'rank', entry: { ...ahead, score: 1_000_000 }, by: 'score', id: 'userId' })).status, 200);
    }].map((work) => work());
    for (let round = 0; round < 5; round++) {
      await Promise.all([tap(ada, 10), tap(phone, 7), tap(grace, 12)]);
      const sent = [ada, phone, grace].map((page) => page.until('they are sent', () => !document.getElementById('tap').hasAttribute('data-sending')));
      await Promise.all(sent);
    }
    tapping = false;
    await Promise.all(others);
    // Her line of the board is as new as her last tap.
    await tap(ada, 1);
    const sum = (86 + quick).toLocaleString('en-US');
    const wanted = [['Alan', '1,000,000'], ['Ada (you)', sum], ['Grace', '60']];
    await boardIs(ada, wanted);
    await boardIs(phone, wanted);
    await boardIs(grace, [['Alan', '1,000,000'], ['Ada', sum], ['Grace (you)', '60']]);
    assert.deepEqual(await board(grace), [['1', 'Alan', '1,000,000'], ['2', 'Ada', sum], ['3', 'Grace (you)', '60']]);
    for (const page of [ada, phone, grace]) {
      await page.until('all are counted', (all) => document.getElementById('everyone').textContent === all, (1_000_146 + quick).toLocaleString('en-US'));
      assert.equal(await page.run(() => document.getElementById('players').textContent), '3');
    }
    assert.deepEqual((await kv.ask('GET', '/kv/user:101:taps')).json.data, 86 + quick);
    await reload(ada);
    assert.equal(await ada.run(() => document.getElementById('mine').textContent), sum);
    // Who is overtaken hears of it.
    await tap(grace, 100 + quick);
    await message(ada, 'You are number 3 now.');
  });

  test('can be used with the keyboard, and everything has a name', async () => {
    await ada.run(() => { document.activeElement.blur(); });
    const seen = [];
    for (let i = 0; i < 5; i++) {
      await ada.press('Tab');
      seen.push(await ada.run(() => document.activeElement.id || document.activeElement.name || document.activeElement.textContent || document.activeElement.ariaLabel));
    }
    assert.deepEqual(seen, ['tap', 'note', 'Add', 'Delete the note "Tickets for Saturday"', 'theme']);
    for (const { role, name } of await ada.tree())
      if (['button', 'textbox', 'radio', 'list', 'region', 'group'].includes(role) && role !== 'list')
        assert.notEqual(name, '', `a ${role} without a name`);
  });

  test('says in words what went wrong', async () => {
    // Of another bot: nobody's.
    const forged = await open(ADA, { initData: 'user=%7B%22id%22%3A1%7D&auth_date=1&hash=00' });
    await forged.until('it complains', () => document.getElementById('error')?.hidden === false);
    assert.match(await forged.run(() => document.getElementById('error').textContent), /^You are not signed in any more\. /);
    const bare = await browser.open(`${kv.url}/demo/`);
    await bare.until('it complains', () => document.getElementById('error')?.hidden === false);
    assert.match(await bare.run(() => document.getElementById('error').textContent), /^Open this page from Telegram/);
    assert.deepEqual(bare.complaints, []);
    await bare.resize(360, 400);
    await bare.picture('miniapp-error-360');
    windows.splice(windows.indexOf(forged), 1); // its 401 stands on the console, as browsers will have it
    await addNote(grace, 'Before');
    const heard = grace.complaints.length;
    await kv.stopServer();
    await grace.run(() => document.getElementById('note').focus());
    await grace.type('While it is away');
    await grace.press('Enter');
    await message(grace, 'The server is not answering. Try again in a moment.');
    assert.equal(await grace.run(() => document.getElementById('note').value), 'While it is away', 'nothing typed is lost');
    await ada.until('the board\'s trouble is told', () => !document.getElementById('error').hidden);
    await kv.startServer();
    await ada.until('and its end', () => document.getElementById('error').hidden);
    await grace.press('Enter');
    await message(grace, 'Note saved.');
    // What was answered with 502 stands on the console.
    for (const page of windows) page.complaints = page.complaints.filter((line) => !/502/.test(line));
    assert.ok(heard === 0);
  });

  test('fits from 360 to 1440 pixels, in both themes', async () => {
    for (let i = 0; i < 3; i++) await kv.ask('PATCH', '/kv/board:taps', { headers: { 'Content-Type': 'application/vnd.tmakv.op+json' }, body: JSON.stringify(
      { op: 'rank', entry: { userId: 200 + i, name: ['Tim', 'Barbara with a very long name that does not fit', 'Édouard'][i], score: [1234567, 64, 7][i] }, by: 'score', id: 'userId', limit: 100 }) });
    for (const [name, page] of [['light', ada], ['dark', grace]]) {
      await page.until('the others are there', () => document.querySelectorAll('#board li').length === 6);
      await page.until('nothing is being said', () => document.getElementById('message').textContent === '');
      await page.run(() => { document.activeElement.blur(); });
      for (const width of [360, 768, 1440]) {
        await page.resize(width);
        const { wide, small } = await page.run(() => ({
          wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          small: [...document.querySelectorAll('button, input[type=text], .segments label')]
            .filter((part) => part.getBoundingClientRect().height < 40).map((part) => part.outerHTML),
        }));
        assert.equal(wide, 0, `${name} ${width}: it scrolls sideways`);
        assert.deepEqual(small, [], `${name} ${width}: too small for a finger`);
        await page.picture(`miniapp-${name}-${width}`);
      }
    }
  });

  test('asked nothing of anybody else, and nothing was refused or reported', () => {
    for (const page of windows) {
      assert.deepEqual(page.complaints, []);
      for (const address of page.requests) assert.ok(address.startsWith(kv.url), address);
    }
  });

  test('without the SDK it says what is missing', async () => {
    const alone = join(folder, 'alone');
    cpSync(join(source, 'conf/miniapp'), alone, { recursive: true });
    const { stderr } = spawnSync(join(alone, 'page.sh'), [join(folder, 'bare'), 'demo'], { encoding: 'utf8',
      env: { ...process.env, TMAKV_NODE_DIR: join(folder, 'nothing'), TMAKV_NO_FETCH: 'yes' } });
    assert.match(stderr, /apt-get install npm/);
    copyFileSync(join(folder, 'bare/config.json'), join(kv.dir, 'front/miniapp/config.json'));
    const page = await open(ADA);
    await page.until('it complains', () => document.getElementById('error')?.hidden === false);
    assert.match(await page.run(() => document.getElementById('error').textContent), /^The package @tma\.sh\/sdk is not here\. /);
    assert.deepEqual(page.complaints, []);
  });

  test('its files and its policy are as they should be', async () => {
    const page = await fetch(`${kv.url}/demo/`);
    assert.equal(page.headers.get('content-type'), 'text/html');
    const policy = page.headers.get('content-security-policy');
    assert.match(policy, /^default-src 'none'; /);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal((await fetch(`${kv.url}/demo`)).url, `${kv.url}/demo/`);
    assert.equal((await fetch(`${kv.url}/demo/../tmakv.conf`)).status, 400);
    // The SDK as it was published.
    const sdk = readFileSync(join(source, 'tests/node/node_modules/@tma.sh/sdk/dist/client/index.js'), 'utf8');
    assert.equal(await (await fetch(`${kv.url}/demo/sdk/client/index.js`)).text(), sdk);
  });
});
