import { etsi } from './etsi.ts';
import { observeCases } from './observe-cases.ts';
import { overTcp, overUdp } from './pair.ts';

etsi(overUdp, observeCases);
etsi(overTcp, observeCases);
