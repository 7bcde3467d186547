// lib.mjs - a real nginx and a real tmakvd for tests in JavaScript; tests/lib.sh for those in shell.
//
//   const kv = await start();
//   after(() => kv.stop());
//   const tma = createTMA({ apiUrl: kv.url });
//   await tma.auth.validate(kv.initData({ id: 7, first_name: 'Ada' }), kv.projectId);
//
// tmakvd and tmakvctl come from $top_builddir (default: where tests/run builds); KEEP=1 keeps the folder,
// WRAP goes before tmakvd, as in tests/lib.sh.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import {
  chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync,
  writeFileSync,
} from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const source = process.env.top_srcdir ?? join(dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.top_builddir ?? (existsSync(join(source, 'tmakvd')) ? source : join(source, 'build/gcc'));
const wrap = (process.env.WRAP ?? '').split(' ').filter(Boolean);
const patience_ms = wrap.length ? 60_000 : 15_000;

/** The front server: nginx, or what TMAKV_FRONT says (conf/front-*.sh; what those cannot do is in conf/fronts.md). */
const frontScript = { nginx: 'front.sh', lighttpd: 'front-lighttpd.sh', apache: 'front-apache.sh' };
export const frontName = process.env.TMAKV_FRONT || 'nginx';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Wait for a condition, never for a time. */
export async function until(what, condition) {
  const end = Date.now() + patience_ms;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited too long: ${what}`);
    await sleep(20);
  }
}

function run(command, args, logFile, env = {}) {
  const log = openSync(logFile, 'a');
  const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
  closeSync(log);
  running.add(child);
  child.ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  }).then((how) => {
    running.delete(child);
    return (child.how = how);
  });
  return child;
}

async function end(child, signal) {
  if (!child || child.how) return child?.how;
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), patience_ms);
  const how = await child.ended;
  clearTimeout(timer);
  return how;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** initData as Telegram would sign it for this bot; USER as Telegram knows it: {id, first_name, ...}. */
export function signInitData(botToken, user, { authDate = Math.floor(Date.now() / 1000), fields = {} } = {}) {
  const all = { auth_date: String(authDate), user: JSON.stringify(user), ...fields };
  const text = Object.keys(all).sort().map((name) => `${name}=${all[name]}`).join('\n');
  const key = createHmac('sha256', 'WebAppData').update(botToken).digest();
  const hash = createHmac('sha256', key).update(text).digest('hex');
  return new URLSearchParams({ ...all, hash }).toString();
}

/** What came back. `headers` has lower-case names; one that came twice is joined by ", ". */
export class Answer {
  constructor(status, headers, body) {
    Object.assign(this, { status, headers, body });
  }

  get text() { return this.body.toString('utf8'); }
  get json() { return JSON.parse(this.text); }
  get code() { return this.json.code; }

  /** The value inside the envelope, to the byte: Latin-1, so that no byte is lost. */
  get data() {
    const text = this.body.toString('latin1');
    assert.ok(this.status === 200 && text.startsWith('{"success":true,"data":') && text.endsWith('}'),
      `${this.status} ${this.text.slice(0, 300)}`);
    return text.slice('{"success":true,"data":'.length, -1);
  }
}

/** All that an error promises, whoever made it: tmakvd or nginx. HEAD has no envelope. */
export function expectError(answer, status, code, why = '') {
  const said = `${why} ${answer.status} ${answer.text.slice(0, 300)}`;
  assert.equal(answer.status, status, said);
  assert.equal(answer.headers['content-type'], 'application/json', said);
  assert.equal(answer.headers['access-control-allow-origin'], '*', said);
  assert.equal(answer.headers['access-control-expose-headers'], 'ETag, X-KV-Writes, Retry-After, X-Request-Id', said);
  assert.equal(answer.headers['cache-control'], 'no-store', said);
  // Apache gives a request its number only when it has understood it.
  if (frontName !== 'apache' || answer.headers['x-request-id'] || ![400, 414].includes(status))
    assert.match(answer.headers['x-request-id'] ?? '', /^[0-9a-f]{32}$/, said);
  assert.equal(answer.headers['access-control-allow-credentials'], undefined, said);
  if (status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer /, said);
  if (status === 405) assert.match(answer.headers.allow ?? '', /^[A-Z]+(, [A-Z]+)*$/, said);
  if ([429, 502, 503].includes(status)) assert.equal(answer.headers['retry-after'], '1', said);
  if (answer.isHead) return;
  const { success, error, code: word, ...more } = answer.json;
  assert.deepEqual({ success, word, more }, { success: false, word: code, more: {} }, said);
  assert.match(error, /^\S.*\S$/, said);
}

/**
 * The answers in BYTES; nginx gives all of ours a Content-Length, and where there is none the connection's end is the
 * answer's (CLOSED). Undefined: the last one is not whole yet.
 */
function parseAnswers(bytes, closed) {
  const answers = [];
  while (bytes.length) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [first, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const headers = {};
    for (const line of lines) {
      const [, name, value] = line.match(/^([^:]+): ?(.*)$/);
      headers[name.toLowerCase()] = name.toLowerCase() in headers ? `${headers[name.toLowerCase()]}, ${value}` : value;
    }
    const start = end + 4;
    const status = Number(first.split(' ')[1]);
    const toTheEnd = status !== 100 && status !== 204 && status !== 304;
    if (toTheEnd && !('content-length' in headers) && !closed) return undefined;
    const length = Number(headers['content-length'] ?? (toTheEnd ? bytes.length - start : 0));
    if (bytes.length < start + length) return undefined;
    answers.push(new Answer(status, headers, bytes.subarray(start, start + length)));
    bytes = bytes.subarray(start + length);
  }
  return answers;
}

class Server {
  constructor(settings, { clock = false, page } = {}) {
    this.page = page;
    this.dir = mkdtempSync('/tmp/tmakv.'); // short: a socket's path has at most 107 bytes
    chmodSync(this.dir, 0o711); // as root nginx's workers are www-data and must get through
    this.control = join(this.dir, 'control.sock');
    this.conf = join(this.dir, 'tmakv.conf');
    mkdirSync(join(this.dir, 'data'), { mode: 0o700 });
    this.agent = new Agent({ keepAlive: true, maxSockets: 16 });
    this.fronts = [];
    if (clock) this.makeClock();
    this.settings = {
      data_dir: join(this.dir, 'data'),
      listen: join(this.dir, 's'),
      listen_mode: '0660',
      ...(process.getuid() === 0 && { listen_group: 'www-data' }),
      control: this.control,
      ballast_size: '1M',
      reserve_size: '1M',
    };
    this.configure(settings);
  }

  /** Other SETTINGS, from the next start on. */
  configure(settings) {
    Object.assign(this.settings, settings);
    writeFileSync(this.conf, Object.entries(this.settings).map(([name, value]) => `${name} = ${value}\n`).join(''));
  }

  /** A wall clock of the server's own (tests/tools/clock_shift.c); setClock() moves it. */
  makeClock() {
    const library = join(this.dir, 'clock_shift.so');
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(source, 'tests/tools/clock_shift.c')]);
    this.clockFile = join(this.dir, 'clock_shift');
    this.setClock(0);
    // The sanitizers want to be the first library; behind this one they work as well.
    this.env = { CLOCK_SHIFT: this.clockFile, LD_PRELOAD: library,
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0` };
  }

  /** The server's clock is SECONDS ahead of ours from now on; negative: behind. */
  setClock(seconds) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    writeFileSync(this.clockFile, bytes, { flag: existsSync(this.clockFile) ? 'r+' : 'w' });
  }

  /** The end of both logs, for a failure's message. */
  log() {
    const tail = (file) => {
      try {
        return readFileSync(join(this.dir, file), 'utf8').split('\n').slice(-25).join('\n');
      } catch {
        return '';
      }
    };
    return `--- tmakvd\n${tail('tmakvd.log')}\n--- nginx\n${tail('nginx.log')}${tail('front/log/error.log')}`;
  }

  /** tmakvctl; ARGS, and what goes to its standard input. */
  ctl(args, input = '') {
    return new Promise((resolve, reject) => {
      const child = execFile(join(build, 'tmakvctl'), ['--control', this.control, ...args], (error, out, err) => {
        if (error) reject(Object.assign(new Error(`tmakvctl ${args.join(' ')}: ${err}`), { code: error.code }));
        else resolve(out);
      });
      child.stdin.on('error', () => {}); // it may end without reading
      child.stdin.end(input);
    });
  }

  async startServer() {
    const [command, ...args] = [...wrap, join(build, 'tmakvd'), '-c', this.conf];
    this.tmakvd = run(command, args, join(this.dir, 'tmakvd.log'), this.env);
    await until('tmakvd answers on its control socket', () => {
      if (this.tmakvd.how) throw new Error(`tmakvd ended: ${JSON.stringify(this.tmakvd.how)}\n${this.log()}`);
      return this.ctl(['status']).then(() => true, () => false);
    });
    // lighttpd takes a second to see that tmakvd is back, when it was not there at all.
    if (this.front && frontName === 'lighttpd')
      await until('lighttpd has seen it', () => this.ask('GET', '/').then((answer) => answer.status !== 502));
  }

  async startFront() {
    this.front = await this.openFront('front');
    this.port = this.front.port;
    this.url = this.front.url;
    this.binding = this.front.binding;
    this.operator = this.front.operator;
  }

  /**
   * An nginx before this tmakvd, in the folder NAME. EDIT(file, text) answers what is to stand in nginx/FILE
   * instead; without it nginx runs as shipped. Ends with stop(), or with end().
   */
  async openFront(name, edit) {
    let script = join(source, 'conf', frontScript[frontName]);
    if (edit) {
      if (frontName !== 'nginx') throw new Error('only nginx has files that a test edits');
      const copy = join(this.dir, `${name}.source`);
      mkdirSync(join(copy, 'nginx'), { recursive: true });
      mkdirSync(join(copy, 'conf'));
      copyFileSync(script, join(copy, 'conf/front.sh'));
      script = join(copy, 'conf/front.sh');
      for (const file of readdirSync(join(source, 'nginx')).filter((name) => name.endsWith('.conf')))
        writeFileSync(join(copy, 'nginx', file), edit(file, readFileSync(join(source, 'nginx', file), 'utf8')));
    }
    const port = await freePort();
    // Apache listens on no Unix sockets.
    const binding = frontName === 'apache' ? `127.0.0.1:${await freePort()}` : join(this.dir, name, 'binding.sock');
    const operator = `127.0.0.1:${await freePort()}`;
    const log = join(this.dir, `${name === 'front' ? 'nginx' : name}.log`);
    const more = [frontName === 'apache' ? binding : `unix:${binding}`, operator];
    const child = run(script, [join(this.dir, name), `127.0.0.1:${port}`, join(this.dir, 's'), ...more], log,
      { TMAKV_LOG_AT_ONCE: 'yes', ...(this.page && { TMAKV_PAGE: this.page }) });
    Object.assign(child, { port, binding, url: `http://127.0.0.1:${port}`, operator: `http://${operator}`, end: () => end(child, 'SIGTERM') });
    this.fronts.push(child);
    await until('nginx answers', () => {
      if (child.how) throw new Error(`nginx ended: ${JSON.stringify(child.how)}\n${readFileSync(log)}${this.log()}`);
      return fetch(`${child.url}/.tmakv-error`).then(() => true, () => false);
    });
    return child;
  }

  /**
   * One request, its path exactly as told. AS: whose token stands behind "Bearer" (the project's API key;
   * null for nobody's). PORT: another front's. SOCKET: a Unix socket in its place, as that of the binding door
   * (kv.binding).
   */
  ask(method, path, { as = this.apiKey, headers = {}, body, agent = this.agent, port = this.port, socket } = {}) {
    const at = socket?.match(/^([0-9.]+):([0-9]+)$/);
    const where = at ? { host: at[1], port: at[2] } : socket ? { socketPath: socket } : { host: '127.0.0.1', port };
    // Node.js would send the body of a GET or DELETE without a word about its length.
    const length = body !== undefined && { 'Content-Length': Buffer.byteLength(body) };
    const all = { ...(as && { Authorization: `Bearer ${as}` }), ...length, ...headers };
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...where, method, path, headers: all, agent }, (response) => {
        const pieces = [];
        response.on('data', (piece) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const answer = new Answer(response.statusCode, response.headers, Buffer.concat(pieces));
          resolve(Object.assign(answer, { isHead: method === 'HEAD', reason: response.statusMessage }));
        });
      });
      request.on('error', reject);
      request.setTimeout(patience_ms, () => request.destroy(new Error(`no answer in time to ${method} ${path}`)));
      request.end(body);
    });
  }

  /** A request as talk() takes it, as a Latin-1 text. */
  request(method, path, { as = this.apiKey, headers = {}, body = '' } = {}) {
    const all = { Host: 'x', ...(as && { Authorization: `Bearer ${as}` }), 'Content-Length': body.length, ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
  }

  /**
   * Bytes as they are, on a connection of their own; a text is Latin-1. Answers N answers, or those that came until
   * nginx closed the connection; `closed` says which.
   */
  talk(bytes, { n = 1, port = this.port } = {}) {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      const pieces = [];
      const finish = (closed) => {
        clearTimeout(timer);
        socket.destroy();
        const answers = parseAnswers(Buffer.concat(pieces), closed);
        if (answers) resolve(Object.assign(answers, { closed }));
        else reject(new Error(`half an answer: ${Buffer.concat(pieces).toString('latin1').slice(0, 500)}`));
      };
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`no answer in time, only: ${Buffer.concat(pieces).toString('latin1').slice(0, 500)}`));
      }, patience_ms);
      socket.on('data', (piece) => {
        pieces.push(piece);
        if (parseAnswers(Buffer.concat(pieces))?.length >= n) finish(false);
      });
      socket.on('error', (error) => { if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error); });
      socket.on('close', () => finish(true));
      socket.write(Buffer.from(bytes, 'latin1'));
    });
  }

  /** The session token of a user of PROJECT (what makeProject() answered). */
  async signIn(user = { id: 4242, first_name: 'Test' }, project = this) {
    const body = JSON.stringify({ initData: project.initData(user), projectId: project.projectId });
    return JSON.parse((await this.ask('POST', '/sdk/v1/auth/validate', { as: null, body })).data).jwt;
  }

  /** A project with a bot and an API key: {projectId, projectName, botToken, apiKey, initData(user)}. */
  async makeProject(name) {
    // Nobody's bot: Telegram's ids are shorter.
    const botToken = `99${randomInt(1e9, 1e10)}0:test-${randomBytes(16).toString('hex')}`;
    const project = JSON.parse(
      await this.ctl(['project', 'create', name, '--bot-token-file', '-', '--json'], `${botToken}\n`));
    return {
      projectId: project.id,
      projectName: name,
      botToken,
      apiKey: await this.makeKey(name),
      initData: (user = { id: 4242, first_name: 'Test' }, options = {}) => signInitData(botToken, user, options),
    };
  }

  /** The text of a new API key; OPTIONS as tmakvctl takes them: '--read-only'. */
  async makeKey(project, ...options) {
    return JSON.parse(await this.ctl(['key', 'create', project, '--json', ...options])).key;
  }

  /** The process ids below the supervisor: the server process. */
  serverPid() {
    const pid = this.tmakvd.pid;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
  }

  /** kill -9 of the server process; the supervisor starts another. Answers when it is dead, not when it is back. */
  async kill9Server() {
    const pid = this.serverPid();
    process.kill(pid, 'SIGKILL');
    await until('the killed server is gone', () => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
      } catch {
        return true;
      }
    });
  }

  /** Stop tmakvd and start it again on the same data. */
  async restart() {
    await this.stopServer();
    await this.startServer();
  }

  async stopServer() {
    const how = await end(this.tmakvd, 'SIGTERM');
    if (how && how.code !== 0) throw new Error(`tmakvd ended with ${JSON.stringify(how)}\n${this.log()}`);
  }

  /** Stop everything and remove the folder. Fails when tmakvd did not end well. */
  async stop() {
    this.agent.destroy();
    for (const front of this.fronts) await front.end();
    try {
      await this.stopServer();
      const found = readFileSync(join(this.dir, 'tmakvd.log'), 'utf8').match(/(Sanitizer|runtime error:|^==\d+== )[^]{0,3000}/m);
      if (found) throw new Error(`a checker found something in tmakvd: ${found[0]}`);
    } finally {
      if (process.env.KEEP) console.error(`kept: ${this.dir}`);
      else rmSync(this.dir, { recursive: true, force: true });
    }
  }
}

/**
 * Everything running, with one project. SETTINGS go over the tests' own into tmakv.conf; with the option
 * `clock` the server has a clock that setClock() moves; `page` is a folder that nginx serves at /demo/.
 * Answers a Server with url, dir, and all that makeProject() answers.
 */
export async function start(settings = {}, options = {}) {
  const server = new Server(settings, options);
  try {
    await server.startServer();
    await server.startFront();
    return Object.assign(server, await server.makeProject('demo'));
  } catch (error) {
    for (const front of server.fronts) await end(front, 'SIGKILL');
    await end(server.tmakvd, 'SIGKILL');
    if (!process.env.KEEP) rmSync(server.dir, { recursive: true, force: true });
    throw error;
  }
}

/** The SDK keeps its token in the module: a module of its own is a device of its own. */
let devices = 0;
export async function device() {
  const entry = import.meta.resolve('@tma.sh/sdk');
  // index.js only re-exports a chunk; that is where the token lives, so the chunk is what is loaded anew.
  const chunk = readFileSync(fileURLToPath(entry), 'utf8').match(/from "([^"]+)"/)[1];
  return import(`${new URL(chunk, entry)}?device=${++devices}`);
}
