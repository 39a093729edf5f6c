import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyBytes } from '../../src/core/bytes.ts';
import { type FlightItem, FlightTimer } from '../../src/dtls/flight.ts';
import { Simulator } from '../support/simulator.ts';

const items: readonly FlightItem[] = [{ epoch: 0, message: { type: 14, sequence: 0, body: emptyBytes } }];

interface Sent {
  readonly at: number;
  readonly mtu: number;
}

function timer(
  maxRetransmissions: number,
  lifetime = 3_600_000,
): { readonly sim: Simulator; readonly sent: Sent[]; readonly flight: FlightTimer; readonly failures: unknown[] } {
  const sim = new Simulator();
  const sent: Sent[] = [];
  const failures: unknown[] = [];
  const parameters = { initialTimeout: 1000, maxTimeout: 60_000, maxRetransmissions };
  const flight = new FlightTimer(
    parameters,
    lifetime,
    1200,
    sim.env(),
    (_, mtu) => sent.push({ at: sim.now, mtu }),
    (overdue) => failures.push([overdue, sim.now]),
  );
  return { sim, sent, flight, failures };
}

test('RFC 6347 4.2.4.1: 1 s, doubled up to 60 s, then the handshake fails', async () => {
  const { sim, sent, flight, failures } = timer(8);
  flight.send(items, true);
  await sim.run();
  assert.deepEqual(
    sent.map(({ at }) => at / 1000),
    [0, 1, 3, 7, 15, 31, 63, 123, 183],
  );
  assert.deepEqual(failures, [['answer', 243_000]]);
});

test('RFC 6347 4.1.1.1: after three unanswered ones in smaller datagrams', async () => {
  const { sim, sent, flight } = timer(4);
  flight.send(items, true);
  await sim.run();
  assert.deepEqual(
    sent.map(({ mtu }) => mtu),
    [1200, 1200, 1200, 508, 508],
  );
});

test('RFC 6347 4.2.4: the answer ends it; a flight of the peer that comes again brings it again and starts the timer anew', async () => {
  const { sim, sent, flight, failures } = timer(3);
  flight.send(items, true);
  await sim.sleep(600);
  flight.repeat();
  await sim.sleep(900);
  assert.equal(sent.length, 2, 'the timer began again at 600 ms');
  await sim.sleep(200);
  assert.equal(sent.length, 3);
  flight.stop();
  await sim.run();
  assert.equal(sent.length, 3);
  assert.deepEqual(failures, []);
  assert.equal(sim.pending, 0);
});

test('RFC 6347 4.2.4: the last flight has no timer, and is sent again only for the peer, who cannot make it come for ever', async () => {
  const { sim, sent, flight } = timer(3);
  flight.repeat();
  assert.equal(sent.length, 0, 'there is nothing to repeat');
  flight.send(items, false);
  await sim.run();
  assert.equal(sent.length, 1);
  for (let i = 0; i < 100; i++) flight.repeat();
  assert.equal(sent.length, 17);
  assert.equal(sim.pending, 0);
});

test('a handshake ends when its time is over, whether a flight waits for its answer or none was sent yet', async () => {
  const waiting = timer(8, 5000);
  waiting.flight.send(items, true);
  await waiting.sim.run();
  assert.deepEqual(
    waiting.sent.map(({ at }) => at),
    [0, 1000, 3000],
  );
  assert.deepEqual(waiting.failures, [['handshake', 5000]]);
  const paused = timer(8, 5000);
  paused.flight.watch();
  await paused.sim.run();
  assert.deepEqual(paused.failures, [['handshake', 5000]]);
  assert.equal(paused.sim.pending, 0);
});

test('RFC 6347 4.2.4.1: flights that follow each other set one timer of the host, and each has its whole time', async () => {
  const { sim, sent, flight } = timer(1);
  flight.send(items, true);
  await sim.sleep(400);
  flight.send(items, true);
  assert.equal(sim.pending, 1);
  await sim.sleep(900);
  assert.equal(sent.length, 2, 'not at 1000 ms');
  await sim.sleep(200);
  assert.deepEqual(
    sent.map(({ at }) => at),
    [0, 400, 1400],
  );
});
