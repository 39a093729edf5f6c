import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, isRequest, MessageType } from '../../src/coap/index.ts';
import { auditWire } from '../flows/wire-audit.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { checkNotes, ObservationWorld } from './observation-world.ts';

function start(options: ConstructorParameters<typeof Simulator>[0] = {}): ObservationWorld {
  const world = new ObservationWorld(new Simulator(options));
  world.startServer();
  world.startClient(40_000, 'the client');
  return world;
}

const got = (world: ObservationWorld): string[] => world.notes.flatMap(([what, value]) => (what === 'got' ? [value] : []));

async function restartClient(world: ObservationWorld, port = 40_000, name?: string): Promise<void> {
  await world.kill('client');
  world.startClient(port, name);
}

test('RFC 8613 B.1.3: a client that starts again registers again, and the loop goes on with what is new', async () => {
  const world = start();
  await world.caughtUp();
  world.next();
  await world.caughtUp();
  await restartClient(world);
  world.next();
  await world.caughtUp();
  world.next();
  await world.caughtUp();
  assert.deepEqual(got(world), ['0', '1', '2', '3']);
});

test('RFC 8613 B.1.3: what the loop has processed does not come again, and what it has not does', async () => {
  const world = start();
  await world.caughtUp();
  await world.simulator.sleep(1000);
  await restartClient(world);
  await world.simulator.sleep(1000);
  assert.deepEqual(world.notes, [
    ['got', '0'],
    ['processed', '0'],
  ]);
  world.effort = 100;
  world.next();
  await world.caughtUp();
  await world.simulator.sleep(50);
  await restartClient(world);
  await world.simulator.sleep(1000);
  assert.deepEqual(got(world), ['0', '1', '1']);
  assert.deepEqual(checkNotes(world.notes), { got: 3, again: 1 });
});

test('RFC 8613 B.1.3, 5.4: late notifications of the registration before are refused, also under the same token from the same port', async () => {
  const world = start();
  await world.caughtUp();
  const late: Packet[] = [];
  for (let i = 0; i < 3; i++) {
    world.next();
    await world.caughtUp();
  }
  late.push(...world.simulator.wire.filter(({ from, datagram }) => from === '10.0.0.1:5683' && datagram.length > 4));
  assert.equal(late.length, 4);
  const token = (packet: Packet): string => decodeMessage(packet.datagram).token.join();
  await world.kill('client');
  // The message ids will be the same, too: EXCHANGE_LIFETIME has to pass.
  await world.simulator.sleep(300_000);
  world.startClient(40_000, 'the client');
  await world.simulator.sleep(1000);
  assert.equal(token(world.simulator.wire.findLast(({ from }) => from === '10.0.0.1:5683')!), token(late[0]!), 'the test means one token');
  for (const { datagram, from, to } of late) {
    // A message id of its own, or message deduplication would take it.
    const again = datagram.slice();
    again[2] = again[2]! ^ 0x80;
    again[0] = (again[0]! & 0xcf) | (MessageType.NON << 4);
    world.simulator.inject(again, from, to);
  }
  await world.simulator.sleep(1000);
  assert.deepEqual(world.discarded, Array(4).fill('decrypt'));
  world.next();
  await world.caughtUp();
  assert.deepEqual(got(world), ['0', '1', '2', '3', '4']);
  assert.equal(world.outcome, undefined);
});

test('RFC 8613 8.4.2, step B: a response that does not verify does not cancel the observation, and it is renewed when its turn comes', async () => {
  const world = start();
  await world.caughtUp();
  const first = world.simulator.wire.find(({ from }) => from === '10.0.0.1:5683')!;
  const forged = first.datagram.slice();
  forged[forged.length - 1] = forged.at(-1)! ^ 1;
  forged[0] = (forged[0]! & 0xcf) | (MessageType.NON << 4);
  forged[2] = forged[2]! ^ 0x80;
  // Without an Outer Observe option it would be the last: 5 bytes of token, then option 6 of no more than 3 bytes.
  const at = 4 + (forged[0]! & 15);
  assert.equal(forged[at]! >> 4, 6);
  const observeLength = forged[at]! & 15;
  const rest = forged.slice(at + 1 + observeLength);
  rest[0] = rest[0]! + 0x60;
  const last = new Uint8Array([...forged.subarray(0, at), ...rest]);
  last[3] = last[3]! ^ 1;
  for (const datagram of [forged, last]) world.simulator.inject(datagram, first.from, first.to);
  const before = world.simulator.wire.length;
  await world.simulator.sleep(60_000);
  assert.deepEqual(world.discarded, ['decrypt', 'decrypt']);
  const asked = world.simulator.wire.slice(before).filter(({ from, datagram }) => from === '10.0.0.2:40000' && isRequest(datagram[1]!));
  assert.equal(asked.length, 0, 'not at once');
  world.value++;
  await world.caughtUp(20_000);
  assert.deepEqual(got(world), ['0', '1']);
  assert.equal(world.outcome, undefined);
});

