import { aceDecoders } from './ace-decoders.ts';
import { capifDecoders } from './capif.ts';
import { decoders } from './decoders.ts';
import { differentialTargets } from './differential.ts';
import { dtlsClientTarget, dtlsNetworkTarget, dtlsServerTarget } from './dtls.ts';
import { dtlsDecoders } from './dtls-decoders.ts';
import { endpointTarget } from './endpoint.ts';
import { engineTargets } from './engines.ts';
import { httpsDecoders } from './https.ts';
import { inspectTargets } from './inspect-decoders.ts';
import { loginDecoders } from './login.ts';
import { roleTargets } from './roles.ts';
import { sealDecoders } from './seal.ts';
import type { Target, TargetEntry } from './target.ts';
import { fileTargets, textDecoders } from './text-decoders.ts';

/** Decoders that compute with curves, or that read the same bytes in many ways. */
const slow: ReadonlySet<string> = new Set([
  'X.509 certificate',
  'DTLS credential of a peer',
  'DTLS connection, saved',
  'DTLS connection, imported',
  'records of an AS',
]);

const quickTargets: readonly Target[] = [
  ...decoders,
  ...differentialTargets,
  ...textDecoders,
  ...dtlsDecoders,
  ...aceDecoders,
  ...sealDecoders,
  ...loginDecoders,
  ...httpsDecoders,
  ...capifDecoders,
];

/** Everything that is fuzzed. */
export const targets: readonly TargetEntry[] = [
  ...quickTargets.map((target) => ({ name: target.name, share: slow.has(target.name) ? 20 : 100, open: () => Promise.resolve(target) })),
  ...fileTargets,
  ...inspectTargets,
  ...engineTargets,
  ...roleTargets,
  { name: 'endpoint behind a socket', share: 20, open: endpointTarget },
  { name: 'DTLS server', share: 20, open: dtlsServerTarget },
  { name: dtlsNetworkTarget.name, share: 2, open: () => Promise.resolve(dtlsNetworkTarget) },
  { name: 'DTLS client', share: 2, open: dtlsClientTarget },
];
