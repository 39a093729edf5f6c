import type { IncomingMessage, ServerResponse } from 'node:http';
import { utf8 } from '../../../../src/core/bytes.ts';
import { type Cancel, type Env, systemEnv } from '../../../../src/core/env.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import type { Store } from '../../../../src/store/index.ts';
import type { HttpHandler, HttpsRequestInit } from '../../../../src/transport/index.ts';
import { SealError } from '../../index.ts';
import { readBody } from '../request-body.ts';
import type { T8Answer, T8Context, T8Decision, T8Delivered, T8Limits, T8Request } from './context.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import { Destinations } from './destinations.ts';
import type { DeviceLink } from './device-link.ts';
import { DeviceTriggering } from './device-triggering.ts';
import { DeviceRegistry } from './devices.ts';
import { type EgressEvent, EgressFilter } from './egress/egress-filter.ts';
import { filtered } from './egress/filtered-response.ts';
import { jsonObjectOf } from './json.ts';
import { Nidd } from './nidd.ts';
import { Outbox, type OutboxEvent } from './outbox.ts';
import { T8Policy, type T8Rule } from './policy.ts';
import { problemType } from './problem-details.ts';
import { RequestRates, type T8RateEvent, type T8Rates } from './request-rates.ts';
import { absent, badRequest, forbidden, noSuchPath, T8Error } from './t8-error.ts';

/** What the operator hears. */
export type T8Event = T8Decision | T8Delivered | EgressEvent | OutboxEvent | T8RateEvent | { readonly type: 'fault'; readonly reason: string };

/** Who lets SCS/AS in. */
export interface T8Guard {
  /** Throws a refusal with the status, headers and body of its answer. */
  check(request: IncomingMessage): Promise<{ readonly clientId: string }>;
}

/** What a T8 gateway is made of. */
export interface T8GatewayOptions {
  readonly guard: T8Guard;
  /** Devices, rules, and what waits: shared with the operator's tools. */
  readonly store: Store;
  readonly link: DeviceLink;
  /** `https://host[:port]`, with which the URIs of its resources begin. */
  readonly apiRoot: string;
  /** Rules beside those of the store. */
  readonly rules?: readonly T8Rule[];
  /** How it shows itself to SCS/AS that it notifies, and whose certificates it takes. */
  readonly notifications?: Pick<HttpsRequestInit, 'ca' | 'cert' | 'key'> & {
    /** Hosts of the own network that may be notified: `host:port` each. */
    readonly allow?: readonly string[];
  };
  readonly limits?: Partial<T8Limits> & {
    /** Milliseconds for an attempt to reach a device. */
    readonly attemptTimeout?: number;
    /** Devices that are tried at once. */
    readonly atOnce?: number;
    /** Requests of an SCS/AS, and what is sent to a device. */
    readonly rate?: T8Rates;
  };
  readonly env?: Env;
  /** Hears of deliveries, refusals and faults. */
  readonly emit?: (event: T8Event) => void;
}

/** What a T8 gateway serves is under these. */
export const t8Paths: readonly string[] = ['/3gpp-device-triggering/v1', '/3gpp-nidd/v1'];

const defaults: T8Limits = { documents: 10_000, perScsAs: 1_000, payload: 8_192, longestWait: 604_800, retention: 3_600, patience: 4_000 };
/** What a request target is read against. */
const anyOrigin = 'https://scef.invalid';
/** Bytes of a request. */
const longestBody = 65_536;
/** Milliseconds between two looks for what has ended. */
const sweepPause = 30_000;

/**
 * The T8 reference point of an SCEF (TS 33.187, 4.7; TS 29.122) in front of devices that speak CoAP: device triggering and NIDD over HTTPS for SCS/AS.
 *
 * Each request is authenticated by the guard, is for the SCS/AS of the token, and for a device that a rule lets this SCS/AS address by this API. The device is reached
 * by ACE, and no IMSI leaves, whatever an answer is made of.
 *
 * ```ts
 * const gateway = new T8Gateway({ guard, store, link: aceDeviceLink(client), apiRoot: 'https://scef.example' });
 * await gateway.start();
 * await serveHttps({ cert, key, clientCa }, gateway.handler);
 * ```
 */
export class T8Gateway {
  readonly devices: DeviceRegistry;
  readonly policy: T8Policy;
  readonly filter: EgressFilter;
  /** Serves HTTP requests: all that it says went through the filter. */
  readonly handler: HttpHandler;
  readonly #options: T8GatewayOptions;
  readonly #env: Env;
  readonly #queue: DeliveryQueue;
  readonly #outbox: Outbox;
  readonly #rates: RequestRates;
  readonly #apis: Readonly<Record<string, DeviceTriggering | Nidd>>;
  #sweeping: Cancel | undefined;
  #closed = false;

