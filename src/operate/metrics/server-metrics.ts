import type { Counter, Histogram, Registry } from 'prom-client';
import type { ServerEvent } from '../events.ts';
import { BoundedLabel } from './label.ts';
import type { StoreOperation } from './measured-store.ts';

/** What the labels of metrics may be: all of them are known at the start, so that no client makes new ones. */
export interface ServerMetricsOptions {
  /** Paths that requests are counted under; others count as `other`. */
  readonly paths: readonly string[];
  /** Profiles by number. */
  readonly profiles: Readonly<Record<string, number>>;
  /** Entries of each kind that the server holds, asked for at each scrape. */
  readonly stats: () => Readonly<Record<string, number>>;
}

/** What a DTLS socket tells of its sessions. */
export type SessionEvent = { readonly type: 'session'; readonly state: 'opened' | 'closed' } | { readonly type: 'handshake-failed' };

/** Scopes and reasons that have a time series of their own. */
const mostValues = 64;
/** Seconds: from an answer out of memory to one that waits for a slow disk. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Name, meaning and labels of each. */
const counters = {
  requests: ['ace_requests_total', 'Requests answered', 'path', 'method', 'code'],
  issued: ['ace_tokens_issued_total', 'Access tokens issued by this authorization server', 'profile', 'scope'],
  accepted: ['ace_tokens_accepted_total', 'Access tokens accepted by this resource server', 'profile'],
  ended: ['ace_tokens_ended_total', 'Access tokens that are no longer good at this resource server', 'reason'],
  refusals: ['ace_refusals_total', 'Requests and tokens refused', 'event', 'reason'],
  introspections: ['ace_introspections_total', 'Introspections answered', 'active'],
  faults: ['ace_faults_total', 'Faults of this server', 'reason'],
  clock: ['ace_clock_set_total', 'Times that the wall clock was seen to be set', 'direction'],
  events: ['ace_profile_events_total', 'What profiles tell of their channels', 'profile', 'event'],
  http: ['ace_http_requests_total', 'Requests over HTTP answered; status 0 is a client that was gone before', 'face', 'endpoint', 'method', 'status'],
  logins: ['ace_logins_total', 'Logins of VAL users', 'outcome'],
  sessions: ['ace_dtls_sessions_total', 'DTLS sessions opened and closed, and handshakes that failed', 'outcome'],
} as const;

const histograms = {
  seconds: ['ace_request_seconds', 'Time from a request to its answer', 'path'],
  httpSeconds: ['ace_http_request_seconds', 'Time from a request over HTTP to its answer', 'face', 'endpoint'],
  store: ['ace_store_seconds', 'Time of an operation of the store', 'operation', 'outcome'],
  audit: ['ace_audit_seconds', 'Time until an audit entry is on the disk', 'outcome'],
} as const;

type PromClient = typeof import('prom-client');
type Counters = Readonly<Record<keyof typeof counters, Counter>>;
type Histograms = Readonly<Record<keyof typeof histograms, Histogram>>;

function mapValues<K extends string, A, B>(map: Readonly<Record<K, A>>, value: (each: A) => B): Record<K, B> {
  return Object.fromEntries(Object.entries<A>(map).map(([key, each]) => [key, value(each)])) as Record<K, B>;
}

/**
 * What a server counts, in the text format of Prometheus.
 *
 * Labels are bounded: paths are those that the server has, methods, codes and profiles are registered ones, and of scopes and reasons the first 64 stand for
 * themselves. No label holds a client, a peer or a token.
 */
export class ServerMetrics {
  readonly #registry: Registry;
  readonly #paths: BoundedLabel;
  readonly #endpoints = new BoundedLabel(mostValues);
  readonly #scopes = new BoundedLabel(mostValues);
  readonly #reasons = new BoundedLabel(mostValues);
  readonly #profiles: ReadonlyMap<number, string>;
  readonly #counters: Counters;
  readonly #histograms: Histograms;

