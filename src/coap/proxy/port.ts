import type { Handler, Peer, Requester } from '../layer.ts';
import type { Option } from '../message/option.ts';

/** Where a proxy sends requests on: an `Endpoint`, or something like it. */
export interface Upstream {
  /** Sends a request on, its options as the proxy made them. */
  readonly requester: Requester;
  /** The peer at a host and port; with `proxy`, the URI of a forward proxy, as it is reached through that. */
  resolve(host: string, port: number, options?: { readonly proxy?: string }): Promise<Peer>;
}

/** What becomes of a request at an endpoint that has a proxy. */
export interface Route {
  /** The request is for another endpoint. */
  readonly forward: boolean;
  /** Its options; others than it came with when they named this endpoint in the way of a request to a proxy (RFC 7252, Section 5.7.2). */
  readonly options: readonly Option[];
}

/** The part of a proxy that an endpoint sees. `ProxyServer` is one. */
export interface Proxying {
  /** Called once, by the endpoint that the proxy serves. */
  attach(endpoint: Upstream, local: { readonly address: string; readonly port: number }): void;
  /** Which requests are for others; asked before anything else is made of the options. Never throws. */
  route(options: readonly Option[]): Route;
  /** Takes what is for others. */
  readonly handler: Handler;
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /** Give up what is under way and stop the timers. */
  close(): void;
}
