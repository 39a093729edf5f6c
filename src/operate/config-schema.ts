import * as v from 'valibot';
import { aeadAlgorithms, hkdfAlgorithms, tokenAlgorithms } from './algorithm-names.ts';
import { suggest } from './config-error.ts';
import { isPeerUri, parseListen, transportSchemes } from './listen.ts';

/** What stands in the files, checked for its form; `config.ts` reads keys in and checks what belongs together. */

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

/** The file of one OSCORE security context, `context.json`. */
export interface RawOscoreContext extends RawOscore {
  readonly store?: string;
}

export interface RawTokenKey {
  readonly use: 'encrypt0' | 'mac0' | 'sign1';
  readonly alg: string;
  readonly key?: string;
  readonly key_file?: string;
  readonly kid?: string;
}

/** Scope names with a space between, or methods by path. */
export type RawScope = string | Readonly<Record<string, readonly string[]>>;

export interface RawTransmission {
  readonly ack_timeout?: number;
  readonly ack_random_factor?: number;
  readonly max_retransmit?: number;
  readonly nstart?: number;
  readonly probing_rate?: number;
}

export interface RawTls {
  readonly cert_file?: string;
  readonly key_file?: string;
  readonly ca_file?: string;
  readonly client_ca_file?: string;
}

export interface RawAs {
  readonly listen: string | readonly string[];
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsOwn;
  readonly issuer?: string;
  readonly store: string;
  readonly token_lifetime?: number;
  readonly clients: Readonly<Record<string, RawAsClient>>;
  readonly resource_servers: Readonly<Record<string, RawAsResourceServer>>;
  readonly limits?: { readonly payload?: number; readonly pending?: number; readonly tokens_per_client?: number };
  readonly transmission?: RawTransmission;
}

export interface RawAsClient extends RawChannel {
  readonly raw_public_key_file?: string;
  readonly profiles?: readonly string[];
  readonly grants: Readonly<Record<string, { readonly scope: RawScope; readonly default?: RawScope }>>;
}

export interface RawAsResourceServer extends RawChannel {
  readonly audiences: readonly string[];
  readonly raw_public_key_file?: string;
  readonly derivation_key_file?: string;
  readonly profiles?: readonly string[];
  readonly token_keys: readonly RawTokenKey[];
  readonly scopes?: readonly string[];
  readonly token_lifetime?: number;
  readonly exi?: boolean;
  readonly iss?: boolean;
}

export interface RawIssuer extends RawChannel {
  readonly uri: string;
  readonly issuer?: string;
  readonly token_keys: readonly RawTokenKey[];
  readonly derivation_key_file?: string;
}

export interface RawRs {
  readonly listen: string | readonly string[];
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsOwn;
  readonly audience: string | readonly string[];
  readonly store: string;
  readonly issuers: readonly RawIssuer[];
  readonly scopes?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly aif?: boolean;
  readonly resources?: Readonly<Record<string, RawResource>>;
  readonly cnonce?: boolean;
  readonly leeway?: number;
  readonly leeway_cap?: number;
  readonly public?: readonly string[];
  readonly protect_discovery?: boolean;
  readonly limits?: {
    readonly tokens?: number;
    readonly payload?: number;
    readonly upload?: number;
    readonly pending?: number;
    readonly upload_burst?: number;
    readonly upload_rate?: number;
  };
  readonly transmission?: RawTransmission;
}

export interface RawResource {
  readonly kind: 'sensor' | 'value';
  readonly unit?: string;
  readonly initial?: string;
  readonly interval?: number;
  readonly title?: string;
}

export interface RawClient {
  readonly store: string;
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsOwn;
  readonly profiles?: readonly string[];
  readonly authorization_servers: readonly (RawChannel & { readonly uri: string })[];
  readonly defaults?: { readonly timeout?: number; readonly confirmable?: boolean };
  readonly transmission?: RawTransmission;
}

type Schema<T> = v.GenericSchema<unknown, T>;
type Entries = Record<string, Schema<unknown> | v.ExactOptionalSchema<Schema<unknown>, undefined>>;

/** What each schema wants, in words: for a key that is not there at all. */
const wants = new WeakMap<object, string>();

