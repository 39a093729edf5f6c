import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { decodeFragments, encodeFragment, encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { clientConnection, DtlsServer } from '../../src/dtls/index.ts';
import { decodeClientHello } from '../../src/dtls/messages.ts';
import { decodeRecords, encodePlaintextRecord } from '../../src/dtls/record.ts';
import { decodeEcdsaSignature } from '../../src/dtls/signature.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { allSuites, ClientParty, clientAddress, nothingHeld, type Parties, parties, port, serverAddress } from './parties.ts';

// Faults that other stacks had, each by its name.

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const psk = { identity: utf8('nobody'), key: utf8('nothing') };
const ecdsa = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';
const from = `${clientAddress}:${port}`;
const to = `${serverAddress}:${port}`;

async function connected(sim: Simulator, both: Parties): Promise<Parties> {
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  return both;
}

const reasons = (events: readonly { readonly type: string; readonly reason?: string }[]): string[] =>
  events.flatMap((event) => (event.type === 'discarded' ? [event.reason!] : []));

/** Change the handshake messages that go one way, before the records of the rest. */
function rewrite(sim: Simulator, source: string, change: (type: number, body: Uint8Array, sequence: number) => Uint8Array | undefined): void {
  sim.filter = (packet) => {
    if (packet.from !== source) return true;
    const { records } = decodeRecords(packet.datagram);
    const changed = records.map((record) => {
      const fragment = record.epoch === 0 && record.type === 22 ? decodeFragments(record.fragment)?.[0] : undefined;
      if (fragment === undefined) return undefined;
      const body = change(fragment.type, fragment.bytes, fragment.sequence);
      return body === undefined ? undefined : encodePlaintextRecord(22, record.sequence, body);
    });
    if (changed.every((record) => record === undefined)) return true;
    let at = 0;
    const parts = records.map(({ fragment }, i) => {
      const original = packet.datagram.subarray(at, (at += 13 + fragment.length));
      return changed[i] ?? original;
    });
    sim.inject(concat(...parts), packet.from, packet.to);
    return false;
  };
}

test('a client certificate without CertificateVerify is not accepted', async () => {
  const sim = new Simulator();
  const both = parties(sim, ecdsa, { retransmission: { maxRetransmissions: 0 } });
  // The message has to be some other, or the ones after it would wait for it: an empty ClientKeyExchange repeats what was there.
  rewrite(sim, from, (type, body, sequence) =>
    type === HandshakeType.certificate_verify ? encodeHandshake({ type: HandshakeType.client_key_exchange, sequence, body }) : undefined,
  );
  both.client.connection.start();
  await sim.run(() => both.client.connection.isClosed, 10_000);
  assert.equal(both.server.all('connected').length, 0);
  assert.match(both.server.error!.message, /unexpected_message/);
});

test("a server's key without its signature, or with another's, is not accepted", async () => {
  for (const at of [-1, 40]) {
    const sim = new Simulator();
    const both = parties(sim, ecdsa);
    rewrite(sim, to, (type, body, sequence) => {
      if (type !== HandshakeType.server_key_exchange) return undefined;
      const forged = body.slice();
      forged[at < 0 ? forged.length + at : at]! ^= 1;
      return encodeHandshake({ type, sequence, body: forged });
    });
    both.client.connection.start();
    await sim.run(() => both.client.connection.isClosed, 10_000);
    assert.match(both.client.error!.message, /decrypt_error|illegal_parameter/);
    assert.equal(both.client.all('peer-key').length, 0, 'nobody is asked about a key that is not proved');
  }
});

test('a handshake that failed leaves nothing: the next one, from the same address, succeeds', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite, { psk: { identity: utf8('nobody'), key: utf8('nothing') } });
  both.client.connection.start();
  await sim.run(() => both.client.connection.isClosed, 10_000);
  await both.client.close();
  const { server } = both;
  assert.deepEqual(server.server.stats(), nothingHeld);
  await both.server.close();
  await connected(sim, parties(sim, suite));
});

test('a thousand handshakes that fail release what they held', async () => {
  const sim = new Simulator();
  const first = parties(sim, suite, { psk }, { maxHandshakes: 10 });
  let client = first.client;
  for (let i = 0; i < (scale === 'full' ? 1000 : 60); i++) {
    client.connection.start();
    await sim.run(() => client.connection.isClosed, 10_000);
    await client.close();
    client = new ClientParty(sim, { suites: [suite], psk }, clientAddress, `${i}`);
  }
  assert.deepEqual(first.server.server.stats(), nothingHeld);
  assert.equal(first.server.all('closed').filter(({ error }) => error?.code === 'ERR_DTLS_EVICTED').length, 0);
});

