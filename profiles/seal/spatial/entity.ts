import { Code } from '../../../src/coap/index.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import type { Caller } from '../caller.ts';
import { SealError } from '../error.ts';
import { Members, unfit } from '../members.ts';

const kinds = ['valUserId', 'valUeId', 'valServiceId'] as const;

/** Who may do something with a spatial object: a VAL user, a VAL UE, or whoever has a token for a VAL service. `subject`: the `sub` of a token that names none. */
export interface Entity {
  readonly kind: (typeof kinds)[number] | 'subject';
  readonly id: string;
}

/** @throws {SealError} `ERR_SEAL_MODEL` */
export function readEntity(value: CborValue, what: string): Entity {
  const members = new Members(value, what);
  const named = kinds.filter((kind) => members.has(kind));
  if (named.length !== 1) throw unfit(what, `one of ${kinds.join(', ')}`);
  return { kind: named[0]!, id: members.text(named[0]!) };
}

export function entityMap({ kind, id }: Entity): CborMap {
  return new Map([[kind, id]]);
}

export function isEntity(caller: Caller, { kind, id }: Entity): boolean {
  return kind === 'valServiceId' ? caller.valServiceIds.includes(id) : caller[kind] === id;
}

/**
 * Whom a caller makes things for: its user, or else its device, or else itself.
 *
 * @throws {SealError} `ERR_SEAL_CALLER`, 4.03
 */
export function ownerFor({ valUserId, valUeId, subject }: Caller): Entity {
  if (valUserId !== undefined) return { kind: 'valUserId', id: valUserId };
  if (valUeId !== undefined) return { kind: 'valUeId', id: valUeId };
  if (subject !== undefined) return { kind: 'subject', id: subject };
  throw new SealError('ERR_SEAL_CALLER', 'expected a token that names somebody, got one that names nobody', { responseCode: Code.Forbidden });
}
