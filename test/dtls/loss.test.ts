import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CipherSuiteName } from '../../src/dtls/index.ts';
import { oneIn, repeat } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { allSuites, expectSameKeys, nothingHeld, type Parties, parties } from './parties.ts';

const retransmission = { initialTimeout: 1000, maxRetransmissions: 5 };

/** One of each key exchange. */
const threeSuites: readonly CipherSuiteName[] = ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'];

type Fault = 'dropped' | 'duplicated' | 'delayed' | 'overtaken' | 'truncated';
const faults: readonly Fault[] = ['dropped', 'duplicated', 'delayed', 'overtaken', 'truncated'];

/** Let the datagram number `index` of the handshake meet its fate, and no other. Whether there was one. */
function strike(sim: Simulator, index: number, fault: Fault): { hit: boolean } {
  const result = { hit: false };
  let count = 0;
  let overtaken: (() => void) | undefined;
  sim.filter = ({ datagram, from, to }) => {
    const number = count++;
    if (overtaken !== undefined) {
      sim.env().schedule(11, overtaken);
      overtaken = undefined;
    }
    if (number !== index) return true;
    result.hit = true;
    const deliver = (): void => sim.inject(datagram, from, to);
    if (fault === 'duplicated') sim.env().schedule(5, deliver);
    if (fault === 'delayed') sim.env().schedule(2500, deliver);
    if (fault === 'overtaken') overtaken = deliver;
    if (fault === 'truncated') sim.inject(datagram.subarray(0, datagram.length - 1), from, to);
    return fault === 'duplicated';
  };
  return result;
}

async function complete(sim: Simulator, both: Parties): Promise<void> {
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected || both.client.connection.isClosed, 200_000);
  assert.ok(both.client.connection.isConnected, `${both.client.error?.message} / ${both.server.error?.message}`);
  // Copies of handshake datagrams may still be under way.
  await sim.sleep(3000);
  sim.filter = undefined;
  await expectSameKeys(sim, both);
  both.client.connection.close();
  await sim.run();
  assert.deepEqual(both.server.server.stats(), nothingHeld);
}

for (const suite of allSuites) {
  test(`RFC 6347 4.2.4: ${suite}: each datagram of the handshake dropped, duplicated, delayed, overtaken, truncated once`, async () => {
    for (const mtu of [1200, 150]) {
      for (const fault of faults) {
        let struck = 0;
        for (let index = 0; ; index += oneIn(3, 'datagrams')) {
          const sim = new Simulator({ seed: index + 1 });
          const both = parties(sim, suite, { mtu, retransmission }, { mtu, retransmission });
          const result = strike(sim, index, fault);
          await complete(sim, both);
          if (!result.hit) break;
          struck++;
        }
        assert.ok(struck >= (mtu === 150 ? 2 : 1), `${struck} datagrams`);
      }
    }
  });
}

for (const suite of threeSuites) {
  test(`RFC 6347 4.2.4: ${suite}: datagrams lost, doubled and out of order by chance`, async () => {
    const totals = await repeat(`dtls-loss-${suite}`, { quick: 12, full: 1000 }, async (seed) => {
      const sim = new Simulator({ seed, loss: 0.2, duplication: 0.2, reorder: 0.2, delay: [5, 400] });
      const mtu = 100 + (seed % 40) * 10;
      const patient = { mtu, retransmission: { initialTimeout: 1000, maxRetransmissions: 12 }, handshakeTimeout: 3_600_000 };
      const both = parties(sim, suite, patient, patient);
      both.client.connection.start();
      await sim.run(() => both.client.connection.isConnected || both.client.connection.isClosed, 3_600_000);
      assert.ok(both.client.connection.isConnected, `seed ${seed}: ${both.client.error?.message} / ${both.server.error?.message}`);
      await sim.run(() => both.server.all('connected').length > 0, 3_600_000);
      const [accepted] = both.server.all('connected').slice(-1);
      const material = [both.client.connection, accepted!.connection].map((connection) => connection.exportKeyingMaterial('EXPORTER-test', 16));
      assert.deepEqual(material[0], material[1]);
      return { handshakes: 1, datagrams: sim.wire.length };
    });
    assert.ok(totals['handshakes']! > 0);
  });

  test(`RFC 6347 4.2.3: ${suite}: a handshake at every MTU`, async () => {
    for (let mtu = 64; mtu <= 700; mtu += oneIn(9, 'MTUs') * (mtu < 300 ? 1 : 13)) {
      const sim = new Simulator();
      const both = parties(sim, suite, { mtu }, { mtu });
      both.client.connection.start();
      await sim.run(() => both.client.connection.isConnected, 5000);
      await expectSameKeys(sim, both);
      for (const { datagram } of sim.wire) {
        const isHello = datagram[0] === 22 && datagram[13] === 1;
        assert.ok(isHello || datagram.length <= Math.max(mtu, 64), `${datagram.length} bytes at an MTU of ${mtu}`);
      }
    }
  });

  test(`${suite}: a bit of a datagram turned over: the same keys, or a failure on both sides`, async () => {
    let ended = 0;
    let completed = 0;
    const step = oneIn(20, 'bits');
    for (let index = 0; ; index++) {
      let length = 0;
      // A prime step meets every place of a byte.
      for (let bit = 0; bit === 0 || bit < 8 * length; bit += 37 * step) {
        const sim = new Simulator({ seed: 3 });
        const both = parties(
          sim,
          suite,
          { retransmission: { maxRetransmissions: 2 } },
          { retransmission: { maxRetransmissions: 2 }, handshakeTimeout: 20_000 },
        );
        let count = 0;
        sim.filter = ({ datagram }) => {
          if (count++ !== index) return true;
          length = datagram.length;
          datagram[bit >> 3]! ^= 1 << (bit & 7);
          return true;
        };
        const { client, server } = both;
        client.connection.start();
        await sim.run(() => client.connection.isConnected || client.connection.isClosed, 60_000);
        await sim.run(undefined, 30_000);
        if (client.connection.isConnected) {
          sim.filter = undefined;
          await expectSameKeys(sim, both);
          completed++;
        } else {
          assert.equal(server.all('connected').length, 0, `bit ${bit} of datagram ${index}`);
          ended++;
        }
        if (length === 0) break;
      }
      if (length === 0) break;
    }
    assert.ok(ended > 0 && completed > 0, `${ended} ended, ${completed} completed`);
  });
}
