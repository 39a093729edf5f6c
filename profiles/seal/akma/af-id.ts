import { concat, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { isServerName } from '../../../src/dtls/index.ts';
import { AkmaError } from './error.ts';

/** The identity of an application function towards the UE and the AAnF: K_AF belongs to both parts of it (TS 33.535, Section 6.2). */
export interface AfId {
  readonly fqdn: string;
  /** The identifier of the security protocol on Ua*, 5 bytes (TS 33.220, Annex H). */
  readonly protocol: Uint8Array;
}

const protocolLength = 5;

/** Shared key TLS 1.3 (TS 33.222, 5.4.0.2). */
export const uaStarTls13: Uint8Array = Uint8Array.of(0x01, 0x00, 0x00, 0x00, 0x07);

/** Shared key TLS up to 1.2, which has an identifier for each cipher suite. DTLS 1.2 goes by it too. */
export function uaStarTls12(suite: number): Uint8Array {
  return Uint8Array.of(0x01, 0x00, 0x01, suite >>> 8, suite & 0xff);
}

/**
 * The octets that K_AF is derived from: FQDN, then Ua* security protocol identifier (TS 33.535, A.4).
 *
 * @throws {AkmaError} `ERR_AKMA_AF_ID`
 */
export function encodeAfId({ fqdn, protocol }: AfId): Uint8Array {
  if (!isServerName(fqdn)) throw new AkmaError('ERR_AKMA_AF_ID', 'AF_ID: expected a domain name, got another text');
  if (protocol.length !== protocolLength) throw new AkmaError('ERR_AKMA_AF_ID', `AF_ID: expected a protocol identifier of 5 bytes, got ${protocol.length}`);
  return concat(utf8(fqdn.toLowerCase()), protocol);
}

/** The AF_ID as text, for the service based interfaces: `msgin5g.example.com/0100000007`. TS 29.535 says only that it is a string. */
export function formatAfId({ fqdn, protocol }: AfId): string {
  return `${fqdn.toLowerCase()}/${toHex(protocol)}`;
}

/** @throws {AkmaError} `ERR_AKMA_AF_ID` */
export function parseAfId(text: string): AfId {
  const [, fqdn, protocol] = /^([^/]+)\/([0-9a-f]{10})$/i.exec(text) ?? [];
  if (fqdn === undefined || protocol === undefined || !isServerName(fqdn)) {
    throw new AkmaError('ERR_AKMA_AF_ID', 'AF_ID: expected a domain name, a slash and 10 hexadecimal digits, got another text');
  }
  return { fqdn: fqdn.toLowerCase(), protocol: fromHex(protocol) };
}
