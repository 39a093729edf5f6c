import { messageOf } from '../../../../src/core/errors.ts';
import type { Document, DocumentTable } from '../../index.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { mergePatch, owned, sendTo, type T8Answer, type T8Context, type T8Request, tableOf } from './context.ts';
import { changeWaiting, keepEnd, reasonOf } from './delivery-end.ts';
import type { DeliveryEnd } from './delivery-queue.ts';
import { Fields } from './fields.ts';
import type { JsonObject } from './json.ts';
import { patchedBy, resourceOf, sendTestNotification, type T8Resource } from './resource-fields.ts';
import { methodRefused } from './t8-error.ts';

/** What became of a trigger (TS 29.122, 5.7.2.2.3). */
export type DeliveryResult = 'SUCCESS' | 'UNKNOWN' | 'FAILURE' | 'TRIGGERED' | 'EXPIRED' | 'UNCONFIRMED' | 'REPLACED' | 'TERMINATE';

interface Trigger extends T8Resource {
  readonly validityPeriod: number;
  readonly priority: 'NO_PRIORITY' | 'PRIORITY';
  readonly applicationPortId: number;
  readonly appSrcPortId?: number;
  /** Base64. */
  readonly triggerPayload: string;
  readonly result: DeliveryResult;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** Seconds since 1970: when it ended. */
  readonly endedAt?: number;
}

const api = 'device-triggering';
const priorities = ['NO_PRIORITY', 'PRIORITY'] as const;
/** TS 29.122, 5.7.2.1.4. */
const patchable = ['validityPeriod', 'priority', 'applicationPortId', 'appSrcPortId', 'triggerPayload', 'notificationDestination'];

/** `/3gpp-device-triggering/v1/{scsAsId}/transactions`: a payload for an application on a device, which is tried until the device has it or its time is over. */
export class DeviceTriggering {
  readonly #context: T8Context;
  readonly #table: DocumentTable<Trigger>;

  constructor(context: T8Context) {
    this.#context = context;
    this.#table = tableOf(context, 't8/triggers/');
  }

  get size(): number {
    return this.#table.size;
  }

