/**
 * The cross-proxy of RFC 8075: HTTP on one side, CoAP on the other.
 *
 * ```ts
 * const upstream = new Endpoint({ transport: await udp() });
 * const gateway = new Gateway({ authorize: false, allow: allowTargets('10.0.0.7'), upstreams: { coap: upstream } });
 * const listener = await gateway.listen({ port: 8080 }); // GET http://127.0.0.1:8080/hc/coap://10.0.0.7/light
 * // At the end; what is stored would keep the process running.
 * await listener.close();
 * gateway.close();
 * await upstream.close();
 * ```
 *
 * @module ace-coap/gateway
 */

export { Gateway } from './gateway.ts';
export type { GatewayListener, GatewayListenOptions } from './listener.ts';
export type { Authorization, AuthorizeRequest, GatewayEvent, GatewayLimits, GatewayOptions, WantedResource } from './options.ts';
export { aceUpstream } from './upstreams.ts';
