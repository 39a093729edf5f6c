import { concat } from '../core/bytes.ts';
import { CryptoError, type CurveKey, type CurveKeyPair } from '../core/crypto/index.ts';
import { HandshakeFailure } from './alert.ts';
import { DtlsError } from './errors.ts';

/** As in the registry "TLS Supported Groups". */
export type GroupName = 'secp256r1' | 'secp384r1' | 'x25519';

export interface NamedGroup {
  readonly id: number;
  readonly name: GroupName;
  /** COSE curve. */
  readonly crv: number;
  /** Bytes of a coordinate. */
  readonly length: number;
  /** Whether a point is 04, x and y; else it is x alone. */
  readonly twoCoordinates: boolean;
}

/** TLS Supported Groups, IANA registry as of 2026-11: those that we have, in order of preference. */
const groups: readonly NamedGroup[] = [
  { id: 29, name: 'x25519', crv: 4, length: 32, twoCoordinates: false },
  { id: 23, name: 'secp256r1', crv: 1, length: 32, twoCoordinates: true },
  { id: 24, name: 'secp384r1', crv: 2, length: 48, twoCoordinates: true },
];

/** All groups, or those of these names. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function groupsOf(names?: readonly GroupName[]): readonly NamedGroup[] {
  if (names === undefined) return groups;
  return [...new Set(names)].map((name) => {
    const group = groups.find((one) => one.name === name);
    if (group === undefined) throw new DtlsError('ERR_DTLS_CONFIG', `expected a named group (${groups.map((one) => one.name).join(', ')}), got ${name}`);
    return group;
  });
}

/** The group in which a key of this COSE curve lies. */
export function groupOfCurve(crv: number): NamedGroup | undefined {
  return groups.find((group) => group.crv === crv);
}

/** RFC 8422, Sections 5.4.1 and 5.11. */
export function encodePoint(group: NamedGroup, { x, y }: CurveKeyPair): Uint8Array {
  return group.twoCoordinates ? concat(Uint8Array.of(4), x, y!) : x;
}

/** The point as a key; whether it is on the curve shows when it is used. @throws {HandshakeFailure} `illegal_parameter` */
export function decodePoint(group: NamedGroup, point: Uint8Array): CurveKey {
  const { crv, length, twoCoordinates } = group;
  if (twoCoordinates ? point.length !== 1 + 2 * length || point[0] !== 4 : point.length !== length)
    throw new HandshakeFailure('illegal_parameter', `expected an uncompressed point of ${group.name}, got ${point.length} bytes that are none`);
  if (!twoCoordinates) return { crv, x: point.slice() };
  return { crv, x: point.slice(1, 1 + length), y: point.slice(1 + length) };
}

/** Run what refuses points that are not on the curve, or of small order. @throws {HandshakeFailure} `illegal_parameter` */
export function withPoint<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof CryptoError) throw new HandshakeFailure('illegal_parameter', 'expected a point that gives a secret, got another');
    throw error;
  }
}
