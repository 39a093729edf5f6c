import { blockCases } from './block-cases.ts';
import { etsi } from './etsi.ts';
import { overTcp, overUdp } from './pair.ts';

etsi(overUdp, blockCases);
etsi(overTcp, blockCases);
