import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeIntrospectionRequest, encodeTokenRequest, tokenParameters } from '../../src/ace/index.ts';
import { codeClass, decodeMessage, findOption, formatCode, OptionNumber } from '../../src/coap/index.ts';
import { encode } from '../../src/core/cbor.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { writeKnownMap } from '../../src/core/known-map.ts';
import { asAddress, clientKeyAtAs, mirrored, Parties, rsAddress, rsUri } from '../flows/parties.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat, scale } from '../support/scale.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { HostilePeer } from './hostile-peer.ts';
import { mutateCbor, mutateDatagram } from './mutate.ts';

const clientAddress = '10.0.0.3:40000';
const targets = [asAddress, rsAddress, clientAddress] as const;

/** Seconds. */
const tokenLifetime = 2000;

/** What went wrong outside of any call. */
const accidents: unknown[] = [];
process.on('unhandledRejection', (error) => accidents.push(error));
process.on('uncaughtException', (error) => accidents.push(error));

/** The client may fail, but only in its own words. */
function failure(error: unknown): undefined {
  assert.ok(error instanceof ProtocolError, error instanceof Error ? error.stack : String(error));
  return undefined;
}

/** Of everything that passes between the three roles, something. */
async function flow(parties: Parties): Promise<void> {
  const { client } = parties;
  await parties.finish(client.discover(`${rsUri}/`));
  await parties.finish(client.fetch(`${rsUri}/temperature`));
  const stream = client.observe(`${rsUri}/temperature`);
  await parties.finish(stream.next());
  parties.temperature.changed();
  await parties.finish(stream.next());
  await parties.finish(stream.return());
  await parties.finish(client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'flow', confirmable: false }));
  await parties.finish(client.fetch(`${rsUri}/log`, { method: 'POST', payload: 'flow log' }));
  await parties.finish(client.fetch(`${rsUri}/large`, { method: 'PUT', payload: new Uint8Array(2100) }));
  await parties.finish(client.fetch(`${rsUri}/large`));
  const { accessToken } = await parties.finish(client.token({ audience: 'rs1', scope: 'r_temp' }));
  await parties.finish(client.introspect(accessToken));
}

/** Observe until one notification has come; each change makes the others that observe go on too. */
async function watch(parties: Parties): Promise<void> {
  const stream = parties.client.observe(`${rsUri}/temperature`);
  try {
    await stream.next();
    parties.temperature.changed();
    await stream.next();
  } finally {
    await stream.return();
  }
}

const isProtected = (datagram: Uint8Array): boolean => findOption(decodeMessage(datagram).options, OptionNumber.Oscore) !== undefined;

/** Requests under OSCORE that their receiver never saw: their numbers are new to it. */
async function withheld(parties: Parties, count: number): Promise<Packet[]> {
  const { simulator, client } = parties;
  const from = simulator.wire.length;
  simulator.filter = ({ from: sender, datagram }) => sender !== clientAddress || !isProtected(datagram);
  for (let i = 0; i < count; i++) {
    const work = client.fetch(`${rsUri}/log`, { method: 'POST', payload: `withheld ${i}`, timeout: 50 });
    await parties.finish(work.catch(failure));
  }
  simulator.filter = undefined;
  return simulator.wire.slice(from).filter(({ to }) => to === rsAddress);
}

