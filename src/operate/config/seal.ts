import { utf8 } from '../../core/bytes.ts';
import type { RawDtlsSettings } from './dtls-settings.ts';
import { type ConfigPath, suggest } from './error.ts';
import type { ConfigFile } from './file.ts';
import { type Entries, list, matching, name, oneOf, optional, type Schema, scopeText, section, table, yesNo } from './schema.ts';
import {
  type CapifAefConfig,
  type CapifInvokerConfig,
  capifAefSchema,
  capifInvokerSchema,
  type RawCapifAef,
  type RawCapifInvoker,
  readCapifAef,
  readCapifInvoker,
} from './seal-capif.ts';
import { type RawSealHttpsAs, type ReadTokenKeys, readSealHttpsAs, type SealHttpsAsConfig, sealHttpsAsSchema } from './seal-https-as.ts';
import { type RawSealHttpsRs, readSealHttpsRs, type SealHttpsRsConfig, sealHttpsRsSchema } from './seal-https-rs.ts';
import { skmsUri } from './seal-key-management.ts';
import { type OpenIdClientConfig, openIdSchema, type RawOpenId, readOpenId } from './seal-openid.ts';
import { type RawSealServices, readSealServices, type SealServicesConfig, sealServicesSchema } from './seal-services.ts';

/** What makes a configuration one of a SEAL deployment (TS 33.434): `profile: seal`, and a section `seal` beside it. */
export interface RawSeal<T> {
  readonly profile?: 'seal';
  readonly seal?: T;
}

type Suites = 'seal-strict' | 'iot';

interface RawSealCommon {
  readonly mode?: 'strict' | 'lenient';
  readonly suites?: Suites;
}

export interface RawSealAs extends RawSealCommon {
  readonly val_system: string;
  readonly services?: Readonly<Record<string, { readonly audiences?: readonly string[] }>>;
  readonly users?: Readonly<Record<string, RawIdentity>>;
  readonly ues?: Readonly<Record<string, RawIdentity & { readonly users?: readonly string[] }>>;
  readonly servers?: Readonly<Record<string, RawIdentity>>;
  readonly https?: RawSealHttpsAs;
}

interface RawIdentity {
  readonly services?: readonly string[];
  readonly client?: string;
  readonly key_provisioning?: boolean;
}

export interface RawSealRs extends RawSealCommon {
  readonly val_system: string;
  readonly services?: RawSealServices;
  readonly https?: RawSealHttpsRs;
  readonly capif?: RawCapifAef;
}

export interface RawSealClient extends RawSealCommon {
  readonly scope?: string;
  readonly skms_uri?: string;
  readonly openid?: RawOpenId;
  readonly capif?: RawCapifInvoker;
}

/** What every role of a SEAL deployment says. */
export interface SealCommonConfig {
  readonly mode: 'strict' | 'lenient';
}

/** A VAL user, VAL UE or VAL server of the configuration. */
export interface ValIdentityConfig {
  readonly kind: 'user' | 'ue' | 'server';
  readonly id: string;
  readonly valServiceIds?: readonly string[];
  readonly client?: string;
  readonly valUserIds?: readonly string[];
  readonly sKeyProv?: boolean;
}

/** The VAL system of an as.yaml. */
export interface SealAsConfig extends SealCommonConfig {
  readonly valSystem: string;
  /** Audiences by VAL service ID. */
  readonly services: Readonly<Record<string, readonly string[]>>;
  readonly identities: readonly ValIdentityConfig[];
  /** Its face over HTTPS. */
  readonly https?: SealHttpsAsConfig;
}

/** The SEAL server of an rs.yaml, with the services that come with the program. */
export interface SealRsConfig extends SealCommonConfig {
  readonly valSystem: string;
  readonly services: SealServicesConfig;
  /** Its face over HTTPS. */
  readonly https?: SealHttpsRsConfig;
  /** Its face to API invokers of CAPIF. */
  readonly capif?: CapifAefConfig;
}

/** The SIM-C of a client.yaml. */
export interface SealClientConfig extends SealCommonConfig {
  /** What to ask for where nobody says. */
  readonly scope?: string;
  /** The key management server that keys come from. */
  readonly sKmsUri?: string;
  /** How it logs VAL users in over HTTPS. */
  readonly openid?: OpenIdClientConfig;
  /** What it is to a core function of CAPIF. */
  readonly capif?: CapifInvokerConfig;
}

/** TS 33.434, B.3.6.2: seconds that a token may be taken late. */
const longestLeeway = 30;

