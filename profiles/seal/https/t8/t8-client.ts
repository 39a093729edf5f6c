import type { IncomingMessage } from 'node:http';
import { concatAll, fromUtf8 } from '../../../../src/core/bytes.ts';
import { fetchHttps, type HttpsRequestInit, type HttpsServer, type HttpsServerOptions, serveHttps } from '../../../../src/transport/index.ts';
import type { Fetch } from '../sim-c/provider-metadata.ts';
import { toBase64 } from './base64.ts';
import { type JsonObject, jsonObjectOf } from './json.ts';
import { badRequest, T8Error } from './t8-error.ts';

/** What an SCS/AS needs to call an SCEF. */
export interface T8ClientOptions {
  /** `https://host[:port]` */
  readonly apiRoot: string;
  readonly scsAsId: string;
  /** The certificate of the SCS/AS, and the authority of that of the SCEF. */
  readonly tls: Pick<HttpsRequestInit, 'ca' | 'cert' | 'key'>;
  /** An access token that is good now. */
  readonly token: () => string | Promise<string>;
  /** Where the SCEF tells of what became of things: an https URI. */
  readonly notificationDestination: string;
  /** HTTPS; `fetchHttps` when absent. */
  readonly fetch?: Fetch;
}

/** A device, by one of its names. */
export type AddressedDevice = { readonly externalId: string } | { readonly msisdn: string };

/** What may be said of a trigger. */
export interface TriggerInit {
  /** Seconds; 60 when absent. */
  readonly validityPeriod?: number;
  /** The application on the device; 0 when absent. */
  readonly applicationPortId?: number;
  readonly priority?: 'NO_PRIORITY' | 'PRIORITY';
}

/** An answer of an SCEF, whatever its status. */
export interface T8Response {
  readonly status: number;
  /** The URI of what was made. */
  readonly location?: string;
  /** Seconds until it is worth to ask again. */
  readonly retryAfter?: number;
  readonly body?: unknown;
}

/** An SCS/AS: what calls the T8 gateway. */
export class T8Client {
  readonly #options: T8ClientOptions;

  constructor(options: T8ClientOptions) {
    this.#options = options;
  }

  /** Trigger a device: the payload goes to one of its applications. */
  trigger(device: AddressedDevice, payload: Uint8Array, init: TriggerInit = {}): Promise<T8Response> {
    const { validityPeriod = 60, applicationPortId = 0, priority = 'NO_PRIORITY' } = init;
    const { notificationDestination } = this.#options;
    const triggerPayload = toBase64(payload);
    return this.ask('POST', this.#path('3gpp-device-triggering', 'transactions'), {
      ...device,
      validityPeriod,
      priority,
      applicationPortId,
      triggerPayload,
      notificationDestination,
    });
  }

  /** Agree on data for a device. */
  configure(device: AddressedDevice, more: JsonObject = {}): Promise<T8Response> {
    const { notificationDestination } = this.#options;
    return this.ask('POST', this.#path('3gpp-nidd', 'configurations'), { ...device, notificationDestination, ...more });
  }

  /** Send data to the device of a configuration, which is named by its URI. */
  deliver(configuration: string, device: AddressedDevice, data: Uint8Array, more: JsonObject = {}): Promise<T8Response> {
    return this.ask('POST', `${configuration}/downlink-data-deliveries`, { ...device, data: toBase64(data), ...more });
  }

  /**
   * Any request, to a path or a URI of the SCEF.
   *
   * @throws {TransportError} `ERR_TRANSPORT_HTTPS`
   * @throws {T8Error} `ERR_T8_CONFIG` for a URI elsewhere, which would get the token (RFC 6750, Section 5.3), `ERR_T8_ANSWER` for an answer that is no JSON
   */
  async ask(method: string, target: string, body?: JsonObject): Promise<T8Response> {
    const { apiRoot, tls, token, fetch = fetchHttps } = this.#options;
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const [{ href, origin }, root] = [new URL(target, apiRoot), new URL(apiRoot)];
    if (origin !== root.origin)
      throw new T8Error('ERR_T8_CONFIG', `expected a URI of ${root.origin}, for which the token is, got one of ${origin}`, { status: 500 });
    const response = await fetch(href, {
      ...tls,
      method,
      headers: { authorization: `Bearer ${await token()}`, ...(body === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { location, 'retry-after': retryAfter } = response.headers;
    return {
      status: response.status,
      ...(location === undefined ? {} : { location }),
      ...(/^\d+$/.test(retryAfter ?? '') ? { retryAfter: Number(retryAfter) } : {}),
      ...(response.body.length === 0 ? {} : { body: jsonOf(response.body) }),
    };
  }

  #path(api: string, collection: string): string {
    return `/${api}/v1/${encodeURIComponent(this.#options.scsAsId)}/${collection}`;
  }
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body));
  } catch (cause) {
    throw new T8Error('ERR_T8_ANSWER', `expected an answer in JSON, got ${body.length} bytes of something else`, { status: 502, cause });
  }
}

/** Bytes of a notification. */
const longestNotification = 65_536;

/** Where an SCS/AS hears of what became of things. */
export class NotificationListener {
  readonly #most: number;
  readonly #heard: unknown[] = [];
  readonly #waiting = new Set<() => void>();
  #server: HttpsServer | undefined;

  private constructor(most: number) {
    this.#most = most;
  }

  /**
   * Listen for an SCEF, over mutual TLS where `clientCa` says so.
   *
   * @param most - notifications that are kept; the oldest goes first
   */
  static async listen(options: HttpsServerOptions, most = 1_024): Promise<NotificationListener> {
    const listener = new NotificationListener(most);
    listener.#server = await serveHttps(options, (request, response) => {
      listener.#hear(request).then(
        () => response.writeHead(204).end(),
        () => response.writeHead(400).end(),
      );
    });
    return listener;
  }

  /** Where it listens. */
  get port(): number {
    return this.#server!.port;
  }

  /** What was heard last. */
  get heard(): readonly unknown[] {
    return this.#heard;
  }

  /**
   * The first notification of which this is true, heard already or to come.
   *
   * @throws {T8Error} `ERR_T8_SILENCE` when none comes in so many milliseconds
   */
  async next(accepts: (notification: JsonObject) => boolean, patience = 10_000): Promise<JsonObject> {
    const deadline = AbortSignal.timeout(patience);
    for (;;) {
      const found = (this.#heard as readonly JsonObject[]).find(accepts);
      if (found !== undefined) return found;
      if (deadline.aborted) throw new T8Error('ERR_T8_SILENCE', `expected a notification within ${patience} ms, got none`, { status: 504 });
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Stop listening. */
  close(): Promise<void> {
    return this.#server!.close();
  }

  async #hear(request: IncomingMessage): Promise<void> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of request as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > longestNotification) throw badRequest(`expected a notification of at most ${longestNotification} bytes, got a longer one`);
      parts.push(part);
    }
    this.#heard.push(jsonObjectOf(concatAll(parts)));
    if (this.#heard.length > this.#most) this.#heard.shift();
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
