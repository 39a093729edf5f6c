import { Code } from '../../src/coap/index.ts';
import { toBase64Url } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode } from '../../src/core/cbor.ts';
import { digest } from '../../src/core/crypto/index.ts';
import type { Env } from '../../src/core/env.ts';
import { Tally } from '../../src/core/tally.ts';
import { type Store, StoreError } from '../../src/store/index.ts';
import { SealError } from './error.ts';

/** Something that clients make, change and take away. */
export interface Document<T> {
  readonly id: string;
  /** Of what the store has. */
  readonly etag: Uint8Array;
  readonly value: T;
}

/** What documents are, and how many there may be. */
export interface DocumentTableOptions<T> {
  readonly store: Store;
  readonly env: Env;
  /** Where in the store, with a slash at its end. */
  readonly folder: string;
  /** Documents at most. */
  readonly documents: number;
  /** Bytes of all of them together, as the store has them. */
  readonly bytes: number;
  /** Documents of one owner at most. */
  readonly perOwner: number;
  /** Whose a document is: of one owner there are so many at most. */
  readonly ownerOf: (value: T) => string;
  /** What the store keeps of a document. */
  readonly encode: (value: T) => CborValue;
  /** Throws for what is no document of the kind. */
  readonly decode: (value: CborValue) => T;
}

interface Entry<T> extends Document<T> {
  readonly stored: Uint8Array;
}

/** What a change needs. */
interface Room {
  /** Whose document it is, where there is one more. */
  readonly owner?: string;
  readonly bytes: number;
}

/** What a change has made of a document. */
export interface Changed<T> {
  readonly before: Document<T>;
  /** `undefined`: it was taken away. */
  readonly after: Document<T> | undefined;
}

/** Changes that are under way at once. */
const mostPending = 64;
/** How often a change is tried again when another process has come between. */
const attempts = 8;
/** Seconds after which there may be room again. */
const later = 60;

/**
 * Documents of one kind: all in memory, each in the store before its change is answered.
 *
 * No update is lost: changes of one document take turns, and the store makes each only where it finds what the change was decided on (compare-and-set). A process
 * that shares the store with others sees their changes when it changes the same document, or starts.
 */
export class DocumentTable<T> {
  readonly #options: DocumentTableOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #underWay = new Set<Promise<unknown>>();
  #bytes = 0;
  #started: Promise<void> | undefined;
  /** Of documents that are on their way into the store. */
  readonly #reserved: { documents: number; bytes: number } = { documents: 0, bytes: 0 };
  /** Documents by owner, those on their way included. */
  readonly #owned = new Tally();

  constructor(options: DocumentTableOptions<T>) {
    this.#options = options;
  }

  /** Documents that there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all documents. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Changes under way. */
  get pending(): number {
    return this.#underWay.size;
  }

  /**
   * Take up what the store has, once: a service may be on several hosts.
   *
   * @throws {StoreError} `ERR_STORE_VALUE` for what is no document: nothing is served in place of it
   */
  start(): Promise<void> {
    this.#started ??= this.#takeUp();
    return this.#started;
  }

