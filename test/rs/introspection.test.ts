import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IntrospectionResponse, tokenHashText } from '../../src/ace/index.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import type { IntrospectionOptions } from '../../src/rs/index.ts';
import { Introspections } from '../../src/rs/introspection.ts';
import { Simulator } from '../support/simulator.ts';
import { FakeList } from './fake-list.ts';
import { Bench, holder, kid } from './support.ts';

const by = `${holder} 1`;
const reference = new Uint8Array(16).fill(0xee);

/** An AS that knows some tokens by heart. */
class FakeAs {
  readonly known: Map<string, IntrospectionResponse> = new Map();
  asked = 0;
  fails = false;

  readonly ask = async (token: Uint8Array): Promise<IntrospectionResponse> => {
    this.asked++;
    if (this.fails) throw new ProtocolError('ERR_COAP_TIMEOUT', 'expected a response, got none');
    return this.known.get(tokenHashText(token)) ?? { active: false };
  };
}

function benchWith(as: FakeAs, options: Partial<IntrospectionOptions> = {}, list?: FakeList): Promise<Bench> {
  const revocation = list === undefined ? {} : { revocation: { lists: { as1: list }, interval: 10 } };
  return new Bench({ rs: { introspection: { issuers: { as1: as.ask }, ...options }, ...revocation } }).start();
}

const active = (bench: Bench, more: Partial<IntrospectionResponse> = {}): IntrospectionResponse => ({
  active: true,
  aud: 'rs1',
  exp: bench.now + 100,
  scope: 'r_temp',
  cnf: { kid },
  clientId: 'c1',
  ...more,
});

test('RFC 9200 5.9: a token that is but a reference gets its claims from the AS', async () => {
  const as = new FakeAs();
  const bench = await benchWith(as);
  assert.equal(await bench.upload(reference), '4.00', 'the AS does not know it');
  as.known.set(tokenHashText(reference), active(bench));
  assert.equal(await bench.upload(reference), '4.00', 'and said so a moment ago');
  await bench.simulator.sleep(61_000);
  as.known.set(tokenHashText(reference), active(bench));
  assert.equal(await bench.upload(reference), '2.01');
  assert.equal(await bench.code('/temp', { by }), '2.05');
  assert.equal(await bench.code('/led', { by }), '4.03');
  assert.equal(as.asked, 2);
  // A token that says all by itself is not asked about.
  assert.equal(await bench.upload(bench.token()), '2.01');
  assert.equal(as.asked, 2);
  await bench.close();
});

test('RFC 9200 5.10.1.1: claims from the AS are checked as those in a token', async () => {
  const as = new FakeAs();
  const bench = await benchWith(as);
  const refused = async (more: Partial<IntrospectionResponse>): Promise<string> => {
    const token = crypto.getRandomValues(new Uint8Array(16));
    as.known.set(tokenHashText(token), active(bench, more));
    return bench.upload(token);
  };
  assert.equal(await refused({ aud: 'rs2' }), '4.03');
  assert.equal(await refused({ exp: bench.now - 1 }), '4.01');
  assert.equal(await refused({ iss: 'as2' }), '4.01');
  assert.equal(await refused({ scope: 'unheard_of' }), '4.00');
  assert.deepEqual(bench.refusals(), ['ERR_RS_AUDIENCE', 'ERR_RS_EXPIRED', 'ERR_RS_ISSUER', 'ERR_RS_SCOPE']);
  await bench.close();
});

test('RFC 9200 5.9: an RS may ask about every token; an answer counts for a while, and not after a revocation', async () => {
  const as = new FakeAs();
  const list = new FakeList();
  const bench = await benchWith(as, { tokens: 'every', cache: 600 }, list);
  const token = bench.token();
  as.known.set(tokenHashText(token), active(bench));
  for (let i = 0; i < 3; i++) assert.equal(await bench.upload(token), '2.01');
  assert.equal(as.asked, 1);
  assert.equal(bench.rs.stats()['introspections'], 1);
  list.hashes.add(tokenHashText(token));
  await bench.simulator.sleep(11_000);
  assert.equal(bench.rs.stats()['introspections'], 0);
  const inactive = bench.token();
  assert.equal(await bench.upload(inactive), '4.01');
  assert.deepEqual(bench.refusals(), ['ERR_RS_INACTIVE']);
  await bench.close();
});

test('RFC 9770 4: a reference that was revoked is refused by the hash of its bytes', async () => {
  const as = new FakeAs();
  const list = new FakeList();
  const bench = await benchWith(as, {}, list);
  as.known.set(tokenHashText(reference), active(bench));
  assert.equal(await bench.upload(reference), '2.01');
  list.hashes.add(tokenHashText(reference));
  await bench.simulator.sleep(11_000);
  assert.equal(await bench.code('/temp', { by }), '4.01');
  assert.equal(await bench.upload(reference), '4.01');
  await bench.close();
});

test('RFC 9200 5.9: an AS that the RS does not ask any more is not asked by an upload that is under way', async () => {
  const as2 = new FakeAs();
  const as1 = async (): Promise<IntrospectionResponse> => {
    introspections.change({ issuers: {} });
    return { active: false };
  };
  const introspections: Introspections = new Introspections({ issuers: { as1, as2: as2.ask } }, new Simulator({ seed: 1 }).env('rs'));
  assert.equal(await introspections.open(reference), undefined);
  assert.equal(as2.asked, 0);
  introspections.close();
});

test('RFC 9770 1.1: what an AS said of a token that is revoked meanwhile does not count, and is not kept', async () => {
  let answer: (response: IntrospectionResponse) => void = () => {};
  let asked = 0;
  const ask = (): Promise<IntrospectionResponse> => {
    asked++;
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  const introspections = new Introspections({ issuers: { as1: ask } }, new Simulator().env());
  const first = introspections.open(reference);
  introspections.drop('as1', [tokenHashText(reference)]);
  answer({ active: true, scope: 'r_temp' });
  assert.deepEqual([await first, introspections.size], [undefined, 0]);
  const second = introspections.open(reference);
  answer({ active: true, scope: 'r_temp' });
  assert.deepEqual([(await second)?.issuer, asked, introspections.size], ['as1', 2, 1]);
  introspections.close();
});

test('an AS that does not answer: 5.03, and nothing is remembered', async () => {
  const as = new FakeAs();
  const bench = await benchWith(as);
  as.fails = true;
  assert.equal(await bench.upload(reference), '5.03');
  as.fails = false;
  as.known.set(tokenHashText(reference), active(bench));
  assert.equal(await bench.upload(reference), '2.01');
  await bench.close();
});

test('what is kept is bounded, and ends with the token', async () => {
  const as = new FakeAs();
  const bench = await benchWith(as, { cache: 1000 });
  for (let i = 0; i < 1100; i++) {
    assert.equal((await bench.upload(Uint8Array.of(0xee, i >> 8, i & 0xff))).startsWith('4'), true);
    if (i % 16 === 0) await bench.simulator.sleep(1000);
  }
  assert.equal(bench.rs.stats()['introspections'], 1024);
  as.known.set(tokenHashText(reference), active(bench, { exp: bench.now + 5 }));
  await bench.simulator.sleep(1000);
  assert.equal(await bench.upload(reference), '2.01');
  await bench.simulator.sleep(5000);
  assert.equal(bench.rs.stats()['introspections'], 1023);
  await bench.close();
});
