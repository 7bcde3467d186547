// sqlite.mjs - the application on Node.js with better-sqlite3; users are signed in with jose.
//
//     node sqlite.mjs SOCKET DATABASE JWKS_FILE PROJECT_ID
//
// One process; for another core another one, with another socket and the same database.
import { readFileSync } from 'node:fs';
import { createAdaptorServer } from '@hono/node-server';
import Database from 'better-sqlite3';
import { createMiddleware } from 'hono/factory';
import { importJWK, jwtVerify } from 'jose';
import { keyValueApp } from './app.mjs';

const [socket, database, jwks, project] = process.argv.slice(2);

// --- who asks ---

// Parsed once, here.
const keys = new Map(await Promise.all(JSON.parse(readFileSync(jwks, 'utf8')).keys
  .map(async (jwk) => [jwk.kid, await importJWK(jwk, 'ES256')])));

const keyOf = ({ kid }) => {
  const key = keys.get(kid);
  if (!key) throw new Error('unknown kid');
  return key;
};

const signedIn = createMiddleware(async (c, next) => {
  const header = c.req.header('Authorization');
  if (!header?.startsWith('Bearer ')) return c.json({ success: false, error: 'no token', code: 'unauthorized' }, 401);
  try {
    const { payload } = await jwtVerify(header.slice(7), keyOf, { algorithms: ['ES256'], audience: project });
    c.set('user', payload);
  } catch {
    return c.json({ success: false, error: 'the token is not valid', code: 'invalid_token' }, 401);
  }
  await next();
});

// --- where the values lie ---

const db = new Database(database);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');		// an fsync of the log before each commit returns
// WITHOUT ROWID was measured: it takes 1.4 times the processor time for a write, twice for a list.
// And without the number of writes SQLite would see that an equal value changes no page, and write nothing at all.
db.exec('CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, writes INTEGER NOT NULL, value TEXT NOT NULL)');

const get = db.prepare('SELECT value FROM kv WHERE key = ?').pluck();
const put = db.prepare(`INSERT INTO kv VALUES (?, 1, ?)
  ON CONFLICT (key) DO UPDATE SET writes = writes + 1, value = excluded.value`);
const remove = db.prepare('DELETE FROM kv WHERE key = ?');
const list = db.prepare('SELECT key FROM kv WHERE key >= ? AND key < ? ORDER BY key LIMIT ?').pluck();

const store = {
  get: (key) => get.get(key),
  put: (key, text) => put.run(key, text),
  delete: (key) => remove.run(key),
  list(prefix, limit, cursor) {
    // Keys are compared by their bytes: nothing lies between a key and itself with a NUL, nothing behind U+10FFFF.
    const names = list.all(cursor ? `${cursor}\0` : prefix, `${prefix}\u{10FFFF}`, limit + 1);
    const whole = names.length <= limit;
    const keys = names.slice(0, limit).map((name) => ({ name }));
    return whole ? { keys, list_complete: true } : { keys, list_complete: false, cursor: keys.at(-1).name };
  },
};

const server = createAdaptorServer({ fetch: keyValueApp(signedIn, () => store, () => project).fetch });
server.keepAliveTimeout = 75_000;		// longer than nginx keeps it: nginx is the one who closes
server.listen({ path: socket, readableAll: true, writableAll: true, backlog: 4096 });

process.on('SIGTERM', () => {
  db.close();
  process.exit(0);
});
