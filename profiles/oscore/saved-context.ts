import { type CborKey, type CborValue, decode, encode } from '../../src/core/cbor.ts';
import { type FieldSpec, readKnownMap, writeKnownMap } from '../../src/core/known-map.ts';
import type { ContextParameters } from '../../src/oscore/index.ts';

/** Labels of our own: these maps are read by nobody else. */
const spec = {
  masterSecret: { label: 1, type: 'bstr', required: true },
  masterSalt: { label: 2, type: 'bstr', required: true },
  senderId: { label: 3, type: 'bstr', required: true },
  recipientId: { label: 4, type: 'bstr', required: true },
  idContext: { label: 5, type: 'bstr' },
  aead: { label: 6, type: 'int', required: true },
  hkdf: { label: 7, type: 'int', required: true },
} as const satisfies Record<string, FieldSpec>;

/** The parameters of a context as they stay in a store, which is the place for secrets that are needed after a restart. */
export function encodeSavedContext(parameters: ContextParameters): Uint8Array {
  return encode(savedContextMap(parameters));
}

export function savedContextMap(parameters: ContextParameters): ReadonlyMap<CborKey, CborValue> {
  const { masterSecret, masterSalt = new Uint8Array(0), senderId, recipientId, idContext, aead = 10, hkdf = 5 } = parameters;
  return writeKnownMap(spec, { masterSecret, masterSalt, senderId, recipientId, aead, hkdf, ...(idContext === undefined ? {} : { idContext }) });
}

/** @throws {CborError} when the bytes are not what `encodeSavedContext` made */
export function decodeSavedContext(bytes: Uint8Array): ContextParameters {
  return readSavedContext(decode(bytes));
}

/** @throws {CborError} */
export function readSavedContext(value: CborValue): ContextParameters {
  return readKnownMap('saved context', spec, value).known;
}
