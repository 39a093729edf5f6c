import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { equalBytes } from '../core/bytes.ts';
import { decode, encode } from '../core/cbor.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import type { Store } from '../store/index.ts';

/** A store that another server serves from. Code: `ERR_SERVER_TWICE`. */
export class SoleServerError extends ProtocolError {}

/** A process, as others can tell it from those before and after it. */
export interface ServerProcess {
  readonly pid: number;
  /** The machine, and on it the space that the number is of: containers have their own. */
  readonly host: string;
  /** When it began, on the clock of the machine: a number is given again. Empty where nobody can tell. */
  readonly begun: string;
}

/** Which store a process claims for itself, and how it shows that it lives. */
export interface SoleServerOptions {
  readonly store: Store;
  /** The role: servers of different roles do not disturb each other. */
  readonly role: string;
  /** Another process has the store: this one has to end at once. */
  readonly lost: (error: SoleServerError) => void;
  /** Seconds after which a process counts as gone that has shown nothing of itself, where nobody can look whether it lives; 10. */
  readonly lease?: number;
  readonly env?: Env;
  /** This process, and whether one of its machine lives. */
  readonly own?: ServerProcess;
  /** Whether a process of this machine lives; that of another machine is judged by `lease`. */
  readonly lives?: (other: ServerProcess) => boolean;
}

interface Claim extends ServerProcess {
  /** How often it was renewed. */
  readonly beat: number;
}

const version = 1;

/**
 * The only server of its role with a store. Two of them would each take a request once that is good for once: what one has received, the other does not know.
 *
 * An entry in the store says which process serves, and is renewed while it does. A process that was killed leaves it behind: on the same machine its successor sees
 * that it is gone and takes over at once; from another machine, or another container, it waits until the entry has not been renewed for its time.
 */
export class SoleServer {
  readonly #options: SoleServerOptions;
  readonly #env: Env;
  readonly #own: ServerProcess;
  readonly #key: string;
  readonly #lease: number;
  #entry: Uint8Array | undefined;
  #beat = 0;
  #timer: (() => void) | undefined;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(options: SoleServerOptions) {
    this.#options = options;
    this.#env = options.env ?? systemEnv;
    this.#own = options.own ?? thisProcess();
    this.#key = `server/${options.role}`;
    this.#lease = options.lease ?? 10;
  }

  /**
   * Become the only server. It waits for at most one lease.
   *
   * @throws {SoleServerError} `ERR_SERVER_TWICE`, naming the process that serves; a `StoreError`
   */
  static async claim(options: SoleServerOptions): Promise<SoleServer> {
    const server = new SoleServer(options);
    await server.#claim();
    return server;
  }

  /** Let others serve. */
  async release(): Promise<void> {
    this.#timer?.();
    await this.#renewing;
    this.#timer?.();
    const entry = this.#entry;
    this.#entry = undefined;
    if (entry !== undefined) await this.#options.store.compareAndSet(this.#key, entry, undefined);
  }

  async #claim(): Promise<void> {
    const { store } = this.#options;
    let seen: Uint8Array | undefined;
    for (;;) {
      const found = await store.get(this.#key);
      const other = found === undefined ? undefined : decodeClaim(found);
      const isFree = other === undefined || this.#isGone(other) || (seen !== undefined && found !== undefined && equalBytes(seen, found));
      if (isFree) {
        const next = this.#claimOf();
        if (!(await store.compareAndSet(this.#key, found, next))) continue;
        this.#entry = next;
        this.#schedule();
        return;
      }
      // A renewal in the meantime: it lives.
      if (seen !== undefined || other.host === this.#own.host) throw twice(other);
      seen = found;
      await new Promise<void>((resolve) => this.#env.schedule(this.#lease * 1000, resolve));
    }
  }

  #isGone(other: Claim): boolean {
    return other.host === this.#own.host && !(this.#options.lives ?? lives)(other);
  }

  #claimOf(): Uint8Array {
    const { pid, host, begun } = this.#own;
    return encode([version, pid, host, begun, this.#beat++]);
  }

  #schedule(): void {
    this.#timer = this.#env.schedule((this.#lease * 1000) / 4, () => {
      this.#renewing = this.#renew();
    });
  }

  /** A store that cannot be reached lets nobody else in either; it is asked again. */
  async #renew(): Promise<void> {
    const { store, lost } = this.#options;
    try {
      const next = this.#claimOf();
      if (await store.compareAndSet(this.#key, this.#entry, next)) this.#entry = next;
      else {
        const found = await store.get(this.#key);
        this.#entry = undefined;
        lost(twice(found === undefined ? undefined : decodeClaim(found)));
        return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    this.#schedule();
  }
}

function twice(other: Claim | undefined): SoleServerError {
  const who = other === undefined ? 'another process' : `process ${other.pid} on ${other.host}`;
  return new SoleServerError(
    'ERR_SERVER_TWICE',
    `store: expected one that no other server uses, got that of ${who}; several servers need PostgreSQL and a lease`,
  );
}

function decodeClaim(bytes: Uint8Array): Claim | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || value[0] !== version) return undefined;
  const [, pid, host, begun, beat] = value as readonly unknown[];
  const fits = typeof pid === 'number' && typeof host === 'string' && typeof begun === 'string' && typeof beat === 'number';
  return fits ? { pid, host, begun, beat } : undefined;
}

function thisProcess(): ServerProcess {
  return { pid: process.pid, host: `${hostname()} ${space()}`.trim(), begun: beginOf(process.pid) ?? '' };
}

/** The space of process numbers. Empty where there is no such thing. */
function space(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** When a process began. `undefined`: there is none of this number, it has ended and nobody has asked how, or nobody can tell. */
function beginOf(pid: number): string | undefined {
  try {
    // The name of the program stands in parentheses and may have any character in it; the 20th field after it is the time.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function lives({ pid, begun }: ServerProcess): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return begun === '' || beginOf(pid) === begun;
}
