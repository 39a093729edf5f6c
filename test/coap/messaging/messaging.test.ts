import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveParameters, type Peer } from '../../../src/coap/index.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { content, get, messageLayer, other, peer, type Sent, token } from './message-layer.ts';

test('RFC 7252 4.2: a Confirmable message with a format error is rejected with a Reset', () => {
  const { receive, requests, events } = messageLayer();
  for (const hex of [
    '4901 1234 000102030405060708',
    '4001 1234 ff',
    '4001 1234 f0',
    '4001 1234 b2 61',
    '4020 1234',
    '40e1 1234',
    '4100 1234 00',
    '4000 1234 ff00',
  ]) {
    assert.deepEqual(receive(hex), ['70001234'], hex);
  }
  assert.equal(requests.length, 0);
  assert.deepEqual(new Set(events.map(({ reason }) => reason)), new Set(['format']));
});

test('RFC 7252 4.2 and 4.3: other messages with a format error are ignored in silence', () => {
  const { receive, requests, events, isEmpty } = messageLayer();
  for (const type of ['5', '6', '7']) {
    for (const rest of ['901 1234 000102030405060708', '001 1234 ff', '001 1234 f0', '020 1234', '100 1234 00'])
      assert.deepEqual(receive(`${type}${rest}`), []);
  }
  for (const hex of ['', '40', '8001 1234', '0001 1234']) assert.deepEqual(receive(hex), []);
  assert.equal(requests.length, 0);
  assert.ok(events.length > 10);
  isEmpty();
});

test('RFC 7252 4.3: an Empty Confirmable message is a ping: Reset, and the handler does not see it', () => {
  const { receive, requests, isEmpty } = messageLayer({ answer: content });
  assert.deepEqual(receive('4000 1234'), ['70001234']);
  assert.deepEqual(receive('5000 1234'), []);
  assert.equal(requests.length, 0);
  isEmpty();
});

test('RFC 7252 4.2: a request in an acknowledgement or a Reset is ignored', () => {
  const { receive, requests, layer, listener } = messageLayer({ answer: content });
  layer.transmit(peer, true, token, get, 0, listener('get'));
  assert.deepEqual(receive('6001 1234'), []);
  assert.deepEqual(receive('7001 1234'), []);
  assert.equal(requests.length, 0);
});

test('source port 0 is dropped', () => {
  const { receive, events, isEmpty } = messageLayer({ answer: content });
  assert.deepEqual(receive('4001 1234', { key: '10.0.0.2:0', address: '10.0.0.2', port: 0 }), []);
  assert.deepEqual(receive('4000 1234', { key: '10.0.0.2:0', address: '10.0.0.2', port: 0 }), []);
  assert.deepEqual(
    events.map(({ reason }) => reason),
    ['port', 'port'],
  );
  isEmpty();
});

test('RFC 7252 5.2.1: piggybacked response with id and token of the request', () => {
  const { receive, layer } = messageLayer({ answer: content });
  assert.deepEqual(receive('4201 1234 aabb'), ['62451234aabbff6f6b']);
  assert.equal(layer.stats()['outstanding'], 0);
});

test('the number of peers is bounded, and those that left make room', async () => {
  const { receive, layer, sim, requests, isEmpty } = messageLayer({ answer: content, limits: { peers: 20 } });
  for (let i = 0; i < 500; i++) receive('4001 1234', { key: `10.1.0.1:${i + 1}`, address: '10.1.0.1', port: i + 1 });
  assert.equal(requests.length, 500);
  assert.equal(layer.stats()['peers'], 20);
  await sim.run();
  isEmpty();
});

test('RFC 7252 11.4: who forges addresses, and is answered Non-confirmably there, keeps nobody out', async () => {
  const { receive, layer, sim, requests, events, isEmpty } = messageLayer({ answer: content, limits: { peers: 20 } });
  const from = (port: number): Peer => ({ key: `10.1.0.1:${port}`, address: '10.1.0.1', port });
  for (let port = 1; port <= 500; port++) assert.equal(receive('5001 1234', from(port)).length, 1, `peer ${port}`);
  assert.equal(requests.length, 500);
  assert.equal(layer.stats()['peers'], 20);
  assert.deepEqual(events, []);
  await sim.run();
  isEmpty();
});

