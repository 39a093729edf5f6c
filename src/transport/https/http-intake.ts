import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { networkOf } from '../../coap/index.ts';
import { type Member, Roster } from '../../core/roster.ts';
import { Tally } from '../../core/tally.ts';
import { TransportError } from '../errors.ts';

/** What an HTTP server holds at most, and how long it waits for its clients. */
export interface HttpBounds {
  /** Connections at once. A request on one more is answered with 503; far beyond that, connections are closed without a word. */
  readonly connections: number;
  /** The same for one address; all of an IPv6 network are one. */
  readonly connectionsPerAddress: number;
  /** Bytes of a head: request line and header fields. A longer one is answered with 431. */
  readonly head: number;
  /** Milliseconds for a handshake of TLS, for a head, for a whole request, and between two requests of a connection. */
  readonly handshakeTimeout: number;
  readonly headTimeout: number;
  readonly requestTimeout: number;
  readonly keepAliveTimeout: number;
}

/** Those of every server that is told no others. */
export const httpBounds: HttpBounds = {
  connections: 1024,
  connectionsPerAddress: 512,
  head: 16_384,
  handshakeTimeout: 10_000,
  headTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 15_000,
};

/** A request, and what became of it. */
export interface HttpExchange {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** 0: the client was gone before there was an answer. */
  readonly status: number;
  readonly milliseconds: number;
}

/** Why a connection ends before it has brought a request that can be looked at. */
export type DroppedReason = 'connections' | 'head-size' | 'timeout' | 'malformed' | 'draining';

/** What an HTTP server tells whoever watches it. */
export interface HttpObserver {
  /** A request is over. */
  readonly answered?: (exchange: HttpExchange) => void;
  /** A request was none, or was not looked at; and whose. */
  readonly dropped?: (address: string, reason: DroppedReason) => void;
}

/** A server of HTTP that listens. */
export interface HttpServer {
  readonly address: string;
  readonly port: number;
  /** Requests under way, and connections. */
  stats(): Readonly<Record<string, number>>;
  /**
   * Why nobody would be served now; `undefined`: nothing is known against it.
   *
   * @param epoch seconds since 1970
   */
  fault(epoch: number): string | undefined;
  /**
   * Take no more connections, answer further requests with 503, and wait for those under way for at most so many milliseconds. Connections end with their last answer.
   *
   * @returns `false`: time was up first
   */
  drain(patience: number): Promise<boolean>;
  /** Drain, and then end what is left. */
  close(patience?: number): Promise<void>;
}

/** What answers requests. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Connections beyond the bound that are told so, for each that is within it, and at least that many. */
const surplusShare = 8;
const leastSurplus = 8;
/** Seconds after which there may be room, or another server. */
const later = '5';
/** Milliseconds between two looks for who is late. */
const looks = 1_000;

/** Connections that are held where so many may be: those beyond are there to be told so. */
function withSurplus(connections: number): number {
  return connections + Math.max(leastSurplus, Math.ceil(connections / surplusShare));
}

/** What `createServer` is told of the bounds. */
export function serverOptions({ head, headTimeout, requestTimeout, keepAliveTimeout }: HttpBounds): object {
  const connectionsCheckingInterval = Math.max(50, Math.min(looks, headTimeout / 2, requestTimeout / 2));
  return {
    maxHeaderSize: head,
    headersTimeout: Math.min(headTimeout, requestTimeout),
    requestTimeout,
    keepAliveTimeout,
    connectionsCheckingInterval,
  };
}

/** A request that is not over. */
interface UnderWay extends Member {
  readonly socket: Socket;
  readonly response: ServerResponse;
}

/** Lets requests of a server in within its bounds, and brings them to an end. */
export class HttpIntake {
  readonly #server: Server | TlsServer;
  readonly #bounds: HttpBounds;
  readonly #observer: HttpObserver;
  readonly #handler: HttpHandler;
  /** TCP connections, those in a handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #byNetwork = new Tally();
  readonly #surplus = new WeakSet<object>();
  readonly #underWay = new Roster<UnderWay>();
  #draining: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  /** It listens no more, and its last connection is gone: that may be before anybody asks. */
  #ended: Promise<unknown> | undefined;

