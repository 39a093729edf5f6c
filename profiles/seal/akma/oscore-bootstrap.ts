/**
 * OSCORE as a Ua* protocol (TS 33.535, Annex D), which is EXPERIMENTAL: two implementations of its text need not meet, since this much of it, and of TS 33.220,
 * Annex P, which it rests on, could not be verified:
 *
 * - the encoding of the payloads: here CBOR arrays in the order of the text, `[protocol id, A-KID, N1, AF-SID, ?OSC-INP]` and `[N2, UE-SID]`, as
 *   `application/cbor`, with the A-KID as text and all else, OSC-INP aside, as byte strings;
 * - OSC-INP: here a map with `hkdf` (3) and `alg` (4) of the OSCORE Security Context Parameters (RFC 9203, Section 3.2.1);
 * - lengths: here 8 bytes for nonces, 32 for the Master Secret;
 * - the HKDF of the Master Secret: here HKDF-SHA-256 with an empty salt and `AKMA-OSCORE` as info;
 * - the Ua* security protocol identifier: here whatever the AF_ID is configured with, the same at both ends;
 * - that AF-SID is the Sender ID of the application function, which one secondary source says.
 *
 * Everything else is RFC 8613. Whoever uses it says `experimental: true`.
 */
import {
  type Answer,
  type CoapResponse,
  Code,
  ContentFormat,
  type Layer,
  problem,
  type Resource,
  type ResourceHandle,
  type ResourceRequest,
} from '../../../src/coap/index.ts';
import { concat, emptyBytes, equalBytes, utf8 } from '../../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import { hkdf } from '../../../src/core/crypto/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import { type ContextParameters, ContextTable, deriveContext, oscore, type SecurityContext } from '../../../src/oscore/index.ts';
import type { ApplicationKey } from './aanf.ts';
import type { AfId } from './af-id.ts';
import type { ApplicationKeys } from './application-keys.ts';
import { AkmaError } from './error.ts';
import { ExpiringMap } from './expiring-map.ts';
import { deriveApplicationKey } from './kdf.ts';
import { akmaCredential } from './psk.ts';
import { anchorOf, type UeAnchor } from './ue.ts';

const nonceLength = 8;
const secretLength = 32;
/** The longest Sender ID that every AEAD allows (RFC 8613, Section 3.3). */
const longestId = 6;
/** Seconds for the first request on a new context: long enough for every retransmission of it. */
const patience = 247;
/** Contexts that no request has come on: in all, and of one A-KID, which is no secret. */
const mostPending = 256;
const mostPendingOfOne = 4;

/** Seconds after which a UE may ask again. */
const tryAgain = 30;

/** What this side cannot do now, whatever the UE asks (RFC 7252, Section 5.9.3.4). */
function unavailable(detail: string): Answer {
  return { ...problem(Code.ServiceUnavailable, { title: 'AKMA', detail }), maxAge: tryAgain };
}

/** Algorithms of OSCORE that the UE asks for. */
export type OscoreInputs = Pick<ContextParameters, 'aead' | 'hkdf'>;
const InputLabel = { hkdf: 3, alg: 4 } as const;

interface Establishment {
  readonly protocol: Uint8Array;
  readonly aKid: string;
  readonly nonce1: Uint8Array;
  readonly afSenderId: Uint8Array;
  readonly inputs: OscoreInputs;
}

function wrong(expected: string): AkmaError {
  return new AkmaError('ERR_AKMA_BOOTSTRAP', `application session establishment: expected ${expected}, got another`);
}

