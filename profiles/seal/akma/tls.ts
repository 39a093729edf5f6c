import type { StreamTransport } from '../../../src/coap/index.ts';
import { equalBytes, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import type { Env } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import {
  type Scheme,
  type StreamOptions,
  type StreamServerOptions,
  type TlsPsk,
  type TlsPskClientOptions,
  type TlsPskSuite,
  tlsPsk,
  tlsPskSchemes,
  tlsPskServer,
} from '../../../src/transport/index.ts';
import { uaStarTls12, uaStarTls13 } from './af-id.ts';
import type { ApplicationKeys } from './application-keys.ts';
import { AkmaError } from './error.ts';
import { deriveApplicationKey } from './kdf.ts';
import { type AkmaClientOptions, aKidOfIdentity, akmaCredential, akmaHint, pskIdentity } from './psk.ts';
import { anchorOf } from './ue.ts';

/** An application function on TLS: whose keys it takes. */
export interface AkmaTlsServerOptions extends StreamServerOptions {
  /** Their AF_ID has the Ua* security protocol identifier of the suite: `akmaTlsProtocol`. */
  readonly keys: ApplicationKeys;
  /** TLS 1.3 when absent. One for each listener, since K_AF is another for each. */
  readonly suite?: TlsPskSuite;
  readonly identityPrefix?: string;
  readonly env?: Env;
}

/** What a UE connects with. */
export interface AkmaTlsClientOptions extends StreamOptions, Omit<AkmaClientOptions, 'protocol'> {
  readonly suite?: TlsPskSuite;
}

const usualSuite: TlsPskSuite = 'TLS_AES_128_GCM_SHA256';

/** The Ua* security protocol identifier of a suite (TS 33.220, Annex H): those of TLS 1.2 have one each. */
export function akmaTlsProtocol(suite: TlsPskSuite = usualSuite): Uint8Array {
  return protocols[suite];
}

/** By numbers of the TLS Cipher Suites registry as of 2026-11. */
const protocols: Readonly<Record<TlsPskSuite, Uint8Array>> = {
  TLS_AES_128_GCM_SHA256: uaStarTls13,
  TLS_DHE_PSK_WITH_AES_128_GCM_SHA256: uaStarTls12(0x00aa),
  TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: uaStarTls12(0xccac),
};

/**
 * CoAP over TLS with K_AF as the pre-shared key (TS 33.535, Annex B), at the application function. The handshake waits while K_AF is fetched from the AAnF, and
 * a connection ends with the K_AF that it came up with.
 *
 * ```ts
 * const keys = new ApplicationKeys({ aanf, afId: { fqdn: 'msgin5g.example', protocol: akmaTlsProtocol() } });
 * const endpoint = new Endpoint({ transport: await akmaTlsServer({ keys, port: 5684 }), handler: router.handler });
 * new Msgin5gRegistration({ keys: [keys], associations }).mount(router);
 * ```
 *
 * @throws {AkmaError} `ERR_AKMA_AF_ID` for keys of another security protocol; `TransportError` `ERR_TRANSPORT_BIND`
 */
export async function akmaTlsServer(options: AkmaTlsServerOptions): Promise<StreamTransport> {
  const { keys, suite = usualSuite, identityPrefix, ...rest } = options;
  const { protocol } = keys.afId;
  if (!equalBytes(protocol, akmaTlsProtocol(suite))) {
    throw new AkmaError('ERR_AKMA_AF_ID', `AF_ID: expected the protocol identifier of ${suite}, ${toHex(akmaTlsProtocol(suite))}, got ${toHex(protocol)}`);
  }
  const psk = (identity: string): Promise<TlsPsk | undefined> => pskOf(keys, aKidOfIdentity(utf8(identity), identityPrefix));
  return tlsPskServer({ ...rest, suite, hint: fromUtf8(akmaHint), psk });
}

/** What is no A-KID is unknown like any other identity; an AAnF that does not answer ends the handshake. */
async function pskOf(keys: ApplicationKeys, aKid: string | undefined): Promise<TlsPsk | undefined> {
  if (aKid === undefined) return undefined;
  try {
    const key = await keys.get(aKid);
    return key === undefined ? undefined : { key: key.kAf, credential: akmaCredential(keys, aKid), expiresAt: key.expiresAt };
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'ERR_AKMA_A_KID') return undefined;
    throw error;
  }
}

/**
 * CoAP over TLS with K_AF, at the UE. Without an anchor key nothing is sent (TS 33.501, Y.2).
 *
 * ```ts
 * const endpoint = new Endpoint({ transport: await akmaTls({ anchor: () => anchor }) });
 * ```
 */
export function akmaTls(options: AkmaTlsClientOptions): Promise<StreamTransport> {
  const { anchor: _anchor, fqdn: _fqdn, prefix: _prefix, ...rest } = options;
  return tlsPsk({ ...rest, ...clientOf(options) });
}

/**
 * The row of `coaps+tcp` for a UE: as `akmaTls`, for a `CoapClient`.
 *
 * ```ts
 * const client = new CoapClient({ schemes: akmaTlsSchemes({ anchor: () => anchor }) });
 * ```
 */
export function akmaTlsSchemes(options: Omit<AkmaTlsClientOptions, keyof StreamOptions>): readonly Scheme[] {
  return tlsPskSchemes(clientOf(options));
}

function clientOf({ anchor, fqdn, prefix, suite = usualSuite }: Omit<AkmaTlsClientOptions, keyof StreamOptions>): TlsPskClientOptions {
  const credentials = (host: string): { readonly identity: Uint8Array; readonly key: Uint8Array } => {
    const { aKid, kAkma } = anchorOf(anchor());
    return { identity: pskIdentity(aKid, prefix), key: deriveApplicationKey(kAkma, { fqdn: fqdn ?? host, protocol: akmaTlsProtocol(suite) }) };
  };
  // TS 24.109, K.3.2: server_name is the host of the application function.
  return { suite, credentials, ...(fqdn === undefined ? {} : { serverName: fqdn }) };
}
