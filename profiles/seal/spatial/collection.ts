import {
  type Answer,
  Code,
  OptionNumber,
  queryOf,
  type Request,
  type ResourceHandle,
  type ResourceRequest,
  requestPath,
  uintOf,
} from '../../../src/coap/index.ts';
import type { CborKey, CborMap, CborValue } from '../../../src/core/cbor.ts';
import type { Env } from '../../../src/core/env.ts';
import type { Store } from '../../../src/store/index.ts';
import { type Caller, hasScope } from '../caller.ts';
import { type Document, DocumentTable } from '../document-table.ts';
import { SealError } from '../error.ts';
import { absent, bodyOf, checkAccept, checkConditions, type Representations, representation } from '../representation.ts';
import type { SealHost } from '../service.ts';
import { isFound, type PageSize, readDiscovery } from './discovery.ts';
import { type Entity, isEntity, ownerFor } from './entity.ts';
import { readObject, type SpatialKind, type SpatialObject, summaryOf, wholeOf } from './spatial-object.ts';

/** How many anchors or maps are kept, and how large they may be. */
export interface SpatialLimits {
  /** Objects at most. */
  readonly documents: number;
  /** Objects of one owner. */
  readonly perOwner: number;
  /** Bytes of one object. */
  readonly document: number;
  /** Bytes of all objects. */
  readonly bytes: number;
}

export interface SpatialCollectionOptions {
  readonly store: Store;
  readonly env: Env;
  readonly limits: SpatialLimits;
  readonly page: PageSize;
  /** Seconds. */
  readonly maxAge: number;
}

/** The resources of one host. */
interface Mount {
  readonly host: SealHost;
  readonly all: ResourceHandle;
  readonly each: ResourceHandle;
}

/** Spatial anchors, or spatial maps, and the resources that they are: the collection takes create and discover, an object get, update and delete; both are observable. */
export class SpatialCollection {
  readonly documents: DocumentTable<SpatialObject>;
  readonly #kind: SpatialKind;
  readonly #options: SpatialCollectionOptions;
  readonly #mounts: Mount[] = [];

  constructor(kind: SpatialKind, options: SpatialCollectionOptions) {
    this.#kind = kind;
    this.#options = options;
    const { store, env, limits } = options;
    this.documents = new DocumentTable<SpatialObject>({
      store,
      env,
      folder: `seal/spatial/${kind.scope}/`,
      ...limits,
      ownerOf: ({ owner }) => `${owner.kind} ${owner.id}`,
      encode: ({ owner, body }) => [owner.kind, owner.id, body],
      decode: (stored) => {
        const [ownerKind, ownerId, body] = stored as readonly [Entity['kind'], string, CborMap];
        return readObject(kind, body, { kind: ownerKind, id: ownerId });
      },
    });
  }

