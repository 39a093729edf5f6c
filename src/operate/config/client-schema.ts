import { dtlsClientSettings, type RawDtlsSettings } from './dtls-settings.ts';
import {
  channel,
  coapUri,
  dtlsOf,
  type ExperimentName,
  experimental,
  filePath,
  list,
  oneOf,
  optional,
  positive,
  profiles,
  type RawChannel,
  type RawRevocation,
  type RawStore,
  type RawTls,
  type RawTransmission,
  revocation,
  type Schema,
  section,
  storeEntries,
  tlsOf,
  transmission,
  whole,
  yesNo,
} from './schema.ts';
import { type RawSeal, type RawSealClient, sealClient } from './seal.ts';

export interface RawClient extends RawStore, RawSeal<RawSealClient> {
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsSettings;
  readonly profiles?: readonly string[];
  readonly authorization_servers: readonly (RawChannel & { readonly uri: string; readonly client_secret_file?: string })[];
  readonly defaults?: { readonly timeout?: number; readonly confirmable?: boolean };
  readonly experimental?: readonly ExperimentName[];
  readonly revocation?: RawRevocation;
  readonly hide_path?: boolean;
  readonly q_block?: boolean;
  readonly renewal?: number;
  readonly transmission?: RawTransmission;
}

export const clientSchema: Schema<RawClient> = section('the configuration of a client', {
  ...storeEntries,
  tls: optional(tlsOf('ca_file', 'cert_file', 'key_file')),
  dtls: optional(dtlsOf<RawDtlsSettings>({ ...dtlsClientSettings, token: optional(oneOf(['upload', 'psk-identity'] as const)) })),
  profiles: optional(profiles),
  authorization_servers: list('authorization server', section('an authorization server', { uri: coapUri, ...channel, client_secret_file: optional(filePath) })),
  defaults: optional(section('defaults of requests', { timeout: optional(positive('seconds')), confirmable: optional(yesNo) })),
  experimental: optional(experimental),
  revocation: optional(revocation),
  hide_path: optional(yesNo),
  q_block: optional(yesNo),
  renewal: optional(whole(0, 86_400, 'seconds')),
  transmission: optional(transmission),
  ...sealClient,
});
