import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { repeat } from '../support/scale.ts';
import { aceExits } from './lab.ts';
import { crashDuringExchanges } from './sim-s-crash.ts';
import { SimSLab } from './sim-s-lab.ts';

let lab: SimSLab;
before(async () => {
  lab = await SimSLab.make();
  appendFileSync(lab.asYaml, 'audit: ./audit\n');
  await lab.as.start();
});
after(() => lab.end());

test('kill -9 during code exchanges on LMDB: no token that was answered is lost, no code is used twice, sessions go on or end cleanly', async () => {
  const totals = await repeat('sim-s-crash', { quick: 1, full: 30 }, (seed) => crashDuringExchanges(lab, [lab.as], seed, 3));
  assert.ok(totals['tokens']! > 0 && totals['exchanged']! > totals['kills']!, JSON.stringify(totals));
  const { stdout } = await aceExits(0, ['audit', 'verify', join(lab.folder, 'audit'), '--json']);
  assert.equal((JSON.parse(stdout) as { readonly valid: boolean }).valid, true);
});
