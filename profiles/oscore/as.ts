import {
  AceError,
  AceErrorCode,
  type AsIo,
  aceUpload,
  type Binding,
  type FoundPeer,
  type Grant,
  type PeerRules,
  type ProfileAtAs,
  type Relayed,
} from '../../src/ace/index.ts';
import { Code, ContentFormat, type Layer } from '../../src/coap/index.ts';
import { emptyBytes, equalBytes } from '../../src/core/bytes.ts';
import type { CborMap } from '../../src/core/cbor.ts';
import type { Confirmation } from '../../src/core/cwt.ts';
import { messageOf } from '../../src/core/errors.ts';
import { ContextTable, deriveContext, type OscoreEvent, oscore, type SecurityContext, type StoredContext } from '../../src/oscore/index.ts';
import type { Change } from '../../src/store/index.ts';
import { storedContexts } from './context-store.ts';
import { contextIndex, OscoreProfileError, oscorePeers, readCredentials } from './credentials.ts';
import { type AllocatedId, InputMaterials } from './input-materials.ts';
import { StoredLeases } from './leases.ts';
import { decodeInputMaterial, encodeInputMaterial } from './params.ts';

/** Milliseconds between two looks at whether the registration behind a context has changed. */
const lookPause = 1_000;

/** Bytes of a Master Secret. */
const secretLength = 16;

/**
 * The OSCORE profile at the AS: pre-established contexts with clients and resource servers (RFC 9203, Section 5), and a fresh OSCORE_Input_Material for each
 * token that is not an update (Section 3.2).
 */
export function oscoreAtAs(io: AsIo): ProfileAtAs {
  return new OscoreAtAs(io);
}

class OscoreAtAs implements ProfileAtAs {
  readonly unknownKey: AceErrorCode = AceErrorCode.invalid_request;
  readonly confidential: boolean = oscorePeers.confidential;
  readonly indexOf: NonNullable<PeerRules['indexOf']> = oscorePeers.indexOf!;
  readonly layers: readonly Layer[];
  readonly #io: AsIo;
  readonly #contexts = new ContextTable();
  readonly #peers = new Map<string, SecurityContext>();
  /** When it was looked, for the last time, whether the registration behind a context has changed. */
  readonly #looks = new WeakMap<SecurityContext, number>();
  readonly #materials: InputMaterials;
  readonly #leases: StoredLeases | undefined;
  readonly #layer: ReturnType<typeof oscore>;

