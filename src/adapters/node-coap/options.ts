import { encodeUint, OptionNumber } from '../../coap/index.ts';
import { NodeCoapError } from './errors.ts';
import { formatName, formatNumber } from './formats.ts';

/** What node-coap takes for the value of an option, and gives as one: bytes, or what a converter makes of them. */
export type OptionValue = null | string | number | Buffer | readonly (string | number | Buffer)[];

/** Option names of node-coap; what is not here goes by its number, as text. */
const names: readonly (readonly [number, string])[] = [
  [OptionNumber.IfMatch, 'If-Match'],
  [OptionNumber.UriHost, 'Uri-Host'],
  [OptionNumber.ETag, 'ETag'],
  [OptionNumber.IfNoneMatch, 'If-None-Match'],
  [OptionNumber.Observe, 'Observe'],
  [OptionNumber.UriPort, 'Uri-Port'],
  [OptionNumber.LocationPath, 'Location-Path'],
  [OptionNumber.Oscore, 'OSCORE'],
  [OptionNumber.UriPath, 'Uri-Path'],
  [OptionNumber.ContentFormat, 'Content-Format'],
  [OptionNumber.MaxAge, 'Max-Age'],
  [OptionNumber.UriQuery, 'Uri-Query'],
  [OptionNumber.HopLimit, 'Hop-Limit'],
  [OptionNumber.Accept, 'Accept'],
  [OptionNumber.QBlock1, 'Q-Block1'],
  [OptionNumber.LocationQuery, 'Location-Query'],
  [OptionNumber.Block2, 'Block2'],
  [OptionNumber.Block1, 'Block1'],
  [OptionNumber.Size2, 'Size2'],
  [OptionNumber.QBlock2, 'Q-Block2'],
  [OptionNumber.ProxyUri, 'Proxy-Uri'],
  [OptionNumber.ProxyScheme, 'Proxy-Scheme'],
  [OptionNumber.Size1, 'Size1'],
  [OptionNumber.NoResponse, 'No-Response'],
  [2049, 'OCF-Accept-Content-Format-Version'],
  [2053, 'OCF-Content-Format-Version'],
];
const nameByNumber: ReadonlyMap<number, string> = new Map(names);
/** In lower case: programs write `content-format` too. */
const numberByName: ReadonlyMap<string, number> = new Map([
  ...names.map(([number, name]) => [name.toLowerCase(), number] as const),
  ['content-type', OptionNumber.ContentFormat],
]);

interface Converter {
  toBinary(value: unknown): Buffer;
  fromBinary(value: Buffer): unknown;
}

const text: Converter = { toBinary: (value) => Buffer.from(String(value)), fromBinary: (value) => value.toString() };
const uint: Converter = {
  toBinary: (value) => Buffer.from(encodeUint(Number(value))),
  fromBinary: (value) => value.reduce((number, byte) => number * 256 + byte, 0),
};
const format: Converter = {
  toBinary: (value) => Buffer.from(encodeUint(typeof value === 'number' ? value : formatNumber(String(value)))),
  fromBinary: (value) => formatName(uint.fromBinary(value) as number),
};

/** By option name in lower case. */
const converters = new Map<string, Converter>([
  ['etag', text],
  ['location-path', text],
  ['location-query', text],
  ['proxy-uri', text],
  ['max-age', uint],
  ['size1', uint],
  ['size2', uint],
  ['observe', uint],
  ['content-format', format],
  ['accept', format],
]);

/** Set by programs that were written for HTTP. */
const ignored = new Set(['cache-control', 'content-length', 'accept-ranges']);

/** Let an option be written and read by functions of one's own. What the program would tell node-coap by the function of this name. */
export function registerOption(name: string, toBinary: (value: unknown) => Buffer, fromBinary: (value: Buffer) => unknown): void {
  converters.set(name.toLowerCase(), { toBinary, fromBinary });
}

/** Let `setOption` pass over an option. */
export function ignoreOption(name: string): void {
  ignored.add(name.toLowerCase());
}

/** The name that node-coap has for an option. */
export function nameOf(number: number): string {
  return nameByNumber.get(number) ?? String(number);
}

/** The value of a received option as node-coap gives it. */
export function readValue(name: string, value: Buffer): unknown {
  const converter = converters.get(name.toLowerCase());
  return converter === undefined ? value : converter.fromBinary(value);
}

/**
 * What `setOption(name, value)` means: the option's number, and the value of each occurrence. `undefined`: it is to be passed over.
 *
 * @throws {NodeCoapError} `ERR_NODE_COAP_OPTION`
 */
export function writtenOption(name: string, value: OptionValue): { readonly number: number; readonly values: readonly Uint8Array[] } | undefined {
  const key = name.toLowerCase();
  if (ignored.has(key)) return undefined;
  const number = numberByName.get(key) ?? (/^\d+$/.test(key) ? Number(key) : undefined);
  if (number === undefined || number > 0xffff) throw new NodeCoapError('ERR_NODE_COAP_OPTION', `expected the name or number of an option, got ${name}`);
  const converter = converters.get(nameOf(number).toLowerCase());
  const bytes = (one: unknown): Uint8Array => {
    // A copy: what a program does to its buffer later is its own affair.
    if (one instanceof Uint8Array) return new Uint8Array(one);
    if (converter === undefined) throw new NodeCoapError('ERR_NODE_COAP_OPTION', `expected a Buffer for ${name}, got ${typeof one}`);
    try {
      return new Uint8Array(converter.toBinary(one));
    } catch (error) {
      if (error instanceof NodeCoapError) throw error;
      throw new NodeCoapError('ERR_NODE_COAP_OPTION', `expected a value for ${name}, got another: ${(error as Error).message}`, { cause: error });
    }
  };
  return { number, values: Array.isArray(value) ? value.map(bytes) : [bytes(value)] };
}
