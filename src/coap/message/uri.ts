import { fromUtf8, utf8 } from '../../core/bytes.ts';
import { CoapError } from '../errors.ts';
import type { Peer } from '../layer.ts';
import { findOption, type Option, OptionNumber, pathOf, pathOptions, queryOf, queryOptions, readUint, stringOption, uintOption } from './option.ts';
import { defaultPorts, isUriScheme, type UriScheme } from './uri-scheme.ts';

/** A URI of CoAP taken apart, with percent-encoding resolved. */
export interface CoapUri {
  readonly scheme: UriScheme;
  /** A name in lower case, or a numeric address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly path: readonly string[];
  readonly query: readonly string[];
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

function broken(what: string, uri: string): CoapError {
  return new CoapError('ERR_COAP_URI', `expected ${what}, got ${JSON.stringify(uri)}`);
}

/** Resolve percent-encoding; the bytes must be UTF-8. */
function decoded(text: string, uri: string): string {
  if (!text.includes('%')) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '%') bytes.push(text.charCodeAt(i));
    else {
      const digits = text.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw broken('two hexadecimal digits after %', uri);
      bytes.push(Number.parseInt(digits, 16));
      i += 2;
    }
  }
  try {
    return fromUtf8(Uint8Array.from(bytes));
  } catch (error) {
    throw new CoapError('ERR_COAP_URI', `expected percent-encoded UTF-8, got ${JSON.stringify(uri)}`, { cause: error });
  }
}

/**
 * Take a URI apart. Dot segments are removed, as reference resolution does (RFC 3986, Section 5.2.4).
 *
 * @throws {CoapError} `ERR_COAP_URI` when it is not an absolute URI, of a scheme of CoAP, without fragment
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-6.4 and https://www.rfc-editor.org/rfc/rfc8323#section-8
 */
export function parseUri(uri: string): CoapUri {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/i.exec(uri);
  if (match === null) throw broken('an absolute URI such as coap://host/path', uri);
  const scheme = match[1]!.toLowerCase();
  if (!isUriScheme(scheme)) throw broken(`one of the schemes ${Object.keys(defaultPorts).join(', ')}`, uri);
  if (match[5] !== undefined) throw broken('a URI without a fragment', uri);
  // RFC 3986 §2: everything else stands percent-encoded. Text that people type in other scripts is taken as if it did.
  const ascii = (text: string): string => text.replace(/[^!-~]/gu, (character) => [...utf8(character)].map(percent).join(''));
  const { host, port } = authority(ascii(match[2]!), defaultPorts[scheme], uri);
  const path = withoutDots(ascii(match[3]!));
  const query = match[4];
  return {
    scheme,
    host,
    port,
    path:
      path === '' || path === '/'
        ? []
        : path
            .slice(1)
            .split('/')
            .map((segment) => decoded(segment, uri)),
    query:
      query === undefined
        ? []
        : ascii(query)
            .split('&')
            .map((argument) => decoded(argument, uri)),
  };
}

function authority(text: string, defaultPort: number, uri: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%25[A-Za-z0-9._~-]+)?)\]|((?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})+))(?::(\d*))?$/.exec(text);
  // No userinfo: RFC 7252 §6.1 leaves it out of the syntax.
  if (match === null) throw broken('a host, with or without a port', uri);
  const port = match[3] === undefined || match[3] === '' ? defaultPort : Number(match[3]);
  if (port < 1 || port > 0xffff) throw broken('a port of 1 to 65535', uri);
  return { host: match[1]?.toLowerCase().replace('%25', '%') ?? decoded(match[2]!.toLowerCase(), uri), port };
}

