// What the README tells people to paste is pasted here: each client's three lines, with this server's address.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import Cloudflare from 'cloudflare';
import { createStorage } from 'unstorage';
import cloudflareKVHTTPDriver from 'unstorage/drivers/cloudflare-kv-http';
import { source, start } from './lib.mjs';

const readme = readFileSync(join(source, 'README.md'), 'utf8');
const section = readme.slice(readme.indexOf('## On your server'), readme.indexOf('## Limits'));
let kv, account_id;
before(async () => {
  kv = await start();
  await kv.ctl(['project', 'rename', 'demo', 'my-app']);
  account_id = JSON.parse(await kv.ctl(['status', '--json'])).account_id;
});
after(() => kv?.stop());

const here = (text) => text.replaceAll('https://kv.example.com', kv.url);

/** The block of JavaScript that mentions WORD, run with what is in scope there. */
async function run(word, scope) {
  const code = [...section.matchAll(/```js\n([^]*?)```/g)].map((match) => match[1]).find((text) => text.includes(word));
  assert.ok(code, `the README has no JavaScript with ${word}`);
  const AsyncFunction = (async () => {}).constructor;
  await new AsyncFunction(...Object.keys(scope), here(code))(...Object.values(scope));
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
