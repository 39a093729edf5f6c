import { fromUtf8 } from '../../core/bytes.ts';
import { ProtocolError } from '../../core/errors.ts';
import { canonicalHost } from '../../core/host.ts';
import { CoapError } from '../errors.ts';
import type { Request } from '../layer.ts';
import { Code } from '../message/code.ts';
import { findOption, type Option, OptionNumber, pathOptions, queryOptions, readUint } from '../message/option.ts';
import { composeUri, parseUri } from '../message/uri.ts';

/** The server that a request is for. */
export interface ProxyTarget {
  readonly scheme: string;
  /** A name in lower case, or a numeric address; IPv6 without brackets. However the client writes an address, here it is written in one way. */
  readonly host: string;
  readonly port: number;
}

/** Whether a request may go on to a target. It is asked for each request, before a name is resolved and before the cache is looked at. */
export type ProxyPolicy = (target: ProxyTarget, request: Request) => boolean;

/** Forwards to whatever a client names, for anybody: an open relay. */
export const openRelay: ProxyPolicy = () => true;

/** A request that does not go on, and why: it becomes the code and the diagnostic payload of the answer. */
export interface Refusal {
  readonly code: number;
  readonly reason: 'option' | 'scheme' | 'policy' | 'multicast' | 'hop-limit' | 'busy';
  readonly text: string;
  /** Where it would have gone, when that is known. */
  readonly target?: ProxyTarget;
}

/** Where a request to a proxy is to go. */
export interface NamedTarget {
  readonly target: ProxyTarget;
  /** Uri-Path and Uri-Query. */
  readonly resource: readonly Option[];
}

/** The schemes that a proxy does, with their default ports. */
export type SchemePorts = ReadonlyMap<string, number>;

/** A host that is its own normal form. */
const plainHost = /^[a-z0-9.-]+$/;

const anywhere = { key: '', address: 'localhost', port: 5683 };

/** `coap://host:port`, for people. */
export function targetText({ scheme, host, port }: ProxyTarget): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * The policy that lets requests go to the targets of a list: `host`, `host:port` or `host:*`, with or without `coap://` before it. Without a port it is the one
 * of the scheme. `*.example.org` stands for all names below `example.org`.
 *
 * @throws {CoapError} `ERR_COAP_PROXY` for a pattern that is none
 */
export function allowTargets(...patterns: readonly string[]): ProxyPolicy {
  const rules = patterns.map(ruleOf);
  return ({ scheme, host, port }) =>
    rules.some(
      (rule) => rule.scheme === scheme && (rule.port === undefined || rule.port === port) && (rule.below ? host.endsWith(rule.host) : host === rule.host),
    );
}

interface Rule extends Omit<ProxyTarget, 'port'> {
  /** Absent: any. */
  readonly port: number | undefined;
  /** `host` is the end of a name. */
  readonly below: boolean;
}

function ruleOf(pattern: string): Rule {
  const match = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\*\.)?([^*\s]+?)(:\*)?$/i.exec(pattern);
  if (match === null) throw badPattern(pattern);
  const [, named = 'coap', star, rest = '', anyPort] = match;
  try {
    const { scheme, host: written, port, path, query } = parseUri(`${named}://${rest}`);
    const host = canonicalHost(written);
    if (path.length + query.length > 0 || (star !== undefined && !/[a-z]/.test(host))) throw badPattern(pattern);
    return { scheme, host: star === undefined ? host : `.${host}`, port: anyPort === undefined ? port : undefined, below: star !== undefined };
  } catch (error) {
    throw error instanceof CoapError && error.code === 'ERR_COAP_URI' ? badPattern(pattern) : error;
  }
}

function badPattern(pattern: string): CoapError {
  return new CoapError('ERR_COAP_PROXY', `expected a target such as 10.0.0.7, [fd00::7]:5683 or *.example.org:*, got ${JSON.stringify(pattern)}`);
}

