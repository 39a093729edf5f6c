import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credential } from '../../src/ace/index.ts';
import { formatCode } from '../../src/coap/index.ts';
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

/** The codes of an observation, from now on until it ends. */
function observed(bench: Bench, path: string, by: string): { readonly codes: readonly string[]; readonly end: Promise<void> } {
  const codes: string[] = [];
  const end = (async () => {
    for await (const { code } of bench.observe(path, by)) codes.push(formatCode(code));
  })();
  return { codes, end };
}

test('reconfigure: other scopes count for tokens that were accepted, and for those that come; observations that they do not cover any more end', async () => {
  const bench = await new Bench().start();
  const by = `${holder} 1`;
  assert.equal(await bench.upload(bench.token({ scope: 'r_temp' })), '2.01');
  // One whose association has not shown itself yet.
  const waiting = Uint8Array.of(2);
  assert.equal(await bench.upload(bench.token({ scope: 'r_temp', cnf: { kid: waiting } })), '2.01');
  const { codes, end } = observed(bench, '/temp', by);
  await bench.simulator.sleep(100);
  bench.rs.reconfigure({ scopes: { r_temp: { '/temp': ['PUT'], '/led': ['GET'] }, fresh: { '/open': ['GET'] } } });
  await bench.simulator.finish(end);
  assert.deepEqual(codes, ['2.05', '4.05']);
  for (const one of [by, `${credential('fake', 'as1', waiting)} 1`]) {
    assert.deepEqual([await bench.code('/temp', { by: one }), await bench.code('/led', { by: one })], ['4.05', '2.05']);
  }
  assert.equal((await bench.hints('/open', { by })).scope, 'fresh');
  assert.equal(await bench.upload(bench.token({ scope: 'all', cnf: { kid: Uint8Array.of(3) } })), '4.00');
  // A name that is gone permits nothing, until it is there again.
  bench.rs.reconfigure({ scopes: { fresh: { '/open': ['GET'] } } });
  assert.equal(await bench.code('/led', { by }), '4.03');
  bench.rs.reconfigure({ scopes: { r_temp: { '/temp': ['GET'] } } });
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.close();
});

test('reconfigure: all of it or nothing', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token({ scope: 'r_temp' }));
  const scopes = { r_temp: { '/temp': ['NOTHING'] } };
  assert.throws(() => bench.rs.reconfigure({ scopes, public: ['/led'] }), { code: 'ERR_ACE_SCOPE' });
  const introspection = { issuers: { nobody: async () => ({ active: false }) } };
  assert.throws(() => bench.rs.reconfigure({ introspection, public: ['/led'] }), { code: 'ERR_RS_CONFIG' });
  assert.throws(() => bench.rs.reconfigure({ scopes: { r_temp: { '/led': ['GET'] } }, public: [7 as unknown as string] }), TypeError);
  assert.deepEqual([await bench.code('/temp', { by: `${holder} 1` }), await bench.code('/led')], ['2.05', '4.01']);
  await bench.close();
});

test('reconfigure: public paths; who observes one that is so no more hears 4.01 in the place of its next state', async () => {
  const bench = await new Bench({ rs: { public: ['/temp'] } }).start();
  const { codes, end } = observed(bench, '/temp', 'nobody 1');
  await bench.simulator.sleep(100);
  bench.rs.reconfigure({ public: ['/open'] });
  assert.deepEqual([await bench.code('/temp'), await bench.code('/open'), await bench.code('/.well-known/core')], ['4.01', '2.05', '2.05']);
  bench.changed();
  await bench.simulator.finish(end);
  assert.deepEqual(codes, ['2.05', '4.01']);
  bench.rs.reconfigure({ public: undefined });
  assert.equal(await bench.code('/open'), '4.01');
  await bench.close();
});

test('reconfigure: limits of uploads, and whether the AS is asked about tokens', async () => {
  const bench = await new Bench().start();
  const kid = (id: number): { readonly cnf: { readonly kid: Uint8Array } } => ({ cnf: { kid: Uint8Array.of(id) } });
  bench.rs.reconfigure({ limits: { uploadBurst: 1, uploadRate: 0.001 } });
  assert.deepEqual([await bench.upload(bench.token(kid(2))), await bench.upload(bench.token(kid(3)))], ['2.01', '4.29']);
  bench.rs.reconfigure({ limits: { upload: 20 } });
  assert.equal(await bench.upload(bench.token(kid(3))), '4.13');
  bench.rs.reconfigure({ limits: {}, introspection: { issuers: { as1: async () => ({ active: false }) }, tokens: 'every' } });
  assert.equal(await bench.upload(bench.token(kid(4))), '4.01');
  bench.rs.reconfigure({ introspection: undefined });
  assert.equal(await bench.upload(bench.token(kid(4))), '2.01');
  await bench.close();
});
