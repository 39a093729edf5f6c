import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IdentityRegister, provisionServices, readValServicesConfig, type ValIdentity } from '../../../../profiles/seal/index.ts';
import { memoryStore } from '../../../../src/store/index.ts';

const ue1: ValIdentity = { kind: 'ue', id: 'ue1', valServiceIds: ['v2x'], valUserIds: ['anna'] };
const wrong = { code: 'ERR_SEAL_IDENTITY' };

async function named(register: IdentityRegister, kind?: ValIdentity['kind']): Promise<string[]> {
  const names: string[] = [];
  for await (const { identity, source } of register.list(kind)) names.push(`${identity.kind} ${identity.id} ${source}`);
  return names;
}

describe('TS 33.434 5.2.3: identities of a SIM-S', () => {
  test('what is provisioned is found by its name and by its client, also by another process on the store', async () => {
    const store = memoryStore();
    const register = new IdentityRegister(store);
    await register.put(ue1);
    await register.put({ kind: 'user', id: 'sip:anna@val.example/ü', valServiceIds: ['v2x', 'mcx'], sKeyProv: true });
    const other = new IdentityRegister(store);
    assert.deepEqual(await other.get('ue', 'ue1'), ue1);
    assert.deepEqual(await other.ofClient('ue1'), ue1);
    assert.deepEqual([await other.has('ue', 'ue1'), await other.has('user', 'ue1'), await other.has('ue', '')], [true, false, false]);
    assert.equal((await other.get('user', 'sip:anna@val.example/ü'))?.sKeyProv, true);
    assert.equal(await other.ofClient('sip:anna@val.example/ü'), undefined, 'a user is no client by its name');
    assert.equal(await other.remove('ue', 'ue1'), true);
    assert.equal(await other.remove('ue', 'ue1'), false);
    assert.equal(await register.has('ue', 'ue1'), false);
    assert.equal(await new IdentityRegister(store, [ue1]).has('ue', 'ue1'), true);
    assert.equal(await register.ofClient('ue1'), undefined);
    assert.deepEqual(await named(register), ['user sip:anna@val.example/ü store']);
  });

  test('a client is one identity: another for it is refused, and an identity that moves to another client leaves the first free', async () => {
    const register = new IdentityRegister(memoryStore());
    await register.put({ ...ue1, client: 'sim1' });
    await assert.rejects(register.put({ kind: 'server', id: 'app', client: 'sim1' }), wrong);
    assert.equal(await register.get('server', 'app'), undefined);
    await register.put({ ...ue1, client: 'sim2' });
    await register.put({ kind: 'server', id: 'app', client: 'sim1' });
    assert.equal((await register.ofClient('sim1'))?.id, 'app');
    assert.equal((await register.ofClient('sim2'))?.id, 'ue1');
  });

  test('those of the configuration come first, and are changed there only', async () => {
    const register = new IdentityRegister(memoryStore(), [ue1]);
    await register.put({ kind: 'ue', id: 'ue2', valServiceIds: ['mcx'] });
    assert.deepEqual(await named(register, 'ue'), ['ue ue1 config', 'ue ue2 store']);
    await assert.rejects(register.put(ue1), wrong);
    await assert.rejects(register.remove('ue', 'ue1'), wrong);
    await assert.rejects(register.put({ kind: 'server', id: 'ue1' }), wrong, 'the client of its name is ue1');
    assert.throws(() => register.configure([ue1, ue1]), wrong);
    assert.throws(() => register.configure([ue1, { kind: 'server', id: 'app', client: 'ue1' }]), wrong);
    assert.equal((await register.ofClient('ue1'))?.id, 'ue1', 'a wrong configuration changes nothing');
    register.configure([]);
    assert.equal(await register.get('ue', 'ue1'), undefined);
  });

  test('an identity that the configuration gives another client is that client alone: the one that the store had for it is nobody', async () => {
    const register = new IdentityRegister(memoryStore());
    await register.put({ ...ue1, client: 'old' });
    register.configure([{ ...ue1, client: 'new' }]);
    assert.equal((await register.ofClient('new'))?.id, 'ue1');
    assert.equal(await register.ofClient('old'), undefined);
    register.configure([]);
    assert.equal((await register.ofClient('old'))?.id, 'ue1', 'that of the store counts again');
  });

  test('names are 1 to 255 bytes of text without control characters', async () => {
    const register = new IdentityRegister(memoryStore());
    for (const id of ['', 'x'.repeat(256), 'é'.repeat(128), 'a\nb', '\ud800']) {
      await assert.rejects(register.put({ kind: 'user', id }), wrong, JSON.stringify(id));
      assert.equal(await register.get('user', id), undefined);
      assert.equal(await register.remove('user', id), false);
    }
    await register.put({ kind: 'user', id: 'x'.repeat(255) });
    await assert.rejects(register.put({ kind: 'user', id: 'anna', valUserIds: ['bert'] }), wrong);
    await assert.rejects(register.put({ kind: 'ue', id: 'ue1', valServiceIds: [''] }), wrong);
  });

  test('changes at the same time are all made', async () => {
    const register = new IdentityRegister(memoryStore());
    await Promise.all(['a', 'b', 'c'].map((client) => register.put({ ...ue1, client })));
    const owners = await Promise.all(['a', 'b', 'c'].map(async (client) => (await register.ofClient(client))?.client));
    assert.deepEqual(owners.filter((owner) => owner !== undefined).length, 1, 'it is one client in the end');
  });
});

