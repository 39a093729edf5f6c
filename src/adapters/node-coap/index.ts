/**
 * Programs written for node-coap, behind our endpoint: it owns the socket, keeps the rules of CoAP and OSCORE, and calls the listener that the program has.
 *
 * ```ts
 * import { protect } from 'ace-coap/adapters/node-coap';
 * const server = protect((req, res) => res.end(`Hello ${req.url}`), { audience, issuers, scopes, store });
 * server.listen(5683, '127.0.0.1');
 * ```
 *
 * @module ace-coap/adapters/node-coap
 */
export { NodeCoapError } from './errors.ts';
export { registerFormat } from './formats.ts';
export type { RemoteInfo } from './incoming-message.ts';
export { IncomingMessage } from './incoming-message.ts';
export type { NodeCoapEvent, NodeCoapListener, NodeCoapListenerOptions } from './listener.ts';
export { nodeCoapListener } from './listener.ts';
export type { OptionValue } from './options.ts';
export { ignoreOption, registerOption } from './options.ts';
export type { ResponseStream, Written } from './outgoing-message.ts';
export { ObserveWriteStream, OutgoingMessage } from './outgoing-message.ts';
export type { Done, ProtectOptions } from './protect.ts';
export { ProtectedServer, protect } from './protect.ts';
