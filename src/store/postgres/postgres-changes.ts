import { compareBytes, utf8 } from '../../core/bytes.ts';
import type { Plan, PlannedWrite } from '../plan.ts';
import { StoreError } from '../store.ts';
import type { Connection, Rows, Statement } from './postgres-database.ts';

/** A change that waits, with what tells its caller how it went. */
export interface Task extends Plan<unknown> {
  resolve(done: unknown): void;
  reject(error: unknown): void;
}

/** An entry as it stands in the table; `expiresAt` is infinite where it stays. */
interface Row {
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

/** The time by which entries have ended. */
export interface Clock {
  /** Take note of a time that the database told. */
  learn(databaseTime: number): void;
  /** Seconds since 1970, never less than before. */
  now(): number;
}

const begin = 'begin isolation level read committed';

/** In the order of keys, so that two who want the same entries wait for each other and never in a circle. */
const lock: Statement = {
  name: 'ace-lock',
  text: `select key, value, expires_at, extract(epoch from clock_timestamp())::double precision as clock
    from ace_coap_store where key = any($1::bytea[]) order by key for update`,
};
const insert: Statement = {
  name: 'ace-insert',
  text: `insert into ace_coap_store (key, value, expires_at)
    select * from unnest($1::bytea[], $2::bytea[], $3::double precision[])`,
};
const upsert: Statement = {
  name: 'ace-upsert',
  text: `${insert.text} on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at`,
};
const remove: Statement = { name: 'ace-remove', text: 'delete from ace_coap_store where key = any($1::bytea[])' };
const sweep: Statement = {
  name: 'ace-sweep',
  text: `delete from ace_coap_store where key in (
    select key from ace_coap_store where expires_at <= $1 order by expires_at limit $2 for update skip locked)`,
};

/** unique_violation, serialization_failure, deadlock_detected: another has come between, and it begins again. */
const conflicts: ReadonlySet<unknown> = new Set(['23505', '40001', '40P01']);
const attempts = 20;

/** Entries that one sweep removes at most. */
const mostSwept = 512;

/** What a transaction is to write, in the order of keys. */
interface Writes {
  /** Of keys that nothing stands under, and that nobody else may have taken meanwhile. */
  readonly inserts: PlannedWrite[];
  readonly upserts: PlannedWrite[];
  readonly removals: PlannedWrite[];
}

/**
 * Changes in one transaction: the entries that they read are locked, what they decide is written, and one commit makes all of it durable.
 *
 * An absent entry cannot be locked. Whoever relies on its absence inserts it, and where it is to stay absent, an entry that ended long ago: a second one who does so
 * waits for the first and then begins again.
 */
export class Changes {
  readonly #clock: Clock;
  /** Each entry that ends pays for the removal of two that have ended. */
  #owed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Make the changes and tell each how it went. What rejects has told nobody anything. */
  async make(connection: Connection, tasks: readonly Task[]): Promise<void> {
    const reads = [...new Set(tasks.flatMap((task) => task.reads))];
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const rows = await this.#lock(connection, reads);
      const { outcomes, writes } = this.#decide(tasks, new Set(reads), rows);
      if (await this.#write(connection, writes, reads.length > 0)) {
        for (const tell of outcomes) tell();
        return;
      }
    }
    throw new StoreError('ERR_STORE_IO', `cannot write the store: others came between ${attempts} times`);
  }

  async #lock(connection: Connection, reads: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const found = new Map<string, Row>();
    if (reads.length === 0) return found;
    const [, { rows }] = await Promise.all([connection.run(begin), connection.run(lock, [reads.map(keyBytes)])]);
    for (const { key, value, expires_at: end, clock } of rows) {
      this.#clock.learn(clock as number);
      found.set((key as Buffer).toString('utf8'), { value: new Uint8Array(value as Buffer), expiresAt: (end as number | null) ?? Number.POSITIVE_INFINITY });
    }
    return found;
  }

  #decide(tasks: readonly Task[], locked: ReadonlySet<string>, rows: ReadonlyMap<string, Row>): { outcomes: (() => void)[]; writes: Writes } {
    const now = this.#clock.now();
    const written = new Map<string, PlannedWrite>();
    const read = (key: string): Uint8Array | undefined => {
      const entry = written.get(key) ?? rows.get(key);
      return entry !== undefined && entry.expiresAt > now ? entry.value : undefined;
    };
    const outcomes = tasks.map((task) => {
      try {
        const { done, writes } = task.decide(read);
        const nothing = writes.every(({ key, value }) => value === undefined && task.reads.includes(key) && read(key) === undefined);
        if (!nothing) {
          for (const key of task.reads) if (!rows.has(key) && !written.has(key)) written.set(key, { key, value: undefined, expiresAt: 0 });
          for (const write of writes) written.set(write.key, write);
        }
        return () => task.resolve(done);
      } catch (error) {
        return () => task.reject(error);
      }
    });
    const writes: Writes = { inserts: [], upserts: [], removals: [] };
    const ordered = [...written.values()].map((write) => [utf8(write.key), write] as const).sort(([a], [b]) => compareBytes(a, b));
    for (const [, write] of ordered) {
      if (locked.has(write.key) && !rows.has(write.key)) writes.inserts.push(write);
      else if (write.value === undefined) writes.removals.push(write);
      else writes.upserts.push(write);
    }
    return { outcomes, writes };
  }

  /** Whether it was committed, and not rolled back for another's sake. */
  async #write(connection: Connection, { inserts, upserts, removals }: Writes, begun: boolean): Promise<boolean> {
    const statements: (() => Promise<Rows>)[] = [];
    if (inserts.length > 0) statements.push(() => connection.run(insert, columns(inserts)));
    if (upserts.length > 0) statements.push(() => connection.run(upsert, columns(upserts)));
    if (removals.length > 0) statements.push(() => connection.run(remove, [removals.map(({ key }) => keyBytes(key))]));
    for (const { expiresAt } of [...inserts, ...upserts]) if (expiresAt !== Number.POSITIVE_INFINITY) this.#owed += 2;
    if (this.#owed >= 64) {
      const count = Math.min(this.#owed, mostSwept);
      this.#owed -= count;
      statements.push(() => connection.run(sweep, [this.#clock.now(), count]));
    }
    if (!begun) statements.unshift(() => connection.run(begin));
    statements.push(() => connection.run('commit'));
    const results = await Promise.allSettled(statements.map((run) => run()));
    const failed = results.find((result) => result.status === 'rejected');
    const last = results.at(-1)!;
    if (failed === undefined && last.status === 'fulfilled' && last.value.command === 'COMMIT') return true;
    const cause: unknown = failed?.reason;
    // Only where the server says that it has rolled back is it known that nothing was made.
    if (last.status === 'fulfilled' && last.value.command === 'ROLLBACK' && conflicts.has((cause as { code?: unknown } | undefined)?.code)) return false;
    throw cause ?? new Error('the transaction was not committed');
  }
}

function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'utf8');
}

/** What is deleted here was never there: an entry that ended long ago keeps others from making one. */
function columns(writes: readonly PlannedWrite[]): readonly unknown[] {
  return [
    writes.map(({ key }) => keyBytes(key)),
    writes.map(({ value }) => Buffer.from(value ?? new Uint8Array(0))),
    writes.map(({ value, expiresAt }) => (value === undefined ? 0 : expiresAt === Number.POSITIVE_INFINITY ? null : expiresAt)),
  ];
}
