import { type Acceptance, AceError, AceErrorCode, credential, type ProfileAtRs, type RsIo, type TokenUpload, tokenParameters } from '../../src/ace/index.ts';
import {
  Code,
  ContentFormat,
  type Layer,
  OptionNumber,
  type Request,
  type Response,
  type SecurityAssociation,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import { aeadParameters } from '../../src/core/crypto/index.ts';
import type { ClaimsSet } from '../../src/core/cwt.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { readKnownMap, writeKnownMap } from '../../src/core/known-map.ts';
import { ContextTable, deriveContext, OscoreError, oscore, SecurityContext } from '../../src/oscore/index.ts';
import { storedContexts } from './context-store.ts';
import { OscoreProfileError, readCredentials } from './credentials.ts';
import { contextParameters, decodeInputMaterial, type InputMaterial } from './params.ts';
import { PendingContexts } from './pending-contexts.ts';
import { decodeSavedContext, encodeSavedContext } from './saved-context.ts';

/** Bytes of a nonce (RFC 9203, Sections 4.1 and 4.2). */
export const nonceLength = 8;

const profileName = 'coap_oscore';

const updateSpec = { accessToken: { ...tokenParameters.accessToken, required: true } } as const;
const uploadSpec = { ...updateSpec, nonce1: tokenParameters.nonce1, id1: tokenParameters.aceClientRecipientId } as const;
const answerSpec = { nonce2: tokenParameters.nonce2, id2: tokenParameters.aceServerRecipientId } as const;

/** What a first upload has beside the token. */
interface FirstUpload {
  readonly nonce1: Uint8Array;
  readonly id1: Uint8Array;
}

function refuse(code: string, message: string, responseCode: number = Code.BadRequest, cause?: unknown): AceError {
  return new AceError(code, message, {
    responseCode,
    ...(responseCode === Code.BadRequest ? { error: AceErrorCode.invalid_request } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** RFC 7252, Section 5.9.3.4. */
function later(code: string, message: string, cause: unknown): AceError {
  return new AceError(code, message, { responseCode: Code.ServiceUnavailable, retryAfter: 60, cause });
}

/**
 * The OSCORE profile at the RS: a security context for each token that is uploaded, in use from the first request that it verifies.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9203#section-4.2
 */
export function oscoreAtRs(io: RsIo, contexts: ContextTable = new ContextTable()): ProfileAtRs {
  return new OscoreAtRs(io, contexts);
}

class OscoreAtRs implements ProfileAtRs {
  readonly layers: readonly Layer[];
  readonly #io: RsIo;
  readonly #contexts: ContextTable;
  /** The context in use, by credential. */
  readonly #active = new Map<string, SecurityContext>();
  /** Contexts with authorization servers. */
  readonly #issuers = new Set<SecurityAssociation>();
  readonly #pending: PendingContexts;
  readonly #layer: ReturnType<typeof oscore>;

  constructor(io: RsIo, contexts: ContextTable) {
    this.#io = io;
    this.#contexts = contexts;
    this.#pending = new PendingContexts(io.env, (context) => this.#contexts.remove(context));
    this.#layer = oscore({ contexts: this.#contexts, store: storedContexts(io.store), env: io.env, emit: (event) => io.emit({ ...event }) });
    this.layers = [this.#layer];
  }

  addIssuer(_issuer: string, credentials: unknown): void {
    const context = deriveContext(readCredentials(credentials), { window: 'unverified' });
    this.#contexts.add(context);
    this.#issuers.add(context);
  }

  decodeUpload(request: Request): TokenUpload | undefined {
    if (uintOf(request.options, OptionNumber.ContentFormat) !== ContentFormat.AceCbor) return undefined;
    const { association: protection } = request;
    const isClient = protection instanceof SecurityContext && this.#contexts.has(protection) && !this.#issuers.has(protection);
    const association = isClient ? protection : undefined;
    try {
      const map = decode(request.payload);
      // RFC 9203, Section 4.2: nonces and identifiers in a protected upload are ignored, and if any verification fails, the answer is 4.01.
      if (association !== undefined) return { token: readKnownMap('upload', updateSpec, map).known.accessToken, association, refusedWith: Code.Unauthorized };
      const { accessToken, nonce1, id1 } = readKnownMap('upload', uploadSpec, map).known;
      if (nonce1 === undefined || id1 === undefined) throw refuse('ERR_OSCORE_PROFILE_UPLOAD', 'upload: expected nonce1 and ace_client_recipientid, got less');
      return { token: accessToken, extra: { nonce1: nonce1.slice(), id1: id1.slice() } satisfies FirstUpload };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const code = error instanceof AceError ? error.code : 'ERR_OSCORE_PROFILE_UPLOAD';
      throw refuse(code, error.message, association === undefined ? Code.BadRequest : Code.Unauthorized, error);
    }
  }

  accept(claims: ClaimsSet, issuer: string, upload: TokenUpload): Promise<Acceptance> {
    try {
      return Promise.resolve(
        upload.association === undefined ? this.#establish(claims, issuer, upload.extra as FirstUpload) : this.#update(claims, issuer, upload),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async restore(name: string, saved: Uint8Array): Promise<SecurityContext> {
    if (this.#active.has(name)) throw new OscoreProfileError('ERR_OSCORE_PROFILE_USE', `expected one security context for "${name}", got two`);
    // Which requests an earlier run has received is not known (RFC 8613, Appendix B.1.2).
    const context = deriveContext(decodeSavedContext(saved), { credential: name, window: 'unverified' });
    this.#contexts.add(context);
    this.#active.set(name, context);
    return context;
  }

  release(name: string): void {
    const context = this.#active.get(name);
    this.#active.delete(name);
    if (context !== undefined) this.#contexts.remove(context);
    this.#pending.dropAll(name);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#layer.stats(), pending: this.#pending.size };
  }

  async close(): Promise<void> {
    this.#pending.close();
    this.#active.clear();
    for (const context of [...this.#contexts]) this.#contexts.remove(context);
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9203#section-4.3 */
  #establish(claims: ClaimsSet, issuer: string, { nonce1, id1 }: FirstUpload): Acceptance {
    if (claims.cnf?.osc === undefined) throw refuse('ERR_OSCORE_PROFILE_KEY', 'cnf: expected an OSCORE_Input_Material, got none');
    const material = decodeInputMaterial(claims.cnf.osc);
    const { random } = this.#io.env;
    const nonce2 = random(nonceLength);
    const id2 = this.#freeId(id1, material);
    const parameters = contextParameters(material, { nonce1, nonce2, senderId: id1, recipientId: id2 });
    const name = credential(profileName, issuer, material.id);
    const context = this.#derive(() => deriveContext(parameters, { credential: name, window: 'fresh', onVerified: () => this.#activate(name, context) }));
    this.#add(name, context);
    return { credential: name, association: context, response: created(nonce2, id2), update: false, saved: encodeSavedContext(parameters) };
  }

  /** What the token asks for may be beyond what OSCORE takes. */
  #derive(derive: () => SecurityContext): SecurityContext {
    try {
      return derive();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw refuse('ERR_OSCORE_PROFILE_MATERIAL', error.message, Code.BadRequest, error);
    }
  }

  /** One that waits may give way, so it is known only afterwards whether there is room. */
  #add(name: string, context: SecurityContext): void {
    this.#pending.add(name, context);
    try {
      this.#contexts.add(context);
    } catch (error) {
      this.#pending.take(name, context);
      if (!(error instanceof OscoreError) || error.code !== 'ERR_OSCORE_LIMIT') throw error;
      throw later('ERR_OSCORE_PROFILE_CONTEXTS', 'all security contexts that may be are in use', error);
    }
  }

  #freeId(id1: Uint8Array, material: InputMaterial): Uint8Array {
    const algorithm = typeof material.alg === 'number' ? aeadParameters(material.alg) : undefined;
    // RFC 8613, Section 3.3; 12 bytes are the shortest nonce of all algorithms.
    const longest = (algorithm?.nonceLength ?? 12) - 6;
    try {
      return this.#contexts.freeRecipientId(this.#io.env.random, [id1], Math.max(1, longest));
    } catch (error) {
      throw later('ERR_OSCORE_PROFILE_IDS', 'all Recipient IDs are in use', error);
    }
  }

  /**
   * The client has shown that it derived the same keys: the context takes the place of the one before (RFC 9203, Section 2). Others that wait stay for their
   * time: two processes of a client may have uploaded its token at once.
   */
  #activate(name: string, context: SecurityContext): void {
    const before = this.#active.get(name);
    this.#pending.take(name, context);
    this.#active.set(name, context);
    if (before !== undefined) this.#contexts.remove(before);
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9203#section-4.2 */
  #update(claims: ClaimsSet, issuer: string, upload: TokenUpload): Acceptance {
    const kid = claims.cnf?.kid;
    if (kid === undefined) throw refuse('ERR_OSCORE_PROFILE_KEY', 'cnf: expected the kid of the input material, got none', Code.Unauthorized);
    const name = credential(profileName, issuer, kid);
    const context = this.#active.get(name);
    if (context === undefined || upload.association !== context) {
      throw refuse('ERR_OSCORE_PROFILE_KEY', 'cnf: expected the kid of the context that protects the upload, got another', Code.Unauthorized);
    }
    return { credential: name, association: context, response: { code: Code.Created, options: [], payload: emptyBytes }, update: true };
  }
}

function created(nonce2: Uint8Array, id2: Uint8Array): Response {
  return {
    code: Code.Created,
    options: [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)],
    payload: encode(writeKnownMap(answerSpec, { nonce2, id2 })),
  };
}