describe('TS 29.549: VALServicesConfig', () => {
  const document = {
    valServerId: 'app1',
    suppFeat: '0',
    valSvcConf: [
      { valServiceId: 'v2x', idList: [{ valUserId: 'anna' }, { valUeId: 'ue1' }] },
      { valServiceId: 'mcx', idList: [{ valUserId: 'anna' }] },
    ],
  };

  test('it provisions the server and all that it names, beside what they have, and twice is as once', async () => {
    const register = new IdentityRegister(memoryStore());
    await register.put({ kind: 'ue', id: 'ue1', client: 'sim1', valServiceIds: ['factory'], valUserIds: ['anna'] });
    for (let round = 0; round < 2; round++) {
      const done = await provisionServices(readValServicesConfig(document), register);
      assert.deepEqual(
        done.map(({ kind, id }) => `${kind} ${id}`),
        ['server app1', 'user anna', 'ue ue1'],
      );
    }
    assert.deepEqual((await register.get('server', 'app1'))?.valServiceIds, ['v2x', 'mcx']);
    assert.deepEqual((await register.get('user', 'anna'))?.valServiceIds, ['v2x', 'mcx']);
    assert.deepEqual(await register.get('ue', 'ue1'), { kind: 'ue', id: 'ue1', client: 'sim1', valServiceIds: ['factory', 'v2x'], valUserIds: ['anna'] });
  });

  test('of two configurations that are provisioned at once, each counts', async () => {
    const store = memoryStore();
    const ofService = (valServiceId: string): unknown => ({ valServerId: 'app1', valSvcConf: [{ valServiceId, idList: [{ valUserId: 'anna' }] }] });
    const provision = (valServiceId: string): Promise<unknown> =>
      provisionServices(readValServicesConfig(ofService(valServiceId)), new IdentityRegister(store));
    await Promise.all([provision('v2x'), provision('mcx')]);
    const found = new IdentityRegister(store);
    for (const [kind, id] of [
      ['server', 'app1'],
      ['user', 'anna'],
    ] as const)
      assert.deepEqual([...(await found.get(kind, id))!.valServiceIds!].sort(), ['mcx', 'v2x'], id);
  });

  test('what is wrong is named', () => {
    const service = document.valSvcConf[0]!;
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [[], /VALServicesConfig: expected an object/],
      [{ ...document, valServerId: 7 }, /valServerId: expected a name/],
      [{ valServerId: 'app1' }, /valSvcConf: expected a list/],
      [{ ...document, valSvcConf: [{ ...service, valServiceId: '' }] }, /valSvcConf\[0\]\.valServiceId/],
      [{ ...document, valSvcConf: [{ ...service, idList: [] }] }, /valSvcConf\[0\]\.idList: expected a list/],
      [{ ...document, valSvcConf: [{ ...service, idList: [{ valUserId: 'a', valUeId: 'b' }] }] }, /idList\[0\]: expected one of/],
      [{ ...document, valSvcConf: [{ ...service, idList: [{}] }] }, /idList\[0\]: expected one of/],
    ];
    for (const [json, message] of cases) assert.throws(() => readValServicesConfig(json), message);
  });
});
