import {
  type Answer,
  type AnswerFields,
  Code,
  ContentFormat,
  codeName,
  conditionHolds,
  OptionNumber,
  problem,
  RateLimit,
  type Request,
  type ResourceFunction,
  type ResourceRequest,
  uintOption,
} from '../../src/coap/index.ts';
import { BytesError } from '../../src/core/bytes.ts';
import { CborError, type CborMap, type CborValue, decode, encode } from '../../src/core/cbor.ts';
import { digest } from '../../src/core/crypto/index.ts';
import type { Env } from '../../src/core/env.ts';
import { StoreError } from '../../src/store/index.ts';
import type { Caller } from './caller.ts';
import type { Document } from './document-table.ts';
import { SealError } from './error.ts';
import type { SealHost } from './service.ts';

/** Requests of one token: so many at once, so many per second from then on. */
export interface CallerRate {
  readonly burst: number;
  readonly rate: number;
}

/** Tokens whose rate is remembered. */
const callers = 4096;
/** Levels of a document. In lists and in the store it stands some deeper, and readers take 16 as a rule. */
const deepest = 12;
/** Seconds after which a store may work again. */
const later = 5;

/**
 * The manner of SEAL-UU APIs over CoAP (TS 24.546, C.1): CBOR, ETag and Max-Age, and errors as problem details (RFC 9290).
 *
 * 4.01, and 4.03 and 4.05 for what the scope of a token does not cover, are answered before: with the hints of RFC 9200, Section 5.3.
 */
export class Representations {
  readonly #host: SealHost;
  readonly #rate: RateLimit;
  /** A notification runs the request of its observer again; it was counted when it came. */
  readonly #counted = new WeakSet<Request>();

  constructor(host: SealHost, { burst, rate }: CallerRate, env: Env) {
    this.#host = host;
    this.#rate = new RateLimit(env, { burst, rate, entries: callers });
  }

  /** Callers whose rate is remembered. */
  get callers(): number {
    return this.#rate.size;
  }

  /** A resource function that answers what `run` throws on purpose. */
  answering(run: (request: ResourceRequest, caller: Caller) => Answer | Promise<Answer>): ResourceFunction {
    return async (request) => {
      try {
        const caller = this.#admit(request);
        return await run(request, caller);
      } catch (error) {
        return refusal(error);
      }
    };
  }

  #admit(asked: ResourceRequest): Caller {
    const { request, association } = asked;
    const caller = this.#host.callerOf(asked);
    if (caller === undefined) throw new SealError('ERR_SEAL_CALLER', 'expected a token that is valid, got none', { responseCode: Code.Unauthorized });
    if (this.#counted.has(request)) return caller;
    this.#counted.add(request);
    const wait = this.#rate.take(association?.credential ?? '');
    if (wait > 0) throw new SealError('ERR_SEAL_RATE', 'expected fewer requests', { responseCode: Code.TooManyRequests, maxAge: wait });
    return caller;
  }
}

/** The answer to a request that failed; it throws what is no refusal. */
function refusal(error: unknown): AnswerFields {
  if (error instanceof SealError) {
    const { code, message, responseCode, maxAge, size1 } = error;
    return {
      ...problem(responseCode, { title: code, detail: message }),
      ...(maxAge === undefined ? {} : { maxAge }),
      ...(size1 === undefined ? {} : { options: [uintOption(OptionNumber.Size1, size1)] }),
    };
  }
  if (error instanceof BytesError) return problem(Code.BadRequest, { title: 'ERR_SEAL_QUERY', detail: 'expected text of UTF-8, got other bytes' });
  if (error instanceof StoreError)
    return { ...problem(Code.ServiceUnavailable, { title: 'ERR_SEAL_STORE', detail: 'the store does not answer' }), maxAge: later };
  throw error;
}

/** RFC 7252, Section 5.10.4: the one format that there is. */
export function checkAccept({ accept }: ResourceRequest): void {
  if (accept === undefined || accept === ContentFormat.Cbor) return;
  throw new SealError('ERR_SEAL_FORMAT', `expected to be asked for Content-Format ${ContentFormat.Cbor}, got ${accept}`, { responseCode: Code.NotAcceptable });
}

/**
 * The map that a request carries.
 *
 * @throws {SealError} `ERR_SEAL_FORMAT` with 4.15, 4.00 or 4.22, `ERR_SEAL_SIZE` with 4.13
 */
export function bodyOf(request: ResourceRequest, largest: number): CborMap {
  const { contentFormat, payload } = request;
  if (contentFormat !== undefined && contentFormat !== ContentFormat.Cbor)
    throw new SealError('ERR_SEAL_FORMAT', `expected Content-Format ${ContentFormat.Cbor}, got ${contentFormat}`, {
      responseCode: Code.UnsupportedContentFormat,
    });
  if (payload.length > largest) {
    const options = { responseCode: Code.RequestEntityTooLarge, size1: largest };
    throw new SealError('ERR_SEAL_SIZE', `expected at most ${largest} bytes, got ${payload.length}`, options);
  }
  let body: CborValue;
  try {
    body = decode(payload, { depth: deepest });
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
    const responseCode = error.code === 'ERR_CBOR_DEPTH' ? Code.UnprocessableEntity : Code.BadRequest;
    throw new SealError('ERR_SEAL_FORMAT', error.message, { responseCode, cause: error });
  }
  if (!(body instanceof Map)) throw new SealError('ERR_SEAL_FORMAT', 'expected a CBOR map, got another item', { responseCode: Code.UnprocessableEntity });
  return body;
}

/** If-Match and If-None-Match at the moment of the change: what the router saw may have changed since (RFC 7252, Section 5.10.8). */
export function checkConditions({ options }: ResourceRequest, { etag }: Document<unknown>): void {
  if (conditionHolds(options, true, etag)) return;
  throw new SealError('ERR_SEAL_CHANGED', 'expected the document with another ETag', { responseCode: Code.PreconditionFailed });
}

export function representation(body: CborValue, maxAge: number, etag?: Uint8Array): AnswerFields {
  const payload = encode(body);
  return { payload, contentFormat: ContentFormat.Cbor, maxAge, etag: etag ?? digest('sha256', payload).slice(0, 8) };
}

export function absent(): SealError {
  return new SealError('ERR_SEAL_ABSENT', 'expected a path where there is something, got another', { responseCode: Code.NotFound });
}

export function notAllowed({ method, path }: ResourceRequest): SealError {
  return new SealError('ERR_SEAL_METHOD', `expected a method that ${path} has, got ${codeName(method)}`, { responseCode: Code.MethodNotAllowed });
}
