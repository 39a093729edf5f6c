import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Code,
  type Option,
  OptionNumber,
  opaqueOption,
  openRelay,
  ProxyServer,
  pathOptions,
  type Request,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes } from '../../../src/core/bytes.ts';
import { ok, ProxyNet, text } from './net.ts';

const hop = (value: number): Option => uintOption(OptionNumber.HopLimit, value);
const hopOf = (request: Request | undefined): number | undefined => uintOf(request!.options, OptionNumber.HopLimit);

test('RFC 8768 3: inserted with 16, decremented, left away where that is set', async () => {
  const inserting = new ProxyNet(ok);
  await inserting.get('t');
  await inserting.get('t', hop(255));
  await inserting.get('t', hop(2));
  assert.deepEqual(inserting.asked.map(hopOf), [16, 254, 1]);
  await inserting.close();
  const without = new ProxyNet(ok, { proxy: { forward: { allow: openRelay }, hopLimit: 0 } });
  await without.get('t');
  await without.get('t', hop(3));
  assert.deepEqual(without.asked.map(hopOf), [undefined, 2]);
  await without.close();
});

test('RFC 8768 3, 4: a Hop-Limit of 1 ends at the proxy: 5.08 with its name', async () => {
  const net = new ProxyNet(ok, { proxy: { forward: { allow: openRelay }, name: 'edge' } });
  const response = await net.get('t', hop(1));
  assert.deepEqual([response.code, text(response)], [Code.HopLimitReached, 'edge']);
  assert.equal(net.asked.length, 0);
  await net.close();
});

test('RFC 8768 3: 0, an empty value and one above 255: 4.00', async () => {
  const net = new ProxyNet(ok);
  for (const value of [emptyBytes, Uint8Array.of(0), Uint8Array.of(1, 0)])
    assert.equal((await net.get('t', opaqueOption(OptionNumber.HopLimit, value))).code, Code.BadRequest);
  assert.equal(net.asked.length, 0);
  await net.close();
});

test('RFC 8768 4: each proxy on the way back puts its name before the others', async () => {
  const net = new ProxyNet(ok, { proxy: { forward: { allow: openRelay, via: 'coap://10.0.0.6' }, name: 'first' } });
  const second = new ProxyServer({ forward: { allow: openRelay }, name: 'second', env: net.sim.env('second') });
  const other = net.endpoint('10.0.0.6', { proxying: second });
  assert.equal(text(await net.get('t')), 'ok');
  assert.equal(hopOf(net.asked[0]), 15);
  const response = await net.get('t', hop(2));
  assert.deepEqual([response.code, text(response)], [Code.HopLimitReached, 'first second']);
  await other.close();
  await net.close();
});

test('RFC 8768 3, 4: a loop of two proxies ends, and a 5.08 with our own name in it goes no further', async () => {
  const net = new ProxyNet(ok, { proxy: { reverse: [{ target: 'coap://10.0.0.6' }], name: 'a' } });
  const second = new ProxyServer({ reverse: [{ target: 'coap://10.0.0.5' }], name: 'b', env: net.sim.env('b') });
  const other = net.endpoint('10.0.0.6', { proxying: second });
  const response = await net.plain({ options: pathOptions(['t']) });
  assert.equal(response.code, Code.HopLimitReached);
  assert.ok(text(response).split(' ').length <= 2, text(response));
  assert.ok(net.events.some((event) => event.type === 'refused' && event.reason === 'loop'));
  // There and back again, 16 times at most.
  assert.ok(net.sim.wire.length <= 2 * 18, `${net.sim.wire.length} datagrams`);
  await other.close();
  await net.close();
});
