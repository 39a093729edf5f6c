/**
 * OSCORE: end-to-end protection of CoAP messages by shared Security Contexts (RFC 8613).
 *
 * ```ts
 * const contexts = new ContextTable();
 * const context = deriveContext({ masterSecret, senderId, recipientId });
 * contexts.add(context);
 * const layer = oscore({ contexts, store, env: systemEnv });
 * const endpoint = new Endpoint({ transport, layers: [layer] });
 * const response = await endpoint.request({ code: Method.GET, peer, association: context });
 * ```
 *
 * A server of many clients need not add their contexts: the `load` of its store is asked for those that are not in the table.
 *
 * ```ts
 * const numbers = (key: string, count: number) => db.increment(key, count);
 * const load = async (kid: Uint8Array) => ({ parameters: await db.contextOf(kid) });
 * const layer = oscore({ contexts: new ContextTable(), store: { reserve: numbers, load }, env: systemEnv });
 * ```
 *
 * @module ace-coap/oscore
 */
export type { ContextOptions } from './context.ts';
export { deriveContext, SecurityContext } from './context.ts';
export type { ContextStore, StoredContext } from './context-store.ts';
export type { ContextTableOptions } from './context-table.ts';
export { ContextTable } from './context-table.ts';
export type { EndpointContext } from './cose-object.ts';
export { composeAad, composeNonce, decodePartialIv, encodePartialIv, sequenceLimit } from './cose-object.ts';
export type { CheckedParameters, ContextKeys, ContextParameters } from './derive.ts';
export { checkParameters, composeInfo, deriveKeys, senderKeyIdOf } from './derive.ts';
export { OscoreError } from './errors.ts';
export type { DiscardReason, OscoreEvent } from './events.ts';
export type { HttpHeaders, HttpRequest, HttpResponse } from './http.ts';
export {
  decodeOscoreHeader,
  encodeOscoreHeader,
  oscoreMediaType,
  requestFromHttp,
  requestToHttp,
  responseFromHttp,
  responseToHttp,
} from './http.ts';
export { composeHostingUri, parseHostingUri } from './http-uri.ts';
export type { OscoreOptions } from './layer.ts';
export { oscore } from './layer.ts';
export type { Claim, ContextLeases } from './leases.ts';
export type { LookupLimits } from './lookup.ts';
export type { OscoreOption } from './option.ts';
export { decodeOscoreOption, encodeOscoreOption } from './option.ts';
export type { OptionClass } from './option-class.ts';
export { optionClass } from './option-class.ts';
export type { ProtectedRequest, RequestBinding, UnprotectedRequest, UnprotectedResponse } from './protect.ts';
export { protectRequest, protectResponse, unprotectRequest, unprotectResponse } from './protect.ts';
export type { RenewableOptions, RenewalRole } from './renewable-context.ts';
export { RenewableContext } from './renewable-context.ts';
export { ReplayWindow } from './replay-window.ts';
