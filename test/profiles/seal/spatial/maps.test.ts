import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpatialService } from '../../../../profiles/seal/spatial/index.ts';
import { ContentFormat } from '../../../../src/coap/index.ts';
import { assertProblem, cborBody, plainOf } from '../answers.ts';
import { inLab, type LabOptions } from '../rows/lab.ts';

const maps = '/su-sm/v1/maps';
const lab: LabOptions = { services: ({ stores, simulator }) => [new SpatialService({ store: stores.server, env: simulator.env('sm') })] };
const map = { valServiceId: 'v2x', area: { south: -1, west: 179, north: 1, east: -179 }, tags: ['harbour'], content: new Uint8Array(40_000).fill(7) };

test('TS 23.437: a map goes up and comes down in blocks, and is found by its area', async () => {
  await inLab(lab, async (lab) => {
    const created = await lab.fetch(maps, { method: 'POST', ...cborBody(map) });
    assert.equal(created.codeText, '2.01');
    const mapId = created.location!.split('/').at(-1);
    const owner = { valUserId: 'anna@val.example' };
    assert.deepEqual(plainOf((await lab.fetch(created.location!)).cbor()), { ...map, mapId, owner });
    const { content: _, ...summary } = map;
    const found = async (query: string): Promise<unknown> => plainOf((await lab.fetch(`${maps}?${query}`)).cbor());
    for (const query of ['bbox=0,-180,2,-179.5', 'bbox=-90,-180,90,180', 'near=0,178.9,12000', 'near=0,180,0', 'tag=harbour&val-service-id=v2x'])
      assert.deepEqual(await found(query), { maps: [{ ...summary, mapId, owner }] }, query);
    for (const query of ['bbox=0,-178,2,178', 'near=0,178.9,11000', 'near=2,180,100000', 'tag=city']) assert.deepEqual(await found(query), { maps: [] }, query);
  });
});

test('TS 24.546 C.1.3: what is no map is refused', async () => {
  await inLab(lab, async (lab) => {
    const send = (body: object) => lab.fetch(maps, { method: 'POST', ...body });
    assertProblem(await send(cborBody({ ...map, area: { ...map.area, south: 2 } })), '4.22', 'ERR_SEAL_MODEL');
    assertProblem(await send(cborBody({ ...map, area: [1, 2, 3, 4] })), '4.22', 'ERR_SEAL_MODEL');
    assertProblem(await send({ ...cborBody(map), contentFormat: ContentFormat.OctetStream }), '4.15', 'ERR_SEAL_FORMAT');
  });
});
