import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { storedContexts } from '../../profiles/oscore/context-store.ts';
import { Code, Endpoint, echo, type Layer, Method, pathOptions, type Request, Router } from '../../src/coap/index.ts';
import { type Env, systemEnv } from '../../src/core/env.ts';
import { type ContextStore, ContextTable, deriveContext, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { lmdbStore, type Store } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { Simulator } from '../support/simulator.ts';
import { until } from '../support/wait.ts';
import { FakeStore, mirrored, parameters } from './support.ts';

function layerOf(context: SecurityContext, store: ContextStore, env: Env): Layer {
  const contexts = new ContextTable();
  contexts.add(context);
  return oscore({ contexts, store, env });
}

/** A client on the simulator, and a server that can be killed and started again. */
class Pair {
  readonly simulator: Simulator = new Simulator();
  readonly #association = deriveContext(parameters);
  readonly #store = new FakeStore();
  readonly #router = new Router();
  readonly #client: Endpoint;
  carriedOut = 0;
  kill: () => Promise<void> = async () => {};
  #starts = 0;

  constructor() {
    const count = (): undefined => {
      this.carriedOut++;
    };
    this.#router.resource('/count', { post: count, put: count });
    this.start();
    const env = this.simulator.env('client');
    const layers = [echo({}, env), layerOf(this.#association, new FakeStore(), env)];
    this.#client = new Endpoint({ transport: this.simulator.transport('10.0.0.2', 5683), env, layers });
  }

  start(): void {
    const transport = this.simulator.transport('10.0.0.1', 5683);
    const env = this.simulator.env(`server ${this.#starts}`);
    const context = deriveContext(mirrored(parameters), { window: this.#starts++ === 0 ? 'fresh' : 'unverified' });
    new Endpoint({ transport, env, handler: this.#router.handler, layers: [layerOf(context, this.#store, env)] });
    this.kill = () => transport.close();
  }

  async ask(fields: Pick<Request, 'code' | 'idempotent'>): Promise<number> {
    const peer = await this.#client.resolve('10.0.0.1', 5683);
    return (await this.#client.request({ ...fields, options: pathOptions(['count']), peer, association: this.#association })).code;
  }

  /** The server carries the request out, and is killed before its answer arrives anywhere. */
  async askBeforeTheCrash(fields: Pick<Request, 'code' | 'idempotent'>): Promise<number> {
    const { simulator } = this;
    simulator.filter = ({ from }) => from !== '10.0.0.1:5683';
    const code = this.ask(fields);
    await simulator.sleep(1000);
    assert.equal(this.carriedOut, 1);
    await this.kill();
    simulator.filter = undefined;
    this.start();
    return simulator.finish(code);
  }
}

test('RFC 8613 B.1.2: a POST that may have been carried out before the crash is not carried out again', async () => {
  const pair = new Pair();
  assert.equal(await pair.askBeforeTheCrash({ code: Method.POST }), Code.Unauthorized);
  assert.equal(pair.carriedOut, 1);
  // It takes the Echo along, and restores the window.
  assert.equal(await pair.simulator.finish(pair.ask({ code: Method.POST })), Code.Changed);
  assert.equal(pair.carriedOut, 2);
});

for (const fields of [{ code: Method.PUT }, { code: Method.POST, idempotent: true }]) {
  test(`RFC 8613 B.1.2, RFC 9175 2.3: what is idempotent is repeated with the Echo: ${JSON.stringify(fields)}`, async () => {
    const pair = new Pair();
    assert.equal(await pair.askBeforeTheCrash(fields), Code.Changed);
  });
}

test('RFC 8613 B.1.2, RFC 9175 2.3: a POST that went out once, after the crash, is repeated with the Echo', async () => {
  const pair = new Pair();
  await pair.kill();
  pair.start();
  assert.equal(await pair.simulator.finish(pair.ask({ code: Method.POST })), Code.Changed);
  assert.equal(pair.carriedOut, 1);
});

/** The store, and how many changes were asked of it: each is a commit of its own at least, and so an fsync. */
function counting(store: Store): { readonly store: Store; readonly changes: Record<string, number> } {
  const changes: Record<string, number> = {};
  const counted = ['increment', 'put', 'delete', 'compareAndSet'];
  const proxy = new Proxy(store, {
    get: (target, name: keyof Store) => {
      const method = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        if (counted.includes(name)) changes[name] = (changes[name] ?? 0) + 1;
        return method.apply(target, args);
      };
    },
  });
  return { store: proxy, changes };
}

test('RFC 8613 B.1.1: one durable reservation for each block of 64 numbers, never one for each message, on LMDB', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-block-'));
  const stores = { client: counting(lmdbStore(join(folder, 'client'))), server: counting(lmdbStore(join(folder, 'server'))) };
  const association = deriveContext(parameters);
  const router = new Router();
  let value = 0;
  const count = router.resource('/count', { observable: true, get: () => `${value}` });
  const layers = [layerOf(deriveContext(mirrored(parameters)), storedContexts(stores.server.store), systemEnv)];
  const server = new Endpoint({ transport: await udp(), handler: router.handler, layers });
  const client = new Endpoint({ transport: await udp(), layers: [layerOf(association, storedContexts(stores.client.store), systemEnv)] });
  const target = { options: pathOptions(['count']), peer: await client.resolve('127.0.0.1', server.local.port), association };
  const messages = 1000;
  for (let i = 0; i < messages; i++) assert.equal((await client.request(target)).code, Code.Content);
  // The nonce of a request serves its first response, so that the server has reserved nothing yet.
  assert.deepEqual(stores.server.changes, {});
  // The next block is asked for when half of one is used.
  assert.deepEqual(stores.client.changes, { increment: Math.ceil((messages + 32) / 64) });
  const stream = client.observe(target);
  await stream.next();
  for (value = 1; value <= messages; value++) {
    count.changed();
    await stream.next();
  }
  assert.deepEqual(stores.server.changes, { increment: Math.ceil((messages + 32) / 64) });
  await stream.return?.();
  await until(() => client.stats()['requests'] === 0);
  await client.close();
  await server.close();
  await stores.client.store.close();
  await stores.server.store.close();
  rmSync(folder, { recursive: true, force: true });
});