test('RFC 7252 4.4: while an exchange with a peer goes on, its message ids are not given up for a stranger', async () => {
  const { receive, layer, sim, sent, events, listener } = messageLayer({ answer: content, limits: { peers: 2 } });
  const known = { key: 'known:1', address: '10.1.0.1', port: 1 };
  receive('5001 1234', known);
  layer.transmit(known, true, token, get, 0, listener('known'));
  const id = Number.parseInt(sent.at(-1)!.hex.slice(4, 8), 16);
  for (let port = 2; port < 100; port++) receive('5001 1234', { key: `10.1.0.1:${port}`, address: '10.1.0.1', port });
  assert.deepEqual(events, []);
  layer.transmit(known, false, token, get, 0, listener('known'));
  assert.equal(Number.parseInt(sent.at(-1)!.hex.slice(4, 8), 16), (id + 1) & 0xffff);
  layer.close();
  await sim.run();
});

test('RFC 7252 5.2.2: a handler that takes its time: Empty acknowledgement, then a separate response', async () => {
  const { receive, requests, sim, layer, sent, heard, listener, isEmpty } = messageLayer();
  assert.deepEqual(receive('4101 1234 aa'), []);
  // The first copy is being answered: a duplicate changes nothing.
  assert.deepEqual(receive('4101 1234 aa'), []);
  await sim.sleep(1000);
  assert.deepEqual(
    sent.map(({ at, hex }) => [at, hex]),
    [[500, '60001234']],
  );
  assert.deepEqual(receive('4101 1234 aa'), ['60001234']);
  layer.answer(requests[0]!, token, content, 0, listener('answer'));
  const separate = sent.at(-1)!.hex;
  assert.match(separate, /^4145....aaff6f6b$/);
  const id = separate.slice(4, 8);
  assert.notEqual(id, '1234');
  assert.deepEqual(receive(`6000${id}`), []);
  assert.deepEqual(heard, ['answer finished 1000']);
  // Once acknowledged by an Empty message, never by another.
  assert.deepEqual(receive('4101 1234 aa'), ['60001234']);
  assert.equal(requests.length, 1);
  await sim.run();
  isEmpty();
});

test('RFC 7252 5.2.3: the response to a Non-confirmable request is Non-confirmable and has an id of its own', async () => {
  const { receive, sim, isEmpty } = messageLayer({ answer: content });
  const [first] = receive('5101 1234 aa');
  const [second] = receive('5101 1235 aa');
  assert.match(first!, /^5145....aaff6f6b$/);
  assert.equal(Number.parseInt(second!.slice(4, 8), 16), (Number.parseInt(first!.slice(4, 8), 16) + 1) % 65_536);
  await sim.run();
  isEmpty();
});

test('RFC 7252 4.2: retransmission with exponential back-off, then failure', async () => {
  for (let seed = 0; seed < 5; seed++) {
    const { layer, sim, sent, heard, listener, isEmpty } = messageLayer();
    for (let i = 0; i < seed; i++) layer.random.uint32();
    layer.transmit(peer, true, token, get, 0, listener('get'));
    await sim.run();
    assert.equal(sent.length, 5);
    assert.equal(new Set(sent.map(({ hex }) => hex)).size, 1);
    const gaps = sent.slice(1).map(({ at }, i) => at - sent[i]!.at);
    assert.ok(gaps[0]! >= 2000 && gaps[0]! <= 3001, String(gaps[0]));
    for (let i = 1; i < gaps.length; i++) assert.ok(Math.abs(gaps[i]! - 2 * gaps[i - 1]!) <= 2, gaps.join());
    assert.ok(sent[4]!.at <= 45_004);
    assert.deepEqual(heard, ['get ERR_COAP_TIMEOUT']);
    isEmpty();
  }
});

