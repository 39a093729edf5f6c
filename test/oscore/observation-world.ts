import assert from 'node:assert/strict';
import { storedContexts } from '../../profiles/oscore/context-store.ts';
import {
  Code,
  Endpoint,
  type EndpointEvent,
  echo,
  type ObservationStore,
  pathOptions,
  type Response,
  Router,
  type SecurityAssociation,
} from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { ContextTable, deriveContext, type OscoreEvent, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { MortalStore } from '../flows/mortal-store.ts';
import type { Simulator } from '../support/simulator.ts';
import { mirrored, parameters } from './support.ts';

/** What a consumer of an observation noted: a value that it got, or one that it had processed and whose record was durable. */
export type Note = readonly ['got' | 'processed', string];

/**
 * A durable loop over an observation that writes down what it gets, and what is durable as processed; `work` is what it takes to process it.
 *
 * `alive` is asked after each wait: nothing that a killed process does is noted.
 */
export async function follow(
  notes: { push(note: Note): unknown },
  alive: () => boolean,
  work: () => Promise<void>,
  store: ObservationStore,
  start: (store: ObservationStore) => AsyncIterable<Pick<Response, 'code' | 'payload'>>,
): Promise<void> {
  let got: string | undefined;
  const noting: ObservationStore = {
    load: (name) => store.load(name),
    save: async (name, state) => {
      await store.save(name, state);
      if (alive() && got !== undefined) notes.push(['processed', got]);
    },
  };
  for await (const response of start(noting)) {
    if (!alive()) return;
    got = response.code === Code.Content ? fromUtf8(response.payload) : `code ${response.code}`;
    notes.push(['got', got]);
    await work();
  }
}

/** No value comes twice but one that was not processed when its process ended, and none is older than one before. Values are numbers that grow. */
export function checkNotes(notes: readonly Note[]): { readonly got: number; readonly again: number } {
  let last = -1;
  let processed = -1;
  let got = 0;
  let again = 0;
  for (const [what, text] of notes) {
    const value = Number(text);
    if (what === 'processed') {
      assert.equal(value, last);
      processed = value;
      continue;
    }
    assert.ok(value >= last, `${text} is older than ${last}`);
    assert.ok(value > processed, `${value} was processed before`);
    if (value === last) again++;
    last = value;
    got++;
  }
  return { got, again };
}

/** A process of the simulation: nothing that it does after its end reaches the network or its store. */
interface Life {
  readonly endpoint: Endpoint;
  readonly store: MortalStore;
  readonly kill: () => Promise<void>;
  alive: boolean;
}

/** A client that observes a resource over OSCORE, and its server, with stores that outlive both. */
export class ObservationWorld {
  readonly simulator: Simulator;
  readonly stores: { readonly client: Store; readonly server: Store } = { client: memoryStore(), server: memoryStore() };
  readonly notes: Note[] = [];
  readonly discarded: string[] = [];
  readonly events: EndpointEvent[] = [];
  /** All contexts of clients, for the audit. */
  readonly contexts: SecurityContext[] = [];
  /** What ended the loop of the client that is running. */
  outcome: unknown = undefined;
  value = 0;
  changed: () => void = () => {};
  client: Life | undefined;
  server: Life | undefined;
  #runs = 0;
  #serverRuns = 0;

  constructor(simulator: Simulator) {
    this.simulator = simulator;
  }

  startServer(): void {
    const { simulator } = this;
    const env = simulator.env(`server ${this.#runs++}`);
    const contexts = new ContextTable();
    contexts.add(deriveContext(mirrored(parameters), { window: this.#serverRuns++ === 0 ? 'fresh' : 'unverified' }));
    const store = new MortalStore(this.stores.server);
    const router = new Router();
    const handle = router.resource('/count', { observable: true, get: () => `${this.value}` });
    this.changed = () => handle.changed();
    const transport = simulator.transport('10.0.0.1', 5683);
    const layers = [oscore({ contexts, store: storedContexts(store), env })];
    const endpoint = new Endpoint({ transport, env, handler: router.handler, layers });
    this.server = {
      endpoint,
      store,
      alive: true,
      kill: async () => {
        store.kill();
        await transport.close();
      },
    };
  }

  /** Start a client; `name` decides its randomness, and so its tokens. */
  startClient(port: number, name = `client ${this.#runs++}`): void {
    const { simulator } = this;
    const env = simulator.env(name);
    const contexts = new ContextTable();
    const context = deriveContext(parameters, { window: 'unverified' });
    contexts.add(context);
    this.contexts.push(context);
    const store = new MortalStore(this.stores.client);
    const transport = simulator.transport('10.0.0.2', port);
    const emit = (event: OscoreEvent): void => {
      if (event.type === 'discarded') this.discarded.push(event.reason);
    };
    const layers = [echo({}, env), oscore({ contexts, store: storedContexts(store), env, emit })];
    const endpoint = new Endpoint({ transport, env, layers, emit: (event) => this.events.push(event) });
    const life: Life = {
      endpoint,
      store,
      alive: true,
      kill: async () => {
        store.kill();
        await transport.close();
      },
    };
    this.client = life;
    this.outcome = undefined;
    this.#follow(life, context).then(
      () => {
        if (life.alive) this.outcome = 'ended';
      },
      (error: unknown) => {
        if (life.alive) this.outcome = error;
      },
    );
  }

  async #follow(life: Life, association: SecurityAssociation): Promise<void> {
    const { endpoint, store } = life;
    const observations: ObservationStore = { load: (name) => store.get(`observation/${name}`), save: (name, state) => store.put(`observation/${name}`, state) };
    const peer = await endpoint.resolve('10.0.0.1', 5683);
    await follow(
      this.notes,
      () => life.alive,
      () => this.#work(),
      observations,
      (durable) => endpoint.observe({ peer, options: pathOptions(['count']), association }, { durable: { name: 'count', store: durable } }),
    );
  }

  /** Milliseconds that it takes the client to process a value. */
  effort = 0;

  #work(): Promise<void> {
    const { effort } = this;
    return effort === 0 ? Promise.resolve() : new Promise((resolve) => this.simulator.env().schedule(effort, resolve));
  }

  async kill(role: 'client' | 'server'): Promise<void> {
    const life = this[role];
    if (life === undefined) return;
    life.alive = false;
    this[role] = undefined;
    await life.kill();
  }

  /** Let the state of the resource be the next. */
  next(): void {
    this.value++;
    this.changed();
  }

  /** Let the clock run until the loop got the value of now. */
  async caughtUp(limit = 3_000_000): Promise<void> {
    const wanted = `${this.value}`;
    await this.simulator.run(() => this.notes.findLast(([what]) => what === 'got')?.[1] === wanted, limit);
  }
}
