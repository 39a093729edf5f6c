/**
 * CoAP: messages, reliability over datagrams, exchanges, block-wise transfer, observation (RFC 7252, 7641, 7959, 9175).
 *
 * ```ts
 * const endpoint = new Endpoint({ transport: await udp() });
 * const peer = await endpoint.resolve('coap.example', 5683);
 * const response = await endpoint.request({ peer, options: pathOptions(['time']) });
 * ```
 */
export type { Answer, AnswerFields } from './answer.ts';
export type { Block, BlockResponse } from './block-option.ts';
export type { BlockwiseLayer, BlockwiseOptions, BlockwiseStats } from './blockwise.ts';
export { blockwise } from './blockwise.ts';
export { Code, codeClass, codeName, formatCode, isRequest, isResponse, isSafe, Method } from './code.ts';
export { ContentFormat, contentFormatName, contentFormatOf } from './content-format.ts';
export type { Incoming } from './deduplication.ts';
export type { EchoLayer, EchoOptions, Freshness } from './echo.ts';
export { echo } from './echo.ts';
export type { EchoEndpoint, EchoMethod, EchoRandomOptions, EventCounter } from './echo-value.ts';
export { EchoCounter, EchoRandomValues, EchoTimestamps } from './echo-value.ts';
export { Endpoint } from './endpoint.ts';
export type { EndpointEvent, EndpointLimits, EndpointOptions, OutgoingRequest, RequestOptions, ResolveOptions, SendOptions } from './endpoint-options.ts';
export { CoapError, CoapFormatError } from './errors.ts';
export type { ExchangeConfig, ExchangeEvent, ExchangeLimits } from './exchange.ts';
export { defaultExchangeLimits, Exchange } from './exchange.ts';
export type { ExtendedTokenOptions } from './extended-token.ts';
export type { GroupRequestOptions } from './group-request.ts';
export type { Handler, Layer, Peer, Reply, Request, Requester, Response, ResponseListener, SecurityAssociation } from './layer.ts';
export type { Link } from './link-format.ts';
export { attributeOf, decodeLinkFormat, encodeLinkFormat, filterLinks, link } from './link-format.ts';
export type { Body, Message, MessageFormat } from './message.ts';
export { decodeBody, decodeMessage, decodeOptions, encodeBody, encodeMessage, encodeOptions, longestToken, MessageType } from './message.ts';
export type { MessageLayer, PeerWatcher, Received, Underway } from './message-layer.ts';
export { Messaging } from './messaging.ts';
export type { DiscardedEvent, MessagingConfig, MessagingLimits, MessagingPort } from './messaging-port.ts';
export { defaultMessagingLimits } from './messaging-port.ts';
export type { MulticastOptions } from './multicast.ts';
export { allCoapNodes } from './multicast.ts';
export { everyClass, isUnwanted, noResponseOf } from './no-response.ts';
export type { ObserveLayer, ObserveOptions } from './observe.ts';
export { observe } from './observe.ts';
export type { Option, OptionDefinition, OptionFormat, OptionTable, RecognisedOptions } from './option.ts';
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
  optionTable,
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
export type { DerivedParameters, TransmissionParameters } from './parameters.ts';
export { deriveParameters } from './parameters.ts';
export { encodePayload } from './payload.ts';
export type { ProblemDetails, ProblemText, TaggedText } from './problem-details.ts';
export { decodeProblemDetails, encodeProblemDetails, problem, problemText } from './problem-details.ts';
export type { ForwardOptions, ProxyLimits, ProxyOptions } from './proxy.ts';
export { ProxyServer } from './proxy.ts';
export type { CacheOptions } from './proxy-cache.ts';
export { originVia } from './proxy-client.ts';
export type { ProxyEvent } from './proxy-exchange.ts';
export type { ProxyPolicy, ProxyTarget } from './proxy-target.ts';
export { allowTargets, openRelay } from './proxy-target.ts';
export type { Proxying, Route, Upstream } from './proxying.ts';
export type { QBlockLayer, QBlockOptions } from './qblock.ts';
export { qBlock } from './qblock.ts';
export type { QBlockParameters } from './qblock-parameters.ts';
export type { AmplificationOptions } from './reachability.ts';
export type { RequestTag, RequestTagsOptions } from './request-tag.ts';
export { RequestTags, requestTagOption } from './request-tag.ts';
export type { RouterOptions } from './resource.ts';
export { Router, requestPath } from './resource.ts';
export type { Resource, ResourceAttributes, ResourceFunction, ResourceHandle, ResourceRequest, RouterEvent } from './resource-entry.ts';
export { CoapResponse } from './response.ts';
export type { ReverseRoute } from './reverse-routes.ts';
export type { Capabilities, Release } from './signaling.ts';
export {
  applyCsm,
  baseMessageSize,
  decodeAbort,
  decodePing,
  decodeRelease,
  encodeAbort,
  encodeCsm,
  encodePing,
  encodeRelease,
  SignalingCode,
  SignalingError,
  SignalingOption,
} from './signaling.ts';
export type { StatelessTokenOptions } from './stateless.ts';
export { StatelessTokens, statelessTokenCost } from './stateless.ts';
export type { StatelessOptions } from './stateless-requests.ts';
export type { ConnectionConfig, ConnectionPort, StreamRequest } from './stream.ts';
export { StreamConnection } from './stream.ts';
export type { Framing } from './stream-framing.ts';
export { encodeFrame, FrameReader } from './stream-framing.ts';
export type { StreamLimits } from './stream-limits.ts';
export { defaultStreamLimits } from './stream-limits.ts';
export type { ConnectionEvent, StreamMessagingPort } from './stream-messaging.ts';
export { StreamMessaging } from './stream-messaging.ts';
export type { StreamAddress } from './stream-peer.ts';
export { StreamPeer } from './stream-peer.ts';
export type { DeadlineOptions } from './time-limit.ts';
export { TimeLimit } from './time-limit.ts';
export type { BackOffOptions, RequestRateOptions } from './too-many-requests.ts';
export { backOff, requestRate, TooManyRequestsError, tooManyRequests } from './too-many-requests.ts';
export type { Transmission, TransmissionListener } from './transmission.ts';
export type { DatagramTransport, StreamTransport, Transport, TransportBase, Transports, Wire, WireListener } from './transport.ts';
export { isStream } from './transport.ts';
export type { CoapUri } from './uri.ts';
export { composeUri, locationOf, locationOptions, parseUri, uriOptions } from './uri.ts';
export type { UriScheme } from './uri-scheme.ts';
export { defaultPorts, isSecure } from './uri-scheme.ts';
export { virtualHosts } from './virtual-hosts.ts';
