import { CborError, type CborKey, type CborMap, type CborValue, Tagged } from './cbor.ts';

export type FieldType = 'uint' | 'int' | 'number' | 'bool' | 'tstr' | 'bstr' | 'tstr/bstr' | 'tstr/int' | 'tstr/array' | 'int/null' | 'array' | 'map' | 'any';

interface TypeOf {
  uint: number;
  int: number;
  number: number;
  bool: boolean;
  tstr: string;
  bstr: Uint8Array;
  'tstr/bstr': string | Uint8Array;
  'tstr/int': string | number;
  'tstr/array': string | readonly CborValue[];
  'int/null': number | null;
  array: readonly CborValue[];
  map: CborMap;
  any: CborValue;
}

export interface FieldSpec {
  readonly label: number;
  readonly type: FieldType;
  readonly required?: boolean;
  readonly name?: string;
}
export type MapSpec = Readonly<Record<string, FieldSpec>>;
export type Known<S extends MapSpec> = {
  readonly [K in keyof S as S[K] extends { readonly required: true } ? K : never]: TypeOf[S[K]['type']];
} & { readonly [K in keyof S as S[K] extends { readonly required: true } ? never : K]?: TypeOf[S[K]['type']] };

const isInt = (v: CborValue): boolean => typeof v === 'number' && Number.isInteger(v);
const checks: Readonly<Record<FieldType, { readonly says: string; readonly fits: (v: CborValue) => boolean }>> = {
  uint: { says: 'unsigned integer', fits: (v) => isInt(v) && (v as number) >= 0 },
  int: { says: 'integer', fits: isInt },
  number: { says: 'number', fits: (v) => typeof v === 'number' },
  bool: { says: 'true or false', fits: (v) => typeof v === 'boolean' },
  tstr: { says: 'text', fits: (v) => typeof v === 'string' },
  bstr: { says: 'byte string', fits: (v) => v instanceof Uint8Array },
  'tstr/bstr': { says: 'text or byte string', fits: (v) => typeof v === 'string' || v instanceof Uint8Array },
  'tstr/int': { says: 'text or integer', fits: (v) => typeof v === 'string' || isInt(v) },
  'tstr/array': { says: 'text or array', fits: (v) => typeof v === 'string' || Array.isArray(v) },
  'int/null': { says: 'integer or null', fits: (v) => v === null || isInt(v) },
  array: { says: 'array', fits: (v) => Array.isArray(v) },
  map: { says: 'map', fits: (v) => v instanceof Map },
  any: { says: 'anything', fits: () => true },
};

/** A value in a message: type and, where it is no byte string, the value. */
function got(value: CborValue): string {
  if (value instanceof Uint8Array) return `byte string of ${value.length} bytes`;
  if (typeof value === 'string') return `text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)}`;
  if (typeof value === 'number' || typeof value === 'bigint') return `number ${value}`;
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (value instanceof Map) return `map of ${value.size}`;
  if (value instanceof Tagged) return `tag ${value.tag}`;
  return String(value);
}

export function readKnownMap<const S extends MapSpec>(what: string, spec: S, value: CborValue): { readonly known: Known<S>; readonly unknown: CborMap } {
  if (!(value instanceof Map)) throw new CborError('ERR_CBOR_MAP', `${what}: expected map, got ${got(value)}`);
  const known: Record<string, CborValue> = {};
  const unknown = new Map<CborKey, CborValue>(value as CborMap);
  for (const [field, { label, type, required, name }] of Object.entries(spec)) {
    const item = (value as CborMap).get(label);
    if (item === undefined && !(value as CborMap).has(label)) {
      if (required) throw new CborError('ERR_CBOR_MAP', `${what}: key ${label} (${name ?? field}): expected ${checks[type].says}, got nothing`);
      continue;
    }
    if (!checks[type].fits(item))
      throw new CborError('ERR_CBOR_MAP', `${what}: key ${label} (${name ?? field}): expected ${checks[type].says}, got ${got(item)}`);
    known[field] = item;
    unknown.delete(label);
  }
  return { known: known as Known<S>, unknown };
}

export function writeKnownMap<const S extends MapSpec>(spec: S, fields: Partial<Known<S>>): CborMap {
  const map = new Map<CborKey, CborValue>();
  for (const [field, { label }] of Object.entries(spec)) {
    const value = (fields as Record<string, CborValue>)[field];
    if (value !== undefined) map.set(label, value);
  }
  return map;
}
