import type { Scope } from '../../ace/index.ts';
import { type CborKey, type CborMap, type CborValue, decode, encode } from '../../core/cbor.ts';
import { type CoseKey, coseKeyMap, decodeCoseKey } from '../../core/cose/index.ts';
import { ProtocolError } from '../../core/errors.ts';
import { readKnownMap, writeKnownMap } from '../../core/known-map.ts';
import { AuthorizationServerError } from '../error.ts';
import type { GrantTypeName } from '../grants/grant-types.ts';
import type { TimedTokenKey } from '../token/token-keys.ts';
import {
  type AdminObject,
  type ClientRegistration,
  type GrantRegistration,
  type HttpsClientRegistration,
  type ResourceServerRegistration,
  refuseRegistration,
  scopeOf,
} from './registration.ts';

/** Of the records in the store. */
const version = 1;

// The numbers are those of this AS: of its store and of its administration. One that was used is never used for something else.
const common = {
  id: { label: 1, type: 'tstr', required: true },
  profile: { label: 2, type: 'uint' },
  credentials: { label: 3, type: 'map', secret: true },
  profiles: { label: 4, type: 'array' },
} as const;
const clientFields = {
  ...common,
  grants: { label: 5, type: 'array', required: true },
  admin: { label: 6, type: 'tstr/array' },
  rawPublicKeys: { label: 7, type: 'array' },
  grantTypes: { label: 16, type: 'array' },
  secret: { label: 17, type: 'tstr', secret: true },
  https: { label: 19, type: 'map' },
} as const;
const httpsFields = {
  secret: { label: 1, type: 'tstr', required: true, secret: true },
  redirectUris: { label: 2, type: 'array' },
  name: { label: 3, type: 'tstr' },
  resourceServer: { label: 4, type: 'tstr' },
} as const;
const resourceServerFields = {
  ...common,
  audiences: { label: 8, type: 'array', required: true },
  tokenKeys: { label: 9, type: 'array', required: true },
  scopes: { label: 10, type: 'array' },
  tokenLifetime: { label: 11, type: 'uint' },
  exi: { label: 12, type: 'bool' },
  iss: { label: 13, type: 'bool' },
  rawPublicKey: { label: 14, type: 'map' },
  derivationKey: { label: 15, type: 'bstr', secret: true },
  authzInfo: { label: 18, type: 'tstr' },
} as const;
const grantFields = {
  audience: { label: 1, type: 'tstr', required: true },
  scope: { label: 2, type: 'tstr/bstr', required: true },
  default: { label: 3, type: 'tstr/bstr' },
} as const;
const tokenKeyFields = {
  use: { label: 1, type: 'tstr', required: true },
  algorithm: { label: 2, type: 'int', required: true },
  key: { label: 3, type: 'map', required: true, secret: true },
  kid: { label: 4, type: 'bstr' },
  from: { label: 5, type: 'number' },
  until: { label: 6, type: 'number' },
  untagged: { label: 7, type: 'bool' },
} as const;

/** What a profile takes as credentials: an object of texts, numbers, bytes, truth values, and objects of those. */
function credentialsMap(credentials: unknown): CborMap {
  const map = new Map<CborKey, CborValue>();
  for (const [name, value] of Object.entries(credentials as Readonly<Record<string, unknown>>)) {
    if (value === undefined) continue;
    const plain = value instanceof Uint8Array || typeof value !== 'object' || value === null;
    map.set(name, plain ? (value as CborValue) : credentialsMap(value));
  }
  return map;
}

function readCredentials(map: CborMap): unknown {
  return Object.fromEntries([...map].map(([name, value]) => [String(name), value instanceof Map ? readCredentials(value) : value]));
}

function encodeKeys(keys: readonly CoseKey[] | undefined): readonly CborMap[] | undefined {
  return keys?.map(coseKeyMap);
}

/** As the store keeps it. The key is in it. */
export function tokenKeyMap({ key, ...fields }: TimedTokenKey): CborMap {
  return writeKnownMap(tokenKeyFields, { ...fields, key: coseKeyMap(key) });
}