test('RFC 7641 3.3.1, RFC 8613 B.1.2: a server that starts again: its silence is noticed, it is asked again and shown its Echo', async () => {
  const world = start();
  await world.caughtUp();
  await world.kill('server');
  world.startServer();
  await world.simulator.sleep(200_000);
  assert.deepEqual(got(world), ['0'], 'the state is the one that was processed');
  world.next();
  await world.caughtUp(1000);
  await world.kill('server');
  world.value = 7;
  world.startServer();
  await world.caughtUp(80_000);
  assert.deepEqual(got(world), ['0', '1', '7']);
});

test('a server that is away for an hour: the registration is tried again, with pauses that grow', async () => {
  const world = start();
  await world.caughtUp();
  await world.kill('server');
  await world.simulator.sleep(3_600_000);
  assert.equal(world.outcome, undefined);
  const delays = world.events.flatMap((event) => (event.type === 'observation' ? [event.delay] : []));
  assert.ok(delays.length >= 5 && delays.length < 40, `${delays.length}`);
  assert.ok(delays[0]! >= 5000 && delays[0]! < 15_000);
  assert.ok(delays.at(-1)! >= 32 * 5000);
  world.value = 5;
  world.startServer();
  await world.caughtUp(1_000_000);
  world.next();
  await world.caughtUp(1000);
  assert.deepEqual(got(world), ['0', '5', '6']);
});

test('a client that starts before its server: the loop waits for it', async () => {
  const world = new ObservationWorld(new Simulator());
  world.startClient(40_000);
  await world.simulator.sleep(500_000);
  world.startServer();
  await world.caughtUp(600_000);
  assert.deepEqual(got(world), ['0']);
});

test('RFC 8613 7.2, B.1.3: kills of client and server at any moment on a bad network: no value twice, none older, and the last one comes', async () => {
  const totals = await repeat('observation-restarts', { quick: 20, full: 1000 }, async (seed) => {
    const random = new SeededRandom(`observation ${seed}`);
    const world = start({ seed, loss: 0.15, duplication: 0.15, reorder: 0.15, delay: [5, 60] });
    let port = 40_000;
    world.effort = 1 + random.below(50);
    const kills = { client: 0, server: 0 };
    for (let i = 0; i < 30; i++) {
      await world.simulator.sleep(random.chance(0.7) ? random.below(300) : random.below(100_000));
      if (random.chance(0.6)) world.next();
      if (!random.chance(0.4)) continue;
      await world.simulator.sleep(random.below(200));
      const role = random.pick(['client', 'client', 'server'] as const);
      await world.kill(role);
      kills[role]++;
      if (random.chance(0.3)) {
        world.value++;
        await world.simulator.sleep(random.below(20_000));
      }
      if (role === 'server') world.startServer();
      // On the same port what is under way to the old process reaches the new one; `the client` has its tokens, too.
      else world.startClient(random.chance(0.5) ? port : ++port, random.chance(0.5) ? 'the client' : undefined);
    }
    world.next();
    await world.caughtUp();
    assert.equal(world.outcome, undefined);
    const { pairs } = auditWire(world.simulator.wire, world.contexts);
    const refused = world.discarded.filter((reason) => reason === 'decrypt').length;
    return { clients: kills.client, servers: kills.server, ...checkNotes(world.notes), pairs, refused };
  });
  assert.ok(totals['clients']! > 50 && totals['servers']! > 20);
  assert.ok(totals['again']! > 0, 'some were not processed');
  assert.ok(totals['refused']! > 0, 'late notifications of old registrations came');
});
