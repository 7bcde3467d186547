// miniflare.mjs - worker.mjs in workerd with miniflare's KV namespace on disk.
//
//     node miniflare.mjs ADDRESS_FILE FOLDER JWKS_FILE PROJECT_ID
//
// ADDRESS_FILE is written when it answers: host:port.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

// workerd's own start file is made by an install script, which is not run; the program itself lies beside it.
const arch = { x64: '64', arm64: 'arm64' }[process.arch];
const require = createRequire(import.meta.url);
process.env.MINIFLARE_WORKERD_PATH ??= require.resolve(`@cloudflare/workerd-linux-${arch}/bin/workerd`);
const { Log, LogLevel, Miniflare } = await import('miniflare');

const [address, folder, jwks, project] = process.argv.slice(2);
const { outputFiles: [bundle] } = await build({
  entryPoints: [fileURLToPath(new URL('worker.mjs', import.meta.url))],
  bundle: true, minify: true, format: 'esm', conditions: ['workerd', 'worker'], write: false, logLevel: 'warning',
});
await stop(); // its process

const miniflare = new Miniflare({
  name: 'peer',
  modules: true,
  script: bundle.text,
  compatibilityDate: '2026-07-01',
  kvNamespaces: ['KV'],
  kvPersist: folder,
  bindings: { TMA_JWKS: readFileSync(jwks, 'utf8'), PROJECT_ID: project },
  // Straight to the Worker: miniflare's own Worker in front of it, which helps developers, takes a quarter of a GET.
  unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  host: '127.0.0.1',
  log: new Log(LogLevel.NONE),
  logRequests: false,
  liveReload: false,
  cf: false,
});

process.on('SIGTERM', async () => {
  await miniflare.dispose();
  process.exit(0);
});

await miniflare.ready;
writeFileSync(`${address}.new`, (await miniflare.unsafeGetDirectURL('peer')).host);
renameSync(`${address}.new`, address);