  constructor(io: AsIo) {
    this.#io = io;
    this.#materials = new InputMaterials(io.store, io.env, io.emit);
    this.#leases = io.lease === undefined ? undefined : new StoredLeases(io.store, io.env, io.lease);
    this.#layer = oscore({
      contexts: this.#contexts,
      store: { ...storedContexts(io.store), ...(io.findPeer === undefined ? {} : { load: (kid, kidContext) => this.#load(contextIndex(kid, kidContext)) }) },
      env: io.env,
      ...(this.#leases === undefined ? {} : { leases: this.#leases }),
      emit: (event) => {
        report(io, event);
        if (event.type === 'discarded' && event.reason === 'decrypt' && event.direction === 'in' && event.context !== undefined) this.#doubt(event.context);
      },
    });
    this.layers = [this.#layer];
  }

  async addPeer(credential: string, credentials: unknown): Promise<void> {
    const parameters = readCredentials(credentials);
    if (this.#peers.has(credential)) throw new OscoreProfileError('ERR_OSCORE_PROFILE_USE', `expected one security context for "${credential}", got two`);
    // What an earlier run has received is not known: the first request is answered by Echo (RFC 8613, Appendix B.1.2).
    const context = deriveContext(parameters, { credential, window: 'unverified' });
    this.#contexts.add(context);
    this.#peers.set(credential, context);
  }

  removePeer(credential: string): void {
    this.#peers.delete(credential);
    for (const context of this.#contexts) if (context.credential === credential) this.#contexts.remove(context);
  }

  /**
   * The context of a peer that was not added. What was received on it is not known: it may have been in the table before, or in that of another process.
   */
  async #load(index: string): Promise<StoredContext | undefined> {
    const found = await this.#io.findPeer?.(index);
    return found && { parameters: readCredentials(found.credentials), credential: found.credential, window: 'unverified' };
  }

  /**
   * A message did not decrypt. Where the context came from a registration, that may have got other credentials since, with the same identifiers: the context then
   * leaves the table, and the next message finds the new one. Or the message, without a kid context, was for a peer without one that is not in the table: it is
   * taken in. Anybody can send what does not decrypt, so a context is looked at once in a while only.
   */
  #doubt(context: SecurityContext): void {
    const now = this.#io.env.now();
    if (this.#io.findPeer === undefined || now - (this.#looks.get(context) ?? Number.NEGATIVE_INFINITY) < lookPause) return;
    this.#looks.set(context, now);
    this.#look(context).catch((error: unknown) => {
      this.#io.emit({ type: 'oscore-lookup', reason: 'store', detail: messageOf(error) });
    });
  }

  async #look(context: SecurityContext): Promise<void> {
    const { recipientId, idContext, credential } = context;
    const isAdded = credential !== undefined && this.#peers.has(credential);
    if (!isAdded) {
      const found = await this.#load(contextIndex(recipientId, idContext));
      if (found?.credential !== credential) this.#contexts.remove(context);
    }
    if (idContext === undefined) return;
    const other = await this.#load(contextIndex(recipientId, undefined));
    if (other === undefined) return;
    const { parameters, ...options } = other;
    this.#contexts.cache(deriveContext(parameters, options));
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9203#section-3.2 */
  bind(grant: Grant): Binding | Promise<Binding | undefined> {
    const { reqCnf } = grant.request;
    if (reqCnf?.coseKey !== undefined) {
      throw new AceError('ERR_OSCORE_PROFILE_KEY', 'the OSCORE profile has no use for an asymmetric key', {
        responseCode: Code.BadRequest,
        error: AceErrorCode.unsupported_pop_key,
      });
    }
    if (grant.key?.osc !== undefined) return this.#bindAgain(grant, grant.key, grant.key.osc);
    if (reqCnf?.kid !== undefined) return this.#bindKnown(grant, reqCnf.kid);
    const allocated = this.#materials.allocate(grant);
    return allocated instanceof Promise ? allocated.then((material) => this.#bindFresh(material)) : this.#bindFresh(allocated);
  }

  #bindFresh({ id, change }: AllocatedId): Binding {
    // The salt is empty and there: whether an absent one takes part in the Master Salt is where implementations differ.
    const osc = encodeInputMaterial({ id, ms: this.#io.env.random(secretLength), salt: emptyBytes });
    const cnf: Confirmation = { osc };
    return { claims: { cnf }, confidential: true, changes: [change], response: () => ({ cnf }) };
  }

  async #bindKnown(grant: Grant, kid: Uint8Array): Promise<Binding | undefined> {
    const changes = await this.#materials.extend(grant, kid);
    return changes && update(kid, changes);
  }

  /** The key of a refresh token. */
  async #bindAgain(grant: Grant, key: Confirmation, osc: CborMap): Promise<Binding | undefined> {
    const kid = grant.request.reqCnf?.kid;
    const { id } = decodeInputMaterial(osc);
    if (kid !== undefined && !equalBytes(kid, id)) throw otherKey();
    const changes = await this.#materials.extend(grant, id);
    if (changes === undefined || kid !== undefined) return changes && update(id, changes);
    return { claims: { cnf: key }, confidential: true, changes, response: () => ({ cnf: key }) };
  }

  /** draft-ietf-ace-workflow-and-params-08, Section 3.3.3: nonce1 and the identifier of the client come from the client. */
  upload(token: Uint8Array, toRs: Relayed | undefined): Relayed | undefined {
    const { contentFormat = ContentFormat.AceCbor, payload: told } = toRs ?? { payload: emptyBytes };
    const payload = contentFormat === ContentFormat.AceCbor ? aceUpload(token, told) : undefined;
    return payload && { contentFormat, payload };
  }

  async reach({ credential, credentials }: FoundPeer): Promise<SecurityContext> {
    const added = this.#peers.get(credential);
    if (added !== undefined) return added;
    const context = this.#contexts.cache(deriveContext(readCredentials(credentials), { credential, window: 'unverified' }));
    if (context.credential === credential) return context;
    throw new OscoreProfileError('ERR_OSCORE_PROFILE_USE', `expected a Recipient ID of its own for "${credential}", got that of another peer`);
  }

  stats(): Readonly<Record<string, number>> {
    return {
      ...this.#layer.stats(),
      peers: this.#peers.size,
      found: this.#contexts.cached,
      inputMaterials: this.#materials.size,
      leases: this.#leases?.size ?? 0,
    };
  }

  async close(): Promise<void> {
    this.#materials.close();
    await this.#leases?.close();
    for (const context of this.#contexts) this.#contexts.remove(context);
    this.#peers.clear();
  }
}

/** RFC 9200, Section 5.8.1: a refresh token is good for the key of its first token alone. */
function otherKey(): AceError {
  return new AceError('ERR_OSCORE_PROFILE_KEY', 'req_cnf names another key than that of the refresh token', {
    responseCode: Code.BadRequest,
    error: AceErrorCode.invalid_request,
  });
}

/** RFC 9203, Section 3.2: an update has the identifier in the token, and no cnf in the response. */
function update(kid: Uint8Array, changes: readonly Change[]): Binding {
  return { claims: { cnf: { kid: kid.slice() } }, confidential: false, changes, response: () => ({}) };
}

/** What an operator wants to know. Messages stay out: they hold tokens and keys. */
function report(io: AsIo, event: OscoreEvent): void {
  switch (event.type) {
    case 'discarded':
      io.emit({ type: 'oscore-discarded', reason: event.reason, ...detailOf(event.context, event.detail) });
      break;
    case 'sequence':
      io.emit({ type: 'oscore-sequence', reason: event.code, detail: event.detail });
      break;
    case 'running-out':
      io.emit({ type: 'oscore-running-out', detail: `${event.remaining} sender sequence numbers remain` });
      break;
    case 'lookup':
      io.emit({ type: 'oscore-lookup', reason: event.error.code, detail: event.error.message });
      break;
    case 'lease':
    case 'restored':
      io.emit({ type: `oscore-${event.type}`, ...detailOf(event.context) });
      break;
  }
}

function detailOf(context: SecurityContext | undefined, detail?: string): { readonly detail?: string } {
  const parts = [context?.credential, detail].filter((part) => part !== undefined);
  return parts.length === 0 ? {} : { detail: parts.join(': ') };
}
