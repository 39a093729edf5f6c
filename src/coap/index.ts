/**
 * CoAP: messages, reliability over datagrams, exchanges, block-wise transfer, observation (RFC 7252, 7641, 7959, 9175).
 *
 * ```ts
 * const endpoint = new Endpoint({ transport: await udp() });
 * const peer = await endpoint.resolve('coap.example', 5683);
 * const response = await endpoint.request({ code: Method.GET, options: pathOptions(['time']), peer });
 * ```
 */
export { Code, codeClass, codeName, formatCode, isRequest, isResponse, Method } from './code.ts';
export { ContentFormat, contentFormatName, contentFormatOf } from './content-format.ts';
export { CoapError, CoapFormatError } from './errors.ts';
export type { Handler, Layer, Peer, Reply, Request, Requester, Response, ResponseListener, SecurityAssociation } from './layer.ts';
export type { Body, Message } from './message.ts';
export { decodeBody, decodeMessage, decodeOptions, encodeBody, encodeMessage, encodeOptions, MessageType } from './message.ts';
export type { Option, OptionDefinition, OptionFormat, RecognisedOptions } from './option.ts';
export {
  emptyOption,
  encodeUint,
  findAll,
  findOption,
  isCritical,
  isNoCacheKey,
  isUnsafe,
  OptionNumber,
  opaqueOption,
  optionDefinition,
  optionName,
  pathOf,
  pathOptions,
  queryOf,
  queryOptions,
  readUint,
  recogniseOptions,
  sortOptions,
  stringOption,
  uintOf,
  uintOption,
  withOption,
  withoutOptions,
} from './option.ts';
export type { DatagramTransport } from './transport.ts';
