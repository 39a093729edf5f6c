import { clientSchema } from './client-schema.ts';
import { type DtlsConfig, readDtlsOwn } from './dtls.ts';
import { readDtlsSettings } from './dtls-settings.ts';
import type { ConfigPath } from './error.ts';
import { ConfigFile } from './file.ts';
import { type ChannelConfig, ConfigReader, coapOscore, profileNumbers, type RevocationConfig, type TransmissionConfig } from './reader.ts';
import type { ExperimentName } from './schema.ts';
import { readSealClient, type SealClientConfig, sealSuites } from './seal.ts';
import { readStore } from './store.ts';
import { readTls, type TlsConfig } from './tls.ts';

/** A client.yaml as it was read: files opened, keys decoded, paths absolute. */
export interface ClientConfig {
  readonly file: string;
  readonly store: string;
  readonly tls: TlsConfig;
  readonly dtls: DtlsConfig;
  /** The preferred one first. */
  readonly profiles: readonly number[];
  readonly authorizationServers: readonly (ChannelConfig & { readonly uri: string; readonly clientSecret?: Uint8Array })[];
  /** Seconds to wait for an answer. */
  readonly timeout?: number;
  readonly confirmable: boolean;
  readonly experimental?: readonly ExperimentName[];
  /** Follow the revocation list of each AS that has given a token. Absent: none is followed. */
  readonly revocation?: RevocationConfig;
  /** Ask for no path while nothing protects it. */
  readonly hidePath: boolean;
  /** Robust block-wise transfer (RFC 9177) under protection. */
  readonly qBlock: boolean;
  /** Seconds before the end of a token from which on it is renewed; 0: never. */
  readonly renewal?: number;
  readonly transmission: TransmissionConfig;
  /** It is a SIM-C. */
  readonly seal?: SealClientConfig;
}

/**
 * The configuration of a client, with its keys.
 *
 * @param path - a file, or a folder with `client.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadClientConfig(path: string): ClientConfig {
  const file = ConfigFile.read(path, 'client.yaml');
  const raw = file.check(clientSchema);
  const reader = new ConfigReader(file);
  const tls = readTls(file, raw.tls);
  const dtls = { ...readDtlsOwn(file, raw.dtls), ...readDtlsSettings(file, raw.dtls) };
  const authorizationServers = raw.authorization_servers.map((given, index) => {
    const { uri } = given;
    const at: ConfigPath = ['authorization_servers', index];
    if (raw.authorization_servers.findIndex((other) => other.uri === uri) < index) {
      file.problem([...at, 'uri'], 'expected each authorization server once, got one again');
    }
    if (new URL(uri).protocol === 'coaps:' && given.dtls === undefined) file.problem([...at, 'uri'], 'expected a section dtls beside a URI of coaps, got none');
    const clientSecret = given.client_secret_file === undefined ? undefined : reader.secretFile(given.client_secret_file, [...at, 'client_secret_file']);
    return { uri, ...reader.needed(reader.towards(given, at, dtls), at), ...(clientSecret && { clientSecret }) };
  });
  const needed = raw.profile === 'seal' ? [coapOscore] : [];
  const profiles = raw.profiles?.map((profile) => profileNumbers[profile]!) ?? [...new Set([...authorizationServers.map(({ profile }) => profile), ...needed])];
  for (const [index, { profile }] of authorizationServers.entries())
    if (!profiles.includes(profile)) file.problem(['authorization_servers', index], 'expected a channel of one of the profiles, got one of another');
  const store = readStore(file, raw);
  const seal = readSealClient(file, raw);
  const suites = sealSuites(file, raw);
  const transmission = reader.transmission(raw.transmission);
  reader.finish();
  return {
    file: file.path,
    store,
    tls,
    dtls: { ...dtls, ...suites },
    profiles,
    authorizationServers,
    ...(raw.defaults?.timeout !== undefined && { timeout: raw.defaults.timeout }),
    confirmable: raw.defaults?.confirmable ?? true,
    ...(raw.experimental && { experimental: raw.experimental }),
    ...(raw.revocation !== undefined && { revocation: raw.revocation }),
    hidePath: raw.hide_path ?? false,
    qBlock: raw.q_block ?? false,
    ...(raw.renewal !== undefined && { renewal: raw.renewal }),
    transmission,
    ...seal,
  };
}
