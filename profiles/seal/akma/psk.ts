import { credential } from '../../../src/ace/index.ts';
import type { SecurityAssociation } from '../../../src/coap/index.ts';
import { fromBase64Url, fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import type { Authenticator } from '../../../src/dtls/index.ts';
import type { CredentialsOf } from '../../../src/transport/index.ts';
import { formatAfId } from './af-id.ts';
import type { ApplicationKeys } from './application-keys.ts';
import { deriveApplicationKey } from './kdf.ts';
import { anchorOf, type UeAnchor } from './ue.ts';

/** psk_identity_hint of an AKMA application function (TS 24.109, K.3.2). */
export const akmaHint: Uint8Array = utf8('3GPP-AKMA');

/** What stands before the A-KID in a psk_identity. The separator is that of GBA (TS 33.222): the text that has AKMA's was not at hand, so it can be configured. */
export const defaultIdentityPrefix = '3GPP-AKMA;';

/** The psk_identity of a UE (TS 33.535, Annex B). */
export function pskIdentity(aKid: string, prefix: string = defaultIdentityPrefix): Uint8Array {
  return utf8(prefix + aKid);
}

/** The A-KID of a psk_identity; `undefined`: it is none of AKMA. */
export function aKidOfIdentity(identity: Uint8Array, prefix: string = defaultIdentityPrefix): string | undefined {
  try {
    const text = fromUtf8(identity);
    return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
  } catch {
    return undefined;
  }
}

const channel = 'akma';

/** What the channels of a UE go by at an application function. */
export function akmaCredential(keys: ApplicationKeys, aKid: string): string {
  return credential(channel, formatAfId(keys.afId), utf8(aKid));
}

/** The A-KID whose K_AF protects a message; `undefined`: nothing does, or another key. */
export function aKidOf(association: SecurityAssociation | undefined, keys: ApplicationKeys): string | undefined {
  const name = association?.credential;
  const start = akmaCredential(keys, '');
  return name?.startsWith(start) === true ? fromUtf8(fromBase64Url(name.slice(start.length))) : undefined;
}

/**
 * Lets in UEs by K_AF, which is looked up at the AAnF while the handshake waits.
 *
 * ```ts
 * const transport = await dtls({ port: 5684, server: { psk: { hint: akmaHint }, suites: 'seal-strict' }, authenticator: akmaAuthenticator(keys) });
 * ```
 */
export function akmaAuthenticator(keys: ApplicationKeys, prefix: string = defaultIdentityPrefix): Authenticator {
  return {
    psk: async (identity) => {
      const aKid = aKidOfIdentity(identity, prefix);
      if (aKid === undefined) return undefined;
      try {
        const key = await keys.get(aKid);
        return key === undefined ? undefined : { key: key.kAf, credential: akmaCredential(keys, aKid) };
      } catch (error) {
        // What is no A-KID is unknown like any other identity; an AAnF that does not answer is our trouble, not the peer's.
        return error instanceof ProtocolError && error.code === 'ERR_AKMA_A_KID' ? undefined : { alert: 'internal_error' };
      }
    },
  };
}

/** What a UE derives its pre-shared key of DTLS from. */
export interface AkmaClientOptions {
  /** The anchor key that the last primary authentication left, asked for at each handshake. */
  readonly anchor: () => UeAnchor | undefined;
  /** The security protocol on Ua*, as in the AF_ID of the server. */
  readonly protocol: Uint8Array;
  /** The FQDN in the AF_ID. Absent: the host that is connected to. */
  readonly fqdn?: string;
  readonly prefix?: string;
}

/**
 * How a UE proves itself to application functions. Without an anchor key the handshake fails before anything is sent (TS 33.501, Y.2).
 *
 * ```ts
 * const client = new CoapClient({ schemes: dtlsSchemes({ credentials: akmaCredentials({ anchor, protocol }), client: { suites: 'seal-strict' } }) });
 * ```
 */
export function akmaCredentials({ anchor, protocol, fqdn, prefix }: AkmaClientOptions): CredentialsOf {
  return (host) => {
    const { aKid, kAkma } = anchorOf(anchor());
    return { psk: { identity: pskIdentity(aKid, prefix), key: deriveApplicationKey(kAkma, { fqdn: fqdn ?? host, protocol }) } };
  };
}
