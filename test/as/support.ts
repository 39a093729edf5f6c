import assert from 'node:assert/strict';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import {
  decodeError,
  decodeTokenResponse,
  encodeTokenRequest,
  type Profile,
  type ProfileAtAs,
  type TokenRequest,
  type TokenResponse,
} from '../../src/ace/index.ts';
import { Audit } from '../../src/as/audit.ts';
import { ClientSecrets } from '../../src/as/grants/client-secrets.ts';
import { GrantRevocations } from '../../src/as/grants/grant-revocations.ts';
import { type GrantTypeName, grantTypesOf } from '../../src/as/grants/grant-types.ts';
import { AuthorizationGrants, type RefreshTokenOptions } from '../../src/as/grants/grants.ts';
import { storedPasswords } from '../../src/as/grants/passwords.ts';
import type { AuthorizationServerEvent, ClientRegistration, Policy, ResourceServerRegistration } from '../../src/as/index.ts';
import { registeredGrants } from '../../src/as/policy.ts';
import { Registry } from '../../src/as/registry/registry.ts';
import { TokenMint } from '../../src/as/token/access-token.ts';
import { IntrospectionEndpoint } from '../../src/as/token/introspection-endpoint.ts';
import { TokenEndpoint } from '../../src/as/token/token-endpoint.ts';
import { TokenRecords } from '../../src/as/token/token-records.ts';
import type { TokenRules } from '../../src/as/token/token-rules.ts';
import { Revocations } from '../../src/as/trl/revocations.ts';
import { UnfinishedWork } from '../../src/as/unfinished-work.ts';
import { Code, formatCode, OptionNumber, type Response, type SecurityAssociation, uintOf } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import type { ScryptCost } from '../../src/core/crypto/index.ts';
import { type ClaimsSet, openCwt, type TokenKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import { messageOf } from '../../src/core/errors.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Clock } from '../ace/clock.ts';

/** A slow hash that is quick. */
export const cheap: ScryptCost = { N: 16, r: 1, p: 1 };

/** AES-CCM-16-64-128 with a key of one byte repeated. */
export function encryptKey(byte: number): TokenKey {
  return { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(byte) }, kid: Uint8Array.of(byte) };
}

export function macKey(byte: number): TokenKey {
  return { use: 'mac0', algorithm: 5, key: { kty: 4, k: new Uint8Array(32).fill(byte) }, kid: Uint8Array.of(byte) };
}

export const rs1: ResourceServerRegistration = {
  id: 'rs1',
  audiences: ['rs1'],
  profile: 2,
  credentials: { masterSecret: new Uint8Array(16).fill(0x51), senderId: fromHex('00'), recipientId: fromHex('51') },
  profiles: [2],
  tokenKeys: [encryptKey(1)],
};
export const rs2: ResourceServerRegistration = {
  id: 'rs2',
  audiences: ['rs2', 'rs2-b'],
  profile: 2,
  credentials: { masterSecret: new Uint8Array(16).fill(0x52), senderId: fromHex('00'), recipientId: fromHex('52') },
  profiles: [2],
  tokenKeys: [encryptKey(2)],
};

function clientOf(id: string, number: number, grants: ClientRegistration['grants']): ClientRegistration {
  return {
    id,
    profile: 2,
    credentials: { masterSecret: new Uint8Array(16).fill(number), senderId: fromHex('00'), recipientId: Uint8Array.of(number) },
    grants,
  };
}

/** c1 may do much, c2 has one grant, c3 speaks another profile to resource servers. */
export const clients: readonly ClientRegistration[] = [
  clientOf('c1', 1, [
    { audience: 'rs1', scope: 'r_temp w_led', default: 'r_temp' },
    {
      audience: 'rs2',
      scope: [
        ['temp', 1],
        ['led', 5],
      ],
    },
    { audience: 'rs2-b', scope: 'b' },
  ]),
  clientOf('c2', 2, [{ audience: 'rs1', scope: 'r_temp' }]),
  { ...clientOf('c3', 3, [{ audience: 'rs1', scope: 'r_temp' }]), profiles: [1] },
  clientOf('c4', 4, []),
];

export interface BenchOptions {
  readonly clients?: readonly ClientRegistration[];
  readonly resourceServers?: readonly ResourceServerRegistration[];
  readonly policy?: Policy;
  readonly issuer?: string;
  readonly store?: Store;
  readonly clock?: Clock;
  readonly tokensPerClient?: number;
  readonly profiles?: readonly Profile[];
  readonly grantTypes?: readonly GrantTypeName[];
  readonly refreshTokens?: RefreshTokenOptions;
  readonly tokenRules?: TokenRules;
}

