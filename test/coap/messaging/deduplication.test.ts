import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Body, Code, type Peer } from '../../../src/coap/index.ts';
import { content, get, messageLayer, other, peer, token } from './message-layer.ts';

test('RFC 7252 4.5: a duplicate is answered with the same reply and processed once', async () => {
  const { receive, requests, sim, isEmpty } = messageLayer({ answer: content });
  const first = receive('4201 1234 aabb');
  for (let i = 0; i < 4; i++) assert.deepEqual(receive('4201 1234 aabb'), first);
  assert.equal(requests.length, 1);
  // Another peer, another id: no duplicates.
  receive('4201 1234 aabb', other);
  receive('4201 1235 aabb');
  assert.equal(requests.length, 3);
  await sim.run();
  isEmpty();
});

test('RFC 7252 4.5: a duplicate Non-confirmable request is ignored in silence', () => {
  const { receive, requests } = messageLayer({ answer: content });
  assert.equal(receive('5201 1234 aabb').length, 1);
  assert.deepEqual(receive('5201 1234 aabb'), []);
  assert.equal(requests.length, 1);
});

test('RFC 7252 4.8.2: ids are remembered for EXCHANGE_LIFETIME, of Non-confirmable messages for NON_LIFETIME', async () => {
  const { receive, requests, sim, isEmpty } = messageLayer({ answer: content });
  receive('4201 1234 aabb');
  receive('5201 1235 aabb');
  await sim.sleep(144_999);
  receive('4201 1234 aabb');
  receive('5201 1235 aabb');
  assert.equal(requests.length, 2);
  await sim.sleep(1);
  receive('5201 1235 aabb');
  assert.equal(requests.length, 3);
  await sim.sleep(101_999);
  receive('4201 1234 aabb');
  assert.equal(requests.length, 3);
  await sim.sleep(1);
  receive('4201 1234 aabb');
  assert.equal(requests.length, 4);
  await sim.run();
  isEmpty();
});

test('RFC 7252 4.5: a Confirmable request is no duplicate of a Non-confirmable one', () => {
  const { receive, requests } = messageLayer({ answer: content });
  assert.equal(receive('5101 1234 bb').length, 1);
  assert.match(receive('4101 1234 aa')[0]!, /^61451234aa/);
  assert.equal(requests.length, 2);
  assert.match(receive('4101 1234 aa')[0]!, /^61451234aa/);
  assert.equal(requests.length, 2);
});

test('RFC 7252 4.5: an id that a peer takes again too early, with another token, is no duplicate', () => {
  const { receive, requests } = messageLayer({ answer: content });
  receive('4201 1234 aabb');
  assert.deepEqual(receive('4201 1234 aacc'), ['62451234aaccff6f6b']);
  assert.deepEqual(receive('4101 1234 aa'), ['61451234aaff6f6b']);
  assert.equal(requests.length, 3);
});

test('the memory of duplicates is bounded in entries', () => {
  const { receive, requests, layer } = messageLayer({ answer: content, limits: { duplicates: { entries: 10, bytes: 100_000 } } });
  for (let id = 0; id < 300; id++) receive(`4001 ${(id + 0x1000).toString(16)}`);
  assert.equal(layer.stats()['duplicates'], 10);
  receive('4001 112b');
  assert.equal(requests.length, 300);
  receive('4001 1000');
  assert.equal(requests.length, 301);
});

test('the memory of duplicates is bounded in bytes', () => {
  const big: Body = { code: Code.Content, options: [], payload: new Uint8Array(1000) };
  const { receive, layer } = messageLayer({ answer: big, limits: { duplicates: { entries: 1000, bytes: 10_000 } } });
  for (let id = 0; id < 300; id++) {
    receive(`4001 ${(id + 0x1000).toString(16)}`);
    assert.ok(layer.stats()['duplicateBytes']! <= 10_000);
  }
  assert.equal(layer.stats()['duplicates'], 8);
});

test('RFC 7252 4.5: a duplicate is known again however much another peer sends', () => {
  const { receive, requests, layer } = messageLayer({ answer: content, limits: { duplicates: { entries: 64, bytes: 100_000 } } });
  const honest = Array.from({ length: 8 }, (_, i): [string, Peer] => [
    `4201 000${i} aabb`,
    i < 4 ? other : { key: `10.0.0.${i}:1`, address: `10.0.0.${i}`, port: 1 },
  ]);
  const answers = honest.map(([hex, from]) => receive(hex, from));
  for (let id = 0; id < 1000; id++) receive(`4001 ${(id + 0x1000).toString(16)}`);
  assert.equal(layer.stats()['duplicates'], 64);
  const before = requests.length;
  assert.deepEqual(
    honest.map(([hex, from]) => receive(hex, from)),
    answers,
  );
  assert.equal(requests.length, before, 'nothing is carried out twice');
  // Who floods pays: of its own messages the oldest are forgotten, the newest are known.
  receive('4001 13e7');
  assert.equal(requests.length, before);
  receive('4001 1000');
  assert.equal(requests.length, before + 1);
});

test('RFC 7252 4.5: a duplicate is known again however long the answers to another peer are', () => {
  const big: Body = { code: Code.Content, options: [], payload: new Uint8Array(1000) };
  const { receive, requests, layer } = messageLayer({ answer: big, limits: { duplicates: { entries: 1000, bytes: 10_000 } } });
  receive('4201 0001 aabb', other);
  for (let id = 0; id < 100; id++) receive(`4001 ${(id + 0x1000).toString(16)}`);
  assert.ok(layer.stats()['duplicateBytes']! <= 10_000);
  receive('4201 0001 aabb', other);
  assert.equal(requests.length, 101);
});

test('RFC 7252 4.5: a duplicate of a separate response is acknowledged again and delivered once', () => {
  const { receive, layer, responses, listener } = messageLayer({ expects: true });
  layer.transmit(peer, true, token, get, 0, listener('get'));
  assert.deepEqual(receive('4145 1234 aa'), ['60001234']);
  assert.deepEqual(receive('4145 1234 aa'), ['60001234']);
  assert.equal(responses.length, 1);
});

test('RFC 7252 4.5: a response is no duplicate of a request with its id, nor the other way round', () => {
  const { receive, responses, requests } = messageLayer({ expects: true });
  // Forged, as it may be.
  receive('5001 5555');
  receive('4001 5556');
  assert.deepEqual(receive('4145 5555 bb'), ['60005555']);
  assert.deepEqual(receive('4145 5556 bb'), ['60005556']);
  assert.deepEqual(receive('5145 5557 bb'), []);
  assert.deepEqual(receive('4145 5557 bb'), ['60005557']);
  assert.equal(responses.length, 4);
  receive('4001 5555');
  assert.equal(requests.length, 3);
});
