import assert from 'node:assert/strict';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { ConfigurationService, encodeKmRequest, SpatialService } from '../../profiles/seal/index.ts';
import { keyManagement } from '../../profiles/seal/key-management/service.ts';
import { encodeError, encodeHints, encodeIntrospectionRequest, encodeTokenRequest, encodeTokenResponse, tokenParameters } from '../../src/ace/index.ts';
import { encodeAdminCommand } from '../../src/as/admin/admin-command.ts';
import { clientMap } from '../../src/as/registry/registration-codec.ts';
import { AceClient } from '../../src/client/index.ts';
import {
  Code,
  ContentFormat,
  codeClass,
  decodeMessage,
  Endpoint,
  encodeMessage,
  type Handler,
  MessageType,
  OptionNumber,
  queryOptions,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { encode } from '../../src/core/cbor.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { writeKnownMap } from '../../src/core/known-map.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { clients } from '../as/support.ts';
import { asUri, clientKeyAtAs, mirrored, Parties, rsUri } from '../flows/parties.ts';
import { opaque } from '../oscore/net.ts';
import { FakeStore } from '../oscore/support.ts';
import { cborBody } from '../profiles/seal/answers.ts';
import { KmLab, sKmsUri } from '../profiles/seal/rows/km-lab.ts';
import { Simulator } from '../support/simulator.ts';
import { HostilePeer } from './hostile-peer.ts';
import { mutateDatagram, nearlyCbor } from './mutate.ts';
import { decodeScript, encodeScript, mutateScript, type Step } from './script.ts';
import type { Mutation, Target, TargetEntry } from './target.ts';

/** Let what is under way end, and take what the RFCs let it end with. */
async function ends(simulator: Simulator, promise: Promise<unknown>): Promise<unknown> {
  try {
    return await simulator.finish(promise, 10_000_000);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

const bytes = new Uint8Array(8).fill(3);

/** A step for each way that the target has, as its seeds. */
function seedsOf(payloads: readonly (readonly [how: number, payload: Uint8Array])[]): readonly Uint8Array[] {
  return payloads.map(([how, payload]) => encodeScript([{ how, bytes: payload }]));
}

/** Where peers with keys send what they like. */
const places = [
  ['as', 'token', 'POST'],
  ['as', 'introspect', 'POST'],
  ['as', 'admin', 'POST'],
  ['as', 'revoke/trl', 'GET'],
  ['rs', 'authz-info', 'POST'],
  ['rs', 'authz-info', 'POST', 'protected'],
  ['rs', 'log', 'POST', 'protected'],
  ['rs', 'temperature', 'GET', 'protected'],
] as const;

const upload = writeKnownMap(tokenParameters, { accessToken: bytes, nonce1: bytes, aceClientRecipientId: Uint8Array.of(5) });

/** An AS and an RS that peers with keys send what they like: each gets an answer of the RFC, 2.xx or 4.xx, and nothing breaks. */
async function serversTarget(): Promise<Target> {
  let simulator: Simulator;
  let parties: Parties;
  let peer: HostilePeer;
  let toAs: Awaited<ReturnType<HostilePeer['connect']>>;
  let toRs: typeof toAs;
  let token = emptyBytes;
  const start = async (): Promise<void> => {
    simulator = new Simulator({ delay: 1, record: false });
    const administrator = { id: 'client1', credentials: clientKeyAtAs(1), admin: 'all' as const, grants: [{ audience: 'rs1', scope: 'r_temp p_log' }] };
    parties = await new Parties(simulator, { as: { clients: [administrator] }, rs: { limits: { uploadBurst: 10_000, uploadRate: 1000 } } }).start();
    peer = new HostilePeer(simulator, '10.0.0.7', 7000);
    toAs = await parties.finish(peer.connect(mirrored(clientKeyAtAs(1))));
    const granted = await parties.finish(peer.token(toAs, 'p_log'));
    token = granted.accessToken;
    toRs = await parties.finish(peer.establish(granted));
  };
  await start();
  const end = async (): Promise<void> => {
    assert.deepEqual(parties.faults(), []);
    await peer.close();
    await parties.close();
  };
  return {
    name: 'AS and RS, by peers with keys',
    seeds: seedsOf([
      [0, encodeTokenRequest({ audience: 'rs1', scope: 'r_temp p_log', aceProfile: null, cnonce: bytes })],
      [0, encodeTokenRequest({ grantType: 2, clientId: 'client1', reqCnf: { kid: bytes }, audience: 'rs1' })],
      [1, encodeIntrospectionRequest({ token, tokenTypeHint: 2 })],
      [2, encodeAdminCommand({ act: 'list', object: 'token' })],
      [2, encodeAdminCommand({ act: 'add', object: 'client', value: clientMap({ ...clients[1]!, profile: 2 }) })],
      [2, encodeAdminCommand({ act: 'show', object: 'rs', id: 'rs1' })],
      [3, utf8('diff=2&cursor=1')],
      [4, token],
      [4, encode(upload)],
      [5, encode(writeKnownMap(tokenParameters, { accessToken: token }))],
      [6, encode('x')],
      [7, emptyBytes],
    ]),
    mutate: mutateScript(nearlyCbor),
    run: async (input) => {
      for (const { how, bytes: payload } of decodeScript(input).slice(0, 4)) {
        const [to, path, method, protection] = places[how & 7]!;
        const association = to === 'as' ? toAs : protection === undefined ? undefined : toRs;
        const message = {
          method,
          payload: method === 'GET' ? emptyBytes : payload,
          contentFormat: method === 'GET' ? null : (how & 0x80) !== 0 ? 60 : ContentFormat.AceCbor,
          options: method === 'GET' && payload.length < 256 ? queryOptions(text(payload).split('&')) : [],
        };
        const answer = (await ends(simulator, peer.send(to === 'as' ? '10.0.0.1' : '10.0.0.2', path, message, association))) as { code: number } | undefined;
        assert.ok(answer === undefined || codeClass(answer.code) === 2 || codeClass(answer.code) === 4, `${path}: ${answer?.code}`);
      }
    },
    settle: async () => {
      await end();
      await start();
    },
    close: end,
  };
}

/** What is no UTF-8 does not get into a query, which its sender checks. */
function text(given: Uint8Array): string {
  try {
    return fromUtf8(given);
  } catch {
    return 'diff=1';
  }
}

const cbor = [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];

function answerOf(code: number, payload: Uint8Array, options = cbor): Uint8Array {
  return encodeMessage({ type: MessageType.ACK, code, id: 1, token: emptyBytes, options, payload });
}

const osc = new Map<number, unknown>([
  [0, Uint8Array.of(1)],
  [2, new Uint8Array(16)],
]);
const goodToken = encodeTokenResponse({
  accessToken: bytes,
  expiresIn: 60,
  scope: 'r_temp',
  aceProfile: 2,
  cnf: { unknown: new Map([[4, osc]]) } as never,
});
const goodUpload = encode(
  new Map<number, Uint8Array>([
    [42, bytes],
    [44, Uint8Array.of(9)],
  ]),
);
const hints = encodeHints({ as: asUri, audience: 'rs1', scope: 'r_temp', cnonce: bytes });
const hostileAnswers: readonly (readonly Step[])[] = [
  [
    { how: 1, bytes: answerOf(Code.Unauthorized, hints) },
    { how: 0, bytes: answerOf(Code.Created, goodToken) },
    { how: 1, bytes: answerOf(Code.Created, goodUpload) },
    { how: 1, bytes: answerOf(Code.Content, utf8('21.5'), []) },
  ],
  [{ how: 0, bytes: answerOf(Code.BadRequest, encodeError({ error: 5 }).payload) }],
  [{ how: 0, bytes: answerOf(Code.Content, encode(new Map([[10, true]]))) }],
  [{ how: 1, bytes: answerOf(Code.Content, utf8('</a>;rt=x,</b>'), [uintOption(OptionNumber.ContentFormat, 40)]) }],
];

/** Answers what comes with the steps of a script, in their order, and with its last one from then on. */
function answering(steps: readonly Step[]): Handler {
  let next = 0;
  return (_request, reply) => {
    const step = steps[Math.min(next++, steps.length - 1)];
    try {
      const { code, options, payload } = decodeMessage(step?.bytes ?? emptyBytes);
      reply.respond({ code, options, payload });
    } catch {
      reply.respond({ code: Code.InternalServerError, options: [], payload: emptyBytes });
    }
  };
}

/** A client whose AS has the right keys and answers what it likes, and an RS that does. Whatever the client is asked comes to an end. */
const clientTarget: Target = {
  name: 'client, by hostile AS and RS',
  seeds: hostileAnswers.map(encodeScript),
  mutate: mutateScript(((random, seed, seeds) =>
    random.chance(0.5) ? mutateDatagram(random, seed, seeds) : changePayload(nearlyCbor(random, payloadOf(seed), seeds.map(payloadOf)), seed)) as Mutation),
  run: async (input) => {
    const simulator = new Simulator({ delay: 1, record: false });
    const steps = decodeScript(input);
    const contexts = new ContextTable();
    contexts.add(deriveContext(clientKeyAtAs(1)));
    const layer = oscore({ contexts, store: new FakeStore(), env: simulator.env('as'), emit: () => {} });
    const as = new Endpoint({
      transport: simulator.transport('10.0.0.1', 5683),
      env: simulator.env('as'),
      layers: [layer],
      handler: answering(steps.filter(({ how }) => (how & 1) === 0)),
    });
    const rs = new Endpoint({
      transport: simulator.transport('10.0.0.2', 5683),
      env: simulator.env('rs'),
      layers: [opaque],
      handler: answering(steps.filter(({ how }) => (how & 1) === 1)),
    });
    const client = new AceClient({
      transport: simulator.transport('10.0.0.3', 40_000),
      store: memoryStore(),
      profiles: [oscoreProfile],
      env: simulator.env('client'),
      authorizationServers: [{ uri: asUri, credentials: mirrored(clientKeyAtAs(1)) }],
    });
    await ends(simulator, client.fetch(`${rsUri}/temperature`));
    await ends(simulator, client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
    await ends(simulator, client.token({ audience: 'rs1', scope: 'r_temp' }));
    await ends(simulator, client.introspect(bytes));
    await ends(simulator, client.discover(`${rsUri}/`));
    await client.close();
    await as.close();
    await rs.close();
  },
};

function payloadOf(datagram: Uint8Array): Uint8Array {
  try {
    return decodeMessage(datagram).payload;
  } catch {
    return datagram;
  }
}

function changePayload(payload: Uint8Array, datagram: Uint8Array): Uint8Array {
  try {
    return encodeMessage({ ...decodeMessage(datagram), payload });
  } catch {
    return datagram;
  }
}

/** Collections of a SEAL server, and the place for key requests. */
const sealPlaces = [
  '/su-san/v1/anchors',
  '/su-sm/v1/maps',
  '/su-up/v1/val-services/v2x/user-profiles',
  '/su-uc/v1/val-services/v2x/ue-configurations',
  '/km',
] as const;

const target = { valUserId: 'anna@val.example' };
const sealBodies = [
  { valServiceId: 'v2x', location: { lat: 48.8606, lon: 2.3376, altitude: 35.5 }, tags: ['statue'], allowedEntities: [{ valUeId: 'ue1' }] },
  { valServiceId: 'v2x', area: { south: 1, north: 2, west: 3, east: 4 } },
  { valTgtUe: target, profileInformation: { status: true, profileName: 'work', profileConfigs: [{ configType: 'COMMON', configData: 'a' }] } },
  {
    valServiceDomain: 'd',
    valTgtUe: { valUeId: 'ue1' },
    imeiRanges: [{ tac: '12345678', snrs: ['1'], snrRange: { low: '1', high: '7' } }],
    ueConfigs: [{ configType: 'COMMON', configData: 'a' }],
  },
];

/** A SEAL server that a client with all rights sends what it likes: 2.xx or 4.xx, and nothing breaks. */
async function sealTarget(): Promise<Target> {
  let lab: KmLab;
  const start = async (): Promise<void> => {
    const unhurried = { burst: 1_000_000, rate: 1_000_000 };
    lab = new KmLab({
      simulator: { delay: 1, record: false },
      clients: [{ id: 'client1', valUserId: target.valUserId, valUeId: 'ue1', valServiceIds: ['v2x'] }],
      services: ({ stores, simulator }) => [
        new SpatialService({ store: stores.server, env: simulator.env('spatial'), rate: unhurried }),
        new ConfigurationService({ store: stores.server, env: simulator.env('configuration'), rate: unhurried }),
        keyManagement({ sKmsUri, records: lab.records, env: simulator.env('SKM-S'), emit: () => {} }),
      ],
    });
    await lab.start();
    await lab.fetch('/su-san/v1/anchors');
  };
  await start();
  const end = async (): Promise<void> => {
    const faults = lab.serverEvents.filter(({ type }) => type === 'fault');
    await lab.close();
    assert.deepEqual(faults, []);
  };
  return {
    name: 'SEAL server',
    seeds: seedsOf([...sealBodies.map((body, how) => [how, cborBody(body).payload] as const), [4, encodeKmRequest(lab!.kmRequest({ deviceId: 'ue1' }))]]),
    mutate: mutateScript(nearlyCbor),
    run: async (input) => {
      for (const { how, bytes: payload } of decodeScript(input).slice(0, 3)) {
        const path = sealPlaces[how % sealPlaces.length]!;
        const init = { method: path === '/km' ? 'FETCH' : 'POST', payload, contentFormat: ContentFormat.Cbor } as const;
        const answer = (await ends(lab.simulator, lab.simC.fetch(`${lab.serverUri}${path}`, init))) as { code: number; location?: string } | undefined;
        assert.ok(answer !== undefined && (codeClass(answer.code) === 2 || codeClass(answer.code) === 4), `${path}: ${answer?.code}`);
        // What was made can be read and taken away.
        if (answer.location === undefined) continue;
        const read = (await ends(lab.simulator, lab.simC.fetch(`${lab.serverUri}${answer.location}`))) as { code: number } | undefined;
        const gone = (await ends(lab.simulator, lab.simC.fetch(`${lab.serverUri}${answer.location}`, { method: 'DELETE' }))) as { code: number } | undefined;
        assert.deepEqual([read?.code, gone?.code], [Code.Content, Code.Deleted], path);
      }
    },
    settle: async () => {
      await end();
      await start();
    },
    close: end,
  };
}

/** The roles, each with everything that it stands on. */
export const roleTargets: readonly TargetEntry[] = [
  { name: 'AS and RS, by peers with keys', share: 1, open: serversTarget },
  { name: clientTarget.name, share: 0.5, open: () => Promise.resolve(clientTarget) },
  { name: 'SEAL server', share: 0.5, open: sealTarget },
];
