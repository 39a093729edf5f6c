import assert from 'node:assert/strict';
import {
  decodeKmRequest,
  decodeKmResponse,
  ErrorCode,
  encodeKmRequest,
  encodeKmResponse,
  KeyManagementError,
  KeyManagementServer,
} from '../../../../profiles/seal/index.ts';
import { allowTargets, ContentFormat, Endpoint, formatCode, type ProxyEvent, ProxyServer } from '../../../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../../../src/core/bytes.ts';
import { encode } from '../../../../src/core/cbor.ts';
import { SeededRandom } from '../../../support/random.ts';
import { answeredBy, type FakeAnswer, isKmError } from './km-fakes.ts';
import { assertRefused, inKmLab, type KmLab, type KmLabOptions, type RequestFields, sKmsUri, user } from './km-lab.ts';
import { audience, type Rows, tokenKey } from './lab.ts';

/** A check in a lab of its own. */
const inLab =
  (check: (lab: KmLab) => Promise<void>, options: KmLabOptions = {}): (() => Promise<void>) =>
  () =>
    inKmLab(options, check);

const device = { kind: 'deviceId', id: 'ue1' } as const;

/** Each way to be refused by a KM Response, with what it says. */
const refusals: readonly (readonly [fields: RequestFields, code: string, errorCode: number, reason: string])[] = [
  [{ sKmsUri: 'coap://10.0.0.3/km' }, '4.00', ErrorCode.UnableToValidate, 'skms-uri'],
  [{ dateTime: 0 }, '4.00', ErrorCode.UnableToValidate, 'date-time'],
  [{ version: '2.0.0' }, '4.00', ErrorCode.UnableToValidate, 'version'],
  [{ deviceId: 'ue1', userId: user }, '4.00', ErrorCode.UnableToValidate, 'identities'],
  [{ serviceId: 'other' }, '4.03', ErrorCode.UnableToValidate, 'service'],
  [{ deviceId: 'ue2' }, '4.03', ErrorCode.UnableToValidate, 'identity'],
  [{ userId: 'bert@val.example' }, '4.03', ErrorCode.UnableToValidate, 'identity'],
  [{ clientId: 'client2' }, '4.03', ErrorCode.UnableToValidate, 'identity'],
  [{ serviceId: 'empty' }, '4.04', ErrorCode.NoKeyInformation, 'no-record'],
];

async function plainIsRefused(lab: KmLab): Promise<void> {
  const payload = encodeKmRequest(lab.kmRequest());
  for (const method of ['FETCH', 'POST'] as const) {
    const response = await lab.plain(method, '/km', { payload, contentFormat: ContentFormat.Cbor });
    assert.equal(formatCode(response.code), '4.01');
    assert.throws(() => decodeKmResponse(response.payload), KeyManagementError);
  }
  assert.deepEqual(lab.kmEvents, []);
}

/** TS 33.434, 5.1.1.4 and 5.1.1.5: a channel of ACE, or nothing. */
async function overSealUu(profile: 'oscore' | 'dtls'): Promise<void> {
  await inKmLab({ profile }, async (lab) => {
    await plainIsRefused(lab);
    for (const method of ['FETCH', 'POST'] as const) assert.equal(await lab.keyText({ method, identity: device }), 'keys of ue1');
    assert.ok(!lab.wireHas('keys of ue1'));
  });
}

/** The Confirmable message of a request reaches the server after its token has ended. */
async function expiryInMidSession(lab: KmLab): Promise<void> {
  assert.equal(await lab.keyText(), 'service keys');
  await lab.simulator.sleep(1000);
  const { wire } = lab.simulator;
  const before = wire.length;
  lab.simulator.filter = () => wire.length > before;
  const asked = lab.keys();
  await lab.simulator.run(() => wire.length > before);
  lab.kmEvents.length = 0;
  lab.simulator.filter = undefined;
  assert.equal(fromUtf8((await asked).payload), 'service keys');
  // OSCORE has no context for a token that has ended, and answers 4.01 by itself; only with a new token is there an answer of the SKM-S.
  const codes = wire.slice(before).flatMap(({ from, datagram }) => (from === '10.0.0.2:5683' ? [formatCode(datagram[1]!)] : []));
  assert.equal(codes[0], '4.01');
  assert.deepEqual(
    lab.kmEvents.map(({ type }) => type),
    ['key-material-given'],
  );
  assert.equal(lab.serverEvents.filter(({ type }) => type === 'token-accepted').length, 2);
}

