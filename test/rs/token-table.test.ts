import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeExiCti } from '../../src/ace/index.ts';
import { formatCode } from '../../src/coap/index.ts';
import type { Env } from '../../src/core/env.ts';
import { type AccessToken, TokenTable } from '../../src/rs/token-table.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';
import { Bench, holder } from './support.ts';

const by = `${holder} 1`;
const kidOf = (number: number): { cnf: { kid: Uint8Array } } => ({ cnf: { kid: Uint8Array.of(number) } });
const credentialOf = (number: number): string => `fake:as1:${Buffer.from([number]).toString('base64url')}`;

async function keysOf(store: Store, prefix = 'rs/token/'): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key] of store.scan(prefix)) keys.push(key.slice(prefix.length));
  return keys;
}

test('RFC 9200 5.10.1: a new token for a key replaces the one it has, once the new association shows itself', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'r_temp' }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  // Anybody may upload a token that was seen on the way.
  await bench.upload(bench.token({ scope: 'w_led' }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.equal(await bench.code('/led', { by }), '4.03');
  assert.equal(await bench.code('/led', { by: `${holder} 2` }), '2.05');
  assert.equal(await bench.code('/temp', { by: `${holder} 2` }), '4.03');
  assert.equal(bench.rs.stats()['tokens'], 1);
  await bench.close();
});

test('RFC 9200 5.10.3, RFC 7519 4.1.4: a token counts until its exp and not at it, with the leeway that there is', () => {
  let now = 0;
  const env: Env = { now: () => 0, epoch: () => now, random: (length) => new Uint8Array(length), schedule: () => () => {} };
  const isValidAt = (leeway: number, time: number): boolean => {
    const table = new TokenTable({ store: memoryStore(), env, limit: 1, leeway, isRevoked: () => false, release: () => {}, fault: () => {} });
    now = time;
    return table.isValid({ expiresAt: 100 } as AccessToken);
  };
  assert.deepEqual(
    [99.999, 100, 101].map((time) => isValidAt(0, time)),
    [true, false, false],
  );
  assert.deepEqual(
    [100, 104.999, 105].map((time) => isValidAt(5, time)),
    [true, true, false],
  );
});

test('RFC 9203 6: what an association observed ends when another takes its place', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  const stream = bench.observe('/temp', by);
  await bench.simulator.finish(stream.next());
  await bench.upload(bench.token());
  assert.equal(bench.rs.stats()['lasting'], 1);
  assert.equal(await bench.code('/temp', { by: `${holder} 2` }), '2.05');
  assert.equal(formatCode((await bench.simulator.finish(stream.next())).value!.code), '4.01');
  assert.equal(bench.rs.stats()['lasting'], 0);
  await bench.close();
});

/** A table that is full with three tokens, of which the first was used last. */
async function withThreeTokens(): Promise<Bench> {
  const bench = await new Bench({ rs: { limits: { tokens: 3 } } }).start();
  for (const number of [1, 2, 3]) {
    await bench.upload(bench.token(kidOf(number)));
    await bench.simulator.sleep(10);
  }
  assert.equal(await bench.code('/temp', { by }), '2.05');
  return bench;
}

test('token table: when it is full, the token that was used least recently goes', async () => {
  const bench = await withThreeTokens();
  await bench.upload(bench.token(kidOf(4)));
  assert.equal(bench.rs.stats()['tokens'], 3);
  assert.deepEqual(bench.fake.released, [credentialOf(2)]);
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.close();
});

test('reconfigure: with a lower limit those tokens end that were used least recently, with a higher one there is room again', async () => {
  const bench = await withThreeTokens();
  bench.rs.reconfigure({ limits: { tokens: 2 } });
  assert.deepEqual(bench.fake.released, [credentialOf(2)]);
  assert.equal(await bench.code('/temp', { by }), '2.05');
  bench.rs.reconfigure({ limits: { tokens: 4 } });
  for (const number of [4, 5]) await bench.upload(bench.token(kidOf(number)));
  assert.equal(bench.rs.stats()['tokens'], 4);
  bench.rs.reconfigure({ limits: {} });
  await bench.upload(bench.token(kidOf(6)));
  assert.equal(bench.rs.stats()['tokens'], 5);
  await bench.close();
});

test('token table: when it is full, a token that has expired goes before one that is in use', async () => {
  const bench = await new Bench({ rs: { limits: { tokens: 2 } } }).start();
  await bench.upload(bench.token(kidOf(1)));
  await bench.upload(bench.token({ ...kidOf(2), exp: bench.now + 1 }));
  await bench.simulator.sleep(1000);
  await bench.upload(bench.token(kidOf(3)));
  assert.deepEqual(bench.fake.released, [credentialOf(2)]);
  assert.equal(bench.events.filter((event) => event.type === 'token-ended').length, 1);
  await bench.close();
});

