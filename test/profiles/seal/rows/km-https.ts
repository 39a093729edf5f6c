import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { KmRequest } from '../../../../profiles/seal/index.ts';
import { fromUtf8 } from '../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../src/core/env.ts';
import type { Asker, FaceLab } from '../https/face-lab.ts';
import type { Changes } from '../https/guard/token-lab.ts';
import type { Rows } from './lab.ts';

/** Loaded with the first check that needs it: most processes look at other rows. */
const faces = (): Promise<typeof import('../https/face-lab.ts')> => import('../https/face-lab.ts');

const inFace = (check: (lab: FaceLab, known: Awaited<ReturnType<typeof faces>>) => Promise<void>) => async (): Promise<void> => {
  const known = await faces();
  await known.FaceLab.within({}, (lab) => check(lab, known));
};

type Fields = { readonly [K in keyof KmRequest]?: KmRequest[K] };

/** Requests that are refused, each with its status and ErrorCode. */
async function refused(lab: FaceLab, cases: readonly (readonly [fields: Fields, status: number, errorCode: number, asker?: Asker])[]): Promise<void> {
  for (const [fields, status, errorCode, asker] of cases) {
    const { status: got, response } = await lab.km(fields, asker);
    assert.deepEqual([got, response.errorCode, response.payload], [status, errorCode, undefined], JSON.stringify(fields));
  }
}

const now = (): number => Math.floor(systemEnv.epoch());

/** What HTTP without TLS gets of a listener. */
function overPlainHttp(port: number): Promise<string> {
  return new Promise((resolve) => {
    const plain = request({ host: '127.0.0.1', port, path: '/km', method: 'POST' }, ({ statusCode }) => resolve(String(statusCode)));
    plain.on('error', () => resolve('nothing'));
    plain.end();
  });
}

const records = `/ss-kir/v1/key-records?val-service-id=v2x&val-tgt-ue=${encodeURIComponent('{"valUeId":"ue1"}')}`;

async function strangerKey(changes: Changes): Promise<string> {
  const { TokenLab, claims } = await import('../https/guard/token-lab.ts');
  return (await TokenLab.make()).token({ ...claims(now()), val_system_id: 'val.example', ...changes });
}

/** The rows of TS 33.434, Sections 5.1.1.4 and 5.3, and of clause 6 of its CR, over HTTPS. */
export const rows: Rows = {
  'R-014': inFace(async (lab) => {
    const { status, response } = await lab.km({ deviceId: 'ue1' });
    assert.deepEqual([status, fromUtf8(response.payload!)], [200, 'keys of ue1']);
    assert.equal(await overPlainHttp(lab.port), 'nothing');
  }),
  'R-015': inFace(async (lab, { val1 }) => {
    const statusOf = async (asker: Asker): Promise<number> => (await lab.fetch(records, asker)).status;
    assert.equal(await statusOf({ as: 'val1', claims: val1 }), 200);
    assert.equal(await statusOf({ as: 'val1', claims: null }), 401);
    assert.equal(await statusOf({ claims: val1 }), 403);
    assert.equal(await statusOf({ as: 'val2', claims: val1 }), 403);
    assert.equal(await overPlainHttp(lab.port), 'nothing');
  }),
  'R-041': inFace(async (lab, { anna }) => {
    assert.equal((await lab.km({}, { claims: { ...anna, aud: 'seal2' } })).status, 401);
    assert.deepEqual(lab.refusals(), ['audience']);
  }),
  'R-060': inFace((lab) => refused(lab, [[{}, 401, 3, { claims: null }]])),
  'R-062': inFace(async (lab, { anna }) => {
    assert.equal((await lab.km()).status, 200);
    await refused(lab, [
      [{}, 401, 3, { claims: null }],
      [{}, 403, 4, { claims: { ...anna, scope: 'openid' } }],
      [{}, 401, 3, { claims: { ...anna, exp: now() - 1 } }],
    ]);
  }),
  'R-064': inFace((lab) =>
    refused(lab, [
      [{ version: '2.0.0' }, 400, 4],
      [{ deviceId: 'ue2' }, 403, 4],
      [{ serviceId: 'empty' }, 404, 2],
    ]),
  ),
  'R-067': inFace((lab) => refused(lab, [[{ deviceId: 'ue1', clientId: 'app' }, 400, 4]])),
  'R-068': inFace((lab) => refused(lab, [[{ version: '1.0.1' }, 400, 4]])),
  'R-069': inFace(async (lab) => {
    assert.equal((await lab.km({ dateTime: lab.now - 4 })).status, 200);
    await refused(lab, [
      [{ dateTime: lab.now - 7 }, 400, 4],
      [{ dateTime: lab.now + 7 }, 400, 4],
    ]);
  }),
  'R-070': inFace(async (lab, { anna }) => {
    const token = await strangerKey(anna);
    await refused(lab, [
      [{ sKmsUri: 'coap://seal1.val.example/km' }, 400, 4],
      [{}, 401, 3, { claims: null, headers: { authorization: `Bearer ${token}` } }],
    ]);
  }),
  'R-075': inFace(async (lab, { user }) => {
    for (const [fields, asker] of [[{ userId: user }], [{ deviceId: 'ue2' }], [{ clientId: 'é a' }, { claims: null }]] as readonly (readonly [
      Fields,
      Asker?,
    ])[]) {
      const { response } = await lab.km(fields, asker);
      for (const name of ['serviceId', 'clientId', 'deviceId', 'userId'] as const) assert.equal(response[name], { serviceId: 'v2x', ...fields }[name]);
    }
  }),
  'R-076': inFace(async (lab) => {
    await refused(lab, [[{ serviceId: 'x'.repeat(5000) }, 413, 4]]);
    for (const [method, body] of [
      ['POST', '{'],
      ['PUT', '{}'],
    ] as const) {
      const answer = JSON.parse(fromUtf8((await lab.send(method, '/km', body)).body)) as Record<string, unknown>;
      assert.deepEqual([answer['errorCode'], 'payload' in answer], ['04', false]);
    }
  }),
  'R-604': inFace(async (lab, { anna }) => {
    const anchor = { valServiceId: 'v2x', location: { lat: 48.86, lon: 2.34 } };
    const statusOf = async (changes: Changes): Promise<number> =>
      (await lab.send('POST', '/su-san/v1/anchors', anchor, { claims: { ...anna, ...changes } })).status;
    assert.equal(await statusOf({ scope: 'spatial-anchor:create' }), 201);
    assert.equal(await statusOf({ scope: 'spatial-anchor:read' }), 403);
    assert.equal(await statusOf({ scope: 'spatial-anchor:create', val_service_ids: ['other'] }), 403);
  }),
  'R-605': inFace(async (lab, { anna }) => {
    const token = await strangerKey({ ...anna, scope: 'spatial-anchor:discover' });
    const asked = (authorization: string): ReturnType<FaceLab['fetch']> => lab.fetch('/su-san/v1/anchors', { claims: null, headers: { authorization } });
    assert.equal((await asked(`Bearer ${token}`)).status, 401);
    assert.equal((await asked(`Bearer ${await lab.token({ ...anna, scope: 'spatial-anchor:discover' })}`)).status, 200);
  }),
};
