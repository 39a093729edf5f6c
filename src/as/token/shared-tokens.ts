import { tokenHashText } from '../../ace/index.ts';
import { fromBase64Url, fromUtf8 } from '../../core/bytes.ts';
import { type ClaimsSet, openCwt } from '../../core/cwt.ts';
import type { Env } from '../../core/env.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { Change } from '../../store/index.ts';
import type { Audit, RefusalEvent } from '../audit.ts';
import { AuthorizationServerError } from '../error.ts';
import type { AuthorizationServerEvent } from '../events.ts';
import type { ClientSecrets } from '../grants/client-secrets.ts';
import type { GrantRevocations } from '../grants/grant-revocations.ts';
import type { Decision, Policy, PolicyRequest } from '../policy.ts';
import { ChangeableRate, type Rates } from '../rates.ts';
import type { Client, RegisteredResourceServer, Registry } from '../registry/registry.ts';
import type { TokenRecord, TokenRecords } from './token-records.ts';

/** A token that another face of the server has made, and is about to give away. */
export interface MadeToken {
  /** Its token hash in base64url. */
  readonly hash: string;
  readonly client: string;
  readonly resourceServer: string;
  readonly audience: string;
  readonly scope: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** The grant type by its name. */
  readonly grant: string;
  /** What has to become durable with it. */
  readonly changes?: readonly Change[];
}

/** A token that the server knows. */
export interface FoundToken {
  readonly hash: string;
  readonly record: TokenRecord;
  /** What a CWT says, as its resource server could read it; absent: it is none, or its key is no longer that of the resource server. */
  readonly claims?: ClaimsSet;
}

/** What the shared part of an authorization server stands on. */
export interface SharedTokensOptions {
  readonly registry: Registry;
  readonly records: TokenRecords;
  readonly policy: Policy;
  readonly secrets: ClientSecrets;
  readonly revocations: GrantRevocations;
  readonly audit: Audit;
  readonly env: Env;
  /** How often one client and one address may ask; as often as they like when absent. */
  readonly rates?: Rates | undefined;
  /** Living tokens of one client at most. */
  readonly tokensPerClient: () => number;
  /** Revoke the token of a token hash; `false`: there is no such living token. */
  readonly revoke: (hash: string) => Promise<boolean>;
  /** A request came. */
  readonly seen: () => void;
}

/**
 * What an authorization server shares with its face over another protocol, so that both know the same clients, policies and tokens: a token of one is introspected and
 * revoked at the other, and the audit log has it.
 */
export class SharedTokens {
  /** Revokes grants, as each face keeps them. */
  readonly revocations: GrantRevocations;
  readonly #options: SharedTokensOptions;
  readonly #rates: Readonly<Record<keyof Rates, ChangeableRate>>;

  /** @internal */
  constructor(options: SharedTokensOptions) {
    this.revocations = options.revocations;
    this.#options = options;
    this.#rates = { client: new ChangeableRate(options.env), address: new ChangeableRate(options.env) };
    this.limit(options.rates);
  }

  /** As it stands now, of the configuration or of the store. */
  client(id: string): Promise<Client | undefined> {
    return this.#options.registry.client(id);
  }

  /** Whom an audience belongs to. */
  resourceServerOf(audience: string): Promise<RegisteredResourceServer | undefined> {
    return this.#options.registry.resourceServerOf(audience);
  }

  /** Those of the configuration, and those of the store. */
  async *resourceServers(): AsyncGenerator<RegisteredResourceServer, void, undefined> {
    const { registry } = this.#options;
    yield* registry.fixedResourceServers;
    for await (const server of registry.stored.resourceServers()) if (registry.fixed(server.credential) === undefined) yield server;
  }

  /** What a client may have. */
  async decide(request: PolicyRequest): Promise<Decision> {
    return this.#options.policy.decide(request);
  }