/** As the store keeps it. */
export function grantMap(grant: GrantRegistration): CborMap {
  const { audience, scope } = grant;
  return writeKnownMap(grantFields, { audience, scope: scopeOf(scope), ...(grant.default === undefined ? {} : { default: scopeOf(grant.default) }) });
}

/** As the store keeps it. Its credentials are in it. */
export function clientMap({ credentials, grants, rawPublicKeys, https, ...fields }: ClientRegistration): CborMap {
  const keys = encodeKeys(rawPublicKeys);
  return writeKnownMap(clientFields, {
    ...fields,
    ...(credentials === undefined ? {} : { credentials: credentialsMap(credentials) }),
    ...(https === undefined ? {} : { https: writeKnownMap(httpsFields, { ...https }) }),
    grants: grants.map(grantMap),
    ...(keys === undefined ? {} : { rawPublicKeys: keys }),
  });
}

/** As the store keeps it. Its credentials and token keys are in it. */
export function resourceServerMap({ credentials, tokenKeys, rawPublicKey, ...fields }: ResourceServerRegistration): CborMap {
  return writeKnownMap(resourceServerFields, {
    ...fields,
    ...(credentials === undefined ? {} : { credentials: credentialsMap(credentials) }),
    tokenKeys: tokenKeys.map(tokenKeyMap),
    ...(rawPublicKey === undefined ? {} : { rawPublicKey: coseKeyMap(rawPublicKey) }),
  });
}

/** What CBOR or COSE say against a registration is said of the registration. */
function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof ProtocolError) || cause instanceof AuthorizationServerError) throw cause;
    throw new AuthorizationServerError('ERR_AS_CONFIG', `${what}: ${cause.message}`, { cause });
  }
}

function known<T extends CborValue>(what: string, list: readonly CborValue[], is: (value: CborValue) => value is T, expected: string): readonly T[] {
  if (list.every(is)) return list;
  throw refuseRegistration(what, `expected ${expected}, got another`);
}

const isText = (value: CborValue): value is string => typeof value === 'string';
const isNumber = (value: CborValue): value is number => typeof value === 'number';