test('the randoms are not zero, and differ', async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 3; seed++) {
    const sim = new Simulator({ seed });
    await connected(sim, parties(sim, suite));
    const hello = decodeClientHello(sim.wire[0]!.datagram.subarray(25));
    seen.add(toHex(hello.random));
    const serverHello = sim.wire.find(({ datagram }) => datagram[13] === HandshakeType.server_hello)!;
    seen.add(toHex(serverHello.datagram.subarray(27, 59)));
  }
  assert.equal(seen.size, 6);
  assert.ok(!seen.has('00'.repeat(32)));
});

test('ChangeCipherSpec before the handshake, again and again, and after it, changes nothing', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  const spec = encodePlaintextRecord(20, 9, fromHex('01'));
  for (let i = 0; i < 50; i++) sim.inject(spec, from, to);
  both.client.connection.start();
  sim.filter = (packet) => {
    sim.inject(spec, packet.from, packet.to);
    return true;
  };
  await sim.run(() => both.client.connection.isConnected, 5000);
  sim.filter = undefined;
  for (let i = 0; i < 50; i++) sim.inject(spec, from, to);
  for (let i = 0; i < 50; i++) sim.inject(spec, to, from);
  both.client.connection.send(utf8('ping'));
  await sim.run(() => both.client.data.length === 1, 1000);
});

test('application data in epoch 0 is not delivered: before, within and after the handshake', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  const { client, server } = both;
  const plain = encodePlaintextRecord(23, 5, utf8('forged'));
  sim.filter = (packet) => {
    sim.inject(plain, packet.from, packet.to);
    return true;
  };
  await connected(sim, both);
  sim.inject(plain, from, to);
  sim.inject(plain, to, from);
  await sim.sleep(1000);
  assert.equal(client.data.length + server.all('data').length, 0);
  assert.ok(reasons(server.events).includes('epoch') && reasons(client.events).includes('epoch'));
});

test('records of other epochs are not accepted, with the right keys or without', async () => {
  const sim = new Simulator();
  const both = await connected(sim, parties(sim, suite));
  both.client.connection.send(utf8('data'));
  const sealed = sim.wire.at(-1)!.datagram;
  await sim.sleep(100);
  const before = both.server.all('data').length;
  for (const epoch of [0, 2, 0x0101, 0xffff]) {
    const moved = sealed.slice();
    moved[3] = epoch >>> 8;
    moved[4] = epoch & 0xff;
    sim.inject(moved, from, to);
  }
  await sim.sleep(100);
  assert.equal(both.server.all('data').length, before);
});

test('a record that comes twice is delivered once', async () => {
  const sim = new Simulator();
  const both = await connected(sim, parties(sim, suite));
  both.client.connection.send(utf8('once'));
  const sealed = sim.wire.at(-1)!.datagram;
  for (let i = 0; i < 5; i++) sim.inject(sealed, from, to);
  await sim.sleep(100);
  assert.equal(both.server.all('data').length, 1);
  assert.equal(reasons(both.server.events).filter((reason) => reason === 'replay').length, 5);
});

test('a forged record does not move the replay window', async () => {
  const sim = new Simulator();
  const both = await connected(sim, parties(sim, suite));
  const forged = concat(fromHex('17fefd0001fffffffffff00020'), new Uint8Array(32));
  sim.inject(forged, from, to);
  both.client.connection.send(utf8('after it'));
  await sim.sleep(100);
  assert.equal(both.server.all('data').length, 1);
});

test('fragments that never make a message are bounded, and gone with the handshake', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite, { retransmission: { maxRetransmissions: 0 } }, { maxHandshakeBytes: 20_000, handshakeTimeout: 30_000 });
  sim.filter = (packet) => packet.from !== from || packet.datagram[13] === HandshakeType.client_hello;
  both.client.connection.start();
  await sim.sleep(100);
  const body = new Uint8Array(0xff_ff_ff);
  for (let sequence = 2; sequence < 200; sequence++)
    for (const length of [1000, 0xffff, 0xff_ff_ff])
      sim.inject(encodePlaintextRecord(22, sequence, encodeFragment({ type: 16, sequence, body: body.subarray(0, length) }, length - 1, 1)), from, to);
  await sim.sleep(1);
  assert.ok(both.server.server.stats().handshakeBytes <= 20_000);
  await sim.sleep(60_000);
  assert.deepEqual(both.server.server.stats(), nothingHeld);
});

