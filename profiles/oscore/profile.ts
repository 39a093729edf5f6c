import type { Profile } from '../../src/ace/index.ts';
import { oscoreAtAs } from './as.ts';
import { coapOscore } from './params.ts';

/** @see https://www.rfc-editor.org/rfc/rfc9203 */
export const oscoreProfile: Profile = { id: coapOscore, name: 'coap_oscore', as: oscoreAtAs };
