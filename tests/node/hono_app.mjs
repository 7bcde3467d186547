// hono_app.mjs - a Mini App's back end as people write it: a leaderboard and sessions, with Hono and @tma.sh/sdk/server
// on a Worker's env.KV. hono_kv.test.mjs runs it in workerd.
import { createKV, requireUser } from '@tma.sh/sdk/server';
import { Hono } from 'hono';

const app = new Hono();
const signedIn = requireUser(); // its keys: env.TMA_JWKS

// --- the leaderboard: one key for each player, so that nobody overwrites another ---

app.post('/scores', signedIn, async (c) => {
  const kv = createKV(c.env.KV);
  const { telegramId, firstName } = c.get('user');
  const { points } = await c.req.json();
  const best = await kv.get(`score:${telegramId}`);
  if (best && best.points >= points) return c.json({ best: best.points });
  await kv.set(`score:${telegramId}`, { name: firstName, points });
  return c.json({ best: points });
});

app.get('/scores', async (c) => {
  const kv = createKV(c.env.KV);
  const scores = await Promise.all((await kv.list('score:')).map((key) => kv.get(key)));
  return c.json(scores.sort((a, b) => b.points - a.points).slice(0, 10));
});

app.delete('/scores', signedIn, async (c) => {
  await createKV(c.env.KV).delete(`score:${c.get('user').telegramId}`);
  return c.body(null, 204);
});

// --- sessions that end by themselves ---

app.post('/sessions', signedIn, async (c) => {
  const id = crypto.randomUUID();
  await createKV(c.env.KV).set(`session:${id}`, { user: c.get('user').telegramId, cart: [] }, 3600);
  return c.json({ id }, 201);
});

app.post('/sessions/:id/cart', async (c) => {
  const kv = createKV(c.env.KV);
  const key = `session:${c.req.param('id')}`;
  const session = await kv.get(key);
  if (!session) return c.json({ error: 'no such session' }, 404);
  session.cart.push(await c.req.json());
  await kv.set(key, session, 3600);
  return c.json(session);
});

app.get('/sessions/:id', async (c) => {
  const session = await createKV(c.env.KV).get(`session:${c.req.param('id')}`);
  return session ? c.json(session) : c.json({ error: 'no such session' }, 404);
});

app.onError((error, c) => c.json({ error: error.message }, 500));

export default app;
