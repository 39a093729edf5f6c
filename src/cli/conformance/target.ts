import { readServerCredentials } from '../../../profiles/dtls/index.ts';
import { storedContexts } from '../../../profiles/oscore/index.ts';
import { parseUri } from '../../coap/index.ts';
import type { DtlsTarget, OscoreKeys, RsTarget, Target } from '../../conformance/index.ts';
import type { CoseKey } from '../../core/cose/index.ts';
import type { TokenKey } from '../../core/cwt.ts';
import { systemEnv } from '../../core/env.ts';
import {
  type ConformanceConfig,
  loadAsConfig,
  loadClientConfig,
  loadConformanceTarget,
  loadRsConfig,
  type OscoreConfig,
  type RsConfig,
} from '../../operate/index.ts';
import { deriveContext } from '../../oscore/index.ts';
import { openStore } from '../../store/index.ts';
import { configPath } from '../config-path.ts';
import { clientCredentials } from '../credentials.ts';
import { UsageError } from '../exit.ts';
import type { ConformanceFlags } from './flags.ts';

/** Where a URI of each scheme stands in a target. */
const places = { coap: 'coap', coaps: 'coaps', 'coap+tcp': 'tcp' } as const;

/** What is known of the target: what the file or the lab says, and over it what the command line does. */
export async function targetOf(uris: readonly string[], flags: ConformanceFlags): Promise<Target> {
  const { target, config } = flags;
  if (target !== undefined && config !== undefined) throw new UsageError('--target and --config: expected one of them, got both');
  const base = target !== undefined ? await fromFile(loadConformanceTarget(configPath(target))) : config !== undefined ? await fromLab(configPath(config)) : {};
  const named: { coap?: string; coaps?: string; tcp?: string } = {};
  for (const uri of uris) {
    const { scheme, path } = parseUri(uri);
    const place = places[scheme as keyof typeof places];
    if (place === undefined) throw new UsageError(`expected a URI of one of ${Object.keys(places).join(', ')}, got ${scheme}`);
    if (named[place] !== undefined) throw new UsageError(`expected one URI of ${scheme}, got several`);
    if (path.some((segment) => segment !== '')) throw new UsageError(`expected a URI without a path, got ${uri}; resources stand in a target file`);
    named[place] = uri;
  }
  const { host, port } = parseUri(named.coaps ?? base.coaps ?? 'coaps://127.0.0.1');
  const proof = await (await clientCredentials(flags))?.(host, port);
  return { ...base, ...named, ...(proof && { dtls: { ...base.dtls, ...proof } }) };
}

async function fromFile({ file: _, store, oscore, dtls, rs, as, ...rest }: ConformanceConfig): Promise<Target> {
  return {
    ...rest,
    ...(oscore !== undefined || as?.oscore !== undefined ? await counting(store, (counted) => withContexts(counted, oscore, as)) : as && { as: atAs(as) }),
    ...(dtls && { dtls: readServerCredentials(dtls) }),
    ...(rs && { rs }),
  };
}

type AsConfig = NonNullable<ConformanceConfig['as']>;

function atAs({ dtls, oscore: _, ...as }: AsConfig): NonNullable<Target['as']> {
  return { ...as, ...(dtls && { dtls: readServerCredentials(dtls) }) };
}

async function withContexts(counted: Counted, oscore: ConformanceConfig['oscore'], as: AsConfig | undefined): Promise<Pick<Target, 'oscore' | 'as'>> {
  const byTime = Math.floor(Math.max(0, systemEnv.epoch() - beginning) * perSecond);
  const contexts: OscoreKeys[] = [];
  for (const { firstSequence = byTime, ...keys } of oscore?.contexts ?? []) contexts.push(await counted(keys, firstSequence));
  return {
    ...(oscore && { oscore: { ...oscore, contexts } }),
    ...(as && { as: { ...atAs(as), ...(as.oscore && { oscore: await counted(as.oscore, byTime) }) } }),
  };
}

const coapDtls = 1;

/** Sender sequence numbers for one run: some hundreds of requests, and a few leaps of thousands past a replay window. */
const numbersOfRun = 0x1_0000;

/** 2026-01-01T00:00:00Z. */
const beginning = 1_767_225_600;

/**
 * Numbers that a context of a target file is moved ahead for each second: whoever has no count of it yet, as another machine, and a target that has heard of such a
 * one, are behind. The 40 bits last for centuries. Only the count says what is used: it is never behind where it was, wherever the clock is.
 */
