/**
 * Sockets: the one folder that opens them. What they carry is the business of `src/coap`.
 *
 * ```ts
 * const server = await serve({ listen: 'coap://127.0.0.1:5683', resources: { '/hello': () => 'Hello World!' } });
 * const response = await request('coap://127.0.0.1:5683/hello');
 * await server.close();
 * ```
 *
 * @module ace-coap/transport
 */

export type { AcceptorLimits } from './acceptor.ts';
export type { KnownClients } from './authenticator.ts';
export { authenticatorOf } from './authenticator.ts';
export type { CoapClientOptions, CoapObserveInit } from './coap-client.ts';
export { CoapClient } from './coap-client.ts';
export type { DtlsTransport } from './dtls.ts';
export { dtls, dtlsOver } from './dtls.ts';
export type { CredentialsOf, DtlsTransportEvent, DtlsTransportOptions, Offered, ResumableSessions } from './dtls-options.ts';
export type { DtlsSchemeOptions } from './dtls-schemes.ts';
export { dtlsSchemes } from './dtls-schemes.ts';
export { TransportError } from './errors.ts';
export type { GroupMembership } from './groups.ts';
export { departure } from './https/departure.ts';
export {
  type DroppedReason,
  type HttpBounds,
  type HttpExchange,
  type HttpHandler,
  type HttpObserver,
  type HttpServer,
  httpBounds,
} from './https/http-intake.ts';
export { type HttpServerOptions, serveHttp } from './https/http-server.ts';
export type { HttpsRequestInit, HttpsResponse } from './https/https-client.ts';
export { fetchHttps } from './https/https-client.ts';
export type { HttpsCredentials, HttpsServer, HttpsServerOptions } from './https/https-server.ts';
export { checkCredentials, serveHttps } from './https/https-server.ts';
export { type ProbeOptions, probeTls, type TlsCheck } from './https/probe-tls.ts';
export { tlsSettings } from './https/tls-settings.ts';
export type { KeptState } from './kept-session.ts';
export type { CoapRequestOptions } from './request.ts';
export { observe, request } from './request.ts';
export type { CoapRequestInit } from './request-init.ts';
export type { Channel, ChannelOptions, Listener, Route, Scheme } from './scheme.ts';
export { schemes } from './schemes.ts';
export type { Served, ServeEvent, ServeLimits, ServeOptions, Server } from './serve.ts';
export { serve } from './serve.ts';
export type { TlsPskSchemeOptions, TlsSchemeOptions } from './stream-schemes.ts';
export { tlsPskSchemes, tlsSchemes } from './stream-schemes.ts';
export type { TapEvent, TapListener } from './tap.ts';
export { tap } from './tap.ts';
export type { StreamOptions, StreamServerOptions } from './tcp.ts';
export { tcp, tcpServer } from './tcp.ts';
export type { Pem, TlsClientOptions, TlsServerOptions } from './tls.ts';
export { tls, tlsServer } from './tls.ts';
export type { TlsPsk, TlsPskClientOptions, TlsPskServerOptions, TlsPskSuite } from './tls-psk.ts';
export { tlsPsk, tlsPskServer } from './tls-psk.ts';
export type { UdpOptions } from './udp.ts';
export { udp } from './udp.ts';
export type { WebSocketServerOptions } from './ws.ts';
export { ws, wsServer, wss, wssServer } from './ws.ts';