  /** @throws {T8Error} `ERR_T8_CONFIG` */
  constructor(options: T8GatewayOptions) {
    const { store, link, rules, notifications = {}, env = systemEnv, emit = () => undefined } = options;
    const { attemptTimeout = 20_000, atOnce = 32, rate = {}, ...limits } = options.limits ?? {};
    this.#options = options;
    this.#env = env;
    this.devices = new DeviceRegistry(store);
    this.policy = new T8Policy(store, rules);
    this.filter = new EgressFilter({ subscribers: () => this.devices.subscribers(), emit });
    this.#rates = new RequestRates(env, rate, emit);
    this.#queue = new DeliveryQueue({ env, attemptTimeout, atOnce });
    const { allow, ...tls } = notifications;
    const destinations = new Destinations(allow);
    this.#outbox = new Outbox({ store, env, filter: this.filter, destinations, tls, emit });
    const context: T8Context = {
      store,
      env,
      devices: this.devices,
      policy: this.policy,
      link,
      queue: this.#queue,
      outbox: this.#outbox,
      destinations,
      rates: this.#rates,
      limits: { ...defaults, ...limits },
      apiRoot: options.apiRoot.replace(/\/$/, ''),
      emit,
    };
    this.#apis = { '3gpp-device-triggering/v1/transactions': new DeviceTriggering(context), '3gpp-nidd/v1/configurations': new Nidd(context) };
    this.handler = filtered(this.filter, (request, response) => void this.#answer(request, response));
  }

  /** Take up what an earlier run has left in the store: before the first request. */
  async start(): Promise<void> {
    await this.#outbox.start();
    for (const api of Object.values(this.#apis)) await api.start();
    this.#sweep();
  }

  /** Take other rates, from the next request on; those that are absent are as without any. What is counted for one that changes begins anew. */
  changeRates(rates: T8Rates): void {
    this.#rates.change(rates);
  }

  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>> {
    const [triggers, nidd] = Object.values(this.#apis).map(({ size }) => size);
    return { triggers: triggers!, nidd: nidd!, waiting: this.#queue.size, notifications: this.#outbox.size, rates: this.#rates.size };
  }

  /** Stop what is under way. What waits stays in the store, for the next run. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#sweeping?.();
    this.#queue.close();
    await this.#outbox.close();
    for (const api of Object.values(this.#apis)) await api.close();
  }

  #sweep(): void {
    if (this.#closed) return;
    this.#sweeping = this.#env.schedule(sweepPause, () => {
      void (async () => {
        for (const api of Object.values(this.#apis)) await api.sweep().catch((error: unknown) => this.#tellFault(error));
        this.#sweep();
      })();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, location, body } = await this.#serve(request);
      send(response, status, { ...(location === undefined ? {} : { location }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, body);
    } catch (error) {
      const refusal = error as { readonly status?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown };
      // What a guard throws is an answer already.
      if (!(error instanceof T8Error) && typeof refusal.status === 'number' && typeof refusal.body === 'string') {
        response.writeHead(refusal.status, refusal.headers).end(refusal.body);
        return;
      }
      const { status, headers, problem } = this.#refusalOf(error);
      send(response, status, { ...headers, 'content-type': problemType }, problem);
    }
  }

  async #serve(request: IncomingMessage): Promise<T8Answer> {
    this.#rates.admitAddress(request.socket.remoteAddress ?? 'unknown');
    const caller = await this.#options.guard.check(request);
    const target = URL.canParse(request.url ?? '/', anyOrigin) ? new URL(request.url ?? '/', anyOrigin) : undefined;
    if (target === undefined) throw noSuchPath();
    const [api, version, scsAsId, collection, ...segments] = target.pathname.split('/').slice(1).map(decoded);
    const served = this.#apis[`${api}/${version}/${collection}`];
    if (served === undefined || scsAsId === undefined || segments.length > 3 || segments.includes('')) throw noSuchPath();
    if (scsAsId !== caller.clientId) throw forbidden('the SCS/AS of the token in the path');
    this.#rates.admitScsAs(scsAsId);
    const toServe: T8Request = {
      method: request.method ?? 'GET',
      scsAsId,
      segments,
      json: async (mediaType = 'application/json') => {
        checkMediaType(request, mediaType);
        return jsonObjectOf(await bodyOf(request));
      },
    };
    if (served instanceof DeviceTriggering && segments.length > 1) throw noSuchPath();
    return served.serve(toServe);
  }

  #refusalOf(error: unknown): T8Error {
    if (error instanceof T8Error) return error;
    if (error instanceof SealError) return ofTable(error);
    this.#tellFault(error);
    return new T8Error('ERR_T8_FAULT', 'the request cannot be served', { reason: 'SYSTEM_FAILURE' });
  }

  #tellFault(error: unknown): void {
    this.#options.emit?.({ type: 'fault', reason: messageOf(error) });
  }
}

/** What a table of resources refuses. */
function ofTable({ code, message, maxAge = 1 }: SealError): T8Error {
  if (code === 'ERR_SEAL_ABSENT') return absent('a resource');
  if (code === 'ERR_SEAL_QUOTA') return new T8Error('ERR_T8_QUOTA', message, { reason: 'QUOTA_EXCEEDED' });
  return new T8Error('ERR_T8_BUSY', message, { reason: 'NF_CONGESTION', headers: { 'retry-after': String(maxAge) } });
}

function send(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
  response.writeHead(status, { 'cache-control': 'no-store', ...headers });
  if (body === undefined) response.end();
  else response.end(utf8(JSON.stringify(body)));
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest('path: expected percent-encoded UTF-8, got something else');
  }
}

function checkMediaType({ headers }: IncomingMessage, expected: string): void {
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== expected || (headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
    throw new T8Error('ERR_T8_MEDIA_TYPE', `expected ${expected}, got something else`, { status: 415 });
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const body = await readBody(request, longestBody);
  if (body === 'cut-short') throw badRequest('body: expected all of it, got the beginning');
  if (body !== 'too-long') return body;
  throw new T8Error('ERR_T8_SIZE', `expected a body of at most ${longestBody} bytes, got a longer one`, { status: 413, headers: { connection: 'close' } });
}
