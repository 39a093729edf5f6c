import assert from 'node:assert/strict';
import { fromUtf8 } from '../../../../src/core/bytes.ts';
import type { HttpsResponse } from '../../../../src/transport/index.ts';
import type { CapifLab, Invoker } from '../https/capif/capif-lab.ts';
import { anchorsPath, deliveryPath, nef, san, skms } from '../https/capif/names.ts';
import type { Rows } from './lab.ts';

/** In a lab of its own; X.509 and JOSE are not in each process that looks at other rows. */
async function inCapifLab(options: Parameters<typeof CapifLab.within>[0], use: (lab: CapifLab) => Promise<void>): Promise<void> {
  const { CapifLab: Lab } = await import('../https/capif/capif-lab.ts');
  await Lab.within(options, use);
}

const anchor = { valServiceId: 'v2x', location: { lat: 52.5, lon: 13.4 } };
const map = { valServiceId: 'v2x', area: { south: 1, north: 2, west: 3, east: 4 } };
const json = { 'content-type': 'application/json' };
const anchors = ['spatial-anchors'];

/** What is made is named by its location. */
function placeOf({ status, headers }: HttpsResponse): string {
  assert.equal(status, 201);
  return headers.location!;
}

/** TS 33.434, 5.1.1.8; TS 33.122, 6.3.1.2 and 6.5.2: the core function selects the method, and the AEF goes by it. */
async function selectedMethod(): Promise<void> {
  await inCapifLab({}, async (lab) => {
    assert.equal((await lab.bare(anchorsPath, 'val1')).status, 403);
    assert.deepEqual(lab.refusals(), ['context']);
    // The invoker would rather have PKI: the core function decides.
    const invoker = await lab.invoker('val1');
    assert.equal(invoker.methodOf(san), 'OAUTH');
    assert.equal((await invoker.fetch(`${lab.uri}${anchorsPath}`, { aefId: san, apis: anchors })).status, 200);
    const bare = await lab.bare(anchorsPath, 'val1');
    assert.deepEqual([bare.status, bare.headers['www-authenticate']], [401, 'Bearer realm="san1"']);
    // A token is for the certificate of its invoker, for this AEF, and for 30 seconds more than it says at most.
    const token = await invoker.token({ aefId: san, apis: anchors });
    assert.equal((await lab.bare(anchorsPath, 'san-client', token)).status, 401);
    assert.equal((await lab.bare(deliveryPath, 'val1', token, { method: 'POST' })).status, 401);
    lab.ahead = 329;
    assert.equal((await lab.bare(anchorsPath, 'val1', token)).status, 200);
    lab.ahead = 331;
    assert.equal((await lab.bare(anchorsPath, 'val1', token)).status, 401);
    assert.deepEqual(lab.refusals(), ['method', 'client', 'audience', 'expired']);
  });
  await inCapifLab({ methods: ['PKI'] }, async (lab) => {
    const invoker = await lab.invoker('val1', ['PSK', 'OAUTH', 'PKI']);
    assert.equal(invoker.methodOf(san), 'PKI');
    assert.equal((await invoker.fetch(`${lab.uri}${anchorsPath}`, { aefId: san, apis: anchors })).status, 200);
    await assert.rejects(invoker.token({ aefId: san, apis: anchors }), { code: 'ERR_CAPIF_REFUSED', message: /invalid_scope/ });
    await assert.rejects(lab.invoker('san-client', ['PSK', 'OAUTH']), { code: 'ERR_CAPIF_REFUSED' });
  });
}

/** TS 33.501, Y.3: an application server of others calls a NEF, which is an AEF: over TLS, with the rights of CAPIF. */
async function overNef(): Promise<void> {
  await inCapifLab({ methods: ['PKI'] }, async (lab) => {
    const call = { method: 'POST' };
    const server = await lab.invoker('val1', ['PKI'], nef);
    const { status, body } = await server.fetch(`${lab.uri}${deliveryPath}`, { aefId: nef, apis: ['msgin5g-delivery'], method: 'POST' });
    assert.deepEqual([status, Buffer.from(body).toString()], [200, 'val1']);
    assert.equal((await lab.bare(deliveryPath, 'stranger', undefined, call)).status, 403);
    await assert.rejects(lab.invoker('san-client', ['PKI'], nef), { code: 'ERR_CAPIF_REFUSED' });
    assert.equal((await lab.bare(deliveryPath, 'san-client', undefined, call)).status, 403);
    assert.deepEqual(lab.refusals(), ['client', 'context']);
    await assert.rejects(fetch(`http://127.0.0.1:${new URL(lab.uri).port}${deliveryPath}`, call));
    // The operator takes the right back: it counts once what the AEF knew is no longer fresh.
    await lab.core.revoke({ apiInvokerId: 'val1', apiIds: ['msgin5g-delivery'], cause: 'OVERLIMIT_USAGE' });
    lab.ahead = 61;
    assert.equal((await lab.bare(deliveryPath, 'val1', undefined, call)).status, 403);
  });
}

