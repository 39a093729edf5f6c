import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, Endpoint, type Handler, OptionNumber, type Peer, uintOption } from '../../../src/coap/index.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';

const here: Peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };

function serverOf(handler: Handler, replies: number) {
  const sim = new Simulator({ seed: 5 });
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('endpoint'), limits: { replies }, handler });
  const peer = (host: number): RawPeer => new RawPeer(sim, `10.0.0.${host}`, here);
  return { sim, endpoint, peer };
}

/** A Confirmable GET with a token and a message id of this number. */
function get(number: number, observe = ''): string {
  const id = number.toString(16).padStart(4, '0');
  return `4201 ${id} ${id} ${observe}`;
}

/** Responses by token, without the Empty acknowledgements. */
function codes(received: readonly string[]): Record<string, string> {
  return Object.fromEntries(received.filter((hex) => hex[1] === '2').map((hex) => [hex.slice(8, 12), hex.slice(2, 4)]));
}

test('RFC 7252 5.9.3.4: a peer that fills all places for replies keeps no other out, and hears 5.03 for what gives way', async () => {
  const cancelled: string[] = [];
  const { endpoint, peer } = serverOf((request, reply) => {
    reply.onCancel(() => cancelled.push(request.peer.address));
  }, 8);
  const [flood, ...others] = [2, 3, 4].map(peer);
  flood!.onDatagram = (hex) => hex.startsWith('42') && flood!.send(`6000 ${hex.slice(4, 8)}`);
  for (let i = 1; i <= 8; i++) await flood!.exchange(get(i));
  assert.deepEqual(codes(await flood!.exchange(get(9))), { '0009': 'a3' }, 'more of the same peer finds no room');
  for (const other of others) {
    for (const number of [1, 2]) assert.deepEqual(codes(await other.exchange(get(number))), {}, 'it is not refused');
  }
  assert.equal(endpoint.stats()['replies'], 8);
  // The newest gave way: the handler hears that nobody waits, and the client why.
  assert.deepEqual(cancelled, Array(4).fill('10.0.0.2'));
  assert.deepEqual(codes(flood!.received), { '0005': 'a3', '0006': 'a3', '0007': 'a3', '0008': 'a3', '0009': 'a3' });
  await endpoint.close();
});

test('a share is fair when none has much more than another: then what is open stays, and what comes hears 5.03', async () => {
  const { endpoint, peer } = serverOf(() => {}, 4);
  const peers = [2, 3, 4, 5].map(peer);
  for (const one of peers) await one.exchange(get(1));
  assert.deepEqual(codes(await peer(6).exchange(get(1))), { '0001': 'a3' });
  assert.ok(peers.every((one) => Object.keys(codes(one.received)).length === 0));
  await endpoint.close();
});

test('RFC 7641 4.2: an observation that gives way to another peer ends with 5.03, and its registration is gone', async () => {
  const cancelled: number[] = [];
  let count = 0;
  const { sim, endpoint, peer } = serverOf((request, reply) => {
    const number = ++count;
    reply.onCancel(() => cancelled.push(number));
    if (request.options.some(({ number: option }) => option === OptionNumber.Observe)) {
      reply.notify({ code: Code.Content, options: [uintOption(OptionNumber.Observe, number)], payload: new Uint8Array(0) });
    }
  }, 4);
  const [flood, other] = [2, 3].map(peer);
  for (let i = 1; i <= 4; i++) await flood!.exchange(get(i, '60'));
  assert.equal(endpoint.stats()['observers'], 4);
  await other!.exchange(get(1));
  assert.deepEqual(cancelled, [4]);
  const last = flood!.received.at(-1)!;
  assert.deepEqual([last.slice(2, 4), last.slice(8, 12)], ['a3', '0004']);
  flood!.send(`6000 ${last.slice(4, 8)}`);
  await sim.sleep(100);
  assert.deepEqual([endpoint.stats()['observers'], endpoint.stats()['replies']], [3, 4]);
  await endpoint.close();
});

test('who comes and goes leaves nothing behind', async () => {
  const { sim, endpoint, peer } = serverOf((_request, reply) => {
    sim.env('handler').schedule(20, () => reply.respond({ code: Code.Valid, options: [], payload: new Uint8Array(0) }));
  }, 3);
  for (let host = 10; host < 250; host++) assert.equal((await peer(host).exchange(get(host))).length, 1, `peer ${host}`);
  assert.equal(endpoint.stats()['replies'], 0);
  await endpoint.close();
});
