import * as v from 'valibot';
import { isoTimeOf } from '../../core/iso-time.ts';
import { aeadAlgorithms, hkdfAlgorithms, tokenAlgorithms } from './algorithm-names.ts';
import { suggest } from './error.ts';
import { isPeerUri, parseListen, transportSchemes } from './listen.ts';

/** What the files of all roles have in common, checked for its form; `reader.ts` reads keys in and checks what belongs together. */

export interface RawOscore {
  readonly master_secret?: string;
  readonly master_secret_file?: string;
  readonly master_salt?: string;
  readonly sender_id: string;
  readonly recipient_id: string;
  readonly id_context?: string;
  readonly aead?: string;
  readonly hkdf?: string;
  readonly replay_window?: number;
}

/** How two parties know each other in a DTLS handshake: by a pre-shared key, or by the other's raw public key. */
export interface RawDtlsChannel {
  readonly psk_identity?: string;
  readonly psk?: string;
  readonly psk_file?: string;
  readonly peer_key?: string;
  readonly peer_key_file?: string;
}

/** What a process has of its own for DTLS. */
export interface RawDtlsOwn {
  readonly key?: string;
  readonly key_file?: string;
  readonly token?: 'upload' | 'psk-identity';
}

/** The secure channel to another party: one of both. */
export interface RawChannel {
  readonly oscore?: RawOscore;
  readonly dtls?: RawDtlsChannel;
}

/** Where a role keeps its state: one of the three. */
export interface RawStore {
  /** `lmdb:./state/as` or the path alone, `postgres://...`. */
  readonly store?: string;
  /** A file with the URL of a database, so that its password stands in no configuration. */
  readonly store_url_file?: string;
  /** The name of an environment variable with that URL. */
  readonly store_url_env?: string;
}

/** The file of one OSCORE security context, `context.json`. */
export type RawOscoreContext = RawOscore & RawStore;

export interface RawTokenKey {
  readonly use: 'encrypt0' | 'mac0' | 'sign1';
  readonly alg: string;
  readonly key?: string;
  readonly key_file?: string;
  /** Name of a variable of the environment with the key in hexadecimal. */
  readonly key_env?: string;
  /** A key for `sign1` in PEM: PKCS#8 at the AS, SPKI at an RS. */
  readonly key_pem_file?: string;
  readonly kid?: string;
  readonly untagged?: boolean;
  readonly from?: string;
  readonly until?: string;
}

/** Scope names with a space between, or methods by path. */
export type RawScope = string | Readonly<Record<string, readonly string[]>>;

export interface RawTransmission {
  readonly ack_timeout?: number;
  readonly ack_random_factor?: number;
  readonly max_retransmit?: number;
  readonly nstart?: number;
  readonly nstart_limit?: number;
  readonly probing_rate?: number;
  readonly ack_delay?: number;
  readonly notification_interval?: number;
  readonly non_confirmable_notifications?: number;
}

export interface RawTls {
  readonly cert_file?: string;
  readonly key_file?: string;
  readonly ca_file?: string;
  readonly client_ca_file?: string;
}

export type Schema<T> = v.GenericSchema<unknown, T>;
export type Entries = Record<string, Schema<unknown> | v.ExactOptionalSchema<Schema<unknown>, undefined>>;

/** What each schema wants, in words: for a key that is not there at all. */
const wants = new WeakMap<object, string>();

