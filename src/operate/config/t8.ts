import { resolve } from 'node:path';
import { ConfigFile } from './file.ts';
import { type OperationsConfig, operations, type RateConfig, type RawOperations, rate, readOperations } from './operations.ts';
import { filePath, list, matching, name, oneOf, optional, type RawStore, type Schema, section, storeEntries } from './schema.ts';
import { type RawSealHttpsRs, readSealHttpsRs, type SealHttpsRsConfig, sealHttpsRsSchema } from './seal-https-rs.ts';
import { readStore } from './store.ts';
import { certificate, readPem } from './tls.ts';

interface RawT8 extends RawStore, RawOperations {
  readonly audience: string;
  readonly client: string;
  readonly https: RawSealHttpsRs;
  readonly api_root?: string;
  readonly notifications?: { readonly ca_file?: string; readonly allow?: readonly string[] };
  readonly limits?: { readonly rate?: { readonly per_address?: RateConfig; readonly per_scs_as?: RateConfig; readonly per_device?: RateConfig } };
  readonly rules?: readonly {
    readonly scs_as: string;
    readonly devices: string;
    readonly api?: T8RuleConfig['api'];
    readonly effect?: T8RuleConfig['effect'];
  }[];
}

/** Whether an SCS/AS may address devices. */
export interface T8RuleConfig {
  readonly scsAsId: string;
  readonly devices: string;
  readonly api: 'device-triggering' | 'nidd' | '*';
  readonly effect: 'allow' | 'deny';
}

/** A t8.yaml as it was read: files opened, paths absolute. */
export interface T8Config extends OperationsConfig {
  readonly file: string;
  readonly store: string;
  /** What tokens of SCS/AS are for. */
  readonly audience: string;
  /** The client.yaml by which devices are reached. */
  readonly client: string;
  readonly https: SealHttpsRsConfig;
  readonly apiRoot: string;
  /** Whom to trust who is notified, in place of those of Node, and who of the own network may be. */
  readonly notifications: { readonly ca?: Uint8Array; readonly allow: readonly string[] };
  readonly rules: readonly T8RuleConfig[];
  /** Requests from an address and of an SCS/AS, and what is sent to a device; those of the gateway where they are absent. */
  readonly rate: { readonly perAddress?: RateConfig; readonly perScsAs?: RateConfig; readonly perDevice?: RateConfig };
}

const hostAndPort: Schema<string> = matching('a host and a port, such as 127.0.0.1:9443', (text) => /^(?:\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}$/i.test(text));
const root: Schema<string> = matching('a URI of https without a path', (text) => /^https:\/\/[^\s/?#@]+\/?$/.test(text) && URL.canParse(text));

const schema: Schema<RawT8> = section('the configuration of a T8 gateway', {
  ...storeEntries,
  ...operations,
  audience: name,
  client: filePath,
  https: sealHttpsRsSchema,
  api_root: optional(root),
  notifications: optional(section('notifications: ca_file, allow', { ca_file: optional(filePath), allow: optional(list('host and port', hostAndPort)) })),
  limits: optional(
    section('limits: rate', {
      rate: optional(
        section('rates: per_address, per_scs_as, per_device', { per_address: optional(rate), per_scs_as: optional(rate), per_device: optional(rate) }),
      ),
    }),
  ),
  rules: optional(
    list(
      'rule',
      section('a rule: scs_as, devices, api, effect', {
        scs_as: name,
        devices: name,
        api: optional(oneOf(['device-triggering', 'nidd', '*'] as const)),
        effect: optional(oneOf(['allow', 'deny'] as const)),
      }),
    ),
  ),
});

/**
 * The configuration of a T8 gateway, with its certificates.
 *
 * @param path - a file, or a folder with `t8.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadT8Config(path: string): T8Config {
  const file = ConfigFile.read(path, 't8.yaml');
  const raw = file.check(schema);
  const https = readSealHttpsRs(file, { ...raw.https, certificates: 'required' }, ['https']);
  if (raw.https.certificates === 'none')
    file.problem(['https', 'certificates'], 'expected required, since T8 has certificates on both sides (TS 33.187, 5.5.1), got none');
  const ca = readPem(file, ['notifications', 'ca_file'], raw.notifications?.ca_file, certificate);
  if (raw.https.rate !== undefined) file.problem(['https', 'rate'], 'expected limits.rate in its place, with per_address, per_scs_as and per_device');
  const { per_address: perAddress, per_scs_as: perScsAs, per_device: perDevice } = raw.limits?.rate ?? {};
  const { address, port } = https.listen;
  const config = {
    file: file.path,
    store: readStore(file, raw),
    ...readOperations(file, raw),
    audience: raw.audience,
    client: resolve(file.folder, raw.client),
    https,
    apiRoot: raw.api_root ?? `https://${address.includes(':') ? `[${address}]` : address}:${port}`,
    notifications: { ...(ca && { ca }), allow: raw.notifications?.allow ?? [] },
    rules: (raw.rules ?? []).map(({ scs_as: scsAsId, devices, api = '*', effect = 'allow' }): T8RuleConfig => ({ scsAsId, devices, api, effect })),
    rate: { ...(perAddress && { perAddress }), ...(perScsAs && { perScsAs }), ...(perDevice && { perDevice }) },
  };
  if (file.hasProblems) file.finish();
  return config;
}
