import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeKmRequest, KeyManagementServer, keyManagement, requestKeys } from '../../../../profiles/seal/index.ts';
import { ContentFormat, formatCode } from '../../../../src/coap/index.ts';
import { fromUtf8 } from '../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { repeat } from '../../../support/scale.ts';
import { rows } from '../rows/key-management.ts';
import { answeredBy, isKmError } from '../rows/km-fakes.ts';
import { inKmLab, KmLab, sKmsUri } from '../rows/km-lab.ts';

for (const [id, check] of Object.entries(rows)) test(`${id}: key management`, check);

test('R-074: a payload is passed on byte by byte, in blocks where it is long, up to 61,440 bytes', async () => {
  await inKmLab({}, async (lab) => {
    for (const length of [1, 256, 5000, 61_440]) {
      const opaque = Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);
      await lab.records.put({ serviceId: 'v2x' }, opaque);
      assert.deepEqual((await lab.keys()).payload, opaque);
    }
  });
});

test('KM over loss: whatever a first contact takes, the Date/Time that counts is that of a request within the window', async () => {
  await repeat('km-loss', { quick: 6, full: 200 }, async (seed) => {
    const patient = { parameters: { maxRetransmit: 8 } };
    const lab = await new KmLab({ simulator: { seed, loss: 0.2 }, simC: patient, simS: patient, server: patient }).start();
    assert.equal(await lab.keyText({ timeout: 600_000 }), 'service keys', `seed ${seed}`);
    const stale = lab.kmRefusals();
    assert.ok(
      stale.every((reason) => reason === 'date-time'),
      `seed ${seed}: ${stale}`,
    );
    await lab.close();
    return { stale: stale.length };
  });
});

test('KM over loss: a response that is old because it was sent again is asked for again, and not for ever', async () => {
  let now = 1_700_000_000;
  const env = { epoch: () => now };
  const slowly = (seconds: number): ReturnType<typeof answeredBy> => {
    const fake = answeredBy(() => ({}));
    return {
      fetch: (uri, init) => {
        now += asked++ < seconds ? 8 : 1;
        return fake.fetch(uri, init);
      },
    };
  };
  let asked = 0;
  assert.deepEqual((await requestKeys(slowly(2), { sKmsUri, serviceId: 'v2x' }, env)).payload, Uint8Array.of(1));
  assert.equal(asked, 3);
  asked = 0;
  await assert.rejects(requestKeys(slowly(99), { sKmsUri, serviceId: 'v2x' }, env), isKmError('ERR_KM_RESPONSE'));
  assert.equal(asked, 4);
});

test('KM server: a token that ends, or loses its service, while the record is looked up gets nothing', async () => {
  const lab = new KmLab();
  const caller = { subject: 'anna', valServiceIds: ['v2x'], scope: 'km', expiresAt: 0 };
  const server = new KeyManagementServer({ sKmsUri, records: { get: async () => Uint8Array.of(1) }, env: lab.simulator.env() });
  for (const [later, wantedCode, errorCode] of [
    [caller, '2.05', undefined],
    [undefined, '4.01', 3],
    [{ ...caller, scope: 'note:read' }, '4.03', 4],
    [{ ...caller, valServiceIds: ['other'] }, '4.03', 4],
  ] as const) {
    let asked = 0;
    const { code, response } = await server.answer(encodeKmRequest(lab.kmRequest()), () => (asked++ === 0 ? caller : later));
    assert.deepEqual([formatCode(code), response.errorCode], [wantedCode, errorCode]);
    assert.equal(response.payload === undefined, errorCode !== undefined);
  }
});

test('KM over CoAP: another Content-Format is 4.15, another method 4.05, another Accept 4.06', async () => {
  await inKmLab({}, async (lab) => {
    const payload = Uint8Array.of(0xa0);
    const ask = async (init: object): Promise<string> => (await lab.fetch('/km', { scope: 'km', upgrade: false, payload, ...init })).codeText;
    assert.equal(await ask({ method: 'FETCH', contentFormat: ContentFormat.Json }), '4.15');
    assert.equal(await ask({ method: 'PUT', contentFormat: ContentFormat.Cbor }), '4.05');
    assert.equal(await ask({ method: 'FETCH', contentFormat: ContentFormat.Cbor, accept: ContentFormat.Json }), '4.06');
  });
});

test('KM server: options that cannot be', () => {
  const records = { get: async () => undefined };
  for (const options of [{ sKmsUri: 'km' }, { sKmsUri: 'urn:km' }, { sKmsUri, window: 0 }, { sKmsUri, window: 301 }, { sKmsUri, window: 1.5 }])
    assert.throws(() => keyManagement({ records, ...options }), isKmError('ERR_KM_CONFIG'));
});

test('KM server: a window of its own, and SKmsID', async () => {
  await inKmLab({ km: { window: 60, sKmsId: 'skms1', userHost: 'val.example' } }, async (lab) => {
    const { response } = await lab.ask({ dateTime: Math.floor(lab.epoch) - 31 });
    assert.equal(fromUtf8(response.payload!), 'service keys');
    assert.equal(response.sKmsId, 'skms1');
    assert.equal(response.userUri, 'acct:anna%40val.example@val.example');
    assert.equal((await lab.ask({ dateTime: Math.floor(lab.epoch) - 61 })).code, '4.00');
  });
});

test('KM server: nothing of a request is kept', async () => {
  await inKmLab({ server: { store: memoryStore() } }, async (lab) => {
    await lab.keys();
    await lab.simulator.sleep(400_000);
    const before = lab.server.stats();
    for (let round = 0; round < 20; round++) await lab.ask({ serviceId: round % 2 === 0 ? 'v2x' : 'empty' });
    await lab.simulator.sleep(400_000);
    assert.deepEqual(lab.server.stats(), before);
  });
});
