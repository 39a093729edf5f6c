import { emptyBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import { CoapError } from '../errors.ts';

/** A CoAP option as it stands in a message: its number and its value. */
export interface Option {
  readonly number: number;
  readonly value: Uint8Array;
}

/** CoAP Option Numbers, IANA registry as of 2026-11. */
export const OptionNumber = {
  IfMatch: 1,
  UriHost: 3,
  ETag: 4,
  IfNoneMatch: 5,
  Observe: 6,
  UriPort: 7,
  LocationPath: 8,
  Oscore: 9,
  UriPath: 11,
  ContentFormat: 12,
  MaxAge: 14,
  UriQuery: 15,
  HopLimit: 16,
  Accept: 17,
  QBlock1: 19,
  LocationQuery: 20,
  Edhoc: 21,
  Block2: 23,
  Block1: 27,
  Size2: 28,
  QBlock2: 31,
  ProxyUri: 35,
  ProxyScheme: 39,
  Size1: 60,
  Echo: 252,
  NoResponse: 258,
  RequestTag: 292,
} as const;
export type OptionNumber = (typeof OptionNumber)[keyof typeof OptionNumber];

/** RFC 7252, Section 3.2: how the value of an option is read. */
export type OptionFormat = 'empty' | 'opaque' | 'uint' | 'string';

/** What the registry says of an option; `min` and `max` are lengths of the value in bytes. */
export interface OptionDefinition {
  readonly name: string;
  readonly format: OptionFormat;
  readonly min: number;
  readonly max: number;
  readonly repeatable: boolean;
}

const once = (name: string, format: OptionFormat, min: number, max: number): OptionDefinition => ({ name, format, min, max, repeatable: false });
const many = (name: string, format: OptionFormat, min: number, max: number): OptionDefinition => ({ name, format, min, max, repeatable: true });

/**
 * The options that this implementation understands, those of `ofLayers` where a layer does. EDHOC is critical and is not here on purpose: a peer that uses it
 * must hear 4.02 (RFC 7252, Section 5.4.1), not silence about what it asked for.
 */
const definitions: ReadonlyMap<number, OptionDefinition> = new Map([
  [OptionNumber.IfMatch, many('If-Match', 'opaque', 0, 8)],
  [OptionNumber.UriHost, once('Uri-Host', 'string', 1, 255)],
  [OptionNumber.ETag, many('ETag', 'opaque', 1, 8)],
  [OptionNumber.IfNoneMatch, once('If-None-Match', 'empty', 0, 0)],
  [OptionNumber.Observe, once('Observe', 'uint', 0, 3)],
  [OptionNumber.UriPort, once('Uri-Port', 'uint', 0, 2)],
  [OptionNumber.LocationPath, many('Location-Path', 'string', 0, 255)],
  [OptionNumber.Oscore, once('OSCORE', 'opaque', 0, 255)],
  [OptionNumber.UriPath, many('Uri-Path', 'string', 0, 255)],
  [OptionNumber.ContentFormat, once('Content-Format', 'uint', 0, 2)],
  [OptionNumber.MaxAge, once('Max-Age', 'uint', 0, 4)],
  [OptionNumber.UriQuery, many('Uri-Query', 'string', 0, 255)],
  [OptionNumber.HopLimit, once('Hop-Limit', 'uint', 1, 1)],
  [OptionNumber.Accept, once('Accept', 'uint', 0, 2)],
  [OptionNumber.QBlock1, once('Q-Block1', 'uint', 0, 3)],
  [OptionNumber.LocationQuery, many('Location-Query', 'string', 0, 255)],
  [OptionNumber.Block2, once('Block2', 'uint', 0, 3)],
  [OptionNumber.Block1, once('Block1', 'uint', 0, 3)],
  [OptionNumber.Size2, once('Size2', 'uint', 0, 4)],
  [OptionNumber.QBlock2, many('Q-Block2', 'uint', 0, 3)],
  [OptionNumber.ProxyUri, once('Proxy-Uri', 'string', 1, 1034)],
  [OptionNumber.ProxyScheme, once('Proxy-Scheme', 'string', 1, 255)],
  [OptionNumber.Size1, once('Size1', 'uint', 0, 4)],
  [OptionNumber.Echo, once('Echo', 'opaque', 1, 40)],
  [OptionNumber.NoResponse, once('No-Response', 'uint', 0, 1)],
  [OptionNumber.RequestTag, many('Request-Tag', 'opaque', 0, 8)],
]);

/** What is known of an option; `undefined`: no layer of this implementation understands it. */
export function optionDefinition(number: number): OptionDefinition | undefined {
  return definitions.get(number);
}

/** The name in the registry, or `option 4711`. */
export function optionName(number: number): string {
  return definitions.get(number)?.name ?? `option ${number}`;
}

/** Whether a recipient that does not understand the option must reject the message. @see https://www.rfc-editor.org/rfc/rfc7252#section-5.4.6 */
export function isCritical(number: number): boolean {
  return (number & 1) === 1;
}

/** Whether a proxy that does not understand the option must not forward it. */
export function isUnsafe(number: number): boolean {
  return (number & 2) === 2;
}

/** Whether the option is no part of the cache key. Unsafe options are never. */
export function isNoCacheKey(number: number): boolean {
  return (number & 0x1e) === 0x1c;
}

/** Big-endian bytes of a uint option value without leading zeros; 0 is empty (RFC 7252, Section 3.2). */
export function encodeUint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new CoapError('ERR_COAP_OPTION', `expected an unsigned integer, got ${value}`);
  if (value === 0) return emptyBytes;
  let length = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) length++;
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/**
 * The number in a uint option value. Leading zeros are allowed (RFC 7252, Section 3.2).
 *
 * @throws {CoapError} `ERR_COAP_OPTION` when it has more than 8 bytes or is above 2^53-1
 */
