import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, deriveParameters, Endpoint, type Handler, Method, type TransmissionParameters } from '../../../src/coap/index.ts';
import { windows } from '../../../src/coap/messaging/window.ts';
import { emptyBytes } from '../../../src/core/bytes.ts';
import { Simulator, type SimulatorOptions } from '../../support/simulator.ts';

const client = '10.0.0.2:5683';
const answer: Handler = (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: emptyBytes });

/** A client with a server before it, and what the client had outstanding. */
function pair(parameters: Partial<TransmissionParameters>, network: SimulatorOptions = {}, handler: Handler = answer) {
  const sim = new Simulator(network);
  const of = (address: string, more: object): Endpoint =>
    new Endpoint({ transport: sim.transport(address, 5683), env: sim.env(address), amplification: 'unlimited', limits: { queue: 1000 }, ...more });
  const server = of('10.0.0.1', { handler });
  const endpoint = of('10.0.0.2', { parameters });
  const ask = (count: number, nonConfirmable = false): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, () => endpoint.request({ code: Method.GET, peer: sim.peer('10.0.0.1', 5683), nonConfirmable })));
  /** How many messages left at once, in order. */
  const flights = (since = 0): number[] => {
    const times = new Map<number, number>();
    for (const { time, from } of sim.wire) if (from === client && time >= since) times.set(time, (times.get(time) ?? 0) + 1);
    return [...times.values()];
  };
  const close = async (): Promise<void> => {
    await endpoint.close();
    await server.close();
  };
  return { sim, ask, flights, close };
}

describe('RFC 7252 4.7 and 4.8.1: NSTART that adjusts', () => {
  test('it begins at NSTART, grows with what is answered up to its limit, and is fixed without one', async () => {
    for (const [parameters, expected] of [
      [{}, Array(40).fill(1)],
      [{ nstart: 20 }, [20, 20]],
      [{ nstartLimit: 16 }, [1, 2, 4, 8, 16, 9]],
      [{ nstart: 4, nstartLimit: 10 }, [4, 8, 10, 10, 8]],
    ] as const) {
      const { sim, ask, flights, close } = pair(parameters);
      await sim.finish(ask(40));
      assert.deepEqual(flights(), expected);
      await close();
    }
  });

  test('what is not used does not grow', async () => {
    const { sim, ask, flights, close } = pair({ nstartLimit: 16 });
    for (let i = 0; i < 10; i++) await sim.finish(ask(2));
    const since = sim.now;
    await sim.finish(ask(8));
    assert.deepEqual(flights(since), [3, 5]);
    await close();
  });

  test('a loss begins it anew; from half of what was outstanding on it grows by one in a round trip', async () => {
    const { sim, ask, flights, close } = pair({ nstartLimit: 64, ackRandomFactor: 1 }, { delay: 210 });
    let left = 0;
    // The first two of the flight of 16.
    sim.filter = ({ from }) => from !== client || ++left < 16 || left > 17;
    await sim.finish(ask(600));
    const lost = sim.wire.filter(({ from, arrivals }) => from === client && arrivals.length === 0);
    assert.deepEqual([lost.length, lost[1]!.time - lost[0]!.time], [2, 0]);
    const again = lost[0]!.time + 2000;
    assert.deepEqual(flights().slice(0, 5), [1, 2, 4, 8, 16]);
    // The two again, and nothing new until all that was outstanding is answered.
    assert.deepEqual(flights(again).slice(0, 9), [2, 1, 2, 4, 8, 16, 32, 32, 33]);
    await close();
  });

  test('of messages that are lost together the first alone counts, a repetition that is lost counts again', () => {
    const sim = new Simulator();
    const env = { ...sim.env(), now: () => now };
    let now = 0;
    const window = windows(deriveParameters({ nstartLimit: 32 }), env)();
    const answered = (count: number): number => {
      for (let i = 0; i < count; i++) window.answered(now - 10, window.size);
      return window.size;
    };
    assert.equal(answered(40), 32);
    now = 2500;
    window.lost(0, 20);
    assert.equal(window.size, 1);
    now = 2700;
    assert.equal(answered(4), 5);
    window.lost(0, 8);
    assert.equal(window.size, 5);
    window.answered(2400, 30);
    assert.equal(window.size, 5, 'it left before the loss');
    assert.equal(answered(5), 10);
    assert.equal(answered(9), 10, 'half of the 20: from here on by one in a round trip');
    assert.equal(answered(2), 11);
    now = 6500;
    window.lost(2500, 1);
    assert.equal(window.size, 1);
    now = 6600;
    assert.equal(answered(1), 2, 'no less than two');
    assert.equal(answered(1), 2);
    assert.equal(answered(2), 3);
  });

  test('after ACK_TIMEOUT without a message it begins anew', async () => {
    const { sim, ask, flights, close } = pair({ nstartLimit: 16 });
    await sim.finish(ask(40));
    await sim.sleep(1000);
    let since = sim.now;
    await sim.finish(ask(16));
    assert.deepEqual(flights(since), [16]);
    await sim.sleep(2001);
    since = sim.now;
    await sim.finish(ask(16));
    assert.deepEqual(flights(since), [1, 2, 4, 8, 1]);
    await close();
  });

  test('where answers come about as late as repetitions it does not grow', async () => {
    const { sim, ask, flights, close } = pair({ nstartLimit: 16 }, { delay: 900 });
    await sim.finish(ask(10));
    assert.deepEqual(flights(), Array(10).fill(1));
    await close();
  });

  test('separate responses and answers to Non-confirmable requests count', async () => {
    const later: { respond(): void }[] = [];
    const slow = pair({ nstartLimit: 16 }, {}, (_request, reply) => {
      later.push({ respond: () => reply.respond({ code: Code.Content, options: [], payload: emptyBytes }) });
    });
    const asked = slow.ask(7);
    while (later.length < 7) await slow.sim.sleep(100);
    assert.deepEqual(slow.flights(), [1, 2, 4], 'the acknowledgements');
    for (const { respond } of later) respond();
    await slow.sim.finish(asked);
    await slow.close();
    const { sim, ask, flights, close } = pair({ nstartLimit: 16 });
    await sim.finish(ask(31, true));
    assert.deepEqual(flights(), [1, 2, 4, 8, 16]);
    await close();
  });

  test('a limit below NSTART is refused', () => {
    assert.throws(() => pair({ nstart: 4, nstartLimit: 3 }), { code: 'ERR_COAP_PARAMETER' });
  });
});
