import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowTargets, decodeMessage, Endpoint, findOption, OptionNumber, ProxyServer } from '../../src/coap/index.ts';
import type { ResourceServer } from '../../src/rs/index.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { Parties, rsAddress, rsUri } from './parties.ts';
import { auditWire } from './wire-audit.ts';

/** A resource for each of two clients, and who was let in. */
class Rooms {
  readonly visits: Map<string, Set<string>> = new Map();
  calls = 0;

  readonly build = (rs: ResourceServer): void => {
    for (const path of ['/a', '/b']) {
      rs.resource(path, {
        post: (request) => {
          this.calls++;
          const credentials = this.visits.get(path) ?? new Set();
          credentials.add(request.association?.credential ?? 'nobody');
          this.visits.set(path, credentials);
          return { code: 68, payload: `${path} says ${request.text()}` };
        },
      });
    }
  };
}

const table = { in_a: { '/a': ['POST'] }, in_b: { '/b': ['POST'] } };

/** A request of one of two owners; the answer that it must have. */
interface Errand {
  readonly owner: number;
  readonly path: string;
  readonly permitted: boolean;
  readonly text: string;
}

function errands(random: SeededRandom, count: number): Errand[] {
  return Array.from({ length: count }, (_, i) => {
    const owner = random.below(2);
    const permitted = random.chance(0.7);
    const path = (owner === 0) === permitted ? '/a' : '/b';
    return { owner, path, permitted, text: `${i} of ${owner} ${'x'.repeat(random.below(40))}` };
  });
}

interface Setup {
  readonly parties: Parties;
  readonly rooms: Rooms;
  /** Carry out an errand; the result is code and payload. */
  send(errand: Errand): Promise<readonly [string, string]>;
  close(): Promise<void>;
}

/** Two clients with keys of their own behind a forward proxy. */
async function behindProxy(options: SimulatorOptions): Promise<Setup> {
  const simulator = new Simulator(options);
  const rooms = new Rooms();
  const parameters = { nstart: 16, maxRetransmit: 8 };
  const parties = new Parties(simulator, {
    clients: 2,
    scopes: ['in_a', 'in_b'],
    rs: { scopes: table },
    resources: rooms.build,
    parameters,
    client: { proxy: 'coap://10.0.0.5' },
  });
  await parties.start();
  const env = simulator.env('proxy');
  // As patient as whoever sends a request again eight times; and it may send a response again before the client has shown its address.
  const proxying = new ProxyServer({ forward: { allow: allowTargets('10.0.0.1', '10.0.0.2') }, timeout: 2_000_000, env });
  const proxy = new Endpoint({
    transport: simulator.transport('10.0.0.5', 5683),
    env,
    parameters: { ...parameters, nstart: 64 },
    proxying,
    amplification: 'unlimited',
  });
  return {
    parties,
    rooms,
    send: async ({ owner, path, text }) => {
      const scope = owner === 0 ? 'in_a' : 'in_b';
      const response = await parties.clients[owner]!.fetch(`${rsUri}${path}`, { method: 'POST', payload: text, scope, upgrade: false });
      assert.equal(response.protected, true);
      return [response.codeText, response.codeText === '2.04' ? response.text() : ''];
    },
    close: async () => {
      await parties.close();
      await proxy.close();
    },
  };
}

/** Two contexts of one client, each from a token of its own, on one socket. */
async function onOneEndpoint(options: SimulatorOptions): Promise<Setup> {
  const rooms = new Rooms();
  const parameters = { nstart: 16, maxRetransmit: 8 };
  const parties = new Parties(new Simulator(options), { scopes: ['in_a in_b'], rs: { scopes: table }, resources: rooms.build, parameters });
  await parties.start();
  return {
    parties,
    rooms,
    send: async ({ owner, path, text }) => {
      const scope = owner === 0 ? 'in_a' : 'in_b';
      const response = await parties.client.fetch(`${rsUri}${path}`, { method: 'POST', payload: text, scope, upgrade: false });
      assert.equal(response.protected, true);
      return [response.codeText, response.codeText === '2.04' ? response.text() : ''];
    },
    close: () => parties.close(),
  };
}

for (const [name, soak, setup] of [
  ['of two clients behind one proxy', 'interleaved-proxy', behindProxy],
  ['of one client on one port', 'interleaved-port', onOneEndpoint],
] as const) {
  test(`RFC 9200 6.1, RFC 9203 4.3: contexts with different scopes ${name}, interleaved through one address, never mix`, async () => {
    const totals = await repeat(soak, { quick: 3, full: 100 }, async (seed) => {
      const random = new SeededRandom(`interleaved ${seed}`);
      // The first round is on a perfect network.
      const bad = seed === 1 ? {} : { loss: 0.1, duplication: 0.2, reorder: 0.2 };
      const { parties, rooms, send, close } = await setup({ seed, delay: [5, 50], ...bad });
      const list = errands(random, 220);
      let sent = 0;
      while (sent < list.length) {
        // Many at once, but no more than a replay window has places: a datagram that has to be sent again arrives after all the others.
        const batch: Promise<void>[] = [];
        for (const errand of list.slice(sent, (sent += 4 + random.below(20)))) {
          const answer = send(errand).then(([code, text]) => {
            assert.equal(code, errand.permitted ? '2.04' : '4.03', errand.text);
            assert.equal(text, errand.permitted ? `${errand.path} says ${errand.text}` : '');
          });
          answer.catch(() => {});
          batch.push(answer);
          if (random.chance(0.3)) await parties.simulator.sleep(random.below(60));
        }
        await parties.finish(Promise.all(batch), 10_000_000);
      }
      assert.equal(rooms.calls, list.filter(({ permitted }) => permitted).length, 'each permitted request is carried out once');
      const [a, b] = ['/a', '/b'].map((path) => [...rooms.visits.get(path)!]);
      assert.deepEqual([a!.length, b!.length], [1, 1]);
      assert.notEqual(a![0], b![0]);
      // Protected requests came from one address and port only.
      const senders = new Set(
        parties.simulator.wire
          .filter(({ to, datagram }) => to === rsAddress && findOption(decodeMessage(datagram).options, OptionNumber.Oscore) !== undefined)
          .map(({ from }) => from),
      );
      assert.equal(senders.size, 1);
      // A proxy sends the ciphertext of another on.
      const { pairs } = auditWire(parties.simulator.wire, parties.contexts.values());
      assert.deepEqual(parties.faults(), []);
      await close();
      return { requests: list.length, pairs };
    });
    assert.ok(totals['requests']! >= 600);
  });
}
