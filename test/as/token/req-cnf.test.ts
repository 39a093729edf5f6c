import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceErrorCode } from '../../../src/ace/index.ts';
import { fromHex } from '../../../src/core/bytes.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import { coseKeyMap } from '../../../src/core/cose/index.ts';
import type { Confirmation } from '../../../src/core/cwt.ts';
import { assertRefused, association, Workbench } from '../support.ts';

const c1 = 'client:c1';
const osc: CborMap = new Map<number, CborValue>([
  [0, fromHex('01')],
  [2, new Uint8Array(16).fill(7)],
]);
const encryptedCoseKey: CborValue = [new Uint8Array(0), new Map(), new Uint8Array(24)];

/** A client that has a token, and what names its key. */
async function withToken(): Promise<{ readonly bench: Workbench; readonly kid: Uint8Array }> {
  const bench = new Workbench();
  const { response } = await bench.granted(c1, { audience: 'rs1' });
  return { bench, kid: response.cnf!.osc!.get(0) as Uint8Array };
}

test('RFC 9201 3.1: a key of the client’s making is refused beside the name of one that it may have too', async () => {
  const { bench, kid } = await withToken();
  const combined: readonly Confirmation[] = [
    { kid, osc },
    { kid, encryptedCoseKey },
    { kid, coseKey: { kty: 4, k: new Uint8Array(16).fill(7) } },
  ];
  for (const reqCnf of combined) assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf }), '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 8747 3.1: methods in req_cnf that are not understood are ignored, but one that is has to be there', async () => {
  const { bench, kid } = await withToken();
  const { claims } = await bench.granted(c1, { audience: 'rs1', reqCnf: { kid, unknown: new Map([[77, 'x']]) } });
  assert.deepEqual(claims.cnf, { kid });
  for (const reqCnf of [{}, { unknown: new Map([[77, 'x']]) }, { ckt: new Uint8Array(32) }])
    assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf }), '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 9201 6: cnf and rs_cnf have no meaning in a request and are ignored', async () => {
  const { bench } = await withToken();
  const key = new Map<number, CborValue>([[1, coseKeyMap({ kty: 4, k: new Uint8Array(16).fill(7) })]]);
  const unknown = new Map<number, CborValue>([
    [8, key],
    [41, key],
  ]);
  const { claims, response } = await bench.granted(c1, { audience: 'rs1', unknown });
  assert.deepEqual(claims.cnf, response.cnf);
  assert.ok(response.cnf?.osc !== undefined && response.rsCnf === undefined);
  bench.close();
});

test('RFC 9200 5.8.3: invalid_request for a key twice, in the request and in its req_cnf', async () => {
  const { bench } = await withToken();
  // {5: "rs1", 4: {3: h'00', 3: h'00'}}, {5: "rs1", 39: h'', 39: h''}
  for (const payload of ['a20563727331 04 a2 034100 034100', 'a30563727331 182740 182740']) {
    const answer = await bench.token.answer({ payload: fromHex(payload.replaceAll(' ', '')), contentFormat: 19, association: association(c1) });
    assertRefused(answer, '4.00', AceErrorCode.invalid_request);
  }
  bench.close();
});
