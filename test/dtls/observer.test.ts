import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { ExtensionType } from '../../src/dtls/extensions.ts';
import { encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { DtlsObserver, type ObservedRecord, type ObserverKeys } from '../../src/dtls/index.ts';
import { encodeClientHello, encodeClientKeyExchange, encodeServerHello } from '../../src/dtls/messages.ts';
import { ContentType, encodePlaintextRecord } from '../../src/dtls/record.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { allSuites, ClientParty, configsOf, expectSameKeys, identity, parties, psk, ServerParty } from './parties.ts';

const nothing: ObserverKeys = { masterSecret: () => undefined, psk: () => undefined };

function keysOf(lines: readonly string[]): ObserverKeys {
  const masters = new Map(lines.map((line) => line.split(' ').slice(1) as [string, string]));
  return {
    ...nothing,
    masterSecret: (random) => {
      const master = masters.get(toHex(random));
      return master === undefined ? undefined : fromHex(master);
    },
  };
}

function observe(wire: readonly Packet[], keys: ObserverKeys): readonly ObservedRecord[] {
  const observer = new DtlsObserver(keys);
  return wire.flatMap(({ datagram, from, to }) => observer.receive(datagram, from, to));
}

const dataOf = (records: readonly ObservedRecord[]): string[] => records.flatMap(({ data }) => (data === undefined ? [] : [fromUtf8(data)]));

for (const suite of allSuites)
  test(`an observer with the key log opens what both sides send: ${suite}`, async () => {
    const sim = new Simulator();
    const lines: string[] = [];
    const both = parties(sim, suite, { keyLog: (line) => lines.push(line) });
    both.client.connection.start();
    await sim.run(() => both.client.connection.isConnected);
    await expectSameKeys(sim, both);
    assert.deepEqual(dataOf(observe(sim.wire, keysOf(lines))), ['ping', 'ping']);
    const sealed = observe(sim.wire, nothing).filter(({ isSealed }) => isSealed);
    assert.deepEqual(
      sealed.map(({ type }) => type),
      ['handshake', 'handshake', 'application_data', 'application_data'],
    );
  });

test('RFC 5246 7.3: messages are named, with what they say', async () => {
  const sim = new Simulator();
  const { client } = parties(sim, 'TLS_PSK_WITH_AES_128_CCM_8');
  client.connection.start();
  await sim.run(() => client.connection.isConnected);
  client.connection.close();
  await sim.run();
  const records = observe(sim.wire, { ...nothing, psk: (named) => (equalBytes(named, identity) ? psk : undefined) });
  assert.deepEqual(
    records.flatMap(({ names }) => names),
    [
      'ClientHello',
      'HelloVerifyRequest',
      'ClientHello',
      'ServerHello',
      'ServerHelloDone',
      'ClientKeyExchange',
      'ChangeCipherSpec',
      'Finished',
      'ChangeCipherSpec',
      'Finished',
      'close_notify',
      'close_notify',
    ],
  );
  assert.ok(records.flatMap(({ details }) => details).includes('cipher suite: TLS_PSK_WITH_AES_128_CCM_8'));
  assert.ok(records.flatMap(({ details }) => details).includes(`identity: ${toHex(identity)}`));
  assert.deepEqual(records.find(({ pskIdentity }) => pskIdentity !== undefined)?.pskIdentity, identity);
});

for (const { name: suite, keyExchange } of suitesOf('default').filter((one) => one.keyExchange !== 'ECDHE_ECDSA'))
  test(`RFC 4279 2, RFC 5489 2: the pre-shared key alone ${keyExchange === 'PSK' ? 'opens' : 'does not open'} ${suite}`, async () => {
    const sim = new Simulator();
    const both = parties(sim, suite);
    both.client.connection.start();
    await sim.run(() => both.client.connection.isConnected);
    await expectSameKeys(sim, both);
    const observed = dataOf(observe(sim.wire, { ...nothing, psk: () => psk }));
    assert.deepEqual(observed, keyExchange === 'PSK' ? ['ping', 'ping'] : []);
    const wrong = observe(sim.wire, { ...nothing, psk: () => utf8('another key of 16') });
    assert.deepEqual(dataOf(wrong), []);
  });

test('RFC 5246 7.3: a session that is resumed is opened with what is known of the first', async () => {
  const sim = new Simulator();
  const { client, server } = configsOf('TLS_PSK_WITH_AES_128_CCM_8');
  new ServerParty(sim, { ...server, maxSessions: 10 });
  const first = new ClientParty(sim, client);
  first.connection.start();
  await sim.run(() => first.connection.isConnected);
  const second = new ClientParty(sim, { ...client, session: first.connection.session! }, '10.0.0.3');
  second.connection.start();
  await sim.run(() => second.connection.isConnected);
  assert.ok(second.connection.agreement!.isResumed);
  second.connection.send(utf8('ping'));
  await sim.run(() => second.data.length > 0, 60_000);
  const records = observe(sim.wire, { ...nothing, psk: () => psk });
  assert.deepEqual(dataOf(records), ['ping', 'ping']);
  assert.ok(records.some(({ details }) => details.some((line) => line.includes('the session is resumed'))));
});

/** Both sides of an association in which each has named a connection ID, and data that went both ways. */
async function withConnectionIds(): Promise<{ readonly sim: Simulator; readonly both: ReturnType<typeof parties> }> {
  const sim = new Simulator();
  const ids = { connectionIdLength: 5 };
  const both = parties(sim, 'TLS_PSK_WITH_AES_128_CCM_8', ids, ids);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected);
  await expectSameKeys(sim, both);
  return { sim, both };
}

