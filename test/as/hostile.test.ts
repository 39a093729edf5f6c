import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeIntrospectionRequest, encodeTokenRequest } from '../../src/ace/index.ts';
import { Code, codeClass } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { association, keysOf, Workbench } from './support.ts';

const seeds: readonly Uint8Array[] = [
  encodeTokenRequest({
    audience: 'rs1',
    scope: 'r_temp w_led',
    aceProfile: null,
    cnonce: fromHex('0102'),
    reqCnf: { kid: fromHex('00') },
    clientId: 'c1',
    grantType: 2,
  }),
  encodeTokenRequest({ audience: 'rs2', scope: fromHex('82826474656d700182636c656405') }),
  encodeIntrospectionRequest({ token: fromHex('d83dd08343a1010aa1054d'), tokenTypeHint: 2 }),
];

/** Bytes that are nearly a request: one that is good, with some bytes changed, cut off or put in. */
const nearly = fc
  .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(80), fc.nat(255), fc.constantFrom('set', 'cut', 'insert')), { maxLength: 4 }))
  .map(([seed, changes]) => {
    let bytes = [...seed];
    for (const [place, value, change] of changes) {
      const at = place % (bytes.length + 1);
      if (change === 'set') bytes[at] = value;
      else if (change === 'cut') bytes = bytes.slice(0, at);
      else bytes.splice(at, 0, value);
    }
    return Uint8Array.from(bytes);
  });

test('whatever the payload, both endpoints answer with a code of the RFC and keep nothing but tokens', async () => {
  const bench = new Workbench({ tokensPerClient: 1e6 });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(nearly, fc.uint8Array({ maxLength: 100 })),
      fc.constantFrom('client:c1', 'rs:rs1', 'client:nobody'),
      async (payload, credential) => {
        const copy = payload.slice();
        for (const endpoint of [bench.token, bench.introspection]) {
          const { code } = await endpoint.answer({ payload, contentFormat: 19, association: association(credential) });
          const allowed: readonly number[] = credential === 'client:nobody' ? [Code.Unauthorized] : [Code.Created, Code.BadRequest, Code.Forbidden];
          assert.ok(allowed.includes(code), `${code}`);
          assert.ok(codeClass(code) === 2 || codeClass(code) === 4);
        }
        assert.deepEqual(payload, copy, 'the payload is borrowed');
      },
    ),
    { numRuns: 2000, seed: 42 },
  );
  await bench.clock.advance(4000);
  assert.equal(bench.records.size, 0);
  assert.deepEqual(await keysOf(bench.store, 'as/'), []);
  assert.equal(bench.clock.timers, 0);
  bench.close();
});