/** Whether a request is for a forward proxy. */
export function namesTarget(options: readonly Option[]): boolean {
  const last = options[options.length - 1];
  if (last === undefined || last.number < OptionNumber.ProxyUri) return false;
  return options.some(({ number }) => number === OptionNumber.ProxyUri || number === OptionNumber.ProxyScheme);
}

function refusal(code: number, reason: Refusal['reason'], text: string): Refusal {
  return { code, reason, text };
}

/**
 * The target that a request to a proxy names by Proxy-Uri, or by Proxy-Scheme and the Uri options. `undefined`: it names no host, so it is for the proxy itself.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.10.2
 */
export function namedTarget(options: readonly Option[], schemes: SchemePorts): NamedTarget | Refusal | undefined {
  try {
    // Proxy-Uri takes precedence over all others.
    const proxyUri = findOption(options, OptionNumber.ProxyUri);
    return proxyUri === undefined ? fromScheme(options, schemes) : fromUri(fromUtf8(proxyUri.value), schemes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return refusal(Code.BadOption, 'option', 'expected the URI of a CoAP resource');
  }
}

function fromUri(text: string, schemes: SchemePorts): NamedTarget | Refusal {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return refusal(Code.BadOption, 'option', 'expected an absolute URI in Proxy-Uri');
  if (!schemes.has(scheme)) return refusal(Code.ProxyingNotSupported, 'scheme', `not supported: ${scheme}`);
  const uri = parseUri(text);
  const resource = [...pathOptions(uri.path), ...queryOptions(uri.query)];
  if (resource.some(({ value }) => value.length > 255)) return refusal(Code.BadOption, 'option', 'expected URI parts of at most 255 bytes');
  return { target: { ...uri, host: canonicalHost(uri.host) }, resource };
}

function fromScheme(options: readonly Option[], schemes: SchemePorts): NamedTarget | Refusal | undefined {
  const scheme = fromUtf8(findOption(options, OptionNumber.ProxyScheme)!.value).toLowerCase();
  const defaultPort = schemes.get(scheme);
  if (defaultPort === undefined) return refusal(Code.ProxyingNotSupported, 'scheme', 'not supported: this scheme');
  const named = findOption(options, OptionNumber.UriHost);
  if (named === undefined) return undefined;
  const text = fromUtf8(named.value);
  const host = plainHost.test(text) ? text : parseUri(composeUri([named], anywhere)).host;
  const stated = findOption(options, OptionNumber.UriPort);
  // By the letter of §6.5 an absent port would be the one that this request came to. Clients leave it out where it is that of the scheme.
  const port = stated === undefined ? defaultPort : readUint(stated.value);
  if (port === 0) return refusal(Code.BadOption, 'option', 'expected a port of 1 to 65535');
  return { target: { scheme, host: canonicalHost(host), port }, resource: resourceOf(options) };
}

/** Uri-Path and Uri-Query. */
export function resourceOf(options: readonly Option[]): Option[] {
  return options.filter(({ number }) => number === OptionNumber.UriPath || number === OptionNumber.UriQuery);
}

const dot = 0x2e;

/** A Uri-Path of "." or "..", which RFC 7252, Section 5.10.1 forbids: a server that resolves it would leave the part that a route gives access to. */
export function isDotSegment({ number, value }: Option): boolean {
  return number === OptionNumber.UriPath && value.length > 0 && value.length <= 2 && value.every((byte) => byte === dot);
}

/** Whether many may listen at an address: multicast, or the limited broadcast of IPv4. */
export function isMulticast(address: string): boolean {
  const host = canonicalHost(address.toLowerCase());
  if (host.includes(':')) return host.startsWith('ff');
  const first = Number(/^(\d+)\.\d+\.\d+\.\d+$/.exec(host)?.[1]);
  return host === '255.255.255.255' || (first >= 224 && first <= 239);
}
