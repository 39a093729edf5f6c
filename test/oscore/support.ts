import {
  type Handler,
  type Layer,
  Method,
  type Option,
  type Peer,
  type Reply,
  type Request,
  type Requester,
  type Response,
  type SecurityAssociation,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, utf8 } from '../../src/core/bytes.ts';
import type { Cancel, Env } from '../../src/core/env.ts';
import type { ProtocolError } from '../../src/core/errors.ts';
import {
  type ContextOptions,
  type ContextParameters,
  type ContextStore,
  ContextTable,
  deriveContext,
  type OscoreEvent,
  type OscoreOptions,
  oscore,
  type SecurityContext,
} from '../../src/oscore/index.ts';

export const peer: Peer = { key: 'udp 192.0.2.1:5683', address: '192.0.2.1', port: 5683 };

/** Time that stands still; chance that counts. */
export function fakeEnv(): Env {
  let counter = 0;
  return { now: () => 0, epoch: () => 0, random: (length) => new Uint8Array(length).fill(++counter), schedule: () => () => {} };
}

/** Counts in memory and answers in a microtask, or as told. */
export class FakeStore implements ContextStore {
  readonly counters: Map<string, number> = new Map();
  readonly reservations: { readonly key: string; readonly first: number; readonly count: number }[] = [];
  failing = false;
  /** Kept back while set; `release` lets them go. */
  held: (() => void)[] | undefined = undefined;

  reserve(key: string, count: number): Promise<number> {
    if (this.failing) return Promise.reject(new Error('disk full'));
    const first = this.counters.get(key) ?? 0;
    this.counters.set(key, first + count);
    this.reservations.push({ key, first, count });
    const { held } = this;
    return held === undefined ? Promise.resolve(first) : new Promise((resolve) => held.push(() => resolve(first)));
  }

  release(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const go of held) go();
  }
}

/** Every pending promise callback has run when it is fulfilled. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

export const parameters: ContextParameters = {
  masterSecret: fromHex('0102030405060708090a0b0c0d0e0f10'),
  masterSalt: fromHex('9e7ca92223786340'),
  senderId: fromHex('c1'),
  recipientId: fromHex('51'),
};

export function mirrored(of: ContextParameters): ContextParameters {
  return { ...of, senderId: of.recipientId, recipientId: of.senderId };
}

/** The context of a client and the mirror of it at the server. */
export function pair(of: Partial<ContextParameters> = {}, server: ContextOptions = {}): { client: SecurityContext; server: SecurityContext } {
  const all = { ...parameters, ...of };
  return { client: deriveContext(all), server: deriveContext(mirrored(all), server) };
}

/** One endpoint: a table, a store and the layer. */
export class Side {
  readonly contexts: ContextTable = new ContextTable();
  readonly events: OscoreEvent[] = [];
  readonly store: FakeStore;
  readonly layer: ReturnType<typeof oscore>;

  constructor(contexts: readonly SecurityContext[], store: FakeStore = new FakeStore(), options: Partial<OscoreOptions> = {}) {
    this.store = store;
    for (const context of contexts) this.contexts.add(context);
    this.layer = oscore({ contexts: this.contexts, store, env: fakeEnv(), emit: (event) => this.events.push(event), ...options });
  }

  /** The reasons of what was discarded. */
  get discarded(): string[] {
    return this.events.flatMap((event) => (event.type === 'discarded' ? [event.reason] : []));
  }
}

export interface Heard {
  readonly responses: { readonly response: Response; readonly last: boolean }[];
  readonly errors: ProtocolError[];
  cancel: Cancel;
}

/** Ask through a requester and write down what comes. */
export function ask(requester: Requester, request: Request): Heard {
  const heard: Heard = { responses: [], errors: [], cancel: () => {} };
  heard.cancel = requester(request, {
    response: (response, last) => heard.responses.push({ response, last }),
    error: (error) => heard.errors.push(error),
  });
  return heard;
}

export function request(association: SecurityAssociation | undefined, code: number = Method.GET, options: readonly Option[] = [], payload = ''): Request {
  return { code, options, payload: payload === '' ? emptyBytes : utf8(payload), peer, ...(association === undefined ? {} : { association }) };
}

/** A network that loses nothing: requests of a client go to the handler of a server in the same turn, unless a test keeps or changes them. */
export class Wire {
  readonly requests: Request[] = [];
  readonly responses: Response[] = [];
  changeRequest: (message: Request) => Request | undefined = (message) => message;
  changeResponse: (message: Response) => Response | undefined = (message) => message;
  /** How many exchanges were ended from above. */
  cancelled = 0;
  readonly requester: Requester;
  readonly #server: Handler;

  constructor(client: Layer, server: Layer, handler: Handler) {
    this.#server = server.inbound(handler);
    this.requester = client.outbound((message, listener) => {
      this.requests.push(message);
      let open = true;
      const deliver = (response: Response, last: boolean): void => {
        this.responses.push(response);
        const changed = this.changeResponse(response);
        if (!open || changed === undefined) return;
        if (last) open = false;
        listener.response({ ...changed, peer }, last);
      };
      const changed = this.changeRequest(message);
      if (changed !== undefined) this.#server(received(changed), { respond: (r) => deliver(r, true), notify: (r) => deliver(r, false), onCancel: () => {} });
      return () => {
        if (open) this.cancelled++;
        open = false;
      };
    });
  }

  /** Put a message before the server, past the client; returns what it answers at once. */
  inject(message: Request): Response[] {
    const answers: Response[] = [];
    this.#server(received(message), { respond: (r) => answers.push(r), notify: (r) => answers.push(r), onCancel: () => {} });
    return answers;
  }
}

/** As it comes from the network: nothing but bytes, in buffers of its own. */
function received(message: Request): Request {
  const options = message.options.map(({ number, value }) => ({ number, value: value.slice() }));
  return { code: message.code, options, payload: message.payload.slice(), peer };
}

/** A handler that answers 2.05 with the text, at once. */
export function answering(text: string, seen: Request[] = []): Handler {
  return (message: Request, reply: Reply) => {
    seen.push(message);
    reply.respond({ code: 69, options: [], payload: utf8(text) });
  };
}
