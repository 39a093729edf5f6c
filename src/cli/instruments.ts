import type { AuditedEvent, AuditSink } from '../as/index.ts';
import { systemEnv } from '../core/env.ts';
import {
  type AuditConfig,
  AuditLog,
  healthCheck,
  type Logger,
  logEvent,
  type MetricsServer,
  measuredStore,
  type OperationsConfig,
  profileNumbers,
  ServerClaim,
  type ServerEvent,
  ServerMetrics,
  type StoreInUseError,
  serveMetrics,
} from '../operate/index.ts';
import { openStore, type Store } from '../store/index.ts';
import type { DtlsTransportEvent } from '../transport/index.ts';
import { version } from './version.ts';

export interface InstrumentsConfig extends OperationsConfig {
  /** For `openStore`; absent: it has none. */
  readonly store?: string;
  readonly audit?: AuditConfig;
  /** Several servers have the store: they tell by leases who serves whom. */
  readonly lease?: number;
}

/** What a server can be asked. */
export interface Watched {
  stats(): Readonly<Record<string, number>>;
  /** Why it would serve nobody now, as far as it knows. */
  fault?(): string | undefined;
}

/** What a server is watched by: its log, its metrics, its health and its audit log; and the store, as they see it. */
export class Instruments {
  readonly #config: InstrumentsConfig;
  readonly #logger: Logger;
  #metrics: ServerMetrics | undefined;
  #store: Store | undefined;
  #claim: ServerClaim | undefined;
  #audit: AuditLog | undefined;
  #server: MetricsServer | undefined;
  #watched: Watched | undefined;
  #state: string | undefined = 'starting';

  private constructor(config: InstrumentsConfig, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
  }

  static async open(config: InstrumentsConfig, logger: Logger, paths: readonly string[]): Promise<Instruments> {
    const instruments = new Instruments(config, logger);
    if (config.metrics === undefined) return instruments;
    instruments.#metrics = await ServerMetrics.open({ paths, profiles: profileNumbers, stats: () => instruments.#watched?.stats() ?? {} });
    return instruments;
  }

  readonly emit = (event: ServerEvent): void => {
    logEvent(this.#logger, event);
    this.#metrics?.observe(event);
  };

  /** Count an event that somebody else has written to the log. */
  readonly count = (event: ServerEvent): void => this.#metrics?.observe(event);

  /** Requests for these paths are counted under them too. */
  readonly countPaths = (paths: readonly string[]): void => this.#metrics?.addPaths(paths);

  readonly session = (event: DtlsTransportEvent): void => {
    const { type, peer, error, ...rest } = event;
    const level = type === 'handshake-failed' ? 'warn' : 'debug';
    this.#logger[level]({ ...rest, peer: peer.key, reason: error?.code, detail: error?.message }, type);
    this.#metrics?.observeSession(event);
  };

  /** `lost`: another server has it. */
  async openStore(role: string, lost: (error: StoreInUseError) => void): Promise<Store> {
    const store = await openStore(this.#config.store!);
    try {
      this.#claim = await ServerClaim.make({ store, role, shared: this.#config.lease !== undefined, lost });
    } catch (error) {
      await store.close();
      throw error;
    }
    return this.keep(store);
  }

  /** Watch a store that others may have too, and close it in the end. */
  keep(store: Store): Store {
    this.#store = this.#metrics === undefined ? store : measuredStore(store, this.#metrics.observeStore);
    return this.#store;
  }

  /** The audit log, if one is configured. The store is open. */
  async openAudit(): Promise<AuditSink | undefined> {
    const { audit } = this.#config;
    if (audit === undefined) return undefined;
    const log = await AuditLog.open({ ...audit, version, store: this.#store!, fault: (error) => this.#logger.warn({ error }, 'audit-anchor') });
    this.#audit = log;
    this.#logger.info({ folder: audit.folder, chain: log.chain }, 'audit');
    const metrics = this.#metrics;
    return metrics === undefined ? log : { append: (event) => measuredAppend(log, event, metrics) };
  }

  /** Answer for the server over HTTP, if that is configured. It is not well until `ready`. */
  async watch(watched: Watched): Promise<void> {
    const { metrics: place } = this.#config;
    this.#watched = watched;
    if (place === undefined || this.#metrics === undefined) return;
    const metrics = this.#metrics;
    const health = healthCheck({ store: this.#store, env: systemEnv, state: () => this.#state ?? watched.fault?.() });
    this.#server = await serveMetrics({ ...place, scrape: () => metrics.scrape(), health });
    const { address, port } = this.#server;
    this.#logger.info({ address, port }, 'metrics');
  }

  /** The server takes requests. */
  ready(): void {
    this.#state = undefined;
  }

  /** It takes none any more, for this reason. */
  ending(reason: string): void {
    this.#state = reason;
  }

  /** The server was closed: end what it was watched by, and the store last. */
  async close(): Promise<void> {
    await this.#server?.close();
    await this.#audit?.close();
    await this.#claim?.release();
    await this.#store?.close();
  }
}

async function measuredAppend(log: AuditLog, event: AuditedEvent, metrics: ServerMetrics): Promise<void> {
  const start = performance.now();
  const tell = (outcome: 'done' | 'failed'): void => metrics.observeAudit((performance.now() - start) / 1000, outcome);
  try {
    await log.append(event);
    tell('done');
  } catch (error) {
    tell('failed');
    throw error;
  }
}
