import { readServerCredentials } from '../../../profiles/dtls/index.ts';
import { storedContexts } from '../../../profiles/oscore/index.ts';
import { parseUri } from '../../coap/index.ts';
import type { DtlsTarget, OscoreKeys, RsTarget, Target } from '../../conformance/index.ts';
import type { CoseKey } from '../../core/cose/index.ts';
import type { TokenKey } from '../../core/cwt.ts';
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
  const base = target !== undefined ? fromFile(loadConformanceTarget(configPath(target))) : config !== undefined ? await fromLab(configPath(config)) : {};
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

function fromFile({ file: _, dtls, rs, as, ...rest }: ConformanceConfig): Target {
  return {
    ...rest,
    ...(dtls && { dtls: readServerCredentials(dtls) }),
    ...(rs && { rs }),
    ...(as && { as: { ...as, ...(as.dtls && { dtls: readServerCredentials(as.dtls) }) } as NonNullable<Target['as']> }),
  };
}

const coapDtls = 1;

/** Sender sequence numbers for one run: some hundreds of requests, and none of them comes again in the client whose context it is. */
const numbersOfRun = 1000;

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
      ...(!isDtls && { oscore: await withNumbers(credentials as OscoreConfig, store) }),
      ...(own && { tokenKey: own.tokenKey }),
    },
  };
}

/** Numbers that the client counts as used. */
async function withNumbers(keys: OscoreConfig, place: string): Promise<OscoreKeys> {
  const store = await openStore(place);
  try {
    return { ...keys, firstSequence: await storedContexts(store).reserve(deriveContext(keys).senderKeyId, numbersOfRun) };
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
