// unstorage with its cloudflare-kv-http driver, unchanged but for its apiURL.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createStorage } from 'unstorage';
import driver from 'unstorage/drivers/cloudflare-kv-http';
import { start } from './lib.mjs';
import { binary, namespaceOf, restOf } from './rest.mjs';

let kv, rest, storage, options;
before(async () => {
  kv = await start();
  rest = await restOf(kv);
  options = { accountId: rest.account, namespaceId: namespaceOf(kv), apiURL: kv.url };
  storage = createStorage({ driver: driver({ ...options, apiToken: kv.apiKey }) });
});
after(() => kv?.stop());

test('what is set is got back: texts, objects, numbers', async () => {
  for (const value of ['a text', { deep: [1, { b: null }] }, 7, true, 'x'.repeat(100_000), '😀']) {
    await storage.setItem('a:key', value);
    assert.deepEqual(await storage.getItem('a:key'), value);
  }
  assert.equal((await rest.get('a:key')).text, '😀', 'stored as it is, without an envelope');
});

test('raw bytes are got back', async () => {
  await storage.setItemRaw('raw', binary);
  assert.deepEqual(Buffer.from(await storage.getItemRaw('raw')), binary);
});

test('has tells what is there, with metadata or without', async () => {
  assert.equal(await storage.hasItem('has:it'), false);
  await storage.setItem('has:it', 'v');
  assert.equal(await storage.hasItem('has:it'), true);
  await rest.put('has:raw', 'v');
  assert.equal(await storage.hasItem('has:raw'), true);
});

test('a missing item is null, and removing it is fine', async () => {
  assert.equal(await storage.getItem('never-set'), null);
  await storage.setItem('gone', 'v');
  await storage.removeItem('gone');
  await storage.removeItem('gone');
  assert.equal(await storage.getItem('gone'), null);
});

test('its own meta items come and go', async () => {
  await storage.setItem('told', 'v');
  await storage.setMeta('told', { by: 'me' });
  assert.deepEqual({ ...await storage.getMeta('told') }, { by: 'me' });
  await storage.removeItem('told', { removeMeta: true });
  assert.deepEqual({ ...await storage.getMeta('told') }, {});
});

test('a ttl is kept, and one that is too short is made 60 by the driver', async () => {
  for (const [ttl, is] of [[120, 120], [5, 60]]) {
    const before_it = Math.floor(Date.now() / 1000);
    await storage.setItem('timed', 'v', { ttl });
    const { expiration } = await rest.find('timed');
    assert.ok(expiration >= before_it + is && expiration <= Math.floor(Date.now() / 1000) + is);
  }
});

test('keys are listed below a base, over more than one page, and cleared', async () => {
  const pairs = Array.from({ length: 2500 }, (_, i) => ({ key: `many:${String(i).padStart(4, '0')}`, value: `${i}` }));
  assert.equal((await rest.ask('PUT', '/bulk', { body: JSON.stringify(pairs) })).status, 200);
  await storage.setItem('manyother', 'stays');
  assert.deepEqual((await storage.getKeys('many')).sort(), pairs.map((pair) => pair.key));
  const items = await storage.getItems(['many:0000', 'many:2499', 'many:none']);
  assert.deepEqual(items.map((item) => item.value), [0, 2499, null]);
  await createStorage({ driver: driver({ ...options, apiToken: kv.apiKey, base: 'many' }) }).clear();
  assert.deepEqual(await storage.getKeys('many'), []);
  assert.equal(await storage.getItem('manyother'), 'stays');
});

test('a base of the driver keeps two apart', async () => {
  const [one, two] = ['one', 'two'].map((base) =>
    createStorage({ driver: driver({ ...options, apiToken: kv.apiKey, base }) }));
  await one.setItem('k', 'of one');
  assert.equal(await two.getItem('k'), null);
  assert.deepEqual(await one.getKeys(), ['k']);
  await one.clear();
  assert.equal(await one.getItem('k'), null);
});

test('all of its ways to say a key work', async () => {
  await storage.setItem('k', 'v');
  for (const credentials of [{ userServiceKey: kv.apiKey }, { email: 'me@example.com', apiKey: kv.apiKey }])
    assert.equal(await createStorage({ driver: driver({ ...options, ...credentials }) }).getItem('k'), 'v');
  const stranger = createStorage({ driver: driver({ ...options, apiToken: 'nobody' }) });
  await assert.rejects(stranger.getItem('k'), /401/);
});