test('token table: stats return to where they were once all tokens have expired, and the store is empty', async () => {
  const bench = await new Bench().start();
  const before = bench.rs.stats();
  for (const number of [1, 2, 3, 4, 5]) await bench.upload(bench.token({ ...kidOf(number), exp: bench.now + number * 10 }));
  for (const number of [1, 3]) assert.equal(await bench.code('/temp', { by: `${credentialOf(number)} 1` }), '2.05');
  assert.deepEqual(await keysOf(bench.store), [credentialOf(1), credentialOf(3)]);
  await bench.simulator.sleep(400_000);
  assert.deepEqual(bench.rs.stats(), before);
  assert.deepEqual(await keysOf(bench.store), []);
  assert.equal(bench.fake.released.length, 5);
  await bench.close();
});

test('token table: a token goes to the store with its first request, and not before', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  assert.deepEqual(await keysOf(bench.store), []);
  await bench.code('/temp', { by });
  assert.deepEqual(await keysOf(bench.store), [holder]);
  await bench.close();
});

test('restart: tokens are there again, with their rights and their ends, and the profile has its associations', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'r_temp', exp: bench.now + 50 }));
  await bench.code('/temp', { by });
  await bench.upload(bench.token({ scope: 'w_led', exp: bench.now + 100 }), { by });
  await bench.restart();
  assert.deepEqual([...bench.fake.restored], [[holder, by]]);
  assert.equal(await bench.code('/led', { by, method: 'PUT' }), '2.04');
  assert.equal(await bench.code('/temp', { by }), '4.03');
  await bench.simulator.sleep(100_000);
  assert.equal(await bench.code('/led', { by, method: 'PUT' }), '4.01');
  await bench.close();
});

test('restart: a stranger who uploads the first token again changes neither the rights of its key nor what is stored', async () => {
  const bench = await new Bench().start();
  const first = bench.token({ scope: 'r_temp' });
  await bench.upload(first);
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.upload(bench.token({ scope: 'w_led' }), { by });
  await bench.restart();
  await bench.upload(first);
  assert.equal(await bench.code('/temp', { by }), '4.03');
  assert.equal(await bench.code('/led', { by, method: 'PUT' }), '2.04');
  await bench.restart();
  assert.deepEqual([...bench.fake.restored], [[holder, by]]);
  assert.equal(await bench.code('/led', { by, method: 'PUT' }), '2.04');
  await bench.close();
});

test('token table: each association has the token of its own upload, whichever shows itself first', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'r_temp' }));
  await bench.upload(bench.token({ scope: 'w_led' }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.equal(await bench.code('/led', { by }), '4.03');
  assert.equal(await bench.code('/led', { by: `${holder} 2` }), '2.05');
  assert.equal(await bench.code('/led', { by: `${holder} 3` }), '4.01', 'no upload led to it');
  await bench.close();
});

test('restart: what has expired meanwhile, is of an issuer that is gone, or cannot be read, is forgotten', async () => {
  const store = memoryStore();
  const bench = await new Bench({ store }).start();
  await bench.upload(bench.token({ exp: bench.now + 5 }));
  await bench.code('/temp', { by });
  await store.put('rs/token/fake:as1:AA', Uint8Array.of(0xff));
  await store.put('rs/token/fake:as1:AB', Uint8Array.of(0x80));
  await bench.rs.close();
  await bench.simulator.sleep(5000);
  await bench.start();
  await bench.simulator.sleep(0);
  assert.deepEqual(await keysOf(store), []);
  assert.equal(bench.rs.stats()['tokens'], 0);
  assert.equal(bench.fake.restored.size, 0);
  await bench.close();
});

test('restart: a scope that is no longer known takes its token along', async () => {
  const store = memoryStore();
  const first = await new Bench({ store }).start();
  await first.upload(first.token());
  await first.code('/temp', { by });
  await first.close();
  const second = await new Bench({ store, rs: { scopes: { other: { '/temp': ['GET'] } } } }).start();
  assert.equal(second.rs.stats()['tokens'], 0);
  assert.ok(second.events.some((event) => event.type === 'token-ended' && event.reason === 'unusable'));
  await second.close();
});

test('token table: a store that fails costs no right, and is told', async () => {
  const store = memoryStore();
  const bench = await new Bench({ store }).start();
  store.put = () => Promise.reject(new Error('disk full'));
  await bench.upload(bench.token());
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.ok(bench.events.some((event) => event.type === 'fault' && event.detail === 'disk full'));
  await bench.close();
});

const exi = (sequence: number, seconds: number): Record<string, unknown> => ({ exp: undefined, exi: seconds, cti: encodeExiCti('rs1', sequence) });

