import type { ConformanceCase } from './case.ts';
import { messageCases } from './coap/messages.ts';
import { oscoreCases } from './oscore/index.ts';

/** All cases, in the order in which they are run. */
export const conformanceCases: readonly ConformanceCase[] = [...messageCases, ...oscoreCases];
