import type { ConformanceCase } from './case.ts';
import { messageCases } from './coap/messages.ts';

/** All cases, in the order in which they are run. */
export const conformanceCases: readonly ConformanceCase[] = [...messageCases];
