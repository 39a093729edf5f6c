import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpatialService, type SpatialServiceOptions } from '../../../../profiles/seal/spatial/index.ts';
import type { AceResponse } from '../../../../src/client/index.ts';
import { assertProblem, cborBody, plainOf } from '../answers.ts';
import { inLab, type Lab, type LabClient, type LabOptions } from '../rows/lab.ts';

const anchors = '/su-san/v1/anchors';
const operations = (kind: string, names: string): string =>
  names
    .split(' ')
    .map((name) => `${kind}:${name}`)
    .join(' ');
const all = operations('spatial-anchor', 'create read update delete discover subscribe');
const anna: LabClient = { id: 'ue1', valUserId: 'anna@val.example', valUeId: 'ue1', valServiceIds: ['museum'], scope: all };
const bert: LabClient = { id: 'ue2', valUserId: 'bert@val.example', valServiceIds: ['tours'], scope: all };
const carl: LabClient = { id: 'ue3', valUserId: 'carl@val.example', valServiceIds: ['museum'], scope: all };

function lab(options: Partial<SpatialServiceOptions> = {}): LabOptions {
  return {
    clients: [anna, bert, carl],
    services: ({ stores, simulator }: Lab) => [new SpatialService({ store: stores.server, env: simulator.env('san'), ...options })],
  };
}

const statue = { valServiceId: 'museum', location: { lat: 48.8606, lon: 2.3376, altitude: 35.5 }, tags: ['statue', 'hall 1'], content: Uint8Array.of(1, 2, 3) };

async function create(lab: Lab, body: unknown, by = 0): Promise<string> {
  const created = await lab.fetch(anchors, { method: 'POST', ...cborBody(body) }, lab.simCOf(by));
  assert.equal(created.codeText, '2.01');
  return created.location!;
}

const idsIn = (response: AceResponse): string[] => (plainOf(response.cbor()) as { anchors: { anchorId: string }[] }).anchors.map(({ anchorId }) => anchorId);
const idOf = (path: string): string => path.split('/').at(-1)!;

test('TS 23.437: an anchor is made, read, changed and taken away by its owner, who says who else sees it', async () => {
  await inLab(lab(), async (lab) => {
    const [owner, partner, colleague] = [lab.simCOf(0), lab.simCOf(1), lab.simCOf(2)];
    const path = await create(lab, { ...statue, anchorId: 'mine', owner: { valUserId: 'bert@val.example' }, allowedEntities: [{ valServiceId: 'tours' }] });
    assert.match(path, /^\/su-san\/v1\/anchors\/[\w-]{16}$/);
    const read = await lab.fetch(path, {}, owner);
    const shown = { ...statue, anchorId: idOf(path), owner: { valUserId: 'anna@val.example' } };
    assert.deepEqual(plainOf(read.cbor()), { ...shown, allowedEntities: [{ valServiceId: 'tours' }] });
    // Whom it is shared with is no business of those that it is shared with.
    assert.deepEqual(plainOf((await lab.fetch(path, {}, partner)).cbor()), shown);
    assertProblem(await lab.fetch(path, {}, colleague), '4.03', 'ERR_SEAL_RIGHTS');
    for (const [stranger, init] of [partner, colleague].flatMap((by) => [
      [by, { method: 'PUT', ...cborBody(statue) } as const] as const,
      [by, { method: 'DELETE' } as const] as const,
    ]))
      assertProblem(await lab.fetch(path, init, stranger), '4.03', 'ERR_SEAL_RIGHTS');
    const changed = await lab.fetch(path, { method: 'PUT', ...cborBody({ ...statue, tags: ['moved'] }), ifMatch: read.etag! }, owner);
    assert.equal(changed.codeText, '2.04');
    assert.equal((await lab.fetch(path, { method: 'PUT', ...cborBody(statue), ifMatch: read.etag! }, owner)).codeText, '4.12');
    assertProblem(await lab.fetch(path, {}, partner), '4.03', 'ERR_SEAL_RIGHTS');
    await lab.restartServer();
    assert.deepEqual((await lab.fetch(path, { etag: changed.etag! }, owner)).codeText, '2.03');
    assert.equal((await lab.fetch(path, { method: 'DELETE' }, owner)).codeText, '2.02');
    assertProblem(await lab.fetch(path, {}, owner), '4.04', 'ERR_SEAL_ABSENT');
  });
});

