import { dtlsProfileWith } from '../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import type { Profile } from '../../src/ace/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import type { DatagramTransport, Layer } from '../../src/coap/index.ts';
import { Endpoint, Router } from '../../src/coap/index.ts';
import type { AsCredentials, CaseResult, ConformanceCase, OscoreKeys, Patience, Target } from '../../src/conformance/index.ts';
import { runCases } from '../../src/conformance/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { Curve, KeyType } from '../../src/core/cose/index.ts';
import { type CurveKeyPair, publicKeyFrom } from '../../src/core/crypto/index.ts';
import { symmetricKey, type TokenKey } from '../../src/core/cwt.ts';
import { type Env, systemEnv } from '../../src/core/env.ts';
import type { ClientPsk } from '../../src/dtls/index.ts';
import { ContextTable, deriveContext, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { ResourceServer, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { type DtlsTransport, dtls, udp } from '../../src/transport/index.ts';

/** How much faster time goes, so that tokens end soon. */
export const haste = 20;

/** A world in a hurry; that of the checker and that of its targets. */
export const env: Env = {
  now: () => systemEnv.now() * haste,
  epoch: () => (systemEnv.epoch() - 1_750_000_000) * haste + 1_750_000_000,
  random: systemEnv.random,
  schedule: (delay, task) => systemEnv.schedule(delay / haste, task),
};

/** Milliseconds of that world: what has to come has 2 s, and a silence lasts 40 ms. */
export const patience: Pick<Patience, 'answer' | 'silence' | 'handshake' | 'change'> = {
  answer: 2000 * haste,
  silence: 40 * haste,
  handshake: 2000 * haste,
  change: 100 * haste,
};

const localhost = '127.0.0.1';
const tokenKey: TokenKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(7));
const scopes = { r_temp: { '/temperature': ['GET'] }, r_led: { '/led': ['GET'] } } as const;

function keyPairOf(number: number): CurveKeyPair {
  return publicKeyFrom(Curve.P256, new Uint8Array(32).fill(number)) as CurveKeyPair;
}

const rsKey = keyPairOf(2);
const clientKey = keyPairOf(3);
const asKey = keyPairOf(4);
const publicPart = ({ crv, x, y }: CurveKeyPair): { kty: number; crv: number; x: Uint8Array; y: Uint8Array } => ({ kty: KeyType.EC2, crv, x, y: y! });

/** A server under test. */
export interface Tested {
  readonly target: Target;
  close(): Promise<void>;
}

/** What of a server is not as it should be. */
export interface Sabotage {
  readonly profile?: (profile: Profile) => Profile;
  /** Below OSCORE, towards the network. */
  readonly layer?: Layer;
  readonly context?: (context: SecurityContext) => void;
  readonly transport?: (transport: DatagramTransport) => DatagramTransport;
}

async function bind({ transport = (same) => same }: Sabotage = {}): Promise<DatagramTransport> {
  return transport(await udp({ address: localhost, port: 0 }));
}

const placeOf = (scheme: 'coap' | 'coaps', { local }: DatagramTransport): string => `${scheme}://${localhost}:${local.port}`;

async function bindDtls(own: CurveKeyPair): Promise<DtlsTransport> {
  return dtls({ address: localhost, port: 0, env, server: { psk: {}, rawPublicKey: { own, client: 'require' } } });
}

/** An endpoint behind OSCORE with what cases of OSCORE ask for. */
export async function oscoreServer(sabotage: Sabotage = {}): Promise<Tested> {
  const keys = { masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2), firstSequence: 0 };
  const gcm = { ...keys, masterSecret: new Uint8Array(16).fill(2), senderId: Uint8Array.of(3), aead: 1, idContext: utf8('lab') };
  const contexts = new ContextTable();
  for (const { senderId, recipientId, firstSequence: _, ...rest } of [keys, gcm]) {
    const context = deriveContext({ ...rest, senderId: recipientId, recipientId: senderId });
    sabotage.context?.(context);
    contexts.add(context);
  }
  const store = memoryStore();
  const layer = oscore({ contexts, store: { reserve: (key, count) => store.increment(key, count) }, env });
  const router = new Router();
  let value = 'off';
  router.resource('/hello', { get: () => 'Hello World!' });
  router.resource('/large', { get: () => 'x'.repeat(100) });
  const led = router.resource('/led', {
    observable: true,
    get: () => value,
    put: (request) => {
      value = request.text();
      led.changed();
      return undefined;
    },
  });
  const transport = await bind(sabotage);
  const endpoint = new Endpoint({ transport, env, handler: router.handler, layers: sabotage.layer === undefined ? [layer] : [layer, sabotage.layer] });
  return {
    target: {
      coap: placeOf('coap', transport),
      oscore: { contexts: [keys, gcm], resources: { get: '/hello', put: '/led', observe: '/led', change: '/led', large: '/large' } },
    },
    close: () => endpoint.close(),
  };
}

