import type { Profile } from '../../src/ace/index.ts';
import { oscoreAtAs } from './as.ts';
import { oscoreAtClient } from './client.ts';
import { coapOscore } from './params.ts';
import { oscoreAtRs } from './rs.ts';

/** @see https://www.rfc-editor.org/rfc/rfc9203 */
export const oscoreProfile: Profile = { id: coapOscore, name: 'coap_oscore', as: oscoreAtAs, client: oscoreAtClient, rs: oscoreAtRs };