const perSecond = 100;

/** The two servers of a lab, as its client knows them; tokens for the resource server are protected by a key that the checker has too. */
async function fromLab(folder: string): Promise<Target> {
  const rs = loadRsConfig(folder);
  const { authorizationServers, store } = loadClientConfig(folder);
  const { revocation } = loadAsConfig(folder);
  const [first] = authorizationServers;
  if (first === undefined) throw new UsageError(`${folder}: expected an authorization server in client.yaml, got none`);
  const { uri, profile, credentials } = first;
  const isDtls = profile === coapDtls;
  const own = rsOf(rs, isDtls ? 'coap_dtls' : 'coap_oscore');
  const { psk, rawPublicKey }: DtlsTarget = isDtls ? readServerCredentials(credentials) : {};
  return {
    ...placesOf(rs),
    ...(own && { rs: { ...own, ...(rawPublicKey && rs.dtls.ownKey && { publicKey: publicPart(rs.dtls.ownKey) }) } }),
    as: {
      token: uri,
      introspect: sibling(uri, 'introspect'),
      ...(revocation && { trl: sibling(uri, 'revoke/trl') }),
      audience: audienceOf(rs),
      scope: Object.keys(rs.scopes ?? {}).join(' '),
      ...(psk && { dtls: { psk } }),
      ...(rawPublicKey && { dtls: { rawPublicKey } }),
      ...(!isDtls && { oscore: await counting(store, (counted) => counted(credentials as OscoreConfig)) }),
      ...(own && { tokenKey: own.tokenKey }),
    },
  };
}

/** @param least - of each context: the first number at the least */
type Counted = (keys: OscoreConfig, least?: number) => Promise<OscoreKeys>;

/** Work with a count of sender sequence numbers that outlasts the process. */
async function counting<T>(place: string, work: (counted: Counted) => Promise<T>): Promise<T> {
  const store = await openStore(place);
  try {
    const { reserve } = storedContexts(store);
    return await work(async (keys, least = 0) => {
      const { senderKeyId } = deriveContext(keys);
      let first = await reserve(senderKeyId, numbersOfRun);
      // What is reserved besides begins where the count stands by now, and ends behind the numbers that are wanted.
      if (first < least) first = Math.max(least, await reserve(senderKeyId, least - first + numbersOfRun));
      return { ...keys, firstSequence: first };
    });
  } finally {
    await store.close();
  }
}

function publicPart({ kty, crv, x, y }: CoseKey): CoseKey {
  return { kty, ...(crv === undefined ? {} : { crv }), ...(x === undefined ? {} : { x }), ...(y === undefined ? {} : { y }) };
}

function sibling(uri: string, path: string): string {
  return new URL(`/${path}`, uri).href;
}

function audienceOf({ audience }: RsConfig): string {
  return typeof audience === 'string' ? audience : audience[0]!;
}

function placesOf({ listen }: RsConfig): Pick<Target, 'coap' | 'coaps' | 'tcp'> {
  const at = listen.flatMap(({ scheme, address, port }) => {
    const place = places[scheme as keyof typeof places];
    const host = address.includes(':') ? `[${address}]` : address;
    return place === undefined ? [] : [[place, `${scheme}://${host}:${port}`]];
  });
  return Object.fromEntries(at);
}

/** Only where the token key is symmetric can the checker make tokens. */
function rsOf(rs: RsConfig, profile: RsTarget['profile']): RsTarget | undefined {
  const [issuer] = rs.issuers;
  const key = issuer?.tokenKeys.find(({ use }) => use !== 'sign1');
  const readable = Object.entries(rs.scopes ?? {}).flatMap(([scope, paths]) =>
    Object.entries(paths).flatMap(([path, methods]) => (methods.includes('GET') ? [{ scope, path }] : [])),
  );
  const [allowed] = readable;
  const forbidden = readable.find(({ path, scope }) => path !== allowed?.path && scope !== allowed?.scope);
  if (issuer === undefined || key === undefined || allowed === undefined) return undefined;
  return {
    audience: audienceOf(rs),
    scope: allowed.scope,
    issuer: issuer.issuer ?? issuer.uri,
    tokenKey: key as TokenKey,
    profile,
    allowed: allowed.path,
    ...(rs.resources.some(({ path, kind }) => path === allowed.path && kind === 'sensor') && { observe: allowed.path }),
    ...(forbidden && { forbidden: forbidden.path, otherScope: forbidden.scope }),
  };
}
