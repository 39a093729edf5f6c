import { type CborKey, type CborMap, type CborValue, decode, encode, Tagged } from '../../core/cbor.ts';
import { ProtocolError } from '../../core/errors.ts';
import { CoapError } from '../errors.ts';
import { codeClass } from '../message/code.ts';
import { ContentFormat } from '../message/content-format.ts';
import type { AnswerFields } from './answer-fields.ts';

/** A text with its language (RFC 9290, Appendix A). */
export interface TaggedText {
  readonly text: string;
  /** RFC 5646: `en`, `de-AT`. */
  readonly lang: string;
  /** Written from right to left; `null`, and absent: to be found out from the text. */
  readonly rtl?: boolean | null;
}

/** A text, with its language where that is known. */
export type ProblemText = string | TaggedText;

/** What went wrong with a request, for programs and for people. */
export interface ProblemDetails {
  /** What kind of problem it is; the same for all of its kind. */
  readonly title?: ProblemText;
  /** What happened this time. Not to be parsed. */
  readonly detail?: ProblemText;
  /** A URI reference of this occurrence. */
  readonly instance?: string;
  /** The code of the response, for when it is looked at without its message. */
  readonly responseCode?: number;
  readonly baseUri?: string;
  /** The language of texts without one of their own. Absent: `en`. */
  readonly baseLang?: string;
  /** The direction of such texts; `null`: to be found out. Absent: left to right. */
  readonly baseRtl?: boolean | null;
  /** Numbers of options that were critical and not processed. */
  readonly unprocessedCoapOption?: readonly number[];
  /**
   * Everything else: custom entries, under a registered number or an absolute URI, whose values are maps; standard entries that this implementation does not know,
   * under negative numbers. A consumer ignores what it does not know, and keeps it when it passes the details on.
   */
  readonly entries?: ReadonlyMap<number | string, CborValue>;
}

