import { underPortableCrypto } from '../support/portable-suites.ts';

await underPortableCrypto('test/rfc', [
  ['wycheproof', () => import('./wycheproof.test.ts')],
  ['wycheproof-agreement', () => import('./wycheproof-agreement.test.ts')],
  ['cose', () => import('./cose.test.ts')],
  ['cose-files', () => import('./cose-files.test.ts')],
  ['cose-recipients', () => import('./cose-recipients.test.ts')],
  ['cose-signatures', () => import('./cose-signatures.test.ts')],
  ['cwt', () => import('./cwt.test.ts')],
  ['oscore-appendix-c', () => import('./oscore-appendix-c.test.ts')],
]);
