import { aceDecoders } from './ace-decoders.ts';
import { decoders } from './decoders.ts';
import { dtlsClientTarget, dtlsNetworkTarget, dtlsServerTarget } from './dtls.ts';
import { dtlsDecoders } from './dtls-decoders.ts';
import { endpointTarget } from './endpoint.ts';
import { engineTargets } from './engines.ts';
import { inspectTargets } from './inspect-decoders.ts';
import { roleTargets } from './roles.ts';
import { sealDecoders } from './seal.ts';
import type { TargetEntry } from './target.ts';
import { fileTargets, textDecoders } from './text-decoders.ts';

/** Everything that is fuzzed. */
export const targets: readonly TargetEntry[] = [
  ...[...decoders, ...textDecoders, ...dtlsDecoders, ...aceDecoders, ...sealDecoders].map((target) => ({
    name: target.name,
    share: 100,
    open: () => Promise.resolve(target),
  })),
  ...fileTargets,
  ...inspectTargets,
  ...engineTargets,
  ...roleTargets,
  { name: 'endpoint behind a socket', share: 20, open: endpointTarget },
  { name: 'DTLS server', share: 50, open: dtlsServerTarget },
  { name: dtlsNetworkTarget.name, share: 2, open: () => Promise.resolve(dtlsNetworkTarget) },
  { name: 'DTLS client', share: 2, open: dtlsClientTarget },
];
