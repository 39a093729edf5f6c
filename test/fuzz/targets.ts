import { decoders } from './decoders.ts';
import { dtlsClientTarget, dtlsServerTarget } from './dtls.ts';
import { endpointTarget } from './endpoint.ts';
import { sealDecoders } from './seal.ts';
import type { Target } from './target.ts';

export interface TargetEntry {
  readonly name: string;
  /** How many inputs it gets for each 100 that a decoder gets: less where one takes long. */
  readonly share: number;
  open(): Promise<Target>;
}

/** Everything that is fuzzed. */
export const targets: readonly TargetEntry[] = [
  ...[...decoders, ...sealDecoders].map((target) => ({ name: target.name, share: 100, open: () => Promise.resolve(target) })),
  { name: 'endpoint behind a socket', share: 20, open: endpointTarget },
  { name: 'DTLS server', share: 50, open: dtlsServerTarget },
  { name: 'DTLS client', share: 2, open: dtlsClientTarget },
];