  constructor(server: Server | TlsServer, bounds: HttpBounds, observer: HttpObserver, handler: HttpHandler) {
    this.#server = server;
    this.#bounds = bounds;
    this.#observer = observer;
    this.#handler = handler;
    server.maxConnections = withSurplus(bounds.connections);
    server.on('connection', (socket: Socket) => this.#connected(socket));
    server.on('secureConnection', (socket: Socket) => this.#count(socket));
    server.on('drop', (from) => this.#observer.dropped?.((from as { readonly remoteAddress?: string } | undefined)?.remoteAddress ?? 'unknown', 'connections'));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#receive(request, response));
    // RFC 9110, Section 9.3.6: there is nothing to tunnel to.
    server.on('connect', (_request: IncomingMessage, socket: Duplex) => end(socket, '501 Not Implemented'));
    server.on('clientError', (error: Error & { readonly code?: string }, socket: Duplex) => this.#malformed(error, socket as Socket));
  }

  /**
   * Listen.
   *
   * @throws {TransportError} `ERR_TRANSPORT_BIND`
   */
  async listen(scheme: string, address: string, port: number): Promise<AddressInfo> {
    try {
      this.#server.listen(port, address);
      await once(this.#server, 'listening');
    } catch (cause) {
      throw new TransportError('ERR_TRANSPORT_BIND', `cannot listen on ${scheme}://${address}:${port}: ${(cause as Error).message}`, { cause });
    }
    this.#ended = once(this.#server, 'close');
    return this.#server.address() as AddressInfo;
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  stats(): Readonly<Record<string, number>> {
    return { requests: this.#underWay.size, connections: this.#sockets.size };
  }

  drain(patience: number): Promise<boolean> {
    this.#draining ??= this.#drain(patience);
    return this.#draining;
  }

  close(patience = 0): Promise<void> {
    this.#closing ??= this.#close(patience);
    return this.#closing;
  }

  #connected(socket: Socket): void {
    // A socket that is closed knows its peer only if it was asked before.
    const { remoteAddress: address = 'unknown' } = socket;
    const network = networkOf(address);
    if (this.#byNetwork.of(network) >= withSurplus(this.#bounds.connectionsPerAddress)) {
      this.#observer.dropped?.(address, 'connections');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#byNetwork.add(network);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#byNetwork.remove(network);
    });
    this.#count(socket);
  }

  #count(socket: Socket): void {
    const { connections, connectionsPerAddress } = this.#bounds;
    const isSurplus = this.#sockets.size > connections || this.#byNetwork.of(networkOf(socket.remoteAddress ?? 'unknown')) > connectionsPerAddress;
    if (isSurplus) this.#surplus.add(socket);
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const { answered } = this.#observer;
    const since = answered === undefined ? 0 : performance.now();
    const underWay: UnderWay = { place: -1, socket, response };
    this.#underWay.add(underWay);
    response.on('close', () => {
      if (!this.#underWay.delete(underWay)) return;
      if (answered !== undefined) {
        const { method = '', url = '' } = request;
        const status = response.writableFinished ? response.statusCode : 0;
        answered({ method, path: url.replace(/[?#].*$/s, ''), status, milliseconds: performance.now() - since });
      }
      if (this.#underWay.size === 0) this.#idle?.();
    });
    const isSurplus = this.#surplus.has(socket);
    if (this.#draining === undefined && !isSurplus) {
      this.#handler(request, response);
      return;
    }
    this.#observer.dropped?.(socket.remoteAddress ?? 'unknown', isSurplus ? 'connections' : 'draining');
    response.writeHead(503, { 'retry-after': later, connection: 'close', 'cache-control': 'no-store', 'content-length': '0' }).end();
  }

  #malformed(error: Error & { readonly code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [reason, line] = malformed[error.code ?? ''] ?? (['malformed', '400 Bad Request'] as const);
    this.#observer.dropped?.(socket.remoteAddress ?? 'unknown', reason);
    // Whoever has got the beginning of an answer would take this for the rest of it.
    if (this.#underWay.some((one) => one.socket === socket && one.response.headersSent && !one.response.writableFinished)) socket.destroy();
    else end(socket, line);
  }

  async #drain(patience: number): Promise<boolean> {
    this.#server.close();
    this.#server.closeIdleConnections();
    for (const { response } of this.#underWay.all()) if (!response.headersSent) response.setHeader('connection', 'close');
    if (this.#underWay.size === 0) return true;
    const drained = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), patience);
      this.#idle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
    this.#server.closeIdleConnections();
    return drained;
  }

  async #close(patience: number): Promise<void> {
    await this.drain(patience);
    // Handshakes that go on, and requests without an end.
    for (const socket of this.#sockets) socket.destroy();
    await this.#ended;
  }
}

/** By the codes of Node. */
const malformed: Readonly<Record<string, readonly [DroppedReason, string]>> = {
  HPE_HEADER_OVERFLOW: ['head-size', '431 Request Header Fields Too Large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['head-size', '413 Content Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['timeout', '408 Request Timeout'],
};

function end(socket: Duplex, line: string): void {
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}