const shortTokens: KmLabOptions = {
  simS: { resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [tokenKey], iss: true, tokenLifetime: 2 }] },
};

/** Through a proxy of ours that sees, and logs, nothing but the server and what RFC 9203 leaves in clear. */
async function endToEnd(): Promise<void> {
  await inKmLab({ simC: { proxy: 'coap://10.0.0.5' } }, async (lab) => {
    const env = lab.simulator.env('proxy');
    const log: ProxyEvent[] = [];
    const proxying = new ProxyServer({ forward: { allow: allowTargets('10.0.0.1', '10.0.0.2') }, env, emit: (event) => log.push(event) });
    const proxy = new Endpoint({ transport: lab.simulator.transport('10.0.0.5', 5683), env, proxying });
    const opaque = Uint8Array.from({ length: 300 }, (_, index) => index & 0xff);
    await lab.records.put({ serviceId: 'v2x', identity: device }, opaque);
    const { payload } = await lab.keys({ identity: device });
    assert.deepEqual(payload, opaque);
    assert.ok(!lab.wireHas(opaque.subarray(0, 32)));
    assert.ok(!lab.wireHas('ue1'));
    assert.ok(log.length > 0);
    assert.doesNotMatch(JSON.stringify(log), /v2x|ue1/);
    await proxy.close();
  });
}

/** Sixty random requests, of which some are refused: whatever they name, the response names. */
async function identitiesAreEchoed(lab: KmLab): Promise<void> {
  const random = new SeededRandom(75);
  const text = (): string => random.pick(['ue1', 'ue2', user, 'v2x', 'x', 'ü', 'a b', 'é'.repeat(40)]);
  for (let round = 0; round < 60; round++) {
    const names = { clientId: text(), deviceId: text(), userId: text() };
    const fields = Object.fromEntries(Object.entries(names).filter(() => random.chance(0.4)));
    const asked = lab.kmRequest({ serviceId: random.pick(['v2x', 'empty', 'other']), ...fields, dateTime: Math.floor(lab.epoch) - random.pick([0, 4, 6]) });
    const { response } = await lab.askRaw(encodeKmRequest(asked));
    for (const name of ['serviceId', 'clientId', 'deviceId', 'userId'] as const) assert.equal(response[name], asked[name], JSON.stringify(asked));
  }
}

function withLastByteChanged(datagram: Uint8Array): Uint8Array {
  const changed = datagram.slice();
  changed[changed.length - 1]! ^= 1;
  return changed;
}

/** What an SKM-S may not say, with the error of the client. */
const wrongAnswers: readonly (readonly [answer: FakeAnswer, code: string, errorCode?: number])[] = [
  [{ fields: { deviceId: 'ue2' } }, 'ERR_KM_RESPONSE'],
  [{ fields: { deviceId: undefined } }, 'ERR_KM_RESPONSE'],
  [{ fields: { userId: user } }, 'ERR_KM_RESPONSE'],
  [{ fields: { serviceId: 'other' } }, 'ERR_KM_RESPONSE'],
  [{ fields: { sKmsUri: 'coap://10.0.0.3/km' } }, 'ERR_KM_RESPONSE'],
  [{ fields: { errorCode: 2 }, code: 0x84 }, 'ERR_KM_FORMAT'],
  [{ fields: { payload: undefined } }, 'ERR_KM_FORMAT'],
  [{ fields: { payload: undefined, errorCode: 2 } }, 'ERR_KM_RESPONSE'],
  [{ code: 0x84 }, 'ERR_KM_RESPONSE'],
  [{ isProtected: false }, 'ERR_KM_RESPONSE'],
  [{ contentFormat: ContentFormat.TextPlain }, 'ERR_KM_RESPONSE'],
  [{ contentFormat: ContentFormat.AceCbor, code: 0x81 }, 'ERR_KM_REFUSED', ErrorCode.Rejected],
];