function unknownFields(what: string, unknown: CborMap): void {
  const [first] = unknown.keys();
  if (first !== undefined) throw refuseRegistration(what, `expected keys that are known, got ${typeof first === 'number' ? first : 'another'}`);
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG` */
export function readTokenKey(what: string, value: CborValue): TimedTokenKey {
  return reading(what, () => {
    const { use, key, ...rest } = readKnownMap(what, tokenKeyFields, value).known;
    if (use !== 'encrypt0' && use !== 'mac0' && use !== 'sign1') throw refuseRegistration(what, 'expected use encrypt0, mac0 or sign1, got another');
    return { ...rest, use, key: decodeCoseKey(key) };
  });
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG` */
export function readGrant(what: string, value: CborValue): GrantRegistration {
  return reading(what, () => {
    const { known: fields, unknown } = readKnownMap(what, grantFields, value);
    unknownFields(what, unknown);
    return fields;
  });
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG` */
export function readClient(value: CborValue): ClientRegistration {
  return reading('client', () => {
    const { known: fields, unknown } = readKnownMap('client', clientFields, value);
    const { credentials, profiles, grantTypes, grants, admin, rawPublicKeys, https, ...rest } = fields;
    const what = `client "${rest.id}"`;
    unknownFields(what, unknown);
    if (typeof admin === 'string' && admin !== 'all') throw refuseRegistration(`${what}: admin`, `expected all or a list, got "${admin}"`);
    return {
      ...rest,
      ...(credentials === undefined ? {} : { credentials: readCredentials(credentials) }),
      ...(https === undefined ? {} : { https: readHttps(`${what}: https`, https) }),
      ...(profiles === undefined ? {} : { profiles: known(`${what}: profiles`, profiles, isNumber, 'numbers') }),
      ...(grantTypes === undefined ? {} : { grantTypes: known(`${what}: grantTypes`, grantTypes, isText, 'texts') as readonly GrantTypeName[] }),
      grants: grants.map((grant, index) => readGrant(`${what}: grants[${index}]`, grant)),
      ...(admin === undefined ? {} : { admin: admin === 'all' ? admin : (known(`${what}: admin`, admin, isText, 'texts') as readonly AdminObject[]) }),
      ...(rawPublicKeys === undefined ? {} : { rawPublicKeys: rawPublicKeys.map(decodeCoseKey) }),
    };
  });
}

function readHttps(what: string, value: CborValue): HttpsClientRegistration {
  const { known: fields, unknown } = readKnownMap(what, httpsFields, value);
  unknownFields(what, unknown);
  const { redirectUris, ...rest } = fields;
  return { ...rest, ...(redirectUris === undefined ? {} : { redirectUris: known(`${what}: redirectUris`, redirectUris, isText, 'texts') }) };
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG` */
export function readResourceServer(value: CborValue): ResourceServerRegistration {
  return reading('resource server', () => {
    const { known: fields, unknown } = readKnownMap('resource server', resourceServerFields, value);
    const { credentials, profiles, audiences, tokenKeys, scopes, rawPublicKey, ...rest } = fields;
    const what = `resource server "${rest.id}"`;
    unknownFields(what, unknown);
    return {
      ...rest,
      ...(credentials === undefined ? {} : { credentials: readCredentials(credentials) }),
      ...(profiles === undefined ? {} : { profiles: known(`${what}: profiles`, profiles, isNumber, 'numbers') }),
      audiences: known(`${what}: audiences`, audiences, isText, 'texts'),
      tokenKeys: tokenKeys.map((key, index) => readTokenKey(`${what}: tokenKeys[${index}]`, key)),
      ...(scopes === undefined ? {} : { scopes: known(`${what}: scopes`, scopes, isText, 'texts') }),
      ...(rawPublicKey === undefined ? {} : { rawPublicKey: decodeCoseKey(rawPublicKey) }),
    };
  });
}

/** A registration as it stands in the store. */
export interface StoredRegistration<T> {
  /** Random, of these credentials: a channel that was made with others is of another revision. */
  readonly revision: Uint8Array;
  readonly registration: T;
}

/** A record: its version, its revision, and the registration. */
function encodeRecord(revision: Uint8Array, registration: CborMap): Uint8Array {
  return encode([version, revision, registration]);
}

function decodeRecord<T>(what: string, bytes: Uint8Array, read: (value: CborValue) => T): StoredRegistration<T> {
  const value = reading(what, () => decode(bytes));
  const [found, revision, registration] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
  if (found !== version || !(revision instanceof Uint8Array)) {
    const got = typeof found === 'number' ? `version ${found}` : 'something else';
    throw new AuthorizationServerError('ERR_AS_RECORD', `${what}: expected a record of version ${version}, got ${got}`);
  }
  return { revision, registration: read(registration) };
}

export function encodeClientRecord({ revision, registration }: StoredRegistration<ClientRegistration>): Uint8Array {
  return encodeRecord(revision, clientMap(registration));
}

/** @throws {AuthorizationServerError} `ERR_AS_RECORD` for a version that is not known, `ERR_AS_CONFIG` for what is no client */
export function decodeClientRecord(bytes: Uint8Array): StoredRegistration<ClientRegistration> {
  return decodeRecord('a client in the store', bytes, readClient);
}

export function encodeResourceServerRecord({ revision, registration }: StoredRegistration<ResourceServerRegistration>): Uint8Array {
  return encodeRecord(revision, resourceServerMap(registration));
}

/** @throws {AuthorizationServerError} as `decodeClientRecord` */
export function decodeResourceServerRecord(bytes: Uint8Array): StoredRegistration<ResourceServerRegistration> {
  return decodeRecord('a resource server in the store', bytes, readResourceServer);
}

/** A policy as it stands in the store. */
export function encodePolicyRecord(grant: GrantRegistration): Uint8Array {
  return encode([version, grantMap(grant)]);
}

/** @throws {AuthorizationServerError} as `decodeClientRecord` */
export function decodePolicyRecord(bytes: Uint8Array): GrantRegistration & { readonly scope: Scope } {
  const value = reading('a policy in the store', () => decode(bytes));
  const [found, grant] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
  if (found !== version) throw new AuthorizationServerError('ERR_AS_RECORD', `a policy in the store: expected a record of version ${version}, got another`);
  const read = readGrant('a policy in the store', grant);
  return { ...read, scope: scopeOf(read.scope) };
}
