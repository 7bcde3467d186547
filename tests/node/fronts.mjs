// fronts.mjs - the tests through another front server than nginx, held against what conf/fronts.md says of it:
//
//   node tests/node/fronts.mjs lighttpd|apache [FILE...]
//
// Of the files below each test has to pass, but for those that conf/fronts.md lists for this front server; and those
// have to fail, but where a row says that it is by chance. So the document, the configurations and the tests cannot go apart.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const all = ['sdk', 'values', 'list', 'signin', 'errors', 'cloudflare', 'conditions', 'patch', 'http', 'keys', 'limits',
  'rest_errors', 'front_doors'];
const [front, ...wanted] = process.argv.slice(2);
if (!['lighttpd', 'apache'].includes(front)) {
  console.error('usage: fronts.mjs lighttpd|apache [FILE...]');
  process.exit(64);
}
const files = wanted.length ? wanted : all;

/** The rows "| front | file | test | why |"; in a test's name "*" stands for anything, and why may begin with "by chance". */
const exceptions = readFileSync(join(here, '../../conf/fronts.md'), 'utf8').split('\n')
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')))
  .filter((cells) => cells.length === 6 && all.includes(cells[2]) && cells[1].split(', ').includes(front))
  .map(([, , file, name, why]) => ({ file, name, why, met: 0,
    pattern: new RegExp(`^${name.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's') }));

process.env.TMAKV_FRONT = front;
let passed = 0, failed = 0;
const wrong = [];

function judge(data, hasPassed) {
  // A group is as good as what is in it; a file is no test.
  if (data.details?.type === 'suite' || data.file === undefined || data.name.endsWith('.test.mjs')) return;
  if (data.details?.error?.failureType === 'subtestsFailed') return;
  const file = basename(data.file, '.test.mjs');
  const exception = exceptions.find((row) => row.file === file && row.pattern.test(data.name));
  if (exception) exception.met++;
  if (hasPassed && (!exception || exception.why.startsWith('by chance'))) passed++;
  else if (!hasPassed && exception) failed++;
  else if (hasPassed) wrong.push(`${file}: "${data.name}" passes, but conf/fronts.md says it does not`);
  else wrong.push(`${file}: "${data.name}" fails: ${String(data.details?.error?.cause?.message ?? data.details?.error).slice(0, 600)}`);
}

const stream = run({ files: files.map((file) => join(here, `${file}.test.mjs`)), concurrency: 2 });
stream.on('test:pass', (data) => judge(data, true));
stream.on('test:fail', (data) => judge(data, false));
await new Promise((resolve) => stream.on('end', resolve).resume());

for (const { file, name, met } of exceptions)
  if (files.includes(file) && !met) wrong.push(`${file}: no test is called "${name}", as conf/fronts.md says`);
if (!passed) wrong.push('no test has run');
console.log(`${front}: ${passed} tests passed, ${failed} failed as conf/fronts.md says, ${wrong.length} are wrong`);
for (const line of wrong) console.log(line);
process.exit(wrong.length ? 1 : 0);
