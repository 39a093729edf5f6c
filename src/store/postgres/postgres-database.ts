import type pg from 'pg';
import { messageOf } from '../../core/errors.ts';
import { parseStorePlace, storeVersions } from '../place.ts';
import { StoreError } from '../store.ts';
import type { PostgresOptions } from './options.ts';

const storeVersion = storeVersions.postgres;
const versionText = 'ace-coap store ';

const urlForm = 'postgres://user:password@host:port/database';

/** Under the key that no caller has, the empty one, stands the version. */
const schema = `
create table ace_coap_store (key bytea primary key, value bytea not null, expires_at double precision);
create index ace_coap_store_expires_at on ace_coap_store (expires_at) where expires_at is not null;
insert into ace_coap_store (key, value) values ('', convert_to('${versionText}${storeVersion}', 'UTF8'))`;

/** Whoever opens the store for the first time holds this lock of the database: "aceC" and "oap\0". */
const openingLock = '7017299568436424704';

/** Milliseconds for which a scan that its caller holds up keeps its snapshot. */
export const scanPatience = 300_000;

/** A statement by the name under which each connection prepares it. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Connections to one database. */
export class PostgresDatabase {
  /** Where it is, without user and password. */
  readonly place: string;
  /** By the clock of the database. */
  openedAt: number = Number.NEGATIVE_INFINITY;
  readonly #pool: pg.Pool;

  private constructor(Pool: typeof pg.Pool, url: string, { connections = 6, timeout = 10 }: PostgresOptions) {
    const parsed = parseStorePlace(url);
    // Not shown: it may hold a password.
    if (parsed?.kind !== 'postgres') throw new StoreError('ERR_STORE_OPEN', `cannot open the store: expected a URL ${urlForm}, got something else`);
    this.place = parsed.name;
    const address = new URL(url);
    const { searchParams } = address;
    const settings = searchParams.get('options') ?? '';
    searchParams.delete('options');
    const milliseconds = 1_000 * timeout;
    this.#pool = new Pool({
      connectionString: address.href,
      max: connections,
      pipeline: true,
      connectionTimeoutMillis: milliseconds,
      statement_timeout: milliseconds,
      idle_in_transaction_session_timeout: milliseconds,
      // The server's own limit comes first where the server lives.
      query_timeout: milliseconds + 1_000,
      keepAlive: true,
      options: `${settings} -c synchronous_commit=on`,
      application_name: 'ace-coap',
      allowExitOnIdle: true,
    });
    // A connection that is lost while nobody uses it: the pool has removed it already.
    this.#pool.on('error', () => undefined);
  }

  /** @throws {StoreError} `ERR_STORE_OPEN`, `ERR_STORE_FORMAT` */
  static async open(url: string, options: PostgresOptions): Promise<PostgresDatabase> {
    // Loaded where it is used: most processes keep their state in LMDB.
    const { default: driver } = await import('pg');
    const database = new PostgresDatabase(driver.Pool, url, options);
    try {
      await database.#prepare(options.create ?? true);
      return database;
    } catch (cause) {
      await database.close();
      if (cause instanceof StoreError) throw cause;
      throw new StoreError('ERR_STORE_OPEN', `cannot open the store ${database.place}: ${reasonOf(cause)}`, { cause: withoutSecrets(cause) });
    }
  }

  /**
   * Use a connection for as long as `work` lasts. Where that fails, nobody uses the connection again.
   *
   * @throws {StoreError} `ERR_STORE_IO`
   */
  async with<T>(verb: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.connect(verb);
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (cause) {
      connection.release(true);
      throw this.error(verb, cause);
    }
  }

  /** A connection to be released by the caller. */
  async connect(verb: string): Promise<Connection> {
    try {
      return new Connection(await this.#pool.connect());
    } catch (cause) {
      throw this.error(verb, cause);
    }
  }

  error(verb: string, cause: unknown): StoreError {
    if (cause instanceof StoreError) return cause;
    return new StoreError('ERR_STORE_IO', `cannot ${verb} the store ${this.place}: ${reasonOf(cause)}`, { cause: withoutSecrets(cause) });
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  /** @throws {StoreError} `ERR_STORE_FORMAT` */
  async #prepare(create: boolean): Promise<void> {
    await this.with('open', async (connection) => {
      await connection.run('begin isolation level read committed');
      await connection.run(`select pg_advisory_xact_lock(${openingLock})`);
      const { rows } = await connection.run("select to_regclass('ace_coap_store') is not null as made");
      const made = rows[0]?.['made'] === true;
      if (!made && !create) throw new StoreError('ERR_STORE_OPEN', `cannot open the store ${this.place}: there is no table ace_coap_store`);
      if (!made) for (const statement of schema.split(';')) await connection.run(statement);
      const version = await connection.run(
        `select convert_from(value, 'UTF8') as text, extract(epoch from clock_timestamp())::double precision as clock from ace_coap_store where key = ''`,
      );
      await connection.run('commit');
      this.#check(version.rows[0]?.['text']);
      this.openedAt = version.rows[0]!['clock'] as number;
    }).catch((error: unknown) => {
      // `with` speaks of reading and writing.
      throw error instanceof StoreError && error.code === 'ERR_STORE_IO' ? error.cause : error;
    });
  }

  #check(text: unknown): void {
    const version = typeof text === 'string' && text.startsWith(versionText) ? Number(text.slice(versionText.length)) : Number.NaN;
    if (!Number.isInteger(version)) {
      throw new StoreError('ERR_STORE_FORMAT', `${this.place}: expected a store of ace-coap, got a table ace_coap_store without a version entry`);
    }
    if (version !== storeVersion) {
      throw new StoreError('ERR_STORE_FORMAT', `${this.place}: expected store version ${storeVersion}, got ${version}; a later release of ace-coap wrote it`);
    }
  }
}

/** What a statement gave. */
export type Rows = pg.QueryResult<Readonly<Record<string, unknown>>>;

export class Connection {
  readonly #client: pg.PoolClient;

  constructor(client: pg.PoolClient) {
    this.#client = client;
    client.on('error', ignore);
  }

  /** Without waiting for the answer to another: what is asked for in one turn goes to the server in one go, and it does one after the other. */
  run(statement: Statement | string, values: readonly unknown[] = []): Promise<Rows> {
    if (typeof statement === 'string') return this.#client.query(statement);
    return this.#client.query({ name: statement.name, text: statement.text, values: [...values] });
  }

  /** @param broken - it is closed, and nobody gets it again */
  release(broken = false): void {
    this.#client.off('error', ignore);
    this.#client.release(broken);
  }
}

/** A lost connection also rejects what was asked of it. */
function ignore(): void {}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === '') return (cause.errors as unknown[]).map(reasonOf).join('; ');
  return messageOf(cause);
}

/** The detail of a database's error quotes keys and values. */
function withoutSecrets(cause: unknown): unknown {
  const { code, detail, message } = cause as Partial<pg.DatabaseError>;
  return detail === undefined ? cause : Object.assign(new Error(message), { code });
}
