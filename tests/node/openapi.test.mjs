// conf/openapi.yaml is a good OpenAPI 3.1 document, names what the program has, and is what the running server does:
// requests are made from it, good ones and all kinds of others, and every answer has to be one that it describes.
//
//   TMAKV_OPENAPI_SEED   repeats a run; TMAKV_OPENAPI_N is how many requests are made at random behind those that are
//                        made each time (default 2500): 100000 take some minutes
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { source } from './lib.mjs';
import { Document, METHODS } from './openapi.mjs';
import { encode, pathOf, random, setBody, setHeader } from './openapi_mutations.mjs';
import { curlLine, isRead, kv, makeGood, mutationsIn, open, seed, send } from './openapi_world.mjs';
import { multipart, namespaceOf } from './rest.mjs';

const FILE = join(source, 'conf/openapi.yaml');
const n_random = Number(process.env.TMAKV_OPENAPI_N ?? 2500);
const CONNECTIONS = 8;
const text = (file) => readFileSync(join(source, file), 'utf8');
const document = new Document(FILE);
const json = JSON.stringify;

// ---- the document itself ----

test('it is a valid OpenAPI 3.1 document', async () => {
  const found = await new Validator().validate(FILE);
  assert.ok(found.valid, JSON.stringify(found.errors, null, 2));
  assert.match(document.root.openapi, /^3\.1\.\d+$/);
  assert.equal(document.root.info.version, text('configure.ac').match(/AC_INIT\(\[tmakv\], \[([^\]]+)\]/)[1]);
});

