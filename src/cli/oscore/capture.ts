import { type Body, findOption, isRequest, isResponse, type Message, OptionNumber, type Peer } from '../../coap/index.ts';
import { emptyBytes, equalBytes, toHex } from '../../core/bytes.ts';
import { ProtocolError } from '../../core/errors.ts';
import { aeadAlgorithms, hkdfAlgorithms, loadOscoreContext, type OscoreContextConfig } from '../../operate/index.ts';
import {
  type ContextParameters,
  decodeOscoreOption,
  decodePartialIv,
  deriveContext,
  type OscoreOption,
  unprotectRequest,
  unprotectResponse,
} from '../../oscore/index.ts';

/** Which end of a context file sent the request of an exchange. */
type Origin = 'sender' | 'recipient';

/** What a response needs of its request. */
interface RequestIds extends OscoreOption {
  readonly kid: Uint8Array;
  readonly partialIv: Uint8Array;
  /** Absent: the request is known by its OSCORE option alone. */
  readonly token?: Uint8Array;
}

/** A context that may have protected a message, and the request that its nonce and AAD come from. */
interface Candidate {
  readonly context: OscoreContextConfig;
  readonly origin: Origin;
  readonly request: RequestIds;
}

/** What a message was opened with, or was tried with; nothing of it is secret. */
export interface Inputs {
  readonly file: string;
  /** The end of the file that sent the message, and its identifier. */
  readonly from: Origin;
  readonly id: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  /** The number in the Partial IV of the message; absent: a response that uses the nonce of its request. */
  readonly sequence: number | undefined;
}

export type Opened =
  | { readonly verified: true; readonly inner: Body; readonly inputs: Inputs }
  | { readonly verified: false; readonly reason: string; readonly inputs?: Inputs };

const nobody: Peer = { key: '', address: '', port: 0 };
const shown = (id: Uint8Array): string => (id.length === 0 ? "'' (empty)" : toHex(id));

function mirrored(parameters: ContextParameters): ContextParameters {
  return { ...parameters, senderId: parameters.recipientId, recipientId: parameters.senderId };
}