test('RFC 9146 4, 6: records with connection IDs of both sides, also from another address of the client', async () => {
  const { sim, both } = await withConnectionIds();
  assert.ok(sim.wire.some(({ datagram: [type] }) => type === 25));
  const moved = sim.wire.map((packet) => (packet.datagram[0] === 25 && packet.from === both.client.address ? { ...packet, from: '10.0.0.9:4000' } : packet));
  for (const wire of [sim.wire, moved]) assert.deepEqual(dataOf(observe(wire, { ...nothing, psk: () => psk })), ['ping', 'ping']);
});

test('RFC 9146 6: of a session whose client moves again and again, an observer keeps the newest address', async () => {
  const { sim, both } = await withConnectionIds();
  const observer = new DtlsObserver({ ...nothing, psk: () => psk });
  for (const { datagram, from, to } of sim.wire) observer.receive(datagram, from, to);
  assert.equal(observer.size, 1);
  const last = sim.wire.findLast(({ datagram, from }) => datagram[0] === 25 && from === both.client.address)!;
  for (let i = 0; i < 50; i++) assert.deepEqual(dataOf(observer.receive(last.datagram, `10.0.0.9:${4000 + i}`, last.to)), ['ping']);
  assert.equal(observer.size, 2);
});

test('of a handshake without end an observer keeps no more than of the longest one', () => {
  const [client, server] = ['10.0.0.1:1', '10.0.0.2:2'];
  const [{ id: suite } = { id: 0 }] = suitesOf(['TLS_PSK_WITH_AES_128_CCM_8']);
  const extensions = new Map([[ExtensionType.extended_master_secret, new Uint8Array(0)]]);
  const shared = { version: 0xfefd, random: new Uint8Array(32), sessionId: new Uint8Array(0), extensions };
  const messages = (certificates: number): readonly (readonly [from: string, type: number, sequence: number, body: Uint8Array])[] => [
    [client, HandshakeType.client_hello, 0, encodeClientHello({ ...shared, cookie: new Uint8Array(0), suites: [suite], compressions: Uint8Array.of(0) })],
    [server, HandshakeType.server_hello, 0, encodeServerHello({ ...shared, suite, compression: 0 })],
    ...Array.from({ length: certificates }, (_, index) => [server, HandshakeType.certificate, index + 1, new Uint8Array(12_000)] as const),
    [client, HandshakeType.client_key_exchange, 1, encodeClientKeyExchange('PSK', { identity, point: new Uint8Array(0) })],
  ];
  const sealed = Uint8Array.from([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 32, ...new Uint8Array(32)]);
  for (const [certificates, why] of [
    [1, /does not verify/],
    [12, /no key is known/],
  ] as const) {
    const observer = new DtlsObserver({ ...nothing, psk: () => psk });
    let number = 0;
    for (const [from, type, sequence, body] of messages(certificates))
      observer.receive(
        encodePlaintextRecord(ContentType.handshake, number++, encodeHandshake({ type, sequence, body })),
        from,
        from === client ? server : client,
      );
    assert.match(observer.receive(sealed, client, server)[0]!.details[0]!, why);
  }
});

test('RFC 6347 4.2.3: with losses, in fragments and out of order', async () => {
  const sim = new Simulator({ seed: 5, loss: 0.2, delay: [5, 60], duplication: 0.2 });
  const lines: string[] = [];
  const both = parties(sim, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', { keyLog: (line) => lines.push(line), mtu: 90 }, { mtu: 90 });
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 120_000);
  const records = observe(sim.wire, keysOf(lines));
  assert.ok(records.flatMap(({ names }) => names).some((name) => /^Certificate \(bytes 0 to \d+ of \d+\)$/.test(name)));
  assert.ok(records.some(({ isProtected, isSealed, names }) => isProtected && !isSealed && names.includes('Finished')));
});

test('any bytes: records, and no error', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 80 }), fc.boolean()), { maxLength: 6 }), (datagrams) => {
      const observer = new DtlsObserver({ ...nothing, psk: () => psk });
      for (const [bytes, isBack] of datagrams) {
        const datagram = Uint8Array.from([22, 254, 253, 0, 0, ...bytes]);
        observer.receive(datagram, isBack ? 'a' : 'b', isBack ? 'b' : 'a');
      }
    }),
    { numRuns: 300 },
  );
});
