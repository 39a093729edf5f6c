import type { IdentityKind } from './message.ts';

/** A VAL client, VAL UE or VAL user that a record is for, or that a request names. */
export interface Identity {
  readonly kind: IdentityKind;
  readonly id: string;
}

/** What a key record is found by: a VAL service, alone or with one identity of it. */
export interface RecordName {
  readonly serviceId: string;
  readonly identity?: Identity;
}

/** The largest payload of a record, in bytes: with the other fields it stays within the 64 KiB that clients put together. */
export const largestPayload = 61_440;

/** Key material by name: opaque bytes that the operator of a VAL service provisions. */
export interface KeyRecords {
  /** `undefined`: there is none of exactly this name. */
  get(name: RecordName): Promise<Uint8Array | undefined>;
  /** Throws where no record can be had. */
  check?(): Promise<void>;
}

/**
 * The key material for a request: the record of the identity, or that of the service as a whole.
 *
 * TS 33.434, Section 5.3.3: an identity asks for a more specific set of key material within the service.
 */
export async function findKeyMaterial(records: KeyRecords, { serviceId, identity }: RecordName): Promise<Uint8Array | undefined> {
  const specific = identity === undefined ? undefined : await records.get({ serviceId, identity });
  return specific ?? (await records.get({ serviceId }));
}
