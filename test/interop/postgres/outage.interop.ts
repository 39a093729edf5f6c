import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import pg from 'pg';
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { postgresStore, type Store, StoreError } from '../../../src/store/index.ts';
import { scale } from '../../support/scale.ts';
import { pause } from '../../support/wait.ts';
import { within } from '../processes.ts';
import { type PostgresServer, startPostgres } from './server.ts';

const outage = scale === 'full' ? 60_000 : 5_000;

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

async function failure(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StoreError, inspect(error));
    return error;
  }
  return assert.fail('it was done');
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(text);
  await client.end();
}

/** Counts and writes without a pause, and remembers what was answered. */
class Worker {
  readonly numbers: number[] = [];
  readonly written: string[] = [];
  readonly codes = new Set<string>();
  #over = false;
  readonly #running: Promise<void>[];

  constructor(store: Store) {
    this.#running = Array.from({ length: 8 }, async (_, lane) => {
      for (let i = 0; !this.#over; i++) {
        const key = `${lane}/${i}`;
        try {
          this.numbers.push(await store.increment('n', 1));
          const changes = [
            { key: `a/${key}`, value: utf8(key), expected: null },
            { key: `b/${key}`, value: utf8(key) },
          ];
          assert.equal(await store.batch(changes), true);
          this.written.push(key);
        } catch (error) {
          assert.ok(error instanceof StoreError, inspect(error));
          this.codes.add(error.code);
          await pause(20);
        }
      }
    });
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }
}

async function nothingLost(store: Store, worker: Worker): Promise<void> {
  assert.equal(new Set(worker.numbers).size, worker.numbers.length, 'a number was given twice');
  assert.ok((await store.increment('n', 1)) >= worker.numbers.length);
  const found = new Map<string, string>();
  for await (const [key, value] of store.scan('')) if (key !== 'n') found.set(key, fromUtf8(value));
  for (const key of worker.written) for (const half of ['a', 'b']) assert.equal(found.get(`${half}/${key}`), key);
  for (const key of found.keys()) assert.ok(found.has(key.startsWith('a') ? key.replace('a', 'b') : key.replace('b', 'a')), `half a batch: ${key}`);
}

