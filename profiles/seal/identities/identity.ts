import { utf8 } from '../../../src/core/bytes.ts';
import { type CborMap, type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import { ProtocolError } from '../../../src/core/errors.ts';

/** An identity that cannot be provisioned so. Code: `ERR_SEAL_IDENTITY`. */
export class IdentityError extends ProtocolError {}

/** Who may have tokens in a VAL system (TS 33.434, 5.2.3). */
export const valIdentityKinds = ['user', 'ue', 'server'] as const;
/** A VAL user, a VAL UE or a VAL server. */
export type ValIdentityKind = (typeof valIdentityKinds)[number];

/**
 * What the SIM-S knows of a VAL user, a VAL UE or a VAL server (TS 33.434, 5.2.3): its VAL services, and how identities map to each other and to the clients of
 * ACE-OAuth.
 */
export interface ValIdentity {
  readonly kind: ValIdentityKind;
  /** VAL user ID, VAL UE ID, or the name of a VAL server. */
  readonly id: string;
  /** VAL service IDs. Absent: those of whoever it is together with; on its own it has none. */
  readonly valServiceIds?: readonly string[];
  /** The client of the SIM-S that it is: of one kind and name. Absent: for a VAL UE and a VAL server the client of its name, for a VAL user none. */
  readonly client?: string;
  /** Of a VAL UE: the VAL users who use it. */
  readonly valUserIds?: readonly string[];
  /** It may provision key material (TS 33.434 v19, Table A.2.2.3-1). */
  readonly sKeyProv?: boolean;
}

/** Bytes of an identity (TS 33.434, A.2.1.2, of `sub`). */
const longest = 255;
const mostNames = 1000;

/** The client that an identity is. */
export function clientOf({ kind, id, client }: ValIdentity): string | undefined {
  return client ?? (kind === 'user' ? undefined : id);
}

export function isIdentityName(name: string): boolean {
  const { length } = utf8(name);
  return length >= 1 && length <= longest && !/[\p{Cs}\p{Cc}]/u.test(name);
}

/** @throws {IdentityError} `ERR_SEAL_IDENTITY` */
export function checkIdentity(identity: ValIdentity): void {
  const { kind, id, valServiceIds = [], client, valUserIds = [] } = identity;
  const wrong = (what: string, expected: string): IdentityError =>
    new IdentityError('ERR_SEAL_IDENTITY', `${kind} ${JSON.stringify(id)}: ${what}: ${expected}`);
  const wanted = `expected 1 to ${longest} bytes of UTF-8 without control characters, got others`;
  if (!isIdentityName(id)) throw wrong('id', wanted);
  if (client !== undefined && !isIdentityName(client)) throw wrong('client', wanted);
  for (const [what, names] of [['VAL services', valServiceIds] as const, ['VAL users', valUserIds] as const]) {
    if (!names.every(isIdentityName)) throw wrong(what, wanted);
    if (names.length > mostNames) throw wrong(what, `expected at most ${mostNames}, got ${names.length}`);
  }
  if (kind !== 'ue' && valUserIds.length > 0) throw wrong('VAL users', `expected none of a ${kind}, got ${valUserIds.length}`);
}

const labels = { valServiceIds: 1, client: 2, valUserIds: 3, sKeyProv: 4 } as const;
const version = 1;

/** A record of the store, which has kind and id in its key. */
export function encodeIdentity(identity: ValIdentity): Uint8Array {
  const map = new Map<number, CborValue>();
  for (const name of Object.keys(labels) as (keyof typeof labels)[]) {
    const value = identity[name];
    if (value !== undefined) map.set(labels[name], value as CborValue);
  }
  return encode([version, map]);
}

/** @throws {IdentityError} `ERR_SEAL_IDENTITY` for a record of another version */
export function decodeIdentity(kind: ValIdentityKind, id: string, bytes: Uint8Array): ValIdentity {
  const value = decode(bytes);
  const [made, map] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
  if (made !== version || !(map instanceof Map))
    throw new IdentityError('ERR_SEAL_IDENTITY', `${kind} ${JSON.stringify(id)}: expected a record of version ${version}`);
  const found = map as CborMap;
  const fields = Object.entries(labels).flatMap(([name, label]) => (found.has(label) ? [[name, found.get(label)] as const] : []));
  return { kind, id, ...(Object.fromEntries(fields) as Omit<ValIdentity, 'kind' | 'id'>) };
}
