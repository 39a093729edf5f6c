import { equalBytes, toHex } from '../core/bytes.ts';
import { decode, encode } from '../core/cbor.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import type { Store } from '../store/index.ts';
import { lives, type ServerProcess, thisProcess } from './process.ts';

/** A store that another server serves from. Code: `ERR_SERVER_TWICE`. */
export class StoreInUseError extends ProtocolError {}

/** Where to look for servers, and how it is judged whether they live. */
export interface ServerSearch {
  readonly store: Store;
  /** Seconds after which a process counts as gone that has shown nothing of itself, where nobody can look whether it lives; 10. */
  readonly lease?: number;
  readonly env?: Env;
  /** This process, and whether one of its machine lives. */
  readonly own?: ServerProcess;
  /** Whether a process of this machine lives; that of another machine is judged by `lease`. */
  readonly lives?: (other: ServerProcess) => boolean;
}

/** Which store a process claims, for itself or with others. */
export interface ServerClaimOptions extends ServerSearch {
  /** The role: servers of different roles do not disturb each other. */
  readonly role: string;
  /** Others of the role may serve too, which know of each other by leases of contexts. Absent: none may. */
  readonly shared?: boolean;
  /** Another process has the store: this one has to end at once. */
  readonly lost: (error: StoreInUseError) => void;
}

interface Entry extends ServerProcess {
  /** How often it was renewed. */
  readonly beat: number;
}

const version = 1;
const prefix = 'server/';
/** Seconds after which the entry of a shared claim goes that nobody renewed; whoever looks has long since counted it as gone. */
const keptFor = 3600;

/**
 * The claim of a server on a store: the only one of its role, or one of several that share it. Two that do not know of each other would each take a request once
 * that is good for once: what one has received, the other does not know.
 *
 * An entry in the store says which process serves, and is renewed while it does. A process that was killed leaves it behind: on the same machine its successor sees
 * that it is gone and takes over at once; from another machine, or another container, it waits until the entry has not been renewed for its time.
 */
