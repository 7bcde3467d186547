// lib.mjs - a real nginx and a real tmakvd for tests in JavaScript; tests/lib.sh for those in shell.
//
//   const kv = await start();
//   after(() => kv.stop());
//   const tma = createTMA({ apiUrl: kv.url });
//   await tma.auth.validate(kv.initData({ id: 7, first_name: 'Ada' }), kv.projectId);
//
// tmakvd and tmakvctl come from $top_builddir (default: where tests/run builds); KEEP=1 keeps the folder,
// WRAP goes before tmakvd, as in tests/lib.sh.
import { execFile, spawn } from 'node:child_process';
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, mkdtempSync, chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const source = process.env.top_srcdir ?? join(dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.top_builddir ?? (existsSync(join(source, 'tmakvd')) ? source : join(source, 'build/gcc'));
const wrap = (process.env.WRAP ?? '').split(' ').filter(Boolean);
const patience_ms = wrap.length ? 60_000 : 15_000;

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

function run(command, args, logFile) {
  const log = openSync(logFile, 'a');
  const child = spawn(command, args, { stdio: ['ignore', log, log] });
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

class Server {
  constructor(settings) {
    this.dir = mkdtempSync('/tmp/tmakv.'); // short: a socket's path has at most 107 bytes
    chmodSync(this.dir, 0o711); // as root nginx's workers are www-data and must get through
    this.control = join(this.dir, 'control.sock');
    this.conf = join(this.dir, 'tmakv.conf');
    mkdirSync(join(this.dir, 'data'), { mode: 0o700 });
    const all = {
      data_dir: join(this.dir, 'data'),
      listen: join(this.dir, 's'),
      listen_mode: '0660',
      ...(process.getuid() === 0 && { listen_group: 'www-data' }),
      control: this.control,
      ballast_size: '1M',
      reserve_size: '1M',
      ...settings,
    };
    writeFileSync(this.conf, Object.entries(all).map(([name, value]) => `${name} = ${value}\n`).join(''));
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
    this.tmakvd = run(command, args, join(this.dir, 'tmakvd.log'));
    await until('tmakvd answers on its control socket', () => {
      if (this.tmakvd.how) throw new Error(`tmakvd ended: ${JSON.stringify(this.tmakvd.how)}\n${this.log()}`);
      return this.ctl(['status']).then(() => true, () => false);
    });
  }

  async startFront() {
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    const args = [join(this.dir, 'front'), `127.0.0.1:${this.port}`, join(this.dir, 's')];
    this.front = run(join(source, 'conf/front.sh'), args, join(this.dir, 'nginx.log'));
    await until('nginx answers', () => {
      if (this.front.how) throw new Error(`nginx ended: ${JSON.stringify(this.front.how)}\n${this.log()}`);
      return fetch(`${this.url}/.tmakv-error`).then(() => true, () => false);
    });
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
    await end(this.front, 'SIGTERM');
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
 * Everything running, with one project. SETTINGS go over the tests' own into tmakv.conf.
 * Answers a Server with url, dir, and all that makeProject() answers.
 */
export async function start(settings = {}) {
  const server = new Server(settings);
  try {
    await server.startServer();
    await server.startFront();
    return Object.assign(server, await server.makeProject('demo'));
  } catch (error) {
    await end(server.front, 'SIGKILL');
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
