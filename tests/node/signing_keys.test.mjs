// Signing keys that follow each other, and keys of a project's own: not one good token is refused meanwhile, by our
// own server or by a back end that checks tokens with jose and keeps what it fetched; and a stolen key ends at once.
//
// The server's clock and this program's move together; a kill -9 of the server falls into every state.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { requireUser } from '@tma.sh/sdk/server';
import { Hono } from 'hono';
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose';
import { expectError, start, until } from './lib.mjs';

const PUBLISH = 16 * 60, GRACE = 10 * 60, DAY = 86400, STEP = 100;

const RealDate = Date;
let ahead = 0;
globalThis.Date = class extends RealDate {
  constructor(...args) { super(...(args.length ? args : [RealDate.now() + ahead * 1000])); }
  static now() { return RealDate.now() + ahead * 1000; }
};

let kv, other;
before(async () => {
  kv = await start({ workers: 2 }, { clock: true });
  other = await kv.makeProject('other');
  await kv.ask('PUT', '/kv/mine', { body: '1' });
  await kv.ask('PUT', '/kv/mine', { body: '1', as: other.apiKey });
});
after(() => kv?.stop());

/** All clocks SECONDS further. */
function pass(seconds) {
  ahead += seconds;
  kv.setClock(ahead);
}

const globalPath = '/.well-known/jwks.json';
const ownPath = (project = kv.projectId) => `/p/${project}${globalPath}`;
const published = async (path) => (await kv.ask('GET', path, { as: null })).json.keys.map((key) => key.kid).sort();
const kidOf = (token) => decodeProtectedHeader(token).kid;
const ctl = async (...args) => JSON.parse(await kv.ctl([...args, '--json']));
const keys = async (...args) => (await ctl('signing-key', 'list', ...args)).keys;
const inState = async (state, ...args) => (await keys(...args)).filter((key) => key.state === state).map((key) => key.kid);
const isGood = async (token) => assert.equal((await kv.ask('GET', '/kv/mine', { as: token })).data, '1');
const isRefused = async (token, code = 'invalid_token') =>
  expectError(await kv.ask('GET', '/kv/mine', { as: token }), 401, code);

let users = 1000;
const signIn = (project = kv) => kv.signIn({ id: ++users, first_name: 'U' }, project);

/**
 * A back end that does no more than it must: it keeps the keys for 10 minutes, does not ask again when it meets an
 * unknown one, and an HTTP cache before it keeps them for as long as max-age allows.
 */
function backEnd(path) {
  let kept;
  const fetchKept = async (url, options) => {
    if (!kept || Date.now() - kept.at >= kept.maxAge * 1000) {
      const answer = await fetch(url, options);
      kept = { at: Date.now(), text: await answer.text(), status: answer.status,
        maxAge: Number(/max-age=(\d+)/.exec(answer.headers.get('cache-control'))[1]) };
    }
    return new Response(kept.text, { status: kept.status });
  };
  const set = createRemoteJWKSet(new URL(kv.url + path), { cooldownDuration: Infinity, [customFetch]: fetchKept });
  return (token) => jwtVerify(token, set, { algorithms: ['ES256'] });
}

/** Tokens of PROJECT made all the time, and back ends that began at other times; both are checked at each step. */
class Watch {
  constructor(project, path) {
    Object.assign(this, { project, path, tokens: [], backEnds: [] });
  }

  async step() {
    if (this.backEnds.length < 8) this.backEnds.push(backEnd(this.path));
    this.tokens.push(await signIn(this.project));
    // The youngest ones, the oldest ones, and some between.
    const now = Date.now() / 1000;
    this.tokens = this.tokens.filter((token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).exp > now + 5);
    const some = this.tokens.filter((_, i) => i < 3 || i >= this.tokens.length - 3 || i % 7 === 0);
    for (const token of some) {
      await isGood(token);
      for (const check of this.backEnds) await check(token);
    }
  }

  /** For SECONDS, in steps. */
  async run(seconds, step = STEP) {
    for (let t = 0; t < seconds; t += step) {
      pass(Math.min(step, seconds - t));
      await this.step();
    }
  }
}

const killed = async () => {
  await kv.kill9Server();
  await until('the server is back', () => kv.ctl(['status']).then(() => true, () => false));
};