function wanting<T>(expected: string, schema: Schema<T>): Schema<T> {
  wants.set(schema, expected);
  return schema;
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A map with known keys. `elsewhere`: what other programs call them. */
function section<T>(expected: string, entries: Entries, elsewhere: ReadonlyMap<string, string> = new Map()): Schema<T> {
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
function table<T>(what: string, key: Schema<string>, value: Schema<T>): Schema<Readonly<Record<string, T>>> {
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

function list<T>(what: string, item: Schema<T>): Schema<readonly T[]> {
  const expected = `a list of at least one ${what}`;
  return wanting(expected, v.pipe(v.array(item, expected), v.minLength(1, expected)) as unknown as Schema<readonly T[]>);
}

function matching(expected: string, test: (text: string) => boolean): Schema<string> {
  return wanting(expected, v.pipe(v.string(expected), v.check(test, expected)));
}

function oneOf<T extends string>(words: readonly T[]): Schema<T> {
  const expected = words.length === 1 ? words[0]! : `one of ${words.join(', ')}`;
  return wanting(expected, v.picklist(words, expected));
}

function whole(from: number, to: number, unit: string): Schema<number> {
  const expected = `a whole number of ${unit} from ${from} to ${to}`;
  return wanting(expected, v.pipe(v.number(expected), v.integer(expected), v.minValue(from, expected), v.maxValue(to, expected)));
}

function positive(unit: string): Schema<number> {
  const expected = `a number of ${unit} above 0`;
  return wanting(
    expected,
    v.pipe(
      v.number(expected),
      v.check((value) => Number.isFinite(value) && value > 0, expected),
    ),
  );
}

const optional = v.exactOptional as <T>(schema: Schema<T>) => v.ExactOptionalSchema<Schema<T>, undefined>;

const hex = matching('hexadecimal text in quotes, such as "01"', (text) => /^(?:[0-9a-fA-F]{2})*$/.test(text));
const secretHex = matching('hexadecimal text in quotes, of 16 bytes or more', (text) => /^(?:[0-9a-fA-F]{2}){16,}$/.test(text));
const filePath = matching('the path of a file', (text) => text !== '' && !text.includes('\0'));
const folderPath = matching('the path of a folder', (text) => text !== '' && !text.includes('\0'));
const name = matching('a name without spaces', (text) => /^\S{1,200}$/.test(text));
const text = matching('text', (value) => value.length <= 10_000);
const yesNo: Schema<boolean> = wanting('true or false', v.boolean('true or false'));
/** A day: a clock that is further off is to be set. */
const longestLeewayCap = 86_400;
const seconds = whole(1, 4_294_967_295, 'seconds');

/** RFC 6749, Section 3.3: what a scope name may hold. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const scopeName = matching('a scope name, without spaces', (value) => scopeToken.test(value));
const methodNames = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'] as const;
const methods = list('method', oneOf(methodNames));
const path = matching('a path that begins with "/"', (value) => /^\/[^\s?#]*$/.test(value));
const target = matching('a path that begins with "/"', (value) => /^\/[^\s#]*$/.test(value));

const scopeExpected = 'scope names with a space between them, or a map from path to methods';
const scope: Schema<RawScope> = wanting(
  scopeExpected,
  v.lazy(
    (input): Schema<RawScope> =>
      isMap(input)
        ? table('methods by path', target, methods)
        : matching(scopeExpected, (value) => value !== '' && value.split(' ').every((token) => scopeToken.test(token))),
  ) as Schema<RawScope>,
);

/** One or a list of them. */
function oneOrMore<T>(what: string, item: Schema<T>): Schema<T | readonly T[]> {
  return wanting(
    `${what}, or a list of them`,
    v.lazy((input): Schema<T | readonly T[]> => (Array.isArray(input) ? list(what.replace(/^an? /, ''), item) : item)) as Schema<T | readonly T[]>,
  );
}

const listen = oneOrMore(
  'an address and a port',
  matching('an address and a port, such as 127.0.0.1:5683, [::1]:5683 or coap+tcp://127.0.0.1:5683', (value) => parseListen(value) !== undefined),
);
const coapUri = matching(`a URI such as coap://127.0.0.1:5783, of one of the schemes ${transportSchemes.join(', ')}`, isPeerUri);
const issuer = matching('text of at most 200 characters', (value) => value !== '' && value.length <= 200);

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

const oscore: Schema<RawOscore> = section('the parameters of an OSCORE security context', oscoreEntries);

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

export const oscoreContextSchema: Schema<RawOscoreContext> = section(
  'an OSCORE security context',
  { ...oscoreEntries, store: optional(folderPath) },
  oscoreElsewhere,
);

const tokenKey: Schema<RawTokenKey> = section('a token key', {
  use: oneOf(['encrypt0', 'mac0', 'sign1'] as const),
  alg: oneOf(Object.values(tokenAlgorithms).flatMap((algorithms) => Object.keys(algorithms))),
  key: optional(secretHex),
  key_file: optional(filePath),
  kid: optional(hex),
});

/** What a server shows, what a client shows, and whom each trusts. */
const tlsOf = (...entries: readonly (keyof RawTls)[]): Schema<RawTls> =>
  section('files for TLS', Object.fromEntries(entries.map((entry) => [entry, optional(filePath)])));

const profiles = list('profile', oneOf(['coap_oscore', 'coap_dtls'] as const));

const pskIdentity = matching('text of 1 to 1000 characters', (value) => value !== '' && value.length <= 1000);
const channel = {
  oscore: optional(oscore),
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
const dtlsOf = (...more: readonly 'token'[]): Schema<RawDtlsOwn> =>
  section('what there is for DTLS', {
    key: optional(secretHex),
    key_file: optional(filePath),
    ...(more.includes('token') ? { token: optional(oneOf(['upload', 'psk-identity'] as const)) } : {}),
  });

const transmission: Schema<RawTransmission> = section('transmission parameters (RFC 7252 Section 4.8)', {
  ack_timeout: optional(positive('seconds')),
  ack_random_factor: optional(wanting('a number from 1 on', v.pipe(v.number('a number from 1 on'), v.minValue(1, 'a number from 1 on')))),
  max_retransmit: optional(whole(0, 20, 'retransmissions')),
  nstart: optional(whole(1, 1000, 'exchanges')),
  probing_rate: optional(positive('bytes per second')),
});

export const asSchema: Schema<RawAs> = section('the configuration of an authorization server', {
  listen,
  tls: optional(tlsOf('cert_file', 'key_file', 'client_ca_file')),
  dtls: optional(dtlsOf()),
  issuer: optional(issuer),
  store: folderPath,
  token_lifetime: optional(seconds),
  clients: table<RawAsClient>(
    'clients by name',
    name,
    section('a client', {
      ...channel,
      raw_public_key_file: optional(filePath),
      profiles: optional(profiles),
      grants: table('grants by audience', name, section('a grant: scope and, optionally, default', { scope, default: optional(scope) })),
    }),
  ),
  resource_servers: table<RawAsResourceServer>(
    'resource servers by name',
    name,
    section('a resource server', {
      audiences: list('audience', name),
      ...channel,
      raw_public_key_file: optional(filePath),
      derivation_key_file: optional(filePath),
      profiles: optional(profiles),
      token_keys: list('token key', tokenKey),
      scopes: optional(list('scope name', scopeName)),
      token_lifetime: optional(seconds),
      exi: optional(yesNo),
      iss: optional(yesNo),
    }),
  ),
  limits: optional(
    section('limits', {
      payload: optional(whole(64, 65_536, 'bytes')),
      pending: optional(whole(1, 1_000_000, 'requests')),
      tokens_per_client: optional(whole(1, 100_000_000, 'tokens')),
    }),
  ),
  transmission: optional(transmission),
});

export const rsSchema: Schema<RawRs> = section('the configuration of a resource server', {
  listen,
  tls: optional(tlsOf('cert_file', 'key_file', 'client_ca_file', 'ca_file')),
  dtls: optional(dtlsOf()),
  audience: oneOrMore('an audience', name),
  store: folderPath,
  issuers: list(
    'authorization server',
    section('an authorization server', {
      uri: coapUri,
      issuer: optional(issuer),
      token_keys: list('token key', tokenKey),
      ...channel,
      derivation_key_file: optional(filePath),
    }),
  ),
  scopes: optional(table('scopes by name', scopeName, table('methods by path', target, methods))),
  aif: optional(yesNo),
  resources: optional(
    table<RawResource>(
      'resources by path',
      path,
      section('a resource', {
        kind: oneOf(['sensor', 'value'] as const),
        unit: optional(text),
        initial: optional(text),
        interval: optional(positive('seconds')),
        title: optional(text),
      }),
    ),
  ),
  cnonce: optional(yesNo),
  leeway: optional(whole(0, longestLeewayCap, 'seconds')),
  leeway_cap: optional(whole(0, longestLeewayCap, 'seconds')),
  public: optional(wanting('a list of paths', v.array(path, 'a list of paths') as unknown as Schema<readonly string[]>)),
  protect_discovery: optional(yesNo),
  limits: optional(
    section('limits', {
      tokens: optional(whole(1, 1_000_000, 'tokens')),
      payload: optional(whole(64, 16_777_216, 'bytes')),
      upload: optional(whole(64, 65_536, 'bytes')),
      pending: optional(whole(1, 1_000_000, 'uploads')),
      upload_burst: optional(whole(1, 1_000_000, 'uploads')),
      upload_rate: optional(positive('uploads per second')),
    }),
  ),
  transmission: optional(transmission),
});

export const clientSchema: Schema<RawClient> = section('the configuration of a client', {
  store: folderPath,
  tls: optional(tlsOf('ca_file', 'cert_file', 'key_file')),
  dtls: optional(dtlsOf('token')),
  profiles: optional(profiles),
  authorization_servers: list('authorization server', section('an authorization server', { uri: coapUri, ...channel })),
  defaults: optional(section('defaults of requests', { timeout: optional(positive('seconds')), confirmable: optional(yesNo) })),
  transmission: optional(transmission),
});
