// workerd.mjs - a real workerd with conf/workerd.capnp, its two places and its addresses filled in.
//
//   const worker = await startWorkerd(kv, source);
//   await worker.ask('POST', '/');
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './lib.mjs';

// The package's own start file is made by an install script; the program itself lies beside it.
const arch = { x64: '64', arm64: 'arm64' }[process.arch];
const program = createRequire(import.meta.resolve('workerd')).resolve(`@cloudflare/workerd-linux-${arch}/bin/workerd`);
const shipped = fileURLToPath(new URL('../../conf/workerd.capnp', import.meta.url));

/** What stands in TEXT just once; a changed file is no silent pass. */
function change(text, from, to) {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`conf/workerd.capnp has ${parts.length - 1} times ${from}`);
  return parts.join(to);
}

/**
 * A workerd with the Worker SOURCE (a module's text), on a Unix socket in the folder of KV, with env.KV behind KEY.
 * BINDINGS are more lines of its configuration. ask() is kv.ask() to the Worker, as nobody.
 */
export async function startWorkerd(kv, source, { key = kv.apiKey, binding = kv.binding, bindings = '' } = {}) {
  const dir = mkdtempSync(join(kv.dir, 'workerd-'));
  const socket = join(dir, 's');
  let config = readFileSync(shipped, 'utf8');
  config = change(config, '"127.0.0.1:8482"', `"unix:${binding}"`);
  config = change(config, '"127.0.0.1:8787"', `"unix:${socket}"`);
  config = change(config, 'tmakv_YOUR_API_KEY', key);
  config = change(config, '(name = "KV", kvNamespace = "tmakv")', `(name = "KV", kvNamespace = "tmakv")${bindings}`);
  writeFileSync(join(dir, 'workerd.capnp'), config, { mode: 0o600 });
  writeFileSync(join(dir, 'worker.mjs'), source);
  const log = openSync(join(dir, 'log'), 'a');
  const child = spawn(program, ['serve', join(dir, 'workerd.capnp')], { stdio: ['ignore', log, log] });
  closeSync(log);
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(`ended: ${code} ${signal}`));
  });
  let how;
  ended.then((why) => { how = why; });
  const worker = {
    log: () => readFileSync(join(dir, 'log'), 'utf8'),
    ask: (method, path, options = {}) => kv.ask(method, path, { as: null, socket, ...options }),
    stop: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
  await until('workerd answers', () => {
    if (how) throw new Error(`workerd: ${how}\n${worker.log()}`);
    return worker.ask('GET', '/').then(() => true, () => false);
  });
  return worker;
}

