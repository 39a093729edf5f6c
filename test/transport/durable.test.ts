import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { EndpointEvent, ObservationStore } from '../../src/coap/index.ts';
import { type Env, systemEnv } from '../../src/core/env.ts';
import { lmdbStore, type Store } from '../../src/store/index.ts';
import { CoapClient, observe, type Server, serve } from '../../src/transport/index.ts';
import { until } from '../support/wait.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-durable-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The port on a store; `saved` tells of each state that is durable. */
function observationsIn(store: Store, saved: () => void = () => {}): ObservationStore {
  return { load: (name) => store.get(`observation/${name}`), save: (name, state) => store.put(`observation/${name}`, state).then(saved) };
}

/** A server of one value. */
class Thermometer {
  value = '21';
  server!: Server;

  async start(listen: string): Promise<this> {
    this.server = await serve({ listen, resources: { '/temperature': { get: () => this.value, observable: true } } });
    return this;
  }

  set(value: string): void {
    this.value = value;
    this.server.changed('/temperature');
  }

  get url(): string {
    return `${this.server.url}/temperature`;
  }
}

async function follow(client: CoapClient, uri: string, got: string[], durable = 'temperature'): Promise<void> {
  for await (const response of observe(uri, { client, durable })) got.push(response.text());
}

const quiet = (): void => {};

test('durable: on LMDB, the next client goes on with what is new', async () => {
  const thermometer = await new Thermometer().start('coap://127.0.0.1:0');
  const got: string[] = [];
  for (const next of ['22', '23', '24']) {
    const store = lmdbStore(join(folder, 'next'));
    let processed: string | undefined;
    const saved = (): void => {
      processed = got.at(-1);
    };
    const client = new CoapClient({ observations: observationsIn(store, saved) });
    const done = follow(client, thermometer.url, got);
    done.catch(quiet);
    if (next === '22') await until(() => got.length === 1);
    await until(() => client.stats()['endpoint.requests'] === 1);
    thermometer.set(next);
    await until(() => processed === next);
    await client.close();
    await assert.rejects(done, { code: 'ERR_COAP_CLOSED' });
    await store.close();
  }
  assert.deepEqual(got, ['21', '22', '23', '24']);
  await thermometer.server.close();
});

test('RFC 8323 7.4: durable: over TCP it outlives its connection', async () => {
  const thermometer = await new Thermometer().start('coap+tcp://127.0.0.1:0');
  const { url } = thermometer;
  const store = lmdbStore(join(folder, 'tcp'));
  const events: EndpointEvent[] = [];
  // Pauses take a fiftieth of their time.
  const env: Env = { ...systemEnv, schedule: (delay, task) => systemEnv.schedule(delay / 50, task) };
  const client = new CoapClient({ observations: observationsIn(store), env, emit: (event) => events.push(event) });
  const got: string[] = [];
  const done = follow(client, url, got);
  done.catch(quiet);
  await until(() => got.length === 1);
  await thermometer.server.close({ drain: 0 });
  await until(() => events.some((event) => event.type === 'observation'));
  thermometer.value = '30';
  await thermometer.start(url.slice(0, url.lastIndexOf('/')));
  await until(() => got.length === 2, 30);
  thermometer.set('31');
  await until(() => got.length === 3);
  assert.deepEqual(got, ['21', '30', '31']);
  await client.close();
  await assert.rejects(done, { code: 'ERR_COAP_CLOSED' });
  await thermometer.server.close();
  await store.close();
});

test('durable: without a place for it, it is refused', async () => {
  const client = new CoapClient();
  await assert.rejects(follow(client, 'coap://127.0.0.1/x', []), { code: 'ERR_TRANSPORT_OPTION' });
  await client.close();
});
