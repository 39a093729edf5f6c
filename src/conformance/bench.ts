import {
  type DatagramTransport,
  type Message,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  parseUri,
  pathOptions,
  queryOptions,
  sortOptions,
  uintOption,
} from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { tcp } from '../transport/index.ts';
import { DatagramLine } from './datagram-line.ts';
import { ConformanceError } from './errors.ts';
import { defaultPatience, type Patience } from './patience.ts';
import { Sources } from './sources.ts';
import { StreamLine } from './stream-line.ts';
import type { Target } from './target.ts';
import { type Exchanged, Transcript } from './transcript.ts';

/** Reaches loopback only. */
export const defaultSource = '127.0.0.1';

/** How a case is run. */
export interface BenchOptions {
  readonly patience?: Partial<Patience>;
  /** The numeric address to send from. Default `127.0.0.1`, which reaches loopback only. */
  readonly source?: string;
  /** Shared by the benches of one run, which send from `source`. Default: of this bench only. */
  readonly sources?: Sources;
  readonly env?: Env;
}

/** What of a request is not the usual. */
export interface RequestInit {
  /** Default GET. */
  readonly code?: number;
  /** Default CON. */
  readonly type?: MessageType;
  readonly id?: number;
  /** Default: 4 fresh bytes. */
  readonly token?: Uint8Array;
  /** Beside those of the path. */
  readonly options?: readonly Option[];
  readonly contentFormat?: number;
  readonly payload?: Uint8Array;
}

/** What one case works with: sockets of its own, fresh message ids and tokens, and a record of all that went over the network. */
export class Bench {
  readonly target: Target;
  readonly env: Env;
  readonly patience: Patience;
  readonly transcript: Transcript;
  /** The numeric address that it sends from. */
  readonly source: string;
  readonly #sources: Sources;
  readonly #open: { close(): Promise<void> }[] = [];
  #nextId: number;

  constructor(target: Target, options: BenchOptions = {}) {
    const { patience = {}, source = defaultSource, sources = new Sources(source), env = systemEnv } = options;
    this.target = target;
    this.env = env;
    this.patience = { ...defaultPatience, ...patience };
    this.transcript = new Transcript(() => env.now());
    this.source = source;
    this.#sources = sources;
    const [high, low] = env.random(2);
    this.#nextId = (high! << 8) | low!;
  }

  /** A path that can be asked for; where nobody has named one, what every server should have. */
  get somePath(): string {
    return this.target.resources?.get ?? '/.well-known/core';
  }

  /** What went over the wire so far, as a report shows it. */
  get exchanged(): readonly Exchanged[] {
    return this.transcript.entries;
  }

  /** Fresh for each call. */
  messageId(): number {
    this.#nextId = (this.#nextId + 1) & 0xffff;
    return this.#nextId;
  }

  /** Fresh bytes. */
  token(length = 4): Uint8Array {
    return this.env.random(length);
  }

  /** Wait, by the clock of the bench. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.env.schedule(milliseconds, resolve));
  }

  /** A request for a path with its query, as `/sensors?n=1`. */
  request(path: string, init: RequestInit = {}): Message {
    const { code = Method.GET, type = MessageType.CON, id = this.messageId(), token = this.token(), options = [], contentFormat, payload = emptyBytes } = init;
    const uri = parseUri(`coap://target${path}`);
    const format = contentFormat === undefined ? [] : [uintOption(OptionNumber.ContentFormat, contentFormat)];
    return { type, code, id, token, options: sortOptions([...pathOptions(uri.path), ...queryOptions(uri.query), ...format, ...options]), payload };
  }

  /** A fresh socket for UDP, from a port that the run has not used yet. The caller closes it, or what stands on it. */
  socket(): Promise<DatagramTransport> {
    return this.#sources.open();
  }

  /** A fresh socket towards the target's address over UDP, or towards another one. @param socket - in place of a fresh one */
  async udp(uri: string | undefined = this.target.coap, kind: 'udp' | 'dtls' = 'udp', socket?: DatagramTransport): Promise<DatagramLine> {
    if (uri === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected an address over UDP, got none');
    const transport = await this.keep(socket ?? (await this.socket()));
    const { host, port } = parseUri(uri);
    const { env, patience, transcript } = this;
    return new DatagramLine(transport, await transport.resolve(host, port), { env, patience, transcript, messageId: () => this.messageId() }, kind);
  }

  /** A fresh socket towards the target's address over DTLS, for whatever datagrams. */
  dtlsSocket(): Promise<DatagramLine> {
    const { coaps } = this.target;
    if (coaps === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected an address over DTLS, got none');
    return this.udp(coaps, 'dtls');
  }

  /** A fresh connection to the target's address over TCP. @throws {Nonconformity} it takes none */
  async tcp(): Promise<StreamLine> {
    const { tcp: uri } = this.target;
    if (uri === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected an address over TCP, got none');
    const transport = await this.keep(await tcp({ address: this.source }));
    const { host, port } = parseUri(uri);
    const line = new StreamLine(this);
    await line.connect(transport, await transport.resolve(host, port));
    return line;
  }

  /** Have something closed when the case is over. */
  async keep<T extends { close(): Promise<void> }>(what: T): Promise<T> {
    this.#open.push(what);
    return what;
  }

  /** When the case is over. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#open.splice(0).map((what) => what.close()));
  }
}