/** A resource server of the OSCORE or the DTLS profile. */
export async function resourceServer(profile: 'coap_oscore' | 'coap_dtls', sabotage: Sabotage & Partial<ResourceServerOptions> = {}): Promise<Tested> {
  const { profile: change = (same: Profile) => same, layer: _layer, context: _context, transport: _transport, ...options } = sabotage;
  const plain = await bind(sabotage);
  const sessions = profile === 'coap_dtls' ? await bindDtls(rsKey) : undefined;
  const rs = new ResourceServer({
    audience: 'rs1',
    issuers: [{ issuer: 'as1', uri: 'coap://127.0.0.1/token', tokenKeys: [tokenKey] }],
    profiles: [change(sessions === undefined ? oscoreProfile : dtlsProfileWith({ sessions }))],
    store: memoryStore({ env }),
    scopes,
    env,
    ...options,
  });
  rs.resource('/temperature', { observable: true, get: () => '21.5' });
  rs.resource('/led', { get: () => 'off', put: () => undefined, delete: () => undefined });
  await rs.listen(sessions === undefined ? plain : [plain, sessions]);
  return {
    target: {
      coap: placeOf('coap', plain),
      ...(sessions === undefined ? {} : { coaps: placeOf('coaps', sessions) }),
      rs: {
        audience: 'rs1',
        scope: 'r_temp',
        issuer: 'as1',
        tokenKey,
        profile,
        allowed: '/temperature',
        observe: '/temperature',
        forbidden: '/led',
        otherScope: 'r_led',
        ...(sessions === undefined ? {} : { publicKey: publicPart(rsKey) }),
      },
    },
    close: () => rs.close(),
  };
}

const context = (secret: number, own: number, peer: number): OscoreKeys => ({
  masterSecret: new Uint8Array(16).fill(secret),
  senderId: Uint8Array.of(own),
  recipientId: Uint8Array.of(peer),
  firstSequence: 0,
});
const mirrored = ({ masterSecret, senderId, recipientId }: OscoreKeys): Omit<OscoreKeys, 'firstSequence'> => ({
  masterSecret,
  senderId: recipientId,
  recipientId: senderId,
});
const psk = (name: string): ClientPsk => ({ identity: utf8(name), key: new Uint8Array(16).fill(name.length) });

type Channel = 'oscore' | 'dtls-psk' | 'dtls-rpk';

/** How a client and a resource server prove themselves, seen from either side. */
interface Peers {
  readonly profile: number;
  readonly client: unknown;
  readonly resourceServer: unknown;
  readonly own: AsCredentials & { readonly resourceServer: AsCredentials };
}

function peersOf(channel: Channel): Peers {
  if (channel === 'oscore') {
    const [client, server] = [context(1, 1, 2), context(2, 3, 2)];
    return { profile: 2, client: mirrored(client), resourceServer: mirrored(server), own: { oscore: client, resourceServer: { oscore: server } } };
  }
  const server = { psk: psk('server') };
  if (channel === 'dtls-psk')
    return { profile: 1, client: { psk: psk('client1') }, resourceServer: server, own: { dtls: { psk: psk('client1') }, resourceServer: { dtls: server } } };
  const dtls = { rawPublicKey: { server: asKey, own: clientKey } };
  return { profile: 1, client: { rawPublicKey: publicPart(clientKey) }, resourceServer: server, own: { dtls, resourceServer: { dtls: server } } };
}

/** An authorization server, whose tokens are for the profile of the channel to it. */
export async function authorizationServer(channel: Channel, sabotage: Sabotage & { readonly grants?: string } = {}): Promise<Tested> {
  const { profile: change = (same: Profile) => same } = sabotage;
  const peers = peersOf(channel);
  const sessions = channel === 'oscore' ? undefined : await bindDtls(asKey);
  const transport = sessions ?? (await bind(sabotage));
  const profile = sessions === undefined ? oscoreProfile : dtlsProfileWith({ sessions, as: { ownKey: { ...publicPart(asKey), d: asKey.d } } });
  const as = new AuthorizationServer({
    issuer: 'as1',
    store: memoryStore({ env }),
    profiles: [change(profile)],
    clients: [{ id: 'client1', credentials: peers.client, grants: [{ audience: 'rs1', scope: sabotage.grants ?? 'r_temp' }] }],
    resourceServers: [
      {
        id: 'rs1',
        audiences: ['rs1'],
        credentials: peers.resourceServer,
        tokenKeys: [tokenKey],
        scopes: ['r_temp', 'r_led'],
        ...(channel === 'oscore' ? {} : { rawPublicKey: publicPart(rsKey) }),
      },
    ],
    revocation: {},
    env,
  });
  await as.listen(transport);
  const at = placeOf(channel === 'oscore' ? 'coap' : 'coaps', transport);
  return {
    target: {
      as: {
        token: `${at}/token`,
        introspect: `${at}/introspect`,
        trl: `${at}/revoke/trl`,
        audience: 'rs1',
        scope: 'r_temp',
        forbiddenScope: 'r_led',
        tokenKey,
        ...peers.own,
      },
    },
    close: () => as.close(),
  };
}

/** The verdict of each case. */
export async function check({ target }: Tested, cases: readonly ConformanceCase[], changed: Partial<Patience> = {}): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for await (const result of runCases(target, cases, { patience: { ...patience, ...changed }, env })) results.push(result);
  return results;
}