  /** Go on with what an earlier run has left. */
  async start(): Promise<void> {
    await this.#table.start();
    const { env } = this.#context;
    for (const { id, value } of [...this.#table.values()]) {
      if (value.endedAt !== undefined) continue;
      if (value.expiresAt > env.epoch()) this.#deliver(id, value);
      else await this.#ended(id, value, { outcome: 'expired' });
    }
  }

  /** Let go of what has ended long ago. */
  async sweep(): Promise<void> {
    const { env, limits } = this.#context;
    const old = [...this.#table.values()].filter(({ value: { endedAt } }) => endedAt !== undefined && endedAt + limits.retention <= env.epoch());
    for (const { id } of old) await this.#table.change(id, () => undefined);
  }

  close(): Promise<void> {
    return this.#table.idle();
  }

  /** @throws {T8Error} */
  async serve(request: T8Request): Promise<T8Answer> {
    const { method, scsAsId, segments } = request;
    const [id] = segments;
    if (id === undefined) {
      if (method === 'GET') return { status: 200, body: this.#all(scsAsId) };
      if (method === 'POST') return this.#create(request);
      throw methodRefused('GET, POST');
    }
    const trigger = owned(this.#table, id, scsAsId);
    if (method === 'GET') return { status: 200, body: this.#shown(id, trigger) };
    if (method === 'PUT') return this.#replace(id, request, await request.json());
    if (method === 'PATCH') {
      const patch = await request.json(mergePatch);
      // As it is now: it may have changed while the body came in.
      return this.#replace(id, request, patched(owned(this.#table, id, scsAsId), patch));
    }
    if (method === 'DELETE') return this.#recall(id, trigger);
    throw methodRefused('GET, PUT, PATCH, DELETE');
  }

  #all(scsAsId: string): readonly unknown[] {
    return [...this.#table.values()].flatMap(({ id, value }) => (value.scsAsId === scsAsId ? [this.#shown(id, value)] : []));
  }

  async #create(request: T8Request): Promise<T8Answer> {
    const body = await request.json();
    const trigger = await this.#read(request.scsAsId, body);
    const { id, value } = await this.#table.create(trigger);
    this.#deliver(id, value);
    const location = this.#uri(id, value);
    await sendTestNotification(this.#context, value, body, location);
    return { status: 201, location, body: this.#shown(id, value) };
  }

  async #replace(id: string, { scsAsId }: T8Request, body: JsonObject): Promise<T8Answer> {
    const trigger = await this.#read(scsAsId, body);
    await this.#change(id, trigger);
    return { status: 200, body: this.#shown(id, { ...trigger, result: 'REPLACED' }) };
  }

  /** What is on its way cannot be called back for sure: whatever comes of it, nobody is told. */
  async #recall(id: string, trigger: Trigger): Promise<T8Answer> {
    const { emit } = this.#context;
    await this.#change(id, undefined);
    if (trigger.endedAt !== undefined) return { status: 204 };
    emit({ type: 'delivery-ended', scsAsId: trigger.scsAsId, api, device: trigger.device, id, result: 'TERMINATE' });
    return { status: 200, body: this.#shown(id, { ...trigger, result: 'TERMINATE' }) };
  }

  #change(id: string, next: Trigger | undefined): Promise<void> {
    return changeWaiting(this.#context, this.#table, id, next, (one, value) => this.#deliver(one, value));
  }

  async #read(scsAsId: string, body: JsonObject): Promise<Trigger> {
    const { limits, env, rates } = this.#context;
    const fields = new Fields(body);
    const validityPeriod = fields.whole('validityPeriod', 0, limits.longestWait);
    const priority = fields.oneOf('priority', priorities);
    const applicationPortId = fields.whole('applicationPortId', 0, 65_535);
    const appSrcPortId = fields.optionalWhole('appSrcPortId', 0, 65_535);
    const payload = fields.bytes('triggerPayload', limits.payload);
    const resource = await resourceOf(this.#context, scsAsId, api, fields);
    rates.admitDevice(scsAsId, resource.device);
    return {
      ...resource,
      validityPeriod: validityPeriod!,
      priority: priority!,
      applicationPortId: applicationPortId!,
      ...(appSrcPortId === undefined ? {} : { appSrcPortId }),
      triggerPayload: toBase64(payload!),
      result: 'TRIGGERED',
      expiresAt: env.epoch() + validityPeriod!,
    };
  }

  #deliver(id: string, trigger: Trigger): void {
    const { queue } = this.#context;
    const { scsAsId, device, applicationPortId, triggerPayload, priority, expiresAt } = trigger;
    queue.add({
      id,
      scsAsId,
      device,
      priority: priorities.indexOf(priority),
      expiresAt,
      attempt: (timeout, signal) =>
        sendTo(this.#context, api, trigger, { path: `/trigger?port=${applicationPortId}`, payload: fromBase64(triggerPayload), timeout, signal }),
      ended: (end) => this.#ended(id, trigger, end),
    });
  }

  async #ended(id: string, { validityPeriod }: Trigger, end: DeliveryEnd): Promise<void> {
    const { emit, outbox } = this.#context;
    const result = resultOf(end, validityPeriod);
    const ended = await keepEnd(this.#context, this.#table, id, { result });
    if (ended === undefined) return;
    const { scsAsId, device, notificationDestination: destination } = ended;
    const told = { type: 'delivery-ended', scsAsId, api, device, id, result } as const;
    const reason = reasonOf(end);
    emit({ ...told, ...(reason === undefined ? {} : { reason }) });
    try {
      await outbox.send({ scsAsId, destination, body: JSON.stringify({ transaction: this.#uri(id, ended), result }) });
    } catch (error) {
      emit({ ...told, reason: messageOf(error) });
    }
  }

  #uri(id: string, { scsAsId }: Trigger): string {
    return `${this.#context.apiRoot}/3gpp-device-triggering/v1/${encodeURIComponent(scsAsId)}/transactions/${id}`;
  }

  #shown(id: Document<Trigger>['id'], trigger: Trigger): JsonObject {
    const { scsAsId: _owner, name, device: _device, result, expiresAt: _expiry, endedAt: _end, ...members } = trigger;
    return { self: this.#uri(id, trigger), ...name, ...members, deliveryResult: result };
  }
}

function patched({ name, supportedFeatures, validityPeriod, priority, ...trigger }: Trigger, patch: JsonObject): JsonObject {
  const { applicationPortId, appSrcPortId, triggerPayload, notificationDestination } = trigger;
  const ports = { applicationPortId, appSrcPortId };
  return patchedBy(patch, { ...name, supportedFeatures, validityPeriod, priority, ...ports, triggerPayload, notificationDestination }, patchable);
}

/** Who gives a device no time is told that nothing is known; else that its time is over. */
function resultOf(end: DeliveryEnd, validityPeriod: number): DeliveryResult {
  if (end.outcome === 'taken') return 'SUCCESS';
  if (end.outcome === 'refused') return 'FAILURE';
  if (end.outcome === 'failed') return 'UNKNOWN';
  return validityPeriod === 0 ? 'UNCONFIRMED' : 'EXPIRED';
}
