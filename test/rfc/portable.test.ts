import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { cryptoInUse, useCrypto } from '../../src/core/index.ts';

const suites: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['wycheproof', () => import('./wycheproof.test.ts')],
  ['wycheproof-agreement', () => import('./wycheproof-agreement.test.ts')],
  ['cose', () => import('./cose.test.ts')],
  ['cose-files', () => import('./cose-files.test.ts')],
  ['cose-recipients', () => import('./cose-recipients.test.ts')],
  ['cose-signatures', () => import('./cose-signatures.test.ts')],
  ['cwt', () => import('./cwt.test.ts')],
  ['oscore-appendix-c', () => import('./oscore-appendix-c.test.ts')],
];

await useCrypto('portable');

for (const [name, load] of suites) {
  describe(`portable crypto: test/rfc/${name}`, async () => {
    assert.equal(cryptoInUse(), 'portable');
    await load();
  });
}
