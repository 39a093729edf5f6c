import { storedContexts } from '../../../profiles/oscore/index.ts';
import { systemEnv } from '../../core/env.ts';
import { ProtocolError } from '../../core/errors.ts';
import { loadOscoreContext } from '../../operate/index.ts';
import { type ContextStore, ContextTable, deriveContext, type OscoreEvent, oscore, type SecurityContext } from '../../oscore/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { UsageError } from '../exit.ts';

export interface ContextsOptions {
  /** Sender sequence numbers per reservation: 1 where runs of the command line share a context. */
  readonly block: number;
  readonly emit: (event: OscoreEvent) => void;
}

/** The contexts of some files, with the stores of their sender sequence numbers. */
export class OpenContexts {
  readonly #table = new ContextTable();
  readonly #options: ContextsOptions;
  readonly #contexts: SecurityContext[] = [];
  /** By place. */
  readonly #stores = new Map<string, Store>();
  readonly #numbers = new Map<string, ContextStore>();

  private constructor(options: ContextsOptions) {
    this.#options = options;
  }

  /**
   * @throws {ConfigError} when a file does not hold a context
   * @throws {UsageError} when two of them cannot be told apart
   * @throws {StoreError} when a store cannot be opened
   */
  static async open(files: readonly string[], options: ContextsOptions): Promise<OpenContexts> {
    const opened = new OpenContexts(options);
    try {
      for (const file of files) await opened.#add(file);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** The first. */
  get context(): SecurityContext {
    return this.#contexts[0]!;
  }

  async #add(path: string): Promise<void> {
    const { file, parameters, store: place } = loadOscoreContext(path);
    // What an earlier run has received is not known: the first request is answered by Echo (RFC 8613, Appendix B.1.2).
    const context = deriveContext(parameters, { credential: file, window: 'unverified' });
    try {
      this.#table.add(context);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UsageError(`${file}: recipient_id: ${error.message}`, { code: error.code, cause: error });
    }
    // Two counters for one Sender Key would use a nonce twice.
    if (this.#numbers.has(context.senderKeyId)) throw new UsageError(`${file}: sender_id: expected a Sender Key of its own, got that of another context`);
    const store = this.#stores.get(place) ?? (await openStore(place));
    this.#stores.set(place, store);
    this.#numbers.set(context.senderKeyId, storedContexts(store));
    this.#contexts.push(context);
  }

  /** A layer for one endpoint. */
  layer(): ReturnType<typeof oscore> {
    const { block, emit } = this.#options;
    const store: ContextStore = { reserve: (senderKeyId, count) => this.#numbers.get(senderKeyId)!.reserve(senderKeyId, count) };
    return oscore({ contexts: this.#table, store, env: systemEnv, block, emit });
  }

  async close(): Promise<void> {
    for (const store of this.#stores.values()) await store.close();
  }
}
