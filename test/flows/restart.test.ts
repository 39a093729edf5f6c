import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceError } from '../../src/ace/index.ts';
import type { AceResponse } from '../../src/client/index.ts';
import { CoapError } from '../../src/coap/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { asAddress, Parties, rsAddress, rsUri } from './parties.ts';
import { auditWire } from './wire-audit.ts';

type Role = 'as' | 'rs' | 'client1';

const ports = { next: 41_000 };

/** Stop or kill a role, and start it again with what its store has. A client comes back on another port, as a process would. */
async function restart(parties: Parties, role: Role, how: 'stop' | 'kill'): Promise<void> {
  if (how === 'kill') await parties.kill(role);
  else await parties.finish(role === 'client1' ? parties.client.close() : parties[role].close());
  if (role === 'as') await parties.startAs();
  else if (role === 'rs') await parties.startRs();
  else parties.startClient(0, ports.next++);
}

const get = (parties: Parties): Promise<AceResponse> => parties.client.fetch(`${rsUri}/temperature`);
const put = (parties: Parties, payload: string): Promise<AceResponse> => parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload });

for (const how of ['stop', 'kill'] as const) {
  for (const roles of [['as'], ['rs'], ['client1'], ['as', 'rs'], ['as', 'rs', 'client1']] as const) {
    test(`RFC 8613 7.5, B.1: ${how} and start of ${roles.join(', ')} half-way: it goes on, and no (key, nonce) pair is used twice`, async () => {
      const parties = await new Parties(new Simulator({ seed: 1 })).start();
      assert.equal((await parties.finish(get(parties))).codeText, '2.05');
      assert.equal((await parties.finish(put(parties, '1'))).codeText, '2.04');
      const before = auditWire(parties.simulator.wire, parties.contexts.values());
      for (const role of roles) await restart(parties, role, how);
      parties.steps();
      assert.equal((await parties.finish(get(parties))).codeText, '2.05');
      const steps = parties.steps();
      assert.ok(!steps.includes('upload') && !steps.includes('token-request'), `the token and the context serve on: ${steps.join()}`);
      // The AS is asked again, by the key that it gave before.
      assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/log`, { method: 'POST', payload: '2' }))).codeText, '2.01');
      assert.equal((await parties.finish(put(parties, '3'))).codeText, '2.04');
      assert.deepEqual(parties.written, ['1', '2', '3']);
      assert.ok(parties.steps().includes('update'), 'the AS still knows the key of the context');
      const after = auditWire(parties.simulator.wire, parties.contexts.values());
      assert.ok(after.pairs > before.pairs);
      assert.equal(after.keys, before.keys, 'no other key came into use');
      assert.deepEqual(parties.faults(), []);
      await parties.close();
    });
  }
}

test('RFC 9175 2.3: an AS that is killed between two Echoes that it wants to see gives the token all the same', async () => {
  const parties = await new Parties(new Simulator({ seed: 1 })).start();
  await parties.finish(get(parties));
  await restart(parties, 'as', 'kill');
  const { wire } = parties.simulator;
  const before = wire.length;
  const log = parties.client.fetch(`${rsUri}/log`, { method: 'POST', payload: '1' });
  await parties.simulator.run(() => wire.slice(before).some(({ from }) => from === asAddress), 10_000);
  await restart(parties, 'as', 'kill');
  assert.equal((await parties.finish(log)).codeText, '2.01');
  assert.ok(parties.steps().includes('retry'));
  assert.deepEqual(parties.written, ['1']);
  auditWire(wire, parties.contexts.values());
  assert.deepEqual(parties.faults(), []);
  await parties.close();
});

test('RFC 8613 7.5.2: an RS that lost its store too: the token is uploaded again, under keys of its own', async () => {
  const parties = await new Parties(new Simulator({ seed: 2 })).start();
  await parties.finish(put(parties, '1'));
  const { keys } = auditWire(parties.simulator.wire, parties.contexts.values());
  await parties.kill('rs');
  for await (const [key] of parties.stores.rs.scan('')) await parties.stores.rs.delete(key);
  await parties.startRs();
  parties.steps();
  assert.equal((await parties.finish(put(parties, '2'))).codeText, '2.04');
  assert.deepEqual(parties.steps(), ['request', 'response', 'forgotten', 'upload', 'context', 'request', 'response']);
  assert.deepEqual(parties.written, ['1', '2']);
  assert.equal(auditWire(parties.simulator.wire, parties.contexts.values()).keys, keys + 2);
  await parties.close();
});

test('RFC 8613 D.4: a client that comes back with an older copy of its store reuses nonces, and the audit of the wire sees it', async () => {
  const parties = await new Parties(new Simulator({ seed: 5 })).start();
  await parties.finish(get(parties));
  const copy = memoryStore();
  for await (const [key, value] of parties.stores.clients[0]!.scan('')) await copy.put(key, value);
  await restart(parties, 'client1', 'kill');
  await parties.finish(put(parties, '1'));
  auditWire(parties.simulator.wire, parties.contexts.values());
  await parties.kill('client1');
  await parties.finish(
    parties
      .startClient(0, ports.next++, { store: copy })
      .fetch(`${rsUri}/temperature`)
      .catch(() => {}),
  );
  assert.throws(() => auditWire(parties.simulator.wire, parties.contexts.values()), /a nonce was used twice/);
  await parties.close();
});

test('RFC 7641 3.3.1: an observation outlives a restart of the RS', async () => {
  const parties = await new Parties(new Simulator({ seed: 3 })).start();
  const stream = parties.client.observe(`${rsUri}/temperature`);
  assert.equal((await parties.finish(stream.next())).value!.text(), '21.5');
  await restart(parties, 'rs', 'kill');
  parties.temperature.value = '30';
  // The registration is renewed when the last notification is no longer fresh; the RS wants to see an Echo first.
  assert.equal((await parties.finish(stream.next(), 200_000)).value!.text(), '30');
  parties.temperature.value = '31';
  parties.temperature.changed();
  assert.equal((await parties.finish(stream.next(), 1000)).value!.text(), '31');
  await parties.finish(stream.return());
  await parties.simulator.sleep(1000);
  auditWire(parties.simulator.wire, parties.contexts.values());
  await parties.close();
});

/** What a kill in the middle of a request may end with. */
function isCleanFailure(error: unknown): boolean {
  return error instanceof CoapError || error instanceof AceError;
}

test('RFC 8613 7.5, B.1: kills at any moment, also while messages are on their way: no (key, nonce) pair is used twice, and it always goes on', async () => {
  const totals = await repeat('flow-kills', { quick: 15, full: 300 }, async (seed) => {
    const random = new SeededRandom(`kills ${seed}`);
    const parties = await new Parties(new Simulator({ seed, delay: [5, 40], loss: 0.05, duplication: 0.1 })).start();
    let kills = 0;
    let failures = 0;
    for (let i = 0; i < 12; i++) {
      const errand = random.pick([
        get,
        (all: Parties) => put(all, `${i}`),
        (all: Parties) => all.client.fetch(`${rsUri}/log`, { method: 'POST', payload: `${i}` }),
      ]);
      const work = errand(parties);
      // Nobody waits for the work of a client that was killed.
      let settled: boolean | undefined;
      work.then(
        () => {
          settled = true;
        },
        (error: unknown) => {
          assert.ok(isCleanFailure(error), String(error));
          settled = false;
        },
      );
      if (random.chance(0.7)) {
        await parties.simulator.sleep(random.below(400));
        const role = random.pick(['as', 'rs', 'client1'] as const);
        await restart(parties, role, random.chance(0.7) ? 'kill' : 'stop');
        kills++;
        if (role === 'client1') continue;
      }
      await parties.simulator.run(() => settled !== undefined, 1_000_000);
      if (settled === false) failures++;
    }
    // Whatever happened: now it works.
    const response = await parties.finish(get(parties));
    assert.equal(response.codeText, '2.05');
    const { messages, pairs } = auditWire(parties.simulator.wire, parties.contexts.values());
    assert.deepEqual(parties.faults(), []);
    await parties.close();
    return { kills, failures, messages, pairs };
  });
  assert.ok(totals['kills']! > 50);
  assert.ok(totals['pairs']! > 500);
});

/** A durable observation of one client process, and what it got; a killed process writes nothing more. */
function follow(parties: Parties, got: string[]): { alive: boolean; outcome: unknown } {
  const life = { alive: true, outcome: undefined as unknown };
  const read = async (): Promise<void> => {
    for await (const response of parties.client.observe(`${rsUri}/temperature`, { durable: 'temperature' })) {
      if (!life.alive) return;
      got.push(response.codeText === '2.05' ? response.text() : response.codeText);
    }
    life.outcome = 'ended';
  };
  read().catch((error: unknown) => {
    life.outcome = error;
  });
  return life;
}

test('RFC 8613 B.1.3: kills at any moment, of client, RS and AS, with tokens that end: a durable observation goes on, without an older value', async () => {
  const totals = await repeat('flow-observation-kills', { quick: 10, full: 300 }, async (seed) => {
    const random = new SeededRandom(`observation kills ${seed}`);
    const simulator = new Simulator({ seed, delay: [5, 40], loss: 0.05, duplication: 0.1 });
    const parties = await new Parties(simulator, { tokenLifetime: 300 }).start();
    parties.temperature.value = '0';
    const got: string[] = [];
    let life = follow(parties, got);
    let kills = 0;
    const next = (): void => {
      parties.temperature.value = `${Number(parties.temperature.value) + 1}`;
      parties.temperature.changed();
    };
    for (let i = 0; i < 20; i++) {
      await simulator.sleep(random.chance(0.6) ? random.below(400) : random.below(150_000));
      if (random.chance(0.6)) next();
      if (!random.chance(0.4)) continue;
      await simulator.sleep(random.below(300));
      const role = random.pick(['as', 'rs', 'client1'] as const);
      if (role === 'client1') life.alive = false;
      await restart(parties, role, 'kill');
      kills++;
      if (role === 'client1') {
        // What comes first now may be what the process before it had not processed.
        got.push('start');
        life = follow(parties, got);
      }
    }
    next();
    await simulator.run(() => got.at(-1) === parties.temperature.value, 3_000_000);
    assert.equal(life.outcome, undefined);
    let last = -1;
    for (const [i, value] of got.entries()) {
      if (value === 'start') continue;
      assert.ok(Number(value) > last || (Number(value) === last && got[i - 1] === 'start'), `${got.join()}`);
      last = Number(value);
    }
    const { pairs } = auditWire(simulator.wire, parties.contexts.values());
    assert.deepEqual(parties.faults(), []);
    await parties.close();
    return { kills, values: got.filter((value) => value !== 'start').length, pairs };
  });
  assert.ok(totals['kills']! > 30 && totals['values']! > 50);
});

for (const [init, code, written] of [
  [{}, '4.01', ['0', '1', '2']],
  [{ idempotent: true }, '2.01', ['0', '1', '1', '2']],
] as const) {
  test(`RFC 8613 B.1.2: a POST that the RS carried out just before it was killed, ${JSON.stringify(init)}`, async () => {
    const parties = await new Parties(new Simulator({ seed: 1 })).start();
    const post = (payload: string): Promise<AceResponse> => parties.client.fetch(`${rsUri}/log`, { method: 'POST', payload, ...init });
    await parties.finish(post('0'));
    parties.simulator.filter = ({ from }) => from !== rsAddress;
    const answer = post('1');
    await parties.simulator.sleep(1000);
    assert.deepEqual(parties.written, ['0', '1']);
    await restart(parties, 'rs', 'kill');
    parties.simulator.filter = undefined;
    assert.equal((await parties.finish(answer)).codeText, code);
    assert.equal((await parties.finish(post('2'))).codeText, '2.01');
    assert.deepEqual(parties.written, written);
    await parties.close();
  });
}
