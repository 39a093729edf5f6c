import type { IncomingMessage } from 'node:http';
import { localPart, type Permissions, parseScope, type ScopeTable } from '../../../../src/ace/index.ts';
import {
  type MappedRequest,
  type Option,
  type Peer,
  pathOf,
  queryOf,
  type Reply,
  type Request,
  type Resource,
  type ResourceHandle,
  type ResourceRequest,
  type Response,
  Router,
  type SecurityAssociation,
  sortOptions,
} from '../../../../src/coap/index.ts';
import type { HttpsCaller } from '../guard/guard.ts';
import { mapBody, mapHead, mapResponse, methods } from './coap-mapping.ts';
import { type HttpAnswer, HttpRefused } from './http-answer.ts';

/** What resources that are written for CoAP need of their host. */
export interface SealResourcesOptions {
  readonly scopes: ScopeTable;
  /** Paths where the resources themselves say what a scope covers. */
  readonly anyScope: readonly string[];
  readonly public: readonly string[];
  /** The token of a caller has not ended. */
  readonly isLive: (caller: HttpsCaller) => boolean;
  readonly failed: (error: unknown) => void;
}

/**
 * Resources that are written for CoAP, over HTTPS: a request finds the same router, and its association stands for the caller whom the guard let in.
 *
 * Whatever a scope does not cover is 403: HTTP has no difference between a path and a method of it (RFC 6750, Section 3.1).
 */
export class SealResources {
  readonly #options: SealResourcesOptions;
  readonly #router: Router;
  readonly #anyScope: ReadonlySet<string>;
  readonly #public: ReadonlySet<string>;
  /** What all scopes together permit, and each that was asked for. */
  readonly #everything: Permissions;
  readonly #callers = new WeakMap<SecurityAssociation, HttpsCaller>();

  constructor(options: SealResourcesOptions) {
    this.#options = options;
    this.#router = new Router({ emit: ({ error }) => options.failed(error) });
    this.#anyScope = new Set(options.anyScope);
    this.#public = new Set(options.public);
    this.#everything = this.#permissions(Object.keys(options.scopes));
  }

  resource(path: string, resource: Resource): ResourceHandle {
    return this.#router.resource(path, resource);
  }

  /** `undefined`: the resource is public, or the token has ended since. */
  callerOf({ association }: Pick<ResourceRequest, 'association'>): HttpsCaller | undefined {
    const caller = association === undefined ? undefined : this.#callers.get(association);
    return caller !== undefined && this.#options.isLive(caller) ? caller : undefined;
  }

  isPublic(path: string): boolean {
    return this.#public.has(path);
  }

  /**
   * What a request means to the router.
   *
   * @throws {HttpRefused} 400, 403, 406, 412, 414, 501
   */
  admit(request: IncomingMessage, caller: HttpsCaller | undefined): MappedRequest {
    const mapped = mapHead(request);
    if (caller !== undefined) this.#checkScope(mapped, caller);
    return mapped;
  }

  /** @throws {HttpRefused} 400, 415 */
  async answer(request: IncomingMessage, { code, options }: MappedRequest, body: Uint8Array, caller: HttpsCaller | undefined): Promise<HttpAnswer> {
    const { payload, options: bodyOptions } = mapBody(request, code, body);
    const association = caller === undefined ? undefined : this.#associationOf(caller);
    const response = await this.#ask({
      code,
      options: sortOptions([...options, ...bodyOptions]),
      payload,
      peer: peerOf(request),
      ...(association === undefined ? {} : { association }),
    });
    return mapResponse(request.method ?? '', response, this.#allowed(options, code));
  }

  #ask(request: Request): Promise<Response> {
    return new Promise((respond) => {
      const reply: Reply = { respond, notify: respond, onCancel: () => undefined };
      this.#router.handler(request, reply);
    });
  }

  #associationOf(caller: HttpsCaller): SecurityAssociation {
    const id = `${caller.clientId} ${caller.subject}`;
    const association = { kind: 'https', id, credential: `https:${id}` };
    this.#callers.set(association, caller);
    return association;
  }

  #checkScope({ code, options }: MappedRequest, { scope }: HttpsCaller): void {
    const path = localPart(pathOf(options));
    if (this.#anyScope.has(path)) return;
    const target = localPart(pathOf(options), queryOf(options));
    const names = typeof scope === 'string' ? scope.split(' ') : [];
    if (this.#permissions(names).decide(target, code) === 'permit') return;
    const needed = Object.keys(this.#options.scopes).find((name) => this.#permissions([name]).decide(target, code) === 'permit');
    const challenge = `Bearer realm="seal", error="insufficient_scope"${needed === undefined ? '' : `, scope="${needed}"`}`;
    throw new HttpRefused({
      status: 403,
      reason: 'scope',
      detail: 'expected a token whose scope covers this, got another',
      headers: { 'www-authenticate': challenge },
    });
  }

  /** What names permit; those of other servers, and `openid`, mean nothing here. */
  #permissions(names: readonly string[]): Permissions {
    const { scopes } = this.#options;
    const known = names.filter((name) => Object.hasOwn(scopes, name));
    return known.length === 0 ? nothing : parseScope(known.join(' '), scopes);
  }

  /** Methods of a path, for whom one is refused that it has not. */
  #allowed(options: readonly Option[], refused: number): readonly string[] {
    const target = localPart(pathOf(options));
    return methods.flatMap(([name, code]) => (code !== refused && this.#everything.decide(target, code) === 'permit' ? [name] : []));
  }
}

const nothing: Permissions = { decide: () => 'path' };

function peerOf({ socket }: IncomingMessage): Peer {
  const { remoteAddress = 'unknown', remotePort = 0 } = socket;
  return { key: `https ${remoteAddress}:${remotePort}`, address: remoteAddress, port: remotePort };
}
