import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dtlsPeers } from '../../../profiles/dtls/index.ts';
import { oscorePeers } from '../../../profiles/oscore/index.ts';
import { takeOpenIdGrants } from '../../../profiles/seal/index.ts';
import { AceError, AceProfile } from '../../ace/index.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  Administration,
  AuthorizationServerError,
  administer,
  adminObjects,
  decodeAdminAnswer,
  encodeAdminCommand,
  type Listing,
  Registry,
  Revocations,
} from '../../as/index.ts';
import { ContentFormat, codeClass, decodeProblemDetails, formatCode, Method, OptionNumber, type Response, uintOf } from '../../coap/index.ts';
import { systemEnv } from '../../core/env.ts';
import { AuditLog, loadAsConfig } from '../../operate/index.ts';
import { openStore } from '../../store/index.ts';
import { configPath } from '../config-path.ts';
import { UsageError } from '../exit.ts';
import { milliseconds } from '../request.ts';
import { openConfigured } from '../session.ts';
import { version } from '../version.ts';

/** How an administrator gets at the AS: over CoAP, or at its store. */
export interface AdminFlags {
  readonly config?: string;
  readonly as?: string;
  readonly offline?: boolean;
  readonly store?: string;
  readonly timeout?: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Whoever carries out commands. */
export interface Administrator {
  /** Of the token endpoint, where it is known. */
  readonly tokenUri: string | undefined;
  perform(command: AdminCommand): Promise<AdminAnswer>;
}

/** Do something as an administrator, and leave nothing open. */
export async function asAdministrator<T>(flags: AdminFlags, work: (administrator: Administrator) => Promise<T>): Promise<T> {
  if (flags.store !== undefined || flags.offline) return atStore(flags, work);
  const { config, as } = flags;
  if (config === undefined) throw new UsageError('expected --config with the configuration of an administrator, or --offline, or --store; got none of them');
  const { client, config: defaults } = await openConfigured(ownConfig(config), { verbose: flags.verbose === true });
  const { timeout = defaults.timeout } = flags;
  try {
    const perform = async (command: AdminCommand): Promise<AdminAnswer> => {
      const reads = command.act === 'list' || command.act === 'show';
      const request = { name: 'admin', code: reads ? Method.FETCH : Method.POST, contentFormat: ContentFormat.Cbor, payload: encodeAdminCommand(command) };
      const init = { ...milliseconds(timeout), ...(as === undefined ? {} : { as }) };
      return answerOf(await client.ask({ ...request, idempotent: reads }, init));
    };
    return await work({ tokenUri: as ?? defaults.authorizationServers[0]?.uri, perform });
  } catch (error) {
    if (!(error instanceof AceError) || error.code !== 'ERR_ACE_AS_NOT_ALLOWED') throw error;
    throw new UsageError(`--as: ${error.message}`, { code: error.code });
  } finally {
    await client.close();
  }
}

/** Of a lab its administrator, who stands beside its client. */
function ownConfig(path: string): string {
  const file = join(path, 'admin.yaml');
  return existsSync(file) ? file : path;
}

function answerOf(response: Response): AdminAnswer {
  if (codeClass(response.code) === 2) return decodeAdminAnswer(response.payload);
  if (uintOf(response.options, OptionNumber.ContentFormat) === ContentFormat.ConciseProblemDetails) {
    const { title, detail } = decodeProblemDetails(response.payload);
    if (typeof title === 'string' && typeof detail === 'string') throw new AuthorizationServerError(title, detail);
  }
  const why = formatCode(response.code) === '4.03' ? ' (this client is no administrator)' : '';
  throw new AceError('ERR_ACE_REFUSED', `the AS refused: ${formatCode(response.code)}${why}`, { responseCode: response.code });
}

/** With the configuration what stands in it is known too, so that nothing is made that contradicts it, and what is done stands in the audit log. */
async function atStore<T>(flags: AdminFlags, work: (administrator: Administrator) => Promise<T>): Promise<T> {
  if (flags.as !== undefined && flags.store === undefined) throw new UsageError('--as: expected none beside --offline, got one');
  if (flags.store === undefined && flags.config === undefined) throw new UsageError('--offline: expected --config with as.yaml beside it, got none');
  const config = flags.store === undefined ? loadAsConfig(configPath(flags.config!)) : undefined;
  const store = await openStore(config?.store ?? flags.store!);
  let audit: AuditLog | undefined;
  try {
    audit = config?.audit && (await AuditLog.open({ ...config.audit, version, store }));
    const hasDtls = config === undefined || config.listen.some(({ scheme }) => scheme === 'coaps');
    const profiles = new Map([[AceProfile.coap_oscore, oscorePeers], ...(hasDtls ? ([[AceProfile.coap_dtls, dtlsPeers]] as const) : [])]);
    const { clients = [], resourceServers = [], issuer } = config ?? {};
    const registry = new Registry({ clients, resourceServers, store, profiles, issuer });
    const revocations = new Revocations({ store, env: systemEnv });
    const revoke = async (hash: string): Promise<boolean> => {
      const revoked = await revocations.revoke(hash);
      if (revoked === undefined) return false;
      const { client, resourceServer } = revoked.record;
      const fact = { type: 'token-revoked', token: hash, client, resourceServer };
      if (!revoked.again) await audit?.append(fact);
      return true;
    };
    const administration = new Administration({ store, registry, env: systemEnv, revoke, takeAway: (departed) => takeOpenIdGrants(store, departed) });
    const actor = { name: 'operator', admin: new Set(adminObjects) };
    const place = config?.listen.find(({ scheme }) => scheme === 'coap');
    const tokenUri =
      flags.as ?? (place === undefined ? undefined : `coap://${place.address.includes(':') ? `[${place.address}]` : place.address}:${place.port}/token`);
    const perform = async (command: AdminCommand): Promise<AdminAnswer> => {
      const entries: Promise<void>[] = [];
      const answer = await administer(administration, actor, command, (event) => {
        if (audit !== undefined && event.type === 'administration') entries.push(audit.append(event));
      });
      await Promise.all(entries);
      return answer;
    };
    return await work({ tokenUri, perform });
  } finally {
    await audit?.close();
    await store.close();
  }
}

/** All entries of a list, over as many pages as it takes. */
export async function* entriesOf(administrator: Administrator, command: AdminCommand): AsyncIterable<Listing['entries'][number]> {
  let after: string | undefined;
  do {
    const { entries, next } = (await administrator.perform({ ...command, ...(after === undefined ? {} : { after }) })) as Listing;
    yield* entries;
    after = next;
  } while (after !== undefined);
}
