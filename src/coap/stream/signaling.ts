import { emptyBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import type { Capabilities } from '../capabilities.ts';
import { CoapError } from '../errors.ts';
import { type Body, longestPlainToken, longestToken } from '../message/message.ts';
import { isCritical, type Option, readUint, stringOption, uintOption } from '../message/option.ts';

/** CoAP Signaling Codes, IANA registry as of 2026-11 (RFC 8323). */
export const SignalingCode = { CSM: 0xe1, Ping: 0xe2, Pong: 0xe3, Release: 0xe4, Abort: 0xe5 } as const;
export type SignalingCode = (typeof SignalingCode)[keyof typeof SignalingCode];

/** CoAP Signaling Option Numbers, IANA registry as of 2026-11. Each code has a number space of its own. */
export const SignalingOption = {
  MaxMessageSize: 2,
  BlockWiseTransfer: 4,
  ExtendedTokenLength: 6,
  Custody: 2,
  AlternativeAddress: 2,
  HoldOff: 4,
  BadCsmOption: 2,
} as const;
export type SignalingOption = (typeof SignalingOption)[keyof typeof SignalingOption];

/** Below this, not even an error response with its token could be sent. */
const leastMessageSize = 16;

/** A Signaling message that ends the connection; `option` is the CSM option that is to blame (RFC 8323, Section 5.6). */
export class SignalingError extends CoapError {
  readonly option: number | undefined;

  constructor(message: string, option?: number) {
    super('ERR_COAP_SIGNALING', message);
    this.option = option;
  }
}

/** RFC 8323 §5.2: a critical option that is not understood ends the connection. */
function refuseCritical(options: readonly Option[], code: string, isCsm = false): void {
  const bad = options.find(({ number }) => isCritical(number));
  if (bad !== undefined) throw new SignalingError(`expected a ${code} without the critical option ${bad.number}, got one`, isCsm ? bad.number : undefined);
}

/** A Capabilities and Settings Message (RFC 8323, Section 5.3). */
export function encodeCsm(capabilities: Capabilities): Body {
  const options = [uintOption(SignalingOption.MaxMessageSize, capabilities.maxMessageSize)];
  if (capabilities.blockwise) options.push({ number: SignalingOption.BlockWiseTransfer, value: emptyBytes });
  const { extendedTokenLength } = capabilities;
  if (extendedTokenLength > longestPlainToken) options.push(uintOption(SignalingOption.ExtendedTokenLength, extendedTokenLength));
  return { code: SignalingCode.CSM, options, payload: emptyBytes };
}

/**
 * Take over what a CSM says.
 *
 * @throws {SignalingError} `ERR_COAP_SIGNALING` for a critical option, or a value that cannot be
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-5.3
 */
export function applyCsm(options: readonly Option[], capabilities: Capabilities): void {
  refuseCritical(options, 'CSM', true);
  // RFC 7252 §5.4.5: of an option that does not repeat, the first counts.
  const size = options.find(({ number }) => number === SignalingOption.MaxMessageSize);
  const blockwise = options.find(({ number }) => number === SignalingOption.BlockWiseTransfer);
  if (size !== undefined) {
    if (size.value.length > 4) throw new SignalingError(`expected Max-Message-Size of at most 4 bytes, got ${size.value.length}`, size.number);
    const value = readUint(size.value);
    if (value < leastMessageSize) throw new SignalingError(`expected Max-Message-Size of at least ${leastMessageSize}, got ${value}`, size.number);
    capabilities.maxMessageSize = value;
  }
  // RFC 8974 §2.2.1: below 8 it is ignored, and nothing above the longest token is meant. One of another length is not understood, and elective.
  const tokens = options.find(({ number, value }) => number === SignalingOption.ExtendedTokenLength && value.length <= 3);
  const longest = tokens === undefined ? 0 : Math.min(readUint(tokens.value), longestToken);
  if (longest >= longestPlainToken) capabilities.extendedTokenLength = longest;
  if (blockwise === undefined) return;
  if (blockwise.value.length > 0) throw new SignalingError(`expected an empty Block-Wise-Transfer, got ${blockwise.value.length} bytes`, blockwise.number);
  capabilities.blockwise = true;
}

/** A Ping or a Pong. */
export function encodePing(code: typeof SignalingCode.Ping | typeof SignalingCode.Pong, custody: boolean): Body {
  return { code, options: custody ? [{ number: SignalingOption.Custody, value: emptyBytes }] : [], payload: emptyBytes };
}

/**
 * Whether a Ping or Pong has the Custody option; one with a value is not understood, and elective.
 *
 * @throws {SignalingError} `ERR_COAP_SIGNALING` for a critical option
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-5.4
 */
export function decodePing(options: readonly Option[]): boolean {
  refuseCritical(options, 'Ping or Pong');
  return options.some(({ number, value }) => number === SignalingOption.Custody && value.length === 0);
}

/** Why a peer wants the connection to end, and where it would rather be met. */
export interface Release {
  /** Authorities (`host:port`) to connect to instead. They are hints from the peer and inherit no security property of the connection (RFC 8323, Section 10.1). */
  readonly alternatives: readonly string[];
  /** Seconds not to connect again. */
  readonly holdOff: number;
  readonly diagnostic?: string;
}

/** @throws {CoapError} `ERR_COAP_OPTION` when an alternative has not 1 to 255 bytes, or `holdOff` does not fit in 3 */
export function encodeRelease(release: Partial<Release>): Body {
  const { alternatives = [], holdOff = 0, diagnostic = '' } = release;
  const options = alternatives.map((authority) => stringOption(SignalingOption.AlternativeAddress, authority));
  if (options.some(({ value }) => value.length < 1 || value.length > 255)) {
    throw new CoapError('ERR_COAP_OPTION', 'expected an Alternative-Address of 1 to 255 bytes, got another');
  }
  if (holdOff > 0xff_ffff) throw new CoapError('ERR_COAP_OPTION', `expected a Hold-Off of at most ${0xff_ffff}, got ${holdOff}`);
  if (holdOff > 0) options.push(uintOption(SignalingOption.HoldOff, holdOff));
  return { code: SignalingCode.Release, options, payload: utf8(diagnostic) };
}

/**
 * What a Release says; options of a length that they do not have are ignored, since they are elective.
 *
 * @throws {SignalingError} `ERR_COAP_SIGNALING` for a critical option
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-5.5
 */
export function decodeRelease(body: Body): Release {
  refuseCritical(body.options, 'Release');
  const alternatives = body.options
    .filter(({ number, value }) => number === SignalingOption.AlternativeAddress && value.length > 0 && value.length <= 255)
    .map(({ value }) => textOf(value));
  const holdOff = body.options.find(({ number, value }) => number === SignalingOption.HoldOff && value.length <= 3);
  const diagnostic = body.payload.length === 0 ? {} : { diagnostic: textOf(body.payload) };
  return { alternatives, holdOff: holdOff === undefined ? 0 : readUint(holdOff.value), ...diagnostic };
}

/** An Abort, cut so that the peer takes it (RFC 8323, Section 5.6). */
export function encodeAbort(diagnostic: string, badCsmOption: number | undefined, maxMessageSize: number): Body {
  const options = badCsmOption === undefined ? [] : [uintOption(SignalingOption.BadCsmOption, badCsmOption)];
  // Header, option and marker take at most 12 bytes. What is cut is ASCII.
  return { code: SignalingCode.Abort, options, payload: utf8(diagnostic).subarray(0, Math.max(0, Math.min(maxMessageSize, 512) - 12)) };
}

/**
 * What an Abort says, for people. An Abort ends the connection in any case, so that nothing in it is refused.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-5.6
 */
export function decodeAbort(body: Body): { readonly diagnostic: string; readonly badCsmOption?: number } {
  const bad = body.options.find(({ number, value }) => number === SignalingOption.BadCsmOption && value.length <= 2);
  return { diagnostic: textOf(body.payload), ...(bad === undefined ? {} : { badCsmOption: readUint(bad.value) }) };
}

/** Text of a peer, for a log line: short, and without what a terminal would act upon. */
function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes.subarray(0, 255)).replace(/\p{C}/gu, '.');
  } catch {
    return `${bytes.length} bytes that are not UTF-8`;
  }
}
