import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from './random.ts';
import { Simulator, type SimulatorOptions } from './simulator.ts';

/** Send `count` numbered datagrams, one per 10 ms, and tell which arrive when. */
async function flood(options: SimulatorOptions, count: number): Promise<{ sim: Simulator; arrived: [index: number, at: number][] }> {
  const sim = new Simulator(options);
  const from = sim.transport('10.0.0.1', 1);
  const arrived: [number, number][] = [];
  sim.transport('10.0.0.2', 2).start((datagram) => arrived.push([datagram[0]! * 256 + datagram[1]!, sim.now]));
  for (let i = 0; i < count; i++) {
    from.send(Uint8Array.of(i >> 8, i), sim.peer('10.0.0.2', 2));
    await sim.sleep(10);
  }
  await sim.run();
  return { sim, arrived };
}

test('simulator: without faults every datagram arrives once, in order, after the delay', async () => {
  const { arrived, sim } = await flood({ delay: 25 }, 50);
  assert.deepEqual(
    arrived,
    Array.from({ length: 50 }, (_, i) => [i, i * 10 + 25]),
  );
  assert.deepEqual({ ...sim.wire[3], datagram: undefined }, { time: 30, from: '10.0.0.1:1', to: '10.0.0.2:2', datagram: undefined, arrivals: [55] });
});

test('simulator: loss, duplication and reordering happen about as often as asked, and the same way for the same seed', async () => {
  const options = { seed: 11, loss: 0.2, duplication: 0.1, delay: [10, 100] } as const;
  const { arrived } = await flood(options, 1000);
  const distinct = new Set(arrived.map(([i]) => i));
  assert.ok(distinct.size > 750 && distinct.size < 850, String(distinct.size));
  const twice = arrived.length - distinct.size;
  assert.ok(twice > 50 && twice < 120, String(twice));
  assert.ok(arrived.some(([index], i) => i > 0 && index < arrived[i - 1]![0]));
  assert.deepEqual((await flood(options, 1000)).arrived, arrived);
  assert.notDeepEqual((await flood({ ...options, seed: 12 }, 1000)).arrived, arrived);
});

test('simulator: clocks of all environments agree, epoch follows them, randomness depends on the name', async () => {
  const sim = new Simulator({ seed: 4, epoch: 1000 });
  const [a, b] = [sim.env('a'), sim.env('b')];
  await sim.sleep(1500);
  assert.deepEqual([a.now(), b.now(), a.epoch(), b.epoch()], [1500, 1500, 1001.5, 1001.5]);
  assert.notDeepEqual(a.random(16), b.random(16));
  assert.deepEqual(new Simulator({ seed: 4 }).env('a').random(16), new Simulator({ seed: 4 }).env('a').random(16));
});

test('simulator: promises and immediates settle between events', async () => {
  const sim = new Simulator();
  const env = sim.env();
  const order: string[] = [];
  env.schedule(10, () => {
    void (async () => {
      for (let i = 0; i < 5; i++) await undefined;
      await new Promise((done) => setImmediate(done));
      order.push('promise');
      env.schedule(0, () => order.push('from promise'));
    })();
  });
  env.schedule(11, () => order.push('next event'));
  await sim.run();
  assert.deepEqual(order, ['promise', 'from promise', 'next event']);
});

test('simulator: events at the same time run in the order in which they were scheduled; cancelled ones do not', async () => {
  const sim = new Simulator();
  const env = sim.env();
  const order: number[] = [];
  const cancels = [3, 1, 2, 4].map((i) => env.schedule(5, () => order.push(i)));
  env.schedule(1, () => order.push(0));
  cancels[1]!();
  cancels[1]!();
  assert.equal(sim.pending, 4);
  await sim.run();
  assert.deepEqual(order, [0, 3, 2, 4]);
  assert.equal(sim.pending, 0);
});

test('simulator: it tells when nothing is scheduled any more, and when the limit is over', async () => {
  const sim = new Simulator();
  const env = sim.env();
  await assert.rejects(
    sim.run(() => false),
    /nothing is scheduled/,
  );
  const tick = (): void => {
    env.schedule(10, tick);
  };
  tick();
  await assert.rejects(
    sim.run(() => false, 95),
    /limit of 95 ms/,
  );
  assert.equal(sim.now, 90);
  await assert.rejects(sim.finish(Promise.reject(new Error('from inside'))), /from inside/);
});

test('simulator: an injected datagram comes from any address; the filter loses what it is asked to', async () => {
  const sim = new Simulator();
  const seen: string[] = [];
  const transport = sim.transport('10.0.0.2', 2);
  transport.start((datagram, peer) => seen.push(`${peer.key} ${datagram[0]}`));
  sim.filter = ({ datagram }) => datagram[0] !== 7;
  sim.inject(Uint8Array.of(7), '192.0.2.9:99', '10.0.0.2:2');
  const other = sim.transport('10.0.0.1', 1);
  for (const value of [6, 7, 8]) other.send(Uint8Array.of(value), sim.peer('10.0.0.2', 2));
  await sim.run();
  assert.deepEqual(seen, ['192.0.2.9:99 7', '10.0.0.1:1 6', '10.0.0.1:1 8']);
  assert.deepEqual(
    sim.wire.map(({ arrivals }) => arrivals.length),
    [1, 1, 0, 1],
  );
  assert.throws(() => sim.transport('10.0.0.2', 2), /bound already/);
  await transport.close();
  sim.transport('10.0.0.2', 2);
});

test('seeded randomness: even, and apart for neighbouring seeds', () => {
  const random = new SeededRandom(1);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++;
  assert.ok(
    counts.every((count) => count > 850 && count < 1150),
    counts.join(),
  );
  assert.notDeepEqual(new SeededRandom(1).bytes(8), new SeededRandom(2).bytes(8));
  assert.deepEqual(new SeededRandom('x').bytes(8), new SeededRandom('x').bytes(8));
});
