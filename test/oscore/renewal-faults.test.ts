import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, encodeMessage, findOption, isRequest, OptionNumber } from '../../src/coap/index.ts';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import { encode } from '../../src/core/cbor.ts';
import { decodeOscoreOption, deriveContext, encodeOscoreOption } from '../../src/oscore/index.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { auditRenewals, clientKey, Party, parties, serverKey } from './renewal-support.ts';
import { mirrored, parameters } from './support.ts';

function isOscore(datagram: Uint8Array): boolean {
  return findOption(decodeMessage(datagram).options, OptionNumber.Oscore) !== undefined;
}

/** A client without context, or one whose server lost the context that the client has. */
const beginnings = [
  ['client', (sim: Simulator) => parties(sim)],
  ['server', (sim: Simulator) => parties(sim, { current: deriveContext(parameters) })],
] as const;

for (const [who, begin] of beginnings) {
  test(`RFC 8613 B.2, begun by the ${who}: each message lost once, or on its way twice`, async () => {
    for (let victim = 0; victim < 4; victim++) {
      for (const doubled of [false, true]) {
        const sim = new Simulator();
        const { client, server } = begin(sim);
        let count = 0;
        sim.filter = ({ datagram, from, to }) => {
          if (!isOscore(datagram) || count++ !== victim) return true;
          if (doubled) sim.inject(datagram, from, to);
          return doubled;
        };
        assert.equal(fromUtf8((await sim.finish(client.ask('x'))).payload), 'x');
        assert.deepEqual(server.served, ['x'], `message ${victim}`);
        assert.deepEqual([client.contexts.size, server.contexts.size], [1, 1]);
        assert.equal(client.renewable.current!.senderKeyId === server.renewable.current!.senderKeyId, false);
        assert.equal(toHex(client.renewable.current!.idContext!), toHex(server.renewable.current!.idContext!));
        auditRenewals(sim, parameters);
      }
    }
  });

  test(`RFC 8613 B.2, begun by the ${who}: a crash of either end at each message`, async () => {
    for (const victim of ['client', 'server'] as const) {
      for (let at = 0; at < 4; at++) {
        for (const delivered of [false, true]) {
          const sim = new Simulator({ seed: at + 1 });
          const pair = begin(sim);
          const { client, server } = pair;
          let count = 0;
          sim.filter = ({ datagram }) => {
            if (!isOscore(datagram) || count++ !== at) return true;
            sim.env().schedule(delivered ? 15 : 0, () => pair[victim].restart());
            return delivered;
          };
          const first = client.ask('x').catch(() => undefined);
          // Whoever lives on gets its answer; what a crashed client waited for is waited for by nobody.
          if (victim === 'server') assert.equal(fromUtf8((await sim.finish(first))!.payload), 'x', `${victim} ${at} ${delivered}`);
          else await sim.sleep(60_000);
          assert.equal(fromUtf8((await sim.finish(client.ask('y'))).payload), 'y');
          assert.ok(server.served.filter((text) => text === 'x').length <= (victim === 'server' ? 2 : 1));
          assert.equal(server.served.filter((text) => text === 'y').length, 1);
          assert.deepEqual([client.contexts.size, server.contexts.size], [1, 1]);
          auditRenewals(sim, parameters);
        }
      }
    }
  });
}

test('RFC 8613 B.2: on a network that loses, doubles and reorders, every request is executed once', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const sim = new Simulator({ seed, loss: 0.2, duplication: 0.2, reorder: 0.2, delay: [5, 60] });
    const { client, server } = parties(sim);
    const texts = Array.from({ length: 10 }, (_, i) => `${i}`);
    await sim.finish(Promise.all(texts.map((text) => client.ask(text))));
    client.renewable.renew();
    await sim.finish(Promise.all(texts.map((text) => client.ask(`again ${text}`))));
    assert.deepEqual([...server.served].sort(), [...texts, ...texts.map((text) => `again ${text}`)].sort());
    auditRenewals(sim, parameters);
  }
});

/** What an endpoint is, but for its counters. */
function state(party: Party): unknown {
  return [party.renewable.current?.senderKeyId, [...party.contexts].map(({ senderKeyId, window }) => [senderKeyId, window.highest]), party.served.length];
}

/** As an attacker sends it: the same OSCORE message in a message of another ID, so that the message layer does not know it. */
function disguised(datagram: Uint8Array, id: number): Uint8Array {
  return encodeMessage({ ...decodeMessage(datagram), id });
}

/** What the endpoint sends after an injection, in all. */
async function reactions(sim: Simulator, datagram: Uint8Array, from: string, to: string): Promise<Packet[]> {
  const before = sim.wire.length;
  sim.inject(datagram, from, to);
  await sim.sleep(100);
  return sim.wire.slice(before + 1).filter((packet) => packet.from === to);
}

