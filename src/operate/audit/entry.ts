import { toBase64Url, utf8 } from '../../core/bytes.ts';
import { digest } from '../../core/crypto/index.ts';
import { ProtocolError } from '../../core/errors.ts';
import { loggable } from '../logger.ts';

/** An audit log that cannot be opened or written. Codes: `ERR_AUDIT_OPEN`, `ERR_AUDIT_WRITE`, `ERR_AUDIT_BUSY`, `ERR_AUDIT_CLOSED`. */
export class AuditError extends ProtocolError {}

/** What happened, as it stands in an entry: texts, numbers, lists and maps of them. */
export interface AuditedFact {
  readonly type: string;
}

/** One line of an audit log. */
export interface AuditEntry {
  /** 0 is the first of the chain. */
  readonly seq: number;
  /** ISO 8601, by the wall clock, which may be set back: the order is that of `seq`. */
  readonly time: string;
  readonly event: AuditedFact & Readonly<Record<string, unknown>>;
  /** The hash of the entry before; empty in the first. */
  readonly prev: string;
  /** Base64url of SHA-256 over the canonical form of all the rest. */
  readonly hash: string;
}

/** A place in a chain: the entry of this number has this hash. */
export interface ChainHead {
  readonly chain: string;
  readonly seq: number;
  readonly hash: string;
}

/**
 * JSON in the one form that equal values have: no white space, the names of a map in order of their UTF-16 code units, numbers and texts as ECMAScript writes
 * them.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8785
 */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}

/** The hash that an entry has to have. */
export function hashOf({ seq, time, event, prev }: Omit<AuditEntry, 'hash'>): string {
  return toBase64Url(digest('sha256', utf8(canonicalJson({ seq, time, event, prev }))));
}

/** The entry that comes after `prev`. Byte strings come out as their length, as in a log. */
export function nextEntry(seq: number, time: string, fact: AuditedFact, prev: string): AuditEntry {
  const entry = { seq, time, event: loggable(fact) as AuditEntry['event'], prev };
  return { ...entry, hash: hashOf(entry) };
}

/** The line of an entry, without the end of line. */
export function formatEntry(entry: AuditEntry): string {
  return canonicalJson(entry);
}

/** `undefined`: no entry, or not in the canonical form, so that its bytes could be others for the same hash. */
export function parseEntry(line: string): AuditEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { seq, time, event, prev, hash, ...rest } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(seq) || typeof time !== 'string' || typeof prev !== 'string' || typeof hash !== 'string') return undefined;
  if (typeof event !== 'object' || event === null || typeof (event as { type?: unknown }).type !== 'string') return undefined;
  const entry = value as AuditEntry;
  return Object.keys(rest).length === 0 && formatEntry(entry) === line ? entry : undefined;
}