  private constructor(client: PromClient, { paths, profiles, stats }: ServerMetricsOptions) {
    this.#registry = new client.Registry();
    const registers = [this.#registry];
    this.#paths = new BoundedLabel(0, paths);
    this.#profiles = new Map(Object.entries(profiles).map(([name, number]) => [number, name]));
    this.#counters = mapValues(counters, ([name, help, ...labelNames]) => new client.Counter({ name, help, labelNames, registers }));
    this.#histograms = mapValues(histograms, ([name, help, ...labelNames]) => new client.Histogram({ name, help, labelNames, buckets, registers }));
    client.collectDefaultMetrics({ register: this.#registry });
    new client.Gauge({
      name: 'ace_entries',
      help: 'What the server holds: contexts, tokens, observers and what is under way, by kind',
      labelNames: ['kind'],
      registers,
      collect() {
        this.reset();
        for (const [kind, value] of Object.entries(stats())) this.set({ kind }, value);
      },
    });
  }

  /** The library is loaded by who wants metrics: others start without it. */
  static async open(options: ServerMetricsOptions): Promise<ServerMetrics> {
    return new ServerMetrics(await import('prom-client'), options);
  }

  #nameOf(profile: number | undefined): string {
    return profile === undefined ? 'none' : (this.#profiles.get(profile) ?? String(profile));
  }

  /** Count requests for these paths under them too: those that the server has got. */
  addPaths(paths: readonly string[]): void {
    this.#paths.add(paths);
  }

  /** Count an event. */
  readonly observe = (event: ServerEvent): void => {
    switch (event.type) {
      case 'answered': {
        const path = this.#paths.of(event.path);
        this.#counters.requests.inc({ path, method: event.method, code: event.code });
        this.#histograms.seconds.observe({ path }, event.milliseconds / 1000);
        break;
      }
      case 'http-answered': {
        const { face, method, status, milliseconds } = event;
        const endpoint = this.#endpoints.of(event.endpoint);
        this.#counters.http.inc({ face, endpoint, method, status: String(status) });
        this.#histograms.httpSeconds.observe({ face, endpoint }, milliseconds / 1000);
        break;
      }
      case 'login':
        this.#counters.logins.inc({ outcome: 'success' });
        break;
      case 'login-refused':
        this.#counters.logins.inc({ outcome: event.reason });
        this.#counters.refusals.inc({ event: event.type, reason: event.reason });
        break;
      case 'login-locked':
        this.#counters.logins.inc({ outcome: `lockout-${event.by}` });
        break;
      case 'token-issued':
        this.#counters.issued.inc({ profile: this.#nameOf(event.profile), scope: this.#scopes.of(event.scope) });
        break;
      case 'token-accepted':
        this.#counters.accepted.inc({ profile: event.profile });
        break;
      case 'token-ended':
        this.#counters.ended.inc({ reason: event.reason });
        break;
      case 'token-refused':
      case 'request-refused':
      case 'refused':
        this.#counters.refusals.inc({ event: event.type, reason: this.#reasons.of(event.reason) });
        break;
      case 'service':
        if (event.event.reason !== undefined) this.#counters.refusals.inc({ event: event.event.type, reason: this.#reasons.of(event.event.reason) });
        break;
      case 'introspected':
        this.#counters.introspections.inc({ active: String(event.active) });
        break;
      case 'fault':
        this.#counters.faults.inc({ reason: this.#reasons.of(event.reason) });
        break;
      case 'clock':
        this.#counters.clock.inc({ direction: event.reason });
        break;
      case 'profile':
        this.#counters.events.inc({ profile: event.profile, event: this.#reasons.of(event.event.type) });
        break;
    }
  };

  /** Counts DTLS sessions, and handshakes that led to none. */
  readonly observeSession = (event: SessionEvent): void => {
    this.#counters.sessions.inc({ outcome: event.type === 'session' ? event.state : 'failed' });
  };

  /** Seconds that an operation of the store took. */
  readonly observeStore = (operation: StoreOperation, seconds: number, outcome: 'done' | 'failed'): void => {
    this.#histograms.store.observe({ operation, outcome }, seconds);
  };

  /** Seconds until an entry was on the disk. */
  readonly observeAudit = (seconds: number, outcome: 'done' | 'failed'): void => {
    this.#histograms.audit.observe({ outcome }, seconds);
  };

  /** The text of a scrape, and its media type. */
  async scrape(): Promise<{ readonly text: string; readonly type: string }> {
    return { text: await this.#registry.metrics(), type: this.#registry.contentType };
  }
}
