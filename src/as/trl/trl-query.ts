import { type DiffEntry, TrlError, type TrlQuery, type TrlResponse, trlErrorKey } from '../../ace/index.ts';
import { Code, ContentFormat, encodeProblemDetails, OptionNumber, type Response, uintOption } from '../../coap/index.ts';
import type { CborValue } from '../../core/cbor.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { Updates } from './revocations.ts';

/** The largest `index` of an update (RFC 9770, Section 6.2.1); then they start at 0 again. */
export const defaultMaxIndex = 0xffff_ffff;

/** What bounds a diff query: MAX_DIFF_BATCH and MAX_INDEX. */
export interface DiffBounds {
  readonly batch: number;
  readonly maxIndex: number;
}

/** A query that RFC 9770, Section 6.3 refuses. */
export class TrlQueryError extends ProtocolError {
  readonly error: TrlError;
  /** What stands beside the error. Absent: nothing. */
  readonly cursor: number | null | undefined;

  constructor(error: TrlError, message: string, cursor?: number | null) {
    super('ERR_AS_TRL_QUERY', message);
    this.error = error;
    this.cursor = cursor;
  }
}

const titles: Readonly<Record<TrlError, string>> = { 0: 'Invalid parameter value', 1: 'Invalid set of parameters', 2: 'Out of bound cursor value' };

/** @see https://www.rfc-editor.org/rfc/rfc9770#section-6.1 */
export function trlErrorResponse({ error, cursor, message }: TrlQueryError): Response {
  const entry = new Map<number, CborValue>([[0, error], ...(cursor === undefined ? [] : ([[1, cursor]] as const))]);
  return {
    code: Code.BadRequest,
    options: [uintOption(OptionNumber.ContentFormat, ContentFormat.ConciseProblemDetails)],
    payload: encodeProblemDetails({ title: titles[error], detail: message, entries: new Map([[trlErrorKey, entry]]) }),
  };
}

/**
 * The query of a request, from its Uri-Query arguments. Arguments that are not known are passed over.
 *
 * @throws {TrlQueryError}
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-6.3
 */
export function readTrlQuery(query: readonly string[], updates: Updates, { maxIndex }: DiffBounds): TrlQuery {
  const diffs = valuesOf(query, 'diff');
  const cursors = valuesOf(query, 'cursor');
  const diff = diffs.length === 0 ? undefined : numberOf(diffs);
  if (diffs.length > 0 && diff === undefined) throw new TrlQueryError(TrlError.invalidValue, "Invalid value for 'diff': expected one number from 0 on");
  if (cursors.length === 0) return diff === undefined ? {} : { diff };
  if (diff === undefined) throw new TrlQueryError(TrlError.invalidSet, "Invalid set of parameters: expected 'diff' beside 'cursor'");
  const cursor = numberOf(cursors);
  const last = lastIndex(updates, maxIndex);
  if (cursor === undefined || cursor > maxIndex)
    throw new TrlQueryError(TrlError.invalidValue, `Invalid value for 'cursor': expected one number up to ${maxIndex}`, last);
  if (last !== null && updates.count <= maxIndex + 1 && cursor > last)
    throw new TrlQueryError(TrlError.outOfBound, `Out of bound value for 'cursor': expected at most ${last}`);
  return { diff, cursor };
}

/** The answer to a diff query. @see https://www.rfc-editor.org/rfc/rfc9770#section-9.2 */
export function diffResponse(updates: Updates, { diff = 0, cursor }: TrlQuery, { batch, maxIndex }: DiffBounds): TrlResponse {
  const { count, kept } = updates;
  if (kept.length === 0) return { diffSet: [], cursor: null, more: false };
  const first = count - kept.length;
  const start = cursor === undefined ? first : startAfter(cursor, updates, maxIndex);
  // Section 9.2.3, case A: what came after the cursor is no longer kept.
  if (start === undefined) return { diffSet: [], cursor: null, more: true };
  const size = count - start;
  const wanted = diff === 0 ? size : Math.min(diff, size);
  const sent = Math.min(wanted, batch);
  // The eldest of the `wanted` most recent ones.
  const from = count - wanted;
  const diffSet: readonly DiffEntry[] = kept.slice(from - first, from - first + sent).reverse();
  return { diffSet, cursor: sent === 0 ? lastIndex(updates, maxIndex) : (from + sent - 1) % (maxIndex + 1), more: wanted > batch };
}

/** `null`: nothing has happened that pertains to the requester. */
export function lastIndex({ count }: Updates, maxIndex: number): number | null {
  return count === 0 ? null : (count - 1) % (maxIndex + 1);
}

/** The absolute number of the update that follows the one of a cursor; `undefined`: it is no longer kept. */
function startAfter(cursor: number, { count, kept }: Updates, maxIndex: number): number | undefined {
  const first = count - kept.length;
  const at = (index: number): number | undefined => {
    const behind = (index - (first % (maxIndex + 1)) + maxIndex + 1) % (maxIndex + 1);
    return behind < kept.length ? first + behind : undefined;
  };
  const known = at(cursor);
  return known === undefined ? at((cursor + 1) % (maxIndex + 1)) : known + 1;
}

function valuesOf(query: readonly string[], name: string): readonly string[] {
  return query.flatMap((argument) => (argument === name ? [''] : argument.startsWith(`${name}=`) ? [argument.slice(name.length + 1)] : []));
}

/** One value, of decimal digits. Beyond what a number holds exactly it is only compared with a bound. */
function numberOf(values: readonly string[]): number | undefined {
  const [value = ''] = values;
  return values.length === 1 && /^(0|[1-9][0-9]*)$/.test(value) ? Number(value) : undefined;
}
