import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caller, type SealHost, SpatialService } from '../../../../profiles/seal/index.ts';
import { Code, Method, OptionNumber, type Reply, type Request, type Response, Router, stringOption, uintOption } from '../../../../src/coap/index.ts';
import { emptyBytes, fromUtf8 } from '../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../src/core/env.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { type Asker, anna, FaceLab, jsonOf, user } from './face-lab.ts';

const anchors = '/su-san/v1/anchors';
const operations = ['create', 'read', 'update', 'delete', 'discover'].map((name) => `spatial-anchor:${name}`).join(' ');
const asAnna: Asker = { claims: { ...anna, scope: `openid ${operations}` } };
const anchor = { valServiceId: 'v2x', location: { lat: 48.8606, lon: 2.3376 }, tags: ['crossing'] };

async function made(lab: FaceLab, body: object = anchor): Promise<string> {
  const response = await lab.send('POST', anchors, body, asAnna);
  assert.equal(response.status, 201, fromUtf8(response.body));
  return response.headers.location!;
}

test('TS 23.437 over HTTPS: an anchor is made, read, found, changed and taken away, in JSON', () =>
  FaceLab.within({}, async (lab) => {
    const location = await made(lab);
    assert.match(location, /^\/su-san\/v1\/anchors\/[\w-]+$/);
    const read = await lab.fetch(location, asAnna);
    const { etag } = read.headers;
    assert.deepEqual([read.status, read.headers['content-type'], read.headers['cache-control']], [200, 'application/json', 'private, max-age=60']);
    assert.deepEqual(jsonOf(read)['location'], anchor.location);
    assert.match(etag!, /^"[0-9a-f]{16}"$/);
    const found = await lab.fetch(`${anchors}?near=48.86,2.34,500&tag=crossing`, asAnna);
    assert.equal((jsonOf(found)['anchors'] as unknown[]).length, 1);
    const with_ = (name: string, value: string, more: Asker = asAnna): Asker => ({ ...more, headers: { [name]: value } });
    const statuses = [
      await lab.fetch(location, with_('if-none-match', etag!)),
      await lab.fetch(location, with_('if-none-match', `"00", W/${etag}`)),
      await lab.fetch(location, with_('if-none-match', '"0011223344556677"')),
      await lab.send('PUT', location, { ...anchor, tags: ['new'] }, with_('if-match', '"0011223344556677"')),
      await lab.send('PUT', location, { ...anchor, tags: ['new'] }, with_('if-match', `W/${etag}`)),
      await lab.send('PUT', location, { ...anchor, tags: ['new'] }, with_('if-none-match', '*')),
      await lab.send('PUT', location, { ...anchor, tags: ['new'] }, with_('if-match', etag!)),
      await lab.fetch(location, { ...with_('if-match', etag!), method: 'DELETE' }),
      await lab.fetch(location, { ...with_('if-match', '*'), method: 'DELETE' }),
      await lab.fetch(location, asAnna),
    ].map(({ status }) => status);
    assert.deepEqual(statuses, [304, 304, 200, 412, 412, 412, 204, 412, 204, 404]);
  }));

test('TS 33.434 5.2.6 over HTTPS: what a scope does not cover is 403, with the scope that would', () =>
  FaceLab.within({}, async (lab) => {
    const location = await made(lab);
    const readOnly: Asker = { claims: { ...anna, scope: 'spatial-anchor:read' } };
    for (const [method, path, scope] of [
      ['DELETE', location, 'spatial-anchor:delete'],
      ['POST', anchors, 'spatial-anchor:create'],
      ['GET', '/su-up/v1/val-services/v2x/user-profiles', 'user-profile:read'],
    ] as const) {
      const { status, headers, body } = await lab.fetch(path, { ...readOnly, method });
      assert.equal(status, 403, path);
      assert.equal(headers['www-authenticate'], `Bearer realm="seal", error="insufficient_scope", scope="${scope}"`);
      assert.equal((JSON.parse(fromUtf8(body)) as { cause: string }).cause, 'scope');
    }
    // Whoever has no right anywhere cannot tell what is there.
    assert.equal((await lab.fetch('/nothing', readOnly)).status, 403);
    assert.equal((await lab.fetch('/nothing', { claims: null })).status, 401);
    const otherService = await lab.send('POST', anchors, anchor, { claims: { ...anna, scope: operations, val_service_ids: ['other'] } });
    assert.deepEqual([otherService.status, jsonOf(otherService)['cause']], [403, 'ERR_SEAL_SERVICE']);
    assert.equal((await lab.fetch(location, { claims: { ...anna, sub: 'bert', val_user_id: 'bert', val_ue_id: 'ue2', scope: operations } })).status, 403);
  }));

