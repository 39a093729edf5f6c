import { blockCases } from './block-cases.ts';
import { etsi } from './etsi.ts';
import { overUdp } from './pair.ts';

etsi(overUdp, blockCases);
