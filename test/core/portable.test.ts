import { underPortableCrypto } from '../support/portable-suites.ts';

await underPortableCrypto('test/core', [
  ['crypto', () => import('./crypto.test.ts')],
  ['ccm', () => import('./ccm.test.ts')],
  ['cose', () => import('./cose.test.ts')],
  ['cose-key', () => import('./cose-key.test.ts')],
  ['cose-recipients', () => import('./cose-recipients.test.ts')],
  ['countersign', () => import('./countersign.test.ts')],
  ['sign', () => import('./sign.test.ts')],
  ['cwt', () => import('./cwt.test.ts')],
  ['key-set', () => import('./key-set.test.ts')],
  ['keys', () => import('./keys.test.ts')],
  ['token-key', () => import('./token-key.test.ts')],
  ['differential-cose', () => import('./differential-cose.test.ts')],
]);
