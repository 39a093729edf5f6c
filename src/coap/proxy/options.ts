import { emptyBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import type { Response } from '../layer.ts';
import { Code } from '../message/code.ts';
import { findOption, type Option, OptionNumber, targetOptions, uintOption, withOption } from '../message/option.ts';
import type { Refusal } from './target.ts';

/** Options of a request that concern the hop to the proxy: they name the target, or are made anew for the next hop. */
const ofRequestHop: ReadonlySet<number> = new Set([
  ...targetOptions,
  OptionNumber.Observe,
  OptionNumber.Block1,
  OptionNumber.Block2,
  // The proxy takes every response, which tells it what changed, and keeps to itself what the client does not want.
  OptionNumber.NoResponse,
]);

/** The options of a request that go on as they came. */
export function endToEndOptions(options: readonly Option[]): Option[] {
  return options.filter(({ number }) => !ofRequestHop.has(number));
}

/** The options of a response for the client. A hop numbers its notifications and cuts its blocks by itself. */
export function responseForClient(response: Response): Response {
  const { code, options, payload } = response;
  const ofHop = (number: number): boolean => number === OptionNumber.Observe || number === OptionNumber.Block1 || number === OptionNumber.Block2;
  return { code, options: options.some(({ number }) => ofHop(number)) ? options.filter(({ number }) => !ofHop(number)) : options, payload };
}

/**
 * The Hop-Limit for the next hop.
 *
 * @param initial for a request that has none; absent: it goes on without
 * @see RFC 8768, Section 3
 */
export function nextHopLimit(options: readonly Option[], initial: Option | undefined): Option | undefined | Refusal {
  const option = findOption(options, OptionNumber.HopLimit);
  if (option === undefined) return initial;
  const value = option.value.length === 1 ? option.value[0]! : 0;
  if (value === 0) return { code: Code.BadRequest, reason: 'hop-limit', text: 'expected a Hop-Limit of 1 to 255' };
  if (value === 1) return { code: Code.HopLimitReached, reason: 'hop-limit', text: '' };
  return uintOption(OptionNumber.HopLimit, value - 1);
}

/** Bytes of a message that every path takes (RFC 7252, Section 4.6); the header, token and options of a 5.08 leave this much of it. */
const longestDiagnostic = 1024;

/**
 * A 5.08 on its way back: our name goes before those of the proxies behind us, if it fits.
 *
 * `loop`: our name is among them, so the response must go no further; what the client gets is a 5.08 of our own.
 *
 * @see RFC 8768, Section 4
 */
export function addHopName(response: Response, name: string): { readonly response: Response; readonly loop: boolean } {
  let names: string;
  try {
    names = fromUtf8(response.payload);
  } catch {
    return { response, loop: false };
  }
  if (names.split(' ').includes(name)) return { response: { code: Code.HopLimitReached, options: [], payload: utf8(name) }, loop: true };
  const payload = utf8(names === '' ? name : `${name} ${names}`);
  return { response: payload.length > longestDiagnostic ? response : { ...response, payload }, loop: false };
}

/** What a 2.03 says to a client that named the ETag: no payload, and the options that speak of freshness and identity. */
export function validResponse(response: Response): Response {
  const options = response.options.filter(({ number }) => number === OptionNumber.ETag || number === OptionNumber.MaxAge);
  return { code: Code.Valid, options, payload: emptyBytes };
}

/** A Max-Age in whole seconds, in the place of the one that is there. */
export function withMaxAge(options: readonly Option[], seconds: number): readonly Option[] {
  return withOption(options, uintOption(OptionNumber.MaxAge, seconds));
}