test('one address that fills the room for messages with parts of some keeps no other from shaking hands', async () => {
  const sim = new Simulator();
  const { server, client } = parties(sim, suite, {}, { maxAllHandshakeBytes: 100_000 });
  sim.filter = ({ from: sender, datagram }) => !sender.startsWith('10.9.9.9') || datagram[13] === HandshakeType.client_hello;
  const flood = Array.from({ length: 10 }, (_, i) => new ClientParty(sim, { suites: [suite], psk }, '10.9.9.9', `flood ${i}`, 6000 + i));
  for (const { connection } of flood) connection.start();
  await sim.sleep(100);
  const body = new Uint8Array(0xffff);
  for (const length of [0xffff, 10_000, 1000, 100, 10, 2])
    for (const { address } of flood)
      for (let sequence = 2; sequence < 10; sequence++)
        sim.inject(encodePlaintextRecord(22, sequence, encodeFragment({ type: 16, sequence, body: body.subarray(0, length) }, 0, 1)), address, to);
  await sim.sleep(1);
  assert.ok(server.server.stats().handshakeBytes > 40_000);
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  await sim.sleep(200_000);
  assert.equal(server.server.stats().handshakeBytes, 0);
});

test('a record that comes before its keys is kept as it came, whatever becomes of its datagram', () => {
  const sim = new Simulator();
  const [toServer, toClient]: [Uint8Array[], Uint8Array[]] = [[], []];
  const peer = { key: from };
  const server = new DtlsServer({ suites: [suite], psk: {} }, sim.env('server'), {
    send: (datagram) => toClient.push(datagram),
    emit: (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(psk.key);
    },
  });
  // Each record in a datagram of its own.
  const client = clientConnection({ suites: [suite], psk, mtu: 64 }, sim.env('client'), { send: (datagram) => toServer.push(datagram), emit: () => {} });
  client.start();
  while (toServer.length > 0 || toClient.length > 0) {
    // The last comes first.
    for (let datagram = toServer.pop(); datagram !== undefined; datagram = toServer.pop()) {
      const borrowed = datagram.slice();
      server.receive(borrowed, peer);
      borrowed.fill(0);
    }
    for (let datagram = toClient.pop(); datagram !== undefined; datagram = toClient.pop()) {
      const borrowed = datagram.slice();
      client.receive(borrowed);
      borrowed.fill(0);
    }
  }
  assert.ok(client.isConnected);
});

test('fragments without bytes, in one record and in many, come to an end', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  const nothing = encodeFragment({ type: 16, sequence: 2, body: new Uint8Array(50) }, 0, 0);
  sim.filter = (packet) => {
    sim.inject(encodePlaintextRecord(22, 3, concat(...Array.from({ length: 100 }, () => nothing))), packet.from, packet.to);
    return true;
  };
  await connected(sim, both);
});

test('fragments are put together by message_seq: one that names another type spoils its own message only', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  // Of message_seq 9, which no flight has, and of the type of a message that is under way.
  const stray = encodePlaintextRecord(22, 3, encodeFragment({ type: 16, sequence: 9, body: new Uint8Array(50) }, 10, 5));
  sim.filter = (packet) => {
    sim.inject(stray, packet.from, packet.to);
    return true;
  };
  await connected(sim, both);
});

test('fragment_length beyond the record is no fragment', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  const long = encodeHandshake({ type: 16, sequence: 2, body: new Uint8Array(50) });
  sim.filter = (packet) => {
    sim.inject(encodePlaintextRecord(22, 3, long.subarray(0, 40)), packet.from, packet.to);
    return true;
  };
  await connected(sim, both);
  assert.ok(reasons(both.server.events).includes('malformed'));
});

test('the explicit nonce is the epoch and the sequence number: it is never taken twice', async () => {
  for (const name of allSuites) {
    const sim = new Simulator();
    const both = await connected(sim, parties(sim, name));
    for (let i = 0; i < 20; i++) both.client.connection.send(utf8(`${i}`));
    await sim.sleep(100);
    both.client.connection.close();
    for (const source of [from, to]) {
      const nonces = sim.wire
        .filter((packet) => packet.from === source)
        .flatMap(({ datagram }) => decodeRecords(datagram).records.filter(({ epoch }) => epoch === 1))
        .map(({ sequence, fragment }) => {
          assert.equal(toHex(fragment.subarray(0, 8)), `0001${sequence.toString(16).padStart(12, '0')}`);
          return toHex(fragment.subarray(0, 8));
        });
      assert.ok(nonces.length > 20);
      assert.equal(new Set(nonces).size, nonces.length);
    }
  }
});