/** What an endpoint gets in one round: `count` mutated datagrams each, while the client goes about its business. */
async function attack(seed: number, count: number): Promise<Readonly<Record<string, number>>> {
  const random = new SeededRandom(`mutation ${seed}`);
  const simulator = new Simulator({ seed, delay: [5, 30] });
  const parties = await new Parties(simulator, { tokenLifetime, rs: { limits: { uploadBurst: 10_000, uploadRate: 1000 } } }).start();
  const before = [parties.as.stats(), parties.rs.stats()];
  const clientBefore = parties.client.stats();
  await flow(parties);
  const fresh = await withheld(parties, 5);
  assert.equal(fresh.length, 5);
  const corpus = new Map(targets.map((target) => [target, [...simulator.wire.filter(({ to }) => to === target)]]));
  const all = simulator.wire.map(({ datagram }) => datagram);
  simulator.wire.length = 0;
  const originals = new Set(all.map((datagram) => datagram.join()));
  const business: readonly (() => Promise<unknown>)[] = [
    () => watch(parties),
    () => parties.client.discover(`${rsUri}/`),
    () => parties.client.fetch(`${rsUri}/temperature`),
    () => parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }),
    () => parties.client.fetch(`${rsUri}/large`),
    () => parties.client.token({ audience: 'rs1', scope: 'r_temp' }),
  ];
  const totals = { toAs: 0, toRs: 0, toClient: 0, answered: 0, live: 0, liveFailed: 0 };
  const sent = (to: string): number => (to === asAddress ? totals.toAs++ : to === rsAddress ? totals.toRs++ : totals.toClient++);
  let open = 0;
  // Also what is on its way at this moment, and before the real message: an attacker between them.
  simulator.filter = ({ from, to, datagram }) => {
    if (targets.includes(to as never) && targets.includes(from as never) && random.chance(0.3)) {
      sent(to);
      simulator.inject(mutateDatagram(random, datagram, all), from, to);
    }
    return true;
  };
  for (let i = 0; i < count; i++) {
    for (const target of targets) {
      const recorded = target === rsAddress && random.chance(0.3) ? random.pick(fresh) : random.pick(corpus.get(target)!);
      const mutated = mutateDatagram(random, recorded.datagram, all);
      if (originals.has(mutated.join())) continue;
      const from = random.chance(0.7)
        ? recorded.from
        : random.pick(['10.0.0.66:6666', `10.0.0.${100 + random.below(100)}:${random.below(65_536)}`, '10.0.0.67:0']);
      simulator.inject(mutated, from, target);
      sent(target);
    }
    if (open < 3 && random.chance(0.1)) {
      open++;
      totals.live++;
      const done = (): void => {
        open--;
      };
      random
        .pick(business)()
        .catch((error: unknown) => {
          totals.liveFailed++;
          failure(error);
        })
        .then(done, (error: unknown) => {
          done();
          accidents.push(error);
        });
    }
    await simulator.sleep(random.below(40));
  }
  simulator.filter = undefined;
  await simulator.run(() => open === 0, 1_000_000);
  totals.answered = simulator.wire.filter(({ from }) => from === rsAddress || from === asAddress).length;
  assert.ok(!simulator.wire.some(({ to }) => to.endsWith(':0')), 'nothing is sent to port 0');
  // What a handler got is what a client sent, byte by byte, and once.
  const logged = parties.written.filter((entry) => entry !== 'flow' && entry !== 'on');
  assert.equal(new Set(logged).size, logged.length, logged.join());
  const genuine = new Set(['flow log', ...fresh.map((_, i) => `withheld ${i}`)]);
  assert.ok(
    logged.every((entry) => genuine.has(entry)),
    logged.join(),
  );
  // After all of it, everything still works.
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');

  await simulator.sleep((2 * tokenLifetime + 1000) * 1000);
  assert.deepEqual(parties.as.stats(), { ...before[0], 'profile2.sequences': 1 });
  assert.deepEqual(parties.rs.stats(), before[1]);
  assert.deepEqual(parties.client.stats(), { ...clientBefore, 'profile2.servers': 1, 'profile2.contexts': 1, 'profile2.sequences': 1 });
  assert.equal(simulator.pending, 0);
  assert.deepEqual(parties.faults(), []);
  assert.deepEqual(accidents, []);
  await parties.close();
  return totals;
}

test('RFC 7252 11, RFC 8613 8, RFC 9200 5.10.1: mutated datagrams at AS, RS and client: nothing breaks, nothing altered is carried out, nothing stays', async () => {
  const totals = await repeat('mutated-datagrams', { quick: 7, full: 500 }, (seed) => attack(seed, 210));
  for (const target of ['toAs', 'toRs', 'toClient']) assert.ok(totals[target]! >= (scale === 'full' ? 100_000 : 1400), `${target}: ${totals[target]}`);
  assert.ok(totals['live']! > 50);
  assert.ok(totals['answered']! > 1000);
});

