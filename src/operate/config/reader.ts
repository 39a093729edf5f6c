import { equalBytes, fromHex, toHex } from '../../core/bytes.ts';
import { type CoseKey, hidePrivateParts, macAlgorithms } from '../../core/cose/index.ts';
import { aeadParameters } from '../../core/crypto/index.ts';
import type { TokenKey } from '../../core/cwt.ts';
import { tokenAlgorithms } from './algorithm-names.ts';
import { type DtlsConfig, type DtlsPeerConfig, type DtlsServerConfig, readCoseKey, readDtlsPeer, readDtlsServer } from './dtls.ts';
import { type ConfigPath, suggest } from './error.ts';
import type { ConfigFile } from './file.ts';
import { checkMode, readKey, readNamedFile } from './key-file.ts';
import { type ListenConfig, parseListen } from './listen.ts';
import { type OscoreConfig, readOscore } from './oscore.ts';
import { readPemKey } from './pem-key.ts';
import type { RawChannel, RawOscore, RawScope, RawTls, RawTokenKey, RawTransmission } from './schema.ts';
import { checkListen, readTls, type TlsConfig } from './tls.ts';

/** RFC 7252, Section 4.8; times in milliseconds. */
export interface TransmissionConfig {
  readonly ackTimeout?: number;
  readonly ackRandomFactor?: number;
  readonly maxRetransmit?: number;
  readonly nstart?: number;
  readonly nstartLimit?: number;
  readonly probingRate?: number;
  readonly ackDelay?: number;
  readonly notificationInterval?: number;
  readonly nonConfirmableNotifications?: number;
}

/** How revoked tokens are heard of. */
export interface RevocationConfig {
  /** `false`: by polling alone. */
  readonly observe?: boolean;
  /** Seconds after which the list is asked again. */
  readonly interval?: number;
}

/** Scope names with a space between them, or the entries of an AIF: path and methods as a number (RFC 9237, Section 3). */
export type ScopeConfig = string | readonly (readonly [path: string, methods: number])[];

/** The profiles, by name; the sections `oscore` and `dtls` stand for a channel of each. */
export const profileNumbers: Readonly<Record<string, number>> = { coap_dtls: 1, coap_oscore: 2 };
export const coapDtls = 1;
export const coapOscore = 2;

/** A secure channel with a peer: what a profile of that number takes as credentials. */
export interface ChannelConfig {
  readonly profile: number;
  readonly credentials: OscoreConfig | DtlsPeerConfig | DtlsServerConfig;
}

/** A token key and its time: seconds since 1970. */
export interface TokenKeyConfig extends TokenKey {
  readonly from?: number;
  readonly until?: number;
}

/** Reads keys in and notes what is wrong with them; what it returns is only good when `finish` has not thrown. */
export class ConfigReader {
  readonly #file: ConfigFile;
  readonly #contexts: { readonly path: ConfigPath; readonly recipientId: Uint8Array; readonly idContext: Uint8Array | undefined }[] = [];

  constructor(file: ConfigFile) {
    this.#file = file;
  }

