import type { TestContext } from 'node:test';
import { toHex } from '../../src/core/bytes.ts';
import type { ContextParameters } from '../../src/oscore/index.ts';
import { type Failed, heard, type Order, type Told } from './oscore-peers.ts';
import { Background, type Lifetime } from './processes.ts';
import { classPath } from './tools.ts';

/** What of a context is not as RFC 8613, Section 3.2, derives it, and what Californium lets an application choose besides. */
export interface ContextChange {
  readonly senderKey?: Uint8Array;
  readonly recipientKey?: Uint8Array;
  /** A server's responses have a Partial IV of their own. */
  readonly partialIvInResponses?: true;
  /** A phase of Californium's ContextRederivation; each lets the context take part in it. */
  readonly rederivation?: 'INACTIVE' | 'CLIENT_INITIATE' | 'SERVER_INITIATE';
}

export interface EndpointOptions {
  readonly transport?: 'tcp';
  readonly blockSize?: number;
  /** Of a server; 0, or none, is any that is free. */
  readonly port?: number;
  readonly change?: ContextChange;
  readonly dtls?: CaliforniumDtls;
}

/** How Scandium shakes hands. */
export interface CaliforniumDtls {
  readonly suite: string;
  readonly psk?: { readonly identity: string; readonly key: string };
  /** In place of it: the SubjectPublicKeyInfo of the only key that is taken, in hexadecimal digits. */
  readonly trusts?: string;
  readonly connectionIdLength?: number;
}

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : toHex(bytes);
}

function contextOrder(of: ContextParameters, { senderKey, recipientKey, ...more }: ContextChange, uri?: string): object {
  return {
    masterSecret: toHex(of.masterSecret),
    masterSalt: hex(of.masterSalt),
    senderId: toHex(of.senderId),
    recipientId: toHex(of.recipientId),
    idContext: hex(of.idContext),
    aead: of.aead ?? 10,
    hkdf: of.hkdf ?? 5,
    senderKey: hex(senderKey),
    recipientKey: hex(recipientKey),
    ...more,
    uri,
  };
}

/** One Java process with as many Californium endpoints as are wanted: its start takes longer than a case. */
export class Californium {
  readonly #process: Background;
  readonly #servers = new Map<number, number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(lifetime: Lifetime) {
    this.#process = new Background(lifetime, 'java', ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'Peer']);
  }

  /** Orders are answered one after the other. */
  tell<T>(order: object): Promise<T> {
    const answered = this.#turn.then(async () => {
      this.#process.write(JSON.stringify(order));
      const answer = JSON.parse(await this.#process.line(30_000)) as T & Failed;
      if (answer.error !== undefined) throw new Error(`Californium: ${answer.error}: ${answer.detail}`);
      return answer;
    });
    this.#turn = answered.catch(() => undefined);
    return answered;
  }

  /** A server, until the test ends; without a context it knows nothing of OSCORE. Its port. */
  async serve(t: TestContext, of?: ContextParameters, { change = {}, ...options }: EndpointOptions = {}): Promise<number> {
    const contexts = of === undefined ? undefined : [contextOrder(of, change)];
    const { id, port } = await this.tell<{ readonly id: number; readonly port: number }>({ do: 'serve', ...options, contexts });
    this.#servers.set(port, id);
    t.after(() => this.tell({ do: 'close', id }));
    return port;
  }

  /** The server at this port is gone, and its contexts with it. */
  async stop(port: number): Promise<void> {
    await this.tell({ do: 'close', id: this.#servers.get(port) });
  }

  /** A client, until the test ends; with a context everything that it sends to `uri` is protected. */
  async connect(t: TestContext, uri: string, of?: ContextParameters, { change = {}, ...options }: EndpointOptions = {}): Promise<CaliforniumClient> {
    const contexts = of === undefined ? undefined : [contextOrder(of, change, uri)];
    const { id } = await this.tell<{ readonly id: number }>({ do: 'connect', ...options, contexts });
    t.after(() => this.tell({ do: 'close', id }));
    return new CaliforniumClient(this, id, uri);
  }
}

type Heard = Told & { readonly text: string };

export class CaliforniumClient {
  readonly #peer: Californium;
  readonly #id: number;
  readonly #uri: string;

  constructor(peer: Californium, id: number, uri: string) {
    this.#peer = peer;
    this.#id = id;
    this.#uri = uri;
  }

  /** The response, or undefined if Californium shows none within `limit` milliseconds. */
  async ask({ path, ...order }: Omit<Order, 'uri'> & { readonly path: string; readonly nonConfirmable?: true }, limit = 10_000): Promise<Heard | undefined> {
    const told = await this.#peer.tell<Told | { readonly code: null }>({ do: 'ask', id: this.#id, uri: this.#uri + path, limit, ...order });
    return told.code === null ? undefined : heard(told);
  }

  /** The answer to a registration and notifications, until there are `count` of them, or one ends it, or there is none for `limit` milliseconds. */
  async observe(path: string, count: number, limit = 10_000): Promise<{ readonly responses: readonly Heard[]; readonly cancelled?: Heard }> {
    const told = await this.#peer.tell<{ readonly responses: readonly Told[]; readonly cancelled?: Told }>({
      do: 'observe',
      id: this.#id,
      uri: this.#uri + path,
      count,
      limit,
    });
    const { cancelled } = told;
    return { responses: told.responses.map(heard), ...(cancelled === undefined ? {} : { cancelled: heard(cancelled) }) };
  }

  /** The next request begins with a handshake that resumes the session. */
  async resume(): Promise<void> {
    await this.#peer.tell({ do: 'resume', id: this.#id });
  }

  /** Let it go on from this sender sequence number. */
  async rewind(to: number): Promise<void> {
    await this.#peer.tell({ do: 'rewind', id: this.#id, to });
  }
}
