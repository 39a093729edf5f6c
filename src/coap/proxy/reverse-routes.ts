import { equalBytes, utf8 } from '../../core/bytes.ts';
import { canonicalHost } from '../../core/host.ts';
import { CoapError } from '../errors.ts';
import { findAll, findOption, type Option, OptionNumber, pathOptions } from '../message/option.ts';
import { type CoapUri, parseUri } from '../message/uri.ts';
import { type ProxyTarget, targetText } from './target.ts';

/** What of this server's namespace stands for which part of another's. */
export interface ReverseRoute {
  /** The Uri-Host of the requests. Absent: any. */
  readonly host?: string;
  /** Path, with all below it: `/sensors`. Absent: every path. A request under OSCORE shows no path, so only a route for every path can take it. */
  readonly path?: string;
  /** URI of what answers in its place: `coap://10.0.0.7/measured`. */
  readonly target: string;
}

/** A route that takes a request. */
export interface FoundRoute {
  readonly target: ProxyTarget;
  /** The same for people. */
  readonly name: string;
  /** Uri-Path and Uri-Query at the target. */
  readonly resource: readonly Option[];
  translate(options: readonly Option[]): readonly Option[];
}

interface Entry {
  readonly host: string | undefined;
  readonly path: readonly Uint8Array[];
  readonly target: ProxyTarget;
  readonly name: string;
  readonly base: readonly Option[];
  readonly translate: FoundRoute['translate'];
}

/** The namespace of a reverse proxy. The route with a host goes before those without, then the one with the longest path. */
export class ReverseRoutes {
  readonly #entries: readonly Entry[];

  /** @throws {CoapError} `ERR_COAP_PROXY` */
  constructor(routes: readonly ReverseRoute[]) {
    const rank = ({ host, path }: Entry): number => (host === undefined ? 0 : 256) + path.length;
    this.#entries = routes.map(entryOf).sort((a, b) => rank(b) - rank(a));
  }

  find(options: readonly Option[]): FoundRoute | undefined {
    if (this.#entries.length === 0) return undefined;
    const path = findAll(options, OptionNumber.UriPath);
    for (const entry of this.#entries) {
      if (startsWith(path, entry.path) && (entry.host === undefined || hostIs(options, entry.host))) return found(entry, path, options);
    }
    return undefined;
  }
}

function entryOf({ host, path = '/', target }: ReverseRoute): Entry {
  const to = uriOf(target, target);
  if (to.query.length > 0) throw bad(target);
  const entry: Entry = {
    host: host === undefined ? undefined : canonicalHost(withoutBrackets(host.toLowerCase())),
    path: uriOf(`coap://localhost${path}`, path).path.map(utf8),
    target: to,
    name: targetText(to),
    base: pathOptions(to.path),
    translate: (received) => translateLocation(received, entry),
  };
  return entry;
}

function uriOf(uri: string, shown: string): CoapUri {
  try {
    return parseUri(uri);
  } catch {
    throw bad(shown);
  }
}

function bad(shown: string): CoapError {
  return new CoapError('ERR_COAP_PROXY', `expected a route as a path and a coap URI without a query, got ${JSON.stringify(shown)}`);
}

function found({ target, name, base, path: start, translate }: Entry, path: readonly Option[], options: readonly Option[]): FoundRoute {
  const resource: Option[] = [...base];
  for (let i = start.length; i < path.length; i++) resource.push(path[i]!);
  // RFC 7252 §6.4, step 8: a path of a single slash has no Uri-Path.
  if (resource.length === 1 && resource[0]!.value.length === 0) resource.pop();
  for (const option of options) if (option.number === OptionNumber.UriQuery) resource.push(option);
  return { target, name, resource, translate };
}

/** A Location at the target is one of ours only below the base of the route; another has no name here, and goes. */
function translateLocation(options: readonly Option[], { base, path }: Entry): readonly Option[] {
  if (base.length === 0 && path.length === 0) return options;
  const location = findAll(options, OptionNumber.LocationPath);
  if (location.length === 0) return options;
  const known = startsWith(
    location,
    base.map(({ value }) => value),
  );
  const translated: Option[] = known ? [...path.map((value) => ({ number: OptionNumber.LocationPath, value })), ...location.slice(base.length)] : [];
  const result: Option[] = [];
  let placed = false;
  for (const option of options) {
    const { number } = option;
    if (number === OptionNumber.LocationPath) {
      if (!placed) result.push(...translated);
      placed = true;
    } else if (known || number !== OptionNumber.LocationQuery) result.push(option);
  }
  return result;
}

function startsWith(path: readonly Option[], start: readonly Uint8Array[]): boolean {
  if (path.length < start.length) return false;
  for (let i = 0; i < start.length; i++) if (!equalBytes(path[i]!.value, start[i]!)) return false;
  return true;
}

function hostIs(options: readonly Option[], host: string): boolean {
  const option = findOption(options, OptionNumber.UriHost);
  if (option === undefined) return false;
  return canonicalHost(withoutBrackets(new TextDecoder().decode(option.value).toLowerCase())) === host;
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
