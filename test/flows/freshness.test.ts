import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, findOption, formatCode, isRequest, Method, OptionNumber } from '../../src/coap/index.ts';
import { trafficOf } from '../support/amplification.ts';
import { Simulator } from '../support/simulator.ts';
import { Parties, type PartiesOptions, rsAddress, rsUri } from './parties.ts';
import { auditWire } from './wire-audit.ts';

const clientAddress = '10.0.0.3:40000';

/** An RS whose list of resources is long, and which takes what changes something only when it is fresh. */
function start(options: PartiesOptions = {}, seed = 1, network: ConstructorParameters<typeof Simulator>[0] = {}, window = 30_000): Promise<Parties> {
  return new Parties(new Simulator({ seed, ...network }), {
    ...options,
    rs: { freshness: { required: (request) => request.code !== Method.GET && request.association !== undefined, window } },
    resources: (rs) => {
      for (let i = 0; i < 40; i++) rs.resource(`/sensors/${i}/value`, { get: () => `${i}`, attributes: { title: 'a sensor somewhere in the building' } });
    },
  }).start();
}

/** Code, and whether there are an OSCORE and an Outer Echo option: `4.01+`, `POST*`. */
function summary(parties: Parties, since = 0): string[] {
  return parties.simulator.wire
    .slice(since)
    .filter(({ from, to }) => from === rsAddress || to === rsAddress)
    .map(({ datagram }) => {
      const { code, options } = decodeMessage(datagram);
      const marks = `${findOption(options, OptionNumber.Oscore) ? '*' : ''}${findOption(options, OptionNumber.Echo) ? '+' : ''}`;
      return `${isRequest(code) ? Object.keys(Method)[code - 1] : formatCode(code)}${marks}`;
    });
}

async function end(parties: Parties): Promise<void> {
  auditWire(parties.simulator.wire, parties.contexts.values());
  assert.deepEqual(parties.faults(), []);
  await parties.close();
}

test('RFC 9175 2.3, 2.4 and RFC 9200: discovery, token, upload and a request that must be fresh, each address and each request shown', async () => {
  const parties = await start();
  const links = await parties.finish(parties.client.discover(`${rsUri}/`));
  assert.equal(links.length, 45);
  // One small block with an Outer Echo, then all of it to who came back with the value.
  assert.deepEqual(summary(parties).slice(0, 4), ['GET', '2.05+', 'GET+', '2.05']);
  const first = parties.simulator.wire.find(({ from }) => from === rsAddress)!;
  assert.ok(trafficOf(parties.simulator, rsAddress, clientAddress, first.time).excess <= 0);
  const before = parties.simulator.wire.length;
  const response = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  assert.deepEqual([response.codeText, response.protected], ['2.04', true]);
  assert.deepEqual(parties.written, ['on']);
  assert.equal(parties.handled.get('PUT /led'), 1);
  // The freshness Echo is an Inner option: outside only a request, its challenge and the request again are to be seen.
  assert.deepEqual(summary(parties, before).slice(-4), ['POST*', '2.04*', 'POST*', '2.04*']);
  // What only reads need not be fresh.
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  const reading = parties.simulator.wire.length;
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.equal(summary(parties, reading).filter((line) => line === 'POST*').length, 1);
  await end(parties);
});

test('RFC 9175 2.3: a request of which nobody knows that it is still wanted is not repeated: the challenge is the answer', async () => {
  const parties = await start();
  await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  const before = parties.simulator.wire.length;
  const response = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'off', fresh: false }));
  assert.deepEqual([response.codeText, response.protected, findOption(response.options, OptionNumber.Echo) !== undefined], ['4.01', true, true]);
  assert.deepEqual(summary(parties, before), ['POST*', '2.04*']);
  assert.deepEqual(parties.written, ['on']);
  await end(parties);
});

test('RFC 9175 2.3: a protected request that is held back until its Echo is old is refused, and no handler hears of it', async () => {
  const parties = await start({}, 1, {}, 1000);
  await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  let requests = 0;
  // The first copy of the request with the Echo is lost; the next comes two seconds later.
  parties.simulator.filter = ({ from, to, datagram }) => {
    if (from !== clientAddress || to !== rsAddress || !isRequest(decodeMessage(datagram).code)) return true;
    return ++requests !== 2;
  };
  const response = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'off' }));
  assert.deepEqual([response.codeText, response.protected, requests], ['4.01', true, 3]);
  assert.deepEqual(parties.written, ['on']);
  await end(parties);
});

test('RFC 9175 2.2: an Inner value is of no use outside, nor an Outer one inside', async () => {
  const parties = await start();
  await parties.finish(parties.client.discover(`${rsUri}/`));
  await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  const outer = parties.simulator.wire
    .filter(({ from, to }) => from === clientAddress && to === rsAddress)
    .map(({ datagram }) => decodeMessage(datagram).options)
    .filter((options) => findOption(options, OptionNumber.Oscore) !== undefined && findOption(options, OptionNumber.Echo) !== undefined);
  assert.deepEqual(outer, [], 'no protected request carries an Outer Echo, since no Outer one was waiting');
  await end(parties);
});

test('RFC 9175 2.3 and 2.4: the same over a network that loses, doubles and reorders: each PUT reaches its handler once', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    // The window is longer than a client waits: a challenge may need all its retransmissions.
    const parties = await start({ parameters: { maxRetransmit: 8 } }, seed, { loss: 0.15, duplication: 0.1, delay: [5, 300] }, 600_000);
    const links = await parties.finish(parties.client.discover(`${rsUri}/`));
    assert.equal(links.length, 45);
    for (let i = 0; i < 3; i++) {
      const response = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: `${i}` }));
      assert.equal(response.codeText, '2.04', `seed ${seed}`);
    }
    assert.deepEqual(parties.written, ['0', '1', '2']);
    await end(parties);
  }
});
