import type { Env } from '../../../../src/core/env.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import type { Store } from '../../../../src/store/index.ts';
import { DocumentTable } from '../../index.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { Destinations } from './destinations.ts';
import type { DeviceAnswer, DeviceLink, DeviceRequest } from './device-link.ts';
import type { DeviceRegistry, T8Device } from './devices.ts';
import type { DeviceName } from './fields.ts';
import type { JsonObject } from './json.ts';
import type { Outbox } from './outbox.ts';
import type { T8Api, T8Policy } from './policy.ts';
import type { RequestRates } from './request-rates.ts';
import { absent, forbidden, T8Error } from './t8-error.ts';

/** Whether an SCS/AS may address a device, as it was decided. */
export interface T8Decision {
  readonly type: 'decision';
  readonly scsAsId: string;
  readonly api: T8Api;
  readonly device: string;
  readonly permitted: boolean;
}

/** What became of a delivery; `result` as the API has it. */
export interface T8Delivered {
  readonly type: 'delivery-ended';
  readonly scsAsId: string;
  readonly api: T8Api;
  readonly device: string;
  readonly id: string;
  readonly result: string;
  /** For the operator. */
  readonly reason?: string;
}

/** How much of each kind is kept, and for how long. */
export interface T8Limits {
  /** Resources of a kind. */
  readonly documents: number;
  /** Those of an SCS/AS. */
  readonly perScsAs: number;
  /** Bytes of a payload. */
  readonly payload: number;
  /** Seconds that a device may be waited for. */
  readonly longestWait: number;
  /** Seconds that a resource stays after what it was for has ended. */
  readonly retention: number;
  /** Milliseconds that the answer to a request waits for the device. */
  readonly patience: number;
}

/** What the APIs share. */
export interface T8Context {
  readonly store: Store;
  readonly env: Env;
  readonly devices: DeviceRegistry;
  readonly policy: T8Policy;
  readonly link: DeviceLink;
  readonly queue: DeliveryQueue;
  readonly outbox: Outbox;
  readonly destinations: Destinations;
  readonly rates: RequestRates;
  readonly limits: T8Limits;
  /** `https://host[:port]` */
  readonly apiRoot: string;
  readonly emit: (event: T8Decision | T8Delivered | { readonly type: 'fault'; readonly reason: string }) => void;
}

/** A request of an SCS/AS that was authenticated. */
export interface T8Request {
  readonly method: string;
  readonly scsAsId: string;
  /** Of the path behind the resource that the API serves. */
  readonly segments: readonly string[];
  /** @throws {T8Error} for a body that is not of this media type, or is no JSON object */
  json(mediaType?: string): Promise<JsonObject>;
}

/** RFC 7396. */
export const mergePatch = 'application/merge-patch+json';

/** An answer with JSON in it, or without. */
export interface T8Answer {
  readonly status: number;
  readonly location?: string;
  readonly body?: unknown;
}

/** Notification_test_event, the second feature of both APIs (TS 29.122). */
export const testNotification = 0b10;

/** Resources of a kind, in the store as JSON. */
export function tableOf<T extends { readonly scsAsId: string }>({ store, env, limits }: T8Context, folder: string): DocumentTable<T> {
  return new DocumentTable<T>({
    store,
    env,
    folder,
    documents: limits.documents,
    perOwner: limits.perScsAs,
    bytes: 64 * 1_048_576,
    ownerOf: ({ scsAsId }) => scsAsId,
    encode: (value) => JSON.stringify(value),
    decode: (value) => JSON.parse(value as string) as T,
  });
}

/**
 * The device that a request names, if its SCS/AS may address it by this API. The decision is told.
 *
 * @throws {T8Error} `ERR_T8_FORBIDDEN`
 */
export async function authorize({ devices, policy, emit }: T8Context, scsAsId: string, api: T8Api, name: DeviceName): Promise<T8Device> {
  const device = await ('externalId' in name ? devices.get(name.externalId) : devices.byMsisdn(name.msisdn));
  const permitted = device !== undefined && (await policy.permits(scsAsId, device.externalId, api));
  emit({ type: 'decision', scsAsId, api, device: device?.externalId ?? 'unknown', permitted });
  if (!permitted) throw forbidden();
  return device;
}

/** Something that waits for its device. */
interface ForDevice {
  readonly scsAsId: string;
  readonly name: DeviceName;
  /** Whom the name meant when it was asked for. */
  readonly device: string;
}

/** Send to a device, if its SCS/AS may address it still: since it was asked, the policy may have changed, whose telephone number it is, and where the device is. */
export async function sendTo(context: T8Context, api: T8Api, { scsAsId, name, device }: ForDevice, request: DeviceRequest): Promise<DeviceAnswer> {
  let current: T8Device;
  try {
    current = await authorize(context, scsAsId, api, name);
  } catch (error) {
    if (error instanceof T8Error) return { outcome: 'refused', why: 'policy' };
    // Nobody can say now.
    context.emit({ type: 'fault', reason: messageOf(error) });
    return { outcome: 'unreachable' };
  }
  return current.externalId === device ? context.link.send(current, request) : { outcome: 'refused', why: 'policy' };
}

/** A resource of this SCS/AS; those of others are not there for it. */
export function owned<T extends { readonly scsAsId: string }>(table: DocumentTable<T>, id: string, scsAsId: string): T {
  const found = table.get(id)?.value;
  if (found?.scsAsId !== scsAsId) throw absent('a resource');
  return found;
}
