import { Code } from '../../src/coap/index.ts';
import type { CborValue } from '../../src/core/cbor.ts';
import type { Caller } from './caller.ts';
import { SealError } from './error.ts';
import { Members, unfit } from './members.ts';

/** A VAL user or a VAL UE: one of the two (TS 24.546, C.2.1.3.2.4). */
export interface ValTargetUe {
  readonly kind: 'valUserId' | 'valUeId';
  readonly id: string;
}

/** @throws {SealError} `ERR_SEAL_MODEL` */
export function readValTargetUe(value: CborValue, what: string): ValTargetUe {
  const members = new Members(value, what);
  const kinds = (['valUserId', 'valUeId'] as const).filter((kind) => members.has(kind));
  if (kinds.length !== 1) throw unfit(what, 'one of valUserId and valUeId');
  return { kind: kinds[0]!, id: members.text(kinds[0]!) };
}

/**
 * Whom the argument `val-tgt-ue` of a query means: a ValTargetUe as JSON, or the bare identity of a VAL user or a VAL UE. TS 24.546 names the type and no form.
 *
 * @throws {SealError} `ERR_SEAL_QUERY`, 4.00
 */
export function readTargetQuery(text: string): (target: ValTargetUe) => boolean {
  if (!text.startsWith('{')) return ({ id }) => id === text;
  const wrong = (): SealError =>
    new SealError('ERR_SEAL_QUERY', 'val-tgt-ue: expected an identity, or JSON with one of valUserId and valUeId, got other text', {
      responseCode: Code.BadRequest,
    });
  let asked: ValTargetUe;
  try {
    asked = readValTargetUe(new Map(Object.entries(JSON.parse(text) as Readonly<Record<string, CborValue>>)), 'val-tgt-ue');
  } catch {
    throw wrong();
  }
  return ({ kind, id }) => kind === asked.kind && id === asked.id;
}

/** Whether a token was given to the user or the device itself. */
export function isOwn(caller: Caller, { kind, id }: ValTargetUe): boolean {
  return caller[kind] === id;
}
