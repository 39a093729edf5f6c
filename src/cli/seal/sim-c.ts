import { SimC } from '../../../profiles/seal/index.ts';
import type { AceClient, AceClientOptions } from '../../client/index.ts';
import type { SealClientConfig } from '../../operate/index.ts';

/** The SIM-C of a configuration, whose only authorization server is the SIM-S. */
export function simCOf(seal: SealClientConfig, { authorizationServers, ...options }: AceClientOptions): AceClient {
  return new SimC({ ...options, ...seal, simS: authorizationServers[0]! });
}