  async #takeUp(): Promise<void> {
    const { store, folder } = this.#options;
    for await (const [key, stored] of store.scan(folder)) {
      try {
        this.#keep(this.#entryOf(key.slice(folder.length), stored));
      } catch (cause) {
        throw new StoreError('ERR_STORE_VALUE', `expected a document under "${key}", got something else`, { cause });
      }
    }
  }

  /** The document; `undefined`: there is none of this id. */
  get(id: string): Document<T> | undefined {
    return this.#entries.get(id);
  }

  /** All documents. */
  values(): IterableIterator<Document<T>> {
    return this.#entries.values();
  }

  /** @throws {SealError} `ERR_SEAL_QUOTA`, `ERR_SEAL_FULL`, `ERR_SEAL_BUSY`; the store's own errors */
  create(value: T): Promise<Document<T>> {
    const { env, store, ownerOf, encode: toCbor } = this.#options;
    const id = toBase64Url(env.random(12));
    const stored = encode(toCbor(value));
    return this.#run({ owner: ownerOf(value), bytes: stored.length }, async () => {
      const entry = this.#entryOf(id, stored);
      if (!(await store.compareAndSet(this.#key(id), undefined, stored))) throw new StoreError('ERR_STORE_KEY', 'expected an id that is free, got one twice');
      return this.#keep(entry);
    });
  }

  /**
   * Change a document to what `change` makes of it; `undefined` takes it away. What `change` throws changes nothing; where another process came between, it is asked
   * again.
   *
   * @throws {SealError} `ERR_SEAL_ABSENT`, `ERR_SEAL_FULL`, `ERR_SEAL_BUSY`; the store's own errors
   */
  change(id: string, change: (current: Document<T>) => T | undefined): Promise<Changed<T>> {
    return this.#run({ bytes: 0 }, () => this.#inTurn(id, () => this.#change(id, change)));
  }

  /** Wait for what is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }

  #key(id: string): string {
    return this.#options.folder + id;
  }

  /** Made before the store has it: what cannot be read again is not kept. */
  #entryOf(id: string, stored: Uint8Array): Entry<T> {
    return { id, etag: digest('sha256', stored).slice(0, 8), value: this.#options.decode(decode(stored)), stored };
  }

  #keep(entry: Entry<T>): Entry<T> {
    this.#forget(entry.id);
    this.#entries.set(entry.id, entry);
    this.#bytes += entry.stored.length;
    this.#owned.add(this.#options.ownerOf(entry.value));
    return entry;
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.stored.length;
    this.#owned.remove(this.#options.ownerOf(entry.value));
  }

  async #reload(id: string): Promise<void> {
    const stored = await this.#options.store.get(this.#key(id));
    if (stored === undefined) this.#forget(id);
    else this.#keep(this.#entryOf(id, stored));
  }

  async #change(id: string, change: (current: Document<T>) => T | undefined): Promise<Changed<T>> {
    const { store, encode: toCbor } = this.#options;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const before = this.#entries.get(id);
      if (before === undefined) throw new SealError('ERR_SEAL_ABSENT', 'expected a document that is there, got another', { responseCode: Code.NotFound });
      const value = change(before);
      const stored = value === undefined ? undefined : encode(toCbor(value));
      const after = stored && this.#entryOf(id, stored);
      const growth = Math.max(0, (stored?.length ?? 0) - before.stored.length);
      const isMade = await this.#reserving({ bytes: growth }, () => store.compareAndSet(this.#key(id), before.stored, stored));
      if (!isMade) await this.#reload(id);
      else if (after === undefined) {
        this.#forget(id);
        return { before, after };
      } else return { before, after: this.#keep(after) };
    }
    throw new SealError('ERR_SEAL_BUSY', 'too many others change the document', { responseCode: Code.ServiceUnavailable, maxAge: 1 });
  }

  async #run<R>(more: Room, task: () => Promise<R>): Promise<R> {
    if (this.pending >= mostPending)
      throw new SealError('ERR_SEAL_BUSY', 'too many changes are under way', { responseCode: Code.ServiceUnavailable, maxAge: 1 });
    const running = this.#reserving(more, task);
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /** Room is taken before the store is asked, so that changes at the same time are not more than there is room for. */
  async #reserving<R>(more: Room, task: () => Promise<R>): Promise<R> {
    this.#checkRoom(more);
    const reserved = this.#reserved;
    reserved.bytes += more.bytes;
    if (more.owner !== undefined) {
      reserved.documents++;
      this.#owned.add(more.owner);
    }
    try {
      return await task();
    } finally {
      reserved.bytes -= more.bytes;
      if (more.owner !== undefined) {
        reserved.documents--;
        this.#owned.remove(more.owner);
      }
    }
  }

  #checkRoom({ owner, bytes: more }: Room): void {
    const { documents, bytes, perOwner } = this.#options;
    if (owner !== undefined && this.#owned.of(owner) >= perOwner)
      throw new SealError('ERR_SEAL_QUOTA', `expected at most ${perOwner} documents of one owner, got another`, { responseCode: Code.Forbidden });
    const full = (what: string): SealError =>
      new SealError('ERR_SEAL_FULL', `there is no room for another ${what}`, { responseCode: Code.ServiceUnavailable, maxAge: later });
    if (owner !== undefined && this.size + this.#reserved.documents >= documents) throw full('document');
    if (more > 0 && this.#bytes + this.#reserved.bytes + more > bytes) throw full(`${more} bytes`);
  }

  async #inTurn<R>(id: string, task: () => Promise<R>): Promise<R> {
    const mine = (this.#turns.get(id) ?? Promise.resolve()).then(task);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(id, settled);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(id) === settled) this.#turns.delete(id);
    }
  }
}