export function readUint(value: Uint8Array): number {
  if (value.length > 8) throw new CoapError('ERR_COAP_OPTION', `expected a uint of at most 8 bytes, got ${value.length}`);
  let number = 0;
  for (const byte of value) number = number * 256 + byte;
  if (number > Number.MAX_SAFE_INTEGER) throw new CoapError('ERR_COAP_OPTION', 'expected a uint of at most 53 bits, got a larger one');
  return number;
}

/** An option of the format uint, in the fewest bytes: 0 has none (RFC 7252, Section 3.2). */
export function uintOption(number: number, value: number): Option {
  return { number, value: encodeUint(value) };
}

/** The value is borrowed, not copied. */
export function opaqueOption(number: number, value: Uint8Array): Option {
  return { number, value };
}

/** An option of the format string: UTF-8 in Net-Unicode form (RFC 7252, Section 3.2). */
export function stringOption(number: number, text: string): Option {
  return { number, value: utf8(text) };
}

/** An option that is there or not (RFC 7252, Section 3.2). */
export function emptyOption(number: number): Option {
  return { number, value: emptyBytes };
}

/** The first option of that number. */
export function findOption(options: readonly Option[], number: number): Option | undefined {
  for (const option of options) if (option.number === number) return option;
  return undefined;
}

/** All options of that number, in order. */
export function findAll(options: readonly Option[], number: number): Option[] {
  return options.filter((option) => option.number === number);
}

/**
 * The number in the first option of that number.
 *
 * @throws {CoapError} `ERR_COAP_OPTION`
 */
export function uintOf(options: readonly Option[], number: number): number | undefined {
  const option = findOption(options, number);
  return option === undefined ? undefined : readUint(option.value);
}

/** In order of number; options of one number keep their order. */
export function sortOptions(options: readonly Option[]): Option[] {
  const sorted = [...options];
  // Most are in order already, and to see that takes less than to sort.
  for (let i = 1; i < sorted.length; i++) if (sorted[i - 1]!.number > sorted[i]!.number) return sorted.sort((a, b) => a.number - b.number);
  return sorted;
}

/** A copy in which `option` stands for all options of its number, at its place in the order. */
export function withOption(options: readonly Option[], option: Option): Option[] {
  const result: Option[] = [];
  let placed = false;
  for (const other of options) {
    if (!placed && other.number >= option.number) {
      result.push(option);
      placed = true;
    }
    if (other.number !== option.number) result.push(other);
  }
  if (!placed) result.push(option);
  return result;
}

/** A copy without the options of these numbers. */
export function withoutOptions(options: readonly Option[], ...numbers: readonly number[]): Option[] {
  return options.filter((option) => !numbers.includes(option.number));
}

function textsOf(options: readonly Option[], number: number): string[] {
  const texts: string[] = [];
  for (const option of options) if (option.number === number) texts.push(fromUtf8(option.value));
  return texts;
}

/**
 * The Uri-Path segments.
 *
 * @throws {BytesError} `ERR_BYTES_UTF8`
 */