test('RFC 7252 4.8: the initial timeout is drawn anew for each message', async () => {
  const { layer, sim, sent, listener } = messageLayer({ parameters: { nstart: 100 } });
  for (let i = 0; i < 20; i++) layer.transmit({ ...peer, key: `p${i}` }, true, token, get, 0, listener('get'));
  await sim.sleep(3002);
  const again = sent.slice(20).map(({ at }) => at);
  assert.equal(again.length, 20);
  assert.ok(new Set(again).size > 10);
});

test('RFC 7252 4.2: an acknowledgement ends retransmission; one from elsewhere or with another id does not', async () => {
  const { layer, sim, sent, heard, listener, receive, events, isEmpty } = messageLayer();
  layer.transmit(peer, true, token, get, 0, listener('get'));
  const id = Number.parseInt(sent[0]!.hex.slice(4, 8), 16);
  const hex = (value: number): string => (value & 0xffff).toString(16).padStart(4, '0');
  receive(`6000${hex(id)}`, other);
  receive(`6000${hex(id)}`, { ...peer, key: '10.0.0.2:5684', port: 5684 });
  receive(`6000${hex(id + 1)}`);
  await sim.sleep(4000);
  assert.equal(sent.length, 2);
  assert.deepEqual(heard, []);
  receive(`6000${hex(id)}`);
  assert.deepEqual(heard, ['get finished 4000']);
  receive(`6000${hex(id)}`);
  assert.deepEqual(
    events.map(({ reason }) => reason),
    Array(4).fill('unexpected-ack'),
  );
  await sim.run();
  assert.equal(sent.length, 2);
  isEmpty();
});

test('RFC 7252 4.2: a Reset ends retransmission and is a failure', async () => {
  const { layer, sim, sent, heard, listener, receive, isEmpty } = messageLayer();
  layer.transmit(peer, true, token, get, 0, listener('get'));
  const id = sent[0]!.hex.slice(4, 8);
  receive(`7000${id}`, other);
  assert.deepEqual(heard, []);
  receive(`7000${id}`);
  assert.deepEqual(heard, ['get ERR_COAP_RESET']);
  await sim.run();
  assert.equal(sent.length, 1);
  isEmpty();
});

test('RFC 7252 4.2: an unexpected response: Reset to a Confirmable one, nothing kept', () => {
  const { receive, isEmpty, events } = messageLayer({ expects: false });
  assert.deepEqual(receive('4145 1234 aa'), ['70001234']);
  assert.deepEqual(receive('4145 1234 aa'), ['70001234']);
  assert.deepEqual(receive('6145 1234 aa'), []);
  assert.deepEqual(
    events.map(({ reason }) => reason),
    ['unexpected-response', 'unexpected-response', 'unexpected-ack'],
  );
  isEmpty();
});

test('RFC 7252 4.7: NSTART interactions with one peer at once, the rest in order; other peers do not wait', async () => {
  const { layer, sent, heard, listener, receive, isEmpty, sim } = messageLayer();
  for (const name of ['a', 'b', 'c']) layer.transmit(peer, true, utf8(name), get, 0, listener(name));
  layer.transmit(other, true, utf8('d'), get, 0, listener('d'));
  assert.deepEqual(
    sent.map(({ hex, to }) => [hex.slice(8), to]),
    [
      ['61', peer.key],
      ['64', other.key],
    ],
  );
  assert.equal(layer.stats()['queued'], 2);
  receive(`6000${sent[0]!.hex.slice(4, 8)}`);
  receive(`7000${sent[2]!.hex.slice(4, 8)}`);
  assert.deepEqual(
    sent.slice(2).map(({ hex }) => hex.slice(8)),
    ['62', '63'],
  );
  assert.deepEqual(heard, ['a finished 0', 'b ERR_COAP_RESET']);
  await sim.run();
  isEmpty();
});