/** 6.x.a: both spatial services, by both methods. */
async function spatialServices(): Promise<void> {
  for (const methods of [['OAUTH'], ['PKI']] as const) {
    await inCapifLab({ methods }, async (lab) => {
      const invoker = await lab.invoker('val1');
      const place = placeOf(
        await invoker.fetch(`${lab.uri}${anchorsPath}`, { aefId: san, apis: anchors, method: 'POST', headers: json, body: JSON.stringify(anchor) }),
      );
      const { body } = await invoker.fetch(`${lab.uri}${place}`, { aefId: san, apis: anchors });
      assert.equal((JSON.parse(fromUtf8(body)) as typeof anchor).valServiceId, 'v2x');
      assert.equal((await lab.bare(place, 'stranger')).status, 403);
      // Its right ends, and not with the context that is kept for a minute.
      await lab.core.revoke({ apiInvokerId: 'val1', apiIds: anchors, cause: 'UNEXPECTED_REASON' });
      assert.equal((await invoker.fetch(`${lab.uri}${place}`, { aefId: san, apis: anchors })).status, 403);
      assert.deepEqual(lab.refusals(), ['client', 'context']);
    });
  }
}

/** 6.x.a: clients of both services and a VAL server are invokers; the servers are AEFs, which the core function knows. */
async function roles(): Promise<void> {
  await inCapifLab({}, async (lab) => {
    const apiOf: Readonly<Record<Invoker, readonly [api: string, path: string]>> = {
      val1: ['spatial-anchors', anchorsPath],
      'san-client': ['spatial-anchors-read', anchorsPath],
      'sm-client': ['spatial-maps', '/su-sm/v1/maps'],
    };
    for (const [name, [api, path]] of Object.entries(apiOf)) {
      const invoker = await lab.invoker(name as Invoker);
      assert.equal((await invoker.fetch(`${lab.uri}${path}`, { aefId: san, apis: [api] })).status, 200, name);
    }
    const { status } = await lab.bare('/aef-security/v1/check-authentication', 'val1', undefined, { method: 'POST', value: { apiInvokerId: 'val1' } });
    assert.equal(status, 200);
    const other = await lab.bare('/aef-security/v1/check-authentication', 'val1', undefined, { method: 'POST', value: { apiInvokerId: 'sm-client' } });
    assert.equal(other.status, 403);
  });
}

/** 6.x.a NOTE; TS 33.122, 6.5.3: a request about an owner needs a token that the owner agreed to. */
async function resourceOwner(): Promise<void> {
  await inCapifLab({}, async (lab) => {
    const invoker = await lab.invoker('val1', ['OAUTH'], san, skms);
    const keysOf = (ue: string, resOwnerId?: string): Promise<HttpsResponse> => {
      const query = `val-service-id=v2x&val-tgt-ue=${encodeURIComponent(JSON.stringify({ valUeId: ue }))}`;
      const owner = resOwnerId === undefined ? {} : { resOwnerId };
      return invoker.fetch(`${lab.uri}/ss-kir/v1/key-records?${query}`, { aefId: skms, apis: ['ss-kir'], ...owner });
    };
    assert.equal((await keysOf('ue1', 'ue1')).status, 200);
    assert.equal((await keysOf('ue1')).status, 403);
    assert.equal((await keysOf('ue2', 'ue1')).status, 403);
    await assert.rejects(keysOf('ue2', 'ue2'), { code: 'ERR_CAPIF_REFUSED', message: /unauthorized_client/ });
    assert.deepEqual(lab.refusals(), ['owner', 'owner']);
    // An anchor is its owner's, whoever makes it for the owner.
    const at = (path: string, method: string, resOwnerId?: string): Promise<HttpsResponse> => {
      const owner = resOwnerId === undefined ? {} : { resOwnerId };
      return invoker.fetch(`${lab.uri}${path}`, { aefId: san, apis: anchors, method, headers: json, body: JSON.stringify(anchor), ...owner });
    };
    const place = placeOf(await at(anchorsPath, 'POST', 'anna'));
    assert.equal((await at(place, 'PUT')).status, 403);
    assert.equal((await at(place, 'PUT', 'ue1')).status, 403);
    assert.equal((await at(place, 'PUT', 'anna')).status, 204);
  });
}

/** 6.x.a: rights for each operation and each resource are APIs of their own. */
async function granularity(): Promise<void> {
  await inCapifLab({}, async (lab) => {
    const reader = await lab.invoker('san-client');
    const asReader = { aefId: san, apis: ['spatial-anchors-read'] };
    assert.equal((await reader.fetch(`${lab.uri}${anchorsPath}`, asReader)).status, 200);
    const written = await reader.fetch(`${lab.uri}${anchorsPath}`, { ...asReader, method: 'POST', headers: json, body: JSON.stringify(anchor) });
    assert.equal(written.status, 403);
    assert.equal((await reader.fetch(`${lab.uri}/su-sm/v1/maps`, asReader)).status, 403);
    await assert.rejects(reader.token({ aefId: san, apis: anchors }), { message: /invalid_scope/ });
    const mapper = await lab.invoker('sm-client');
    const asMapper = { aefId: san, apis: ['spatial-maps'] };
    placeOf(await mapper.fetch(`${lab.uri}/su-sm/v1/maps`, { ...asMapper, method: 'POST', headers: json, body: JSON.stringify(map) }));
    assert.equal((await mapper.fetch(`${lab.uri}${anchorsPath}`, asMapper)).status, 403);
  });
}

export const rows: Rows = {
  'R-031': selectedMethod,
  'R-508': overNef,
  'R-600': spatialServices,
  'R-601': roles,
  'R-602': resourceOwner,
  'R-603': granularity,
};