test('B15: a key is published 16 minutes before it signs, and until the tokens of the one before have ended', async () => {
  const watch = new Watch(kv, globalPath);
  const [first] = await published(globalPath);
  await watch.step();
  const made = await ctl('signing-key', 'rotate');
  assert.equal(made.state, 'next');
  assert.deepEqual(await published(globalPath), [first, made.kid].sort());
  assert.deepEqual(await published(ownPath()), [first, made.kid].sort());
  await assert.rejects(kv.ctl(['signing-key', 'rotate']), /published already/);
  await killed();
  // Whoever fetched the old set last has thrown it away by then.
  await watch.run(PUBLISH - 60);
  assert.equal(kidOf(watch.tokens.at(-1)), first);
  await killed();
  await watch.run(120, 60);
  assert.equal(kidOf(watch.tokens.at(-1)), made.kid);
  assert.deepEqual([await inState('current'), await inState('old')], [[made.kid], [first]]);
  await killed();
  await watch.run(2 * STEP);
  // Just before the last of its tokens ends, and when it is needed no more.
  pass(DAY - 500);
  await killed(); // what is due is done when a server starts
  await watch.step();
  assert.ok(watch.tokens.some((token) => kidOf(token) === first), 'none of its tokens is left to look at');
  pass(300 + GRACE);
  await until('the old key is gone', async () => !(await published(globalPath)).includes(first));
  await killed();
  assert.deepEqual(await published(globalPath), [made.kid]);
  await watch.step();
});

test('keys follow each other by age, whatever the clock did meanwhile', async () => {
  const [before] = await inState('current');
  pass(91 * DAY);
  await until('there is a next one', async () => (await inState('next')).length === 1);
  const [next] = await inState('next');
  assert.equal(kidOf(await signIn()), before);
  await killed();
  pass(-3600);
  assert.equal(kidOf(await signIn()), before);
  pass(3600 + PUBLISH);
  const token = await signIn();
  assert.equal(kidOf(token), next);
  // Back before its turn: the one before signs again, and its own tokens are good all the same.
  pass(-PUBLISH - 60);
  assert.equal(kidOf(await signIn()), before);
  pass(PUBLISH + 120);
  await isGood(token);
  assert.equal((await keys()).length, 2);
});

test('B15: a stolen key is changed at once, and what it signed is refused at once', async () => {
  const [stolen] = await inState('current');
  const bad = await signIn();
  await Promise.all(Array.from({ length: 20 }, () => isGood(bad)));
  await assert.rejects(kv.ctl(['signing-key', 'remove', '--', 'nobody']), /no signing key/);
  const { initData, projectId } = kv;
  const same = { body: JSON.stringify({ initData: initData({ id: 77, first_name: 'Eve' }, { authDate: Math.floor(Date.now() / 1000) }), projectId }), as: null };
  const answered = (await kv.ask('POST', '/sdk/v1/auth/validate', same)).json.data.jwt;
  const made = await ctl('signing-key', 'rotate', '--at-once');
  assert.equal(made.state, 'current');
  const fresh = await signIn();
  assert.equal(kidOf(fresh), made.kid);
  await isGood(bad); // not yet: its users would notice
  await kv.ctl(['signing-key', 'remove', '--', stolen]);
  await Promise.all(Array.from({ length: 40 }, () => isRefused(bad)));
  await isGood(fresh);
  // The answer that is remembered for a minute was signed by it, too.
  await isRefused(answered);
  const again = (await kv.ask('POST', '/sdk/v1/auth/validate', same)).json.data.jwt;
  assert.equal(kidOf(again), made.kid);
  await isGood(again);
  assert.ok(!(await published(globalPath)).includes(stolen));
  for (const kid of (await keys()).map((key) => key.kid).filter((kid) => kid !== made.kid))
    await kv.ctl(['signing-key', 'remove', '--', kid]);
  await assert.rejects(kv.ctl(['signing-key', 'remove', '--', made.kid]), /no other key can sign/);
  await killed();
  await isRefused(bad);
  await isGood(fresh);
});

/** requireUser of a back end at PATH; answers its status for TOKEN. */
function guard(path) {
  const app = new Hono();
  app.get('/me', requireUser({ jwksUrl: kv.url + path }), (c) => c.text('in'));
  return async (token) => (await app.request('/me', { headers: { Authorization: `Bearer ${token}` } })).status;
}

