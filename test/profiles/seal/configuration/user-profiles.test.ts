import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigurationService, type ConfigurationServiceOptions } from '../../../../profiles/seal/configuration/index.ts';
import type { AceRequestInit, AceResponse } from '../../../../src/client/index.ts';
import { ContentFormat, findOption, OptionNumber, readUint } from '../../../../src/coap/index.ts';
import { assertProblem, cborBody, plainOf } from '../answers.ts';
import { inLab, type Lab, type LabClient, type LabOptions } from '../rows/lab.ts';

const profiles = '/su-up/v1/val-services/v2x/user-profiles';
const anna: LabClient = { id: 'ue1', valUserId: 'anna@val.example', valUeId: 'ue1', valServiceIds: ['v2x'], scope: 'user-profile:read user-profile:write' };
const bert: LabClient = { id: 'ue2', valUserId: 'bert@val.example', valUeId: 'ue2', valServiceIds: ['v2x'], scope: 'user-profile:read user-profile:write' };
const server: LabClient = { id: 'val1', valServiceIds: ['v2x'], scope: 'user-profile:read-all user-profile:write-all' };
const other: LabClient = { id: 'val2', valServiceIds: ['mcx'], scope: 'user-profile:read-all user-profile:write-all' };

function lab(options: Partial<ConfigurationServiceOptions> = {}): LabOptions {
  return {
    clients: [anna, bert, server, other],
    services: ({ stores, simulator }: Lab) => [new ConfigurationService({ store: stores.server, env: simulator.env('cm'), ...options })],
  };
}

const profileOf = (valUserId: string, profileName = 'work'): unknown => ({
  valTgtUe: { valUserId },
  profileInformation: { status: true, profileName, profileConfigs: [{ configType: 'COMMON', configData: 'a' }] },
});

test('TS 24.546 C.2.1.2: a profile is made, read, listed, changed and taken away', async () => {
  await inLab(lab(), async (lab) => {
    const created = await lab.fetch(profiles, { method: 'POST', ...cborBody(profileOf('anna@val.example')) });
    assert.equal(created.codeText, '2.01');
    const path = created.location!;
    assert.match(path, /^\/su-up\/v1\/val-services\/v2x\/user-profiles\/[\w-]{16}$/);
    const read = await lab.fetch(path);
    assert.equal(read.contentFormat, ContentFormat.Cbor);
    assert.equal(read.maxAge, 60);
    assert.deepEqual(read.etag, created.etag);
    const shown = { ...(profileOf('anna@val.example') as object), profileDocId: path.split('/').at(-1) };
    assert.deepEqual(plainOf(read.cbor()), shown);
    assert.equal((await lab.fetch(path, { etag: read.etag! })).codeText, '2.03');
    for (const target of ['anna@val.example', encodeURIComponent('{"valUserId":"anna@val.example"}')])
      assert.deepEqual(plainOf((await lab.fetch(`${profiles}?val-tgt-ue=${target}`)).cbor()), [shown]);
    assert.deepEqual((await lab.fetch(`${profiles}?val-tgt-ue=${encodeURIComponent('{"valUeId":"anna@val.example"}')}`)).cbor(), []);
    await lab.restartServer();
    const changed = await lab.fetch(path, { method: 'PUT', ...cborBody(profileOf('anna@val.example', 'home')), ifMatch: read.etag! });
    assert.equal(changed.codeText, '2.04');
    assert.notDeepEqual(changed.etag, read.etag);
    assert.equal((await lab.fetch(path, { method: 'PUT', ...cborBody(profileOf('anna@val.example')), ifMatch: read.etag! })).codeText, '4.12');
    assert.equal((await lab.fetch(path, { method: 'DELETE' })).codeText, '2.02');
    assertProblem(await lab.fetch(path), '4.04', 'ERR_SEAL_ABSENT');
    assert.equal(lab.server.stats()['userProfiles'], 0);
  });
});

