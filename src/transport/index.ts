/**
 * Sockets: the one folder that opens them. What they carry is the business of `src/coap`.
 *
 * ```ts
 * const transport = await udp({ address: '127.0.0.1', port: 5683 });
 * const endpoint = new Endpoint({ transport, handler });
 * ```
 */
export type { AcceptorLimits } from './acceptor.ts';
export { TransportError } from './errors.ts';
export type { TapEvent } from './tap.ts';
export { tap } from './tap.ts';
export type { StreamOptions, StreamServerOptions } from './tcp.ts';
export { tcp, tcpServer } from './tcp.ts';
export type { Pem, TlsClientOptions, TlsServerOptions } from './tls.ts';
export { tls, tlsServer } from './tls.ts';
export type { UdpOptions } from './udp.ts';
export { udp } from './udp.ts';
export type { WebSocketServerOptions } from './ws.ts';
export { ws, wsServer, wss, wssServer } from './ws.ts';