  mount(host: SealHost, representations: Representations): void {
    const { path } = this.#kind;
    const all = host.resource(path, {
      get: representations.answering((request, caller) => this.#discover(request, caller)),
      post: representations.answering((request, caller) => this.#create(request, caller)),
      observable: true,
    });
    const each = host.resource(`${path}/*`, {
      get: representations.answering((request, caller) => this.#get(request, caller)),
      put: representations.answering((request, caller) => this.#update(request, caller)),
      delete: representations.answering((request, caller) => this.#delete(request, caller)),
      observable: true,
    });
    this.#mounts.push({ host, all, each });
  }

  #discover(request: ResourceRequest, caller: Caller): Answer {
    this.#checkSubscribe(request, caller);
    checkAccept(request);
    const { listMember } = this.#kind;
    const discovery = readDiscovery(request.query, this.#options.page);
    const { limit, after = '' } = discovery;
    const found: Document<SpatialObject>[] = [];
    for (const document of this.documents.values())
      if (document.id > after && maySee(caller, document.value) && isFound(discovery, document.value)) found.push(document);
    found.sort((a, b) => (a.id < b.id ? -1 : 1));
    const page = found.slice(0, limit);
    const list: CborValue = page.map(({ id, value }) => summaryOf(this.#kind, id, value));
    const answer = new Map<CborKey, CborValue>([[listMember, list], ...(found.length > limit ? [['next', page.at(-1)!.id] as const] : [])]);
    return representation(answer, this.#options.maxAge);
  }

  async #create(request: ResourceRequest, caller: Caller): Promise<Answer> {
    const object = readObject(this.#kind, bodyOf(request, this.#options.limits.document), ownerFor(caller));
    checkService(caller, object);
    const { id, etag, value } = await this.documents.create(object);
    this.#changed(id, [value]);
    return { code: Code.Created, location: `${this.#kind.path}/${id}`, etag };
  }

  #get(request: ResourceRequest, caller: Caller): Answer {
    this.#checkSubscribe(request, caller);
    checkAccept(request);
    const { id, etag, value } = this.#found(request);
    if (!maySee(caller, value)) throw forbidden('expected a token of an entity that may see this, got another');
    return representation(wholeOf(this.#kind, id, value, owns(caller, value)), this.#options.maxAge, etag);
  }

  async #update(request: ResourceRequest, caller: Caller): Promise<Answer> {
    const found = this.#found(request);
    this.#checkOwner(request, caller, found);
    const { id } = found;
    const object = readObject(this.#kind, bodyOf(request, this.#options.limits.document), found.value.owner);
    checkService(caller, object);
    const { before, after } = await this.documents.change(id, (current) => {
      this.#checkOwner(request, caller, current);
      return object;
    });
    this.#changed(id, [before.value, object]);
    return after === undefined ? undefined : { etag: after.etag };
  }

  async #delete(request: ResourceRequest, caller: Caller): Promise<Answer> {
    const { id } = this.#found(request);
    const { before } = await this.documents.change(id, (current) => {
      this.#checkOwner(request, caller, current);
      return undefined;
    });
    this.#changed(id, [before.value]);
    return undefined;
  }

  #found({ path }: ResourceRequest): Document<SpatialObject> {
    const document = this.documents.get(path.slice(this.#kind.path.length + 1));
    if (document === undefined) throw absent();
    return document;
  }

  #checkOwner(request: ResourceRequest, caller: Caller, current: Document<SpatialObject>): void {
    if (!owns(caller, current.value)) throw forbidden('expected a token of the owner, got another');
    checkConditions(request, current);
  }

  /** Reading on is an operation of its own. */
  #checkSubscribe({ options }: ResourceRequest, caller: Caller): void {
    const scope = `${this.#kind.scope}:subscribe`;
    if (uintOf(options, OptionNumber.Observe) === 0 && !hasScope(caller, scope)) throw forbidden(`expected a token with the scope ${scope}, got another`);
  }

  /** Observers of the object hear of it, and those of a discovery that finds it, or found it. */
  #changed(id: string, states: readonly SpatialObject[]): void {
    const path = `${this.#kind.path}/${id}`;
    for (const { host, all, each } of this.#mounts) {
      each.changed(({ options }) => requestPath(options) === path);
      all.changed((request) => this.#concerns(host, request, states));
    }
  }

  #concerns(host: SealHost, { options, association }: Request, states: readonly SpatialObject[]): boolean {
    const caller = host.callerOf({ association });
    if (caller === undefined) return false;
    const discovery = readDiscovery(queryOf(options), this.#options.page);
    return states.some((object) => maySee(caller, object) && isFound(discovery, object));
  }
}

function forbidden(message: string): SealError {
  return new SealError('ERR_SEAL_RIGHTS', message, { responseCode: Code.Forbidden });
}

/** A token for each spatial service of interest (TS 33.434 v19, 6.1.2): what belongs to a VAL service takes a token for that service. */
function checkService({ valServiceIds }: Caller, { valServiceId }: SpatialObject): void {
  if (valServiceIds.includes(valServiceId)) return;
  throw new SealError('ERR_SEAL_SERVICE', 'expected a token for the VAL service of the object, got one for others', { responseCode: Code.Forbidden });
}

function owns(caller: Caller, { owner, valServiceId }: SpatialObject): boolean {
  return isEntity(caller, owner) && caller.valServiceIds.includes(valServiceId);
}

function maySee(caller: Caller, object: SpatialObject): boolean {
  return owns(caller, object) || object.allowedEntities.some((entity) => isEntity(caller, entity));
}
