import type { Profile } from '../../src/ace/index.ts';

/** coap_oscore in the registry "ACE Profiles". */
const coapOscore = 2;

/** TS 33.434, B.3.4: the DTLS profile may be there, the OSCORE profile shall. */
export function hasOscore(profiles: readonly Profile[]): boolean {
  return profiles.some(({ id }) => id === coapOscore);
}
