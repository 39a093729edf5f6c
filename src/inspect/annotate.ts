import {
  type Body,
  ContentFormat,
  codeClass,
  codeName,
  decodeProblemDetails,
  formatCode,
  OptionNumber,
  optionName,
  type ProblemDetails,
  type ProblemText,
} from '../coap/index.ts';
import { fromUtf8, toHex } from '../core/bytes.ts';
import { encode } from '../core/cbor.ts';
import { diagnose, type ItemNames } from '../core/diagnostic.ts';
import { ProtocolError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { coseKeyNames, coseKeySetNames } from './cose-names.ts';
import { coseNames, introspectionNames, itemNames, refusalNames, tokenNames } from './names.ts';
import { pathIn, uintIn } from './option.ts';

/** How messages are written for people. */
export interface RenderOptions {
  /** Show key material. */
  readonly secrets?: boolean;
}

/** Content-Formats whose payload is CBOR. */
const cborFormats: ReadonlySet<number> = new Set([
  ContentFormat.CoseEncrypt0,
  ContentFormat.CoseMac0,
  ContentFormat.CoseSign1,
  ContentFormat.AceCbor,
  ContentFormat.Cbor,
  ContentFormat.Cwt,
  ContentFormat.CborSequence,
  ContentFormat.CoseEncrypt,
  ContentFormat.CoseMac,
  ContentFormat.CoseSign,
  ContentFormat.CoseKey,
  ContentFormat.CoseKeySet,
  ContentFormat.ConciseProblemDetails,
  ContentFormat.AceTrl,
  ContentFormat.AifCbor,
]);

/** Whether payloads of this Content-Format are CBOR that is shown in notation. */
export function isCborFormat(format: number): boolean {
  return cborFormats.has(format);
}

/** What the keys of an ace+cbor map mean follows from the code and the path: each endpoint has a registry of its own. */
function aceNames(code: number, path: readonly string[]): ItemNames {
  if (path.at(-1) === 'introspect') return introspectionNames;
  return codeClass(code) === 4 ? refusalNames : tokenNames;
}

/** A payload of these may be a structure without its tag. */
const namesOfFormat: ReadonlyMap<number, ItemNames> = new Map([
  [ContentFormat.CoseEncrypt0, coseNames],
  [ContentFormat.CoseMac0, coseNames],
  [ContentFormat.CoseSign1, coseNames],
  [ContentFormat.CoseEncrypt, coseNames],
  [ContentFormat.CoseMac, coseNames],
  [ContentFormat.CoseSign, coseNames],
  [ContentFormat.CoseKey, coseKeyNames],
  [ContentFormat.CoseKeySet, coseKeySetNames],
]);

function namesFor(format: number, code: number, path: readonly string[]): ItemNames {
  return format === ContentFormat.AceCbor ? aceNames(code, path) : (namesOfFormat.get(format) ?? itemNames);
}

/** CBOR in annotated notation, line by line; hexadecimal when it is no CBOR after all, unless keys stand where these names are and nobody asked for `secrets`. */
export function annotateCbor(bytes: Uint8Array, names: ItemNames, secrets = false): string[] {
  try {
    return diagnose(bytes, { names, secrets }).split('\n');
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [secrets || names === itemNames ? toHex(bytes) : `${bytes.length} bytes that may hold keys`, `(${error.message})`];
  }
}

/** A text of a peer, so that it cannot play with the terminal. */
function quoted(text: ProblemText): string {
  return typeof text === 'string' ? printableJson(text) : `${printableJson(text.text)} (${text.lang})`;
}

/** Problem details in words, what is not known of them in notation; `undefined`: they are none. */
function problemLines(payload: Uint8Array, code: number): string[] | undefined {
  let details: ProblemDetails;
  try {
    details = decodeProblemDetails(payload);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  const { title, detail, instance, responseCode, baseUri, unprocessedCoapOption, entries } = details;
  return [
    ...(title === undefined ? [] : [`title: ${quoted(title)}`]),
    ...(detail === undefined ? [] : [`detail: ${quoted(detail)}`]),
    ...(instance === undefined ? [] : [`instance: ${quoted(instance)}`]),
    ...(baseUri === undefined ? [] : [`base URI: ${quoted(baseUri)}`]),
    ...(responseCode === undefined || responseCode === code ? [] : [`code at the origin: ${formatCode(responseCode)} ${codeName(responseCode)}`]),
    ...(unprocessedCoapOption === undefined ? [] : [`not processed: ${unprocessedCoapOption.map((number) => `${optionName(number)} (${number})`).join(', ')}`]),
    ...(entries === undefined ? [] : annotateCbor(encode(new Map(entries)), itemNames)),
  ];
}

const longestText = 400;

/**
 * A payload for people: annotated notation for CBOR, text as text, hexadecimal otherwise.
 *
 * @param requestPath the path that a response answers; absent: the message's own
 */
export function annotatePayload(body: Body, requestPath?: readonly string[], { secrets = false }: RenderOptions = {}): string[] {
  const { payload } = body;
  if (payload.length === 0) return [];
  const head = `payload (${payload.length} bytes)`;
  const format = uintIn(body.options, OptionNumber.ContentFormat);
  const problem = format === ContentFormat.ConciseProblemDetails ? problemLines(payload, body.code) : undefined;
  if (problem !== undefined) return [`${head}:`, ...problem.map((line) => `  ${line}`)];
  if (format !== undefined && cborFormats.has(format)) {
    return [`${head}:`, ...annotateCbor(payload, namesFor(format, body.code, requestPath ?? pathIn(body.options)), secrets).map((line) => `  ${line}`)];
  }
  if (format === undefined || format === ContentFormat.TextPlain || format === ContentFormat.LinkFormat || format === ContentFormat.Json) {
    try {
      const text = fromUtf8(payload);
      if (text.length <= longestText && (format !== undefined || /^[\x20-\x7e\s]*$/.test(text))) return [`${head}: ${printableJson(text)}`];
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  const hex = toHex(payload.subarray(0, longestText / 2));
  return [`${head}: ${hex}${payload.length > longestText / 2 ? '...' : ''}`];
}