const identity: Schema<string> = matching('an identity of 1 to 255 bytes', (text) => {
  const { length } = utf8(text);
  return length >= 1 && length <= 255 && !/\p{Cc}/u.test(text);
});
const identities: Schema<readonly string[]> = list('identity', identity);

const common: Entries = { mode: optional(oneOf(['strict', 'lenient'] as const)), suites: optional(oneOf(['seal-strict', 'iot'] as const)) };
const party: Entries = { services: optional(identities), client: optional(name), key_provisioning: optional(yesNo) };
const parties = <T>(what: string, entries: Entries): Schema<Readonly<Record<string, T>>> =>
  table(`${what}s by identity`, identity, section<T>(`a ${what}: ${Object.keys(entries).join(', ')}`, entries));

function entriesOf<T>(seal: Schema<T>): Entries {
  return { profile: optional(oneOf(['seal'] as const)), seal: optional(seal) };
}

export const sealAs: Entries = entriesOf(
  section<RawSealAs>('a SIM-S: val_system, mode, suites, services, users, ues, servers, https', {
    val_system: identity,
    ...common,
    services: optional(table('VAL services by identity', identity, section('a VAL service: audiences', { audiences: optional(list('audience', name)) }))),
    users: optional(parties('VAL user', party)),
    ues: optional(parties('VAL UE', { ...party, users: optional(identities) })),
    servers: optional(parties('VAL server', party)),
    https: optional(sealHttpsAsSchema),
  }),
);

export const sealRs: Entries = entriesOf(
  section<RawSealRs>('a SEAL server: val_system, mode, suites, services, https, capif', {
    val_system: identity,
    ...common,
    services: optional(sealServicesSchema),
    https: optional(sealHttpsRsSchema),
    capif: optional(capifAefSchema),
  }),
);

export const sealClient: Entries = entriesOf(
  section<RawSealClient>('a SIM-C: mode, suites, scope, skms_uri, openid, capif', {
    ...common,
    skms_uri: optional(skmsUri),
    openid: optional(openIdSchema),
    capif: optional(capifInvokerSchema),
    scope: optional(scopeText),
  }),
);

/** The section, where the file is one of a SEAL deployment. */
function sectionOf<T>(file: ConfigFile, { profile, seal }: RawSeal<T>): T | undefined {
  if (profile !== undefined && seal === undefined) file.problem(['profile'], 'expected a section seal beside profile: seal, got none');
  if (profile === undefined && seal !== undefined) file.problem(['seal'], 'expected profile: seal beside it, got none', { atKey: true });
  return profile === undefined ? undefined : seal;
}

const commonOf = ({ mode = 'strict' }: RawSealCommon): SealCommonConfig => ({ mode });

/** The cipher suites of sessions over DTLS; those of no deployment in particular when absent. */
export function sealSuites(file: ConfigFile, { seal, dtls }: RawSeal<RawSealCommon> & { readonly dtls?: RawDtlsSettings }): { readonly suites?: Suites } {
  if (seal === undefined) return {};
  if (dtls?.suites !== undefined) file.problem(['dtls', 'suites'], 'expected seal.suites in its place, got both sections', { atKey: true });
  return { suites: seal.suites ?? 'seal-strict' };
}

/** What the rest of as.yaml has that a SIM-S needs. */
interface AsRest extends RawSeal<RawSealAs> {
  readonly issuer?: string;
  readonly clients: Readonly<Record<string, unknown>>;
  readonly resource_servers: Readonly<Record<string, { readonly audiences: readonly string[]; readonly profiles?: readonly string[]; readonly exi?: boolean }>>;
}

export function readSealAs(file: ConfigFile, raw: AsRest, tokenKeys: ReadTokenKeys): { readonly seal?: SealAsConfig } {
  const seal = sectionOf(file, raw);
  if (seal === undefined) return {};
  if (raw.issuer === undefined) file.problem([], 'expected an issuer beside profile: seal, since its tokens name it, got none');
  for (const [id, { exi, profiles }] of Object.entries(raw.resource_servers)) {
    const at: ConfigPath = ['resource_servers', id];
    if (exi === true) file.problem([...at, 'exi'], 'expected false with profile: seal, since its tokens have exp, got true');
    if (profiles !== undefined && !profiles.includes('coap_oscore'))
      file.problem([...at, 'profiles'], `expected coap_oscore among them with profile: seal, got ${profiles.join(', ')}`);
  }
  const audiences = Object.values(raw.resource_servers).flatMap((server) => server.audiences);
  const services = Object.entries(seal.services ?? {}).map(([id, { audiences: given = audiences }]) => {
    given.forEach((audience, index) => {
      if (!audiences.includes(audience))
        file.problem(
          ['seal', 'services', id, 'audiences', index],
          `expected an audience of a resource server, got "${audience}"${suggest(audience, audiences)}`,
        );
    });
    return [id, given] as const;
  });
  const https = seal.https === undefined ? {} : { https: readSealHttpsAs(file, seal.https, ['seal', 'https'], tokenKeys) };
  const identities = identitiesOf(file, seal);
  return { seal: { ...commonOf(seal), valSystem: seal.val_system, services: Object.fromEntries(services), identities, ...https } };
}

