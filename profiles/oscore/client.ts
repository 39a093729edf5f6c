import {
  type AccessInformation,
  AceError,
  type ClientIo,
  type PreparedUpload,
  type ProfileAtClient,
  type Relayed,
  type Target,
  type TokenRequest,
  type TokenResponse,
  tokenParameters,
} from '../../src/ace/index.ts';
import {
  Code,
  ContentFormat,
  formatCode,
  type Layer,
  Method,
  OptionNumber,
  type Peer,
  pathOptions,
  type Request,
  type Response,
  type SecurityAssociation,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { equalBytes } from '../../src/core/bytes.ts';
import { type CborMap, decode, encode } from '../../src/core/cbor.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { readKnownMap, writeKnownMap } from '../../src/core/known-map.ts';
import { type ContextParameters, ContextTable, deriveContext, oscore, SecurityContext } from '../../src/oscore/index.ts';
import { storedContexts } from './context-store.ts';
import { OscoreProfileError, readCredentials } from './credentials.ts';
import { contextParameters, decodeInputMaterial, type InputMaterial } from './params.ts';
import { RecipientIds } from './recipient-ids.ts';
import { readSavedContext, savedContextMap } from './saved-context.ts';

/** Bytes of nonce1 (RFC 9203, Section 4.1). */
const nonceLength = 8;

const uploadSpec = { accessToken: tokenParameters.accessToken, nonce1: tokenParameters.nonce1, id1: tokenParameters.aceClientRecipientId } as const;
const answerSpec = {
  nonce2: { ...tokenParameters.nonce2, required: true },
  id2: { ...tokenParameters.aceServerRecipientId, required: true },
} as const;

/** What is kept of a context with an RS. */
interface Established {
  readonly parameters: ContextParameters;
  /** The id of the OSCORE_Input_Material: names the key in an update of access rights. */
  readonly materialId: Uint8Array;
}

/** How the profile is run. */
export interface OscoreProfileOptions {
  /**
   * Sender sequence numbers that a client reserves durably at once; 32 when absent. Processes that share the store of a client use 1: with blocks of numbers
   * theirs would arrive in an order that no replay window takes.
   */
  readonly block?: number;
}

/**
 * The OSCORE profile at the client.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9203#section-4
 */
export function oscoreAtClient(io: ClientIo, options: OscoreProfileOptions = {}): ProfileAtClient {
  return new OscoreAtClient(io, options);
}

class OscoreAtClient implements ProfileAtClient {
  readonly layers: readonly Layer[];
  readonly #io: ClientIo;
  readonly #contexts = new ContextTable();
  readonly #ids: RecipientIds;
  /** Contexts with authorization servers. */
  readonly #servers = new Set<SecurityContext>();
  readonly #established = new Map<SecurityAssociation, Established>();
  readonly #layer: ReturnType<typeof oscore>;

  constructor(io: ClientIo, { block = 32 }: OscoreProfileOptions) {
    this.#io = io;
    this.#ids = new RecipientIds(io.store, io.env, this.#contexts);
    this.#layer = oscore({ contexts: this.#contexts, store: storedContexts(io.store), env: io.env, block, emit: (event) => io.emit({ ...event }) });
    this.layers = [this.#layer];
  }

  registerAs(credentials: unknown): void {
    this.#ids.exclude(readCredentials(credentials).recipientId);
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9203#section-5 */
  async connectAs(credentials: unknown, _peer: Peer): Promise<SecurityAssociation> {
    const parameters = readCredentials(credentials);
    const context = deriveContext(parameters, { window: 'unverified' });
    const holder = this.#contexts.find(parameters.recipientId, parameters.idContext);
    if (holder !== undefined && this.#servers.has(holder)) {
      throw new OscoreProfileError('ERR_OSCORE_PROFILE_CREDENTIALS', 'recipientId: expected one that no other authorization server has, got that of another');
    }
    // An identifier that is configured goes before one that we chose: who had it derives a new context.
    const gone = this.#contexts.replace(context);
    if (gone !== undefined) this.#established.delete(gone);
    this.#servers.add(context);
    return context;
  }

  request(_target: Target | undefined, update?: SecurityAssociation): Partial<TokenRequest> {
    const established = update === undefined ? undefined : this.#established.get(update);
    return established === undefined ? {} : { reqCnf: { kid: established.materialId } };
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9203#section-4.1 */
  async establish(granted: TokenResponse, target: Target): Promise<SecurityAssociation> {
    const material = materialOf(granted);
    const nonce1 = this.#io.env.random(nonceLength);
    const id1 = await this.#ids.reserve(granted.expiresIn ?? 0);
    try {
      const payload = encode(writeKnownMap(uploadSpec, { accessToken: granted.accessToken, nonce1, id1 }));
      return this.#derive(material, nonce1, id1, answerTo(await this.#io.request(uploadRequest(target, payload))));
    } catch (error) {
      await this.#ids.free(id1);
      throw error;
    }
  }

  /** draft-ietf-ace-workflow-and-params-08, Section 3.3.3: what goes to the RS and comes from it goes by the AS. */
  async prepareUpload(): Promise<PreparedUpload> {
    const nonce1 = this.#io.env.random(nonceLength);
    const id1 = await this.#ids.reserve(0);
    return {
      toRs: { payload: encode(writeKnownMap(uploadSpec, { nonce1, id1 })) },
      establish: async (granted, answer) => {
        try {
          const material = materialOf(granted);
          await this.#ids.keep(id1, granted.expiresIn ?? 0);
          return this.#derive(material, nonce1, id1, answer);
        } catch (error) {
          await this.#ids.free(id1);
          throw error;
        }
      },
      cancel: () => this.#ids.free(id1),
    };
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9203#section-4.1 (update of access rights) */
  async update(granted: TokenResponse, association: SecurityAssociation, target: Target): Promise<void> {
    const payload = encode(writeKnownMap(uploadSpec, { accessToken: granted.accessToken }));
    const response = await this.#io.request({ ...uploadRequest(target, payload), association, idempotent: true });
    if (response.code !== Code.Created) throw refused(response);
    if (response.association !== association)
      throw broken('ERR_ACE_UNPROTECTED', 'expected a protected answer to the update, got one without protection', response.code);
  }

  save(association: SecurityAssociation): Uint8Array {
    const established = this.#established.get(association);
    if (established === undefined) throw new OscoreProfileError('ERR_OSCORE_PROFILE_USE', 'expected a context with an RS, got another association');
    return encode([savedContextMap(established.parameters), established.materialId]);
  }

  async restore(saved: Uint8Array): Promise<SecurityAssociation> {
    const value = decode(saved);
    const [context, materialId] = Array.isArray(value) ? (value as readonly unknown[]) : [];
    if (!(context instanceof Map) || !(materialId instanceof Uint8Array)) {
      throw new OscoreProfileError('ERR_OSCORE_PROFILE_USE', 'expected a saved context, got something else');
    }
    return this.#add({ id: materialId }, readSavedContext(context as CborMap), 'unverified');
  }

  async release(association: SecurityAssociation): Promise<void> {
    if (!(association instanceof SecurityContext) || !this.#established.delete(association)) return;
    this.#contexts.remove(association);
    await this.#ids.free(association.recipientId);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#layer.stats(), servers: this.#servers.size };
  }

  async close(): Promise<void> {
    for (const context of [...this.#contexts]) this.#contexts.remove(context);
    this.#servers.clear();
    this.#established.clear();
  }

  #derive(material: InputMaterial, nonce1: Uint8Array, id1: Uint8Array, answer: Relayed): SecurityContext {
    const { nonce2, id2 } = readAnswer(answer);
    // RFC 9203, Section 4.3: the keys of both directions would be the same.
    if (equalBytes(id1, id2)) throw broken('ERR_ACE_SAME_ID', 'expected the RS to choose another identifier than the client, got the same', Code.Created);
    return this.#add(material, contextParameters(material, { nonce1, nonce2, senderId: id2, recipientId: id1 }), 'fresh');
  }

  #add(material: Pick<InputMaterial, 'id'>, parameters: ContextParameters, window: 'fresh' | 'unverified'): SecurityContext {
    const context = deriveContext(parameters, { window });
    this.#contexts.add(context);
    this.#established.set(context, { parameters, materialId: material.id.slice() });
    return context;
  }
}

function uploadRequest(target: Target, payload: Uint8Array): Request {
  return {
    code: Method.POST,
    options: [...pathOptions(target.authzInfo), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)],
    payload,
    peer: target.peer,
  };
}

function materialOf({ cnf }: AccessInformation): InputMaterial {
  if (cnf?.osc === undefined) throw broken('ERR_OSCORE_PROFILE_KEY', 'token response: expected an OSCORE_Input_Material in cnf, got none', Code.Created);
  return decodeInputMaterial(cnf.osc);
}

function answerTo(response: Response): Relayed {
  if (response.code !== Code.Created) throw refused(response);
  const contentFormat = uintOf(response.options, OptionNumber.ContentFormat);
  if (contentFormat === undefined) throw otherFormat();
  return { contentFormat, payload: response.payload };
}

function readAnswer({ contentFormat = ContentFormat.AceCbor, payload }: Relayed): { readonly nonce2: Uint8Array; readonly id2: Uint8Array } {
  if (contentFormat !== ContentFormat.AceCbor) throw otherFormat();
  try {
    const { nonce2, id2 } = readKnownMap('answer to the upload', answerSpec, decode(payload)).known;
    return { nonce2: nonce2.slice(), id2: id2.slice() };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw broken('ERR_OSCORE_PROFILE_ANSWER', error.message, Code.Created, error);
  }
}

function otherFormat(): AceError {
  return broken('ERR_OSCORE_PROFILE_ANSWER', 'answer to the upload: expected Content-Format 19 (application/ace+cbor), got another', Code.Created);
}

function refused(response: Response): AceError {
  return broken('ERR_ACE_UPLOAD', `the RS refused the token: ${formatCode(response.code)}`, response.code);
}

function broken(code: string, message: string, responseCode: number, cause?: unknown): AceError {
  return new AceError(code, message, { responseCode, ...(cause === undefined ? {} : { cause }) });
}
