/**
 * CoAP: messages, reliability over datagrams, exchanges, block-wise transfer, observation (RFC 7252, 7641, 7959, 9175).
 *
 * ```ts
 * const endpoint = new Endpoint({ transport: await udp() });
 * const peer = await endpoint.resolve('coap.example', 5683);
 * const response = await endpoint.request({ peer, options: pathOptions(['time']) });
 * ```
 *
 * @module ace-coap/coap
 */

export type { Block, BlockResponse } from './blockwise/block-option.ts';
export type { BlockwiseLayer, BlockwiseStats } from './blockwise/layer.ts';
export { blockwise } from './blockwise/layer.ts';
export type { BlockwiseOptions } from './blockwise/limits.ts';
export type { RequestTag, RequestTagsOptions } from './blockwise/request-tag.ts';
export { RequestTags, requestTagOption } from './blockwise/request-tag.ts';
export type { Capabilities } from './capabilities.ts';
export { baseMessageSize } from './capabilities.ts';
export { Deadline, Deadlines, Task } from './deadline.ts';
export type { EchoLayer, EchoOptions, Freshness } from './echo/layer.ts';
export { echo } from './echo/layer.ts';
export type { EchoEndpoint, EchoMethod, EchoRandomOptions, EventCounter } from './echo/value.ts';
export { EchoCounter, EchoRandomValues, EchoTimestamps } from './echo/value.ts';
export { Endpoint } from './endpoint/endpoint.ts';
export type {
  CloseOptions,
  DurableName,
  EndpointChanges,
  EndpointEvent,
  EndpointLimits,
  EndpointOptions,
  ObservationOptions,
  OutgoingRequest,
  RequestOptions,
  ResolveOptions,
  SendOptions,
} from './endpoint/options.ts';
export { CoapResponse } from './endpoint/response.ts';
export type { DeadlineOptions } from './endpoint/time-limit.ts';
export { TimeLimit } from './endpoint/time-limit.ts';
export { CoapError, CoapFormatError } from './errors.ts';
export type { ExchangeConfig, ExchangeEvent, ExchangeLimits } from './exchange/exchange.ts';
export { defaultExchangeLimits, Exchange } from './exchange/exchange.ts';
export type { GroupRequestOptions } from './exchange/group-request.ts';
export type { MulticastOptions } from './exchange/multicast.ts';
export { allCoapNodes } from './exchange/multicast.ts';
export type { OutgoingExchange, OutgoingOwner } from './exchange/outgoing.ts';
export type { IncomingExchange, ReplyOwner } from './exchange/reply.ts';
export type { StatelessTokenOptions } from './exchange/stateless.ts';
export { StatelessTokens, statelessTokenCost } from './exchange/stateless.ts';
export type { StatelessOptions } from './exchange/stateless-requests.ts';
export type { ExtendedTokenOptions } from './exchange/token-support.ts';
export type { TagList } from './http/entity-tag.ts';
export { entityTagOf, tagListOf } from './http/entity-tag.ts';
export type { HttpContent, MediaTypeGeneralization, MediaTypeOptions } from './http/media-type.ts';
export { acceptOfField, contentOfFormat, formatOfContent, looseMediaTypes } from './http/media-type.ts';
export type { HttpRequest, HttpResponse } from './http/message.ts';
export { HttpMappingError } from './http/message.ts';
export type { MappedRequest, RequestMappingOptions } from './http/request.ts';
export { coapMethodOf, resourceOptions, toCoapRequest } from './http/request.ts';
export type { ResponseMappingOptions } from './http/response.ts';
export { problemResponse, toHttpResponse } from './http/response.ts';
export { httpStatuses } from './http/status.ts';
export type { UriMappingOptions } from './http/uri-mapping.ts';
export { targetUri, UriMapping } from './http/uri-mapping.ts';
export type { Handler, Layer, Peer, Reply, Request, Requester, Response, ResponseListener, SecurityAssociation } from './layer.ts';
export { copyOptions } from './message/cache-key.ts';
export { Code, codeClass, codeName, formatCode, isIdempotent, isRequest, isResponse, isSafe, Method } from './message/code.ts';
export { ContentFormat, contentFormatName, contentFormatOf } from './message/content-format.ts';
export type { Body, Message, MessageFormat } from './message/message.ts';
export {
  decodeBody,
  decodeMessage,
  decodeOptions,
  encodeBody,
  encodeMessage,
  encodeOptions,
  encodePassingBody,
  longestToken,
  MessageType,
} from './message/message.ts';
export { everyClass, isUnwanted, noResponseOf } from './message/no-response.ts';
export type { Option, OptionDefinition, OptionFormat, OptionTable, RecognisedOptions } from './message/option.ts';
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
  targetOptions,
  uintOf,
  uintOption,
  withOption,
  withoutOptions,
} from './message/option.ts';
export { encodePayload } from './message/payload.ts';
export type { CoapUri } from './message/uri.ts';
export { composeUri, locationOf, locationOptions, parseUri, relativeLocationOf, uriOptions } from './message/uri.ts';
export type { UriScheme } from './message/uri-scheme.ts';
export { defaultPorts, isSecure } from './message/uri-scheme.ts';
export type { DeduplicationLimits, Incoming } from './messaging/deduplication.ts';
export type { MessageIds } from './messaging/message-id.ts';
export type { MessageLayer, PeerWatcher, Received, Underway } from './messaging/message-layer.ts';
export type { Progress } from './messaging/message-records.ts';
export { Messaging } from './messaging/messaging.ts';
export type { DerivedParameters, TransmissionParameters } from './messaging/parameters.ts';
export { deriveParameters } from './messaging/parameters.ts';
export type { PeerState } from './messaging/peer-state.ts';
export type { DiscardedEvent, MessagingConfig, MessagingLimits, MessagingPort } from './messaging/port.ts';
export { defaultMessagingLimits } from './messaging/port.ts';
export type { RandomPool } from './messaging/random-pool.ts';
export type { AmplificationOptions } from './messaging/reachability.ts';
export { Reachability } from './messaging/reachability.ts';
export type { Stage, Transmission, TransmissionListener } from './messaging/transmission.ts';
export type {
  DatagramTransport,
  Framing,
  SessionWatcher,
  SourcePorts,
  StreamTransport,
  Transport,
  TransportBase,
  Transports,
  Wire,
  WireListener,
} from './messaging/transport.ts';
export { isStream } from './messaging/transport.ts';
export type { OutstandingWindow } from './messaging/window.ts';
export type { DurableOptions, ObservationEvent, ObservationStore, Representation } from './observe/durable.ts';
export { observeDurably, observedTarget } from './observe/durable.ts';
export type { ObserveLayer } from './observe/layer.ts';
export { observe } from './observe/layer.ts';
export type { ObserveOptions } from './observe/limits.ts';
export type { CacheOptions } from './proxy/cache.ts';
export { originVia } from './proxy/client.ts';
export type { ProxyEvent } from './proxy/exchange.ts';
export type { Proxying, Route, Upstream } from './proxy/port.ts';
export type { ForwardOptions, ProxyLimits, ProxyOptions } from './proxy/proxy.ts';
export { ProxyServer } from './proxy/proxy.ts';
export type { ReverseRoute } from './proxy/reverse-routes.ts';
export type { ProxyPolicy, ProxyTarget } from './proxy/target.ts';
export { allowTargets, isMulticast, openRelay } from './proxy/target.ts';
export type { QBlockLayer } from './qblock/layer.ts';
export { qBlock } from './qblock/layer.ts';
export type { QBlockOptions } from './qblock/limits.ts';
export type { QBlockParameters } from './qblock/parameters.ts';
export { conditionHolds } from './resource/answer.ts';
export type { Answer, AnswerFields } from './resource/answer-fields.ts';
export type { Resource, ResourceAttributes, ResourceFunction, ResourceHandle, ResourceRequest, RouterEvent } from './resource/entry.ts';
export type { Link } from './resource/link-format.ts';
export { attributeOf, decodeLinkFormat, encodeLinkFormat, filterLinks, link } from './resource/link-format.ts';
export type { ProblemDetails, ProblemText, TaggedText } from './resource/problem-details.ts';
export { decodeProblemDetails, encodeProblemDetails, problem, problemText } from './resource/problem-details.ts';
export type { RateLimitOptions } from './resource/rate-limit.ts';
export { networkOf, RateLimit } from './resource/rate-limit.ts';
export type { RouterOptions } from './resource/router.ts';
export { Router, requestPath } from './resource/router.ts';
export type { BackOffOptions, RequestRateOptions } from './resource/too-many-requests.ts';
export { backOff, requestRate, TooManyRequestsError, tooManyRequests } from './resource/too-many-requests.ts';
export type { UnderWayOptions } from './resource/under-way.ts';
export { UnderWay } from './resource/under-way.ts';
export { virtualHosts } from './resource/virtual-hosts.ts';
export type { ConnectionConfig, ConnectionPort } from './stream/connection.ts';
export { StreamConnection } from './stream/connection.ts';
export { encodeFrame, FrameReader } from './stream/framing.ts';
export type { StreamRequest, Waiting } from './stream/handles.ts';
export type { StreamLimits } from './stream/limits.ts';
export { defaultStreamLimits } from './stream/limits.ts';
export type { ConnectionEvent, StreamMessagingConfig, StreamMessagingPort } from './stream/messaging.ts';
export { StreamMessaging } from './stream/messaging.ts';
export type { StreamAddress } from './stream/peer.ts';
export { StreamPeer } from './stream/peer.ts';
export type { Release } from './stream/signaling.ts';
export {
  applyCsm,
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
} from './stream/signaling.ts';
