import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tokens, tokenNumber } from '../../../src/coap/exchange/token.ts';
import { decodeMessage, Endpoint, OptionNumber, type Peer, pathOptions } from '../../../src/coap/index.ts';
import { RandomPool } from '../../../src/coap/messaging/random-pool.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';

const pool = (): RandomPool => new RandomPool(new Simulator().env());

test('RFC 9175 4.2: tokens hold a sequence number from zero, and none comes twice', () => {
  const tokens = new Tokens(pool());
  const seen = new Set<string>();
  for (let i = 0; i < 70_000; i++) {
    const token = tokens.take();
    assert.equal(tokenNumber(token), i);
    seen.add(toHex(token));
  }
  assert.equal(seen.size, 70_000);
});

test('RFC 9175 4.2 and 5.1: the number is encoded so that no two tokens collide, whatever their random bytes', () => {
  for (const number of [0, 255, 256, 65_535, 65_536, 2 ** 24 - 1, 2 ** 24, 2 ** 32 - 1]) {
    const token = new Tokens(pool(), number).take();
    assert.ok(token.length >= 5 && token.length <= 8);
    assert.equal(tokenNumber(token), number);
  }
});

test('RFC 9175 4.2: when the numbers are used up there is an error, and no token is used again', () => {
  const tokens = new Tokens(pool(), 2 ** 32 - 1);
  tokens.take();
  for (let i = 0; i < 3; i++) assert.throws(() => tokens.take(), { code: 'ERR_COAP_TOKEN' });
});

test('RFC 7252 5.3.1: four bytes of a token are random, also for a server that has seen others', () => {
  const tokens = new Tokens(pool());
  const heads = new Set(Array.from({ length: 1000 }, () => toHex(tokens.take().subarray(0, 4))));
  assert.equal(heads.size, 1000);
});

test('RFC 9175 4.1: a late response to a request that was given up, or to an observation that ended, finds no other request', async () => {
  const sim = new Simulator({ seed: 8 });
  const there: Peer = { key: '10.0.0.2:5683', address: '10.0.0.2', port: 5683 };
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('client') });
  const raw = new RawPeer(sim, '10.0.0.2', { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 });
  const tokens: string[] = [];
  for (let i = 0; i < 50; i++) {
    const controller = new AbortController();
    const given = i % 2 === 0 ? endpoint.request({ peer: there, options: pathOptions(['status']) }, { signal: controller.signal }) : undefined;
    const stream = given === undefined ? endpoint.observe({ peer: there, options: pathOptions(['status']) }) : undefined;
    await sim.sleep(50);
    const { token, options } = decodeMessage(fromHex(raw.received.at(-1)!));
    assert.equal(
      options.some(({ number }) => number === OptionNumber.Observe),
      stream !== undefined,
    );
    tokens.push(toHex(token));
    controller.abort();
    await given?.catch(() => {});
    await stream?.return?.();
  }
  assert.equal(new Set(tokens).size, 50);
  const pending = endpoint.request({ peer: there, options: pathOptions(['status']) });
  const failed = assert.rejects(pending, { code: 'ERR_COAP_TIMEOUT' });
  let id = 0x7000;
  // Each late response is rejected, and the request waits on.
  for (const token of tokens) {
    const answers = await raw.exchange(`4${token.length / 2}45${(++id).toString(16)}${token}ff6f6e`);
    assert.ok(answers.includes(`7000${id.toString(16)}`));
  }
  await sim.finish(failed);
  await sim.finish(endpoint.close());
});
