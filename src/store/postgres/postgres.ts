import { compareBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import { type StoreOptions, steadyEpoch } from '../clock.ts';
import { checkKey, storeEntry } from '../encoding.ts';
import { Gathering } from '../gathering.ts';
import type { Plan } from '../plan.ts';
import { PlannedStore } from '../planned-store.ts';
import { type ScanOptions, type Store, type StoreEntry, StoreError } from '../store.ts';
import type { PostgresOptions } from './options.ts';
import { Changes, type Clock, type Task } from './postgres-changes.ts';
import { type Connection, PostgresDatabase, type Rows, type Statement, scanPatience } from './postgres-database.ts';

/** Of the SQL below: the time by which entries have ended. The database's clock counts unless a test has its own; the third is the latest that was seen. */
const alive = '(e.expires_at is null or e.expires_at > greatest(coalesce($2::double precision, c.clock), $3::double precision))';
const clockTable = '(select extract(epoch from now())::double precision as clock) c';

const select: Statement = {
  name: 'ace-get',
  text: `select c.clock, e.key, e.value, e.expires_at from ${clockTable} left join ace_coap_store e on e.key = any($1::bytea[]) and ${alive}`,
};
const selectPage: Statement = {
  name: 'ace-page',
  text: `select c.clock, p.key, p.value, p.expires_at from ${clockTable} left join lateral (
    select e.key, e.value, e.expires_at from ace_coap_store e where e.key >= $1::bytea and e.key < $4::bytea and ${alive} order by e.key limit $5) p on true`,
};
const pageLength = 500;

/** What goes into one transaction, in bytes and in reads. */
const heaviestGroup = 2_097_152;
const mostReads = 1_000;

interface Get {
  readonly key: string;
  resolve(value: Uint8Array | undefined): void;
  reject(error: unknown): void;
}

/**
 * A store in a table of a PostgreSQL database, `ace_coap_store`, for servers on several machines: made when it is opened for the first time.
 *
 * What the process asks for while a transaction is under way shares the next one. A change whose connection is lost is refused with `ERR_STORE_IO`, and may have been
 * made all the same; later ones connect again. Entries end by the clock of the database.
 *
 * @param url - `postgres://user:password@host:port/database`; `?sslmode=verify-full` where it is not on this machine
 * @throws {StoreError} `ERR_STORE_OPEN`, `ERR_STORE_FORMAT` (not such a store, or a later release's)
 */
export async function postgresStore(url: string, options: PostgresOptions = {}): Promise<Store> {
  return new PostgresStore(await PostgresDatabase.open(url, options), options.env);
}

class PostgresStore extends PlannedStore implements Clock {
  readonly #database: PostgresDatabase;
  readonly #env: StoreOptions['env'];
  readonly #changes: Changes = new Changes(this);
  readonly #writing: Gathering<Task>;
  readonly #reading: Gathering<Get>;
  #latest: number;
  #closing: Promise<void> | undefined;

  constructor(database: PostgresDatabase, env: StoreOptions['env']) {
    super();
    this.#database = database;
    this.#env = env;
    this.#latest = database.openedAt;
    // One lane: changes keep the order in which they were asked for.
    this.#writing = new Gathering((tasks) => this.#write(tasks), { lanes: 1, most: heaviestGroup, weight: ({ weight }) => weight });
    this.#reading = new Gathering((gets) => this.#read(gets), { lanes: 2, most: mostReads, weight: () => 1 });
  }

  learn(databaseTime: number): void {
    this.#latest = Math.max(this.#latest, databaseTime);
  }

  now(): number {
    return this.#testTime() ?? this.#latest;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.check();
    checkKey(key);
    return new Promise((resolve, reject) => this.#reading.add({ key, resolve, reject }));
  }

  async *scan(prefix: string, { after = '', limit = Number.POSITIVE_INFINITY }: ScanOptions = {}): AsyncGenerator<StoreEntry, void> {
    this.check();
    if (limit <= 0) return;
    const end = prefix === '' ? Uint8Array.of(0xff) : utf8(prefix);
    if (prefix !== '') end[end.length - 1]! += 1; // UTF-8 never holds 0xff
    // No key is empty: under that one stands the version.
    const first = prefix === '' ? Uint8Array.of(0) : utf8(prefix);
    const next = utf8(`${after}\0`);
    let start = after !== '' && compareBytes(next, first) > 0 ? next : first;
    let left = limit;
    let connection: Connection | undefined = await this.#database.connect('read');
    let broken = true;
    try {
      const single = left <= pageLength;
      if (!single) {
        await connection.run('begin isolation level repeatable read read only');
        await connection.run(`set local idle_in_transaction_session_timeout = ${scanPatience}`);
      }
      while (left > 0) {
        const count = Math.min(left, pageLength);
        const page = this.#entries(await connection!.run(selectPage, [start, this.#testTime(), this.now(), end, count]));
        const last = page.length < count || page.length === left;
        if (last) {
          if (!single) await connection!.run('commit');
          connection!.release();
          connection = undefined;
        }
        broken = false;
        for (const entry of page) yield entry;
        if (last) return;
        broken = true;
        left -= page.length;
        start = utf8(`${page.at(-1)![0]}\0`);
      }
    } catch (cause) {
      throw this.#database.error('read', cause);
    } finally {
      await this.#endScan(connection, broken);
    }
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#writing.idle(), this.#reading.idle()]).then(() => this.#database.close());
    return this.#closing;
  }

  protected check(): void {
    if (this.#closing) throw new StoreError('ERR_STORE_CLOSED', `the store ${this.#database.place} is closed`);
  }

  #testTime(): number | null {
    return this.#env ? steadyEpoch(this.#env) : null;
  }

  protected change<T>(plan: Plan<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#writing.add({ ...plan, resolve: resolve as (done: unknown) => void, reject });
    });
  }

  async #write(tasks: readonly Task[]): Promise<void> {
    try {
      await this.#database.with('write', (connection) => this.#changes.make(connection, tasks));
    } catch (error) {
      for (const task of tasks) task.reject(error);
    }
  }

  async #read(gets: readonly Get[]): Promise<void> {
    try {
      const keys = [...new Set(gets.map(({ key }) => key))].map(utf8).map((key) => Buffer.from(key));
      const rows = await this.#database.with('read', (connection) => connection.run(select, [keys, this.#testTime(), this.now()]));
      const found = new Map(this.#entries(rows).map(([key, value]) => [key, value]));
      for (const { key, resolve } of gets) {
        const value = found.get(key);
        resolve(value && new Uint8Array(value));
      }
    } catch (error) {
      for (const { reject } of gets) reject(error);
    }
  }

  #entries({ rows }: Rows): StoreEntry[] {
    if (rows.length > 0) this.learn(rows[0]!['clock'] as number);
    // One row without a key where there is no entry.
    return rows.flatMap(({ key, value, expires_at: end }) =>
      key === null ? [] : [storeEntry(fromUtf8(key as Buffer), new Uint8Array(value as Buffer), (end as number | null) ?? Number.POSITIVE_INFINITY)],
    );
  }

  async #endScan(connection: Connection | undefined, broken: boolean): Promise<void> {
    if (connection === undefined) return;
    try {
      if (!broken) await connection.run('rollback');
      connection.release(broken);
    } catch {
      connection.release(true);
    }
  }
}
