import type { CryptoName, CryptoProvider } from './provider.ts';

/** The providers of a program on Node, each loaded when it is asked for. */
export const named: ReadonlyMap<CryptoName, () => Promise<CryptoProvider>> = new Map<CryptoName, () => Promise<CryptoProvider>>([
  ['node', async () => (await import('./node.ts')).provider],
  ['portable', async () => (await import('./portable.ts')).provider],
]);
