// What the README tells people to paste is pasted here: each client's three lines, with this server's address.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createTMA } from '@tma.sh/sdk';
import Cloudflare from 'cloudflare';
import { createStorage } from 'unstorage';
import cloudflareKVHTTPDriver from 'unstorage/drivers/cloudflare-kv-http';
import { source, start } from './lib.mjs';

const readme = readFileSync(join(source, 'README.md'), 'utf8');
const between = (from, to) => readme.slice(readme.indexOf(from), readme.indexOf(to));
const section = between('## On your server', '## Limits');
const atomic = between('## Two players', '## On your server');
const rules = between('## Who may do what', '## Two players');
let kv, account_id;
before(async () => {
  kv = await start();
  await kv.ctl(['project', 'rename', 'demo', 'my-app']);
  account_id = JSON.parse(await kv.ctl(['status', '--json'])).account_id;
});
after(() => kv?.stop());

const here = (text) => text.replaceAll('https://kv.example.com', kv.url);

const blocks = (text, language) => [...text.matchAll(new RegExp('```' + language + '\\n([^]*?)```', 'g'))].map((match) => match[1]);
async function runCode(code, scope) {
  const AsyncFunction = (async () => {}).constructor;
  await new AsyncFunction(...Object.keys(scope), here(code))(...Object.values(scope));
}

/** The block of JavaScript that mentions WORD, run with what is in scope there. */
async function run(word, scope) {
  const code = blocks(section, 'js').find((text) => text.includes(word));
  assert.ok(code, `the README has no JavaScript with ${word}`);
  await runCode(code, scope);
}

test('the lines for npm cloudflare write a key and list it', async () => {
  const said = [];
  await run('new Cloudflare', { Cloudflare, API_KEY: kv.apiKey, account_id, console: { log: (text) => said.push(text) } });
  assert.deepEqual(said, ['score:4242']);
  assert.equal((await kv.ask('GET', '/kv/score:4242')).data, '{"points":42}');
});

test('the lines for unstorage write a value', async () => {
  await kv.ask('DELETE', '/kv/score:4242');
  await run('createStorage', { createStorage, cloudflareKVHTTPDriver, API_KEY: kv.apiKey, accountId: account_id });
  assert.equal((await kv.ask('GET', '/kv/score:4242')).data, '{"points":42}');
});

test('the lines for curl write a key and list it', async () => {
  const lines = section.slice(section.indexOf('And `curl`:')).match(/(?:\n {4}.*)+/)[0].replaceAll('\n    ', '\n');
  await kv.ask('DELETE', '/kv/score:4242');
  const { stdout } = await promisify(execFile)('sh', ['-euc', here(lines)],
    { env: { ...process.env, ACCOUNT: account_id, API_KEY: kv.apiKey } });
  assert.match(stdout, /"result":\[\{"name":"score:4242","expiration":\d+\}\]/);
  assert.equal((await kv.ask('GET', '/kv/score:4242')).data, '{"points":42}');
});

test('the leaderboard puts a score in and tells the place', async () => {
  const said = [];
  const [change, board] = blocks(atomic, 'js');
  const tma = createTMA({ apiUrl: kv.url });
  const { user, jwt } = await tma.auth.validate(kv.initData(), 'my-app');
  const scope = { user, jwt, tma, console: { log: (text) => said.push(text) } };
  await kv.ask('PUT', '/kv/leaderboard:global', { body: '[{"userId":1,"name":"Best","score":500},{"userId":2,"name":"Third","score":3}]' });
  await runCode(change + board + '\nif (board.length !== 3 || board[1].userId !== user.telegramId) throw new Error(JSON.stringify(board));', scope);
  assert.deepEqual(said, ['You are number 2']);
});

test('the example of rules can be set, and grants what its command says', async () => {
  const file = join(kv.dir, 'rules.json');
  writeFileSync(file, blocks(rules, 'json')[0]);
  const [, command, said] = rules.match(/tmakvctl (rules test [^#]*?) +# (.*)/);
  await kv.ctl(['rules', 'set', 'my-app', '--file', file]);
  assert.equal((await kv.ctl(command.split(' '))).trim(), said);
  for (const preset of rules.matchAll(/^\| `([^`]+)` \|/gm)) await kv.ctl(['rules', 'set', 'my-app', '--preset', preset[1]]);
  await kv.ctl(['rules', 'set', 'my-app', '--none']);
});
