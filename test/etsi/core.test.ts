import { coreCases } from './core-cases.ts';
import { etsi } from './etsi.ts';
import { overTcp, overUdp } from './pair.ts';

etsi(overUdp, coreCases);
etsi(overTcp, coreCases);
