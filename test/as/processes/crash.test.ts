import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repeat, scale } from '../../support/scale.ts';
import { crashDuringIssuance } from './crash.ts';

test('kill -9 of an AS on LMDB while it gives out tokens: no token that was answered is lost, no key and no number is used twice', async () => {
  await repeat('issuance-crash-lmdb', { quick: 1, full: 30 }, async (seed) => {
    const folder = mkdtempSync(join(tmpdir(), 'ace-coap-crash-'));
    try {
      return await crashDuringIssuance(folder, scale === 'full' ? 10 : 4, seed);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
