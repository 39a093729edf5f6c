import { parseUri } from '../../../../src/coap/index.ts';
import { type CborMap, decode, encode } from '../../../../src/core/cbor.ts';
import { type Change, type Store, StoreError } from '../../../../src/store/index.ts';
import type { Subscribers } from './egress/egress-filter.ts';
import { KnownImsis } from './egress/known-imsis.ts';
import { isExternalId, isMsisdn } from './fields.ts';
import { badConfig } from './t8-error.ts';

/** A device, as the operator knows it. */
export interface T8Device {
  /** How an SCS/AS names it: a local identifier, "@" and a domain. */
  readonly externalId: string;
  /** Its telephone number, by which an SCS/AS may name it too. */
  readonly msisdn?: string;
  /** `imsi-` and 14 or 15 digits; it stays inside. */
  readonly supi?: string;
  /** Where it is reached: `coap://host[:port]`, or the same with another scheme. */
  readonly uri: string;
}

const folder = 't8/devices/';
const numbers = 't8/msisdn/';
/** Counts the changes, so that other processes see that there was one. */
const changed = 't8/device-changes';
/** How often a change is tried that others get ahead of. */
const attempts = 8;
const supiForm = /^imsi-([0-9]{14,15})$/;
/** Digits that are left of an IMSI when its zeros in front are not counted. */
const fewestDigits = 12;

/** The devices behind a T8 gateway, in a store that the gateway and the operator's tools share. */
export class DeviceRegistry {
  readonly #store: Store;
  #seen: number | undefined;
  #subscribers: Subscribers = { imsis: new KnownImsis([]), isPublicNumber: () => false };

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws {T8Error} `ERR_T8_CONFIG` for what is no device, and for the telephone number of another */
  async put(device: T8Device): Promise<void> {
    checkDevice(device);
    const { externalId, msisdn } = device;
    await this.#change(externalId, async (before) => {
      const old = before === undefined ? undefined : decodeDevice(before);
      const owner = msisdn === undefined ? undefined : await this.#store.get(numbers + msisdn);
      if (owner !== undefined && decode(owner) !== externalId) throw badConfig('msisdn: expected a number of its own, got one of another device');
      return [
        { key: folder + externalId, value: encodeDevice(device), expected: before ?? null },
        ...(old?.msisdn === undefined || old.msisdn === msisdn ? [] : [{ key: numbers + old.msisdn, value: undefined }]),
        ...(msisdn === undefined ? [] : [{ key: numbers + msisdn, value: encode(externalId), expected: owner ?? null }]),
      ];
    });
  }

  /** Whether there was one. */
  remove(externalId: string): Promise<boolean> {
    return this.#change(externalId, async (before) => {
      if (before === undefined) return undefined;
      const { msisdn } = decodeDevice(before);
      return [{ key: folder + externalId, value: undefined, expected: before }, ...(msisdn === undefined ? [] : [{ key: numbers + msisdn, value: undefined }])];
    });
  }

  /** The device of an external ID. */
  async get(externalId: string): Promise<T8Device | undefined> {
    const stored = await this.#store.get(folder + externalId);
    return stored === undefined ? undefined : decodeDevice(stored);
  }

  /** The device of an MSISDN. */
  async byMsisdn(msisdn: string): Promise<T8Device | undefined> {
    const owner = await this.#store.get(numbers + msisdn);
    return owner === undefined ? undefined : this.get(decode(owner) as string);
  }

  /** All devices. */
  async *list(): AsyncGenerator<T8Device, void, undefined> {
    for await (const [, stored] of this.#store.scan(folder)) yield decodeDevice(stored);
  }

  /** For the egress filter: whom nobody outside may learn of. */
  async subscribers(): Promise<Subscribers> {
    const stored = await this.#store.get(changed);
    const count = stored === undefined ? 0 : (decode(stored) as number);
    if (count === this.#seen) return this.#subscribers;
    const imsis: string[] = [];
    const msisdns = new Set<string>();
    for await (const { supi, msisdn } of this.list()) {
      const digits = supiForm.exec(supi ?? '')?.[1];
      if (digits !== undefined) imsis.push(digits);
      if (msisdn !== undefined) msisdns.add(msisdn);
    }
    this.#seen = count;
    this.#subscribers = { imsis: new KnownImsis(imsis), isPublicNumber: (number) => msisdns.has(number) };
    return this.#subscribers;
  }

  /** Make changes that start from the device that is there, and count them in the same batch; `undefined`: there is nothing to be done. */
  async #change(externalId: string, plan: (before: Uint8Array | undefined) => Promise<readonly Change[] | undefined>): Promise<boolean> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const count = await this.#store.get(changed);
      const changes = await plan(await this.#store.get(folder + externalId));
      if (changes === undefined) return false;
      const next = { key: changed, value: encode(count === undefined ? 1 : (decode(count) as number) + 1), expected: count ?? null };
      if (await this.#store.batch([...changes, next])) return true;
    }
    throw badConfig(`expected nobody else to change devices meanwhile, got others ahead ${attempts} times`);
  }
}

function checkDevice({ externalId, msisdn, supi, uri }: T8Device): void {
  if (!isExternalId(externalId)) throw badConfig('externalId: expected a local identifier, "@" and a domain, got something else');
  if (msisdn !== undefined && !isMsisdn(msisdn)) throw badConfig('msisdn: expected 5 to 15 digits, got something else');
  const digits = supiForm.exec(supi ?? '')?.[1];
  if (supi !== undefined && (digits === undefined || String(Number(digits)).length < fewestDigits))
    throw badConfig('supi: expected "imsi-" and the 14 or 15 digits of an IMSI, got something else');
  const { path, query } = parseUri(uri);
  if (path.length > 0 || query.length > 0) throw badConfig('uri: expected coap://host[:port], got one with a path or a query');
}

function encodeDevice({ externalId, msisdn, supi, uri }: T8Device): Uint8Array {
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['externalId', externalId],
    ['msisdn', msisdn],
    ['supi', supi],
    ['uri', uri],
  ];
  return encode(new Map(entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined)));
}

function decodeDevice(stored: Uint8Array): T8Device {
  const device = Object.fromEntries(decode(stored) as CborMap) as unknown as T8Device;
  if (typeof device.externalId !== 'string' || typeof device.uri !== 'string') throw new StoreError('ERR_STORE_VALUE', 'expected a device, got something else');
  return device;
}
