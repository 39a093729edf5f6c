import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { encodeTokenRequest, type TokenRequest } from '../../../src/ace/index.ts';
import type { ClientRegistration } from '../../../src/as/index.ts';
import { ContentFormat, Endpoint, echo, Method, OptionNumber, pathOptions, type Response, uintOption } from '../../../src/coap/index.ts';
import { systemEnv } from '../../../src/core/env.ts';
import { ContextTable, deriveContext, oscore, type SecurityContext } from '../../../src/oscore/index.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { udp } from '../../../src/transport/index.ts';
import { freePort } from '../../support/ports.ts';
import { Relay, type RelayedDatagram } from '../../support/relay.ts';

interface Answer {
  readonly id: number;
  readonly error?: string;
}

/** An AS in a process of its own, behind a relay that keeps what went to and fro. */
export class AsProcess {
  readonly name: string;
  readonly port: number;
  readonly #place: string;
  readonly #lease: number | undefined;
  readonly #relay: Relay;
  #child: ChildProcess | undefined;
  #acts = 0;
  /** Tokens that it gave. */
  issued = 0;

  private constructor(name: string, place: string, lease: number | undefined, port: number, relay: Relay) {
    this.name = name;
    this.#place = place;
    this.#lease = lease;
    this.port = port;
    this.#relay = relay;
  }

  /** @param place - of its store: a folder, or the URL of a PostgreSQL database */
  static async start(name: string, place: string, lease?: number): Promise<AsProcess> {
    const port = await freePort();
    const server = new AsProcess(name, place, lease, port, await Relay.open(name, port));
    await server.start();
    return server;
  }

  /** Where clients send to. */
  get door(): number {
    return this.#relay.port;
  }

  get wire(): readonly RelayedDatagram[] {
    return this.#relay.wire;
  }

  async start(): Promise<void> {
    const args = [this.#place, String(this.port), ...(this.#lease === undefined ? [] : [String(this.#lease)])];
    const child = fork(new URL('server.js', import.meta.url), args, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.on('message', (message) => {
      if (message === 'issued') this.issued++;
    });
    this.#child = child;
    const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (message !== 'ready') throw new Error(`the process ended before it was ready: ${message}`);
  }

  async addClient(add: ClientRegistration): Promise<void> {
    await this.#act({ add });
  }

  async removeClient(remove: string): Promise<void> {
    await this.#act({ remove });
  }

  /** SIGSTOP and SIGCONT: time goes on, and the process does not notice. */
  pause(): void {
    this.#child!.kill('SIGSTOP');
  }

  resume(): void {
    this.#child!.kill('SIGCONT');
  }

  async close(): Promise<void> {
    const child = this.#child!;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    this.#relay.close();
  }

  async #act(act: object): Promise<void> {
    const id = ++this.#acts;
    const child = this.#child!;
    const answered = new Promise<Answer>((resolve) => {
      const hear = (message: unknown): void => {
        if ((message as Answer).id !== id) return;
        child.off('message', hear);
        resolve(message as Answer);
      };
      child.on('message', hear);
    });
    child.send({ id, ...act });
    const { error } = await answered;
    if (error !== undefined) throw new Error(error);
  }
}

/** A client or an RS with its half of the security context that it shares with the AS, which any of the processes may serve. */
export class Party {
  readonly context: SecurityContext;
  readonly #endpoint: Endpoint;

  private constructor(context: SecurityContext, endpoint: Endpoint) {
    this.context = context;
    this.#endpoint = endpoint;
  }

  /** @param credentials - as the AS has them */
  static async open(credentials: unknown): Promise<Party> {
    const { masterSecret, senderId, recipientId } = credentials as Record<string, Uint8Array>;
    const context = deriveContext({ masterSecret: masterSecret!, senderId: recipientId!, recipientId: senderId! });
    const contexts = new ContextTable();
    contexts.add(context);
    const numbers = memoryStore();
    const layer = oscore({ contexts, store: { reserve: (id, count) => numbers.increment(id, count) }, env: systemEnv });
    return new Party(context, new Endpoint({ transport: await udp(), layers: [echo({}, systemEnv), layer] }));
  }

  token(server: AsProcess, request: TokenRequest): Promise<Response> {
    return this.#post(server, 'token', encodeTokenRequest(request));
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }

  async #post(server: AsProcess, path: string, payload: Uint8Array): Promise<Response> {
    const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
    const peer = await this.#endpoint.resolve('127.0.0.1', server.door);
    return this.#endpoint.request({ code: Method.POST, peer, options, payload, association: this.context }, { timeout: 30_000 });
  }
}