export function wanting<T>(expected: string, schema: Schema<T>): Schema<T> {
  wants.set(schema, expected);
  return schema;
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A map with known keys. `elsewhere`: what other programs call them. */
export function section<T>(expected: string, entries: Entries, elsewhere: ReadonlyMap<string, string> = new Map()): Schema<T> {
  const known = Object.keys(entries);
  const message = (issue: v.StrictObjectIssue): string => {
    const key = String(issue.path?.at(-1)?.key);
    const here = elsewhere.get(key);
    if (issue.expected === 'never') return `unknown key${here === undefined ? suggest(key, known) : `; it is called "${here}" here`}`;
    return (entries[key] && wants.get(entries[key])) ?? expected;
  };
  return wanting(expected, v.pipe(v.custom<unknown>(isMap, expected), v.strictObject(entries, message)) as unknown as Schema<T>);
}

/** Names that JavaScript has another use for; valibot would leave them out without a word. */
const reserved = /^(?:__proto__|prototype|constructor)$/;

/** A map whose keys the user chooses. */
export function table<T>(what: string, key: Schema<string>, value: Schema<T>): Schema<Readonly<Record<string, T>>> {
  const expected = `a map of ${what}`;
  return wanting(
    expected,
    v.pipe(
      v.custom<unknown>(isMap, expected),
      v.check((map) => !Object.keys(map as object).some((name) => reserved.test(name)), 'keys other than __proto__, prototype and constructor'),
      v.record(key as v.GenericSchema<string, string>, value, expected),
    ) as unknown as Schema<Readonly<Record<string, T>>>,
  );
}

export function list<T>(what: string, item: Schema<T>): Schema<readonly T[]> {
  const expected = `a list of at least one ${what}`;
  return wanting(expected, v.pipe(v.array(item, expected), v.minLength(1, expected)) as unknown as Schema<readonly T[]>);
}

export function matching(expected: string, test: (text: string) => boolean): Schema<string> {
  return wanting(expected, v.pipe(v.string(expected), v.check(test, expected)));
}

export function oneOf<T extends string>(words: readonly T[]): Schema<T> {
  const expected = words.length === 1 ? words[0]! : `one of ${words.join(', ')}`;
  return wanting(expected, v.picklist(words, expected));
}

export function whole(from: number, to: number, unit: string): Schema<number> {
  const expected = `a whole number of ${unit} from ${from} to ${to}`;
  return wanting(expected, v.pipe(v.number(expected), v.integer(expected), v.minValue(from, expected), v.maxValue(to, expected)));
}

export function positive(unit: string): Schema<number> {
  const expected = `a number of ${unit} above 0`;
  return wanting(
    expected,
    v.pipe(
      v.number(expected),
      v.check((value) => Number.isFinite(value) && value > 0, expected),
    ),
  );
}

export const optional: <T>(schema: Schema<T>) => v.ExactOptionalSchema<Schema<T>, undefined> = v.exactOptional as <T>(
  schema: Schema<T>,
) => v.ExactOptionalSchema<Schema<T>, undefined>;

export const hex: Schema<string> = matching('hexadecimal text in quotes, such as "01"', (text) => /^(?:[0-9a-fA-F]{2})*$/.test(text));
const secretHex: Schema<string> = matching('hexadecimal text in quotes, of 16 bytes or more', (text) => /^(?:[0-9a-fA-F]{2}){16,}$/.test(text));
export const filePath: Schema<string> = matching('the path of a file', (text) => text !== '' && !text.includes('\0'));
export const folderPath: Schema<string> = matching('the path of a folder', (text) => text !== '' && !text.includes('\0'));
export const name: Schema<string> = matching('a name without spaces', (text) => /^\S{1,200}$/.test(text));
export const text: Schema<string> = matching('text', (value) => value.length <= 10_000);
export const yesNo: Schema<boolean> = wanting('true or false', v.boolean('true or false'));
/** A day: a clock that is further off is to be set. */
export const longestLeewayCap = 86_400;
export const seconds: Schema<number> = whole(1, 4_294_967_295, 'seconds');

/** RFC 6749, Section 3.3: what a scope name may hold. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
export const scopeName: Schema<string> = matching('a scope name, without spaces', (value) => scopeToken.test(value));
const methodNames = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'] as const;
export const methods: Schema<readonly string[]> = list('method', oneOf(methodNames));
export const path: Schema<string> = matching('a path that begins with "/"', (value) => /^\/[^\s?#]*$/.test(value));
export const target: Schema<string> = matching('a path that begins with "/"', (value) => /^\/[^\s#]*$/.test(value));

/** Scope names alone. */
export const scopeText: Schema<string> = matching('scope names with a space between them', (value) =>
  value.split(' ').every((token) => scopeToken.test(token)),
);

const scopeExpected = 'scope names with a space between them, or a map from path to methods';
export const scope: Schema<RawScope> = wanting(
  scopeExpected,
  v.lazy(
    (input): Schema<RawScope> =>
      isMap(input)
        ? table('methods by path', target, methods)
        : matching(scopeExpected, (value) => value !== '' && value.split(' ').every((token) => scopeToken.test(token))),
  ) as Schema<RawScope>,
);

/** One or a list of them. */
export function oneOrMore<T>(what: string, item: Schema<T>): Schema<T | readonly T[]> {
  return wanting(
    `${what}, or a list of them`,
    v.lazy((input): Schema<T | readonly T[]> => (Array.isArray(input) ? list(what.replace(/^an? /, ''), item) : item)) as Schema<T | readonly T[]>,
  );
}

export const listen: Schema<string | readonly string[]> = oneOrMore(
  'an address and a port',
  matching('an address and a port, such as 127.0.0.1:5683, [::1]:5683 or coap+tcp://127.0.0.1:5683', (value) => parseListen(value) !== undefined),
);
export const coapUri: Schema<string> = matching(`a URI such as coap://127.0.0.1:5783, of one of the schemes ${transportSchemes.join(', ')}`, isPeerUri);
/** What is tried out before it is a standard. */
export type ExperimentName = 'token-upload';
export const experimental: Schema<readonly ExperimentName[]> = list('experiment', oneOf<ExperimentName>(['token-upload']));
export const issuer: Schema<string> = matching('text of at most 200 characters', (value) => value !== '' && value.length <= 200);

export const storeEntries: Entries = {
  store: optional(matching('a store: lmdb:FOLDER, a folder, or postgres://...', (text) => text !== '' && !text.includes('\0'))),
  store_url_file: optional(filePath),
  store_url_env: optional(matching('the name of an environment variable', (text) => /^[A-Za-z_]\w*$/.test(text))),
};

const oscoreEntries: Entries = {
  master_secret: optional(secretHex),
  master_secret_file: optional(filePath),
  master_salt: optional(hex),
  sender_id: hex,
  recipient_id: hex,
  id_context: optional(hex),
  aead: optional(oneOf(Object.keys(aeadAlgorithms))),
  hkdf: optional(oneOf(Object.keys(hkdfAlgorithms))),
  replay_window: optional(whole(1, 1024, 'sequence numbers')),
};

export const oscoreSchema: Schema<RawOscore> = section('the parameters of an OSCORE security context', oscoreEntries);

/** Names in the settings of aiocoap, of libcoap and of Californium. */
const oscoreElsewhere: ReadonlyMap<string, string> = new Map([
  ...['secret', 'secret_hex', 'secret_ascii'].map((name) => [name, 'master_secret'] as const),
  ...['salt', 'salt_hex', 'salt_ascii'].map((name) => [name, 'master_salt'] as const),
  ...['sid', 'sender-id_hex', 'sender-id_ascii'].map((name) => [name, 'sender_id'] as const),
  ...['rid', 'recipient-id_hex', 'recipient-id_ascii'].map((name) => [name, 'recipient_id'] as const),
  ...['context_id', 'contextId', 'id-context_hex'].map((name) => [name, 'id_context'] as const),
  ...['alg', 'algorithm', 'aead_alg'].map((name) => [name, 'aead'] as const),
  ...['kdf', 'kdf-hashfun', 'hkdf_alg'].map((name) => [name, 'hkdf'] as const),
  ...['window', 'replay_size'].map((name) => [name, 'replay_window'] as const),
]);

export const oscoreContextSchema: Schema<RawOscoreContext> = section('an OSCORE security context', { ...oscoreEntries, ...storeEntries }, oscoreElsewhere);

const dateTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})$/;
const instant: Schema<string> = matching('a time in quotes, such as "2026-12-31T12:00:00Z"', (value) => dateTime.test(value) && isoTimeOf(value) !== undefined);