function list(payload: Uint8Array): readonly CborValue[] {
  try {
    const value = decode(payload);
    if (Array.isArray(value)) return value as readonly CborValue[];
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  throw wrong('a CBOR array');
}

function bytes(name: string, value: CborValue, shortest: number, longest: number): Uint8Array {
  if (value instanceof Uint8Array && value.length >= shortest && value.length <= longest) return value.slice();
  throw wrong(`${name} of ${shortest === longest ? shortest : `${shortest} to ${longest}`} bytes`);
}

function inputsOf(value: CborValue): OscoreInputs {
  if (value === undefined) return {};
  if (!(value instanceof Map)) throw wrong('OSC-INP as a map');
  const map: ReadonlyMap<CborKey, CborValue> = value;
  const [algorithm, hash] = [map.get(InputLabel.alg), map.get(InputLabel.hkdf)];
  if ((algorithm !== undefined && typeof algorithm !== 'number') || (hash !== undefined && typeof hash !== 'number')) throw wrong('algorithms as numbers');
  return { ...(algorithm === undefined ? {} : { aead: algorithm }), ...(hash === undefined ? {} : { hkdf: hash }) };
}

function encodeRequest({ protocol, aKid, nonce1, afSenderId, inputs: { aead, hkdf: hash } }: Establishment): Uint8Array {
  const inputs = new Map<number, number>();
  if (hash !== undefined) inputs.set(InputLabel.hkdf, hash);
  if (aead !== undefined) inputs.set(InputLabel.alg, aead);
  return encode([protocol, aKid, nonce1, afSenderId, ...(inputs.size === 0 ? [] : [inputs])]);
}

/** @throws {AkmaError} `ERR_AKMA_BOOTSTRAP` */
function decodeRequest(payload: Uint8Array): Establishment {
  const values = list(payload);
  const [protocol, aKid, nonce1, afSenderId, inputs] = values;
  if (values.length < 4 || values.length > 5) throw wrong('4 or 5 values');
  if (typeof aKid !== 'string') throw wrong('an A-KID as text');
  return {
    protocol: bytes('protocol identifier', protocol, 5, 5),
    aKid,
    nonce1: bytes('N1', nonce1, nonceLength, nonceLength),
    afSenderId: bytes('AF-SID', afSenderId, 0, longestId),
    inputs: inputsOf(inputs),
  };
}

/** UE-SID of an answer. @throws {AkmaError} `ERR_AKMA_BOOTSTRAP` */
function decodeAnswer(payload: Uint8Array): Uint8Array {
  const [nonce2, ueSenderId, more] = list(payload);
  bytes('N2', nonce2, nonceLength, nonceLength);
  if (more !== undefined) throw wrong('2 values');
  return bytes('UE-SID', ueSenderId, 0, longestId);
}

/** Master Secret and Master Salt (Annex D.3.3). */
function keying(kAf: Uint8Array, request: Uint8Array, answer: Uint8Array): Pick<ContextParameters, 'masterSecret' | 'masterSalt'> {
  return { masterSecret: hkdf('sha256', kAf, emptyBytes, utf8('AKMA-OSCORE'), secretLength), masterSalt: concat(request, answer) };
}

function checkSwitch(experimental: unknown): void {
  if (experimental !== true) throw new AkmaError('ERR_AKMA_EXPERIMENTAL', 'OSCORE by AKMA is experimental: expected experimental: true, got something else');
}

/** The switch, and the keys that contexts are made of. */
export interface OscoreBootstrapOptions {
  readonly experimental: true;
  readonly keys: ApplicationKeys;
  /** Contexts at most; when there are so many, a UE that asks for one hears 5.03 with Max-Age. Default 65,536. */
  readonly limit?: number;
  readonly env?: Env;
}

/**
 * OSCORE by AKMA at the application function: `POST /akma` makes a context of K_AF, and its layer is the one OSCORE layer of the endpoint.
 *
 * ```ts
 * const bootstrap = new OscoreBootstrap({ experimental: true, keys });
 * bootstrap.mount(router);
 * const endpoint = new Endpoint({ transport, handler: router.handler, layers: [bootstrap.layer] });
 * ```
 */
export class OscoreBootstrap {
  readonly layer: Layer;
  readonly #keys: ApplicationKeys;
  readonly #env: Env;
  readonly #contexts: ContextTable;
  /** Contexts that wait for their first request. */
  readonly #pending: ExpiringMap<SecurityContext>;
  /** Contexts in use, by the name of the channel; each ends with its K_AF. */
  readonly #active: ExpiringMap<SecurityContext>;
  /** Sender sequence numbers: they need not outlive the process, since the contexts do not. */
  readonly #numbers = new Map<string, number>();
  readonly #layer: ReturnType<typeof oscore>;
  #turn = 0;

  /** @throws {AkmaError} `ERR_AKMA_EXPERIMENTAL` */
  constructor({ experimental, keys, limit, env = systemEnv }: OscoreBootstrapOptions) {
    checkSwitch(experimental);
    this.#contexts = new ContextTable(limit === undefined ? {} : { limit });
    this.#keys = keys;
    this.#env = env;
    const remove = (context: SecurityContext): void => {
      this.#contexts.remove(context);
    };
    this.#pending = new ExpiringMap(env, remove);
    this.#active = new ExpiringMap(env, remove);
    this.#contexts.onRemoved(({ senderKeyId }) => this.#numbers.delete(senderKeyId));
    this.#layer = oscore({ contexts: this.#contexts, store: { reserve: async (senderKeyId, count) => this.#reserve(senderKeyId, count) }, env });
    this.layer = this.#layer;
  }

  /** Answer `POST /akma` at this server. */
  mount(server: { resource(path: string, resource: Resource): ResourceHandle }): void {
    server.resource('/akma', { post: (request) => this.#post(request), accepts: [ContentFormat.Cbor] });
  }

  /** The entries of the OSCORE layer; `pending`: contexts without a request yet; `active`: those in use. */
  stats(): Readonly<Record<string, number>> {
    return { ...this.#layer.stats(), pending: this.#pending.size, active: this.#active.size };
  }

  /** Forget all contexts. */
  close(): void {
    this.#pending.close();
    this.#active.close();
  }

  #reserve(senderKeyId: string, count: number): number {
    const first = this.#numbers.get(senderKeyId) ?? 0;
    this.#numbers.set(senderKeyId, first + count);
    return first;
  }

  async #post(request: ResourceRequest): Promise<Answer> {
    const payload = request.payload.slice();
    let asked: Establishment;
    let key: ApplicationKey | undefined;
    try {
      asked = decodeRequest(payload);
      if (!equalBytes(asked.protocol, this.#keys.afId.protocol)) throw wrong('the protocol identifier of this function');
      key = await this.#keys.get(asked.aKid);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return error.code === 'ERR_AKMA_AANF' ? unavailable(error.message) : problem(Code.BadRequest, { title: 'AKMA', detail: error.message });
    }
    if (key === undefined) return problem(Code.Unauthorized, { title: 'AKMA', detail: 'the A-KID names no key' });
    try {
      return { code: Code.Created, payload: this.#establish(payload, asked, key), contentFormat: ContentFormat.Cbor };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (error.code === 'ERR_OSCORE_LIMIT') return unavailable('too many contexts are in use');
      // Algorithms that OSCORE does not take.
      return problem(Code.BadRequest, { title: 'AKMA', detail: error.message });
    }
  }

  /** The answer, once its context is there. */
  #establish(request: Uint8Array, { aKid, afSenderId, inputs }: Establishment, { kAf, expiresAt }: ApplicationKey): Uint8Array {
    const ueSenderId = this.#contexts.freeRecipientId(this.#env.random, [afSenderId], longestId);
    const answer = encode([this.#env.random(nonceLength), ueSenderId]);
    const name = akmaCredential(this.#keys, aKid);
    const place = `${name} ${this.#turn++ % mostPendingOfOne}`;
    const context = deriveContext(
      { ...keying(kAf, request, answer), ...inputs, senderId: afSenderId, recipientId: ueSenderId },
      {
        credential: name,
        window: 'fresh',
        onVerified: () => {
          // The UE has shown that it has the same key: this context takes the place of the one before.
          this.#pending.take(place);
          this.#active.set(name, context, expiresAt);
        },
      },
    );
    this.#contexts.add(context);
    this.#pending.set(place, context, Math.min(expiresAt, this.#env.epoch() + patience));
    if (this.#pending.size > mostPending) this.#pending.deleteFirst();
    return answer;
  }
}

/** A UE that makes an OSCORE context with an application function, and how it reaches that. */
export interface EstablishOscoreOptions extends OscoreInputs {
  readonly experimental: true;
  /** The anchor key that the last primary authentication left. */
  readonly anchor: () => UeAnchor | undefined;
  /** The application function, with the identifier of this protocol. */
  readonly afId: AfId;
  /** Sends the payload as `POST <AF>/akma`, Content-Format 60. */
  readonly post: (payload: Uint8Array) => Promise<CoapResponse>;
  /** The contexts of the OSCORE layer that requests go through. */
  readonly contexts: ContextTable;
  readonly env?: Env;
}

/**
 * OSCORE by AKMA at the UE: the Security Context with an application function, which is in the table then.
 *
 * @throws {AkmaError} `ERR_AKMA_NO_KEY`, and then nothing is sent; `ERR_AKMA_REFUSED`, `ERR_AKMA_BOOTSTRAP`, `ERR_AKMA_EXPERIMENTAL`
 */
export async function establishOscore(options: EstablishOscoreOptions): Promise<SecurityContext> {
  const { experimental, anchor, afId, post, contexts, env = systemEnv, aead, hkdf: hash } = options;
  checkSwitch(experimental);
  const { aKid, kAkma } = anchorOf(anchor());
  const inputs: OscoreInputs = { ...(aead === undefined ? {} : { aead }), ...(hash === undefined ? {} : { hkdf: hash }) };
  const afSenderId = contexts.freeRecipientId(env.random, [], longestId);
  const request = encodeRequest({ protocol: afId.protocol, aKid, nonce1: env.random(nonceLength), afSenderId, inputs });
  const response = await post(request);
  if (response.code !== Code.Created) throw new AkmaError('ERR_AKMA_REFUSED', `the application function answers ${response.codeText}`);
  const ueSenderId = decodeAnswer(response.payload);
  // RFC 8613, Section 3.3: the keys of both directions would be the same.
  if (equalBytes(ueSenderId, afSenderId)) throw wrong('a UE-SID that is not the AF-SID');
  const keys = keying(deriveApplicationKey(kAkma, afId), request, response.payload);
  const context = deriveContext({ ...keys, ...inputs, senderId: ueSenderId, recipientId: afSenderId }, { window: 'fresh' });
  contexts.add(context);
  return context;
}
