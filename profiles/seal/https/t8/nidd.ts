import { messageOf } from '../../../../src/core/errors.ts';
import type { DocumentTable } from '../../index.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { authorize, mergePatch, owned, sendTo, type T8Answer, type T8Context, type T8Request, tableOf } from './context.ts';
import { changeWaiting, keepEnd, reasonOf } from './delivery-end.ts';
import type { DeliveryEnd } from './delivery-queue.ts';
import { type DeviceName, Fields } from './fields.ts';
import type { JsonObject } from './json.ts';
import {
  api,
  type NiddConfiguration,
  NiddConfigurations,
  type PdnEstablishmentOption,
  pdnEstablishmentOptions,
  refuseReliableDataService,
} from './nidd-configurations.ts';
import { patchedBy } from './resource-fields.ts';
import { absent, methodRefused, noSuchPath, T8Error } from './t8-error.ts';

/** How far a delivery is (TS 29.122, 5.6.2.3.4). */
export type DeliveryStatus = 'SUCCESS' | 'BUFFERING_TEMPORARILY_NOT_REACHABLE' | 'FAILURE_TIMEOUT' | 'FAILURE_NEXT_HOP' | 'FAILURE';

interface Downlink {
  readonly scsAsId: string;
  readonly configuration: string;
  readonly name: DeviceName;
  readonly device: string;
  /** Base64. */
  readonly data: string;
  readonly maximumLatency?: number;
  readonly priority?: number;
  readonly pdnEstablishmentOption?: PdnEstablishmentOption;
  readonly status: DeliveryStatus;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** Seconds since 1970: when it ended. */
  readonly endedAt?: number;
}

/** What a POST or PUT waits for. */
type Heard = (event: { readonly end?: DeliveryEnd; readonly withheld?: boolean }) => void;

const patchable = ['data', 'maximumLatency', 'priority', 'pdnEstablishmentOption', 'reliableDataService'];
const mostPriority = 255;

/**
 * `/3gpp-nidd/v1/{scsAsId}/configurations[/{id}[/downlink-data-deliveries[/{id}]]]`: data for a device, of which an SCS/AS hears at once where the device answers at
 * once, and later by a notification else. What the device says back is its uplink data.
 */
export class Nidd {
  readonly #context: T8Context;
  readonly #configurations: NiddConfigurations;
  readonly #table: DocumentTable<Downlink>;
  readonly #waiting = new Map<string, Heard>();
  /** Being replaced or taken back. */
  readonly #changing = new Set<string>();