export function pathOf(options: readonly Option[]): string[] {
  return textsOf(options, OptionNumber.UriPath);
}

/**
 * The Uri-Query arguments.
 *
 * @throws {BytesError} `ERR_BYTES_UTF8`
 */
export function queryOf(options: readonly Option[]): string[] {
  return textsOf(options, OptionNumber.UriQuery);
}

/** One Uri-Path option for each segment, not percent-encoded (RFC 7252, Section 6.4). */
export function pathOptions(segments: readonly string[]): Option[] {
  return segments.map((segment) => stringOption(OptionNumber.UriPath, segment));
}

/** One Uri-Query option for each argument, not percent-encoded (RFC 7252, Section 6.4). */
export function queryOptions(args: readonly string[]): Option[] {
  return args.map((argument) => stringOption(OptionNumber.UriQuery, argument));
}

/** Definitions by number below 300, where all that are understood lie: an index into an array is what every received option costs. */
const table: OptionTable = Array.from({ length: 300 }, (_, number) => definitions.get(number));

/** Definitions by number. */
export type OptionTable = readonly (OptionDefinition | undefined)[];

/** Options that no endpoint understands but one with a layer that does. */
const ofLayers: readonly number[] = [OptionNumber.Oscore, OptionNumber.QBlock1, OptionNumber.QBlock2];

/** What an endpoint understands whose layers understand these options. */
export function optionTable(understood: readonly number[]): OptionTable {
  return table.map((definition, number) => (ofLayers.includes(number) && !understood.includes(number) ? undefined : definition));
}

/** Options that name what a request is for (RFC 7252, Sections 5.10.1 and 5.10.2). */
export const targetOptions: readonly number[] = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
];

/** Critical options that are defined for requests only. */
const ofRequests: readonly number[] = [
  OptionNumber.IfMatch,
  OptionNumber.UriHost,
  OptionNumber.IfNoneMatch,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.Accept,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
];

/**
 * The table for responses, from one for requests: what is not defined for a response counts as unrecognised (RFC 7252, Section 5.4), and an ETag stands once
 * (Section 5.10.6.1).
 */
export function responseTable(requests: OptionTable): OptionTable {
  return requests.map((definition, number) => {
    if (ofRequests.includes(number)) return undefined;
    return number === OptionNumber.ETag ? once('ETag', 'opaque', 1, 8) : definition;
  });
}

function fits(option: Option, before: number, known: OptionTable): boolean {
  const definition = known[option.number];
  if (definition === undefined) return !isCritical(option.number);
  const length = option.value.length;
  return length >= definition.min && length <= definition.max && (option.number !== before || definition.repeatable);
}

/** What a recipient makes of the options that it received. */
export interface RecognisedOptions {
  /** Obliges to reject the message: critical, and unknown, of a length that its definition excludes, or a second one of an option that may stand once. */
  readonly bad: Option | undefined;
  /** Without the elective options of a wrong length or number of occurrences, which are ignored; the same array when there are none. */
  readonly options: readonly Option[];
}

/**
 * Sort out what a recipient must reject and what it must ignore; unknown elective options stay. Options are in order.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.4.1, 5.4.3 and 5.4.5
 */
export function recogniseOptions(options: readonly Option[], known: OptionTable = table): RecognisedOptions {
  let before = -1;
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    if (!fits(option, before, known)) return sortOut(options, i, known);
    before = option.number;
  }
  return { bad: undefined, options };
}

/**
 * Sort out what a proxy must reject: every unsafe option but those that it interprets and that are of the right form. All others stay as they are, critical
 * ones too, since they are for the other end.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.7.1
 */
export function recogniseForwarded(options: readonly Option[], interpreted: readonly number[]): RecognisedOptions {
  let before = -1;
  for (const option of options) {
    const { number } = option;
    if (isUnsafe(number) && !(interpreted.includes(number) && fits(option, before, table))) return { bad: option, options };
    before = number;
  }
  return { bad: undefined, options };
}

function sortOut(options: readonly Option[], firstMisfit: number, known: OptionTable): RecognisedOptions {
  const kept = options.slice(0, firstMisfit);
  for (let i = firstMisfit; i < options.length; i++) {
    const option = options[i]!;
    // A second occurrence is measured against the first that was taken, so that a misfit does not shut out the option behind it.
    if (fits(option, kept.at(-1)?.number ?? -1, known)) kept.push(option);
    else if (isCritical(option.number)) return { bad: option, options: kept };
  }
  return { bad: undefined, options: kept };
}