  /** The audiences for which a client has a grant, or a policy. */
  async audiencesOf(client: Client): Promise<readonly string[]> {
    const audiences = new Set(client.grants.keys());
    for await (const { audience } of this.#options.registry.stored.policies(client.id, mostPolicies)) audiences.add(audience);
    return [...audiences];
  }

  /**
   * Whether a secret is the one of the hash. One that was right is known again at once.
   *
   * @param gone - aborted once whoever asks hears nothing any more; asked for where the secret is not known
   * @throws {AceError} `ERR_AS_BUSY`: too many are being looked at, so that it has to come later
   */
  accepts(secret: string, shown: Uint8Array, gone?: () => AbortSignal): Promise<boolean> {
    return this.#options.secrets.accepts({ secret }, shown, gone);
  }

  /**
   * Make a token known to the server, and what belongs to it durable, all in one; then it may be given away.
   *
   * @returns `false`: something else is there than one of the changes expects, and nothing was made; or the client or the resource server is none any more, and the
   *   token is revoked
   * @throws {AuthorizationServerError} `ERR_AS_LIMIT` for a client that has too many living tokens, `ERR_AS_AUDIT` where the audit log did not take it
   */
  issue({ hash, client, resourceServer, audience, scope, expiresIn, expiresAt, grant, changes = [] }: MadeToken): Promise<boolean> {
    const { registry, records, audit, tokensPerClient, revoke, seen } = this.#options;
    return audit.done(async () => {
      seen();
      const most = tokensPerClient();
      if (!records.begin(client, most)) throw new AuthorizationServerError('ERR_AS_LIMIT', `expected a client with fewer than ${most} living tokens`);
      try {
        if (!(await records.add(hash, { client, resourceServer, expiresAt }, changes))) return false;
      } finally {
        records.end(client);
      }
      audit.emit({ type: 'token-issued', client, audience, scope, expiresIn, update: false, grant, token: hash });
      // Whoever is removed while a token is made gets none: the removal may not have seen it.
      if ((await registry.client(client)) !== undefined && (await registry.resourceServer(resourceServer)) !== undefined) return true;
      await revoke(hash);
      return false;
    });
  }

  /** A token that is active, of whichever face; `undefined`: there is none. */
  async find(text: string): Promise<FoundToken | undefined> {
    const { registry, records } = this.#options;
    const hash = tokenHashText(text);
    const record = await records.findByHash(hash);
    const resourceServer = record === undefined ? undefined : await registry.resourceServer(record.resourceServer);
    if (record === undefined || resourceServer === undefined) return undefined;
    const claims = claimsOf(text, resourceServer);
    return { hash, record, ...(claims === undefined ? {} : { claims }) };
  }

  /**
   * Revoke a token by its hash, in base64url.
   *
   * @returns whether it is revoked now
   * @throws {AuthorizationServerError} `ERR_AS_AUDIT` when it is, and the audit log has no entry of it
   */
  revoke(hash: string): Promise<boolean> {
    return this.#options.audit.done(() => this.#options.revoke(hash));
  }

  /** Seconds until a client, or an address, may ask again; 0: it may now. Each face counts by itself, with the limits of the server. */
  wait(kind: keyof Rates, key: string): number {
    return this.#rates[kind].take(key);
  }

  /** The limits are others now. */
  limit(rates: Rates | undefined): void {
    this.#rates.client.change(rates?.client);
    this.#rates.address.change(rates?.address);
  }

  /** For the answer to a request that is begun now: whether all that was said since then is in the audit log, once that is known. */
  recorded(): () => Promise<boolean> {
    return this.#options.audit.watch();
  }

  /**
   * Tell that somebody was refused whom anybody could be.
   *
   * @returns `false`: there are so many that the audit log has no entry of it, so the refusal is not told
   */
  refuse(event: RefusalEvent): boolean {
    return this.#options.audit.stranger(event);
  }

  /** Tell what an auditor, a log and metrics should hear of. */
  readonly emit = (event: AuthorizationServerEvent): void => this.#options.audit.emit(event);

  /**
   * Tell of something that was asked for, and wait until the audit log has it.
   *
   * @throws {AuthorizationServerError} `ERR_AS_AUDIT`
   */
  tell(event: AuthorizationServerEvent): Promise<void> {
    return this.#options.audit.done(async () => this.emit(event));
  }
}

/** Policies of one client that are looked at. */
const mostPolicies = 256;

/** `undefined`: a JWT, which says by itself what it says, or a CWT whose key is no longer the RS's. */
function claimsOf(text: string, resourceServer: RegisteredResourceServer): ClaimsSet | undefined {
  if (text.includes('.')) return undefined;
  try {
    return openCwt(fromBase64Url(text), resourceServer.tokenKeys).claims;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';

/** What a JWT says that this server has issued, as a claims set. */
export function claimsOfJwt(text: string): ClaimsSet {
  const { iss, sub, aud, exp, iat, scope } = JSON.parse(fromUtf8(fromBase64Url(text.split('.')[1]!))) as Readonly<Record<string, unknown>>;
  return {
    ...(isText(iss) ? { iss } : {}),
    ...(isText(sub) ? { sub } : {}),
    ...(isText(aud) ? { aud } : {}),
    ...(isNumber(exp) ? { exp } : {}),
    ...(isNumber(iat) ? { iat } : {}),
    ...(isText(scope) ? { scope } : {}),
  };
}