  finish(): void {
    if (this.#file.hasProblems) this.#file.finish();
  }

  /** Where a server listens, and with which certificate. */
  server({ listen: raw, tls }: { readonly listen: string | readonly string[]; readonly tls?: RawTls }): {
    readonly listen: readonly ListenConfig[];
    readonly tls: TlsConfig;
  } {
    const listen = (typeof raw === 'string' ? [raw] : raw).map((text) => parseListen(text)!);
    checkListen(this.#file, listen, tls);
    return { listen, tls: readTls(this.#file, tls) };
  }

  /** The channel of the AS with a peer of it. */
  peer({ oscore, dtls }: RawChannel, path: ConfigPath): ChannelConfig | undefined {
    this.#atMostOne(oscore, dtls, path);
    if (oscore !== undefined) return this.#oscore(oscore, [...path, 'oscore']);
    return dtls === undefined ? undefined : { profile: coapDtls, credentials: readDtlsPeer(this.#file, dtls, [...path, 'dtls']) };
  }

  /** The channel with an AS. */
  towards({ oscore, dtls }: RawChannel, path: ConfigPath, own: DtlsConfig): ChannelConfig | undefined {
    this.#atMostOne(oscore, dtls, path);
    if (oscore !== undefined) return this.#oscore(oscore, [...path, 'oscore']);
    return dtls === undefined ? undefined : { profile: coapDtls, credentials: readDtlsServer(this.#file, dtls, [...path, 'dtls'], own) };
  }

  transmission(raw: RawTransmission = {}): TransmissionConfig {
    const { nstart = 1, nstart_limit: limit = nstart } = raw;
    if (limit < nstart)
      this.#file.problem(['transmission', 'nstart_limit'], `expected a number of exchanges from nstart, ${nstart}, on, got the number ${limit}`);
    return transmissionConfig(raw);
  }

  needed(channel: ChannelConfig | undefined, path: ConfigPath): ChannelConfig {
    if (channel !== undefined) return channel;
    this.#file.problem(path, 'expected a section oscore or dtls, got neither');
    return { profile: coapOscore, credentials: { masterSecret: new Uint8Array(16), senderId: new Uint8Array(1), recipientId: new Uint8Array(2) } };
  }

  publicKey(raw: { readonly raw_public_key_file?: string }, path: ConfigPath): CoseKey {
    return readCoseKey(this.#file, path, raw, 'raw_public_key', 'raw_public_key_file', 'public');
  }

  derivationKey(raw: { readonly derivation_key_file?: string }, path: ConfigPath): Uint8Array {
    const key = readKey(this.#file, path, { ...raw }, 'derivation_key', 'derivation_key_file') ?? new Uint8Array(16);
    if (key.length < 16) this.#file.problem([...path, 'derivation_key_file'], `expected a key of at least 16 bytes, got ${key.length}`);
    return key;
  }

  /** The bytes of a file with a secret in it, without the end of its line. */
  secretFile(name: string, path: ConfigPath): Uint8Array | undefined {
    const read = readNamedFile(this.#file, path, name, { what: 'a file with a secret', largest: 1024 });
    if (read === undefined) return undefined;
    checkMode(this.#file, path, read.full, 'a file with a secret');
    return Uint8Array.from(read.text.replace(/\r?\n$/, ''), (character) => character.charCodeAt(0));
  }

  #atMostOne(oscore: RawOscore | undefined, dtls: RawChannel['dtls'] | undefined, path: ConfigPath): void {
    if (oscore !== undefined && dtls !== undefined) this.#file.problem(path, 'expected one of oscore and dtls, got both');
  }

  #oscore(raw: RawOscore, path: ConfigPath): ChannelConfig {
    const credentials = readOscore(this.#file, raw, path);
    this.#contexts.push({ path, recipientId: credentials.recipientId, idContext: credentials.idContext });
    return { profile: coapOscore, credentials };
  }

  /** One server finds a context by recipient ID and ID Context: two with the same would shut each other out. */
  distinctContexts(): void {
    this.#contexts.forEach(({ path, recipientId, idContext }, index) => {
      const other = this.#contexts
        .slice(0, index)
        .find(
          (earlier) => equalBytes(earlier.recipientId, recipientId) && toHex(earlier.idContext ?? new Uint8Array()) === toHex(idContext ?? new Uint8Array()),
        );
      if (!other) return;
      this.#file.problem(
        [...path, 'recipient_id'],
        `expected an identifier of its own, got "${toHex(recipientId)}", which ${other.path.slice(0, 2).join('.')} has too`,
      );
    });
  }

  tokenKeys(raw: readonly RawTokenKey[], path: ConfigPath): readonly TokenKeyConfig[] {
    return raw.map((entry, index) => this.#tokenKey(entry, [...path, index]));
  }

  #tokenKey(raw: RawTokenKey, path: ConfigPath): TokenKeyConfig {
    const algorithms = tokenAlgorithms[raw.use];
    const algorithm = algorithms[raw.alg];
    if (algorithm === undefined)
      this.#file.problem([...path, 'alg'], `expected an algorithm for ${raw.use}: ${Object.keys(algorithms).join(', ')}; got "${raw.alg}"`);
    const kid = raw.kid === undefined ? undefined : fromHex(raw.kid);
    const key = raw.use === 'sign1' ? this.#signatureKey(raw, path) : this.#symmetricKey(raw, algorithm, path);
    const [from, until] = [raw.from, raw.until].map((text) => (text === undefined ? undefined : Date.parse(text) / 1000));
    if (from !== undefined && until !== undefined && from >= until) this.#file.problem([...path, 'until'], `expected a time after from, got "${raw.until}"`);
    return {
      use: raw.use,
      algorithm: algorithm ?? 0,
      key,
      ...(kid !== undefined && { kid }),
      ...(raw.untagged === true && { untagged: true }),
      ...(from !== undefined && { from }),
      ...(until !== undefined && { until }),
    };
  }

  #symmetricKey(raw: RawTokenKey, algorithm: number | undefined, path: ConfigPath): CoseKey {
    if (raw.key_pem_file !== undefined) this.#file.problem([...path, 'key_pem_file'], `expected a key in PEM for sign1 only, got one for ${raw.use}`);
    const k = readKey(this.#file, path, { ...raw }, 'key', 'key_file', { env: 'key_env' }) ?? new Uint8Array(0);
    const place = [...path, (['key', 'key_env'] as const).find((entry) => raw[entry] !== undefined) ?? 'key_file'];
    if (k.length > 0 && algorithm !== undefined) {
      const length = raw.use === 'encrypt0' ? aeadParameters(algorithm)?.keyLength : macAlgorithms.get(algorithm)?.keyLength;
      if (length !== undefined && k.length !== length) this.#file.problem(place, `expected a key of ${length} bytes for ${raw.alg}, got ${k.length}`);
    }
    return hidePrivateParts({ kty: 4, k });
  }

  /** A signature key is a COSE_Key in hexadecimal, or a key in PEM: with `d` at the AS, without at an RS, where it is no secret. */
  #signatureKey(raw: RawTokenKey, path: ConfigPath): CoseKey {
    if (raw.key_pem_file !== undefined) return readPemKey(this.#file, path, raw);
    return readCoseKey(this.#file, path, raw, 'key', 'key_file', undefined, 'key_env');
  }

  knownScopes(scope: RawScope, known: readonly string[] | undefined, path: ConfigPath): void {
    if (typeof scope !== 'string' || known === undefined) return;
    for (const name of scope.split(' ')) {
      if (!known.includes(name)) this.#file.problem(path, `expected scopes of the resource server, got "${name}"${suggest(name, known)}`);
    }
  }
}

const methodBit: Readonly<Record<string, number>> = { GET: 1, POST: 2, PUT: 4, DELETE: 8, FETCH: 16, PATCH: 32, iPATCH: 64 };

export function scopeConfig(scope: RawScope): ScopeConfig {
  if (typeof scope === 'string') return scope;
  return Object.entries(scope).map(([path, methods]) => [path, methods.reduce((bits, method) => bits | methodBit[method]!, 0)] as const);
}

function transmissionConfig(raw: RawTransmission): TransmissionConfig {
  return {
    ...(raw.ack_timeout !== undefined && { ackTimeout: raw.ack_timeout * 1000 }),
    ...(raw.ack_random_factor !== undefined && { ackRandomFactor: raw.ack_random_factor }),
    ...(raw.max_retransmit !== undefined && { maxRetransmit: raw.max_retransmit }),
    ...(raw.nstart !== undefined && { nstart: raw.nstart }),
    ...(raw.nstart_limit !== undefined && { nstartLimit: raw.nstart_limit }),
    ...(raw.probing_rate !== undefined && { probingRate: raw.probing_rate }),
    ...(raw.ack_delay !== undefined && { ackDelay: raw.ack_delay * 1000 }),
    ...(raw.notification_interval !== undefined && { notificationInterval: raw.notification_interval * 1000 }),
    ...(raw.non_confirmable_notifications !== undefined && { nonConfirmableNotifications: raw.non_confirmable_notifications }),
  };
}
