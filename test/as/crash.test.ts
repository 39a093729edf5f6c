import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repeat } from '../support/scale.ts';
import { checkTotals, crashDuringIssuance } from './crash.ts';

test('kill -9 during issuance on LMDB: no token and no refresh token that was answered is lost, no number, key id or code is used twice', async () => {
  const totals = await repeat('as-crash', { quick: 1, full: 60 }, async (seed) => {
    const folder = mkdtempSync(join(tmpdir(), 'ace-coap-as-crash-'));
    try {
      return await crashDuringIssuance(folder, seed);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  checkTotals(totals);
});
