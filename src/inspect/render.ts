import {
  type Body,
  codeName,
  contentFormatName,
  decodeMessage,
  formatCode,
  isRequest,
  type Message,
  MessageType,
  type Option,
  OptionNumber,
  optionDefinition,
  optionName,
  readUint,
  SignalingCode,
} from '../coap/index.ts';
import { fromUtf8, toHex } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { decodeOscoreOption } from '../oscore/index.ts';
import { annotatePayload, type RenderOptions } from './annotate.ts';

export type { RenderOptions } from './annotate.ts';

const typeNames: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(MessageType).map(([name, type]) => [type, name]));

/** `GET` or `2.05 Content`. */
export function renderCode(code: number): string {
  return isRequest(code) ? codeName(code) : code === 0 ? 'Empty' : `${formatCode(code)} ${codeName(code)}`;
}

const hexOrEmpty = (bytes: Uint8Array): string => (bytes.length === 0 ? "''" : toHex(bytes));

/** A Block1 or Block2 value: block number, more flag, size (RFC 7959 Section 2.2). */
export function renderBlock(value: number): string {
  return `${Math.floor(value / 16)}/${(value & 8) === 0 ? 'last' : 'more'}/${2 ** ((value & 7) + 4)}`;
}

function renderOscore(value: Uint8Array): string {
  const { partialIv, kid, kidContext } = decodeOscoreOption(value);
  const parts = [
    ...(partialIv === undefined ? [] : [`piv ${toHex(partialIv)}`]),
    ...(kid === undefined ? [] : [`kid ${hexOrEmpty(kid)}`]),
    ...(kidContext === undefined ? [] : [`kid context ${hexOrEmpty(kidContext)}`]),
  ];
  return parts.length === 0 ? 'empty' : parts.join(', ');
}

/** One option as `Name: value`, the value in the form of its registry. */
export function renderOption(option: Option): string {
  const name = optionName(option.number);
  try {
    switch (option.number) {
      case OptionNumber.Oscore:
        return `${name}: ${renderOscore(option.value)}`;
      case OptionNumber.ContentFormat:
      case OptionNumber.Accept:
        return `${name}: ${contentFormatName(readUint(option.value))}`;
      case OptionNumber.Block1:
      case OptionNumber.Block2:
        return `${name}: ${renderBlock(readUint(option.value))}`;
      default:
    }
    const format = optionDefinition(option.number)?.format;
    if (format === 'string') return `${name}: ${printableJson(fromUtf8(option.value))}`;
    if (format === 'uint') return `${name}: ${readUint(option.value)}`;
    return format === 'empty' && option.value.length === 0 ? name : `${name}: ${hexOrEmpty(option.value)}`;
  } catch (error) {
    if (error instanceof ProtocolError) return `${name}: ${hexOrEmpty(option.value)} (${error.message})`;
    throw error;
  }
}

/**
 * Options and payload on lines of their own, the payload in annotated diagnostic notation where its Content-Format is known.
 *
 * @param requestPath the path that a response answers
 */
export function renderBody(body: Body, indent = '', requestPath?: readonly string[], options: RenderOptions = {}): string[] {
  return [...body.options.map(renderOption), ...annotatePayload(body, requestPath, options)].map((line) => `${indent}${line}`);
}

/**
 * A CoAP datagram, line by line; the first says type, code, Message ID and token.
 *
 * @throws {CoapError} `ERR_COAP_FORMAT`
 */
export function renderDatagram(datagram: Uint8Array, requestPath?: readonly string[], options?: RenderOptions): string[] {
  const message = decodeMessage(datagram, { extendedTokens: true });
  const head = [
    typeNames[message.type],
    renderCode(message.code),
    `id ${message.id}`,
    ...(message.token.length === 0 ? [] : [`token ${toHex(message.token)}`]),
  ].join('  ');
  return [head, ...renderBody(message, '  ', requestPath, options)];
}

const signalNames: ReadonlyMap<number, string> = new Map(Object.entries(SignalingCode).map(([name, code]) => [code, name]));

/** `7.01 CSM` (RFC 8323, Section 5). */
export function signalName(code: number): string {
  return `${formatCode(code)} ${signalNames.get(code) ?? 'signaling'}`;
}

/** A message on a connection, which has no type and no message id. Options of signaling messages have numbers of their own (RFC 8323, Section 5.2). */
export function renderStreamMessage(message: Message, requestPath?: readonly string[], options?: RenderOptions): string[] {
  const { code, token, payload } = message;
  const withToken = token.length === 0 ? '' : `  token ${toHex(token)}`;
  if (code >>> 5 !== 7) return [`${renderCode(code)}${withToken}`, ...renderBody(message, '  ', requestPath, options)];
  const lines = message.options.map(({ number, value }) => `  option ${number}: ${hexOrEmpty(value)}`);
  return [`${signalName(code)}${withToken}`, ...lines, ...(payload.length === 0 ? [] : [`  payload: ${toHex(payload)}`])];
}
