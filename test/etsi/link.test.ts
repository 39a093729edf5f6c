import { etsi } from './etsi.ts';
import { linkCases } from './link-cases.ts';
import { overTcp, overUdp } from './pair.ts';

etsi(overUdp, linkCases);
etsi(overTcp, linkCases);
