import { type Body, findOption, formatCode, isRequest, isResponse, type Message, OptionNumber, type Peer } from '../coap/index.ts';
import { emptyBytes, equalBytes, toHex } from '../core/bytes.ts';
import { algorithmNames } from '../core/cose/index.ts';
import { aeadParameters } from '../core/crypto/index.ts';
import { ProtocolError } from '../core/errors.ts';
import {
  type ContextParameters,
  decodeOscoreOption,
  decodePartialIv,
  deriveContext,
  type OscoreOption,
  type SecurityContext,
  unprotectRequest,
  unprotectResponse,
} from '../oscore/index.ts';
import { Remembered, type RememberedLimits } from './remembered.ts';
import { type RenderOptions, renderBody, renderCode, renderOption } from './render.ts';

/** A context that captured messages may be protected with, as one of its ends has it. */
export interface KnownContext {
  /** Where it comes from, for people: a file, or the message that it was derived from. */
  readonly name: string;
  readonly parameters: ContextParameters;
}

/** Which end of a context sent the request of an exchange. */
export type Origin = 'sender' | 'recipient';

/** What a response needs of its request. */
interface RequestIds extends OscoreOption {
  readonly kid: Uint8Array;
  readonly partialIv: Uint8Array;
}

/** A context that may have protected a message, and the request that its nonce and AAD come from. */
interface Candidate {
  readonly context: KnownContext;
  readonly origin: Origin;
  readonly request: RequestIds;
}

/** What a message was opened with, or was tried with; nothing of it is secret. */
export interface Inputs {
  /** The name of the context. */
  readonly name: string;
  /** The end of the context that sent the message, and its identifier. */
  readonly from: Origin;
  readonly id: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  /** The number in the Partial IV of the message; absent: a response that uses the nonce of its request. */
  readonly sequence: number | undefined;
}

/** A message that a context opened, or why none did. */
export type Opened =
  | { readonly verified: true; readonly inner: Body; readonly inputs: Inputs }
  | { readonly verified: false; readonly reason: string; readonly inputs?: Inputs };

const nobody: Peer = { key: '', address: '', port: 0 };
const shown = (id: Uint8Array): string => (id.length === 0 ? "'' (empty)" : toHex(id));

function mirrored(parameters: ContextParameters): ContextParameters {
  return { ...parameters, senderId: parameters.recipientId, recipientId: parameters.senderId };
}

/** Both ends of a context, derived once. */
const derived = new WeakMap<ContextParameters, { readonly own: SecurityContext; readonly mirror: SecurityContext }>();

function endsOf(parameters: ContextParameters): { readonly own: SecurityContext; readonly mirror: SecurityContext } {
  let ends = derived.get(parameters);
  if (ends === undefined) {
    ends = { own: deriveContext(parameters), mirror: deriveContext(mirrored(parameters)) };
    derived.set(parameters, ends);
  }
  return ends;
}

/** @throws {OscoreError} as `unprotectRequest` and `unprotectResponse` */
function unprotect(message: Message, parameters: ContextParameters, origin: Origin, request: RequestIds): Body {
  const { own, mirror } = endsOf(parameters);
  const [client, server] = origin === 'sender' ? [own, mirror] : [mirror, own];
  if (isRequest(message.code)) return unprotectRequest({ ...message, peer: nobody }, request, server).request;
  return unprotectResponse(message, client, { aad: client.sender.aad(request.partialIv), nonce: client.sender.nonce(request.partialIv) }).response;
}

