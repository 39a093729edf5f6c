import type { Profile } from '../../src/ace/index.ts';
import type { Peer } from '../../src/coap/index.ts';
import type { DtlsSessions } from '../../src/dtls/index.ts';
import { type DtlsAtAsOptions, dtlsAtAs } from './as.ts';
import { type DtlsAtClientOptions, dtlsAtClient } from './client.ts';
import { coapDtls, profileName } from './params.ts';
import { type DtlsAtRsOptions, dtlsAtRs } from './rs.ts';

/** What a role gives the DTLS profile: its sessions, and what each role may set. */
export interface DtlsProfileOptions {
  /** The socket of the sessions, which is among the transports of the role: `dtls()` makes one. */
  readonly sessions: DtlsSessions<Peer>;
  readonly as?: DtlsAtAsOptions;
  readonly client?: DtlsAtClientOptions;
  readonly rs?: DtlsAtRsOptions;
}

/** The profile with the sessions of one socket. @see https://www.rfc-editor.org/rfc/rfc9202 */
export function dtlsProfileWith({ sessions, as, client, rs }: DtlsProfileOptions): Profile {
  return {
    id: coapDtls,
    name: profileName,
    as: (io) => dtlsAtAs(io, sessions, as),
    client: (io) => dtlsAtClient(io, sessions, client),
    rs: (io) => dtlsAtRs(io, sessions, rs),
  };
}
