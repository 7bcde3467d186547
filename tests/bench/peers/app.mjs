// app.mjs - the key-value API of the SDK door, as people write it with hono. sqlite.mjs serves it with Node.js, and
// miniflare.mjs in workerd; they differ in how the token is checked and in where the values lie.
//
// In doubt it does less than TMA KV: no ETag, no conditions, no rules, no quotas, no write limit.
import { Hono } from 'hono';

const max = { key: 512, value: 131_072, list: 1000 };
const bytesOf = (text) => new TextEncoder().encode(text).length;

/**
 * SIGNED_IN is a middleware that sets `user`. STORE(c) has get(key), put(key, text), delete(key) and
 * list(prefix, limit, cursor); what they answer may be a promise. PROJECT(c) is whose users may come.
 */
export function keyValueApp(signedIn, store, project) {
  const app = new Hono();
  // Values are JSON already: nobody who measures would parse them to print them again.
  const answer = (c, data) => c.body(`{"success":true,"data":${data}}`, 200, { 'Content-Type': 'application/json' });
  const refuse = (c, status, code, error) => c.json({ success: false, error, code }, status);

  app.use('/sdk/v1/kv/*', signedIn, async (c, next) => {
    if (c.get('user').projectId !== project(c)) return refuse(c, 403, 'forbidden', 'a token of another project');
    await next();
  });

  app.get('/sdk/v1/kv', async (c) => {
    const limit = Number(c.req.query('limit') || max.list);
    if (!(limit >= 1 && limit <= max.list)) return refuse(c, 400, 'bad_limit', 'limit is 1 to 1000');
    return answer(c, JSON.stringify(await store(c).list(c.req.query('prefix') ?? '', limit, c.req.query('cursor'))));
  });

  app.get('/sdk/v1/kv/:key{.+}', async (c) => {
    const value = await store(c).get(c.req.param('key'));
    return value == null ? refuse(c, 404, 'key_not_found', 'no such key') : answer(c, value);
  });

  app.put('/sdk/v1/kv/:key{.+}', async (c) => {
    const key = c.req.param('key');
    if (bytesOf(key) > max.key) return refuse(c, 414, 'key_too_long', 'a key has at most 512 bytes');
    if (Number(c.req.header('Content-Length')) > max.value)
      return refuse(c, 413, 'value_too_large', 'a value has at most 131072 bytes');
    const text = await c.req.text();
    try {
      JSON.parse(text);
    } catch {
      return refuse(c, 400, 'bad_json', 'the body is no JSON');
    }
    await store(c).put(key, text);
    return answer(c, 'null');
  });

  app.delete('/sdk/v1/kv/:key{.+}', async (c) => {
    await store(c).delete(c.req.param('key'));
    return answer(c, 'null');
  });

  app.onError((error, c) => {
    console.error(error);
    return refuse(c, 500, 'internal', 'something went wrong here');
  });
  return app;
}
