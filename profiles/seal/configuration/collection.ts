import { type Answer, Code, type Request, type ResourceHandle, type ResourceRequest, requestPath } from '../../../src/coap/index.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import type { Env } from '../../../src/core/env.ts';
import type { Store } from '../../../src/store/index.ts';
import { type Caller, hasScope } from '../caller.ts';
import { type Document, DocumentTable } from '../document-table.ts';
import { SealError } from '../error.ts';
import { absent, bodyOf, checkAccept, checkConditions, notAllowed, type Representations, representation } from '../representation.ts';
import type { SealHost } from '../service.ts';

/** What every kind of document has. */
export interface ConfigurationDocument {
  readonly valServiceId: string;
  /** Whom the server counts it for. */
  readonly owner: string;
  /** The members that the client gave, without the id. */
  readonly body: CborMap;
}

/** What differs between user profiles and UE configurations. */
export interface DocumentKind<T extends ConfigurationDocument> {
  /** What the scope names start with. */
  readonly scope: string;
  /** `/su-up/v1/val-services`; below it are `{valServiceId}`, the `segment` and the id. */
  readonly path: string;
  readonly segment: string;
  /** The member that is the id of a document. */
  readonly idMember: string;
  /** @throws {SealError} `ERR_SEAL_MODEL` */
  read(body: CborMap, valServiceId: string): T;
  /** @throws {SealError} `ERR_SEAL_QUERY` */
  select(query: readonly string[]): (document: T) => boolean;
  /** Whether it is about the user or the device of a token. */
  isOwn(caller: Caller, document: T): boolean;
}

/** How much a collection of documents may hold. */
export interface CollectionLimits {
  /** Documents at most. */
  readonly documents: number;
  /** Documents about one user or one device, for one VAL service. */
  readonly perOwner: number;
  /** Bytes of one document. */
  readonly document: number;
  /** Bytes of all documents. */
  readonly bytes: number;
  /** Documents that one answer lists. */
  readonly listed: number;
}

export interface CollectionOptions {
  readonly store: Store;
  readonly env: Env;
  readonly limits: CollectionLimits;
  /** Seconds. */
  readonly maxAge: number;
}

interface Place {
  readonly valServiceId: string;
  /** Absent: the collection. */
  readonly id?: string;
}

/** Documents of one kind and the resources that they are (TS 24.546, C.2.1.2 and C.3.1.2). */
export class ConfigurationCollection<T extends ConfigurationDocument> {
  readonly documents: DocumentTable<T>;
  readonly #kind: DocumentKind<T>;
  readonly #options: CollectionOptions;
  /** One for each host. */
  readonly #handles: ResourceHandle[] = [];

  constructor(kind: DocumentKind<T>, options: CollectionOptions) {
    this.#kind = kind;
    this.#options = options;
    const { store, env, limits } = options;
    this.documents = new DocumentTable<T>({
      store,
      env,
      folder: `seal/configuration/${kind.scope}/`,
      ...limits,
      ownerOf: ({ valServiceId, owner }) => `${valServiceId.length} ${valServiceId} ${owner}`,
      encode: ({ valServiceId, body }) => [valServiceId, body],
      decode: (stored) => {
        const [valServiceId, body] = stored as readonly [string, CborMap];
        return kind.read(body, valServiceId);
      },
    });
  }

