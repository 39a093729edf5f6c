import {
  type Body,
  Code,
  decodeBody,
  encodePassingBody,
  findOption,
  isRequest,
  isResponse,
  Method,
  noResponseOf,
  type Option,
  OptionNumber,
  type Request,
  type Response,
  sortOptions,
} from '../coap/index.ts';
import { emptyBytes, equalBytes } from '../core/bytes.ts';
import type { SecurityContext } from './context.ts';
import { decodePartialIv, encodePartialIv } from './cose-object.ts';
import { OscoreError } from './errors.ts';
import { decodeOscoreOption, encodeOscoreOption, type OscoreOption } from './option.ts';
import { isOuterOnly } from './option-class.ts';
import { splitProxyUri } from './proxy-uri.ts';

/** What binds responses to their request (RFC 8613, Section 7.1): both endpoints keep it until the last response. */
export interface RequestBinding {
  /** The AAD of the request and of all its responses. */
  readonly aad: Uint8Array;
  /** The nonce of the request; one response may use it again, with the key of the responder. */
  readonly nonce: Uint8Array;
}

/** A request as it leaves, and what its response is verified with. */
export interface ProtectedRequest {
  /** The OSCORE message. */
  readonly message: Request;
  readonly binding: RequestBinding;
}

/** A request that verified, and what the caller has to do with it. */
export interface UnprotectedRequest {
  /** The original request; its association is the context. */
  readonly request: Request;
  /** The number in the Partial IV, for the replay window. */
  readonly sequence: number;
  readonly binding: RequestBinding;
}

/** A response that verified. */
export interface UnprotectedResponse {
  /** The original response; its association is the context. */
  readonly response: Response;
  /** The number in the Partial IV. Absent: the response used the nonce of the request. */
  readonly sequence?: number;
}

/**
 * Protect a request with the sender sequence number `sequence`, which the caller never used with this Sender Key before.
 *
 * The Outer Code is POST, or FETCH with Observe. Uri-Host, Uri-Port, Proxy-Scheme and what is left of Proxy-Uri stay Outer.
 *
 * @throws {OscoreError} `ERR_OSCORE_NESTED`, `ERR_OSCORE_PROXY_URI`, `ERR_OSCORE_SEQUENCE`
 * @throws {CoapError} `ERR_COAP_OPTION` when the options cannot be encoded
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-8.1
 */
export function protectRequest(request: Request, context: SecurityContext, sequence: number): ProtectedRequest {
  const { sender, idContext } = context;
  const partialIv = encodePartialIv(sequence);
  let inner: Option[] = [];
  const outer: Option[] = [];
  let observe = false;
  for (const option of request.options) {
    const { number } = option;
    if (number === OptionNumber.Oscore) throw nested();
    if (number === OptionNumber.ProxyUri) {
      if (request.options.some((other) => ofUri.includes(other.number))) throw twoTargets();
      const split = splitProxyUri(option);
      inner = sortOptions([...inner, ...split.inner]);
      outer.push(split.outer);
    } else if (isOuterOnly(number)) outer.push(option);
    else {
      // RFC 8613 §4.1.3.5.1: both instances of Observe have the value of the original.
      if (number === OptionNumber.Observe) {
        observe = true;
        outer.push(option);
      }
      inner.push(option);
    }
  }
  const value = encodeOscoreOption(idContext === undefined ? { partialIv, kid: sender.id } : { partialIv, kid: sender.id, kidContext: idContext });
  const options = inserted(outer, { number: OptionNumber.Oscore, value });
  const binding = { aad: sender.aad(partialIv), nonce: sender.nonce(partialIv) };
  const message: Request = {
    code: observe ? Method.FETCH : Method.POST,
    options,
    payload: sender.aead.seal(binding.nonce, binding.aad, encodePassingBody({ code: request.code, options: inner, payload: request.payload })),
    peer: request.peer,
    nonConfirmable: request.nonConfirmable ?? false,
  };
  const { association } = request.peer;
  const noResponse = noResponseOf(inner);
  if (request.observation === undefined && request.fresh === undefined && association === undefined && noResponse === 0) return { message, binding };
  return {
    message: {
      ...message,
      ...(request.observation === undefined ? {} : { observation: request.observation }),
      ...(request.fresh === undefined ? {} : { fresh: request.fresh }),
      ...(association === undefined ? {} : { association }),
      noResponse,
    },
    binding,
  };
}