test('TS 23.437: anchors are discovered by VAL service, area, distance and tags, page by page, by whoever may see them', async () => {
  await inLab(lab({ page: { usual: 2, most: 3 }, rate: { burst: 1000, rate: 1 } }), async (lab) => {
    const at = (lat: number, lon: number, more: object = {}): unknown => ({
      ...statue,
      location: { lat, lon },
      tags: ['t'],
      allowedEntities: [{ valUserId: 'bert@val.example' }],
      ...more,
    });
    const paris = await create(lab, at(48.86, 2.34));
    const date = await create(lab, at(0, 179.999));
    const hidden = await create(lab, at(48.861, 2.341, { tags: ['t', 'hidden'], allowedEntities: [{ valUeId: 'ue9' }] }));
    const pole = await create(lab, at(89.9, 0));
    const found = async (query: string, by = 1): Promise<string[]> => idsIn(await lab.fetch(`${anchors}?limit=3${query}`, {}, lab.simCOf(by))).sort();
    const ids = (...paths: string[]): string[] => paths.map(idOf).sort();
    assert.deepEqual(await found(''), ids(paris, date, pole));
    assert.deepEqual(await found('', 2), []);
    assert.deepEqual(await found('&tag=t&tag=hidden', 0), ids(hidden));
    assert.deepEqual(await found('&val-service-id=tours'), []);
    assert.deepEqual(await found('&bbox=48,2,49,3', 0), ids(paris, hidden));
    assert.deepEqual(await found('&bbox=-1,179,1,-179'), ids(date));
    assert.deepEqual(await found('&near=0,-179.999,300'), ids(date));
    assert.deepEqual(await found('&near=0,-179.999,200'), []);
    assert.deepEqual(await found('&near=89.9,180,22300'), ids(pole));
    const pages: string[] = [];
    for (let query = ''; ; ) {
      const response = await lab.fetch(`${anchors}?tag=t${query}`, {}, lab.simCOf(0));
      const { next } = plainOf(response.cbor()) as { next?: string };
      pages.push(...idsIn(response));
      if (next === undefined) break;
      query = `&after=${next}`;
    }
    assert.deepEqual(pages, ids(paris, date, hidden, pole));
    for (const query of [
      'bbox=1,2,3',
      'bbox=3,2,1,4',
      'near=91,0,1',
      'near=0,0,-1',
      'limit=0',
      'limit=4',
      'limit=1&limit=2',
      'colour=red',
      'tag',
      'near=1e1,0,1',
    ])
      assertProblem(await lab.fetch(`${anchors}?${query}`), '4.00', 'ERR_SEAL_QUERY');
  });
});

test('TS 33.434 v19, 6.1.2: what belongs to a VAL service takes a token for it, of its owner too', async () => {
  await inLab(lab(), async (lab) => {
    assertProblem(await lab.fetch(anchors, { method: 'POST', ...cborBody({ ...statue, valServiceId: 'tours' }) }), '4.03', 'ERR_SEAL_SERVICE');
    const path = await create(lab, statue);
    assertProblem(await lab.fetch(path, { method: 'PUT', ...cborBody({ ...statue, valServiceId: 'tours' }) }), '4.03', 'ERR_SEAL_SERVICE');
    for (const wrong of [
      { location: {} },
      { location: { lat: 91, lon: 0 } },
      { tags: [] },
      { tags: [1] },
      { allowedEntities: [{ valUserId: 'a', valUeId: 'b' }] },
    ])
      assertProblem(await lab.fetch(path, { method: 'PUT', ...cborBody({ ...statue, ...wrong }) }), '4.22', 'ERR_SEAL_MODEL');
  });
});

test('RFC 7641: observers of an anchor and of a discovery hear what concerns them', async () => {
  await inLab(lab(), async (lab) => {
    const path = await create(lab, { ...statue, allowedEntities: [{ valServiceId: 'tours' }] });
    const [owner, partner] = [lab.simCOf(0), lab.simCOf(1)];
    const init = { scope: 'spatial-anchor:subscribe' };
    const one = partner.observe(`${lab.serverUri}${path}`, init);
    const list = partner.observe(`${lab.serverUri}${anchors}?near=48.86,2.34,1000`, init);
    const next = async (stream: typeof one): Promise<AceResponse> => (await lab.finish(stream.next())).value!;
    assert.deepEqual((plainOf((await next(one)).cbor()) as typeof statue).tags, statue.tags);
    assert.deepEqual(idsIn(await next(list)), [idOf(path)]);
    const elsewhere = await create(lab, { ...statue, location: { lat: 0, lon: 0 }, allowedEntities: [{ valServiceId: 'tours' }] });
    await lab.fetch(path, { method: 'PUT', ...cborBody({ ...statue, location: { lat: 1, lon: 1 }, allowedEntities: [{ valServiceId: 'tours' }] }) }, owner);
    assert.deepEqual((plainOf((await next(one)).cbor()) as typeof statue).location, { lat: 1, lon: 1 });
    // The anchor that came elsewhere was no news for it: this is the next thing that it hears.
    assert.deepEqual(idsIn(await next(list)), []);
    assert.notEqual(elsewhere, path);
    // No longer shared: the observation ends.
    await lab.fetch(path, { method: 'PUT', ...cborBody(statue) }, owner);
    const last = await lab.finish(one.next());
    assert.ok(last.done === true || (last.value as AceResponse).codeText === '4.03');
    await lab.finish(list.return());
    await lab.finish(one.return());
  });
});
