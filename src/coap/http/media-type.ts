import { ContentFormat, contentFormatName } from '../message/content-format.ts';
import { HttpMappingError, membersOf } from './message.ts';

/** How media types and Content-Formats are mapped, beside what the registry says. */
export interface MediaTypeOptions {
  /** Generalizations, tried from top to bottom where the registry has no Content-Format: `looseMediaTypes`. Absent: none. */
  readonly loose?: readonly MediaTypeGeneralization[];
  /** Take `application/coap-payload;cf=N` of clients as Content-Format N (RFC 8075, Section 6.2). Absent: 415 or 406. */
  readonly coapPayload?: boolean;
}

/** Media types that are treated as one that is more general: a pattern such as `application/*+xml`, and that one. */
export type MediaTypeGeneralization = readonly [pattern: string, mediaType: string];

/** A media type and what it is wrapped in. */
export interface HttpContent {
  readonly contentType: string;
  readonly contentEncoding?: string;
}

/** RFC 8075, Section 6.3, Table 1. */
export const looseMediaTypes: readonly MediaTypeGeneralization[] = [
  ['application/*+xml', 'application/xml'],
  ['application/*+json', 'application/json'],
  ['application/*+cbor', 'application/cbor'],
  ['text/xml', 'application/xml'],
  ['text/*', 'text/plain'],
  ['*/*', 'application/octet-stream'],
];

/** CoAP Content-Formats that only a gateway meets, IANA registry as of 2026-11. */
const further: readonly (readonly [number: number, mediaType: string, coding?: string])[] = [
  [21, 'image/gif'],
  [22, 'image/jpeg'],
  [23, 'image/png'],
  [51, 'application/json-patch+json'],
  [52, 'application/merge-patch+json'],
  [62, 'application/multipart-core'],
  [110, 'application/senml+json'],
  [111, 'application/sensml+json'],
  [112, 'application/senml+cbor'],
  [113, 'application/sensml+cbor'],
  [114, 'application/senml-exi'],
  [115, 'application/sensml-exi'],
  [256, 'application/coap-group+json'],
  [310, 'application/senml+xml'],
  [311, 'application/sensml+xml'],
  [320, 'application/senml-etch+json'],
  [322, 'application/senml-etch+cbor'],
  [432, 'application/td+json'],
  [11050, 'application/json', 'deflate'],
  [11060, 'application/cbor', 'deflate'],
  [11542, 'application/vnd.oma.lwm2m+tlv'],
  [11543, 'application/vnd.oma.lwm2m+json'],
  [11544, 'application/vnd.oma.lwm2m+cbor'],
  [20000, 'text/css'],
  [30000, 'image/svg+xml'],
];

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const typePattern = new RegExp(`^(${token})/(${token})`);
const weightPattern = /;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*(?:;|$)/i;
const parameterPattern = new RegExp(`^[ \\t]*;[ \\t]*(?:(${token})=(?:(${token})|"((?:[^"\\\\]|\\\\.)*)"))?`);

const contents: ReadonlyMap<number, HttpContent> = new Map([
  ...Object.values(ContentFormat).map((number): [number, HttpContent] => [number, { contentType: contentFormatName(number) }]),
  ...further.map(([number, contentType, contentEncoding]): [number, HttpContent] => [
    number,
    contentEncoding === undefined ? { contentType } : { contentType, contentEncoding },
  ]),
]);

/** By media type in its normal form and coding. */
const formats: ReadonlyMap<string, number> = new Map(
  [...contents].map(([number, { contentType, contentEncoding = '' }]) => [`${normalMediaType(contentType)!} ${contentEncoding}`, number]),
);

/**
 * A media type in lower case with its parameters in order, without UTF-8 as its charset, which is what everything in CoAP has. `undefined`: it is none.
 */