/**
 * Verify and decrypt a protected request, whose `option` the caller decoded to find the context.
 *
 * The caller looks at the replay window before, commits the number to it in the same turn, and only after this returns: a forged number cannot shut out the
 * real sender.
 *
 * @throws {OscoreError} `ERR_OSCORE_DECODE` when there is no payload, kid or Partial IV; `ERR_OSCORE_DECRYPT`; `ERR_OSCORE_PLAINTEXT`
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-8.2
 */
export function unprotectRequest(message: Request, option: OscoreOption, context: SecurityContext): UnprotectedRequest {
  const { recipient } = context;
  const { partialIv } = option;
  if (partialIv === undefined || option.kid === undefined || message.payload.length === 0)
    throw new OscoreError('ERR_OSCORE_DECODE', 'expected a Partial IV, a kid and a payload, got a request without');
  const binding = { aad: recipient.aad(partialIv), nonce: recipient.nonce(partialIv) };
  const body = open(context, binding.nonce, binding.aad, message.payload, isRequest);
  // RFC 8613 §8.2, step 1: of the Outer options only those of Class U remain.
  let kept: Option[] | undefined;
  let outerObserve: Option | undefined;
  for (const outer of message.options) {
    if (outer.number === OptionNumber.Observe) outerObserve = outer;
    else if (outer.number !== OptionNumber.Oscore && isOuterOnly(outer.number)) (kept ??= []).push(outer);
  }
  let options = body.options;
  // Where an intermediary took Observe away, nobody on the way expects more than one response: a registration is then served as a plain request, as
  // RFC 7641 §2 allows a server to do.
  const observe = findOption(options, OptionNumber.Observe);
  if (observe !== undefined && isRegistration(observe) && (outerObserve === undefined || !isRegistration(outerObserve)))
    options = options.filter((inner) => inner !== observe);
  if (kept !== undefined) options = sortOptions([...kept, ...options]);
  const request: Request = {
    code: body.code,
    options,
    payload: body.payload,
    peer: message.peer,
    association: context,
    nonConfirmable: message.nonConfirmable ?? false,
  };
  return { request, sequence: decodePartialIv(partialIv), binding };
}

/**
 * Protect a response: with the nonce of the request, which one response of a request may do, or with a new sender sequence number.
 *
 * The Outer Code is 2.04, or 2.05 with Observe. The Inner Observe is empty; the Outer one keeps its value (RFC 8613, Section 4.1.3.5.2).
 *
 * @throws {OscoreError} `ERR_OSCORE_NESTED`, `ERR_OSCORE_SEQUENCE`
 * @throws {CoapError} `ERR_COAP_OPTION` when the options cannot be encoded
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-8.3
 */
export function protectResponse(response: Response, context: SecurityContext, binding: RequestBinding, sequence?: number): Response {
  const { sender } = context;
  const outer: Option[] = [];
  let inner: readonly Option[] = response.options;
  let observe = false;
  for (const option of response.options) {
    if (option.number === OptionNumber.Oscore) throw nested();
    if (option.number === OptionNumber.Observe) {
      observe = true;
      outer.push(option);
    } else if (isOuterOnly(option.number)) outer.push(option);
  }
  if (outer.length > 0) {
    inner = inner.filter((option) => !isOuterOnly(option.number));
    if (observe) inner = inner.map((option) => (option.number === OptionNumber.Observe ? { number: OptionNumber.Observe, value: emptyBytes } : option));
  }
  let nonce = binding.nonce;
  let value = emptyBytes;
  if (sequence !== undefined) {
    const partialIv = encodePartialIv(sequence);
    nonce = sender.nonce(partialIv);
    value = encodeOscoreOption({ partialIv });
  }
  const options = inserted(outer, { number: OptionNumber.Oscore, value });
  return {
    code: observe ? Code.Content : Code.Changed,
    options,
    payload: sender.aead.seal(nonce, binding.aad, encodePassingBody({ code: response.code, options: inner, payload: response.payload })),
  };
}