function opens(message: Message, parameters: ContextParameters, { origin, request }: Candidate): boolean {
  try {
    unprotect(message, parameters, origin, request);
    return true;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}

/** RFC 8613, Section 3.2: HKDF by the number of its HMAC. */
const hkdfNames: ReadonlyMap<number, string> = new Map([
  [5, 'HKDF SHA-256'],
  [7, 'HKDF SHA-512'],
]);

/** The same context with one thing changed, as two ends that do not agree have it. */
function* variants({ parameters }: KnownContext, { kidContext }: RequestIds): Generator<readonly [change: string, parameters: ContextParameters]> {
  const { idContext, ...without } = parameters;
  if (idContext !== undefined) yield ['without id_context', without];
  if (kidContext !== undefined && (idContext === undefined || !equalBytes(idContext, kidContext)))
    yield [`with id_context ${shown(kidContext)}`, { ...parameters, idContext: kidContext }];
  if (parameters.masterSalt !== undefined) yield ['without master_salt', { ...parameters, masterSalt: emptyBytes }];
  for (const [hkdf, name] of hkdfNames) if (hkdf !== (parameters.hkdf ?? 5)) yield [`with hkdf ${name}`, { ...parameters, hkdf }];
  for (const [aead, name] of algorithmNames)
    if (aeadParameters(aead) !== undefined && aead !== (parameters.aead ?? 10)) yield [`with aead ${name}`, { ...parameters, aead }];
}

/** Requests that are remembered for their responses. */
const requestLimits: RememberedLimits = { entries: 16_384, bytes: 1 << 24 };
/** Contexts that are tried; the oldest goes first. */
const mostContexts = 4096;
/** Contexts of one identifier with which a message is tried, each once for a request that it may answer: who uploads a token often has that many. */
const mostCandidates = 256;
/** Requests that a response may answer whose token says nothing. */
const mostTried = 64;
/** Contexts that a refusal names. */
const mostNamed = 4;
/** Messages whose tag does not verify for which it is tried what would mend it. */
const mostDiagnosed = 64;

/** Opens captured messages, in the order in which they passed: what is remembered of requests opens their responses. */
export class OscoreOpener {
  readonly #contexts: KnownContext[];
  /** By conversation and token. */
  readonly #requests = new Remembered<RequestIds>(requestLimits);
  readonly #recent: RequestIds[] = [];
  #diagnosed = 0;

  constructor(contexts: readonly KnownContext[]) {
    this.#contexts = [...contexts];
  }

  /** One more context, which is tried before those that are there. */
  add(context: KnownContext): void {
    this.#contexts.unshift(context);
    if (this.#contexts.length > mostContexts) this.#contexts.pop();
  }

  /** Make a request known by the value of its OSCORE option; for a captured message, `open` does. */
  remember(option: OscoreOption, key?: string): void {
    const { kid, partialIv, kidContext } = option;
    if (kid === undefined || partialIv === undefined) return;
    const request = { kid: kid.slice(), partialIv: partialIv.slice(), ...(kidContext === undefined ? {} : { kidContext: kidContext.slice() }) };
    this.#recent.unshift(request);
    if (this.#recent.length > mostTried) this.#recent.pop();
    if (key === undefined) return;
    this.#requests.set(key, request, kid.length + partialIv.length + (kidContext?.length ?? 0));
  }

  /** `conversation` names the two endpoints: a token belongs to them alone. */
  open(message: Message, conversation = ''): Opened {
    const refuse = (reason: string): Opened => ({ verified: false, reason });
    const header = findOption(message.options, OptionNumber.Oscore);
    if (header === undefined) return refuse('the message has no OSCORE option: it is not protected');
    let option: OscoreOption;
    try {
      option = decodeOscoreOption(header.value);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return refuse(`the OSCORE option is malformed: ${error.message}`);
    }
    const key = `${conversation} ${toHex(message.token)}`;
    if (isRequest(message.code)) this.remember(option, key);
    if (message.payload.length === 0) return refuse('the message has no payload, which would be the ciphertext');
    if (isRequest(message.code)) return this.#openRequest(message, option);
    return isResponse(message.code) ? this.#openResponse(message, option, key) : refuse('the message is neither a request nor a response');
  }

  #openRequest(message: Message, option: OscoreOption): Opened {
    const { kid, partialIv } = option;
    if (kid === undefined || partialIv === undefined)
      return {
        verified: false,
        reason: `a request needs a kid and a Partial IV in its OSCORE option, and this one has no ${kid === undefined ? 'kid' : 'Partial IV'}`,
      };
    const candidates = this.#candidates([{ ...option, kid, partialIv }]);
    if (candidates.length === 0) return { verified: false, reason: `no context has the kid ${shown(kid)} of the request: ${this.#ids()}` };
    return this.#try(message, candidates, partialIv);
  }

  #openResponse(message: Message, { partialIv }: OscoreOption, key: string): Opened {
    if (this.#recent.length === 0)
      return {
        verified: false,
        reason: 'a response needs the kid and the Partial IV of its request: give the datagram of the request before it, or --request',
      };
    const asked = this.#requests.get(key);
    // A request that went through a proxy has another token there.
    const requests = asked === undefined ? this.#recent : [asked];
    const candidates = this.#candidates(requests);
    if (candidates.length === 0) return { verified: false, reason: `no context has the kid ${shown(requests[0]!.kid)} of the request: ${this.#ids()}` };
    return this.#try(message, candidates, partialIv);
  }

  /** Contexts by the kids of requests. Their kid context may be missing or be another one, which shows when the message does not verify. */
  #candidates(requests: readonly RequestIds[]): readonly Candidate[] {
    const candidates: Candidate[] = [];
    for (const request of requests) {
      for (const context of this.#contexts) {
        const { senderId, recipientId } = context.parameters;
        const origin = equalBytes(request.kid, recipientId) ? 'recipient' : equalBytes(request.kid, senderId) ? 'sender' : undefined;
        if (origin !== undefined && candidates.push({ context, origin, request }) === mostCandidates) return candidates;
      }
    }
    return candidates;
  }

  #ids(): string {
    if (this.#contexts.length === 0) return 'none is known';
    const named = this.#contexts.slice(0, mostNamed).map(({ name, parameters: { senderId, recipientId } }) => {
      return `${name} has sender_id ${shown(senderId)} and recipient_id ${shown(recipientId)}`;
    });
    const more = this.#contexts.length - named.length;
    return [...named, ...(more > 0 ? [`${more} more have others`] : [])].join('; ');
  }

  #try(message: Message, candidates: readonly Candidate[], partialIv: Uint8Array | undefined): Opened {
    let first: Opened | undefined;
    for (const candidate of candidates) {
      const { context, origin, request } = candidate;
      const inputs = inputsOf(message, candidate, partialIv);
      try {
        return { verified: true, inner: unprotect(message, context.parameters, origin, request), inputs };
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        const reason = error.code === 'ERR_OSCORE_DECRYPT' ? this.#notVerified(message, candidate) : error.message;
        // What verifies and is no CoAP message says more than that another context does not verify.
        if (first === undefined || error.code === 'ERR_OSCORE_PLAINTEXT') first = { verified: false, reason, inputs };
      }
    }
    return first!;
  }

  /** Why a tag is wrong nobody can tell from it; what one change would mend can be tried. */
  #notVerified(message: Message, candidate: Candidate): string {
    const { context, request } = candidate;
    const { name, parameters } = context;
    if (this.#diagnosed++ < mostDiagnosed)
      for (const [change, changed] of variants(context, request)) {
        if (opens(message, changed, candidate)) return `the tag does not verify with ${name} as it is; it does ${change}`;
      }
    const { kidContext } = request;
    const other = kidContext !== undefined && (parameters.idContext === undefined || !equalBytes(kidContext, parameters.idContext));
    const contexts = other
      ? `; its kid context is ${shown(kidContext)}, the id_context of the file ${parameters.idContext ? shown(parameters.idContext) : 'absent'}`
      : '';
    const asked = isRequest(message.code) ? '' : ', or it answers another request';
    return `the tag does not verify with ${name}: the Master Secret or Salt is another, or the message was changed${asked}${contexts}`;
  }
}

