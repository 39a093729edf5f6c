import { emptyBytes } from '../../core/bytes.ts';
import type { ProtocolError } from '../../core/errors.ts';
import type { Member } from '../../core/roster.ts';
import { CoapError } from '../errors.ts';
import type { Request } from '../layer.ts';
import { Method } from '../message/code.ts';
import { findOption, OptionNumber } from '../message/option.ts';
import type { OutgoingRequest } from './options.ts';

/** @throws {CoapError} `ERR_COAP_REQUEST` for a FETCH without Content-Format (RFC 8132, Section 2.3.1) */
export function complete(request: OutgoingRequest): Request {
  const full: Request = { code: Method.GET, options: [], payload: emptyBytes, ...request };
  const { code, options } = full;
  // Of a protected one it is encrypted (RFC 8613 §4.1).
  if (code === Method.FETCH && findOption(options, OptionNumber.ContentFormat) === undefined && findOption(options, OptionNumber.Oscore) === undefined)
    throw new CoapError('ERR_COAP_REQUEST', 'expected a Content-Format in a FETCH, got none');
  return full;
}

/** What somebody waits for, and how to end it before its time. */
export interface Unfinished extends Member {
  readonly fail: (error: ProtocolError) => void;
}

export function unfinished(fail: Unfinished['fail']): Unfinished {
  return { place: -1, fail };
}

export function aborted(signal: AbortSignal): CoapError {
  return new CoapError('ERR_COAP_ABORTED', 'the request was aborted', { cause: signal.reason });
}

export function closedError(): CoapError {
  return new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed');
}