test('RFC 9200 5.10.3: exi counts from the first time that the token is verified, however often it comes', async () => {
  const bench = await new Bench().start();
  const token = bench.token(exi(1, 60));
  assert.equal(await bench.upload(token), '2.01');
  await bench.simulator.sleep(40_000);
  assert.equal(await bench.upload(token), '2.01');
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.simulator.sleep(20_000);
  assert.equal(await bench.code('/temp', { by }), '4.01');
  assert.equal(await bench.upload(token), '4.01');
  assert.deepEqual(bench.refusals().slice(-1), ['ERR_RS_EXPIRED']);
  await bench.close();
});

test('RFC 9200 5.10.3: a sequence number below that of an expired token counts as expired', async () => {
  const bench = await new Bench().start();
  assert.equal(await bench.upload(bench.token(exi(5, 10))), '2.01');
  assert.equal(await bench.upload(bench.token({ ...exi(4, 100), ...kidOf(4) })), '2.01');
  await bench.simulator.sleep(10_100);
  assert.equal(await bench.upload(bench.token({ ...exi(3, 100), ...kidOf(3) })), '4.01');
  assert.equal(await bench.upload(bench.token({ ...exi(4, 100), ...kidOf(4) })), '2.01', 'its counter runs');
  assert.equal(await bench.upload(bench.token({ ...exi(6, 100), ...kidOf(6) })), '2.01');
  await bench.simulator.sleep(101_000);
  assert.equal(bench.rs.stats()['exi'], 0);
  assert.equal(bench.rs.stats()['tokens'], 0);
  await bench.close();
});

test('RFC 9200 5.10.3: nobody knows how long a restart took: counters of exi end with it, for good', async () => {
  const bench = await new Bench().start();
  const token = bench.token(exi(7, 1000));
  assert.equal(await bench.upload(token), '2.01');
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.restart();
  assert.equal(await bench.code('/temp', { by }), '4.01');
  assert.equal(await bench.upload(token), '4.01');
  assert.equal(await bench.upload(bench.token({ ...exi(8, 1000) })), '2.01');
  await bench.close();
});

test('RFC 9200 5.10.3: exi without a cti that counts: 4.00', async () => {
  const bench = await new Bench().start();
  assert.equal(await bench.upload(bench.token({ ...exi(1, 10), cti: undefined })), '4.00');
  assert.equal(await bench.upload(bench.token({ ...exi(1, 10), cti: Uint8Array.of(1) })), '4.00');
  await bench.close();
});

test('RFC 9200 5.10.3: with exp and exi, what ends first', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ ...exi(1, 100), exp: bench.now + 10 }));
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.simulator.sleep(10_000);
  assert.equal(await bench.code('/temp', { by }), '4.01');
  await bench.close();
});

test('token table: a key identifier that no store can hold: 4.00', async () => {
  const bench = await new Bench().start();
  assert.equal(await bench.upload(bench.token({ cnf: { kid: new Uint8Array(1000) } })), '4.00');
  assert.equal(bench.rs.stats()['tokens'], 0);

  await bench.close();
});

test('RFC 9200 5.10.3: a token with exi takes the place of a stored one: after a restart neither is there', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  await bench.code('/temp', { by });
  assert.deepEqual(await keysOf(bench.store), [holder]);
  await bench.upload(bench.token(exi(1, 50)), { by });
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.deepEqual(await keysOf(bench.store), []);
  await bench.close();
});

test('RFC 9200 5.10.3: when the clock is set past the end of a token, its observations end with the next notification', async () => {
  const simulator = new Simulator();
  const clock = simulator.env('rs');
  let skew = 0;
  const env: Env = {
    now: () => clock.now(),
    epoch: () => clock.epoch() + skew,
    random: (length) => clock.random(length),
    schedule: (delay, task) => clock.schedule(delay, task),
  };
  const bench = await new Bench({ simulator, rs: { env } }).start();
  await bench.upload(bench.token({ exp: bench.now + 3600 }));
  const stream = bench.observe('/temp', by);
  assert.equal(formatCode((await simulator.finish(stream.next())).value!.code), '2.05');
  bench.rs.resource('/open/slow', { get: () => new Promise((resolve) => clock.schedule(5000, () => resolve('late'))) });
  bench.rs.reconfigure({ scopes: { r_temp: { '/temp': ['GET'], '/open/slow': ['GET'] } } });
  const slow = bench.code('/open/slow', { by });
  await simulator.sleep(1000);
  skew = 7200;
  assert.equal(await slow, '4.01', 'and so does what is not answered yet, with its answer');
  bench.changed();
  assert.equal(formatCode((await simulator.finish(stream.next())).value!.code), '4.01');
  assert.equal(bench.rs.stats()['lasting'], 0);
  assert.equal(bench.rs.stats()['observers'], 0);
  await bench.close();
});
