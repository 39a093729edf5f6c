import { coreCases } from './core-cases.ts';
import { etsi } from './etsi.ts';
import { overUdp } from './pair.ts';

etsi(overUdp, coreCases);