function withoutDots(path: string): string {
  const segments: string[] = [];
  const parts = path.split('/').slice(1);
  for (const [index, written] of parts.entries()) {
    const isLast = index === parts.length - 1;
    // RFC 3986 §6.2.2.2: an encoded dot is a dot.
    const part = /^(?:\.|%2e){1,2}$/i.test(written) ? written.replace(/%2e/gi, '.') : written;
    if (part === '..') segments.pop();
    else if (part !== '.') segments.push(part);
    if (isLast && (part === '.' || part === '..')) segments.push('');
  }
  return parts.length === 0 ? '' : `/${segments.join('/')}`;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Percent-encode all bytes whose characters `allowed` does not match. */
function encoded(text: string, allowed: RegExp): string {
  let result = '';
  for (const byte of utf8(text)) {
    const character = String.fromCharCode(byte);
    result += byte < 0x80 && allowed.test(character) ? character : percent(byte);
  }
  return result;
}

/** What may stand in a path segment and in a query argument as it is. */
const pathCharacter = /[A-Za-z0-9._~!$&'()*+,;=:@-]/;
const queryCharacter = /[A-Za-z0-9._~!$'()*+,;=:@/?-]/;

function isNumeric(host: string): boolean {
  return ipv4.test(host) || host.includes(':');
}

/**
 * The options of a request for this URI: Uri-Host when the host is a name, Uri-Port when the peer's port is another, Uri-Path and Uri-Query. In order.
 *
 * @throws {CoapError} `ERR_COAP_URI` when a host, a segment or an argument is longer than 255 bytes
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-6.4
 */
export function uriOptions(uri: CoapUri, peer: Peer): Option[] {
  const options: Option[] = [];
  // §6.4, step 5: the destination is what the name was resolved to. A numeric host is the destination.
  if (!isNumeric(uri.host)) options.push(stringOption(OptionNumber.UriHost, uri.host));
  if (uri.port !== peer.port) options.push(uintOption(OptionNumber.UriPort, uri.port));
  options.push(...pathOptions(uri.path), ...queryOptions(uri.query));
  if (uri.path.includes('.') || uri.path.includes('..')) throw new CoapError('ERR_COAP_URI', 'expected a path without dot segments, got one');
  const long = options.find(({ value }) => value.length > 255);
  if (long !== undefined) throw new CoapError('ERR_COAP_URI', `expected a URI part of at most 255 bytes, got ${long.value.length}`);
  return options;
}

/**
 * The URI that a request to `peer` is for. Without Uri-Host it is for the name that the peer shows (RFC 8323, Section 8.5), else for its address.
 *
 * @throws {BytesError} `ERR_BYTES_UTF8` when an option is not UTF-8
 * @throws {CoapError} `ERR_COAP_URI` when Uri-Host cannot stand in a URI
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-6.5 and https://www.rfc-editor.org/rfc/rfc8323#section-8.7
 */
export function composeUri(options: readonly Option[], peer: Peer, scheme: UriScheme = peer.scheme ?? 'coap'): string {
  const named = findOption(options, OptionNumber.UriHost);
  const host = named === undefined ? literal(peer.host ?? peer.address) : hostOf(fromUtf8(named.value));
  const portOption = findOption(options, OptionNumber.UriPort);
  const port = portOption === undefined ? peer.port : readUint(portOption.value);
  const resource = resourceOf(pathOf(options), queryOf(options));
  return `${scheme}://${host}${port === defaultPorts[scheme] ? '' : `:${port}`}${resource}`;
}

/** §6.5, steps 6 to 8. */
function resourceOf(path: readonly string[], query: readonly string[]): string {
  let resource = '';
  for (const segment of path) resource += `/${encoded(segment, pathCharacter)}`;
  if (resource === '') resource = '/';
  for (const [index, argument] of query.entries()) resource += `${index === 0 ? '?' : '&'}${encoded(argument, queryCharacter)}`;
  return resource;
}

/**
 * Location-Path and Location-Query of an absolute path, with or without a query.
 *
 * @throws {CoapError} `ERR_COAP_URI`
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.10.7
 */
export function locationOptions(location: string): Option[] {
  if (!location.startsWith('/')) throw broken('a location that starts with "/"', location);
  const { path, query } = parseUri(`coap://location${location}`);
  const options = [
    ...path.map((segment) => stringOption(OptionNumber.LocationPath, segment)),
    ...query.map((argument) => stringOption(OptionNumber.LocationQuery, argument)),
  ];
  if (options.some(({ value }) => value.length > 255)) throw broken('parts of at most 255 bytes', location);
  return options;
}

/** Reserved for Location-* options that are yet to be defined (RFC 7252, Section 5.10.7). */
const reservedLocations: readonly number[] = [128, 132, 136, 140];

/**
 * The relative reference that Location-Path and Location-Query of a response stand for: `/log/7?v=2`; `undefined` when there are none.
 *
 * @throws {CoapError} `ERR_COAP_URI` for a location that is none, `ERR_COAP_OPTION` for a Location-* option that is not known
 * @throws {BytesError} `ERR_BYTES_UTF8`
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.10.7
 */
export function relativeLocationOf(options: readonly Option[]): string | undefined {
  const texts = (number: number): string[] => options.filter((option) => option.number === number).map(({ value }) => fromUtf8(value));
  const path = texts(OptionNumber.LocationPath);
  const query = texts(OptionNumber.LocationQuery);
  if (path.length === 0 && query.length === 0) return undefined;
  const unknown = options.find(({ number }) => reservedLocations.includes(number));
  if (unknown !== undefined) throw new CoapError('ERR_COAP_OPTION', `expected Location-Path and Location-Query alone, got option ${unknown.number}`);
  if (path.includes('.') || path.includes('..')) throw new CoapError('ERR_COAP_URI', 'expected a location without dot segments, got one');
  return resourceOf(path, query);
}

/**
 * The URI of the resource that a 2.01 response says was created: its Location-* options against the request URI, which it is itself when there are none.
 *
 * @throws {CoapError} as `relativeLocationOf`, and `ERR_COAP_URI` for a request URI that is not absolute
 * @throws {BytesError} `ERR_BYTES_UTF8`
 */
export function locationOf(options: readonly Option[], requestUri: string): string {
  const location = relativeLocationOf(options);
  if (location === undefined) return requestUri;
  const authority = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(requestUri)?.[0];
  if (authority === undefined) throw broken('an absolute URI', requestUri);
  return authority + location;
}

function literal(address: string): string {
  return address.includes(':') ? `[${address.replace('%', '%25')}]` : address;
}

function hostOf(text: string): string {
  if (/^\[[0-9a-fA-F:.]+\]$/.test(text)) return text;
  const host = text.replace(/[^!-~]/gu, (character) => encoded(character, /[^\s\S]/));
  if (!/^(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/.test(host))
    throw new CoapError('ERR_COAP_URI', 'expected Uri-Host to be a name or an address, got other text');
  return host;
}