test('its operations are the rows of routes.c, and the preflights, and no others', () => {
  const defines = [...text('app/routes.c').matchAll(/^#define (\w+) (.*)$/gm)];
  const defined = Object.fromEntries(defines.map(([, name, what]) => [name, what]));
  const spelled = (path) => path.replace(/\b[A-Z][A-Z0-9]+\b(?![^"]*"(?:[^"]*"[^"]*")*[^"]*$)/g, (name) => spelled(defined[name] ?? name));
  const rows = [];
  for (const table of ['sdk_routes', 'rest_routes']) {
    const [, body] = text('app/routes.c').match(new RegExp(`${table}\\[\\] = \\{\n([^]*?)\n\\};`));
    for (const [, methods, path] of body.matchAll(/^\t\{ (GET_HEAD|METHOD_\w+), +([^,]+?), +RIGHT_/gm))
      for (const method of methods === 'GET_HEAD' ? ['GET', 'HEAD'] : [methods.slice('METHOD_'.length)])
        rows.push(`${method} ${[...spelled(path).matchAll(/"([^"]*)"/g)].map(([, piece]) => piece).join('')}`);
  }
  assert.ok(rows.length > 40, `${rows.length} rows`);
  const preflights = [...new Set(rows.map((row) => row.replace(/^\w+/, 'OPTIONS')))];
  assert.deepEqual(document.operations.map((one) => one.name).sort(), [...rows, ...preflights].sort());
  const ids = document.operations.map((one) => one.operationId);
  assert.equal(new Set(ids).size, ids.length);
});

test('every word of rc.c and every number of rest_error.c is in it, and none more', () => {
  const rows = [...text('app/base/rc.c').matchAll(/\{ (\d+), "(\w+)",/g)].filter(([, status]) => Number(status) >= 400);
  // A name that is taken: only tmakvctl and the REST door can meet that, and the latter has a number for it.
  const words = new Set(rows.map(([, , word]) => word).filter((word) => word !== 'conflict'));
  const { Error: error, RestError: rest } = document.root.components.schemas;
  assert.deepEqual([...error.properties.code.enum].sort(), [...words].sort());
  const table = text('app/doors/rest_error.c');
  const named = Object.fromEntries([...table.matchAll(/(\w+) = (\d+),/g)].map(([, name, number]) => [name, number]));
  const numbers = new Set([...table.matchAll(/\{ \d+, (\w+), "/g)].map(([, number]) => Number(named[number] ?? number)));
  for (const [, number] of text('nginx/tmakv-http.conf').matchAll(/^ +(?:default|\d+) +(\d{4,5});/gm)) numbers.add(Number(number));
  assert.deepEqual(rest.properties.errors.items.properties.code.enum, [...numbers].sort((a, b) => a - b));
});

test('the statuses of its words are those of rc.c', () => {
  const rows = [...text('app/base/rc.c').matchAll(/\{ (\d+), "(\w+)",/g)];
  const statuses = new Map(rows.map(([, status, word]) => [word, status]));
  for (const operation of document.operations.filter((one) => !one.isRest))
    for (const [status, response] of Object.entries(operation.responses)) {
      const words = response.content?.['application/json'].schema.allOf?.[1].properties?.code?.enum ?? [];
      // nginx makes these two by itself, and has no words of their own for the last three.
      for (const word of words)
        if (!['501', '502', '505'].includes(status)) assert.equal(statuses.get(word), status, `${operation.name} ${status} ${word}`);
    }
});

test('its examples are what its schemas say', () => {
  const look = (at, media) => {
    for (const value of 'example' in media ? [media.example] : Object.values(media.examples ?? {}).map((one) => one.value))
      assert.deepEqual(document.validate([...at, 'schema'], value), [], at.join(' '));
  };
  for (const [name, response] of Object.entries(document.root.components.responses))
    for (const [type, media] of Object.entries(response.content ?? {}))
      look(['components', 'responses', name, 'content', type], media);
  for (const operation of document.operations)
    for (const media of operation.bodies)
      for (const example of media.examples) assert.deepEqual(document.validate(media.schemaAt, example), [], operation.name);
  for (const kind of ['parameters', 'headers'])
    for (const [name, one] of Object.entries(document.root.components[kind]))
      if ('example' in one)
        assert.deepEqual(document.validate(['components', kind, name, 'schema'], one.example), [], name);
});

test('a path of /kv is what the path of /sdk/v1/kv is', () => {
  const plain = (item) => JSON.parse(JSON.stringify(item, (name, value) =>
    (['operationId', 'tags'].includes(name) ? undefined : value)));
  for (const path of ['/kv', '/kv/{key}'])
    assert.deepEqual(plain(document.root.paths[path]), plain(document.root.paths[`/sdk/v1${path}`]));
});

// ---- the running server ----

before(open);
after(() => kv?.stop());

// -- judging --

// What another request of this run has written under the key, no document can say.
const hangsOnValue = (answer) => /the stored value is|requested keys corresponds to/.test(answer.body.toString());
const accepts = (request, status) => status < 400 || status === 429 ||
  (status === 404 && (isRead(request.operation) || request.operation.method === 'PATCH') && request.path.key !== 'known') ||
  (status === 412 && request.headers.some(([name]) => /^If-(None-)?Match$/i.test(name)));
const refuses = (status) => status >= 400 && status < 500;

/** The responses of the document that were answered at least once. */
const seen = new Set();
/** What is wrong with ANSWER, as RESPONSE (default: what OPERATION has for its status) has it; nothing: []. */
function check(doc, operation, answer, response = operation.responses[answer.status]) {
  if (response) seen.add(response.at.at(-1));
  return response ? doc.checkResponse(response, answer, operation.method) : doc.check(operation, answer);
}

/** The same, and whether it is right to a request with MUTATIONS. */
function judge(doc, request, mutations, answer) {
  if (answer.status === 0) return ['the connection was closed without an answer'];
  const problems = check(doc, request.operation, answer);
  const allowed = mutations.flatMap((one) => one.allows ?? []);
  if (answer.status >= 500 && !allowed.includes(answer.status)) problems.push(`the status is ${answer.status}`);
  const [only] = mutations;
  const expect = mutations.length === 0 ? 'accepted' : mutations.length === 1 ? only.expect : 'any';
  if (expect === 'accepted' && !accepts(request, answer.status) && !hangsOnValue(answer))
    problems.push(`the document allows it, and the answer is ${answer.status} ${answer.body.toString().slice(0, 200)}`);
  if (expect === 'refused' && !refuses(answer.status) && !allowed.includes(answer.status))
    problems.push(`the document does not allow it, and the answer is ${answer.status} ${answer.body.toString().slice(0, 200)}`);
  return problems;
}

/** Send a request to OPERATION with MUTATIONS; what is wrong with the answer, as a text. Empty: nothing. */
async function attempt(doc, operation, mutations, mySeed) {
  const request = await makeGood(operation, random(mySeed), mutations.some((one) => one.needsKey));
  for (const mutation of [...mutations].sort((a, b) => Boolean(a.isLast) - Boolean(b.isLast))) mutation.change(request);
  const answer = await send(request);
  const problems = judge(doc, request, mutations, answer);
  return problems.length ? { problems, request, answer } : undefined;
}

/** The smallest part of MUTATIONS that has a problem as well, told. */
async function tell(doc, operation, mutations, mySeed, found) {
  for (let i = 0; i < mutations.length && mutations.length > 1;) {
    const fewer = mutations.filter((_, k) => k !== i);
    const again = await attempt(doc, operation, fewer, mySeed);
    if (again) [mutations, found, i] = [fewer, again, 0];
    else i++;
  }
  return `${operation.name}\n  with ${mutations.map((one) => one.what).join(', and ') || 'nothing special'}\n  ${
    found.problems.join('\n  ')}\n  ${curlLine(found.request)}`;
}

/** Do all of WORK (functions), some at once; the first problems that they tell. */
async function doAll(work) {
  const told = [];
  let at = 0;
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (at < work.length && told.length < 20) {
      const problem = await work[at++]();
      if (problem) told.push(problem);
    }
  }));
  return told;
}

/**
 * Every mutation of every operation that WANTED(operation) lets in, each alone. Of preflights and of the short paths,
 * which are the same again, one in four: another one with each seed.
 */
function systematic(doc, wanted = () => true) {
  return doc.operations.filter(wanted).flatMap((operation) => {
    const isSampled = operation.method === 'OPTIONS' || operation.tags.includes('Short paths');
    const mutations = mutationsIn(doc, operation).filter((_, i) => !isSampled || i % 4 === seed % 4);
    return [...[1, 2, 3, 4].map((one) => [operation, [], seed + one]), ...mutations.map((one) => [operation, [one], seed])];
  });
}
const works = (doc, cases) => cases.map(([operation, mutations, mySeed]) => async () => {
  const found = await attempt(doc, operation, mutations, mySeed);
  return found && tell(doc, operation, mutations, mySeed, found);
});
const expectNone = (told) => assert.equal(told.length, 0, `seed ${seed}\n\n${told.join('\n\n')}\n`);

test('each request that can be made from the document has an answer that is in it', async (t) => {
  const cases = systematic(document);
  t.diagnostic(`${cases.length} requests`);
  expectNone(await doAll(works(document, cases)));
});

test('so has each of many that are made at random', async (t) => {
  t.diagnostic(`TMAKV_OPENAPI_SEED=${seed} TMAKV_OPENAPI_N=${n_random}`);
  const rng = random(seed);
  const all = new Map(document.operations.map((operation) =>
    [operation, mutationsIn(document, operation).filter((one) => !one.isHeavy)]));
  const cases = Array.from({ length: n_random }, () => {
    const operation = rng.pick(document.operations);
    const mutations = Array.from({ length: 1 + rng.next(4) }, () => rng.pick(all.get(operation)));
    return [operation, [...new Set(mutations)], rng.next(2 ** 31)];
  });
  expectNone(await doAll(works(document, cases)));
});

test('a method that a path has not is 405 with those that it has, a path that there is not the door\'s own answer', async () => {
  const told = await doAll(document.operations.map((operation) => async () => {
    const lines = [];
    const there = METHODS.filter((method) => operation.item[method]).map((method) => method.toUpperCase());
    const prefix = operation.isRest ? 'Rest' : '';
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'PURGE', 'PROPFIND', 'GETX']) {
      if (there.includes(method)) continue;
      const request = { ...await makeGood(operation, random(seed)), method };
      const answer = await send(request);
      const problems = check(document, { method }, answer, document.response(`${prefix}MethodNotAllowed`));
      if (answer.status !== 405) problems.push(`the status is ${answer.status}`);
      if (answer.headers.allow?.split(', ').sort().join() !== [...there].sort().join()) problems.push(`Allow: ${answer.headers.allow}`);
      if (problems.length) lines.push(`${method} ${operation.path}\n  ${problems.join('\n  ')}`);
    }
    if (operation.method !== 'OPTIONS') {
      const request = await makeGood(operation, random(seed));
      request.rawPath = `/x${pathOf(request)}`.replace('/x/client/v4/', '/client/v4/x/');
      const answer = await send(request);
      const problems = check(document, request, answer, document.response(`${prefix}NoSuchRoute`));
      if (answer.status !== (operation.isRest ? 404 : 400)) problems.push(`the status is ${answer.status}`);
      if (problems.length) lines.push(`${request.method} ${request.rawPath}\n  ${problems.join('\n  ')}`);
    }
    return lines.join('\n');
  }));
  expectNone(told);
});

// -- what is written is what is read --

/** A request to the operation of this id, as the project's server, and changed by CHANGE; its answer, which is in the document. */
async function ask(id, change = () => {}) {
  const operation = document.operations.find((one) => one.operationId === id);
  const request = await makeGood(operation, random(seed), true);
  change(request);
  const answer = await send(request);
  assert.deepEqual(check(document, operation, answer), [], curlLine(request));
  return answer;
}
const expectOk = (answer, why) => assert.equal(answer.status, 200, `${why} ${answer.body}`);

/** A key's life: what was done to it, and after each step whether all ways to look at it agree. */
async function live(rng, prefix) {
  const key = `${prefix}/${rng.pick(['k', '\u00fc', ' ', '%', '.k'])}`;
  let now;	// {text, etag, writes, metadata?}; undefined: it is not there
  let old = '"1"';
  const done = [];
  const why = () => `seed ${seed}, ${key}: ${done.join(', ')}:`;
  const on = (id, change = () => {}) => ask(id, (request) => {
    request.path.key = encode(key);
    change(request);
  });
  const written = (answer, text, metadata) => {
    expectOk(answer, why());
    assert.equal(answer.headers['x-kv-writes'], String(now ? Number(now.writes) + 1 : 1), why());
    assert.ok(BigInt(answer.headers.etag.slice(1, -1)) > BigInt(old.slice(1, -1)), why());
    old = now?.etag ?? old;
    now = { text, etag: answer.headers.etag, writes: answer.headers['x-kv-writes'], metadata };
  };
  const steps = {
    put: async () => {
      const value = json(rng.pick([1, 'x', null, [], { a: [rng.next(9)] }, 'y'.repeat(rng.next(3000))]));
      written(await on(rng.pick(['putValue', 'putValueShort']), (request) => setBody(request, value)), value);
    },
    'put over the version that is there': async () => {
      const answer = await on('putValue', (request) => {
        setBody(request, '[1]');
        setHeader(request, 'If-Match', now?.etag ?? '"1"');
      });
      if (now) written(answer, '[1]');
      else assert.equal(answer.status, 412, why());
    },
    'put over an old version': async () => {
      const answer = await on('putValue', (request) => setHeader(request, 'If-Match', old));
      assert.equal(answer.status, 412, why());
      assert.equal(answer.headers.etag, now?.etag, why());
    },
    'put what is not there': async () => {
      const answer = await on('putValue', (request) => {
        setBody(request, '[]');
        setHeader(request, 'If-None-Match', '*');
      });
      if (now) assert.equal(answer.status, 412, why());
      else written(answer, '[]');
    },
    'put at the REST door': async () => {
      const form = multipart([['value', '{"rest":1}'], ['metadata', '{"m":[1]}']]);
      written(await on('restPut', (request) => setBody(request, form.body, form.headers['Content-Type'])), '{"rest":1}', { m: [1] });
    },
    append: async () => {
      const answer = await on('patchValue', (request) => setBody(request, '{"op":"append","value":7}', 'application/vnd.tmakv.op+json'));
      const list = now ? JSON.parse(now.text) : [];
      if (!Array.isArray(list)) assert.equal(answer.status, 400, why());
      else written(answer, json([...list, 7]), now?.metadata);
    },
    delete: async () => {
      expectOk(await on(rng.pick(['deleteValue', 'restDelete'])), why());
      old = now?.etag ?? old;
      now = undefined;
    },
    'delete an old version': async () =>
      assert.equal((await on('deleteValue', (request) => setHeader(request, 'If-Match', old))).status, 412, why()),
  };
  for (let i = 0; i < 12; i++) {
    const step = rng.pick(Object.keys(steps));
    done.push(step);
    await steps[step]();
    const looks = await Promise.all(['getValue', 'headValueShort', 'restGet', 'restMetadata'].map((id) => on(id)));
    for (const look of looks) {
      assert.equal(look.status, now ? 200 : 404, why());
      if (now) assert.deepEqual([look.headers.etag, look.headers['x-kv-writes']], [now.etag, now.writes], why());
    }
    const list = await ask('listValues', (request) => request.query.push(['prefix', encode(`${prefix}/`)]));
    assert.deepEqual(JSON.parse(list.body).data.keys,
      now ? [{ name: key, ...(now.metadata && { metadata: now.metadata }) }] : [], why());
    if (!now) continue;
    assert.equal(looks[0].body.toString(), `{"success":true,"data":${now.text}}`, why());
    assert.equal(looks[2].body.toString(), now.text, why());
    assert.deepEqual(JSON.parse(looks[3].body).result, now.metadata ?? null, why());
    assert.equal((await on('getValue', (request) => setHeader(request, 'If-None-Match', now.etag))).status, 304, why());
  }
}

test('what is written is what every door reads, with its ETag and its number of writes, until it is deleted', async () => {
  const rng = random(seed);
  const n = Math.max(10, Math.floor(n_random / 500));
  expectNone(await doAll(Array.from({ length: n }, (_, i) => () =>
    live(random(rng.next(2 ** 31)), `life-${i}`))));
});

// -- answers that need a project in a certain state, or no server --

/** Ask until the status is STATUS, twenty times at most. */
async function expectSoon(status, id, change) {
  let answer;
  for (let i = 0; i < 20 && answer?.status !== status; i++) answer = await ask(id, change);
  assert.equal(answer.status, status, `${id} ${answer.body}`);
}

test('answers that need a certain project, or a server that is not there, are in the document as well', async () => {
  const small = await kv.makeProject('small');
  const itsUser = await kv.signIn(undefined, small);
  const as = (token, more = () => {}) => (request) => {
    const its = request.headers.filter(([name]) => name.startsWith('Content-'));
    request.headers = [['Host', 'x'], ['Authorization', `Bearer ${token}`], ...its];
    request.path.namespace = namespaceOf(small);
    request.path.key = 'one';
    more(request);
  };
  await ask('restPut', as(small.apiKey, (request) => setBody(request, Buffer.from([0xff]), 'x/y')));
  await expectSoon(406, 'getValue', as(small.apiKey));
  await kv.ctl(['project', 'limit', 'small', '--write-limit', '1', '--user-rate', '1']);
  for (const id of ['putValue', 'restPut', 'deleteValue', 'restDelete', 'patchValue'])
    await expectSoon(429, id, as(small.apiKey, (request) => {
      if (id !== 'patchValue') return;
      request.path.key = 'patched'; // "one" is no JSON
      setBody(request, '{}', 'application/merge-patch+json');
    }));
  for (const id of ['getValue', 'listValues']) await expectSoon(429, id, as(itsUser));
  await kv.ctl(['project', 'limit', 'small', '--write-limit', '0', '--user-rate', '0', '--max-keys', '1']);
  for (const id of ['putValue', 'restPut', 'patchValue'])
    await expectSoon(507, id, as(small.apiKey, (request) => {
      request.path.key = 'two';
      if (id === 'patchValue') setBody(request, '{}', 'application/merge-patch+json');
    }));
  await kv.ctl(['rules', 'set', 'small', '--preset', 'private']);
  for (const id of ['getValue', 'putValue', 'patchValue', 'deleteValue', 'listValues'])
    await expectSoon(403, id, as(itsUser, (request) => { request.query = id === 'listValues' ? [['prefix', 'user:1:']] : []; }));
  await kv.ctl(['project', 'origins', 'small', '--add', 'https://small.example']);
  const from = (origin) => (request) => { if (origin) request.headers.push(['Origin', origin]); };
  for (const id of ['getValue', 'putValue', 'restGet', 'restPut', 'listValues', 'restList', 'restBulkGet', 'restNamespace'])
    for (const origin of ['https://small.example', undefined, 'https://foreign.example'])
      await ask(id, as(small.apiKey, from(origin)));
  await kv.ctl(['project', 'disable', 'small']);
  for (const id of ['getValue', 'putValue', 'restGet', 'restBulkGet']) await expectSoon(403, id, as(small.apiKey));
  await ask('validate', (request) => setBody(request, json({ initData: 'auth_date=1&hash=0', projectId: 'demo' })));
  // nginx with its limits per address, which are shipped in comments.
  const front = await kv.openFront('limits', (file, text_) => (['tmakv-http.conf', 'tmakv.conf'].includes(file)
    ? text_.replaceAll(/^(\s*)#(limit_req|map |    |\})/gm, '$1$2') : text_));
  for (const id of ['restUser', 'getValue']) {
    const operation = document.operations.find((one) => one.operationId === id);
    const url = pathOf({ operation, path: { key: 'k' }, query: [] });
    let answers = [];
    for (let i = 0; i < 10 && !answers.some((answer) => answer.status === 429); i++)
      answers = await Promise.all(Array.from({ length: 120 }, () => kv.ask('GET', url, { as: null, port: front.port })));
    assert.ok(answers.some((answer) => answer.status === 429), id);
    for (const answer of answers) assert.deepEqual(check(document, operation, answer), [], id);
  }
  await front.end();
  await kv.stopServer();
  for (const operation of document.operations.filter((one) => !/DeleteNamespace|RenameNamespace/.test(one.operationId)))
    await expectSoon(502, operation.operationId);
  await kv.startServer();
  // What only a server in trouble answers: nothing here puts it there. tests/node/errors.test.mjs has some of them.
  const rare = ['Internal', 'Unavailable', 'Timeout'].flatMap((name) => [name, `Rest${name}`]);
  const never = Object.keys(document.root.components.responses).filter((name) => !seen.has(name) && !rare.includes(name));
  assert.deepEqual(never, [], 'documented, and never answered');
});

// -- these tests themselves --

const plants = {
  'a status that is missing': ['getValue', (root) => delete root.paths['/sdk/v1/kv/{key}'].get.responses[404],
    /the status 404 is not documented/],
  'a member of another type': ['restList', (root) => {
    root.components.responses.RestList.content['application/json'].schema.allOf[1].properties.result_info.properties.count.type = 'string';
  }, /count must be string/],
  'a member that is not documented': ['restNamespace', (root) => delete root.components.schemas.Namespace.properties.title,
    /must NOT have additional properties/],
  'a header that is never there': ['deleteValue', (root) => {
    root.components.responses.Deleted.headers.ETag = { $ref: '#/components/headers/ETag' };
  }, /the header etag is missing/],
  'a header that is not documented': ['restGet', (root) => delete root.components.responses.RestValue.headers['X-KV-Writes'],
    /the header x-kv-writes is not documented/],
  'a word that is missing': ['listValues', (root) => {
    const [, { properties }] = root.components.responses.BadList.content['application/json'].schema.allOf;
    properties.code.enum = properties.code.enum.filter((word) => word !== 'bad_limit');
  }, /code must be equal to one of the allowed values/],
  'another Content-Type': ['getKeys', (root) => {
    const { content } = root.components.responses.Keys;
    content['application/jwk-set+json'] = content['application/json'];
    delete content['application/json'];
  }, /the Content-Type application\/json is not documented/],
  'a limit that is too high': ['listValues', (root) => { root.components.parameters.Limit.schema.maximum = 1001; },
    /the document allows it.*bad_limit/],
  'a limit that is too low': ['restNamespaces', (root) => { root.components.parameters.PerPage.schema.maximum = 999; },
    /does not allow it, and the answer is 200/],
};

test('a document that is wrong is found out', async () => {
  for (const [what, [id, plant, problem]] of Object.entries(plants)) {
    const doc = new Document(FILE, plant);
    const told = await doAll(works(doc, systematic(doc, (one) => one.operationId === id)));
    assert.match(told.join('\n'), problem, what);
  }
});
