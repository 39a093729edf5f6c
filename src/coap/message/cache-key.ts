import type { Request, Response } from '../layer.ts';
import { isNoCacheKey, type Option, OptionNumber } from './option.ts';

/**
 * The endpoint a request belongs to. The security association is part of the endpoint (RFC 7252, Section 1.2), and where there is one it stands alone: the
 * address below it may change, or be shared.
 */
export function endpointKey(message: Pick<Request, 'association' | 'peer'>): string {
  return message.association === undefined ? `peer ${message.peer.key}` : `association ${message.association.id}`;
}

/** Whether a response came under the same protection as its request went out. */
export function sameAssociation(request: Request, response: Response): boolean {
  return request.association?.id === response.association?.id;
}

/**
 * Options that tell messages of one operation apart, or that may stand on its first message only: the Block options; Observe (RFC 7641, Section 2);
 * If-None-Match, which must not be on later blocks (RFC 7959, Section 2.10); and ETag, which asks about what the client has (RFC 7252, Section 5.10.6.2).
 */
function variesWithinOperation(number: number): boolean {
  return (
    number === OptionNumber.Block1 ||
    number === OptionNumber.Block2 ||
    number === OptionNumber.QBlock1 ||
    number === OptionNumber.QBlock2 ||
    number === OptionNumber.Observe ||
    number === OptionNumber.ETag ||
    number === OptionNumber.IfNoneMatch
  );
}

/** One character for each byte. */
function byteText(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function appendOptions(start: string, options: readonly Option[], leaveOut: (number: number) => boolean): string {
  let key = start;
  for (const { number, value } of options) {
    if (isNoCacheKey(number) || leaveOut(number)) continue;
    // Number and length stand before the bytes, so that no two lists of options give one text.
    key += ` ${number}:${value.length}:${byteText(value)}`;
  }
  return key;
}

/**
 * What the messages of one block-wise operation have in common and messages of different operations have not: endpoint, method, the cache-key options and
 * with them the whole Request-Tag list.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9175#section-3.3
 */
export function operationKey(request: Request): string {
  return appendOptions(`${endpointKey(request)} ${request.code}`, request.options, variesWithinOperation);
}

function variesWithinObservation(number: number): boolean {
  return (
    number === OptionNumber.Observe ||
    number === OptionNumber.ETag ||
    number === OptionNumber.HopLimit ||
    number === OptionNumber.Block2 ||
    number === OptionNumber.QBlock2 ||
    number === OptionNumber.RequestTag
  );
}

/**
 * The target of an observation: requests with equal keys observe the same thing (RFC 7641, Section 3.1; ETags may differ, Section 3.6; a
 * Request-Tag says nothing where there is no block, RFC 9175, Section 3.4). The body of a FETCH is part of it (RFC 8132, Section 2).
 */
export function observationKey(request: Request): string {
  const key = appendOptions(`${endpointKey(request)} ${request.code}`, request.options, variesWithinObservation);
  return request.payload.length === 0 ? key : `${key} ${request.payload.length}:${byteText(request.payload)}`;
}

/**
 * Options that a cache interprets, so that they need not be equal: ETag (RFC 7252, Section 5.6.2), Observe, Hop-Limit (RFC 8768, Section 3) and, of a whole
 * request, Request-Tag (RFC 9175, Section 3.3).
 */
function isInterpretedByCache(number: number): boolean {
  return number === OptionNumber.ETag || number === OptionNumber.Observe || number === OptionNumber.HopLimit || number === OptionNumber.RequestTag;
}

/**
 * The Cache-Key: a stored response may answer requests with an equal one. The body of a FETCH is part of it (RFC 8132, Section 2.1), and so is the association
 * over which the response came.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.6
 */
export function cacheKey(request: Request): string {
  const key = appendOptions(`${endpointKey(request)} ${request.code}`, request.options, isInterpretedByCache);
  return request.payload.length === 0 ? key : `${key} ${request.payload.length}:${byteText(request.payload)}`;
}

function isNotOfUri(number: number): boolean {
  return number !== OptionNumber.UriHost && number !== OptionNumber.UriPort && number !== OptionNumber.UriPath && number !== OptionNumber.UriQuery;
}

/** What requests for one URI have in common, whatever their method. */
export function uriKey(request: Pick<Request, 'association' | 'peer' | 'options'>): string {
  return appendOptions(endpointKey(request), request.options, isNotOfUri);
}

/** A copy that holds on to no datagram. */
export function copyOptions(options: readonly Option[]): Option[] {
  return options.map(({ number, value }) => ({ number, value: value.slice() }));
}
