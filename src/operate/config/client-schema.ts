import {
  channel,
  coapUri,
  dtlsOf,
  list,
  optional,
  positive,
  profiles,
  type RawChannel,
  type RawDtlsOwn,
  type RawStore,
  type RawTls,
  type RawTransmission,
  type Schema,
  section,
  storeEntries,
  tlsOf,
  transmission,
  yesNo,
} from './schema.ts';

export interface RawClient extends RawStore {
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsOwn;
  readonly profiles?: readonly string[];
  readonly authorization_servers: readonly (RawChannel & { readonly uri: string })[];
  readonly defaults?: { readonly timeout?: number; readonly confirmable?: boolean };
  readonly transmission?: RawTransmission;
}

export const clientSchema: Schema<RawClient> = section('the configuration of a client', {
  ...storeEntries,
  tls: optional(tlsOf('ca_file', 'cert_file', 'key_file')),
  dtls: optional(dtlsOf('token')),
  profiles: optional(profiles),
  authorization_servers: list('authorization server', section('an authorization server', { uri: coapUri, ...channel })),
  defaults: optional(section('defaults of requests', { timeout: optional(positive('seconds')), confirmable: optional(yesNo) })),
  transmission: optional(transmission),
});