export class ServerClaim {
  readonly #options: ServerClaimOptions;
  readonly #env: Env;
  readonly #own: ServerProcess;
  /** Where a server stands that is the only one, and where this one stands. */
  readonly #soleKey: string;
  readonly #key: string;
  readonly #lease: number;
  #entry: Uint8Array | undefined;
  #beat = 0;
  #timer: (() => void) | undefined;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(options: ServerClaimOptions) {
    this.#options = options;
    this.#env = options.env ?? systemEnv;
    this.#own = options.own ?? thisProcess();
    this.#soleKey = `${prefix}${options.role}`;
    this.#key = options.shared === true ? `${this.#soleKey}/${toHex(this.#env.random(8))}` : this.#soleKey;
    this.#lease = options.lease ?? 10;
  }

  /**
   * Claim a store. It waits for a lease or two where processes of other machines have left their entries.
   *
   * @throws {StoreInUseError} `ERR_SERVER_TWICE`, naming the process that serves; a `StoreError`
   */
  static async make(options: ServerClaimOptions): Promise<ServerClaim> {
    const claim = new ServerClaim(options);
    try {
      await (options.shared === true ? claim.#share() : claim.#take());
    } catch (error) {
      await claim.release();
      throw error;
    }
    claim.#schedule();
    return claim;
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

  /** As the only one. It looks for those that share the store before, since they end when they find its entry, and after, since one may have come. */
  async #take(): Promise<void> {
    const { store } = this.#options;
    await this.#clearShared();
    for (;;) {
      const found = await store.get(this.#key);
      if (found !== undefined) await expectGone(this.#options, [[this.#key, found]]);
      const next = this.#next();
      if (!(await store.compareAndSet(this.#key, found, next))) continue;
      this.#entry = next;
      break;
    }
    await this.#clearShared();
  }

  async #clearShared(): Promise<void> {
    const { store } = this.#options;
    const shared = await entriesUnder(store, `${this.#soleKey}/`);
    await expectGone(this.#options, shared);
    for (const [key, entry] of shared) await store.compareAndSet(key, entry, undefined);
  }

  /** Beside others. Who wants the store for itself comes later and finds this entry, or was there before and is found. */
  async #share(): Promise<void> {
    const { store } = this.#options;
    await this.#put();
    const sole = await store.get(this.#soleKey);
    if (sole === undefined) return;
    await expectGone(this.#options, [[this.#soleKey, sole]]);
    // Should it live after all, it finds its entry gone and ends.
    await store.compareAndSet(this.#soleKey, sole, undefined);
  }

  #next(): Uint8Array {
    const { pid, host, begun } = this.#own;
    return encode([version, pid, host, begun, this.#beat++]);
  }

  async #put(): Promise<void> {
    const next = this.#next();
    await this.#options.store.put(this.#key, next, { expiresAt: Math.floor(this.#env.epoch()) + keptFor });
    this.#entry = next;
  }

  #schedule(): void {
    this.#timer = this.#env.schedule((this.#lease * 1000) / 4, () => {
      this.#renewing = this.#renew();
    });
  }

  /** A store that cannot be reached lets nobody else in either; it is asked again. */
  async #renew(): Promise<void> {
    const { store, lost, shared } = this.#options;
    try {
      if (!(shared === true ? await this.#renewShared() : await this.#renewSole())) {
        this.#entry = undefined;
        const found = await store.get(this.#soleKey);
        lost(inUse(found === undefined ? undefined : decodeEntry(found), severally));
        return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    this.#schedule();
  }

  async #renewSole(): Promise<boolean> {
    const next = this.#next();
    const renewed = await this.#options.store.compareAndSet(this.#key, this.#entry, next);
    if (renewed) this.#entry = next;
    return renewed;
  }

  /** While this process stood still another may have taken the store for itself. */
  async #renewShared(): Promise<boolean> {
    const sole = await this.#options.store.get(this.#soleKey);
    if (sole !== undefined) return false;
    await this.#put();
    return true;
  }
}

/**
 * Look whether servers use a store, of whatever role. It waits for at most one lease.
 *
 * @throws {StoreInUseError} `ERR_SERVER_TWICE`, naming a process that serves; a `StoreError`
 */
export async function expectUnserved(search: ServerSearch): Promise<void> {
  await expectGone(search, await entriesUnder(search.store, prefix), 'stop it first');
}

async function entriesUnder(store: Store, under: string): Promise<[key: string, value: Uint8Array][]> {
  const entries: [string, Uint8Array][] = [];
  for await (const [key, value] of store.scan(under)) entries.push([key, value]);
  return entries;
}

/** That none of the processes of these entries lives. Of those on other machines only time can tell. */
async function expectGone(search: ServerSearch, entries: readonly (readonly [key: string, value: Uint8Array])[], advice = severally): Promise<void> {
  const { store, env = systemEnv, own = thisProcess(), lease = 10 } = search;
  const elsewhere: (typeof entries)[number][] = [];
  for (const entry of entries) {
    const other = decodeEntry(entry[1]);
    if (other === undefined) continue;
    if (other.host !== own.host) elsewhere.push(entry);
    else if ((search.lives ?? lives)(other)) throw inUse(other, advice);
  }
  if (elsewhere.length === 0) return;
  await new Promise<void>((resolve) => env.schedule(lease * 1000, resolve));
  for (const [key, seen] of elsewhere) {
    const found = await store.get(key);
    const other = found === undefined || equalBytes(found, seen) ? undefined : decodeEntry(found);
    if (other !== undefined) throw inUse(other, advice);
  }
}

const severally = 'several servers need PostgreSQL and a lease';

function inUse(other: ServerProcess | undefined, advice: string): StoreInUseError {
  const who = other === undefined ? 'another process' : `process ${other.pid} on ${other.host}`;
  return new StoreInUseError('ERR_SERVER_TWICE', `store: expected one that no other server uses, got that of ${who}; ${advice}`);
}

function decodeEntry(bytes: Uint8Array): Entry | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || value[0] !== version) return undefined;
  const [, pid, host, begun, beat] = value as readonly unknown[];
  const fits = typeof pid === 'number' && typeof host === 'string' && typeof begun === 'string' && typeof beat === 'number';
  return fits ? { pid, host, begun, beat } : undefined;
}
