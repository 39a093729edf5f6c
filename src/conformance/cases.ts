import { asCases } from './as/index.ts';
import type { ConformanceCase } from './case.ts';
import { blockwiseCases } from './coap/blockwise.ts';
import { extensionCases } from './coap/extensions.ts';
import { formatCases } from './coap/format.ts';
import { methodCases } from './coap/methods.ts';
import { observeCases } from './coap/observe.ts';
import { optionCases } from './coap/options.ts';
import { reliabilityCases } from './coap/reliability.ts';
import { streamCases } from './coap/stream.ts';
import { associationCases } from './dtls/association.ts';
import { handshakeCases } from './dtls/handshake.ts';
import { oscoreCases } from './oscore/index.ts';
import { rsCases } from './rs/index.ts';

/** All cases, in the order in which they are run. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...formatCases,
  ...reliabilityCases,
  ...optionCases,
  ...methodCases,
  ...observeCases,
  ...blockwiseCases,
  ...extensionCases,
  ...streamCases,
  ...handshakeCases,
  ...associationCases,
  ...oscoreCases,
  ...rsCases,
  ...asCases,
];
