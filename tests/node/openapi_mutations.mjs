// openapi_mutations.mjs - requests made from the document: good ones, and each with something about it that is at a limit,
// beyond it, or wrong.
//
// A mutation is {what, expect, change(request)}. EXPECT says what the document makes of it: 'accepted', 'refused', or
// 'any' where it cannot know. So a parameter's limits are held in both directions. Others of its members: `isLast`, it
// goes behind all others; `allows`, statuses from 500 that it may have; `isHeavy`, too much to be done at random.
import { isUtf8 } from 'node:buffer';

/** Numbers that SEED repeats: next(n) is one below N, pick(list) one of it. */
export function random(seed) {
  let state = seed >>> 0;
  const next = (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
  return { next, pick: (list) => list[next(list.length)] };
}

/** Percent-encoded as clients do it: BYTES, or a text's UTF-8. */
export const encode = (bytes) => [...Buffer.from(bytes)].map((byte) => (
  /[A-Za-z0-9._~-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte)
    : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`)).join('');

/** A request: {operation, method, version, path: {name: raw text}, query: [[name, raw]], headers: [[name, value]], body}. */
export const pathOf = (request) => {
  const path = request.rawPath ?? request.operation.path.replace(/\{(\w+)\}/g, (_, name) => request.path[name]);
  return path + (request.query.length ? `?${request.query.map(([name, value]) => `${name}=${value}`).join('&')}` : '');
};

const setQuery = (request, name, value) => {
  request.query = [...request.query.filter(([one]) => one !== name), [name, value]];
};
export const setHeader = (request, name, value) => {
  request.headers = request.headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase());
  if (value !== undefined) request.headers.push([name, value]);
};

const BAD_ESCAPES = ['%', '%4', '%zz', '%ff', '%c3', '%ed%a0%80', '%00'];
const CANDIDATES = ['', 'x', 'X', 'id', 'title', 'asc', 'DESC', 'identity', 'gzip', '*', '"1"', 'W/"1"', '"1", "2"', '"', '1',
  '"1" "2"', '*, "1"', "'1'", `${'"1",'.repeat(63)}"1"`, `${'"1",'.repeat(64)}"1"`];

/** The texts at the limits of a parameter's schema and beyond. */
function limitsOf({ schema, name }) {
  const values = [];
  if (schema.type === 'integer') {
    for (const limit of [schema.minimum, schema.maximum])
      if (limit !== undefined) values.push(...[-1n, 0n, 1n].map((more) => String(BigInt(limit) + more)));
    values.push('x', '1.5', '-1', '+100', '1e2', '0x64', '100 ', '99999999999999999999', '18446744073709551717', '');
  } else if (schema.maxLength !== undefined) {
    for (const n of [1, schema.maxLength - 1, schema.maxLength, schema.maxLength + 1]) values.push('k'.repeat(n));
    values.push('');
  } else if (name !== 'cursor') {
    values.push(...CANDIDATES);
  }
  return values;
}

/** Mutations of each query and header parameter: its limits, what is of another type, what is no text. */
function ofParameters(document, operation) {
  const list = [];
  for (const parameter of operation.parameters.filter((one) => one.in === 'query')) {
    for (const value of limitsOf(parameter))
      list.push({ what: `${parameter.name}=${value.length > 40 ? `(${value.length} bytes)` : value}`, parameter,
        expect: document.fits(parameter, value) ? 'accepted' : 'refused',
        change: (request) => setQuery(request, parameter.name, encode(value)) });
    for (const raw of BAD_ESCAPES)
      list.push({ what: `${parameter.name}=${raw}`, parameter,
        expect: raw === '%00' && parameter.name === 'prefix' ? 'any' : 'refused',
        change: (request) => setQuery(request, parameter.name, raw) });
    list.push({ what: `${parameter.name} twice`, parameter, expect: 'any', change: (request) => {
      request.query = [...request.query, [parameter.name, '1'], [parameter.name, 'x']];
    } });
  }
  for (const parameter of operation.parameters.filter((one) => one.in === 'header'))
    for (const value of limitsOf(parameter))
      list.push({ what: `${parameter.name}: ${value.slice(0, 40)}`, parameter,
        expect: value === '' ? 'any' : document.fits(parameter, value) ? 'accepted' : 'refused',
        change: (request) => setHeader(request, parameter.name, value) });
  return list;
}

/** A key's bytes as they may be, by the schema and in bytes. */
function isKey(document, bytes) {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) && bytes.length <= 512 &&
    document.validate(['components', 'schemas', 'Key'], text).length === 0;
}

/** A few bytes of any kind; most of them are no UTF-8. */
const anyBytes = (rng, n) => Buffer.from(Array.from({ length: n }, () => rng.next(256)));
/** Characters of any length in UTF-8. */
const anyText = (rng, n) => Array.from({ length: n }, () =>
  String.fromCodePoint(1 + rng.next(rng.pick([0x7e, 0x7fe, 0xd7fe, 0xd7fe]))) + (rng.next(9) ? '' : '\u{1f600}')).join('');

/** Mutations of {key}. */
function ofKeys(document, rng) {
  const keys = ['k', 'k'.repeat(511), 'k'.repeat(512), 'k'.repeat(513), '\u00fc'.repeat(256), `${'\u00fc'.repeat(256)}x`,
    '\u{1f600}'.repeat(128), '\u{1f600}'.repeat(129), '', '.', '..', '...', './..', 'a/b', '/', '//', 'a//b', 'a/../b', '..a', 'a b', 'a+b',
    '#', '?', '%', '%41', '"', '\\', '\t', '\r\n', '\x7f', '\x01', '\0', 'a\0b', '\ufeff', '\ufffd', '\u2028', 'key:7', '~', 'bulk', 'null']
    .map((text) => Buffer.from(text));
  for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xfe]])
    keys.push(Buffer.from(bytes));
  for (let i = 0; i < 8; i++)
    keys.push(anyBytes(rng, 1 + rng.next(4)), Buffer.from(anyText(rng, 1 + rng.next(250))));
  return [
    ...keys.map((bytes) => ({ what: `key ${JSON.stringify(bytes.toString('latin1').slice(0, 20))} of ${bytes.length} bytes`,
      expect: isKey(document, bytes) ? 'accepted' : 'refused', isKey: true,
      change: (request) => { request.path.key = encode(bytes).replaceAll('.', '%2E'); } })),
    ...['a/b', 'a//b', 'a/../b', '../b', 'a/.', 'a+b', 'a:b@c', "a'b", 'a;b=1', '(a)', 'k/'].map((raw) => ({ what: `the key as ${raw}`,
      expect: 'accepted', isKey: true, change: (request) => { request.path.key = raw; } })),
    ...['%', '%4', 'a%zz', '.', '..', '', '#', 'a#b', '%00'].map((raw) => ({ what: `the key as ${raw}`, expect: 'refused', isKey: true,
      change: (request) => { request.path.key = raw; } })),
    ...['../../../../x', '\x80\xff', 'a b', '%2e%2e%2f%2e%2e', '//', '\\', '{key}', '"', '<>', '\x7f', '\x01'].map((raw) => ({
      what: `the key as ${JSON.stringify(raw)}`, expect: 'any', isKey: true, change: (request) => { request.path.key = raw; } })),
  ];
}

// ---- mutations of a body ----

const DEEP = 600;	// more than any door takes
const typeOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
const OTHERS = [null, true, 0, -1, 1.5, '', 'x', 'k'.repeat(513), [], [1], {}, { a: 1 }];

/** The ways to each node of VALUE. */
function waysOf(value, way = []) {
  const inner = value && typeof value === 'object' ? Object.keys(value) : [];
  return [way, ...inner.flatMap((name) => waysOf(value[name], [...way, name]))];
}

/** A copy of VALUE with what CHANGE(parent, name) does to the node at WAY. */
function changed(value, way, change) {
  const root = structuredClone([value]);
  const steps = ['0', ...way];
  const name = steps.pop();
  change(steps.reduce((inner, step) => inner[step], root), name);
  return root[0];
}

/** VALUE with something else about it: other types, members that are missing or new, elements twice. */
function* variantsOf(value) {
  for (const way of waysOf(value)) {
    const there = way.reduce((inner, step) => inner[step], value);
    for (const other of OTHERS)
      if (typeOf(other) !== typeOf(there) || other !== there)
        yield { what: `${way.join('.') || 'the body'} ${JSON.stringify(other).slice(0, 20)}`, way,
          value: changed(value, way, (parent, name) => { parent[name] = other; }) };
    if (way.length)
      yield { what: `without ${way.join('.')}`, way, value: changed(value, way, (parent, name) => {
        if (Array.isArray(parent)) parent.splice(Number(name), 1);
        else delete parent[name];
      }) };
    if (typeOf(there) === 'object')
      yield { what: `${way.join('.') || 'the body'} with one more member`, way,
        value: changed(value, way, (parent, name) => { parent[name].unknown = 1; }) };
    if (typeOf(there) === 'array' && there.length)
      yield { what: `${way.join('.') || 'the body'} with an element twice`, way,
        value: changed(value, way, (parent, name) => { parent[name].push(parent[name][0]); }) };
  }
}

const isJson = (text) => {
  try { return JSON.parse(text), true; } catch { return false; }
};

/** Texts that TEXT becomes when it is cut or spoilt. */
function* spoilt(text, rng) {
  for (let i = 0; i < 8; i++) {
    const bytes = Buffer.from(text);
    const at = rng.next(bytes.length);
    yield rng.pick([
      () => Buffer.concat([bytes.subarray(0, at), anyBytes(rng, 1 + rng.next(3)), bytes.subarray(at)]),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + rng.next(3))]),
      () => (bytes.writeUInt8(rng.next(256), at), bytes),
    ])();
  }
  for (const other of ['', ' ', text.slice(0, -1), text.slice(1), `${text}x`, `${text}${text}`, `\ufeff${text}`, `${text}\0`, `'${text}'`,
    text.replace(/[0-9]/, 'NaN'), text.replace(/[0-9]/, '01'), `/**/${text}`, text.replace(/"/, "'"),
    text.replace(/[}\]]$/, ',$&'), text.replace(':', ';'),
    '['.repeat(DEEP) + ']'.repeat(DEEP), '['.repeat(100_000), '"\ud800"', '"\\ud800"', '"\x01"', '1e999', '-', 'nul', '\xff\xfe'])
    yield Buffer.from(other, other.includes('\xff') ? 'latin1' : 'utf8');
}

export const setBody = (request, body, type) => {
  request.body = body;
  setHeader(request, 'Content-Length', body === undefined ? undefined : String(Buffer.byteLength(body)));
  if (type !== undefined) setHeader(request, 'Content-Type', type);
};

/** Mutations of a JSON body: by its schema's judgement, and as a text. CAREFUL(variant): what no schema can say. */
function ofJson(document, operation, media, careful, rng) {
  const list = [];
  const say = (value) => (document.validate(media.schemaAt, value).length ? 'refused' : careful(operation, value));
  for (const example of media.examples) {
    const text = JSON.stringify(example);
    list.push({ what: `the example ${text.slice(0, 60)}`, expect: 'accepted', isBody: true, isExample: true,
      change: (request) => setBody(request, text, media.type) });
    for (const variant of variantsOf(example))
      list.push({ what: `body: ${variant.what}`, expect: say(variant.value), isBody: true,
        change: (request) => setBody(request, JSON.stringify(variant.value), media.type) });
    for (const bytes of spoilt(text, rng)) {
      const deep = bytes.toString().startsWith('['.repeat(DEEP));
      list.push({ what: `body: the text ${JSON.stringify(bytes.toString('latin1').slice(0, 30))}`, isBody: true,
        expect: deep || !isJson(bytes.toString()) || !isUtf8(bytes) ? 'refused' : 'any',
        change: (request) => setBody(request, bytes, media.type) });
    }
  }
  return list;
}

/** Mutations that every operation takes alike: what stands in headers, and how HTTP itself is spoken. */
function ofHttp(operation) {
  const header = (name, value, expect = 'accepted', more = {}) => ({ what: `${name}: ${value.slice(0, 60)}`, expect, ...more,
    change: (request) => request.headers.push([name, value]) });
  const takesBody = operation.bodies.length > 0;
  return [
    header('X-Unknown', 'x'), header('Accept', 'text/html'), header('Accept-Encoding', 'gzip, br'), header('Range', 'bytes=0-0'),
    header('If-Modified-Since', 'Thu, 26 Nov 2026 00:00:00 GMT'), header('If-Unmodified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'),
    header('If-Range', '"1"'), header('Cookie', 'a=b'), header('Origin', 'https://page.example'), header('Origin', '\xff'),
    header('Expect', '100-continue'), header('Connection', 'close'), header('Upgrade', 'h2c'), header('X-HTTP-Method-Override', 'DELETE'),
    header('X-Request-Id', 'mine'), header('X-Forwarded-For', "1.2.3.4'"), header('TMAKV-Door', 'operator'), header('Status', '500'),
    header('Access-Control-Request-Method', 'PUT'), header('TE', 'trailers'), header('Via', '1.1 x'), header('Max-Forwards', '0'),
    header('X_Project_Id', 'other'), header('Te.st', '1', 'any'), header('Expect', 'x', 'any'), header('', 'x', 'refused'),
    header('Host', 'y', 'refused'), header('X-Long', 'x'.repeat(17_000), 'refused'), header('X-Long', 'x'.repeat(15_000)),
    header('X-Nul', 'a\0b', 'refused'), header('X\x01', 'a', 'any'), header('X Y', 'a', 'any'),
    header('Transfer-Encoding', 'gzip', 'refused', { allows: [400, 501] }),
    header('Content-Length', 'x', 'refused'), header('Content-Length', '-1', 'refused'),
    ...['HTTP/1.0', 'HTTP/1.9', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.x'].map((version) => ({ what: version, isHttp: true, allows: [505],
      expect: version === 'HTTP/1.0' ? 'accepted' : version === 'HTTP/1.9' ? 'any' : 'refused',
      change: (request) => { request.version = version; } })),
    { what: 'the absolute form', isLast: true, expect: 'accepted', change: (request) => {
      request.rawPath = `http://kv.example${pathOf({ ...request, query: [] })}`;
    } },
    { what: 'no Host', expect: 'refused', change: (request) => setHeader(request, 'Host', undefined) },
    { what: 'a query that is not documented', expect: 'accepted', change: (request) => request.query.push(['unknown', '1']) },
    { what: 'a query of ampersands', expect: 'accepted', change: (request) => request.query.push(['&&=&', '']) },
    { what: 'a line of 17000 bytes', expect: 'refused', change: (request) => request.query.push(['unknown', 'x'.repeat(17_000)]) },
    { what: 'the body in chunks', isLast: true, expect: takesBody ? 'accepted' : 'any', change: (request) => {
      const body = Buffer.from(request.body ?? 'x');
      setHeader(request, 'Content-Length', undefined);
      request.headers.push(['Transfer-Encoding', 'chunked']);
      const half = body.length >> 1;
      request.body = Buffer.concat([...[body.subarray(0, half), body.subarray(half)].filter((one) => one.length).flatMap((one) =>
        [Buffer.from(`${one.length.toString(16)}\r\n`), one, Buffer.from('\r\n')]), Buffer.from('0\r\n\r\n')]);
    } },
    { what: 'chunks that are none', isLast: true, expect: 'refused', change: (request) => {
      setHeader(request, 'Content-Length', undefined);
      request.headers.push(['Transfer-Encoding', 'chunked'], ['Connection', 'close']);
      request.body = 'xyz\r\n';
    } },
    ...(takesBody ? [{ what: 'no body', expect: 'any', change: (request) => setBody(request, undefined) }]
      : [{ what: 'a body that nobody asked for', expect: 'accepted', change: (request) => setBody(request, 'GET /kv HTTP/1.1\r\n\r\n') }]),
  ];
}

/** All mutations of OPERATION; MORE are the test's own. */
export function mutationsOf(document, operation, { careful, more, rng }) {
  const list = [...ofParameters(document, operation), ...ofHttp(operation), ...more];
  if (operation.parameters.some((one) => one.in === 'path' && one.name === 'key')) list.push(...ofKeys(document, rng));
  for (const media of operation.bodies)
    if (media.type.endsWith('json')) list.push(...ofJson(document, operation, media, careful, rng));
  return list;
}
