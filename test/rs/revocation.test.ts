import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeExiCti, tokenHash, tokenHashText } from '../../src/ace/index.ts';
import { fromBase64Url, toBase64Url } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { protectCwt } from '../../src/core/cwt.ts';
import { ResourceServer, type ResourceServerError, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { FakeList } from './fake-list.ts';
import { asUri, Bench, FakeProfile, holder, tokenKey } from './support.ts';

const by = `${holder} 1`;

async function benchWith(list: FakeList, rs: Partial<ResourceServerOptions> = {}, store: Store = memoryStore()): Promise<Bench> {
  const bench = await new Bench({ store, rs: { revocation: { lists: { as1: list }, interval: 10 }, ...rs } }).start();
  await bench.simulator.sleep(1);
  return bench;
}

const hashOf = (number: number): string => toBase64Url(tokenHash(Uint8Array.of(number >> 8, number & 0xff)));

async function keysOf(store: Store): Promise<number> {
  let count = 0;
  for await (const _ of store.scan('rs/revoked/')) count++;
  return count;
}

test('RFC 9770 11.1: a revoked token is expunged and not taken again until it has expired; then its hash goes', async () => {
  const list = new FakeList();
  const bench = await benchWith(list, { leeway: 20 });
  const token = bench.token();
  assert.equal(await bench.upload(token), '2.01');
  assert.equal(await bench.code('/temp', { by }), '2.05');
  list.hashes.add(tokenHashText(token));
  await bench.simulator.sleep(11_000);
  assert.deepEqual(bench.fake.released, [holder]);
  assert.equal(await bench.code('/temp', { by }), '4.01');
  assert.equal(await bench.upload(token), '4.01');
  assert.deepEqual(bench.refusals().slice(-1), ['ERR_RS_REVOKED']);
  assert.equal(bench.rs.stats()['revoked'], 1);
  // It leaves the list at its `exp`; this RS would take it for a leeway longer, and so keeps the hash.
  list.hashes.clear();
  await bench.simulator.sleep(95_000);
  assert.equal(bench.rs.stats()['revoked'], 1);
  assert.equal(await bench.upload(token), '4.01');
  await bench.simulator.sleep(20_000);
  assert.equal(bench.rs.stats()['revoked'], 0);
  assert.equal(await keysOf(bench.store), 0);
  await bench.close();
});

test('RFC 9770 11.1: a token is refused whose bytes could be others', async () => {
  const bench = await benchWith(new FakeList());
  const token = bench.token();
  const inner = (decode(token) as Tagged).value as Tagged;
  const [protectedBytes, , ciphertext] = inner.value as readonly CborValue[];
  const unprotected = encode(new Tagged(61, new Tagged(16, [protectedBytes, new Map([[4, Uint8Array.of(1)]]), ciphertext])));
  assert.equal(await bench.upload(unprotected), '4.00');
  assert.equal(await bench.upload(encode(inner)), '4.00');
  assert.deepEqual(bench.refusals(), ['ERR_RS_TOKEN_FORM', 'ERR_RS_TOKEN_FORM']);
  assert.equal(await bench.upload(token), '2.01');
  await bench.close();
  // Without a list there is nothing to be named by a hash.
  const other = await new Bench().start();
  assert.equal(await other.upload(unprotected), '2.01');
  await other.close();
});

test('RFC 9770 11.1: a token that waits for its first request, and one that replaces another, are revoked too', async () => {
  const list = new FakeList();
  const bench = await benchWith(list);
  const first = bench.token();
  const second = bench.token({ scope: 'w_led' });
  await bench.upload(first);
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.upload(second);
  list.hashes.add(tokenHashText(second));
  await bench.simulator.sleep(11_000);
  assert.equal(await bench.code('/led', { by: `${holder} 2` }), '4.01', 'its first request comes too late');
  assert.equal(await bench.code('/temp', { by }), '2.05', 'the one that was not revoked goes on');
  await bench.close();
});

test('RFC 9770 11.1: of a token with exi, the sequence number is retired with the hash', async () => {
  const list = new FakeList();
  const bench = await benchWith(list);
  const exi = (sequence: number): Uint8Array => bench.token({ exp: undefined, exi: 50, cti: encodeExiCti('rs1', sequence) });
  const token = exi(7);
  list.hashes.add(tokenHashText(token));
  await bench.simulator.sleep(11_000);
  assert.equal(await bench.upload(token), '4.01');
  assert.deepEqual(bench.refusals().slice(-1), ['ERR_RS_REVOKED']);
  list.hashes.clear();
  await bench.simulator.sleep(100_000);
  assert.equal(bench.rs.stats()['revoked'], 0, 'it was seen, and has expired at the AS');
  assert.equal(await bench.upload(token), '4.01');
  assert.deepEqual(bench.refusals().slice(-1), ['ERR_RS_EXPIRED']);
  await bench.restart();
  assert.equal(await bench.upload(exi(6)), '4.01', 'it and all below, also after a restart');
  assert.equal(await bench.upload(exi(8)), '2.01');
  await bench.close();
});

test('RFC 9770 11.1: the hash of a token that was never seen is kept, until there are too many: then the earliest goes', async () => {
  const list = new FakeList();
  const bench = await benchWith(list, { limits: { revoked: 100 } });
  for (let i = 0; i < 60; i++) list.hashes.add(hashOf(i));
  await bench.simulator.sleep(11_000);
  list.hashes.clear();
  await bench.simulator.sleep(200_000);
  assert.equal(bench.rs.stats()['revoked'], 60, 'a token with exi could still come');
  for (let i = 60; i < 1000; i++) list.hashes.add(hashOf(i));
  await bench.simulator.sleep(200_000);
  assert.equal(bench.rs.stats()['revoked'], 100);
  assert.equal(await keysOf(bench.store), 100);
  bench.rs.reconfigure({ limits: { revoked: 50 } });
  assert.equal(bench.rs.stats()['revoked'], 100, 'without its hash a revoked token would be taken again');
  bench.rs.reconfigure({ limits: { revoked: 102 } });
  for (let i = 1000; i < 1010; i++) list.hashes.add(hashOf(i));
  await bench.simulator.sleep(11_000);
  assert.equal(bench.rs.stats()['revoked'], 102);
  await bench.restart();
  assert.equal(bench.rs.stats()['revoked'], 102);
  await bench.close();
});

test('RFC 9770 11.1, RFC 9200 5.10.1.1: a token that is revoked, or ends, while a profile looks at it is not taken', async () => {
  const list = new FakeList();
  const bench = await benchWith(list);
  const clock = bench.simulator.env('profile');
  bench.fake.wait = () => new Promise<void>((resolve) => clock.schedule(15_000, resolve));
  const revoked = bench.token();
  clock.schedule(1000, () => list.hashes.add(tokenHashText(revoked)));
  assert.equal(await bench.upload(revoked), '4.01');
  assert.equal(await bench.upload(bench.token({ exp: bench.now + 10 })), '4.01');
  assert.deepEqual(bench.refusals(), ['ERR_RS_REVOKED', 'ERR_RS_EXPIRED']);
  assert.deepEqual([bench.rs.stats()['tokens'], bench.fake.released], [0, [holder, holder]]);
  await bench.close();
});

test('RFC 9770 4: what one issuer lists says nothing of the tokens of another', async () => {
  const list = new FakeList();
  const other = new FakeList();
  const foreign = { ...tokenKey, key: { kty: 4, k: new Uint8Array(16).fill(9) } };
  const issuers = [
    { issuer: 'as1', uri: asUri, tokenKeys: [tokenKey] },
    { issuer: 'as2', uri: 'coap://other.example/token', tokenKeys: [foreign] },
  ];
  const bench = await benchWith(list, { issuers, revocation: { lists: { as1: list, as2: other }, interval: 10 } });
  const token = bench.token();
  other.hashes.add(tokenHashText(token));
  await bench.simulator.sleep(11_000);
  assert.equal(await bench.upload(token), '2.01');
  const theirs = protectCwt({ aud: 'rs1', exp: bench.now + 100, scope: 'r_temp', cnf: { kid: Uint8Array.of(1) } }, foreign, bench.simulator.env('x').random);
  other.hashes.add(tokenHashText(theirs));
  await bench.simulator.sleep(11_000);
  assert.equal(await bench.upload(theirs), '4.01');
  const shownElsewhere = (one: Uint8Array): readonly boolean[] => issuers.map((issuer) => bench.rs.isRevoked(issuer, tokenHashText(one)));
  assert.deepEqual(
    [shownElsewhere(token), shownElsewhere(theirs)],
    [
      [false, true],
      [false, true],
    ],
  );
  await bench.close();
});

test('RFC 9770 9.2: notifications that connect need no query; after a gap the cursor is asked, and the whole list when it is lost', async () => {
  const list = new FakeList();
  list.observable = true;
  list.cursor = 5;
  const bench = await benchWith(list, { revocation: { lists: { as1: list }, interval: 600 } });
  const added = (number: number): { readonly removed: []; readonly added: Uint8Array[] } => ({ removed: [], added: [fromBase64Url(hashOf(number))] });
  assert.deepEqual(list.queries, [{}, { diff: 4 }]);
  list.notify({ diffSet: [added(1), added(0)], cursor: 6, more: false });
  await bench.simulator.sleep(1);
  assert.equal(bench.rs.stats()['revoked'], 1, 'one of the entries is new');
  assert.equal(list.queries.length, 2);
  // Ten updates have passed, and the AS tells in two answers what they were.
  list.answers.push({ diffSet: [added(4), added(3)], cursor: 8, more: true }, { diffSet: [added(5)], cursor: 16, more: false });
  list.notify({ diffSet: [added(5)], cursor: 16, more: false });
  await bench.simulator.sleep(1);
  assert.deepEqual(list.queries.slice(2), [
    { diff: 0, cursor: 6 },
    { diff: 0, cursor: 8 },
  ]);
  assert.equal(bench.rs.stats()['revoked'], 4);
  // Case A of Section 9.2.3.
  list.answers.push({ diffSet: [], cursor: null, more: true });
  list.hashes.add(hashOf(9));
  list.cursor = 400;
  list.notify({ diffSet: [added(8)], cursor: 400, more: false });
  await bench.simulator.sleep(1);
  assert.deepEqual(list.queries.slice(4), [{ diff: 0, cursor: 16 }, {}]);
  assert.equal(bench.rs.stats()['revoked'], 6);
  await bench.close();
});

test('RFC 9770 11: where the list cannot be had nothing is concluded, and it is tried again', async () => {
  const list = new FakeList();
  list.fails = true;
  const bench = await benchWith(list, { revocation: { lists: { as1: list }, interval: 60 } });
  assert.equal(await bench.upload(bench.token()), '2.01');
  await bench.simulator.sleep(30_000);
  const told = (): string[] => bench.events.flatMap((event) => (event.type === 'revocation-list' ? [event.reason] : []));
  assert.deepEqual(told(), ['ERR_COAP_TIMEOUT'], 'told once');
  assert.ok(list.queries.length >= 4 && list.queries.length <= 6, `${list.queries.length} tries, each later than the one before`);
  list.fails = false;
  await bench.simulator.sleep(60_000);
  assert.deepEqual(told(), ['ERR_COAP_TIMEOUT', 'reached']);
  await bench.close();
  await bench.simulator.sleep(600_000);
  assert.equal(bench.simulator.pending, 0, 'nothing goes on after the end');
});

test('a list of somebody who is no issuer is a fault of the configuration', () => {
  const options = {
    audience: 'rs1',
    issuers: [{ issuer: 'as1', uri: asUri, tokenKeys: [tokenKey] }],
    profiles: [new FakeProfile().profile],
    store: memoryStore(),
  };
  assert.throws(
    () => new ResourceServer({ ...options, revocation: { lists: { as2: new FakeList() } } }),
    (error: ResourceServerError) => error.code === 'ERR_RS_CONFIG' && error.message.includes('as2'),
  );
});