test('RFC 8613 B.2.2: a replay of any message, at any later time, gets at most one answer and moves nothing', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  await sim.finish(client.ask('1'));
  client.renewable.renew();
  await sim.finish(client.ask('2'));
  const recorded = sim.wire.filter(({ datagram }) => isOscore(datagram));
  let id = 40_000;
  let answered = 0;
  const replayAll = async (): Promise<void> => {
    for (const { datagram, from, to } of recorded) {
      const parts: readonly Party[] = [client, server];
      const before = parts.map(state);
      const sent = await reactions(sim, disguised(datagram, id++), from, to);
      assert.ok(sent.length <= 1);
      // RFC 9175 §2.4: not more than three times of what came.
      for (const reaction of sent) assert.ok(reaction.datagram.length <= 3 * datagram.length);
      answered += sent.length;
      assert.deepEqual(parts.map(state), before);
    }
  };
  await replayAll();
  // A server that lost everything: all requests are those of a client whose context it lost, also the recorded requests #2.
  server.restart();
  await replayAll();
  assert.equal(server.renewable.current, undefined);
  await sim.finish(client.ask('3'));
  await replayAll();
  assert.deepEqual(server.served, ['1', '2', '3']);
  assert.equal(answered, 12, 'four requests, three times');
  auditRenewals(sim, parameters);
});

test('RFC 8613 B.2.2: a request #2 that was held back is refused once another run is completed, or K_HMAC has expired', async () => {
  for (const meanwhile of ['run', 'time'] as const) {
    const sim = new Simulator();
    const { client, server } = parties(sim);
    let held: Packet | undefined;
    sim.filter = (packet) => {
      const wrapped = packet.to === serverKey && isOscore(packet.datagram) && decodeOscoreOption(optionOf(packet.datagram)).kidContext![0] === 0x58;
      if (wrapped) held = { ...packet, arrivals: [] };
      return !wrapped;
    };
    await assert.rejects(sim.finish(client.ask('held')), { code: 'ERR_COAP_TIMEOUT' });
    sim.filter = undefined;
    if (meanwhile === 'run') await sim.finish(client.ask('other'));
    else await sim.sleep(500_000);
    const before = state(server);
    const sent = await reactions(sim, disguised(held!.datagram, 50_000), clientKey, serverKey);
    assert.equal(sent.length, 1, 'it is a request #1 now');
    assert.deepEqual(state(server), before);
    assert.ok(!server.served.includes('held'));
    auditRenewals(sim, parameters);
  }
});

function optionOf(datagram: Uint8Array): Uint8Array {
  return findOption(decodeMessage(datagram).options, OptionNumber.Oscore)!.value;
}

test('RFC 8613 B.2.2: no message with a flipped bit in its OSCORE option or its ciphertext is taken for what it was', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  const originals: Packet[] = [];
  sim.filter = (packet) => {
    if (!isOscore(packet.datagram)) return true;
    originals.push({ ...packet, arrivals: [] });
    return true;
  };
  await sim.finish(client.ask('x'));
  assert.equal(originals.length, 4);
  const forged = new Set<string>();
  // Each of the four in turn is replaced by forgeries of it, sent before the original arrives.
  for (let victim = 0; victim < 4; victim++) {
    const attacked = new Simulator();
    const pair = parties(attacked);
    let count = 0;
    attacked.filter = ({ datagram, from, to }) => {
      if (!isOscore(datagram) || count++ !== victim) return true;
      const message = decodeMessage(datagram);
      const header = optionOf(datagram);
      const flip = (bytes: Uint8Array, bit: number): Uint8Array => bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const send = (option: Uint8Array, payload: Uint8Array, id: number): void => {
        forged.add(toHex(payload));
        const options = message.options.map((each) => (each.number === OptionNumber.Oscore ? { ...each, value: option } : each));
        attacked.inject(encodeMessage({ ...message, id: isRequest(message.code) ? id : message.id, options, payload }), from, to);
      };
      for (let bit = 0; bit < message.payload.length * 8; bit++) send(header, flip(message.payload, bit), 10_000 + bit);
      for (let bit = 0; bit < header.length * 8; bit++) send(flip(header, bit), message.payload, 20_000 + bit);
      return true;
    };
    const response = await attacked.finish(pair.client.ask('x').catch((error: { readonly code: string }) => error.code));
    // A forged response may end the exchange, as one without OSCORE may; it is never believed.
    assert.ok(typeof response === 'string' || fromUtf8(response.payload) === 'x', `message ${victim}`);
    assert.ok(pair.server.served.length <= 1);
    assert.equal(fromUtf8((await attacked.finish(pair.client.ask('y'))).payload), 'y');
    assert.equal(pair.server.contexts.size, 1);
  }
  assert.equal(server.contexts.size, 1);
});