export const tokenKey: Schema<RawTokenKey> = section('a token key', {
  use: oneOf(['encrypt0', 'mac0', 'sign1'] as const),
  alg: oneOf(Object.values(tokenAlgorithms).flatMap((algorithms) => Object.keys(algorithms))),
  key: optional(secretHex),
  key_file: optional(filePath),
  key_env: optional(matching('the name of a variable of the environment', (value) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(value))),
  key_pem_file: optional(filePath),
  kid: optional(hex),
  untagged: optional(yesNo),
  from: optional(instant),
  until: optional(instant),
});

/** What a server shows, what a client shows, and whom each trusts. */
export const tlsOf = (...entries: readonly (keyof RawTls)[]): Schema<RawTls> =>
  section('files for TLS', Object.fromEntries(entries.map((entry) => [entry, optional(filePath)])));

export const grantTypes: Schema<readonly GrantTypeName[]> = list(
  'grant type',
  oneOf(['client_credentials', 'refresh_token', 'password', 'authorization_code'] as const),
);
/** Grants of OAuth 2.0 by their names there. */
export type GrantTypeName = 'client_credentials' | 'refresh_token' | 'password' | 'authorization_code';

export const profiles: Schema<readonly string[]> = list('profile', oneOf(['coap_oscore', 'coap_dtls'] as const));

const pskIdentity = matching('text of 1 to 1000 characters', (value) => value !== '' && value.length <= 1000);
export const channel: Entries = {
  oscore: optional(oscoreSchema),
  dtls: optional(
    section<RawDtlsChannel>('how the other party is known over DTLS: psk_identity and psk_file, or peer_key_file', {
      psk_identity: optional(pskIdentity),
      psk: optional(secretHex),
      psk_file: optional(filePath),
      peer_key: optional(hex),
      peer_key_file: optional(filePath),
    }),
  ),
};
export const dtlsOf = <T extends RawDtlsOwn>(more: Entries = {}): Schema<T> =>
  section('what there is for DTLS', { key: optional(secretHex), key_file: optional(filePath), ...more });

export const transmission: Schema<RawTransmission> = section('transmission parameters (RFC 7252 Section 4.8)', {
  ack_timeout: optional(positive('seconds')),
  ack_random_factor: optional(wanting('a number from 1 on', v.pipe(v.number('a number from 1 on'), v.minValue(1, 'a number from 1 on')))),
  max_retransmit: optional(whole(0, 20, 'retransmissions')),
  nstart: optional(whole(1, 1000, 'exchanges')),
  nstart_limit: optional(whole(1, 1000, 'exchanges')),
  probing_rate: optional(positive('bytes per second')),
  ack_delay: optional(positive('seconds')),
  notification_interval: optional(positive('seconds')),
  non_confirmable_notifications: optional(whole(0, 1000, 'notifications')),
});

/** Whether there is a limit to what an address is sent that has not shown itself (RFC 9175, Section 2.4). */
export const amplification: Schema<'unlimited'> = oneOf(['unlimited'] as const);

/** How the token revocation list of an AS is followed (RFC 9770). */
export interface RawRevocation {
  readonly observe?: boolean;
  readonly interval?: number;
}

export const revocation: Schema<RawRevocation> = section('how revoked tokens are heard of: observe and interval', {
  observe: optional(yesNo),
  interval: optional(seconds),
});