const kinds = { users: 'user', ues: 'ue', servers: 'server' } as const;

function identitiesOf(file: ConfigFile, seal: RawSealAs): readonly ValIdentityConfig[] {
  const owners = new Map<string, string>();
  return (Object.keys(kinds) as (keyof typeof kinds)[]).flatMap((group) =>
    Object.entries<RawIdentity & { readonly users?: readonly string[] }>(seal[group] ?? {}).map(
      ([id, { services, client, users, key_provisioning: sKeyProv }]) => {
        const at: ConfigPath = ['seal', group, id];
        const named = client ?? (group === 'users' ? undefined : id);
        if (named !== undefined) {
          const other = owners.get(named);
          if (other !== undefined)
            file.problem([...at, ...(client === undefined ? [] : ['client'])], `expected a client of its own, got "${named}", which is ${other}`);
          owners.set(named, `${kinds[group]} "${id}"`);
        }
        services?.forEach((service, index) => {
          const known = Object.keys(seal.services ?? {});
          if (known.length > 0 && !known.includes(service))
            file.problem([...at, 'services', index], `expected a VAL service of seal.services, got "${service}"${suggest(service, known)}`);
        });
        return {
          kind: kinds[group],
          id,
          ...(services && { valServiceIds: services }),
          ...(client !== undefined && { client }),
          ...(users && { valUserIds: users }),
          ...(sKeyProv !== undefined && { sKeyProv }),
        };
      },
    ),
  );
}

/** What the rest of rs.yaml has that a SEAL server needs. */
interface RsRest extends RawSeal<RawSealRs> {
  readonly issuers: readonly unknown[];
  readonly aif?: boolean;
  readonly leeway?: number;
  readonly leeway_cap?: number;
}

export function readSealRs(file: ConfigFile, raw: RsRest): { readonly seal?: SealRsConfig } {
  const seal = sectionOf(file, raw);
  if (seal === undefined) return {};
  for (const entry of ['leeway', 'leeway_cap'] as const) {
    const given = raw[entry];
    if (given !== undefined && given > longestLeeway) file.problem([entry], `expected at most ${longestLeeway} seconds with profile: seal, got ${given}`);
  }
  if (raw.aif === true) file.problem(['aif'], 'expected false with profile: seal, since its scopes are names, got true');
  if (raw.issuers.length > 1) file.problem(['issuers'], `expected one, the SIM-S of the VAL system, with profile: seal, got ${raw.issuers.length}`);
  const https = seal.https === undefined ? {} : { https: readSealHttpsRs(file, seal.https, ['seal', 'https']) };
  const capif = seal.capif === undefined ? {} : { capif: readCapifAef(file, seal.capif, ['seal', 'capif']) };
  return { seal: { ...commonOf(seal), valSystem: seal.val_system, services: readSealServices(file, seal.services), ...https, ...capif } };
}

/** What the rest of client.yaml has that a SIM-C needs. */
interface ClientRest extends RawSeal<RawSealClient> {
  readonly authorization_servers: readonly unknown[];
  readonly profiles?: readonly string[];
}

export function readSealClient(file: ConfigFile, raw: ClientRest): { readonly seal?: SealClientConfig } {
  const seal = sectionOf(file, raw);
  if (seal === undefined) return {};
  const { profiles } = raw;
  if (profiles?.includes('coap_oscore') === false) file.problem(['profiles'], `expected coap_oscore among them with profile: seal, got ${profiles.join(', ')}`);
  const { length } = raw.authorization_servers;
  if (length > 1) file.problem(['authorization_servers'], `expected one, the SIM-S of the VAL system, with profile: seal, got ${length}`);
  const { scope, skms_uri: sKmsUri } = seal;
  const openid = seal.openid === undefined ? {} : { openid: readOpenId(file, seal.openid, ['seal', 'openid']) };
  const capif = seal.capif === undefined ? {} : { capif: readCapifInvoker(file, seal.capif, ['seal', 'capif']) };
  return { seal: { ...commonOf(seal), ...(scope !== undefined && { scope }), ...(sKmsUri !== undefined && { sKmsUri }), ...openid, ...capif } };
}