test('RFC 8613 B.2: IDs that are too short, no byte string or too long are refused as a context that is not there', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  await sim.finish(client.ask('x'));
  const request1 = decodeMessage(sim.wire.find(({ datagram }) => isOscore(datagram))!.datagram);
  const option = decodeOscoreOption(findOption(request1.options, OptionNumber.Oscore)!.value);
  const before = state(server);
  let id = 30_000;
  for (const kidContext of [encode(new Uint8Array(7)), encode(new Uint8Array(8)), encode('text of 8'), new Uint8Array(0), encode(new Uint8Array(230))]) {
    const value = encodeOscoreOption({ ...option, kidContext });
    const datagram = encodeMessage({
      ...request1,
      id: id++,
      options: [...request1.options.filter(({ number }) => number !== OptionNumber.Oscore), { number: OptionNumber.Oscore, value }],
    });
    const [answer, ...more] = await reactions(sim, datagram, clientKey, serverKey);
    assert.equal(more.length, 0);
    assert.equal(fromUtf8(decodeMessage(answer!.datagram).payload), 'Security context not found');
    assert.deepEqual(state(server), before);
  }
});

test('RFC 8613 B.2: crashes, losses, renewals of both ends and an attacker who replays: no key and nonce are used twice', async () => {
  const totals = await repeat('oscore-renewal', { quick: 40, full: 5000 }, async (seed) => {
    const random = new SeededRandom(seed);
    const sim = new Simulator({ seed, loss: 0.1, duplication: 0.1, reorder: 0.1, delay: [5, 60] });
    const pair = parties(
      sim,
      random.chance(0.5) ? { current: deriveContext(parameters) } : {},
      random.chance(0.3) ? { current: deriveContext(mirrored(parameters)) } : {},
    );
    const { client, server } = pair;
    const env = sim.env('script');
    const outcomes: Promise<string>[] = [];
    const attacked = random.chance(0.7);
    let crashes = 0;
    let attacks = 0;
    for (let i = 0; i < 40; i++) {
      env.schedule(random.between(0, 60_000), () => {
        const fate = random.fraction();
        const outcome = (asked: Promise<unknown>): void => {
          outcomes.push(asked.then(() => 'answered').catch((error: { readonly code: string }) => error.code));
        };
        if (fate < 0.5) outcome(client.ask(`c${i}`));
        else if (fate < 0.6) outcome(server.ask(`s${i}`, clientKey));
        else if (fate < 0.7) pair[random.chance(0.5) ? 'client' : 'server'].renewable.renew();
        else if (fate < 0.75) {
          crashes++;
          pair[random.chance(0.5) ? 'client' : 'server'].restart();
        } else if (attacked && sim.wire.length > 0) {
          attacks++;
          const { datagram, from, to } = sim.wire[random.below(sim.wire.length)]!;
          sim.inject(random.chance(0.5) ? datagram : disguised(datagram, random.below(65_536)), from, to);
        }
      });
    }
    await sim.run();
    for (const { served } of [client, server])
      for (const text of new Set(served)) assert.ok(served.filter((each) => each === text).length <= 1 + crashes, `${text} was executed too often`);
    // A replay that arrives before the answer is refused without protection, and the client can take that for its answer.
    const ends = attacks === 0 ? ['answered'] : ['answered', 'ERR_OSCORE_RENEWAL'];
    if (crashes === 0) for (const code of await Promise.all(outcomes)) assert.ok(ends.includes(code), code);
    // However it ended, the next request finds its way.
    assert.equal(fromUtf8((await sim.finish(client.ask('last'))).payload), 'last');
    assert.equal(fromUtf8((await sim.finish(server.ask('back', clientKey))).payload), 'back');
    await sim.run();
    for (const { contexts, layer } of [client, server]) {
      assert.ok(contexts.size <= 2);
      assert.equal(layer.stats()['renewing'], 0);
      assert.equal(layer.stats()['exchanges'], 0);
    }
    const { pairs, keys } = auditRenewals(sim, parameters);
    return { pairs, keys, crashes, renewed: [...client.events, ...server.events].filter(({ type }) => type === 'renewed').length };
  });
  assert.ok(totals['renewed']! > 50 && totals['crashes']! > 20);
});

test('the audit of the wire sees a nonce that is used twice: a client whose R1 repeats', async () => {
  const sim = new Simulator();
  const { client } = parties(sim);
  await sim.finish(client.ask('one'));
  client.crash();
  // Its environment draws the same bytes again.
  const again = new Party(sim, clientKey, parameters);
  await sim.finish(again.ask('two'));
  assert.throws(() => auditRenewals(sim, parameters), /used twice/);
});
