import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asUri, Bench, holder, macKey, tokenKey } from './support.ts';

test('reconfigure: new token keys beside the old ones and in their place; what was accepted stays; other issuers are refused', async () => {
  const bench = await new Bench().start();
  const issuer = { issuer: 'as1', uri: asUri };
  const fresh = { ...tokenKey, key: { kty: 4, k: new Uint8Array(16).fill(9) } };
  assert.equal(await bench.upload(bench.token({}, fresh)), '4.01');
  assert.equal(await bench.upload(bench.token()), '2.01');
  bench.rs.reconfigure({ issuers: [{ ...issuer, tokenKeys: [tokenKey, fresh] }] });
  const other = Uint8Array.of(2);
  assert.equal(await bench.upload(bench.token({ cnf: { kid: other } }, fresh)), '2.01');
  assert.equal(await bench.upload(bench.token({ cnf: { kid: Uint8Array.of(3) } })), '2.01');
  bench.rs.reconfigure({ issuers: [{ ...issuer, tokenKeys: [fresh] }] });
  assert.equal(await bench.upload(bench.token({ cnf: { kid: Uint8Array.of(4) } })), '4.01');
  assert.equal(await bench.code('/temp', { by: `${holder} 1` }), '2.05');
  for (const issuers of [[], [{ ...issuer, tokenKeys: [] }], [{ issuer: 'as2', uri: asUri, tokenKeys: [macKey] }]]) {
    assert.throws(() => bench.rs.reconfigure({ issuers }), { code: 'ERR_RS_CONFIG' });
  }
  await bench.close();
});

test('drain: requests are told to come back with 5.03, and observers hear it', async () => {
  const bench = await new Bench().start();
  assert.equal(await bench.upload(bench.token()), '2.01');
  const codes: number[] = [];
  const reading = (async () => {
    for await (const { code } of bench.observe('/temp', `${holder} 1`)) codes.push(code);
  })();
  await bench.simulator.sleep(100);
  assert.equal(await bench.simulator.finish(bench.rs.drain(60_000)), true);
  await bench.simulator.finish(reading);
  assert.deepEqual(codes, [69, 163]);
  assert.equal(await bench.code('/temp', { by: `${holder} 1` }), '5.03');
  assert.deepEqual(bench.refusals().slice(-1), ['draining']);
  await bench.close();
});