/** The endpoints of an AS without an engine: what a test calls and what it looks at. */
export class Workbench {
  readonly clock: Clock;
  readonly store: Store;
  readonly events: AuthorizationServerEvent[] = [];
  readonly registry: Registry;
  readonly records: TokenRecords;
  readonly token: TokenEndpoint;
  readonly introspection: IntrospectionEndpoint;
  readonly unfinished: UnfinishedWork;
  readonly profiles: Map<number, ProfileAtAs> = new Map();

  constructor(options: BenchOptions = {}) {
    this.clock = options.clock ?? new Clock();
    this.store = options.store ?? memoryStore({ env: this.clock });
    const emit = (event: AuthorizationServerEvent): void => {
      this.events.push(event);
    };
    for (const profile of options.profiles ?? [oscoreProfile]) {
      const instance = profile.as?.({ env: this.clock, store: this.store, emit: (event) => emit({ type: 'profile', profile: profile.name, event }) });
      assert.ok(instance);
      this.profiles.set(profile.id, instance);
    }
    this.registry = new Registry({
      clients: options.clients ?? clients,
      resourceServers: options.resourceServers ?? [rs1, rs2],
      profiles: this.profiles,
      issuer: options.issuer,
      store: this.store,
    });
    this.records = new TokenRecords({ store: this.store, env: this.clock });
    const revoke = async (hash: string): Promise<boolean> => {
      const revoked = await new Revocations({ store: this.store, env: this.clock }).revoke(hash);
      if (revoked !== undefined) this.records.revoked(revoked.record);
      return revoked !== undefined;
    };
    const audit = new Audit({ sink: undefined, env: this.clock, tell: emit });
    this.unfinished = new UnfinishedWork(this.clock, (error) => emit({ type: 'fault', reason: 'unfinished', detail: messageOf(error) }));
    this.token = new TokenEndpoint({
      registry: this.registry,
      grants: new AuthorizationGrants({
        store: this.store,
        env: this.clock,
        policy: options.policy ?? registeredGrants(this.registry),
        grantTypes: grantTypesOf('grantTypes', options.grantTypes),
        ...(options.refreshTokens === undefined ? {} : { refreshTokens: options.refreshTokens }),
        passwords: storedPasswords(this.store, systemEnv.random, cheap),
        revocations: new GrantRevocations({ store: this.store, audit, unfinished: this.unfinished, revoke }),
      }),
      secrets: new ClientSecrets(systemEnv.random),
      profiles: this.profiles,
      mint: new TokenMint({ store: this.store, env: this.clock, ...(options.issuer === undefined ? {} : { issuer: options.issuer }) }),
      records: this.records,
      env: this.clock,
      rules: options.tokenRules ?? {},
      tokensPerClient: options.tokensPerClient ?? 100,
      revoke,
      emit,
    });
    this.introspection = new IntrospectionEndpoint({ registry: this.registry, records: this.records, emit });
  }

  /** A token request of an authenticated peer. */
  ask(credential: string, request: TokenRequest): Promise<Response> {
    return this.token.answer({ payload: encodeTokenRequest(request), contentFormat: 19, association: association(credential) });
  }

  /** A request that must succeed, with what came of it. */
  async granted(credential: string, request: TokenRequest): Promise<{ response: TokenResponse; claims: ClaimsSet; payload: Uint8Array }> {
    const answer = await this.ask(credential, request);
    assert.equal(formatCode(answer.code), '2.01', JSON.stringify(decodeError(19, answer.payload)));
    assert.equal(uintOf(answer.options, OptionNumber.ContentFormat), 19);
    const response = decodeTokenResponse(answer.payload);
    const keys = [...rs1.tokenKeys, ...rs2.tokenKeys, macKey(7), encryptKey(8)];
    return { response, claims: openCwt(response.accessToken, keys).claims, payload: answer.payload };
  }

  close(): void {
    void this.unfinished.close();
    this.records.close();
    for (const profile of this.profiles.values()) void profile.close();
  }
}

export function association(credential: string | undefined): SecurityAssociation {
  return { kind: 'test', id: `test ${credential}`, credential };
}

/** A refusal by its CoAP code and its ACE error, if it has one. */
export function assertRefused(answer: Response, code: string, error?: number): void {
  assert.equal(formatCode(answer.code), code);
  if (error === undefined) {
    assert.equal(answer.payload.length, 0);
    return;
  }
  assert.equal(answer.code, Code.BadRequest);
  assert.equal(decodeError(uintOf(answer.options, OptionNumber.ContentFormat), answer.payload)?.error, error);
}

export async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key] of store.scan(prefix)) keys.push(key);
  return keys;
}