test('ECDSA with r = s = 0, and DER that is none, is not accepted', async () => {
  assert.equal(decodeEcdsaSignature(fromHex('3006020101020101'), 32)?.length, 64);
  for (const der of [
    '',
    '30',
    '3000',
    '30060200020101',
    '300602010102018f',
    '30070201010202007f',
    '3006020101020101ff',
    '308106020101020101',
    '3106020101020101',
  ])
    assert.equal(decodeEcdsaSignature(fromHex(der), 32), undefined, der);
  const sim = new Simulator();
  const both = parties(sim, ecdsa, { retransmission: { maxRetransmissions: 0 } });
  rewrite(sim, from, (type, _body, sequence) =>
    type === HandshakeType.certificate_verify ? encodeHandshake({ type, sequence, body: fromHex('040300083006020100020100') }) : undefined,
  );
  both.client.connection.start();
  await sim.run(() => both.client.connection.isClosed, 10_000);
  assert.match(both.server.error!.message, /decrypt_error/);
});

test('alerts in the clear do not end a live association; they end a handshake', async () => {
  const fatal = encodePlaintextRecord(21, 9, fromHex('0228'));
  const close = encodePlaintextRecord(21, 9, fromHex('0100'));
  const sim = new Simulator();
  const both = await connected(sim, parties(sim, suite));
  for (const alert of [fatal, close]) {
    sim.inject(alert, from, to);
    sim.inject(alert, to, from);
  }
  await sim.sleep(100);
  assert.ok(both.client.connection.isConnected);
  assert.equal(both.server.all('closed').length, 0);
  const other = new Simulator();
  const { client } = parties(other, suite);
  client.connection.start();
  other.inject(fatal, to, from);
  await other.sleep(1);
  assert.equal(client.error?.code, 'ERR_DTLS_ALERT');
});

test('noise in every state does not throw, and is not accepted', async () => {
  const random = new SeededRandom(77);
  for (const name of [suite, ecdsa] as const) {
    for (let round = 0; round < (scale === 'full' ? 500 : 25); round++) {
      const sim = new Simulator({ seed: round + 1 });
      const both = parties(sim, name, { retransmission: { maxRetransmissions: 3 } });
      sim.filter = (packet) => {
        for (let i = 0; i < 3; i++) {
          const noise = random.chance(0.5) ? packet.datagram.slice(0, 1 + random.below(packet.datagram.length)) : random.bytes(random.below(200));
          for (let flips = random.below(6); flips > 0 && noise.length > 0; flips--) noise[random.below(noise.length)] = random.below(256);
          if (random.chance(0.3)) noise.set([20 + random.below(6), 0xfe, 0xfd, 0, random.below(2)].slice(0, noise.length));
          sim.inject(noise, random.chance(0.9) ? packet.from : '10.7.7.7:1', packet.to);
        }
        return true;
      };
      both.client.connection.start();
      await sim.run(() => both.client.connection.isConnected || both.client.connection.isClosed, 100_000);
      if (both.client.connection.isConnected) both.client.connection.send(utf8('x'));
      await sim.run(undefined, 200_000);
      for (const { data } of both.server.all('data')) assert.deepEqual(data, utf8('x'));
      assert.equal(both.server.server.stats().handshakes, 0);
    }
  }
});

test('an empty record of each type, in each epoch, is nothing', async () => {
  const sim = new Simulator();
  const both = await connected(sim, parties(sim, suite));
  for (const type of [0, 20, 21, 22, 23, 24, 25, 255]) {
    sim.inject(encodePlaintextRecord(type, 0, emptyBytes), from, to);
    sim.inject(fromHex(`${type.toString(16).padStart(2, '0')}fefd00010000000000ff0000`), from, to);
  }
  await sim.sleep(10);
  assert.equal(both.server.all('data').length, 0);
  both.client.connection.send(emptyBytes);
  await sim.sleep(100);
  assert.equal(both.server.all('data').length, 1, 'empty application data is data');
});
