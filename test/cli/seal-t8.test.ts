import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runHere } from './run-here.ts';
import { meter, T8Folder } from './t8-folder.ts';

const folder = await T8Folder.make();
after(() => folder.remove());

async function t8(code: number, ...words: readonly string[]): Promise<string> {
  const run = await runHere(['seal', 't8', ...words, '--config', folder.path]);
  assert.equal(run.code, code, run.stderr);
  return run.stdout + run.stderr;
}

test('ace-coap seal t8 trigger: a port of --notify that is none, exit code 2', async () => {
  const files = ['--cert', 'c', '--key', 'k', '--client-secret-file', 's', '--scs-as', 'app1', '--issuer', 'https://127.0.0.1:1', '--text', 'x'];
  for (const place of ['127.0.0.1:0', '127.0.0.1:65536', '[::1]:99999', '127.0.0.1']) {
    const { code, stderr } = await runHere(['seal', 't8', 'trigger', 'https://127.0.0.1:1', meter, ...files, '--notify', place]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /--notify: expected an address of this host and a port from 1 to 65535, got .*ERR_CLI_USAGE/);
  }
});

test('ace-coap seal t8: devices and rules', async () => {
  assert.equal(await t8(0, 'device', 'list'), 'no devices\n');
  assert.match(await t8(0, 'device', 'add', meter, 'coap://127.0.0.1:1', '--supi', 'imsi-001010000000001'), /kept meter1@op\.example/);
  assert.match(await t8(2, 'device', 'add', 'meter1', 'coap://127.0.0.1:1'), /externalId: expected/);
  assert.deepEqual(JSON.parse(await t8(0, 'device', 'list', '--json')), { external_id: meter, uri: 'coap://127.0.0.1:1', has_supi: true });
  assert.match(await t8(0, 'allow', 'app1', 'meter*@op.example'), /allowed app1/);
  assert.match(await t8(2, 'deny', 'app1', meter, '--api', 'sms'), /api: expected/);
  await t8(0, 'deny', 'app1', meter, '--api', 'nidd');
  const rules = (await t8(0, 'list', '--json')).trim().split('\n');
  assert.deepEqual(
    rules.map((line) => Object.values(JSON.parse(line) as object).join(' ')),
    ['app1 pump*@op.example nidd allow', 'app1 meter*@op.example * allow', `app1 ${meter} nidd deny`],
  );
  await t8(0, 'forget', 'app1', meter, '--api', 'nidd');
  assert.match(await t8(1, 'forget', 'app1', meter, '--api', 'nidd'), /expected a rule in the store for app1.*ERR_T8_ABSENT/);
});
