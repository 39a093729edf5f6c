import { etsi } from './etsi.ts';
import { observeCases } from './observe-cases.ts';
import { overUdp } from './pair.ts';

etsi(overUdp, observeCases);
