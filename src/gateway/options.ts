import type { IncomingMessage } from 'node:http';
import type { CacheOptions, MediaTypeOptions, ProxyPolicy, ReverseRoute, Upstream, UriMappingOptions } from '../coap/index.ts';
import type { Env } from '../core/env.ts';

/** What an HTTP client wants, before anything is sent. */
export interface WantedResource {
  /** Of HTTP. */
  readonly method: string;
  /** The server that the client named: `coap://s.example`. Absent: it asked for what a route, or the gateway itself, serves. */
  readonly origin?: string;
  /** Path of the resource at its server, or under the routes of the gateway; percent-encoding is resolved, dot segments are gone. */
  readonly path: readonly string[];
  readonly query: readonly string[];
}

/** Whether a client may have what it wants. */
export type Authorization =
  | {
      readonly permit: true;
      /** Who it is: what limits count by, in place of its address. */
      readonly client?: string;
    }
  | { readonly permit: false; readonly status: number; readonly detail: string; readonly headers?: Readonly<Record<string, string>> };

/** Says who may have what. It is asked before the body of a request is read. */
export type AuthorizeRequest = (request: IncomingMessage, wanted: WantedResource) => Authorization | Promise<Authorization>;

/** What a gateway has under way at most, and how large it is. */
export interface GatewayLimits {
  /** Requests under way. Default 1,024; one more is answered with 503. */
  readonly requests: number;
  /** The same for one client. Default 256. */
  readonly requestsPerClient: number;
  /** Bytes of a body, in both directions. Default 65,536. */
  readonly body: number;
  /** Requests that one client may send at once, and per second after that; more are answered with 429. Absent: any number. */
  readonly rate?: { readonly burst: number; readonly rate: number };
}

/** What a gateway did with a request. Targets are servers: what a client wanted of one is nobody's business. */
export interface GatewayEvent {
  /** `forwarded`: the answer of a CoAP server, or of the cache. `served`: what the gateway has itself. */
  readonly type: 'forwarded' | 'served' | 'refused' | 'failed';
  readonly client: string;
  /** Of HTTP. */
  readonly method: string;
  readonly status: number;
  readonly target?: string;
  /** Response code of CoAP. */
  readonly code?: number;
  readonly from?: 'origin' | 'cache' | 'validated';
  /** Why it was refused. */
  readonly reason?: string;
  /** Code of the error, where one is to blame. */
  readonly error?: string;
  /** Milliseconds that it took. */
  readonly duration: number;
}

/** What a gateway serves, and for whom. */
export interface GatewayOptions {
  /** Who may have what. `false`: whoever reaches the gateway may have what `allow` and `reverse` permit; RFC 8075, Section 10 wants this to be said. */
  readonly authorize: AuthorizeRequest | false;
  /** Servers that clients may name. Absent: none. */
  readonly allow?: ProxyPolicy;
  /** Paths of the gateway that servers stand behind, whatever `allow` says. */
  readonly reverse?: readonly ReverseRoute[];
  /** What requests leave through, by the scheme of their target: an `Endpoint`, or `aceUpstream(...)`. */
  readonly upstreams: Readonly<Record<string, Upstream>>;
  /** How clients pack CoAP URIs into HTTP URIs. */
  readonly mapping?: UriMappingOptions;
  readonly mediaTypes?: MediaTypeOptions;
  /** Let plain HTTP reach targets of `coaps` and its kin (RFC 8075, Section 10.3). */
  readonly coapsOverHttp?: boolean;
  /** Hosts that requests may be for, without ports. Others are answered with 421: a page in a browser may have had a name of its own point here. Absent: any. */
  readonly hosts?: readonly string[];
  /** The pseudonym of this gateway in Via, by which it knows a loop. Absent: one by chance. */
  readonly name?: string;
  /** `false`: nothing is stored. */
  readonly cache?: CacheOptions | false;
  /** Milliseconds to wait for a CoAP server before a 504. Default 120,000, which is longer than MAX_TRANSMIT_WAIT. */
  readonly timeout?: number;
  readonly limits?: Partial<GatewayLimits>;
  /** Hears of each request, when it is answered. */
  readonly emit?: (event: GatewayEvent) => void;
  readonly env?: Env;
}
