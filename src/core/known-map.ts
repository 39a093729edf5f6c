import { CborError, type CborKey, type CborMap, type CborValue, Simple, Tagged } from './cbor.ts';

/** What the value of a parameter may be, in the words of CDDL (RFC 8610). */
export type FieldType = 'uint' | 'int' | 'number' | 'bool' | 'tstr' | 'bstr' | 'tstr/bstr' | 'tstr/int' | 'tstr/array' | 'int/null' | 'array' | 'map' | 'any';

/** The type of a value in TypeScript, by what it may be. */
export interface FieldTypes {
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

/** A parameter of a registry. */
export interface FieldSpec {
  /** Its key on the wire. */
  readonly label: number;
  readonly type: FieldType;
  readonly required?: boolean;
  /** Its name in the registry, where that differs from the field's. */
  readonly name?: string;
  /** Errors say the type of its value only. So they do without this where a name has `secret` or `password` in it. */
  readonly secret?: boolean;
}
/** One registry, by field name. */
export type MapSpec = Readonly<Record<string, FieldSpec>>;
/** What is known of a map, typed by its spec. */
export type Known<S extends MapSpec> = {
  readonly [K in keyof S as S[K] extends { readonly required: true } ? K : never]: FieldTypes[S[K]['type']];
} & { readonly [K in keyof S as S[K] extends { readonly required: true } ? never : K]?: FieldTypes[S[K]['type']] };

// A float beyond 2^53 is a whole number too, but no integer was sent.
const isInt = (v: CborValue): boolean => Number.isSafeInteger(v);
const checks: Readonly<Record<FieldType, { readonly says: string; readonly fits: (v: CborValue) => boolean }>> = {
  uint: { says: 'unsigned integer', fits: (v) => isInt(v) && (v as number) >= 0 },
  int: { says: 'integer', fits: isInt },
  // NaN is before no time and after none: nothing would end.
  number: { says: 'finite number', fits: (v) => Number.isFinite(v) },
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

/** A value in a message: its type and, where it is neither a byte string nor secret, the value. */
function got(value: CborValue, secret: boolean): string {
  if (value instanceof Uint8Array) return `byte string of ${value.length} bytes`;
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (value instanceof Map) return `map of ${value.size}`;
  if (value instanceof Tagged) return `tag ${value.tag}`;
  if (value instanceof Simple) return `simple value ${value.value}`;
  if (typeof value === 'string') {
    if (secret) return `text of ${value.length} characters`;
    return `text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)}`;
  }
  if (typeof value === 'number' || typeof value === 'bigint') return secret ? 'a number' : `number ${value}`;
  return String(value);
}

interface Field extends FieldSpec {
  readonly field: string;
  readonly secret: boolean;
}

interface Prepared {
  readonly fields: readonly Field[];
  /** By the name of the field. */
  readonly labels: ReadonlyMap<string, number>;
}

// Made once for each spec.
const prepared = new WeakMap<MapSpec, Prepared>();

function prepare(spec: MapSpec): Prepared {
  let found = prepared.get(spec);
  if (found === undefined) {
    const fields = Object.entries(spec).map(([field, entry]) => ({
      ...entry,
      field,
      secret: entry.secret ?? /secret|password/i.test(`${field} ${entry.name ?? ''}`),
    }));
    found = { fields, labels: new Map(fields.map(({ field, label }) => [field, label])) };
    prepared.set(spec, found);
  }
  return found;
}

/**
 * Read a map whose keys are those of a registry: `known` by field name, `unknown` by the keys that the registry does not have.
 *
 * @param what the map's name in errors, `token response`
 * @throws {CborError} `ERR_CBOR_MAP`: `token response: key 2 (expires_in): expected unsigned integer, got text "3600"`
 */
export function readKnownMap<const S extends MapSpec>(what: string, spec: S, value: CborValue): { readonly known: Known<S>; readonly unknown: CborMap } {
  // What stands in place of the whole map could be anything, a secret too.
  if (!(value instanceof Map)) throw new CborError('ERR_CBOR_MAP', `${what}: expected map, got ${got(value, true)}`);
  const map: CborMap = value;
  const known: Record<string, CborValue> = {};
  let found = 0;
  for (const { field, label, type, required, name, secret } of prepare(spec).fields) {
    const item = map.get(label);
    if (item === undefined && !map.has(label)) {
      if (required) throw new CborError('ERR_CBOR_MAP', `${what}: key ${label} (${name ?? field}): expected ${checks[type].says}, got nothing`);
      continue;
    }
    if (!checks[type].fits(item))
      throw new CborError('ERR_CBOR_MAP', `${what}: key ${label} (${name ?? field}): expected ${checks[type].says}, got ${got(item, secret)}`);
    known[field] = item;
    found++;
  }
  return { known: known as Known<S>, unknown: found < map.size ? unknownIn(map, spec) : nothing };
}

const nothing: CborMap = new Map();

function unknownIn(map: CborMap, spec: MapSpec): CborMap {
  const labels = new Set<CborKey>(prepare(spec).fields.map(({ label }) => label));
  return new Map([...map].filter(([key]) => !labels.has(key)));
}

/** How fields that are no CBOR values themselves become such, by field name. */
export type FieldForms<S extends MapSpec> = { readonly [K in keyof S]?: (value: never) => CborValue };

/** The fields of a map, where those with a form are what that takes. */
export type FieldsWithForms<S extends MapSpec, F extends FieldForms<S>> = Partial<Omit<Known<S>, keyof F>> & {
  readonly [K in keyof F]?: F[K] extends (value: infer V) => CborValue ? V : never;
};

/** The map of these fields, in their order; absent and undefined ones are left out, and so are those that the spec does not have. */
export function writeKnownMap<const S extends MapSpec>(spec: S, fields: Partial<Known<S>>): CborMap;
/** The same where some fields have a form. */
export function writeKnownMap<const S extends MapSpec, const F extends FieldForms<S>>(spec: S, fields: FieldsWithForms<S, F>, forms: F): CborMap;
export function writeKnownMap(spec: MapSpec, fields: object, forms?: Readonly<Record<string, ((value: never) => CborValue) | undefined>>): CborMap {
  const { labels } = prepare(spec);
  const map = new Map<CborKey, CborValue>();
  // By the names that are there: to ask an object for each that it may have, when most are not and objects are of many shapes, takes three times as long.
  for (const field in fields) {
    const label = labels.get(field);
    if (label === undefined) continue;
    const value = (fields as Record<string, CborValue>)[field];
    if (value === undefined) continue;
    const form = forms !== undefined && Object.hasOwn(forms, field) ? (forms[field] as (value: unknown) => CborValue) : undefined;
    map.set(label, form === undefined ? value : form(value));
  }
  return map;
}