test('TS 24.546 C.1.3: refusals are problem details', async () => {
  await inLab(lab({ rate: { burst: 40, rate: 1 } }), async (lab) => {
    const send = (body: object, path = profiles) => lab.fetch(path, { method: 'POST', contentFormat: ContentFormat.Cbor, ...body });
    assertProblem(await lab.fetch(profiles), '4.00', 'ERR_SEAL_QUERY');
    assertProblem(await lab.fetch(`${profiles}?val-tgt-ue=a&val-tgt-ue=b`), '4.00', 'ERR_SEAL_QUERY');
    assertProblem(await lab.fetch(`${profiles}?val-tgt-ue=${encodeURIComponent('{"valUserId":"a","valUeId":"b"}')}`), '4.00', 'ERR_SEAL_QUERY');
    assertProblem(await send({ payload: Uint8Array.of(0xff) }), '4.00', 'ERR_SEAL_FORMAT');
    assertProblem(await send(cborBody([])), '4.22', 'ERR_SEAL_FORMAT');
    assertProblem(await send(cborBody({ valTgtUe: { valUserId: 'anna@val.example' } })), '4.22', 'ERR_SEAL_MODEL');
    const two = { ...(profileOf('a') as object), valTgtUe: { valUserId: 'a', valUeId: 'b' } };
    assertProblem(await send(cborBody(two)), '4.22', 'ERR_SEAL_MODEL');
    assertProblem(await send({ ...cborBody(profileOf('anna@val.example')), contentFormat: ContentFormat.Json }), '4.15', 'ERR_SEAL_FORMAT');
    const large = await send({ payload: new Uint8Array(20_000) });
    assertProblem(large, '4.13', 'ERR_SEAL_SIZE');
    assert.equal(readUint(findOption(large.options, OptionNumber.Size1)!.value), 16_384);
    assertProblem(await lab.fetch('/su-up/v1/val-services/v2x/profiles?val-tgt-ue=a'), '4.04', 'ERR_SEAL_ABSENT');
    assertProblem(await lab.fetch('/su-up/v1/val-services/mcx/user-profiles?val-tgt-ue=a'), '4.03', 'ERR_SEAL_SERVICE');
    assertProblem(await lab.fetch(profiles, { method: 'DELETE' }), '4.05', 'ERR_SEAL_METHOD');
    const unacceptable = await lab.fetch(`${profiles}?val-tgt-ue=a`, { accept: ContentFormat.Json });
    // RFC 7252 §5.5.2: whoever accepts nothing but JSON gets the text.
    assert.equal(unacceptable.codeText, '4.06');
    assert.match(unacceptable.text(), /ERR_SEAL_FORMAT/);
    let last = unacceptable;
    for (let i = 0; i < 40 && last.codeText !== '4.29'; i++) last = await lab.fetch(`${profiles}?val-tgt-ue=a`);
    assertProblem(last, '4.29', 'ERR_SEAL_RATE');
    assert.equal(last.maxAge, 1);
  });
});

test('TS 24.546 C.2.1.2: whoever reads all writes his own, and whoever writes all reads his own', async () => {
  const scopes = ['user-profile:read-all user-profile:write', 'user-profile:read user-profile:write-all'];
  const clients = scopes.map((scope, index): LabClient => {
    const id = `ue${index + 5}`;
    return { id, valUeId: id, valUserId: `carl${index}@val.example`, valServiceIds: ['v2x'], scope };
  });
  await inLab({ ...lab(), clients: [anna, ...clients] }, async (lab) => {
    const path = (await lab.fetch(profiles, { method: 'POST', ...cborBody(profileOf('anna@val.example')) })).location!;
    const as = (index: 0 | 1, at: string, init: AceRequestInit = {}): Promise<AceResponse> =>
      lab.fetch(at, { ...init, scope: scopes[index]! }, lab.simCOf(index + 1));
    const change = { method: 'PUT', ...cborBody(profileOf('anna@val.example', 'home')) } as const;
    assert.equal((await as(0, path)).codeText, '2.05');
    assertProblem(await as(0, path, change), '4.03', 'ERR_SEAL_RIGHTS');
    assertProblem(await as(0, path, { method: 'DELETE' }), '4.03', 'ERR_SEAL_RIGHTS');
    assertProblem(await as(0, profiles, { method: 'POST', ...cborBody(profileOf('anna@val.example')) }), '4.03', 'ERR_SEAL_RIGHTS');
    assert.equal((await as(0, profiles, { method: 'POST', ...cborBody(profileOf('carl0@val.example')) })).codeText, '2.01');
    assertProblem(await as(1, path), '4.03', 'ERR_SEAL_RIGHTS');
    assert.deepEqual((await as(1, `${profiles}?val-tgt-ue=anna@val.example`)).cbor(), []);
    assert.equal((await as(1, path, change)).codeText, '2.04');
  });
});

test('what is nested so deep that nobody could read it again is refused, and the server starts again', async () => {
  await inLab(lab(), async (lab) => {
    let deep: unknown = 'x';
    for (let i = 0; i < 15; i++) deep = { deep };
    const document = { ...(profileOf('anna@val.example') as object), deep };
    assertProblem(await lab.fetch(profiles, { method: 'POST', ...cborBody(document) }), '4.22', 'ERR_SEAL_FORMAT');
    let path = '';
    for (let nesting = 0; nesting < 14; nesting++) {
      const more: unknown = nesting === 0 ? 'x' : [...Array(nesting)].reduce((inner) => ({ deep: inner }), 'x');
      const made = await lab.fetch(profiles, { method: 'POST', ...cborBody({ ...(profileOf('anna@val.example') as object), deep: more }) });
      if (made.codeText !== '2.01') break;
      path = made.location!;
    }
    await lab.restartServer();
    assert.equal((await lab.fetch(path)).codeText, '2.05');
    const listed = await lab.fetch(`${profiles}?val-tgt-ue=anna@val.example`);
    assert.ok((listed.cbor() as readonly unknown[]).length > 5, 'the list, which is one deeper, can be read too');
  });
});
