// A condition that the server does not hold must not be taken for one that it held.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './lib.mjs';

let server;
before(async () => { server = await start(); });
after(() => server.stop());

for (const [name, value] of [['If-Match', '"1"'], ['If-None-Match', '*']]) {
  for (const method of ['PUT', 'DELETE']) {
    test(`${method} with ${name} is refused, and the old value stays`, async () => {
      const url = `${server.url}/sdk/v1/kv/conditional`;
      const headers = { Authorization: `Bearer ${server.apiKey}` };
      assert.equal((await fetch(url, { method: 'PUT', headers, body: '"old"' })).status, 200);
      const refused = await fetch(url, {
        method, headers: { ...headers, [name]: value }, body: method === 'PUT' ? '"new"' : undefined,
      });
      assert.equal(refused.status, 400);
      assert.equal((await refused.json()).code, 'bad_request');
      assert.equal((await (await fetch(url, { headers })).json()).data, 'old');
    });
  }
}