/** Standard Problem Detail Keys, IANA registry as of 2026-11 (RFC 9290, Section 6.1). */
const Key = { title: -1, detail: -2, instance: -3, responseCode: -4, baseUri: -5, baseLang: -6, baseRtl: -7, unprocessedCoapOption: -8 } as const;
const known: ReadonlySet<CborKey> = new Set(Object.values(Key));
const textTag = 38;
/** RFC 5646's shape, as the CDDL of RFC 9290, Appendix A has it. */
const languageTag = /^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$/;
const absoluteUri = /^[a-zA-Z][a-zA-Z0-9+.-]*:[^\s#]+$/;

function broken(expected: string, cause?: unknown): CoapError {
  return new CoapError('ERR_COAP_PROBLEM_DETAILS', `expected ${expected}, got other problem details`, cause === undefined ? undefined : { cause });
}

function encodeText(text: ProblemText): CborValue {
  if (typeof text === 'string') return text;
  if (!languageTag.test(text.lang)) throw broken('a language tag');
  return new Tagged(textTag, text.rtl === undefined ? [text.lang, text.text] : [text.lang, text.text, text.rtl]);
}

function checkEntry(key: CborKey, value: CborValue): void {
  if (typeof key === 'number' && key < 0) return;
  if (typeof key === 'string' ? !absoluteUri.test(key) : typeof key !== 'number' && typeof key !== 'bigint')
    throw broken('keys that are numbers or absolute URIs');
  if (!(value instanceof Map) || value.size === 0) throw broken('custom entries that are maps with something in them');
}

/**
 * `application/concise-problem-details+cbor`.
 *
 * @throws {CoapError} `ERR_COAP_PROBLEM_DETAILS` when nothing is in them, or something that cannot be
 * @see https://www.rfc-editor.org/rfc/rfc9290#section-2
 */
export function encodeProblemDetails(details: ProblemDetails): Uint8Array {
  const map = new Map<CborKey, CborValue>();
  for (const [key, value] of details.entries ?? []) {
    if (known.has(key)) throw broken('entries beside the known ones');
    checkEntry(key, value);
    map.set(key, value);
  }
  const put = (key: number, value: CborValue): void => {
    if (value !== undefined) map.set(key, value);
  };
  put(Key.title, details.title === undefined ? undefined : encodeText(details.title));
  put(Key.detail, details.detail === undefined ? undefined : encodeText(details.detail));
  put(Key.instance, details.instance);
  put(Key.responseCode, details.responseCode);
  put(Key.baseUri, details.baseUri);
  put(Key.baseLang, details.baseLang);
  put(Key.baseRtl, details.baseRtl);
  const unprocessed = details.unprocessedCoapOption;
  if (unprocessed !== undefined && unprocessed.length > 0) put(Key.unprocessedCoapOption, unprocessed.length === 1 ? unprocessed[0] : unprocessed);
  if (map.size === 0) throw broken('at least one entry');
  const bytes = encode(map);
  // What is written can be read: the rules of the fields stand in one place.
  decodeProblemDetails(bytes);
  return bytes;
}

/** Reads the fields of a map that was received; what has the wrong type is an error. */
class FieldReader {
  readonly #map: CborMap;

  constructor(map: CborMap) {
    this.#map = map;
  }

  text(key: number): ProblemText | undefined {
    const value = this.#map.get(key);
    if (value === undefined || typeof value === 'string') return value;
    if (!(value instanceof Tagged) || value.tag !== textTag || !Array.isArray(value.value)) throw broken(`text as entry ${key}`);
    const [lang, text, rtl, ...rest] = value.value as readonly CborValue[];
    if (typeof lang !== 'string' || !languageTag.test(lang) || typeof text !== 'string' || rest.length > 0)
      throw broken(`a language and a text as entry ${key}`);
    if (rtl !== undefined && rtl !== null && typeof rtl !== 'boolean') throw broken(`a direction of true, false or null in entry ${key}`);
    return rtl === undefined ? { text, lang } : { text, lang, rtl };
  }

  string(key: number): string | undefined {
    const value = this.#map.get(key);
    if (value !== undefined && typeof value !== 'string') throw broken(`text without a tag as entry ${key}`);
    return value;
  }

  uint(key: number, most: number): number | undefined {
    const value = this.#map.get(key);
    if (value !== undefined && !isUint(value, most)) throw broken(`a number up to ${most} as entry ${key}`);
    return value;
  }
}

function isUint(value: CborValue, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function optionsOf(value: CborValue): readonly number[] | undefined {
  if (value === undefined) return undefined;
  const list = Array.isArray(value) ? (value as readonly CborValue[]) : [value];
  if ((Array.isArray(value) && list.length < 2) || !list.every((number) => isUint(number, 0xffff))) throw broken('one option number, or a list of two or more');
  return list as readonly number[];
}

/**
 * The reverse of `encodeProblemDetails`. Entries that are not known are kept in `entries`.
 *
 * @throws {CoapError} `ERR_COAP_PROBLEM_DETAILS`
 */
export function decodeProblemDetails(bytes: Uint8Array): ProblemDetails {
  let map: CborValue;
  try {
    // RFC 9290 asks for no deterministic encoding.
    map = decode(bytes, { lenient: true });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw broken('a CBOR map', error);
  }
  if (!(map instanceof Map) || map.size === 0) throw broken('a CBOR map with something in it');
  const read = new FieldReader(map);
  const entries = new Map<number | string, CborValue>();
  for (const [key, value] of map as CborMap) {
    if (value === undefined) throw broken('entries with values');
    if (known.has(key)) continue;
    checkEntry(key, value);
    // Numbers over 2^53 are none that a program of ours can name.
    if (typeof key !== 'bigint') entries.set(key as number | string, value);
  }
  const baseRtl = map.get(Key.baseRtl) as CborValue;
  if (baseRtl !== undefined && baseRtl !== null && typeof baseRtl !== 'boolean') throw broken('a base direction of true, false or null');
  const baseLang = read.string(Key.baseLang);
  if (baseLang !== undefined && !languageTag.test(baseLang)) throw broken('a language tag as base language');
  const fields = {
    title: read.text(Key.title),
    detail: read.text(Key.detail),
    instance: read.string(Key.instance),
    responseCode: read.uint(Key.responseCode, 0xff),
    baseUri: read.string(Key.baseUri),
    baseLang,
    baseRtl,
    unprocessedCoapOption: optionsOf(map.get(Key.unprocessedCoapOption)),
    entries: entries.size === 0 ? undefined : entries,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function plain(text: ProblemText): string {
  return typeof text === 'string' ? text : text.text;
}

/** The details in one line of text; empty when they hold none. */
export function problemText({ title, detail }: ProblemDetails): string {
  return [title, detail].flatMap((text) => (text === undefined ? [] : [plain(text)])).join(': ');
}

/**
 * The answer of a resource function that fails, with what is to be said of it. To a client that asks for another format (Accept) the router sends the texts as a
 * diagnostic payload.
 *
 * @throws {RangeError} when `code` is no error
 * @throws {CoapError} `ERR_COAP_PROBLEM_DETAILS`
 */
export function problem(code: number, details: ProblemDetails): AnswerFields {
  if (codeClass(code) !== 4 && codeClass(code) !== 5) throw new RangeError(`expected the code of an error, got ${code}`);
  // RFC 9290 §2: when it is there it is that of the message.
  return { code, payload: encodeProblemDetails({ ...details, responseCode: code }), contentFormat: ContentFormat.ConciseProblemDetails };
}