/** The rows of TS 33.434, Section 5.3, as far as they are CoAP. */
export const rows: Rows = {
  'R-014': async () => {
    await overSealUu('oscore');
    await overSealUu('dtls');
  },
  'R-016': endToEnd,
  'R-050': inLab(async (lab) => {
    assert.equal(await lab.keyText({ identity: device }), 'keys of ue1');
    assertRefused(await lab.ask({ serviceId: 'empty', deviceId: 'ue1' }), '4.04', ErrorCode.NoKeyInformation);
  }),
  'R-060': inLab(async (lab) => {
    await plainIsRefused(lab);
    const stranger = answeredBy(() => ({ contentFormat: ContentFormat.AceCbor, code: 0x81, isProtected: false }));
    await assert.rejects(lab.keys({}, stranger), isKmError('ERR_KM_REFUSED', ErrorCode.Rejected));
    const { code, response } = await new KeyManagementServer({ sKmsUri, records: lab.records }).answer(encodeKmRequest(lab.kmRequest()), () => undefined);
    assertRefused({ code: formatCode(code), response }, '4.01', ErrorCode.Rejected);
  }),
  'R-061': inLab(plainIsRefused),
  'R-062': async () => {
    await inKmLab({}, async (lab) => {
      assertRefused(await lab.ask({}, { scope: 'note:read' }), '4.03', ErrorCode.UnableToValidate);
      assert.deepEqual(lab.kmRefusals(), ['scope']);
    });
    await inKmLab(shortTokens, expiryInMidSession);
  },
  'R-063': inLab(
    async (lab) => {
      assert.equal(await lab.keyText(), 'service keys');
      assert.equal(await lab.keyText({ identity: { kind: 'clientId', id: 'server7' } }), 'service keys');
      assertRefused(await lab.ask({ deviceId: 'ue1' }), '4.03', ErrorCode.UnableToValidate);
    },
    { clients: [{ id: 'server7', valServiceIds: ['v2x'] }] },
  ),
  'R-064': inLab(async (lab) => {
    const given = await lab.ask();
    assert.deepEqual([given.code, given.response.errorCode, fromUtf8(given.response.payload!)], ['2.05', undefined, 'service keys']);
    assert.equal((await lab.ask({}, { method: 'POST' })).code, '2.04');
    for (const [fields, code, errorCode] of refusals) assertRefused(await lab.ask(fields), code, errorCode);
  }),
  'R-065': inLab(async (lab) => {
    await lab.keys({ identity: device });
    for (const secret of ['ue1', 'v2x', user, sKmsUri]) assert.ok(!lab.wireHas(secret), secret);
  }),
  'R-066': () => {
    const request = { version: '1.0.0', sKmsUri: 'coap://s/km', serviceId: 'v2x', deviceId: 'ue1', dateTime: 1_700_000_000 };
    assert.equal(toHex(encodeKmRequest(request)), 'a50165312e302e30026b636f61703a2f2f732f6b6d03637632780563756531071a6553f100');
    assert.deepEqual(decodeKmRequest(encodeKmRequest(request)), request);
    for (const field of ['version', 'sKmsUri', 'serviceId', 'dateTime'] as const) {
      assert.throws(() => decodeKmRequest(encodeKmRequest({ ...request, [field]: undefined })), isKmError('ERR_KM_FORMAT'), field);
    }
  },
  'R-067': inLab(async (lab) => {
    for (const pair of [
      { deviceId: 'ue1', userId: user },
      { clientId: user, userId: user },
      { clientId: user, deviceId: 'ue1' },
      { clientId: user, deviceId: 'ue1', userId: user },
    ])
      assertRefused(await lab.ask(pair), '4.00', ErrorCode.UnableToValidate);
    assert.deepEqual(lab.kmRefusals(), new Array(4).fill('identities'));
  }),
  'R-068': inLab(async (lab) => {
    for (const version of ['1.0.1', '2.0.0', '1.0', '']) assertRefused(await lab.ask({ version }), '4.00', ErrorCode.UnableToValidate);
    assert.deepEqual(lab.kmRefusals(), new Array(4).fill('version'));
  }),
  'R-069': inLab(async (lab) => {
    const now = (): number => Math.floor(lab.epoch);
    for (const difference of [-4, 4]) assert.equal((await lab.ask({ dateTime: now() + difference })).code, '2.05', `${difference} s`);
    for (const difference of [-31, -6, 6, 31]) assertRefused(await lab.ask({ dateTime: now() + difference }), '4.00', ErrorCode.UnableToValidate);
    assert.deepEqual(lab.kmRefusals(), new Array(4).fill('date-time'));
    // The same field protects the client from old responses.
    for (const difference of [-6, 6, 31]) {
      const old = answeredBy(({ dateTime }) => ({ fields: { dateTime: dateTime + difference } }));
      await assert.rejects(lab.keys({}, old), isKmError('ERR_KM_RESPONSE'), `${difference} s`);
    }
  }),
  'R-070': inLab(async (lab) => {
    assert.equal(await lab.upload(withLastByteChanged(lab.token())), '4.01');
    // Everything is wrong, and is put right one after the other: what is wrong first is what is said.
    const wrong = { sKmsUri: 'coap://10.0.0.3/km', dateTime: 1, version: '0', deviceId: 'ue2', userId: user };
    const right: RequestFields = {};
    assertRefused(await lab.ask(wrong, { scope: 'note:read' }), '4.03', ErrorCode.UnableToValidate);
    for (const [fields, code] of [
      [{}, '4.00'],
      [{ sKmsUri }, '4.00'],
      [{ dateTime: Math.floor(lab.epoch) }, '4.00'],
      [{ version: '1.0.0' }, '4.00'],
      [{ userId: undefined }, '4.03'],
    ] as const)
      assertRefused(await lab.ask({ ...wrong, ...Object.assign(right, fields) }), code, ErrorCode.UnableToValidate);
    assert.equal((await lab.ask({ ...wrong, ...right, deviceId: 'ue1' })).code, '2.05');
    assert.deepEqual(lab.kmRefusals(), ['scope', 'skms-uri', 'date-time', 'version', 'identities', 'identity']);
  }),
  'R-071': inLab(async (lab) => {
    assert.equal(await lab.keyText({ identity: device }), 'keys of ue1');
    assert.equal(await lab.keyText({ identity: { kind: 'userId', id: user } }), 'service keys');
    assert.equal(await lab.keyText(), 'service keys');
    await lab.records.put({ serviceId: 'v2x', identity: { kind: 'userId', id: user } }, utf8('keys of anna'));
    assert.equal(await lab.keyText({ identity: { kind: 'userId', id: user } }), 'keys of anna');
    assert.equal(await lab.keyText({ identity: { kind: 'clientId', id: user } }), 'service keys');
    await lab.records.remove({ serviceId: 'v2x' });
    assertRefused(await lab.ask({ clientId: user }), '4.04', ErrorCode.NoKeyInformation);
    assertRefused(await lab.ask(), '4.04', ErrorCode.NoKeyInformation);
    assert.equal(await lab.keyText({ identity: device }), 'keys of ue1');
  }),
  'R-073': async () => {
    for (const profile of ['oscore', 'dtls'] as const) {
      await inKmLab({ profile }, async (lab) => {
        await lab.keys({ identity: device });
        assert.ok(!lab.wireHas('keys of ue1') && !lab.wireHas('ue1'));
        // What was changed on its way is not taken; the client waits for a response that verifies.
        let spoilt = 0;
        lab.simulator.filter = ({ from, to, datagram }) => {
          if (!from.startsWith('10.0.0.2') || spoilt++ > 0) return true;
          lab.simulator.inject(withLastByteChanged(datagram), from, to);
          return false;
        };
        assert.equal(await lab.keyText({ identity: device }), 'keys of ue1');
        assert.ok(spoilt > 1);
      });
    }
  },
  'R-075': async () => {
    await inKmLab({}, identitiesAreEchoed);
    await inKmLab({}, async (lab) => {
      for (const [answer, code, errorCode] of wrongAnswers)
        await assert.rejects(
          lab.keys(
            { identity: device },
            answeredBy(() => answer),
          ),
          isKmError(code, errorCode),
          JSON.stringify(answer),
        );
    });
  },
  'R-076': inLab(async (lab) => {
    const broken = [new Uint8Array(0), Uint8Array.of(0xff), encode('text'), encode(new Map([[1, 1]])), encode(new Map([[3, 'v2x']]))];
    for (const payload of broken) assertRefused(await lab.askRaw(payload), '4.00', ErrorCode.UnableToValidate);
    assertRefused(await lab.ask({ serviceId: 'x'.repeat(3000) }), '4.13', ErrorCode.UnableToValidate);
    assertRefused(await lab.ask({}, { scope: 'note:read' }), '4.03', ErrorCode.UnableToValidate);
    for (const [fields, code, errorCode] of refusals) assertRefused(await lab.ask(fields), code, errorCode);
    assert.throws(
      () => encodeKmResponse({ userUri: 'a:b', sKmsUri, serviceId: 'v2x', dateTime: 1, errorCode: 2, payload: Uint8Array.of(1) }),
      isKmError('ERR_KM_FORMAT'),
    );
    const failing = { get: () => Promise.reject(new Error('disk')) };
    await inKmLab({ km: { records: failing } }, async (other) => assertRefused(await other.ask(), '5.00', ErrorCode.Unspecified));
  }),
  'R-077': inLab(async (lab) => {
    await lab.keys({ identity: device });
    const userUri = `acct:${encodeURIComponent(user)}@10.0.0.2`;
    for (const [fields, , errorCode, reason] of refusals) {
      lab.kmEvents.length = 0;
      await lab.ask(fields);
      const [event] = lab.kmEvents;
      assert.ok(event?.type === 'key-request-refused');
      assert.deepEqual([event.reason, event.errorCode, event.userUri], [reason, `0${errorCode}`, userUri]);
    }
  }),
  'R-078': inLab(async (lab) => {
    const codes = { '4.00': 0x80, '4.01': 0x81, '4.03': 0x83, '4.04': 0x84, '5.00': 0xa0 };
    const table: readonly (readonly [errorCode: number, code: keyof typeof codes])[] = [
      [1, '5.00'],
      [2, '4.04'],
      [3, '4.01'],
      [4, '4.00'],
      [4, '4.03'],
      [5, '5.00'],
      [255, '4.00'],
    ];
    for (const [errorCode, code] of table) {
      const skms = answeredBy(() => ({ fields: { errorCode, payload: undefined }, code: codes[code] }));
      await assert.rejects(lab.keys({}, skms), isKmError('ERR_KM_REFUSED', errorCode));
      if (errorCode > 4) await assert.rejects(lab.keys({}, skms), /unknown failure/);
    }
    for (const errorCode of [0, 256]) {
      const skms = answeredBy(() => ({ fields: { errorCode, payload: undefined }, code: codes['5.00'] }));
      await assert.rejects(lab.keys({}, skms), isKmError('ERR_KM_FORMAT'));
    }
    const mixed = answeredBy(() => ({ fields: { errorCode: 2, payload: undefined }, code: codes['5.00'] }));
    await assert.rejects(lab.keys({}, mixed), isKmError('ERR_KM_RESPONSE'));
  }),
};
