import { etsi } from './etsi.ts';
import { linkCases } from './link-cases.ts';
import { overUdp } from './pair.ts';

etsi(overUdp, linkCases);
