/** Cases of OSCORE (RFC 8613). */
import type { ConformanceCase } from '../case.ts';
import { oscoreExchangeCases } from './exchange.ts';
import { oscoreBlockCases, oscoreObserveCases } from './observe.ts';
import { oscoreRefusalCases } from './refusals.ts';
import { oscoreWindowCases } from './window.ts';

export const oscoreCases: readonly ConformanceCase[] = [
  ...oscoreExchangeCases,
  ...oscoreWindowCases,
  ...oscoreRefusalCases,
  ...oscoreObserveCases,
  ...oscoreBlockCases,
];
