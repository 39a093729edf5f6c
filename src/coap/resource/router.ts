import { fromUtf8, utf8 } from '../../core/bytes.ts';
import { CoapError } from '../errors.ts';
import type { Handler, Response } from '../layer.ts';
import { Code, Method } from '../message/code.ts';
import { ContentFormat } from '../message/content-format.ts';
import { type Option, OptionNumber } from '../message/option.ts';
import { codeResponse } from './answer.ts';
import { answersSomething, type Resource, ResourceEntry, type ResourceHandle, type ResourceRequest, type RouterEvent } from './entry.ts';
import { encodeLinkFormat, filterLinks, type Link, link } from './link-format.ts';

/** What a router has beside its resources. */
export interface RouterOptions {
  /** Hears of what functions threw, which clients are told nothing of. */
  emit?(event: RouterEvent): void;
}

const unanswered: Response = { ...codeResponse(Code.NotFound), suppress: true };
const wellKnownCore = '/.well-known/core';

/**
 * Resources on paths, and the list of them at /.well-known/core (RFC 6690).
 *
 * A path is that of a URI (`/files/a%20b`); one that ends in `/*` stands for all paths below it that have no resource nearer to them. Requests are answered
 * with 4.04, 4.05, 4.06, 4.12, 4.15, 2.03 and 5.00 where RFC 7252 says so; resource functions see the others.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.8
 */
export class Router {
  readonly #exact = new Map<string, ResourceEntry>();
  /** By what stands before the star. */
  readonly #subtrees = new Map<string, ResourceEntry>();
  readonly #emit: (event: RouterEvent) => void;
  readonly #core: ResourceEntry;
  #links: readonly Link[] | undefined;

  /** Answers requests by the resources; for an endpoint. */
  readonly handler: Handler = (request, reply) => {
    const path = requestPath(request.options);
    if (path === undefined) {
      // A Uri-Path that is no text, or a dot segment, breaks the format of a critical option.
      reply.respond(codeResponse(Code.BadOption));
      return;
    }
    // RFC 7252 §5.8: whatever the resource.
    if (request.code > Method.iPATCH) {
      reply.respond(codeResponse(Code.MethodNotAllowed));
      return;
    }
    const entry = this.#exact.get(path) ?? this.#subtreeOf(path);
    if (request.group !== undefined && entry?.resource.multicast !== true) reply.respond(unanswered);
    else if (entry === undefined) reply.respond(codeResponse(Code.NotFound));
    else entry.handle(request, reply, path);
  };

  constructor(options: RouterOptions = {}) {
    this.#emit = (event) => options.emit?.(event);
    const core: Resource = { get: (request) => this.#discover(request), discoverable: false, multicast: true, attributes: { ct: ContentFormat.LinkFormat } };
    this.#core = new ResourceEntry(wellKnownCore, core, this.#emit, (entry) => this.#remove(entry));
    this.#exact.set(wellKnownCore, this.#core);
  }

  /**
   * Put a resource at a path.
   *
   * @throws {CoapError} `ERR_COAP_RESOURCE` when the path is none, or taken, and for a resource that answers no method
   */
  resource(path: string, resource: Resource): ResourceHandle {
    const normal = normalPath(path);
    const [table, key] = path.endsWith('/*') ? [this.#subtrees, normal.slice(0, -1)] : [this.#exact, normal];
    // The list of resources may be replaced by one's own.
    if (table.has(key) && table.get(key) !== this.#core) throw badPath(path, 'a path that is free');
    if (!answersSomething(resource)) {
      throw new CoapError('ERR_COAP_RESOURCE', `${path}: expected a function under get, put, post, delete, fetch, patch, ipatch or handler, got none`);
    }
    const entry = new ResourceEntry(normal, resource, this.#emit, (removed) => this.#remove(removed));
    table.set(key, entry);
    this.#links = undefined;
    return entry;
  }

  /** `resources`: paths that are served; `observers`: of all of them. */
  stats(): { readonly resources: number; readonly observers: number } {
    let observers = 0;
    for (const entry of this.#exact.values()) observers += entry.observers;
    for (const entry of this.#subtrees.values()) observers += entry.observers;
    const own = this.#exact.get(wellKnownCore) === this.#core ? 1 : 0;
    return { resources: this.#exact.size + this.#subtrees.size - own, observers };
  }

  #subtreeOf(path: string): ResourceEntry | undefined {
    if (this.#subtrees.size === 0) return undefined;
    for (let end = path.lastIndexOf('/'); end >= 0; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
      const entry = this.#subtrees.get(path.slice(0, end + 1));
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  #remove(entry: ResourceEntry): void {
    if (this.#exact.get(entry.path) === entry) this.#exact.delete(entry.path);
    const prefix = entry.path.slice(0, -1);
    if (this.#subtrees.get(prefix) === entry) this.#subtrees.delete(prefix);
    this.#links = undefined;
  }

  #discover(request: ResourceRequest): Uint8Array {
    this.#links ??= this.#listLinks();
    const { query } = request;
    return utf8(encodeLinkFormat(query.length === 0 ? this.#links : filterLinks(this.#links, query)));
  }

  #listLinks(): Link[] {
    const links: Link[] = [];
    for (const { path, resource } of this.#exact.values()) {
      if (resource.discoverable === false) continue;
      const { rt, if: interfaces, ct, title, sz, obs = resource.observable } = resource.attributes ?? {};
      links.push(link(uriPath(path), { rt, if: interfaces, ct, title, sz, obs }));
    }
    return links;
  }
}

/**
 * The path of a request as it stands in a URI; `undefined` when a segment is not UTF-8, or is "." or ".." (RFC 7252, Section 5.10.1). A slash or a percent sign inside a segment is percent-encoded, so
 * that no segment can pass for two.
 */
export function requestPath(options: readonly Option[]): string | undefined {
  let path = '';
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!;
    if (number > OptionNumber.UriPath) break;
    if (number === OptionNumber.UriPath) {
      const segment = segmentOf(value);
      if (segment === undefined || segment === '.' || segment === '..') return undefined;
      path += `/${segment}`;
    }
  }
  return path === '' ? '/' : path;
}

const slash = 0x2f;
const percent = 0x25;

function segmentOf(value: Uint8Array): string | undefined {
  let text = '';
  for (let i = 0; i < value.length; i++) {
    const byte = value[i]!;
    if (byte >= 0x80 || byte === slash || byte === percent) return unusualSegment(value);
    text += String.fromCharCode(byte);
  }
  return text;
}

function unusualSegment(value: Uint8Array): string | undefined {
  try {
    return escapeSegment(fromUtf8(value));
  } catch {
    return undefined;
  }
}

function escapeSegment(segment: string): string {
  return segment.replace(/[/%]/g, (character) => (character === '/' ? '%2F' : '%25'));
}

/** The path as a URI-Reference holds it; slashes and percent signs within segments are encoded already. */
function uriPath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@%/]/gu, encodeURIComponent);
}

/** The path in the form that requests are looked up by. */
function normalPath(path: string): string {
  if (!path.startsWith('/')) throw badPath(path, 'a path that starts with "/"');
  const segments = path.slice(1).split('/');
  if (segments.slice(0, -1).includes('*')) throw badPath(path, 'a star at the end only');
  try {
    return `/${segments.map((segment) => escapeSegment(decodeURIComponent(segment))).join('/')}`;
  } catch {
    throw badPath(path, 'percent-encoded UTF-8');
  }
}

function badPath(path: string, expected: string): CoapError {
  return new CoapError('ERR_COAP_RESOURCE', `expected ${expected}, got ${JSON.stringify(path)}`);
}
