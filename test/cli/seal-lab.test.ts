import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ace, aceExits, Lab, type Run } from './lab.ts';
import { sealInit } from './seal-folder.ts';

test('ace-coap seal init, and seal provision beside a SIM-S that runs: what is provisioned gets a token, what is removed gets none', async () => {
  const lab = await Lab.start(async ({ folder, asPort, rsPort }) => {
    rmSync(folder, { recursive: true });
    const { stdout } = (await sealInit(folder, { as: asPort, rs: rsPort })).run;
    assert.match(stdout, /as\.yaml\n.*rs\.yaml\n.*client\.yaml/s);
    const file = join(folder, 'as.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^ {2}ues:\n.*\n/m, ''));
  });
  try {
    const at = ['--config', lab.folder];
    const token = ['token', '--audience', 'seal1', '--scope', 'notes:read', ...at];
    const early = await ace(token);
    assert.equal(early.code, 1);
    assert.match(early.stderr, /unauthorized_client/);
    const config = { valServerId: 'app1', valSvcConf: [{ valServiceId: 'v2x', idList: [{ valUeId: 'ue1' }] }] };
    const imported = await aceExits(0, ['seal', 'provision', 'import', '-', '--json', ...at], { input: JSON.stringify(config) });
    assert.deepEqual(
      imported.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [
        { kind: 'server', id: 'app1', val_service_ids: ['v2x'], source: 'store' },
        { kind: 'ue', id: 'ue1', val_service_ids: ['v2x'], source: 'store' },
      ],
    );
    const provision = (code: number, ...words: readonly string[]): Promise<Run> => aceExits(code, ['seal', 'provision', ...words, ...at]);
    const [got, list, added, wrong] = await Promise.all([
      aceExits(0, ['get', lab.uri('/notes'), ...at]),
      provision(0, 'list', '--kind', 'user'),
      provision(0, 'add', 'ue', 'ue2', '--service', 'v2x', '--user', 'anna@val.example'),
      provision(2, 'remove', 'user', 'anna@val.example'),
    ]);
    assert.equal(got.stdout, 'hello\n');
    assert.equal(list.stdout, 'VAL user anna@val.example: services v2x; of the configuration\n');
    assert.equal(added.stdout, 'VAL UE ue2: services v2x; users anna@val.example\n');
    assert.match(wrong.stderr, /stands in the configuration/);
    await aceExits(0, ['seal', 'provision', 'remove', 'ue', 'ue1', ...at]);
    const late = await ace(token);
    assert.deepEqual([late.code, /unauthorized_client/.test(late.stderr)], [1, true]);
  } finally {
    await lab.end();
  }
});
