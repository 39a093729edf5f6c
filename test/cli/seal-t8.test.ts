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