  mount(host: SealHost, representations: Representations): void {
    const handle = host.resource(`${this.#kind.path}/*`, {
      get: representations.answering((request, caller) => this.#get(request, caller)),
      post: representations.answering((request, caller) => this.#create(request, caller)),
      put: representations.answering((request, caller) => this.#update(request, caller)),
      delete: representations.answering((request, caller) => this.#delete(request, caller)),
      observable: true,
    });
    this.#handles.push(handle);
  }

  #get(request: ResourceRequest, caller: Caller): Answer {
    const { valServiceId, id } = this.#place(request, caller);
    checkAccept(request);
    const { maxAge, limits } = this.#options;
    if (id !== undefined) {
      const document = this.#found(valServiceId, id);
      this.#checkReach(caller, document.value, 'read');
      return representation(this.#shown(document), maxAge, document.etag);
    }
    const isMeant = this.#kind.select(request.query);
    const documents: Document<T>[] = [];
    for (const document of this.documents.values())
      if (document.value.valServiceId === valServiceId && isMeant(document.value) && this.#reaches(caller, document.value, 'read')) documents.push(document);
    if (documents.length > limits.listed) {
      const message = `expected a query that ${limits.listed} documents fit at most, got one that ${documents.length} fit`;
      throw new SealError('ERR_SEAL_QUERY', message, { responseCode: Code.BadRequest });
    }
    return representation(
      documents.map((document) => this.#shown(document)),
      maxAge,
    );
  }

  async #create(request: ResourceRequest, caller: Caller): Promise<Answer> {
    const { valServiceId, id } = this.#place(request, caller);
    if (id !== undefined) throw notAllowed(request);
    const value = this.#read(request, valServiceId);
    this.#checkReach(caller, value, 'write');
    const created = await this.documents.create(value);
    const location = `${request.path}/${created.id}`;
    this.#changed(location);
    return { code: Code.Created, location, etag: created.etag };
  }

  async #update(request: ResourceRequest, caller: Caller): Promise<Answer> {
    const { valServiceId, id } = this.#place(request, caller);
    if (id === undefined) throw notAllowed(request);
    const value = this.#read(request, valServiceId);
    const { after } = await this.documents.change(id, (document) => {
      this.#checkChange(request, caller, document, valServiceId);
      this.#checkReach(caller, value, 'write');
      return value;
    });
    this.#changed(request.path);
    return after === undefined ? undefined : { etag: after.etag };
  }

  async #delete(request: ResourceRequest, caller: Caller): Promise<Answer> {
    const { valServiceId, id } = this.#place(request, caller);
    if (id === undefined) throw notAllowed(request);
    await this.documents.change(id, (document) => {
      this.#checkChange(request, caller, document, valServiceId);
      return undefined;
    });
    this.#changed(request.path);
    return undefined;
  }

  /** Where a request goes, if its token is for that VAL service (TS 33.434, 5.2.2). */
  #place({ path }: ResourceRequest, caller: Caller): Place {
    const [service, segment, id, ...more] = path.slice(this.#kind.path.length + 1).split('/');
    if (!service || segment !== this.#kind.segment || id === '' || more.length > 0) throw absent();
    const valServiceId = decodeURIComponent(service);
    if (!caller.valServiceIds.includes(valServiceId))
      throw new SealError('ERR_SEAL_SERVICE', 'expected a token for this VAL service, got one for others', { responseCode: Code.Forbidden });
    return id === undefined ? { valServiceId } : { valServiceId, id };
  }

  #read(request: ResourceRequest, valServiceId: string): T {
    const body = new Map(bodyOf(request, this.#options.limits.document));
    body.delete(this.#kind.idMember);
    return this.#kind.read(body, valServiceId);
  }

  #found(valServiceId: string, id: string): Document<T> {
    const document = this.documents.get(id);
    if (document === undefined || document.value.valServiceId !== valServiceId) throw absent();
    return document;
  }

  #checkChange(request: ResourceRequest, caller: Caller, document: Document<T>, valServiceId: string): void {
    if (document.value.valServiceId !== valServiceId) throw absent();
    this.#checkReach(caller, document.value, 'write');
    checkConditions(request, document);
  }

  /** What the scope permits was checked before; this is whether it permits it for whomever the document is about. */
  #reaches(caller: Caller, document: T, act: 'read' | 'write'): boolean {
    return this.#kind.isOwn(caller, document) || hasScope(caller, `${this.#kind.scope}:${act}-all`);
  }

  #checkReach(caller: Caller, document: T, act: 'read' | 'write'): void {
    if (this.#reaches(caller, document, act)) return;
    throw new SealError('ERR_SEAL_RIGHTS', 'expected a token of whomever the document is about, or for all, got another', { responseCode: Code.Forbidden });
  }

  #shown({ id, value }: Document<T>): CborValue {
    return new Map([...value.body, [this.#kind.idMember, id]]);
  }

  /** Observers of the document, and of the list that it is in. */
  #changed(path: string): void {
    const list = path.slice(0, path.lastIndexOf('/'));
    const isMeant = ({ options }: Request): boolean => {
      const observed = requestPath(options);
      return observed === path || observed === list;
    };
    for (const handle of this.#handles) handle.changed(isMeant);
  }
}
