import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parties, rsUri } from '../client/parties.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';

/** Flip bits, cut, or lengthen. */
function mutate(datagram: Uint8Array, random: SeededRandom): Uint8Array {
  const kind = random.between(0, 4);
  if (kind < 1) return datagram.slice(0, Math.floor(random.between(0, datagram.length)));
  if (kind < 1.5) return Uint8Array.from([...datagram, ...random.bytes(8)]);
  const mutated = datagram.slice();
  for (let flips = 1 + Math.floor(random.between(0, 3)); flips > 0; flips--) {
    const at = Math.floor(random.between(0, mutated.length));
    mutated[at]! ^= 1 << Math.floor(random.between(0, 8));
  }
  return mutated;
}

test('hostile: what passed on the wire, mutated and replayed to RS and client: no fault, no handler, no state left', async () => {
  const totals = await repeat('rs-hostile', { quick: 3, full: 100 }, async (seed) => {
    const parties = await new Parties({ simulator: { seed }, rsAtAs: { tokenLifetime: 60 }, client: { renewal: 0 } }).start();
    const before = parties.rs.stats();
    await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
    await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
    const handled = parties.handled.length;
    const recorded = parties.simulator.wire.map(({ datagram, to }) => ({ datagram, to }));
    const random = new SeededRandom(`mutations ${seed}`);
    let injected = 0;
    for (let round = 0; round < 40; round++) {
      for (const { datagram, to } of recorded) {
        // Some from the client's own address, others from where nobody is known.
        const from = random.chance(0.3) ? '10.0.0.3:40000' : `10.0.9.${round}:${1000 + Math.floor(random.between(0, 50_000))}`;
        parties.simulator.inject(random.chance(0.1) ? datagram : mutate(datagram, random), from, to);
        injected++;
      }
      await parties.simulator.sleep(100);
    }
    assert.equal(parties.handled.length, handled, `seed ${seed}`);
    assert.equal(parties.led, 'on');
    assert.deepEqual(
      parties.rsEvents.filter((event) => event.type === 'fault'),
      [],
    );
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05', `seed ${seed}`);
    await parties.simulator.sleep(1_000_000);
    assert.deepEqual(parties.rs.stats(), before, `seed ${seed}`);
    await parties.close();
    return { injected };
  });
  assert.ok(totals['injected']! > 1000);
});