/** Payloads that the endpoints expect. */
function payloads(token: Uint8Array): readonly (readonly [address: string, path: string, payload: Uint8Array])[] {
  return [
    ['10.0.0.1', 'token', encodeTokenRequest({ audience: 'rs1', scope: 'r_temp w_led', aceProfile: null, cnonce: Uint8Array.of(1, 2) })],
    ['10.0.0.1', 'token', encodeTokenRequest({ grantType: 2, clientId: 'client2', reqCnf: { kid: Uint8Array.of(0) }, audience: 'rs1' })],
    ['10.0.0.1', 'introspect', encodeIntrospectionRequest({ token, tokenTypeHint: 2 })],
    ['10.0.0.2', 'authz-info', encode(writeKnownMap(tokenParameters, { accessToken: token }))],
    [
      '10.0.0.2',
      'authz-info',
      encode(writeKnownMap(tokenParameters, { accessToken: token, nonce1: new Uint8Array(8), aceClientRecipientId: Uint8Array.of(5) })),
    ],
    ['10.0.0.2', 'log', encode('x')],
  ];
}

test('RFC 9200 5.8.3, 5.9.3, 5.10.1.1: mutated CBOR from peers with keys, and to authz-info without: an answer of the RFC, and nothing stays', async () => {
  const totals = await repeat('mutated-cbor', { quick: 4, full: 200 }, async (seed) => {
    const random = new SeededRandom(`cbor ${seed}`);
    const simulator = new Simulator({ seed, delay: [1, 5] });
    const parties = await new Parties(simulator, { clients: 2, tokenLifetime, rs: { limits: { uploadBurst: 10_000, uploadRate: 1000 } } }).start();
    const before = [parties.as.stats(), parties.rs.stats()];
    const peer = new HostilePeer(simulator, '10.0.0.7', 7000);
    const toAs = await parties.finish(peer.connect(mirrored(clientKeyAtAs(2))));
    const granted = await parties.finish(peer.token(toAs, 'p_log'));
    let toRs = await parties.finish(peer.establish(granted));
    const codes = new Map<string, number>();
    for (let i = 0; i < 200; i++) {
      const [address, path, payload] = random.pick(payloads(granted.accessToken));
      const association = address === '10.0.0.1' ? toAs : random.chance(0.5) ? toRs : undefined;
      const mutated = mutateCbor(random, payload);
      const contentFormat = random.chance(0.95) ? 19 : random.pick([null, 0, 60, 61, 65_000]);
      const options = random.chance(0.9) ? [] : [{ number: random.pick([65_001, 65_000, 2999, 13]), value: random.bytes(random.below(4)) }];
      let answer: string;
      try {
        const response = await parties.finish(peer.send(address, path, { payload: mutated, contentFormat, options }, association), 1_000_000);
        answer = formatCode(response.code);
        assert.ok(codeClass(response.code) === 2 || codeClass(response.code) === 4, `${answer} to ${path}`);
      } catch (error) {
        failure(error);
        answer = (error as ProtocolError).code;
      }
      codes.set(answer, (codes.get(answer) ?? 0) + 1);
      // A token that was taken without protection, and used, would put a new context in the place of this one.
      if (answer === '4.01' && association === toRs) toRs = await parties.finish(peer.establish(granted));
    }
    assert.ok(codes.has('2.01') && codes.has('4.00') && codes.has('4.01') && codes.has('4.15') && codes.has('4.02'), [...codes].join());
    await peer.close();
    await simulator.sleep((tokenLifetime + 1000) * 1000);
    assert.deepEqual(parties.as.stats(), { ...before[0], 'profile2.sequences': 1 });
    assert.deepEqual(parties.rs.stats(), before[1]);
    assert.deepEqual(parties.faults(), []);
    assert.deepEqual(accidents, []);
    await parties.close();
    assert.equal(simulator.pending, 0);
    return Object.fromEntries(codes);
  });
  assert.ok(totals['4.00']! > 100);
});
