import { constantTimeEqual, toBase64Url, utf8 } from '../../../src/core/bytes.ts';
import { CborError, type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import { Algorithm, type CoseKey, decrypt0, encrypt0, hidePrivateParts, KeyType, readEncrypt0 } from '../../../src/core/cose/index.ts';
import { hkdf, hmac } from '../../../src/core/crypto/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import type { Store } from '../../../src/store/index.ts';
import { KeyManagementError } from './error.ts';
import { type Identity, type KeyRecords, largestPayload, type RecordName } from './key-records.ts';
import { identityKinds } from './message.ts';

/** Where sealed records are kept: a store, or a file. */
export type RecordPlace = Pick<Store, 'get' | 'put' | 'delete' | 'compareAndSet' | 'scan'>;

/** The length of the key that seals records, in bytes. */
export const recordKeyLength = 32;

/** A record without its payload. */
export interface RecordEntry {
  readonly name: RecordName;
  /** Bytes of the payload. */
  readonly size: number;
}

const folder = 'seal/km/record/';
const checkKey = 'seal/km/check';
const version = 1;
const nonceLength = 12;
/** AES-GCM adds a tag of 16 bytes. */
const tagLength = 16;

/**
 * Key records that are encrypted where they are kept (AES-256-GCM, as COSE_Encrypt0).
 *
 * In clear stand how many records there are and how long each name and each payload is, and nothing else: an entry is found by the HMAC of its name. The name is
 * authenticated with the payload, so that an entry which is put in the place of another does not open. An older entry that somebody brings back does.
 */
export class SealedRecords implements KeyRecords {
  readonly #place: RecordPlace;
  readonly #random: Env['random'];
  readonly #nameKey: Uint8Array;
  readonly #sealingKey: CoseKey;
  readonly #check: Uint8Array;
  /** The key is the one of the records that are here. */
  #checked = false;

  /** @throws {KeyManagementError} `ERR_KM_CONFIG` for a key of another length than 32 bytes */
  constructor(place: RecordPlace, key: Uint8Array, { random }: Pick<Env, 'random'> = systemEnv) {
    if (key.length !== recordKeyLength) throw new KeyManagementError('ERR_KM_CONFIG', `expected a record key of ${recordKeyLength} bytes, got ${key.length}`);
    const derive = (use: string): Uint8Array => hkdf('sha256', key, new Uint8Array(0), utf8(`ace-coap SEAL key records: ${use}`), 32);
    this.#place = place;
    this.#random = random;
    this.#nameKey = derive('names');
    this.#sealingKey = hidePrivateParts({ kty: KeyType.Symmetric, alg: Algorithm.A256GCM, k: derive('payloads') });
    this.#check = derive('check');
  }

  /** @throws {KeyManagementError} `ERR_KM_RECORD` for an entry that was changed, `ERR_KM_RECORD_KEY` where the records are sealed with another key */
  async get(name: RecordName): Promise<Uint8Array | undefined> {
    await this.check();
    const entry = await this.#place.get(this.#placeOf(name));
    return entry === undefined ? undefined : this.#open(readEntry(entry).payload, nameBytes(name));
  }

  /**
   * Keep a record, in the place of an earlier one of its name.
   *
   * @throws {KeyManagementError} `ERR_KM_RECORD` for a payload of 0 or more than 61,440 bytes and for a name that is none, `ERR_KM_RECORD_KEY`
   */
  async put(name: RecordName, payload: Uint8Array): Promise<void> {
    checkName(name);
    if (payload.length < 1 || payload.length > largestPayload) {
      throw new KeyManagementError('ERR_KM_RECORD', `expected a payload of 1 to ${largestPayload} bytes, got ${payload.length}`);
    }
    if (!(await this.#place.compareAndSet(checkKey, undefined, this.#check))) await this.check();
    const at = this.#placeOf(name);
    await this.#place.put(at, encode([version, this.#seal(nameBytes(name), utf8(at)), this.#seal(payload, nameBytes(name))]));
  }

  /** Whether there was such a record. @throws {KeyManagementError} `ERR_KM_RECORD_KEY` */
  async remove(name: RecordName): Promise<boolean> {
    await this.check();
    return this.#place.delete(this.#placeOf(name));
  }

  /** What records there are; payloads stay sealed. @throws {KeyManagementError} `ERR_KM_RECORD`, `ERR_KM_RECORD_KEY` */
  async *list(): AsyncGenerator<RecordEntry, void, undefined> {
    await this.check();
    for await (const [at, value] of this.#place.scan(folder)) {
      const { name, payload } = readEntry(value);
      yield { name: readName(this.#open(name, utf8(at))), size: (readEncrypt0(payload).payload?.length ?? tagLength) - tagLength };
    }
  }

  /**
   * Whether the records that are here were sealed with this key; with another one none of them would be found.
   *
   * @throws {KeyManagementError} `ERR_KM_RECORD_KEY`
   */
  async check(): Promise<void> {
    if (this.#checked) return;
    const found = await this.#place.get(checkKey);
    // Where there is none yet, somebody may put the first one at any time.
    if (found === undefined) return;
    if (!constantTimeEqual(found, this.#check)) {
      throw new KeyManagementError('ERR_KM_RECORD_KEY', 'expected the key that the records here are sealed with, got another');
    }
    this.#checked = true;
  }

  #placeOf(name: RecordName): string {
    return folder + toBase64Url(hmac('sha256', this.#nameKey, nameBytes(name)));
  }

  #seal(plaintext: Uint8Array, externalAad: Uint8Array): CborValue {
    return encrypt0({ key: this.#sealingKey, algorithm: Algorithm.A256GCM, plaintext, externalAad, nonce: this.#random(nonceLength) });
  }

  #open(sealed: CborValue, externalAad: Uint8Array): Uint8Array {
    try {
      return decrypt0(readEncrypt0(sealed), { key: this.#sealingKey, externalAad });
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      throw new KeyManagementError('ERR_KM_RECORD', 'a key record does not open: it was changed, or stands in the place of another', { cause });
    }
  }
}

function checkName({ serviceId, identity }: RecordName): void {
  if (serviceId === '' || identity?.id === '') throw new KeyManagementError('ERR_KM_RECORD', 'expected a service and an identity of at least one character');
}

function nameBytes({ serviceId, identity }: RecordName): Uint8Array {
  return encode(identity === undefined ? [serviceId] : [serviceId, identity.kind, identity.id]);
}

function readName(bytes: Uint8Array): RecordName {
  const [serviceId, kind, id] = decode(bytes) as readonly string[];
  const identity = identityKinds.find((known) => known === kind);
  return { serviceId: serviceId!, ...(identity === undefined ? {} : { identity: { kind: identity, id: id! } satisfies Identity }) };
}

function readEntry(bytes: Uint8Array): { readonly name: CborValue; readonly payload: CborValue } {
  try {
    const value = decode(bytes);
    if (Array.isArray(value) && value.length === 3 && value[0] === version) return { name: value[1] as CborValue, payload: value[2] as CborValue };
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
  }
  throw new KeyManagementError('ERR_KM_RECORD', `expected a key record of version ${version}, got ${bytes.length} bytes that are none`);
}