  constructor(context: T8Context) {
    this.#context = context;
    this.#table = tableOf(context, 't8/nidd/downlinks/');
    this.#configurations = new NiddConfigurations(
      context,
      (id) => this.#of(id).flatMap(([one, value]) => (value.endedAt === undefined ? [this.#shown(one, value)] : [])),
      (id) => this.#drop(id),
    );
  }

  get size(): number {
    return this.#table.size + this.#configurations.table.size;
  }

  async start(): Promise<void> {
    await this.#configurations.table.start();
    await this.#table.start();
    const { env } = this.#context;
    for (const { id, value } of [...this.#table.values()]) {
      if (value.endedAt !== undefined) continue;
      if (value.expiresAt > env.epoch()) this.#deliver(id, value);
      else await this.#ended(id, { outcome: 'expired' });
    }
  }

  async sweep(): Promise<void> {
    const { env, limits } = this.#context;
    await this.#configurations.sweep();
    const old = [...this.#table.values()].filter(({ value: { endedAt } }) => endedAt !== undefined && endedAt + limits.retention <= env.epoch());
    for (const { id } of old) await this.#table.change(id, () => undefined);
  }

  /** Who waits for a first word of a device is told that there is none. */
  async close(): Promise<void> {
    for (const heard of [...this.#waiting.values()]) heard({});
    await this.#configurations.table.idle();
    await this.#table.idle();
  }

  /** @throws {T8Error} */
  async serve(request: T8Request): Promise<T8Answer> {
    const { method, scsAsId, segments } = request;
    const [configurationId, collection, id] = segments;
    if (configurationId === undefined || collection === undefined) return this.#configurations.serve(request);
    if (collection !== 'downlink-data-deliveries') throw noSuchPath();
    const configuration = this.#configurations.owned(configurationId, scsAsId);
    if (id === undefined) {
      if (method === 'GET') return { status: 200, body: this.#of(configurationId).map(([one, value]) => this.#shown(one, value)) };
      if (method === 'POST') return this.#create(configurationId, configuration, await request.json());
      throw methodRefused('GET, POST');
    }
    const downlink = owned(this.#table, id, scsAsId);
    if (downlink.configuration !== configurationId) throw absent('a resource');
    if (method === 'GET') return { status: 200, body: this.#shown(id, downlink) };
    if (method === 'PUT') return this.#replace(id, downlink, configuration, () => request.json());
    if (method === 'PATCH') return this.#replace(id, downlink, configuration, async () => this.#patched(id, scsAsId, await request.json(mergePatch)));
    if (method === 'DELETE') {
      this.#checkWaits(id, downlink);
      await this.#change(id, undefined);
      return { status: 204 };
    }
    throw methodRefused('GET, PUT, PATCH, DELETE');
  }

  async #create(configurationId: string, configuration: NiddConfiguration, body: JsonObject): Promise<T8Answer> {
    const read = await this.#read(configurationId, configuration, body);
    // It may have been taken away while the body came in.
    this.#configurations.owned(configurationId, configuration.scsAsId);
    const { id, value } = await this.#table.create(read);
    const heard = await this.#firstWord(id, value);
    const location = this.#uri(id, value);
    if (heard === undefined) return { status: 201, location, body: this.#shown(id, value) };
    const { end, withheld } = heard;
    if (end === undefined) {
      const isImpatient = (value.pdnEstablishmentOption ?? configuration.pdnEstablishmentOption) === 'INDICATE_ERROR' || value.maximumLatency === 0;
      if (!isImpatient) return { status: 201, location, body: this.#shown(id, value) };
      await this.#change(id, undefined);
      return failure('TEMPORARILY_NOT_REACHABLE', 'the device cannot be reached');
    }
    await this.#table.change(id, () => undefined);
    if (withheld === true) throw new T8Error('ERR_T8_WITHHELD', 'the answer of the device may not leave this domain', { reason: 'SYSTEM_FAILURE' });
    if (end.outcome === 'taken') return { status: 200, body: this.#shown(id, { ...value, status: 'SUCCESS' }, false) };
    if (end.outcome === 'expired') return failure('TIMEOUT', 'the device has not answered in time');
    if (end.outcome === 'refused') return failure('NEXT_HOP', `the device refuses the data: ${end.why} ${end.diagnostic ?? ''}`.trim());
    return failure('SYSTEM_FAILURE', 'the data cannot be sent');
  }

  /** Deliver it, and wait a little for what comes of it; `undefined`: nothing as yet. */
  #firstWord(id: string, value: Downlink): Promise<Parameters<Heard>[0] | undefined> {
    return new Promise((resolve) => {
      const { env, limits } = this.#context;
      const heard = (event: Parameters<Heard>[0] | undefined): void => {
        cancel();
        this.#waiting.delete(id);
        resolve(event);
      };
      const cancel = env.schedule(limits.patience, () => heard(undefined));
      this.#waiting.set(id, heard);
      this.#deliver(id, value);
    });
  }

  async #replace(id: string, downlink: Downlink, configuration: NiddConfiguration, body: () => Promise<JsonObject>): Promise<T8Answer> {
    this.#checkWaits(id, downlink);
    const next = await this.#read(downlink.configuration, configuration, await body());
    // It may have been delivered, or taken back, while the body came in.
    this.#checkWaits(id, owned(this.#table, id, downlink.scsAsId));
    await this.#change(id, next);
    return { status: 200, body: this.#shown(id, next) };
  }

  /** As it is now with a patch in it: it may have changed while that came in. */
  #patched(id: string, scsAsId: string, patch: JsonObject): JsonObject {
    const { name, data, maximumLatency, priority, pdnEstablishmentOption } = owned(this.#table, id, scsAsId);
    return patchedBy(patch, { ...name, data, maximumLatency, priority, pdnEstablishmentOption }, patchable);
  }

  /** Data that has left cannot be replaced or taken back. */
  #checkWaits(id: string, { endedAt }: Downlink): void {
    if (endedAt !== undefined)
      throw new T8Error('ERR_T8_ABSENT', 'expected data that waits, got data that was delivered, or given up', { reason: 'ALREADY_DELIVERED' });
    if (this.#changing.has(id) || this.#context.queue.state(id) === 'sending')
      throw new T8Error('ERR_T8_SENDING', 'expected data that waits, got data that is on its way', { reason: 'SENDING' });
  }

  async #change(id: string, next: Downlink | undefined): Promise<void> {
    this.#changing.add(id);
    try {
      await changeWaiting(this.#context, this.#table, id, next, (one, value) => this.#deliver(one, value));
    } finally {
      this.#changing.delete(id);
    }
  }

  async #read(configurationId: string, configuration: NiddConfiguration, body: JsonObject): Promise<Downlink> {
    const { limits, env, rates } = this.#context;
    const fields = new Fields(body);
    const name = fields.device();
    const data = fields.packet('data', limits.payload);
    const maximumLatency = fields.optionalWhole('maximumLatency', 0, limits.longestWait);
    const priority = fields.optionalWhole('priority', 0, mostPriority);
    const pdnEstablishmentOption = fields.optionalOneOf('pdnEstablishmentOption', pdnEstablishmentOptions);
    refuseReliableDataService(fields);
    fields.done();
    const { scsAsId, device } = configuration;
    const { externalId } = await authorize(this.#context, scsAsId, api, name!);
    if (externalId !== device) {
      fields.refuse('externalId' in name! ? 'externalId' : 'msisdn', 'the device of the configuration', 'MANDATORY_IE_INCORRECT');
      fields.done();
    }
    rates.admitDevice(scsAsId, device);
    return {
      scsAsId,
      configuration: configurationId,
      name: name!,
      device,
      data: toBase64(data!),
      ...(maximumLatency === undefined ? {} : { maximumLatency }),
      ...(priority === undefined ? {} : { priority }),
      ...(pdnEstablishmentOption === undefined ? {} : { pdnEstablishmentOption }),
      status: 'BUFFERING_TEMPORARILY_NOT_REACHABLE',
      expiresAt: env.epoch() + (maximumLatency ?? limits.longestWait),
    };
  }

  #deliver(id: string, downlink: Downlink): void {
    const { scsAsId, configuration, device, data, priority = 0, expiresAt } = downlink;
    this.#context.queue.add({
      id,
      scsAsId,
      device,
      priority,
      expiresAt,
      attempt: async (timeout, signal) => {
        if (this.#configurations.find(configuration) === undefined) return { outcome: 'failed', reason: 'the configuration has ended' };
        return sendTo(this.#context, api, downlink, { path: '/nidd', payload: fromBase64(data), timeout, signal });
      },
      unreached: () => this.#waiting.get(id)?.({}),
      ended: (end) => this.#ended(id, end),
    });
  }

  async #ended(id: string, end: DeliveryEnd): Promise<void> {
    const { emit } = this.#context;
    const status = statusOf(end);
    const ended = await keepEnd(this.#context, this.#table, id, { status });
    if (ended === undefined) {
      this.#waiting.get(id)?.({ end: { outcome: 'failed', reason: '' } });
      return;
    }
    const { scsAsId, device } = ended;
    const told = { type: 'delivery-ended', scsAsId, api, device, id, result: status } as const;
    const reason = reasonOf(end);
    emit({ ...told, ...(reason === undefined ? {} : { reason }) });
    try {
      await this.#tell(id, ended, end);
    } catch (error) {
      this.#waiting.get(id)?.({ end: { outcome: 'failed', reason: '' } });
      emit({ ...told, reason: messageOf(error) });
    }
  }

  /** What the device says back goes out as uplink data; the end is the answer to a request that waits for it, or a notification. */
  async #tell(id: string, downlink: Downlink, end: DeliveryEnd): Promise<void> {
    const { outbox } = this.#context;
    const { scsAsId, configuration, name, status } = downlink;
    const found = this.#configurations.table.get(configuration)?.value;
    if (found === undefined) return;
    const { notificationDestination: destination } = found;
    const notify = (body: JsonObject): ReturnType<typeof outbox.send> => outbox.send({ scsAsId, destination, body: JSON.stringify(body) });
    const data = end.outcome === 'taken' && end.payload.length > 0 ? toBase64(end.payload) : undefined;
    const withheld = data !== undefined && (await notify({ niddConfiguration: this.#configurations.uri(configuration, found), ...name, data })) !== undefined;
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) waiting({ end, withheld });
    else await notify({ niddDownlinkDataTransfer: this.#uri(id, downlink), deliveryStatus: status });
  }

  #of(configuration: string): readonly (readonly [id: string, value: Downlink])[] {
    return [...this.#table.values()].flatMap(({ id, value }) => (value.configuration === configuration ? [[id, value] as const] : []));
  }

  async #drop(configuration: string): Promise<void> {
    for (const [id] of this.#of(configuration)) await this.#change(id, undefined);
  }

  #uri(id: string, { scsAsId, configuration }: Downlink): string {
    const { apiRoot } = this.#context;
    return `${apiRoot}/3gpp-nidd/v1/${encodeURIComponent(scsAsId)}/configurations/${configuration}/downlink-data-deliveries/${id}`;
  }

  #shown(id: string, downlink: Downlink, isKept = true): JsonObject {
    const { scsAsId: _owner, configuration: _configuration, device: _device, name, status, expiresAt: _expiry, endedAt: _end, ...members } = downlink;
    return { ...(isKept ? { self: this.#uri(id, downlink) } : {}), ...name, ...members, reliableDataService: false, deliveryStatus: status };
  }
}

function statusOf(end: DeliveryEnd): DeliveryStatus {
  if (end.outcome === 'taken') return 'SUCCESS';
  if (end.outcome === 'refused') return 'FAILURE_NEXT_HOP';
  return end.outcome === 'expired' ? 'FAILURE_TIMEOUT' : 'FAILURE';
}

/** NiddDownlinkDataDeliveryFailure (TS 29.122, 5.6.2.2.4): its causes are the statuses of a delivery (5.6.2.3.4) without FAILURE. */
function failure(cause: string, detail: string): T8Answer {
  return { status: 500, body: { problemDetail: { title: 'Internal Server Error', status: 500, cause, detail } } };
}