function inputsOf(message: Message, { context: { name, parameters }, origin, request }: Candidate, partialIv: Uint8Array | undefined): Inputs {
  const { own, mirror } = endsOf(parameters);
  const asker = origin === 'sender' ? own : mirror;
  const response = !isRequest(message.code);
  const from = response === (origin === 'sender') ? 'recipient' : 'sender';
  const end = response ? asker.recipient : asker.sender;
  return {
    name,
    from,
    id: end.id,
    nonce: partialIv === undefined ? asker.sender.nonce(request.partialIv) : end.nonce(partialIv),
    aad: asker.sender.aad(request.partialIv),
    sequence: partialIv === undefined ? undefined : decodePartialIv(partialIv),
  };
}

/** What OSCORE protects in a message, for people; `path` is that of the request that a response answers. */
export function oscoreLines(opened: Opened, path?: readonly string[], options?: RenderOptions): string[] {
  const [verdict, ...inputs] = protectionLines(opened);
  const inner = opened.verified ? [renderCode(opened.inner.code), ...renderBody(opened.inner, '  ', path, options)] : [];
  return [`OSCORE: ${verdict}`, ...inputs, ...inner];
}

/** What a message was opened with, or why it was not. */
export function protectionLines(opened: Opened): string[] {
  const verdict = opened.verified ? `opened with ${opened.inputs.name}` : `not opened: ${opened.reason}`;
  return [verdict, ...(opened.inputs === undefined ? [] : inputLines(opened.inputs))];
}

function inputLines({ from, id, nonce, aad, sequence }: Inputs): string[] {
  const number = sequence === undefined ? 'the nonce of the request' : `sequence number ${sequence}`;
  return [
    `  from the ${from} of the context, ${id.length === 0 ? 'an empty ID' : `ID ${toHex(id)}`}, ${number}`,
    `  nonce ${toHex(nonce)}`,
    `  AAD ${toHex(aad)}`,
  ];
}

/** The same for programs. */
export function oscoreFacts(opened: Opened): Readonly<Record<string, unknown>> {
  const { inputs } = opened;
  const facts =
    inputs === undefined
      ? {}
      : {
          context: inputs.name,
          from: inputs.from,
          id: toHex(inputs.id),
          ...(inputs.sequence === undefined ? {} : { sequence_number: inputs.sequence }),
          nonce: toHex(inputs.nonce),
          aad: toHex(inputs.aad),
        };
  if (!opened.verified) return { verified: false, reason: opened.reason, ...facts };
  const { code, options, payload } = opened.inner;
  return { verified: true, ...facts, code: formatCode(code), options: options.map(renderOption), payload_hex: toHex(payload) };
}
