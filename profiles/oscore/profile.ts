import type { Profile } from '../../src/ace/index.ts';
import { oscoreAtAs } from './as.ts';
import { type OscoreProfileOptions, oscoreAtClient } from './client.ts';
import { coapOscore } from './params.ts';
import { oscoreAtRs } from './rs.ts';

/** The profile as one process uses it that has its store for itself. @see https://www.rfc-editor.org/rfc/rfc9203 */
export const oscoreProfile: Profile = oscoreProfileWith({});

/** The profile with other options. */
export function oscoreProfileWith(options: OscoreProfileOptions): Profile {
  return { id: coapOscore, name: 'coap_oscore', as: oscoreAtAs, client: (io) => oscoreAtClient(io, options), rs: (io) => oscoreAtRs(io) };
}
