import type { Scope } from '../ace/index.ts';
import { AceError } from '../ace/index.ts';
import {
  type CoapUri,
  Code,
  emptyOption,
  isIdempotent,
  isSafe,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  type Peer,
  type Request,
  sortOptions,
  uintOption,
  uriOptions,
} from '../coap/index.ts';
import { emptyBytes, utf8 } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import type { AuthorizationGrant } from './grants.ts';

/** A method by its name: `GET`, `PUT`. */
export type MethodName = keyof typeof Method;

/** How to get the answer to a request. */
export interface AceRequestInit {
  /** GET when absent. */
  readonly method?: MethodName;
  readonly payload?: string | Uint8Array;
  readonly contentFormat?: number;
  readonly accept?: number;
  /** Representations that are at hand already; 2.03 says which of them holds. */
  readonly etag?: Uint8Array | readonly Uint8Array[];
  /** Only if the representation is one of these; one of no bytes: if there is any. */
  readonly ifMatch?: Uint8Array | readonly Uint8Array[];
  /** Only if there is no representation. */
  readonly ifNoneMatch?: boolean;
  /** `false`: send as a Non-confirmable message. */
  readonly confirmable?: boolean;
  /** Whether carried out twice it does no more than once, so that it may be repeated. Absent: as the method says. */
  readonly idempotent?: boolean;
  /** `false`: nobody knows that whoever wants it still does, so a challenge of the RS is the answer, and the request is not repeated for it (RFC 9175, Section 2.3). */
  readonly fresh?: boolean;
  /** What to ask the AS for, in place of what the RS suggests. */
  readonly scope?: Scope;
  readonly audience?: string;
  /** What to show to the AS for the first token. Absent: the client's own credentials. */
  readonly grant?: AuthorizationGrant;
  /** The AS to ask, in place of the one that the RS names. */
  readonly as?: string;
  /** `false`: when the token does not cover the request, do not ask the AS for more. */
  readonly upgrade?: boolean;
  /** Take an answer that nothing protects, and send the payload to a resource that is not protected. */
  readonly allowUnprotected?: boolean;
  readonly signal?: AbortSignal;
  /** Milliseconds for all that the request takes. */
  readonly timeout?: number;
}

/** A request that somebody wants to be answered. */
export interface Errand {
  readonly text: string;
  /** `coap://host:port` */
  readonly origin: string;
  readonly peer: Peer;
  readonly method: number;
  readonly init: AceRequestInit;
  readonly uriOptions: readonly Option[];
}

export function errandOf(uri: CoapUri, text: string, peer: Peer, init: AceRequestInit): Errand {
  const method = Method[init.method ?? 'GET'];
  if (method === undefined)
    throw new AceError('ERR_ACE_METHOD', `method: expected one of ${Object.keys(Method).join(', ')}, got ${String(init.method)}`, {
      responseCode: Code.BadRequest,
    });
  const host = uri.host.includes(':') ? `[${uri.host}]` : uri.host;
  return { text: `${init.method ?? 'GET'} ${text}`, origin: `${uri.scheme}://${host}:${uri.port}`, peer, method, init, uriOptions: uriOptions(uri, peer) };
}

/** The request itself. */
export function requestOf({ peer, method, init, uriOptions: options }: Errand): Request {
  const { payload = emptyBytes, contentFormat, accept, ifNoneMatch, confirmable, idempotent, fresh } = init;
  const more = [
    ...all(init.ifMatch).map((etag) => opaqueOption(OptionNumber.IfMatch, etag)),
    ...all(init.etag).map((etag) => opaqueOption(OptionNumber.ETag, etag)),
    ...(ifNoneMatch === true ? [emptyOption(OptionNumber.IfNoneMatch)] : []),
    ...(contentFormat === undefined ? [] : [uintOption(OptionNumber.ContentFormat, contentFormat)]),
    ...(accept === undefined ? [] : [uintOption(OptionNumber.Accept, accept)]),
  ];
  return {
    code: method,
    options: more.length === 0 ? options : sortOptions([...options, ...more]),
    payload: typeof payload === 'string' ? utf8(payload) : payload,
    peer,
    ...(confirmable === false ? { nonConfirmable: true } : {}),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(fresh === undefined ? {} : { fresh }),
  };
}

function all(etags: Uint8Array | readonly Uint8Array[] | undefined): readonly Uint8Array[] {
  if (etags === undefined) return [];
  return etags instanceof Uint8Array ? [etags] : etags;
}

/** Whether it makes no difference if the request is carried out twice. */
export function mayRepeat({ method, init }: Errand): boolean {
  return init.idempotent ?? isIdempotent(method);
}

/**
 * The request by which the RS tells where to go: without protection, so without the payload. What may change something asks for a representation that does not
 * exist, and so changes nothing where it is let through (RFC 7252, Section 5.10.8.1).
 */
export function probeOf(errand: Errand, env: Env): Request {
  const { peer, method, init, uriOptions: options } = errand;
  if (isSafe(method)) return { code: method, options: requestOf({ ...errand, init: formatsOnly(init) }).options, payload: emptyBytes, peer };
  return { code: method, options: [opaqueOption(OptionNumber.IfMatch, env.random(8)), ...options], payload: emptyBytes, peer };
}

/** The same without a word of the errand: any RS tells where to go whatever it is asked. */
export function rootProbeOf({ peer, uriOptions: options }: Errand): Request {
  const place = options.filter(({ number }) => number === OptionNumber.UriHost || number === OptionNumber.UriPort);
  return { code: Method.GET, options: place, payload: emptyBytes, peer };
}

/** RFC 8132, Section 2.3.1: a FETCH has a Content-Format. */
function formatsOnly({ method, accept, contentFormat }: AceRequestInit): AceRequestInit {
  return { ...(accept === undefined ? {} : { accept }), ...(method !== 'FETCH' || contentFormat === undefined ? {} : { contentFormat }) };
}
