// The audit log: what operators did, over the control socket and with admin keys; and that nothing is done without it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { start, until } from './lib.mjs';

let kv, base;
before(async () => {
  kv = await start();
  base = `/client/v4/accounts/${JSON.parse(await kv.ctl(['status', '--json'])).account_id}/storage/kv/namespaces`;
});
after(() => kv?.stop());

const lines = async (...options) => (await kv.ctl(['audit', '--json', ...options])).split('\n').filter(Boolean).map(JSON.parse);
const brief = ({ command, outcome, project, args }) => ({ command, outcome, project, args });
const last = async (...options) => brief((await lines(...options)).at(-1));

describe('the control socket', () => {
  test('each change has a line, with who and when, and without secrets', async () => {
    const [create, key] = await lines();
    assert.deepEqual(brief(create), { command: 'project.create', outcome: 'ok', project: kv.projectId,
      args: { bots: [{ id: Number(kv.botToken.split(':')[0]), secret: true }], name: 'demo' } });
    assert.deepEqual(brief(key), { command: 'key.create', outcome: 'ok', project: kv.projectId,
      args: { project: 'demo', right: 'read-write' } });
    for (const line of [create, key]) {
      assert.equal(line.from.control.uid, process.getuid());
      assert.ok(line.from.control.pid > 0);
      assert.match(line.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assert.ok(Math.abs(Date.parse(line.at) - Date.now()) < 600_000);
    }
    const all = JSON.stringify(await lines());
    for (const secret of [kv.botToken, kv.botToken.split(':')[1], kv.apiKey]) assert.ok(!all.includes(secret));
  });

  test('so have those that were refused; questions have none', async () => {
    const n = (await lines()).length;
    await kv.ctl(['project', 'list']);
    await kv.ctl(['project', 'show', 'demo']);
    await kv.ctl(['key', 'list', 'demo']);
    assert.equal((await lines()).length, n);
    await assert.rejects(kv.ctl(['project', 'create', 'demo']));
    assert.deepEqual(await last(), { command: 'project.create', outcome: 'conflict', project: '', args: { name: 'demo', bots: [] } });
    await assert.rejects(kv.ctl(['project', 'disable', 'nothing']));
    assert.deepEqual(await last(), { command: 'project.disable', outcome: 'not_found', project: '', args: { project: 'nothing' } });
    await kv.ctl(['project', 'limit', 'demo', '--max-keys', '100', '--write-limit', 'default']);
    assert.deepEqual(await last(), { command: 'project.limit', outcome: 'ok', project: kv.projectId,
      args: { project: 'demo', write_limit: 'default', max_keys: 100 } });
    await kv.ctl(['project', 'origins', 'demo', '--add', 'https://a.example']);
    assert.deepEqual((await last()).args, { project: 'demo', any: false, remove: [], add: ['https://a.example'] });
    await kv.ctl(['project', 'origins', 'demo', '--any']);
  });

  test('keys and values pass by: only that somebody opened the way for them', async () => {
    await kv.ctl(['kv', 'put', 'demo', 'very-secret-key'], 'very-secret-value');
    assert.deepEqual(await last(), { command: 'kv.open', outcome: 'ok', project: '', args: {} });
    assert.ok(!JSON.stringify(await lines()).includes('very-secret'));
    const n = (await lines()).length;
    await kv.ask('PUT', '/kv/k', { body: '1' });
    assert.equal((await lines()).length, n);
  });

  test('a backup has its line completed when it is done', async () => {
    await kv.ctl(['backup', `${kv.dir}/backups`]);
    assert.deepEqual((await lines('--limit', '2')).map(brief), [
      { command: 'backup', outcome: 'ok', project: '', args: {} },
      { command: 'backup.done', outcome: 'ok', project: '', args: (await last()).args }]);
  });

  test('people see a table, the newest last, and can choose', async () => {
    const second = await kv.makeProject('second');
    const text = await kv.ctl(['audit']);
    assert.match(text, /^TIME +FROM +COMMAND +OUTCOME +PROJECT +ARGUMENTS$/m);
    assert.match(text.trim().split('\n').at(-1), /uid \d+, pid \d+ +key\.create +ok +[-0-9a-f]{36} +\{"/);
    assert.deepEqual((await lines('--project', 'second')).map(({ command }) => command), ['project.create', 'key.create']);
    await kv.ctl(['project', 'delete', 'second', '--yes']);
    // It is gone; its id still names it.
    assert.deepEqual((await lines('--project', second.projectId)).map(({ command }) => command),
      ['project.create', 'key.create', 'project.delete']);
    await assert.rejects(lines('--project', 'second'), { code: 1 });
    assert.equal((await lines('--limit', '1'))[0].command, 'project.delete');
    assert.deepEqual(await lines('--since', `${Math.floor(Date.now() / 1000) + 3600}`), []);
    assert.match(await kv.ctl(['audit', '--since', '9999999999']), /Nothing was done/);
    assert.ok((await lines('--since', '0')).length > 5);
    await assert.rejects(lines('--limit', '0'), { code: 64 });
  });
});

test('admin keys: what they change of projects, by their id; not what they write', async () => {
  const { key, id } = JSON.parse(await kv.ctl(['admin-key', 'create', '--name', 'ops', '--json']));
  assert.deepEqual((await last()).args, { name: 'ops' });
  const ask = (method, path, body) => kv.ask(method, `${base}${path}`, { as: key, body: body && JSON.stringify(body) });
  const made = (await ask('POST', '', { title: 'My shop' })).json.result;
  const project = made.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const line = (await lines()).at(-1);
  assert.deepEqual(line.from, { key: id });
  assert.deepEqual(brief(line), { command: 'namespace.create', outcome: 'ok', project, args: { title: 'My shop' } });
  assert.equal((await ask('POST', '', { title: 'My shop' })).status, 400);
  assert.deepEqual(await last(), { command: 'namespace.create', outcome: 'conflict', project: '', args: { title: 'My shop' } });
  await ask('PUT', `/${made.id}`, { title: 'Shop' });
  assert.deepEqual(await last(), { command: 'namespace.rename', outcome: 'ok', project, args: { title: 'Shop' } });
  await ask('PUT', `/${made.id}/values/k`, 1);
  assert.equal((await last()).command, 'namespace.rename');
  await ask('DELETE', `/${made.id}`);
  assert.deepEqual(await last(), { command: 'namespace.delete', outcome: 'ok', project, args: {} });
  // An API key may not, and what it tries is no operator's.
  const n = (await lines()).length;
  assert.equal((await kv.ask('POST', base, { body: '{"title":"x"}' })).status, 403);
  assert.equal((await lines()).length, n);
});

test('it stays over a restart, and is in a backup', async () => {
  const all = await lines();
  await kv.restart();
  assert.deepEqual(await lines(), all);
  const folder = execFileSync('ls', [`${kv.dir}/backups`]).toString().trim();
  assert.ok(execFileSync('ls', [`${kv.dir}/backups/${folder}`]).toString().includes('audit.db'));
});

test('a server that is killed during a command leaves its line, which says "started"', async () => {
  // kill -9 somewhere in the middle of many commands, over and over, until one is hit.
  for (let i = 0; i < 20; i++) {
    const socket = connect(kv.control);
    socket.on('error', () => {});
    let answered = 0, gone = false;
    socket.on('data', (piece) => { answered += piece.toString().split('\n').length - 1; });
    socket.on('close', () => { gone = true; });
    const command = (n) => `${JSON.stringify({ command: 'project.rename', args: { project: kv.projectId, name: `demo${n}` } })}\n`;
    let n = 0;
    const pump = () => { if (!gone) socket.write(`${command(++n)}${command(0)}`, () => setTimeout(pump)); };
    await until('it is under way', () => { if (n === 0) pump(); return answered > 3; });
    await kv.kill9Server();
    await until('the server is back', () => kv.ctl(['status']).then(() => true, () => false));
    socket.destroy();
    const renames = (await lines('--limit', '2000')).filter(({ command: name }) => name === 'project.rename');
    const open = renames.filter(({ outcome }) => outcome === 'started');
    // One for each kill at most: commands run one after the other.
    assert.ok(open.length <= i + 1);
    assert.ok(renames.length >= answered);
    if (open.length) {
      assert.equal(open[0].project, kv.projectId);
      return;
    }
  }
  assert.fail('no command was ever cut short');
});
