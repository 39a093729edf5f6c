import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/ports.ts';
import { aceExits, Lab, Server } from './lab.ts';

test('two AS processes on one LMDB folder: the second is told who has it; killed, the first keeps nobody out', async () => {
  const lab = await Lab.start();
  const file = join(lab.folder, 'second.yaml');
  const second = new Server('as', file);
  try {
    writeFileSync(file, readFileSync(join(lab.folder, 'as.yaml'), 'utf8').replaceAll(String(lab.asPort), String(await freePort())), { mode: 0o600 });
    const { stderr } = await aceExits(2, ['as', file]);
    assert.match(stderr, /second\.yaml: store: expected one that no other server uses, got that of process \d+ on /);
    // The first goes on; whoever works on the store beside it is no server.
    await aceExits(0, ['admin', 'client', 'list', '--offline', '--config', lab.folder]);
    await aceExits(0, ['get', lab.uri('/temperature'), '--config', lab.folder]);
    const [state, copy] = [join(lab.folder, 'state', 'as'), join(lab.parent, 'copy')];
    const migrate = await aceExits(2, ['store', 'migrate', state, copy]);
    assert.match(migrate.stderr, /expected one that no other server uses, got that of process \d+ on .*; stop it first/);
    await lab.as.kill();
    await aceExits(0, ['store', 'migrate', state, copy]);
    await second.start();
    await second.stop();
    await lab.as.start();
  } finally {
    await lab.end();
  }
});
