import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { deriveAnchorKey, deriveApplicationKey, deriveATid } from '../../profiles/seal/akma/index.ts';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { hkdf } from '../../src/core/crypto/index.ts';
import { root } from '../support/fixtures.ts';
import { SeededRandom } from '../support/random.ts';
import { python } from './tools.ts';

test('TS 33.535 A.2 to A.4, D.3.3: AKMA keys as Python derives them', () => {
  const random = new SeededRandom('akma');
  const cases = Array.from({ length: 200 }, (_, index) => ({
    k_ausf: toHex(index === 0 ? Uint8Array.from({ length: 32 }, (_, at) => at) : random.bytes(32)),
    supi: index === 0 ? '001010000000001' : index % 3 === 0 ? `user${index}@realm${index}.example` : `00101${String(index * 7919).padStart(10, '0')}`,
    fqdn: index === 0 ? 'msgin5g.example.com' : `af${index}.${'sub.'.repeat(index % 7)}example`,
    protocol: index === 0 ? '0100000007' : toHex(random.bytes(5)),
  }));
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join('');
  const { stdout, stderr } = spawnSync(python, [join(root, 'test/interop/akma/derive.py')], { input, encoding: 'utf8' });
  const theirs = stdout.trim().split('\n');
  assert.equal(theirs.length, cases.length, stderr);
  for (const [index, { k_ausf, supi, fqdn, protocol }] of cases.entries()) {
    const kAusf = fromHex(k_ausf);
    const kAkma = deriveAnchorKey(kAusf, supi);
    const kAf = deriveApplicationKey(kAkma, { fqdn, protocol: fromHex(protocol) });
    const ours = {
      k_akma: toHex(kAkma),
      a_tid: toHex(deriveATid(kAusf, supi)),
      k_af: toHex(kAf),
      master_secret: toHex(hkdf('sha256', kAf, new Uint8Array(0), utf8('AKMA-OSCORE'), 32)),
    };
    assert.deepEqual(JSON.parse(theirs[index]!), ours, supi);
  }
});
