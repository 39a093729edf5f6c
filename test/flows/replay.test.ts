import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, encodeMessage, findOption, formatCode, isRequest, MessageType, OptionNumber, uintOf } from '../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { Parties, rsAddress, rsUri } from './parties.ts';
import { auditWire } from './wire-audit.ts';

/** Requests under OSCORE that went to the RS, each datagram once. */
function recordedRequests(simulator: Simulator): Packet[] {
  const seen = new Set<string>();
  return simulator.wire.filter(({ to, datagram }) => {
    if (to !== rsAddress) return false;
    const { code, options } = decodeMessage(datagram);
    const fresh = isRequest(code) && findOption(options, OptionNumber.Oscore) !== undefined && !seen.has(toHex(datagram));
    seen.add(toHex(datagram));
    return fresh;
  });
}

let disguised = 0;

/** The same OSCORE message in another CoAP message, each time another. */
function disguise(datagram: Uint8Array, type?: MessageType): Uint8Array {
  const message = decodeMessage(datagram);
  const id = ++disguised;
  return encodeMessage({ ...message, id, token: Uint8Array.of(0xab, id >> 8, id & 0xff), ...(type === undefined ? {} : { type }) });
}

/** Let the client do something of everything. */
async function flow(parties: Parties): Promise<void> {
  const { client } = parties;
  await parties.finish(client.fetch(`${rsUri}/temperature`));
  await parties.finish(client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  await parties.finish(client.fetch(`${rsUri}/log`, { method: 'POST', payload: 'entry' }));
  await parties.finish(client.fetch(`${rsUri}/large`, { method: 'PUT', payload: new Uint8Array(3000).fill(1) }));
  await parties.finish(client.fetch(`${rsUri}/large`));
}

test('RFC 8613 8.2: a recorded request from another port with another Message ID and token: 4.01 "Replay detected", no handler is called', async () => {
  const parties = await new Parties(new Simulator({ seed: 1 })).start();
  const { simulator } = parties;
  await flow(parties);
  const recorded = recordedRequests(simulator);
  assert.ok(recorded.length >= 10);
  const handled = new Map(parties.handled);
  const written = [...parties.written];
  const attacker = new RawPeer(simulator, '10.0.0.66', simulator.peer('10.0.0.2', 5683), 6666);
  for (const { datagram } of recorded) {
    const answers = await attacker.exchange(toHex(disguise(datagram)));
    assert.equal(answers.length, 1);
    const refusal = decodeMessage(fromHex(answers[0]!));
    assert.equal(formatCode(refusal.code), '4.01');
    assert.equal(fromUtf8(refusal.payload), 'Replay detected');
    // RFC 8613 8.2: unprotected, and not to be cached.
    assert.deepEqual(
      refusal.options.map(({ number }) => number),
      [OptionNumber.MaxAge],
    );
    assert.equal(uintOf(refusal.options, OptionNumber.MaxAge), 0);
    assert.equal(refusal.type, MessageType.ACK);
    await attacker.exchange(toHex(disguise(datagram, MessageType.NON)));
  }
  assert.deepEqual(parties.handled, handled);
  assert.deepEqual(parties.written, written);
  // The real client is not shut out by it.
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.ok(auditWire(simulator.wire, parties.contexts.values()).repeated >= 2 * recorded.length);
  await parties.close();
});

test('RFC 7252 4.5: the identical datagram again: the same answer, byte by byte, and no handler is called', async () => {
  const parties = await new Parties(new Simulator({ seed: 2 })).start();
  const { simulator } = parties;
  await flow(parties);
  const handled = new Map(parties.handled);
  const written = [...parties.written];
  for (const { datagram, from } of recordedRequests(simulator)) {
    const { id } = decodeMessage(datagram);
    const answers = simulator.wire.filter((packet) => packet.to === from && packet.from === rsAddress && decodeMessage(packet.datagram).id === id);
    assert.equal(answers.length, 1);
    const since = simulator.wire.length;
    simulator.inject(datagram, from, rsAddress);
    await simulator.sleep(100);
    const again = simulator.wire.slice(since).filter((packet) => packet.from === rsAddress);
    assert.deepEqual(
      again.map((packet) => toHex(packet.datagram)),
      [toHex(answers[0]!.datagram)],
    );
  }
  assert.deepEqual(parties.handled, handled);
  assert.deepEqual(parties.written, written);
  // Beyond EXCHANGE_LIFETIME nobody remembers the Message ID: the replay window still does.
  await simulator.sleep(300_000);
  const since = simulator.wire.length;
  for (const { datagram, from } of recordedRequests(simulator)) simulator.inject(datagram, from, rsAddress);
  await simulator.sleep(100);
  const late = simulator.wire.slice(since).filter((packet) => packet.from === rsAddress);
  assert.ok(late.length > 0 && late.every((packet) => fromUtf8(decodeMessage(packet.datagram).payload) === 'Replay detected'));
  assert.deepEqual(parties.written, written);
  await parties.close();
});

for (const [how, restart] of [
  ['was stopped and started', async (parties: Parties) => parties.rs.close()],
  ['was killed and started', async (parties: Parties) => parties.kill('rs')],
] as const) {
  test(`RFC 8613 B.1.2: an RS that ${how} carries out no recorded request, before and after the window is restored by Echo`, async () => {
    const parties = await new Parties(new Simulator({ seed: 3 })).start();
    const { simulator } = parties;
    await flow(parties);
    const recorded = recordedRequests(simulator);
    await restart(parties);
    await parties.startRs();
    assert.equal(parties.rs.stats()['tokens'], 1, 'the token was kept');
    const handled = new Map(parties.handled);
    const written = [...parties.written];
    const attacker = new RawPeer(simulator, '10.0.0.66', simulator.peer('10.0.0.2', 5683), 6666);
    const tryAll = async (): Promise<Set<string>> => {
      const codes = new Set<string>();
      for (const { datagram, from } of recorded) {
        for (const answer of await attacker.exchange(toHex(disguise(datagram)))) codes.add(formatCode(decodeMessage(fromHex(answer)).code));
        // As it was, from where it was: the restarted RS has forgotten the Message ID.
        simulator.inject(datagram, from, rsAddress);
        await simulator.sleep(100);
      }
      assert.deepEqual(parties.handled, handled);
      assert.deepEqual(parties.written, written);
      return codes;
    };
    // A protected challenge, which looks like a success from outside.
    assert.deepEqual(await tryAll(), new Set(['2.04']));
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/log`, { method: 'POST', payload: 'after' }))).codeText, '2.01');
    assert.ok(parties.rsEvents.some((event) => event.type === 'profile' && event.event.type === 'restored'));
    handled.set('POST /log', 2);
    written.push('after');
    assert.deepEqual(await tryAll(), new Set(['4.01']), 'now the window knows');
    // Neither is the exchange that restored the window good for another time.
    const afterwards = recordedRequests(simulator).filter(
      ({ from, datagram }) => from !== '10.0.0.66:6666' && !recorded.some((one) => toHex(one.datagram) === toHex(datagram)),
    );
    assert.ok(afterwards.length >= 2);
    for (const { datagram } of afterwards) await attacker.exchange(toHex(disguise(datagram)));
    assert.deepEqual(parties.written, written);
    auditWire(simulator.wire, parties.contexts.values());
    assert.deepEqual(parties.faults(), []);
    await parties.client.close();
    await parties.as.close();
    await parties.rs.close();
  });
}

test('RFC 8613 B.1.2: a challenge that was given to a replay does not help the attacker, and does not hinder the client', async () => {
  const parties = await new Parties(new Simulator({ seed: 4 })).start();
  const { simulator } = parties;
  await flow(parties);
  const [first] = recordedRequests(simulator);
  await parties.kill('rs');
  await parties.startRs();
  const attacker = new RawPeer(simulator, '10.0.0.66', simulator.peer('10.0.0.2', 5683), 6666);
  const challenge = (await attacker.exchange(toHex(disguise(first!.datagram))))[0]!;
  assert.equal((await attacker.exchange(toHex(disguise(first!.datagram, MessageType.NON))))[0] === challenge, false, 'each challenge has a number of its own');
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.equal(parties.handled.get('GET /temperature'), 2);
  auditWire(simulator.wire, parties.contexts.values(), ({ to }) => to.startsWith('10.0.0.66'));
  await parties.close();
});

test('RFC 8613 7.4: the AS too carries out no recorded token request after it was killed', async () => {
  const parties = await new Parties(new Simulator({ seed: 5 })).start();
  const { simulator } = parties;
  await flow(parties);
  const asAddress = '10.0.0.1:5683';
  const recorded = simulator.wire.filter(({ to }) => to === asAddress);
  const issued = (): number => parties.asEvents.filter(({ type }) => type === 'token-issued').length;
  const before = issued();
  await parties.kill('as');
  await parties.startAs();
  const attacker = new RawPeer(simulator, '10.0.0.66', simulator.peer('10.0.0.1', 5683), 6666);
  for (const { datagram } of recorded) await attacker.exchange(toHex(disguise(datagram)));
  assert.equal(issued(), before);
  await parties.finish(parties.client.token({ audience: 'rs1', scope: 'r_led' }));
  for (const { datagram } of recorded) await attacker.exchange(toHex(disguise(datagram)));
  assert.equal(issued(), before + 1);
  await parties.close();
});