/**
 * Verify and decrypt a response to the request that `binding` comes from. Whether it is old, or not expected, is for the caller to say (Section 8.4.2).
 *
 * @throws {OscoreError} `ERR_OSCORE_DECODE`, `ERR_OSCORE_DECRYPT`, `ERR_OSCORE_PLAINTEXT`
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-8.4
 */
export function unprotectResponse(message: Response, context: SecurityContext, binding: RequestBinding): UnprotectedResponse {
  const { recipient, idContext } = context;
  const header = findOption(message.options, OptionNumber.Oscore);
  if (header === undefined || message.payload.length === 0)
    throw new OscoreError('ERR_OSCORE_DECODE', 'expected an OSCORE option and a payload, got a response without');
  const { partialIv, kid, kidContext } = decodeOscoreOption(header.value);
  // A response needs neither; they are not authenticated, so a wrong one is taken for what it is: a changed message.
  if ((kid !== undefined && !same(kid, recipient.id)) || (kidContext !== undefined && !same(kidContext, idContext))) throw notVerified();
  const nonce = partialIv === undefined ? binding.nonce : recipient.nonce(partialIv);
  const body = open(context, nonce, binding.aad, message.payload, isResponse);
  const { code, options, payload } = body;
  const response: Response =
    message.peer === undefined ? { code, options, payload, association: context } : { code, options, payload, peer: message.peer, association: context };
  return partialIv === undefined ? { response } : { response, sequence: decodePartialIv(partialIv) };
}

function open(context: SecurityContext, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, expected: (code: number) => boolean): Body {
  let plaintext: Uint8Array;
  try {
    plaintext = context.recipient.aead.open(nonce, aad, ciphertext);
  } catch {
    throw notVerified();
  }
  let body: Body;
  try {
    body = decodeBody(plaintext);
  } catch (cause) {
    throw new OscoreError('ERR_OSCORE_PLAINTEXT', 'expected a CoAP message in the plaintext, got bytes that are none', { cause });
  }
  if (!expected(body.code)) throw new OscoreError('ERR_OSCORE_PLAINTEXT', `expected a code of the direction in the plaintext, got ${body.code}`);
  return body;
}

/** Observe = 0, also with leading zeros (RFC 7252, Section 3.2). */
export function isRegistration(observe: Option): boolean {
  return observe.value.every((byte) => byte === 0);
}

function notVerified(): OscoreError {
  return new OscoreError('ERR_OSCORE_DECRYPT', 'expected a message that verifies, got one that does not');
}

/** RFC 8613 §4.1.3.7: OSCORE in OSCORE is not supported. */
function nested(): OscoreError {
  return new OscoreError('ERR_OSCORE_NESTED', 'expected a message without the OSCORE option, got one that has it');
}

/** RFC 7252 §5.10.2: none of these may stand beside a Proxy-Uri. */
const ofUri: readonly number[] = [OptionNumber.UriHost, OptionNumber.UriPort, OptionNumber.UriPath, OptionNumber.UriQuery];

function twoTargets(): OscoreError {
  return new OscoreError('ERR_OSCORE_PROXY_URI', 'expected a Proxy-Uri alone, got one with Uri-Host, Uri-Port, Uri-Path or Uri-Query beside it');
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && equalBytes(a, b);
}

/** The options, which are the caller's to change, with another one at its place in the order. */
function inserted(options: Option[], option: Option): Option[] {
  if (options.length === 0) return [option];
  let at = options.length;
  while (at > 0 && options[at - 1]!.number > option.number) at--;
  options.splice(at, 0, option);
  return options;
}
