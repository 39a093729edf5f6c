import { provider } from './portable.ts';
import type { CryptoName, CryptoProvider } from './provider.ts';

/** The providers of a program that runs elsewhere than on Node. */
export const named: ReadonlyMap<CryptoName, () => Promise<CryptoProvider>> = new Map<CryptoName, () => Promise<CryptoProvider>>([
  ['portable', () => Promise.resolve(provider)],
]);