/** @throws {OscoreError} as `unprotectRequest` and `unprotectResponse` */
function unprotect(message: Message, parameters: ContextParameters, origin: Origin, request: RequestIds): Body {
  const [client, server] = origin === 'sender' ? [parameters, mirrored(parameters)] : [mirrored(parameters), parameters];
  if (isRequest(message.code)) return unprotectRequest({ ...message, peer: nobody }, request, deriveContext(server)).request;
  const context = deriveContext(client);
  return unprotectResponse(message, context, { aad: context.sender.aad(request.partialIv), nonce: context.sender.nonce(request.partialIv) }).response;
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

/** The same context with one thing changed, as two ends that do not agree have it. */
function* variants({ parameters }: OscoreContextConfig, { kidContext }: RequestIds): Generator<readonly [change: string, parameters: ContextParameters]> {
  const { idContext, ...without } = parameters;
  if (idContext !== undefined) yield ['without id_context', without];
  if (kidContext !== undefined && (idContext === undefined || !equalBytes(idContext, kidContext)))
    yield [`with id_context ${shown(kidContext)}`, { ...parameters, idContext: kidContext }];
  if (parameters.masterSalt !== undefined) yield ['without master_salt', { ...parameters, masterSalt: emptyBytes }];
  for (const [name, hkdf] of Object.entries(hkdfAlgorithms)) if (hkdf !== (parameters.hkdf ?? 5)) yield [`with hkdf ${name}`, { ...parameters, hkdf }];
  for (const [name, aead] of Object.entries(aeadAlgorithms)) if (aead !== (parameters.aead ?? 10)) yield [`with aead ${name}`, { ...parameters, aead }];
}

/** Captured messages, in the order in which they passed: what is remembered of requests opens their responses. */
export class Capture {
  readonly #contexts: readonly OscoreContextConfig[];
  readonly #requests: RequestIds[] = [];

  /** @throws {ConfigError} when a file does not hold a context */
  constructor(files: readonly string[]) {
    this.#contexts = files.map(loadOscoreContext);
  }

  /** Make a request known by the value of its OSCORE option; for a captured message, `open` does. */
  remember(option: OscoreOption, token?: Uint8Array): void {
    const { kid, partialIv } = option;
    if (kid !== undefined && partialIv !== undefined) this.#requests.push({ ...option, kid, partialIv, ...(token === undefined ? {} : { token }) });
  }

  open(message: Message): Opened {
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
    if (isRequest(message.code)) this.remember(option, message.token);
    if (message.payload.length === 0) return refuse('the message has no payload, which would be the ciphertext');
    if (isRequest(message.code)) return this.#openRequest(message, option);
    return isResponse(message.code) ? this.#openResponse(message, option) : refuse('the message is neither a request nor a response');
  }

  #openRequest(message: Message, option: OscoreOption): Opened {
    const { kid, partialIv } = option;
    if (kid === undefined || partialIv === undefined)
      return {
        verified: false,
        reason: `a request needs a kid and a Partial IV in its OSCORE option, and this one has no ${kid === undefined ? 'kid' : 'Partial IV'}`,
      };
    const candidates = this.#candidates({ ...option, kid, partialIv });
    if (candidates.length === 0) return { verified: false, reason: `no context has the kid ${shown(kid)} of the request: ${this.#ids()}` };
    return this.#try(message, candidates, partialIv);
  }

  #openResponse(message: Message, { partialIv }: OscoreOption): Opened {
    if (this.#requests.length === 0)
      return {
        verified: false,
        reason: 'a response needs the kid and the Partial IV of its request: give the datagram of the request before it, or --request',
      };
    const asked = this.#requests.filter(({ token }) => token !== undefined && equalBytes(token, message.token));
    // A request that went through a proxy has another token there.
    const requests = (asked.length > 0 ? asked : this.#requests).toReversed();
    const candidates = requests.flatMap((request) => this.#candidates(request));
    if (candidates.length === 0) return { verified: false, reason: `no context has the kid ${shown(requests[0]!.kid)} of the request: ${this.#ids()}` };
    return this.#try(message, candidates, partialIv);
  }

  /** Contexts by the kid of a request. Its kid context may be missing or be another one, which shows when the message does not verify. */
  #candidates(request: RequestIds): readonly Candidate[] {
    return this.#contexts.flatMap((context): Candidate[] => {
      const { senderId, recipientId } = context.parameters;
      if (equalBytes(request.kid, recipientId)) return [{ context, origin: 'recipient', request }];
      return equalBytes(request.kid, senderId) ? [{ context, origin: 'sender', request }] : [];
    });
  }

  #ids(): string {
    return this.#contexts
      .map(({ file, parameters: { senderId, recipientId } }) => `${file} has sender_id ${shown(senderId)} and recipient_id ${shown(recipientId)}`)
      .join('; ');
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
        const reason = error.code === 'ERR_OSCORE_DECRYPT' ? notVerified(message, candidate) : error.message;
        // What verifies and is no CoAP message says more than that another context does not verify.
        if (first === undefined || error.code === 'ERR_OSCORE_PLAINTEXT') first = { verified: false, reason, inputs };
      }
    }
    return first!;
  }
}

function inputsOf(message: Message, { context: { file, parameters }, origin, request }: Candidate, partialIv: Uint8Array | undefined): Inputs {
  const asker = deriveContext(origin === 'sender' ? parameters : mirrored(parameters));
  const response = !isRequest(message.code);
  const from = response === (origin === 'sender') ? 'recipient' : 'sender';
  const end = response ? asker.recipient : asker.sender;
  return {
    file,
    from,
    id: end.id,
    nonce: partialIv === undefined ? asker.sender.nonce(request.partialIv) : end.nonce(partialIv),
    aad: asker.sender.aad(request.partialIv),
    sequence: partialIv === undefined ? undefined : decodePartialIv(partialIv),
  };
}

/** Why a tag is wrong nobody can tell from it; what one change would mend can be tried. */
function notVerified(message: Message, candidate: Candidate): string {
  const { context, request } = candidate;
  const { file, parameters } = context;
  for (const [change, changed] of variants(context, request)) {
    if (opens(message, changed, candidate)) return `the tag does not verify with ${file} as it is; it does ${change}`;
  }
  const { kidContext } = request;
  const other = kidContext !== undefined && (parameters.idContext === undefined || !equalBytes(kidContext, parameters.idContext));
  const contexts = other
    ? `; its kid context is ${shown(kidContext)}, the id_context of the file ${parameters.idContext ? shown(parameters.idContext) : 'absent'}`
    : '';
  const asked = isRequest(message.code) ? '' : ', or it answers another request';
  return `the tag does not verify with ${file}: the Master Secret or Salt is another, or the message was changed${asked}${contexts}`;
}