test('RFC 7252 4.7: the queue is bounded; what does not fit fails, not before transmit returns', async () => {
  const { layer, heard, listener, sim } = messageLayer({ limits: { queue: 2 } });
  for (const name of ['a', 'b', 'c', 'd']) layer.transmit(peer, true, token, get, 0, listener(name));
  assert.deepEqual(heard, []);
  await sim.sleep(1);
  assert.deepEqual(heard, ['d ERR_COAP_BUSY']);
});

test('RFC 7252 4.7: a Non-confirmable request without response counts as outstanding at PROBING_RATE', async () => {
  const { layer, sent, listener, sim, heard, isEmpty } = messageLayer();
  const hold = layer.probingTime(token, { ...get, payload: new Uint8Array(24) });
  assert.equal(hold, 30_000);
  layer.transmit(peer, false, token, get, hold, listener('a'));
  layer.transmit(peer, false, token, get, hold, listener('b'));
  await sim.run();
  assert.deepEqual(
    sent.map(({ at }) => at),
    [0, 30_000],
  );
  assert.deepEqual(heard, ['a finished 30000', 'b finished 60000']);
  isEmpty();
});

test('RFC 7252 4.4: message ids start at random, go up by one per peer, and are not used again within EXCHANGE_LIFETIME', async () => {
  const { layer, sent, sim, heard, listener, isEmpty } = messageLayer();
  const idOf = ({ hex }: Sent): number => Number.parseInt(hex.slice(4, 8), 16);
  for (let i = 0; i < 70_000; i++) layer.transmit(peer, false, token, get, 0, listener('x'));
  const ids = sent.map(idOf);
  assert.ok(ids.length > 61_000 && ids.length <= 65_536, String(ids.length));
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.every((id, i) => i === 0 || id === (ids[i - 1]! + 1) % 65_536));
  layer.transmit(peer, true, token, get, 0, listener('late'));
  await sim.sleep(1);
  assert.deepEqual(heard, ['late ERR_COAP_BUSY']);
  layer.transmit(other, false, token, get, 0, listener('x'));
  assert.notEqual(idOf(sent.at(-1)!), (ids.at(-1)! + 1) % 65_536);
  await sim.sleep(247_000);
  layer.transmit(peer, false, token, get, 0, listener('x'));
  assert.equal(sent.at(-1)!.to, peer.key);
  await sim.run();
  isEmpty();
});

test('close: what is on its way or waits fails with ERR_COAP_CLOSED, nothing is sent or taken any more', async () => {
  const { layer, heard, listener, sim, sent, receive, isEmpty } = messageLayer({ answer: content });
  receive('4001 1234');
  layer.transmit(peer, true, token, get, 0, listener('a'));
  layer.transmit(peer, true, token, get, 0, listener('b'));
  layer.close();
  assert.deepEqual(heard, ['a ERR_COAP_CLOSED', 'b ERR_COAP_CLOSED']);
  const before = sent.length;
  receive('4001 1235');
  await sim.run();
  assert.equal(sent.length, before);
  assert.equal(sim.pending, 0);
  isEmpty();
});

test('RFC 7252 4.8.2: derived parameters', () => {
  const { maxTransmitSpan, maxTransmitWait, exchangeLifetime, nonLifetime } = deriveParameters();
  assert.deepEqual([maxTransmitSpan, maxTransmitWait, exchangeLifetime, nonLifetime], [45_000, 93_000, 247_000, 145_000]);
  assert.equal(deriveParameters({ ackTimeout: 4000 }).ackDelay, 1000);
  for (const wrong of [
    { ackTimeout: 0 },
    { ackRandomFactor: 0.9 },
    { maxRetransmit: 1.5 },
    { maxRetransmit: 21 },
    { nstart: 0 },
    { probingRate: 0 },
    { maxLatency: Number.NaN },
  ]) {
    assert.throws(() => deriveParameters(wrong), { code: 'ERR_COAP_PARAMETER' });
  }
});