function normalMediaType(text: string): string | undefined {
  const type = typePattern.exec(text);
  if (type === null) return undefined;
  const parameters: string[] = [];
  let rest = text.slice(type[0].length);
  while (rest.trim() !== '') {
    const parameter = parameterPattern.exec(rest);
    if (parameter === null) return undefined;
    rest = rest.slice(parameter[0].length);
    const [, name, plain, quoted] = parameter;
    if (name === undefined) continue;
    const value = (plain ?? quoted!.replace(/\\(.)/g, '$1')).toLowerCase();
    // US-ASCII is a part of UTF-8.
    if (name.toLowerCase() === 'charset' && (value === 'utf-8' || value === 'us-ascii')) continue;
    parameters.push(`;${name.toLowerCase()}=${value}`);
  }
  return `${type[1]!.toLowerCase()}/${type[2]!.toLowerCase()}${parameters.sort().join('')}`;
}

/** The media type that a Content-Format stands for, `application/coap-payload` for one that is not known (RFC 8075, Section 6.2). */
export function contentOfFormat(number: number): HttpContent {
  return contents.get(number) ?? { contentType: `application/coap-payload;cf=${number}` };
}

/**
 * The Content-Format of a media type and its content coding: the algorithm of RFC 8075, Section 6.4. `undefined`: there is none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-6.4
 */
export function formatOfContent(
  { contentType, contentEncoding = '' }: HttpContent,
  { loose = [], coapPayload = false }: MediaTypeOptions = {},
): number | undefined {
  const mediaType = normalMediaType(contentType.trim());
  if (mediaType === undefined) return undefined;
  const coding = contentEncoding
    .trim()
    .toLowerCase()
    .replace(/^identity$/, '');
  if (mediaType.startsWith(coapPayloadType)) return coapPayload && coding === '' ? coapPayloadFormat(mediaType) : undefined;
  const exact = formats.get(`${mediaType} ${coding}`);
  // A charset that is not UTF-8 would have to be transcoded, whatever the type.
  if (exact !== undefined || mediaType.includes(';charset=')) return exact;
  const [type = ''] = mediaType.split(';');
  const general = loose.find(([pattern]) => isOfPattern(type, pattern));
  return general === undefined ? undefined : formats.get(`${normalMediaType(general[1]) ?? ''} ${coding}`);
}

const coapPayloadType = 'application/coap-payload';

function coapPayloadFormat(mediaType: string): number | undefined {
  const digits = /^application\/coap-payload;cf=(\d{1,5})$/.exec(mediaType)?.[1];
  const number = Number(digits ?? Number.NaN);
  return number <= 0xffff ? number : undefined;
}

function isOfPattern(type: string, pattern: string): boolean {
  const [start = '', end] = pattern === '*/*' ? ['', ''] : pattern.split('*');
  return end === undefined ? type === start : type.length > start.length + end.length && type.startsWith(start) && type.endsWith(end);
}

/**
 * The Content-Format for the Accept option: that of the media type that the client likes best among those that have one. `undefined`: any will do.
 *
 * CoAP's Accept leaves the server no choice. So where the client takes anything at all, whatever it likes better, it gets what there is.
 *
 * @throws {HttpMappingError} 406 for `application/coap-payload` where that is not taken, 400 for a field that cannot be read
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-6.1
 */
export function acceptOfField(field: string, options: MediaTypeOptions = {}): number | undefined {
  const ranges = membersOf(field)
    .map(rangeOf)
    .filter(({ quality }) => quality > 0);
  if (ranges.some(({ range }) => range === '*/*')) return undefined;
  // A sort is stable: of those that are liked equally, the first.
  for (const { range } of ranges.sort((a, b) => b.quality - a.quality)) {
    const format = range.includes('*') ? undefined : formatOfContent({ contentType: range }, { coapPayload: options.coapPayload ?? false });
    if (format !== undefined) return format;
    if (range.toLowerCase().startsWith(coapPayloadType)) throw new HttpMappingError(406, 'Accept: application/coap-payload is not passed on');
  }
  return undefined;
}

/** RFC 9110, Section 12.5.1: a media range, its parameters, and its weight at the end. */
function rangeOf(member: string): { readonly range: string; readonly quality: number } {
  const weight = weightPattern.exec(member);
  const range = member.slice(0, weight?.index).trim();
  if (!typePattern.test(range)) throw new HttpMappingError(400, 'Accept: expected media ranges, got other text');
  return { range, quality: Number(weight?.[1] ?? 1) };
}