test('bad input to a service over HTTPS is a status and ProblemDetails', () =>
  FaceLab.within({}, async (lab) => {
    const post = (body: string | Uint8Array, headers: Record<string, string> = {}): ReturnType<FaceLab['send']> =>
      lab.send('POST', anchors, body, { ...asAnna, headers });
    const right = JSON.stringify(anchor);
    const cases: readonly (readonly [answer: Awaited<ReturnType<typeof post>>, status: number, cause: string])[] = [
      [await post('{'), 400, 'json'],
      [await post(right.replace('{', '{"valServiceId":"v2x",')), 400, 'json'],
      [await post('['.repeat(40)), 400, 'json'],
      [await post(Uint8Array.of(0x22, 0xff, 0x22)), 400, 'json'],
      [await post(right.replace('2.3376', '1e999')), 400, 'json'],
      [await post(right.replace('2.3376', '123456789012345678901234567890')), 400, 'json'],
      [await post('[]'), 422, 'ERR_SEAL_FORMAT'],
      [await post(right.replace('2.3376', '18446744073709551615')), 422, 'ERR_SEAL_MODEL'],
      [await post(right.replace('48.8606', '"north"')), 422, 'ERR_SEAL_MODEL'],
      [await post(right, { 'content-type': 'text/plain' }), 415, 'format'],
      [await post(right, { accept: 'text/html' }), 406, 'accept'],
      [await post(JSON.stringify({ ...anchor, name: 'x'.repeat(20_000) })), 413, 'ERR_SEAL_SIZE'],
      [await post(`"${'x'.repeat(70_000)}"`), 413, 'size'],
      [await lab.fetch(`${anchors}?near=%ff`, asAnna), 400, 'request'],
      [await lab.fetch(`${anchors}?near=1`, asAnna), 400, 'ERR_SEAL_QUERY'],
      [await lab.fetch(`${anchors}/${'x'.repeat(300)}`, asAnna), 414, 'request'],
      [await lab.fetch(anchors, { ...asAnna, method: 'OPTIONS' }), 501, 'request'],
    ];
    for (const [{ status, headers, body }, wanted, cause] of cases) {
      const problem = JSON.parse(fromUtf8(body)) as Record<string, unknown>;
      assert.deepEqual([status, headers['content-type'], problem['status'], problem['cause']], [wanted, 'application/problem+json', wanted, cause], cause);
    }
    const { status, headers } = await lab.fetch('/su-up/v1/val-services/v2x/user-profiles', {
      method: 'DELETE',
      claims: { ...anna, scope: 'user-profile:write' },
    });
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD, POST, PUT']);
  }));

test('TS 24.546 over HTTPS: a user profile, by its target in JSON', () =>
  FaceLab.within({}, async (lab) => {
    const profiles = '/su-up/v1/val-services/v2x/user-profiles';
    const asOwner: Asker = { claims: { ...anna, scope: 'user-profile:read user-profile:write' } };
    const created = await lab.send(
      'POST',
      profiles,
      {
        valTgtUe: { valUserId: user },
        profileInformation: { status: true, profileName: 'quiet', profileConfigs: [{ configType: 'COMMON', configData: 'a' }] },
      },
      asOwner,
    );
    assert.equal(created.status, 201, fromUtf8(created.body));
    const target = encodeURIComponent(JSON.stringify({ valUserId: user }));
    const listed = await lab.fetch(`${profiles}?val-tgt-ue=${target}`, asOwner);
    assert.equal(listed.status, 200);
    assert.match(fromUtf8(listed.body), /"profileName":"quiet"/);
    assert.equal((await lab.fetch(created.headers.location!, asOwner)).status, 200);
  }));

test('a service on two hosts: who observes over CoAP hears of what changes over HTTPS', async () => {
  const service = new SpatialService({ store: memoryStore() });
  const caller: Caller = { subject: user, valUserId: user, valServiceIds: ['v2x'], scope: 'spatial-anchor:subscribe', expiresAt: systemEnv.epoch() + 60 };
  const router = new Router();
  const coap: SealHost = { resource: (path, resource) => router.resource(path, resource), callerOf: () => caller };
  service.mount(coap);
  const heard: Response[] = [];
  const reply: Reply = { respond: (response) => heard.push(response), notify: (response) => heard.push(response), onCancel: () => undefined };
  await FaceLab.within({ services: [service] }, async (lab) => {
    const request: Request = {
      code: Method.GET,
      options: [
        uintOption(OptionNumber.Observe, 0),
        ...anchors
          .slice(1)
          .split('/')
          .map((segment) => stringOption(OptionNumber.UriPath, segment)),
      ],
      payload: emptyBytes,
      peer: { key: 'ue1', address: '127.0.0.1', port: 1 },
    };
    router.handler(request, reply);
    await made(lab);
    assert.deepEqual(
      heard.map(({ code }) => code),
      [Code.Content, Code.Content],
    );
    const { spatialAnchors, requests } = lab.face.stats();
    assert.deepEqual([spatialAnchors, requests], [1, 0]);
  });
});
