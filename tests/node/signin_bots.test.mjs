// Projects that know only their bot's id, and so check Telegram's Ed25519 signature instead of the hash; and
// projects with several bots. The key is one of the test's own, for Telegram's is Telegram's.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomInt, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADA, LETTERS, fieldsOf, lines, now, query, secretOf, waysIn } from './initdata.mjs';
import { source, start } from './lib.mjs';

let kv, project, neighbour, signed, validate, isRefused, isAccepted;
const pair = generateKeyPairSync('ed25519');
const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
const BOT = 9_900_000_001, NEIGHBOUR = 9_900_000_002;
const signatureOf = (fields, { bot = BOT, key = pair.privateKey } = {}) =>
  sign(null, Buffer.from(`${bot}:WebAppData\n${lines(fields)}`), key).toString('base64url');
const third = (fields, options) =>
  `${query(fields)}&signature=${signatureOf(fields, options)}&hash=${'0'.repeat(64)}`;
before(async () => {
  kv = await start({}, { clock: true });
  ({ signed, validate, isRefused, isAccepted } = waysIn(kv));
  const make = async (name, bot) => JSON.parse(await kv.ctl(['project', 'create', name, '--bot-id', String(bot),
    '--public-key', publicKey, '--json'])).id;
  project = await make('third', BOT);
  neighbour = await make('neighbour', NEIGHBOUR);
});
after(() => kv?.stop());

test('genuine initData signs in, whatever its hash says', async () => {
  const fields = fieldsOf(ADA);
  await isAccepted(third(fields), ADA, project);
  await isAccepted(third(fields).replace(/&hash=.*/, ''), ADA, project);
});
test('A6: what was signed for another bot, or by another key, is refused', async () => {
  await isRefused(third(fieldsOf(ADA), { bot: NEIGHBOUR }), { project });
  await isRefused(third(fieldsOf(ADA)), { project: neighbour });
  await isRefused(third(fieldsOf(ADA)), {});
  await isRefused(third(fieldsOf(ADA), { key: generateKeyPairSync('ed25519').privateKey }), { project });
});
test('A6: what Telegram really signed is taken by its bot\'s project, and by no other bot\'s or environment\'s', async () => {
  const { vectors } = JSON.parse(readFileSync(join(source, 'tests/data/initdata.json'), 'utf8'));
  const genuine = ['pub-signature-2024-12-07', 'pub-signature-2024-12-06', 'pub-parse-2025-01-08', 'pub-thirdparty-2025-01-08']
    .map((id) => vectors.find((vector) => vector.id === id));
  const make = async (bot, ...more) => JSON.parse(await kv.ctl(['project', 'create', `telegram-${bot}${more.length}`,
    '--bot-id', String(bot), ...more, '--json'])).id;
  const made = {};
  for (const { bot_id } of genuine)
    made[bot_id] ??= { own: await make(bot_id), test: await make(bot_id, '--test'), next: await make(Number(bot_id) + 1) };
  try {
    for (const { id, init_data, bot_id, now: then } of genuine) {
      kv.setClock(then - Math.floor(Date.now() / 1000));
      const user = JSON.parse(new URLSearchParams(init_data).get('user'));
      await isAccepted(init_data, user, made[bot_id].own);
      for (const where of [made[bot_id].test, made[bot_id].next, project, kv.projectId])
        await isRefused(init_data, { project: where });
      await isRefused(init_data.replace(String(user.id), String(user.id + 1)), { project: made[bot_id].own });
      assert.ok(id);
    }
  } finally {
    kv.setClock(0);
  }
});
test('a signature that was changed is refused', async () => {
  const fields = fieldsOf(ADA);
  const good = signatureOf(fields);
  const flip = (c) => (c === 'A' ? 'B' : 'A');
  for (const bad of ['', 'A', flip(good[0]) + good.slice(1), good.slice(0, 50) + flip(good[50]) + good.slice(51),
    good.slice(1), `${good}A`, `${good}==`, `${good}%3D%3D`, good + good,
    'A'.repeat(86), Buffer.from(good, 'base64url').toString('hex'), encodeURIComponent(`${good.slice(0, -1)}+`),
    // The last letter holds four bits that mean nothing: another spelling of the same bytes.
    good.slice(0, -1) + LETTERS[LETTERS.indexOf(good.at(-1)) + 1]])
    await isRefused(`${query(fields)}&signature=${bad}`, { project });
  await isRefused(query(fields), { project });
  await isRefused(`${query({ ...fields, user: JSON.stringify({ ...ADA, id: 8 }) })}&signature=${good}`, { project });
  await isRefused(`${query(fields)}&more=1&signature=${good}`, { project });
  await isRefused(`${query(fields)}&signature=${good}&signature=${good}`, { project });
});
test('a hash, however it was made, does not replace the signature', async () => {
  for (const token of ['', String(BOT), `${BOT}:`, kv.botToken])
    await isRefused(signed(fieldsOf(ADA), secretOf(token)), { project });
});
test('the date and the user are checked as ever', async () => {
  await isRefused(third(fieldsOf(ADA, { auth_date: String(now() - 90_000) })),
    { project, code: 'init_data_expired' });
  await isRefused(third(fieldsOf({ id: 0, first_name: 'A' })), { project });
});

test('several bots lead into one project, each by its own proof, and to one user', async () => {
  const tokens = [1, 2].map((i) => `990000010${i}:bot-${randomInt(1e12)}`);
  const files = tokens.map((token, i) => {
    const file = join(kv.dir, `token${i}`);
    writeFileSync(file, token, { mode: 0o600 });
    return ['--bot-token-file', file];
  }).flat();
  const id = JSON.parse(await kv.ctl(['project', 'create', 'several', ...files, '--bot-id', String(BOT),
    '--public-key', publicKey, '--json'])).id;
  const proofs = [...tokens.map((token) => signed(fieldsOf(ADA), secretOf(token))), third(fieldsOf(ADA))];
  for (const [i, proof] of proofs.entries()) {
    await isAccepted(proof, ADA, id);
    const { jwt } = (await validate(proof, id)).json.data;
    assert.equal(JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')).sub, 'tg_7');
    assert.equal((await kv.ask('PUT', `/kv/from-${i}`, { as: jwt, body: `${i}` })).status, 200);
    assert.equal((await kv.ask('GET', '/kv', { as: jwt })).json.data.keys.length, i + 1);
  }
  await isRefused(signed(fieldsOf(ADA)), { project: id });
  await isRefused(third(fieldsOf(ADA), { bot: NEIGHBOUR }), { project: id });
  // The bots that have a token are not let in by a signature.
  await isRefused(third(fieldsOf(ADA), { bot: 9_900_000_101 }), { project: id });
});
