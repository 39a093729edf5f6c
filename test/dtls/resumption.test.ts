import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { serverSettings } from '../../src/dtls/config.ts';
import { decodeFragments, encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { type ClientConfig, DtlsError, type DtlsServerConfig, decodeSession, encodeSession } from '../../src/dtls/index.ts';
import { decodeClientHello, decodeServerHello, encodeClientHello } from '../../src/dtls/messages.ts';
import { decodeRecords, encodePlaintextRecord } from '../../src/dtls/record.ts';
import { SessionCache } from '../../src/dtls/resumption.ts';
import { Session } from '../../src/dtls/session.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { allSuites, ClientParty, configsOf, expectSameKeys, identity, type Parties, port, psk, ServerParty, serverAddress } from './parties.ts';

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const rawSuite = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';
const to = `${serverAddress}:${port}`;

interface Setup {
  readonly sim: Simulator;
  readonly server: ServerParty;
  readonly session: Session;
  /** A client that was not started. */
  again(config?: Partial<ClientConfig>): ClientParty;
}

let clients = 0;

/** A server, and a session with it whose connection is closed. */
async function setUp(
  name = suite as (typeof allSuites)[number],
  client: Partial<ClientConfig> = {},
  server: Partial<DtlsServerConfig> = {},
  seed = 1,
): Promise<Setup> {
  const sim = new Simulator({ seed });
  const configs = configsOf(name);
  const party = new ServerParty(sim, { maxSessions: 10, ...configs.server, ...server });
  const first = new ClientParty(sim, { ...configs.client, ...client });
  first.connection.start();
  await sim.run(() => first.connection.isConnected, 5000);
  await sim.sleep(100);
  const { session } = first.connection;
  assert.ok(session !== undefined);
  first.connection.close();
  await sim.sleep(100);
  await first.close();
  return {
    sim,
    server: party,
    session,
    again: (config) => new ClientParty(sim, { ...configs.client, ...client, session, ...config }, `10.0.1.${(++clients % 200) + 1}`, `again ${clients}`),
  };
}

async function connect(sim: Simulator, client: ClientParty): Promise<void> {
  client.connection.start();
  await sim.run(() => client.connection.isConnected || client.connection.isClosed, 300_000);
  await sim.sleep(100);
}

/** The types of the handshake messages that went in the clear, in their order. */
function plainTypes(packets: readonly Packet[]): readonly number[] {
  return packets
    .flatMap(({ datagram }) => decodeRecords(datagram, 8).records)
    .filter(({ type, epoch }) => type === 22 && epoch === 0)
    .flatMap(({ fragment }) => decodeFragments(fragment)!.map(({ type }) => type));
}

const { client_hello, hello_verify_request, server_hello, server_hello_done, client_key_exchange } = HandshakeType;
const abbreviated = [client_hello, hello_verify_request, client_hello, server_hello];

/** Whether a client that has the session resumes it; if not, that it has shaken hands in full. */
async function resumes({ sim, server }: Setup, client: ClientParty): Promise<boolean> {
  const before = sim.wire.length;
  await connect(sim, client);
  assert.ok(client.connection.isConnected, client.error?.message);
  const types = plainTypes(sim.wire.slice(before));
  const { isResumed } = client.connection.agreement!;
  assert.equal(server.all('connected').at(-1)!.isResumed, isResumed);
  if (isResumed) assert.deepEqual(types, abbreviated);
  else for (const type of [server_hello_done, client_key_exchange]) assert.ok(types.includes(type));
  return isResumed;
}

for (const name of allSuites) {
  test(`RFC 5246 7.3: ${name}: a session is resumed, with new keys, under the identity that was proved then`, async () => {
    const setup = await setUp(name, { connectionIdLength: 3 }, { connectionIdLength: 8 });
    const { sim, server, session } = setup;
    const material: string[] = [];
    for (let round = 0; round < 2; round++) {
      const asked = server.all('psk-identity').length + server.all('peer-key').length;
      const client = setup.again();
      assert.ok(await resumes(setup, client));
      await expectSameKeys(sim, { client, server } satisfies Parties);
      const connected = server.all('connected').at(-1)!;
      assert.deepEqual(connected.peerIdentity, server.all('connected')[0]!.peerIdentity);
      assert.deepEqual(client.connection.agreement!.peerIdentity, session.peerIdentity);
      assert.equal(server.all('psk-identity').length + server.all('peer-key').length, asked + 1, 'the application is asked again');
      if (session.peerIdentity.type === 'raw-public-key') assert.equal(client.all('peer-key').length, 1);
      material.push(connected.connection.exportKeyingMaterial('EXPORTER-x', 8).join());
      // RFC 9146 §3: negotiated afresh.
      assert.ok(connected.connection.hasConnectionId);
      material.push(connected.connection.connectionId.join());
      client.connection.close();
      await sim.sleep(100);
    }
    assert.equal(new Set(material).size, 4);
    assert.equal(server.server.stats().sessions, 1);
    await sim.sleep(86_400_000);
    assert.equal(server.server.stats().sessions, 0, 'its time is over');
  });
}

test('RFC 5246 F.1.4: a session does not live on because the clock was set back', () => {
  const [cipherSuite] = suitesOf([suite]);
  const peerIdentity = { type: 'psk', identity } as const;
  const secrets = { master: new Uint8Array(48), proof: new Uint8Array(16), extendedMasterSecret: true, serverName: undefined };
  const session = new Session({ ...secrets, cipherSuite: cipherSuite!, peerIdentity, id: Uint8Array.of(1), established: 1_000_000 });
  let epoch = 1_000_000;
  const cache = new SessionCache(10, 60_000, { ...systemEnv, epoch: () => epoch });
  const settings = serverSettings({ ...configsOf(suite).server, sessionLifetime: 60_000 });
  cache.add(session);
  for (const [at, isThere] of [
    [1_000_000, true],
    [999_990, true],
    [999_000, false],
    [0, false],
  ] as const) {
    epoch = at;
    assert.equal(cache.find(session.id, settings) === session, isThere, String(at));
  }
});

test('RFC 6347 4.2.1: no session is resumed, and no full handshake is fallen back to, without a cookie', async () => {
  const setup = await setUp();
  const { sim, session, server } = setup;
  const client = setup.again();
  const before = sim.wire.length;
  sim.filter = () => false;
  client.connection.start();
  sim.filter = undefined;
  const [first] = sim.wire.slice(before);
  const hello = decodeClientHello(first!.datagram.subarray(25));
  assert.deepEqual(hello.sessionId, session.id);
  const withOther = { ...hello, sessionId: new Uint8Array(32).fill(1) };
  const { connections } = server.server.stats();
  for (const body of [encodeClientHello(hello), encodeClientHello(withOther)]) {
    const since = sim.wire.length;
    sim.inject(encodePlaintextRecord(22, 9, encodeHandshake({ type: 1, sequence: 0, body })), '10.7.7.7:1', to);
    await sim.sleep(50);
    const answers = sim.wire.slice(since).filter(({ from }) => from === to);
    assert.deepEqual(plainTypes(answers), [hello_verify_request]);
    assert.equal(server.server.stats().connections, connections);
  }
});

test('RFC 5246 7.4.1.3: a session that the server does not have any more ends in a full handshake and in a new session', async () => {
  const setup = await setUp(suite, {}, { maxSessions: 1 });
  const { sim, server, session } = setup;
  const other = setup.again({ serverName: 'other.example' });
  assert.ok(!(await resumes(setup, other)));
  assert.equal(server.server.stats().sessions, 1, 'the oldest one went');
  const client = setup.again();
  assert.ok(!(await resumes(setup, client)));
  assert.ok(!equalBytes(client.connection.session!.id, session.id));
  await expectSameKeys(sim, { client, server });
});

test('RFC 5246 F.1.4: a session is resumed within its lifetime, which resumption does not prolong', async () => {
  const setup = await setUp(suite, { sessionLifetime: 1000_000 }, { sessionLifetime: 1000_000 });
  await setup.sim.sleep(600_000);
  const half = setup.again();
  assert.ok(await resumes(setup, half));
  await setup.sim.sleep(500_000);
  const before = setup.sim.wire.length;
  assert.ok(!(await resumes(setup, setup.again())));
  const hello = setup.sim.wire[before]!.datagram;
  assert.equal(decodeClientHello(hello.subarray(25)).sessionId.length, 0, 'the client does not offer it');
  assert.ok(!(await resumes(setup, setup.again({ session: half.connection.session! }))));
  assert.ok(!(await resumes(setup, setup.again({ sessionLifetime: 86_400_000 }))), 'nor does the server take it');
});

test('a client offers no session that its configuration does not bear: another suite, another identity, another key, another name', async () => {
  const setup = await setUp();
  for (const config of [
    { suites: ['TLS_PSK_WITH_AES_128_CCM'] },
    { psk: { identity, key: utf8('another key') } },
    { psk: { identity: utf8('somebody else'), key: psk } },
    { serverName: 'server.example' },
    { maxLifetime: 1 },
  ] satisfies Partial<ClientConfig>[]) {
    const client = setup.again(config);
    const before = setup.sim.wire.length;
    client.connection.start();
    const hello = decodeClientHello(setup.sim.wire[before]!.datagram.subarray(25));
    assert.equal(hello.sessionId.length, 0, JSON.stringify(config));
    client.connection.close();
  }
});

test('a PSK that the server does not take any more, or has changed, resumes nothing', async () => {
  for (const change of ['rejected', 'alert', 'another key'] as const) {
    const setup = await setUp();
    const { sim, server } = setup;
    server.answers = false;
    server.onEvent = (event) => {
      if (event.type !== 'psk-identity') return;
      if (change === 'rejected') event.connection.rejectPsk();
      else if (change === 'alert') event.connection.rejectPsk('access_denied');
      else event.connection.providePsk(utf8('the key of today'));
    };
    const before = sim.wire.length;
    const client = setup.again();
    await connect(sim, client);
    assert.ok(client.connection.isClosed);
    assert.match(client.error!.message, change === 'alert' ? /access_denied/ : /decrypt_error/);
    // The same as a client without a session sees: nobody learns which identities there are.
    if (change !== 'alert') assert.ok(plainTypes(sim.wire.slice(before)).includes(server_hello_done));
    assert.equal(server.all('connected').length, 1);
  }
});

test('a raw public key that is not taken any more: the server asks for another proof, the client ends the handshake', async () => {
  const setup = await setUp(rawSuite);
  const { sim, server } = setup;
  server.answers = false;
  server.onEvent = (event) => {
    if (event.type === 'peer-key') event.connection.rejectPeer();
  };
  const before = sim.wire.length;
  const refused = setup.again();
  await connect(sim, refused);
  assert.match(refused.error!.message, /handshake_failure/);
  assert.ok(plainTypes(sim.wire.slice(before)).includes(server_hello_done), 'a full handshake came after the refusal');
  server.answers = true;
  server.onEvent = () => {};
  const client = setup.again();
  client.acceptsPeer = false;
  client.onEvent = (event) => {
    if (event.type === 'peer-key') client.connection.rejectPeer();
  };
  await connect(sim, client);
  assert.equal(client.end, 'ERR_DTLS_HANDSHAKE');
  assert.equal(server.all('connected').length, 1);
  assert.ok(!setup.session.isResumable, 'RFC 5246 7.2.2: it failed');
});

test('the answer about a resumption may come late, and what the client sends again meanwhile changes nothing', async () => {
  const setup = await setUp();
  const { sim, server } = setup;
  server.answers = false;
  server.onEvent = (event) => {
    if (event.type === 'psk-identity') sim.env().schedule(4000, () => event.connection.providePsk(psk));
  };
  const client = setup.again();
  await connect(sim, client);
  assert.ok(client.connection.isConnected);
  assert.ok(client.connection.agreement!.isResumed);
  assert.equal(server.all('psk-identity').length, 2);
});

test('RFC 5246 7.2.2: a session of which a connection failed is resumed by neither side; one that ended in order is', async () => {
  const ends = {
    'a fatal alert of the client': async ({ sim, session, again }: Setup) => {
      const client = again();
      await connect(sim, client);
      client.connection.receive(encodePlaintextRecord(21, 99, Uint8Array.of(2, 80)));
      assert.ok(client.connection.isConnected, 'in the clear it says nothing');
      assert.ok(session.isResumable);
    },
    'too many forgeries': async (setup: Setup) => {
      const { sim, server, again } = setup;
      const client = again();
      await connect(sim, client);
      const record = new Uint8Array(40).fill(0);
      record.set([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, 0, 0, 27]);
      for (let i = 0; i < 3; i++) sim.inject(record, client.address, to);
      await sim.sleep(100);
      assert.equal(server.all('closed').at(-1)!.error?.code, 'ERR_DTLS_FORGERIES');
      assert.match(client.error!.message, /bad_record_mac/);
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    const setup = await setUp(suite, {}, { maxForgeries: 3 });
    const isOver = name === 'too many forgeries';
    await end(setup);
    assert.equal(setup.session.isResumable, !isOver, name);
    assert.equal(setup.server.server.stats().sessions, isOver ? 0 : 1);
    assert.equal(await resumes(setup, setup.again()), !isOver);
  }
});

test('a client whose session is not the one that the server has ends by decrypt_error at once, and then shakes hands in full', async () => {
  const setup = await setUp();
  const other = await setUp(suite, {}, {}, 2);
  const { sim } = setup;
  // The same id and another master secret.
  const saved = encodeSession(other.session);
  const mixed = Object.defineProperty(decodeSession(saved), 'id', { value: setup.session.id });
  const client = setup.again({ session: mixed });
  await connect(sim, client);
  assert.equal(client.end, 'ERR_DTLS_HANDSHAKE');
  assert.match(client.error!.message, /decrypt_error/);
  assert.ok(!(await resumes(setup, setup.again({ session: mixed }))));
});

test('RFC 7627 5.3: a session with the extended master secret is not resumed without it, by either side', async () => {
  const setup = await setUp();
  const { sim, session } = setup;
  const strip = (datagram: Uint8Array): Uint8Array => {
    const { records } = decodeRecords(datagram);
    const [{ sequence, fragment }] = records as [(typeof records)[0]];
    const [message] = decodeFragments(fragment)!;
    const hello = decodeClientHello(message!.bytes);
    const extensions = new Map([...hello.extensions].filter(([type]) => type !== 23));
    return encodePlaintextRecord(22, sequence, encodeHandshake({ type: 1, sequence: message!.sequence, body: encodeClientHello({ ...hello, extensions }) }));
  };
  const client = setup.again();
  const alerts: Uint8Array[] = [];
  sim.filter = ({ from, datagram }) => {
    if (from === client.address && datagram[13] === client_hello) {
      sim.inject(strip(datagram), client.address, to);
      return false;
    }
    if (from === to && datagram[0] === 21) alerts.push(datagram);
    return true;
  };
  await connect(sim, client);
  sim.filter = undefined;
  assert.deepEqual([...alerts[0]!.subarray(13)], [2, 40]);
  assert.match(client.error!.message, /handshake_failure/);
  // Who meddled is not known: both forget the session.
  assert.ok(!session.isResumable);
});

test('RFC 7627 5.3: a session without the extended master secret is not one to resume', async () => {
  const sim = new Simulator();
  const configs = configsOf(suite);
  const server = new ServerParty(sim, { ...configs.server, maxSessions: 10 });
  const client = new ClientParty(sim, configs.client);
  // A client of ours offers it always; what it says is changed on the way, and so Finished fails: the hello is what counts here.
  sim.filter = ({ from, datagram }) => {
    if (from !== client.address || datagram[13] !== client_hello) return true;
    const at = 25;
    const hello = decodeClientHello(datagram.subarray(at));
    const extensions = new Map([...hello.extensions].filter(([type]) => type !== 23));
    const { sequence } = decodeRecords(datagram).records[0]!;
    const message = { type: 1, sequence: decodeFragments(datagram.subarray(13))![0]!.sequence, body: encodeClientHello({ ...hello, extensions }) };
    sim.inject(encodePlaintextRecord(22, sequence, encodeHandshake(message)), from, to);
    return false;
  };
  client.connection.start();
  await sim.run(() => client.connection.isClosed, 10_000);
  const answer = sim.wire.find(({ from, datagram }) => from === to && datagram[13] === server_hello)!;
  assert.equal(decodeServerHello(decodeFragments(decodeRecords(answer.datagram).records[0]!.fragment)![0]!.bytes).sessionId.length, 0);
  assert.equal(server.server.stats().sessions, 0);
});

test('RFC 6347 4.2.4: every datagram of an abbreviated handshake lost, doubled and late once: it ends, with the same keys', async () => {
  const setup = await setUp();
  const { sim, server } = setup;
  const counted = setup.again();
  const before = sim.wire.length;
  await connect(sim, counted);
  const datagrams = sim.wire.length - before;
  for (let index = 0; index < datagrams; index++) {
    for (const fate of ['lost', 'doubled', 'late'] as const) {
      const client = setup.again();
      let seen = -1;
      sim.filter = ({ from, to: target, datagram }) => {
        if (from !== client.address && target !== client.address) return true;
        if (++seen !== index) return true;
        if (fate === 'doubled') sim.inject(datagram, from, target);
        if (fate === 'late') sim.env().schedule(1500, () => sim.inject(datagram, from, target));
        return fate === 'doubled';
      };
      await connect(sim, client);
      await sim.sleep(10_000);
      sim.filter = undefined;
      const what = `datagram ${index} of ${datagrams} ${fate}`;
      assert.ok(client.connection.isConnected && client.connection.agreement!.isResumed, what);
      await expectSameKeys(sim, { client, server });
      client.connection.close();
      await sim.sleep(100);
    }
  }
});

test('a session is kept as bytes; bytes that are cut or changed are refused', async () => {
  for (const name of [suite, rawSuite] as const) {
    const setup = await setUp(name, { serverName: 'server.example' });
    const saved = encodeSession(setup.session);
    const session = decodeSession(saved);
    assert.deepEqual(session.peerIdentity, setup.session.peerIdentity);
    assert.ok(await resumes(setup, setup.again({ session })));
    for (let i = 0; i < saved.length; i++) {
      const changed = saved.slice();
      changed[i]! ^= 1 << (i % 8);
      for (const bytes of [changed, saved.subarray(0, i)]) assert.throws(() => decodeSession(bytes), isImportError);
    }
  }
});

function isImportError(error: unknown): boolean {
  return error instanceof DtlsError && error.code === 'ERR_DTLS_IMPORT';
}

test('a session is the same however often it is saved, also of a device whose clock starts at 0', async () => {
  const { session } = await setUp(suite, {}, {}, 5);
  const { cipherSuite, extendedMasterSecret, peerIdentity, serverName, master, proof, id } = session;
  const early = new Session({ cipherSuite, extendedMasterSecret, peerIdentity, serverName, master, proof, id, established: 1.001 });
  const saved = encodeSession(early);
  assert.deepEqual(encodeSession(decodeSession(saved)), saved);
  assert.equal(decodeSession(saved).established, 1.001);
});