test('a project with keys of its own: nobody is refused on the way there, and then other projects\' tokens are', async () => {
  const watch = new Watch(kv, ownPath());
  for (const name of [kv.projectId, kv.projectId.replaceAll('-', ''), 'demo', '%64emo']) {
    const answer = await kv.ask('GET', ownPath(name), { as: null });
    assert.deepEqual(answer.json.keys.map((key) => key.kid), await published(globalPath));
    assert.equal(answer.headers['cache-control'], 'public, max-age=300');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
  }
  const shared = await published(globalPath);
  await watch.step();
  const { signing } = await ctl('project', 'signing', 'demo', 'own');
  assert.equal(signing.keys, 'own');
  const [own] = await inState('current', '--project', 'demo');
  assert.deepEqual(await published(ownPath()), [...shared, own].sort());
  assert.deepEqual(await published(globalPath), shared);
  assert.deepEqual(await published(ownPath('other')), shared);
  await killed();
  await watch.run(PUBLISH - 60);
  assert.ok(shared.includes(kidOf(watch.tokens.at(-1))));
  await watch.run(120, 60);
  const token = watch.tokens.at(-1);
  assert.equal(kidOf(token), own);
  await killed();
  await watch.run(2 * STEP);
  // To a back end that knows the keys of all, it is nothing; and another project's stays what it is.
  assert.equal(await guard(globalPath)(token), 401);
  const foreign = await signIn(other);
  assert.equal(await guard(globalPath)(foreign), 200);
  pass(DAY - 500);
  await killed();
  await watch.step();
  pass(500 + GRACE);
  await watch.step();
  await killed();
  assert.deepEqual(await published(ownPath()), [own]);
  const [mine, theirs] = [await signIn(), await signIn(other)];
  assert.equal(await guard(ownPath())(mine), 200);
  assert.equal(await guard(ownPath())(theirs), 401);
  assert.equal(await guard(ownPath('other'))(theirs), 200);
  await isGood(mine);
  await isGood(theirs);
  assert.deepEqual(await published(globalPath), shared);
});

test('its own keys are rotated like those of all', async () => {
  const watch = new Watch(kv, ownPath());
  const [before] = await published(ownPath());
  await watch.step();
  const made = await ctl('signing-key', 'rotate', '--project', 'demo');
  assert.deepEqual(await published(ownPath()), [before, made.kid].sort());
  await watch.run(PUBLISH + 60, 60);
  assert.equal(kidOf(watch.tokens.at(-1)), made.kid);
  await assert.rejects(kv.ctl(['signing-key', 'rotate', '--project', 'other']), /no keys of its own/);
});

test('and back to those of all, without a refused token either', async () => {
  const watch = new Watch(kv, ownPath());
  const shared = await published(globalPath);
  await watch.step();
  await ctl('project', 'signing', 'demo', 'shared');
  const own = (await keys('--project', 'demo')).map((key) => key.kid);
  assert.deepEqual(await published(ownPath()), [...shared, ...own].sort());
  await killed();
  await watch.run(PUBLISH - 60);
  assert.ok(own.includes(kidOf(watch.tokens.at(-1))));
  await watch.run(120, 60);
  assert.ok(shared.includes(kidOf(watch.tokens.at(-1))));
  pass(DAY - 500);
  await killed();
  await watch.step();
  assert.ok(watch.tokens.some((token) => own.includes(kidOf(token))), 'none of its tokens is left to look at');
  pass(500 + GRACE);
  await until('its own keys are gone', async () => (await keys('--project', 'demo')).length === 0);
  assert.deepEqual(await published(ownPath()), await published(globalPath));
  await watch.step();
});

test('a change of mind within the 16 minutes leaves nothing behind', async () => {
  await ctl('project', 'signing', 'demo', 'own');
  await ctl('project', 'signing', 'demo', 'shared');
  await until('the key is gone', async () => (await keys('--project', 'demo')).length === 0);
  assert.deepEqual(await published(ownPath()), await published(globalPath));
});

test('there are no keys of a project that is disabled, deleted or unknown; and a deleted one\'s are gone', async () => {
  for (const name of ['nobody', 'x'.repeat(600), '00000000-0000-4000-8000-000000000000'])
    expectError(await kv.ask('GET', ownPath(name), { as: null }), 403, 'project_unavailable');
  await kv.ctl(['project', 'disable', 'other']);
  expectError(await kv.ask('GET', ownPath('other'), { as: null }), 403, 'project_unavailable');
  await kv.ctl(['project', 'enable', 'other']);
  await ctl('project', 'signing', 'other', 'own');
  assert.equal((await keys('--project', 'other')).length, 1);
  const n = (await keys()).length;
  await kv.ctl(['project', 'delete', 'other', '--yes']);
  expectError(await kv.ask('GET', ownPath('other'), { as: null }), 403, 'project_unavailable');
  await until('its key is gone', async () => (await keys()).length === n - 1);
});