describe('postgresStore: faults', () => {
  /** What was under way and what is asked for meanwhile fails with ERR_STORE_IO; service resumes by itself; nothing that was answered is lost or given twice. */
  it(`fault: PostgreSQL crashes, is gone for ${outage / 1000} s and comes back`, async () => {
    const store = await postgresStore(server.database(), { timeout: 5 });
    const worker = new Worker(store);
    await pause(500);
    await server.stop('immediate');
    const before = worker.written.length;
    assert.ok(before > 0);
    await pause(100);
    const error = await failure(store.get('n'));
    assert.equal(error.code, 'ERR_STORE_IO');
    assert.match(error.message, /^cannot read the store postgres:\/\/127\.0\.0\.1:\d+\/test\d+: .*(ECONNREFUSED|terminat)/);
    await pause(outage);
    const during = worker.written.length;
    assert.ok(during <= before + 8, 'written while there was no server');
    await server.start();
    await pause(1_000);
    await worker.stop();
    assert.ok(worker.written.length > during, 'service did not resume');
    assert.deepEqual([...worker.codes], ['ERR_STORE_IO']);
    await nothingLost(store, worker);
    await store.close();
  });

  /** The server answers nothing and closes nothing: the time-out of the client ends what is under way, and the outcome is unknown; later it goes on. */
  it('fault: PostgreSQL stands still and goes on', async () => {
    const store = await postgresStore(server.database(), { timeout: 1 });
    const worker = new Worker(store);
    await pause(300);
    server.pause();
    try {
      const error = await within(10_000, 'the end of a request', failure(store.put('stuck', utf8('x'))));
      assert.equal(error.code, 'ERR_STORE_IO');
    } finally {
      server.resume();
    }
    await pause(500);
    await store.put('goes on', utf8('x'));
    await worker.stop();
    await store.delete('goes on');
    await store.delete('stuck');
    await nothingLost(store, worker);
    await store.close();
  });

  /** The database ends the transaction of a process that stands still with a lock, after the time-out; the others have waited or failed, and go on. */
  it('fault: another process holds an entry locked', async () => {
    const url = server.database();
    const store = await postgresStore(url, { timeout: 1 });
    await store.put('held', utf8('1'));
    const other = new pg.Client(url);
    await other.connect();
    await other.query('begin');
    await other.query("select * from ace_coap_store where key = 'held' for update");
    assert.deepEqual(await store.get('held'), utf8('1'));
    assert.equal((await failure(store.increment('held', 1))).code, 'ERR_STORE_IO');
    await store.put('free', utf8('1'));
    await other.end();
    assert.equal(await store.compareAndSet('held', utf8('1'), utf8('2')), true);
    await store.close();
  });

  /** An operation that gets no connection within the time-out fails; the scans that hold them go on. */
  it('scans that nobody ends leave room for reading and writing', async () => {
    const store = await postgresStore(server.database(), { timeout: 1, connections: 6 });
    for (let at = 0; at < 3_000; at += 1_000) await store.batch(Array.from({ length: 1_000 }, (_, i) => ({ key: `k/${at + i}`, value: utf8('x') })));
    const scans = [0, 1, 2].map(() => store.scan('k/')[Symbol.asyncIterator]());
    for (const scan of scans) assert.equal((await scan.next()).done, false);
    await store.put('other', utf8('y'));
    assert.deepEqual(await store.get('other'), utf8('y'));
    for (const scan of scans) await scan.return!();
    let entries = 0;
    for await (const _ of store.scan('k/')) entries++;
    assert.equal(entries, 3_000);
    await store.close();
  });
});

describe('postgresStore: what it refuses', () => {
  it('a store of a later version, and a table of another program', async () => {
    const later = server.database();
    await (await postgresStore(later)).close();
    await query(later, "update ace_coap_store set value = 'ace-coap store 2' where key = ''");
    const version = await failure(postgresStore(later));
    assert.equal(version.code, 'ERR_STORE_FORMAT');
    assert.match(version.message, /expected store version 1, got 2/);
    const foreign = server.database();
    await query(foreign, 'create table ace_coap_store (key bytea, value bytea, expires_at double precision)');
    assert.equal((await failure(postgresStore(foreign))).code, 'ERR_STORE_FORMAT');
    const other = server.database();
    await query(other, 'create table ace_coap_store (what integer)');
    assert.equal((await failure(postgresStore(other))).code, 'ERR_STORE_OPEN');
  });

  it('a server that is not there, a wrong password, and what is no URL: no error has the password', async () => {
    const secret = 's3cret-of-nobody';
    const wrong = new URL(server.url);
    wrong.password = secret;
    const gone = `postgres://ace:${secret}@127.0.0.1:1/ace?sslpassword=${secret}`;
    for (const [url, reason] of [
      [wrong.href, /password authentication failed/],
      [gone, /ECONNREFUSED/],
      [`postgres//ace:${secret}@127.0.0.1/ace`, /expected a URL/],
    ] as const) {
      const error = await failure(postgresStore(url, { timeout: 2 }));
      assert.equal(error.code, 'ERR_STORE_OPEN');
      assert.match(error.message, reason);
      assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret), 'the password stands in the error');
    }
  });

  it('a database that several processes open for the first time at once', async () => {
    const url = server.database();
    const stores = await Promise.all(Array.from({ length: 6 }, () => postgresStore(url)));
    const counted = await Promise.all(stores.map((store) => store.increment('n', 1)));
    assert.deepEqual(counted.sort(), [0, 1, 2, 3, 4, 5]);
    await Promise.all(stores.map((store) => store.close()));
  });
});
