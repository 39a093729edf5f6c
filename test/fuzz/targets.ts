import { decoders } from './decoders.ts';
import { dtlsClientTarget, dtlsServerTarget } from './dtls.ts';
import { endpointTarget } from './endpoint.ts';
import { sealDecoders } from './seal.ts';
import type { Target } from './target.ts';

/** Everything that is fuzzed, by name. */
export const targets: readonly { readonly name: string; open(): Promise<Target> }[] = [
  ...[...decoders, ...sealDecoders].map((target) => ({ name: target.name, open: () => Promise.resolve(target) })),
  { name: 'endpoint behind a socket', open: endpointTarget },
  { name: 'DTLS server', open: dtlsServerTarget },
  { name: 'DTLS client', open: dtlsClientTarget },
];
