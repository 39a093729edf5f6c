import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTokenResponse, encodeAif } from '../../../src/ace/index.ts';
import { findCode } from '../../../src/as/grants/codes.ts';
import { type Actor, type AdminCommand, clientMap, grantMap, type Listing, resourceServerMap, tokenKeyMap } from '../../../src/as/index.ts';
import type { ClientRegistration } from '../../../src/as/registry/registration.ts';
import { encodeResourceServerRecord } from '../../../src/as/registry/registration-codec.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { assertRefused, clients, encryptKey, keysOf, macKey } from '../support.ts';
import { Office, rs9, stored } from './office.ts';

test('a client that is added gets tokens at once, and none once it is removed', async () => {
  const office = new Office();
  await office.administration.addClient(stored('c9', 9));
  const credential = await office.credentialOf('c9');
  const { response } = await office.granted(credential, { audience: 'rs1' });
  assert.equal(response.expiresIn, 3600);
  await office.administration.removeClient('c9');
  assert.deepEqual(office.ended, [credential]);
  assertRefused(await office.ask(credential, { audience: 'rs1' }), '4.01');
  assert.deepEqual(await keysOf(office.store, 'as/client/'), []);
  assert.deepEqual(await keysOf(office.store, 'as/peer/'), []);
  office.close();
});

test('credentials that are replaced under the same identifiers: an association of the old ones is of nobody', async () => {
  const office = new Office();
  await office.administration.addClient(stored('c9', 9));
  const old = await office.credentialOf('c9');
  await office.administration.removeClient('c9');
  await office.administration.addClient(stored('c9', 9));
  assertRefused(await office.ask(old, { audience: 'rs1' }), '4.01');
  await office.granted(await office.credentialOf('c9'), { audience: 'rs1' });
  office.close();
});

test('what a configuration could not say is refused when it is added too', async () => {
  const office = new Office();
  const { administration } = office;
  const refused = (registration: ClientRegistration, message: RegExp): Promise<void> =>
    assert.rejects(administration.addClient(registration), { code: 'ERR_AS_CONFIG', message });
  await refused(stored('', 9), /expected an id/);
  await refused(stored('x'.repeat(901), 9), /expected an id of 1 to 900 bytes/);
  await refused(stored('\ud800', 9), /expected an id/);
  await refused(stored('c9', 9, { profile: 1 }), /"c9": profile: .*got 1/);
  await refused(stored('c9', 9, { grants: [{ audience: 'nowhere', scope: 'x' }] }), /"c9": grants: .*"nowhere"/);
  await refused(stored('c9', 9, { grants: [...clients[1]!.grants, ...clients[1]!.grants] }), /"c9": grants: .*two for "rs1"/);
  await refused(stored('c9', 9, { credentials: { masterSecret: new Uint8Array(3) } }), /"c9": credentials: masterSecret: expected at least 16 bytes, got 3/);
  await refused(stored('c9', 9, { admin: ['all' as 'client'] }), /"c9": admin: expected all or some of client, .*got "all"/);
  await assert.rejects(administration.addResourceServer({ ...rs9, tokenKeys: [macKey(7)] }), { code: 'ERR_AS_CONFIG', message: /COSE_Encrypt0/ });
  const short = { ...encryptKey(9), key: { kty: 4, k: new Uint8Array(3) } };
  await assert.rejects(administration.addResourceServer({ ...rs9, tokenKeys: [short] }), { code: 'ERR_AS_CONFIG', message: /tokenKeys\[0\]/ });
  assert.deepEqual(await keysOf(office.store, 'as/'), []);
  office.close();
});

test('ids, identifiers and audiences in use are refused, whoever has them', async () => {
  const office = new Office();
  const { administration } = office;
  await administration.addClient(stored('c9', 9));
  await administration.addResourceServer(rs9);
  const exists = (made: Promise<void>, message: RegExp): Promise<void> => assert.rejects(made, { code: 'ERR_AS_EXISTS', message });
  await exists(administration.addClient(stored('c9', 10)), /client "c9"/);
  await exists(administration.addClient(stored('c1', 10)), /client "c1": .*configuration/);
  await exists(administration.addClient(stored('c10', 9)), /"c10": credentials: .*identifiers of another peer/);
  await exists(administration.addClient(stored('c10', 9, { credentials: clients[0]!.credentials })), /"c10": credentials: .*peer of the configuration/);
  await exists(administration.addResourceServer(rs9), /"rs9"/);
  await exists(administration.addResourceServer({ ...rs9, id: 'rs10' }), /audiences: .*"rs9", which "rs9" has/);
  await exists(administration.addResourceServer({ ...rs9, id: 'rs10', audiences: ['rs1'] }), /audiences: .*"rs1"/);
  await assert.rejects(administration.removeClient('c1'), { code: 'ERR_AS_FIXED' });
  await assert.rejects(administration.removeResourceServer('rs1'), { code: 'ERR_AS_FIXED' });
  await assert.rejects(administration.removeClient('nobody'), { code: 'ERR_AS_UNKNOWN' });
  await assert.rejects(administration.showClient('nobody'), { code: 'ERR_AS_UNKNOWN' });
  office.close();
});

test('two administrators add the same client at once: one is told that it is there', async () => {
  const office = new Office();
  const results = await Promise.allSettled([1, 2, 3].map(() => office.administration.addClient(stored('c9', 9))));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'ERR_AS_EXISTS');
  office.close();
});

test('a resource server comes with its audiences and goes with them', async () => {
  const office = new Office();
  await office.administration.addResourceServer(rs9);
  await office.administration.addClient(stored('c9', 9, { grants: [{ audience: 'rs9-b', scope: 'a' }] }));
  await assert.rejects(office.administration.addClient(stored('c10', 10, { grants: [{ audience: 'rs9', scope: 'c' }] })), { code: 'ERR_AS_CONFIG' });
  const credential = await office.credentialOf('c9');
  const answer = await office.ask(credential, {});
  assert.equal(answer.code, 65);
  await office.administration.removeResourceServer('rs9');
  assertRefused(await office.ask(credential, {}), '4.00', 1);
  assert.deepEqual(await keysOf(office.store, 'as/audience/'), []);
  office.close();
});

test('keys of a resource server roll over: the new one is used once the one before it is gone', async () => {
  const office = new Office();
  await office.administration.addResourceServer(rs9);
  await office.administration.addClient(stored('c9', 9, { grants: [{ audience: 'rs9', scope: 'a' }] }));
  const credential = await office.credentialOf('c9');
  const kidOf = async (): Promise<string> => {
    const { accessToken } = decodeTokenResponse((await office.ask(credential, {})).payload);
    return ['08', '09'].find((kid) => toHex(accessToken).includes(`0441${kid}`)) ?? 'none';
  };
  assert.equal(await kidOf(), '09');
  await office.do({ act: 'add', object: 'key', of: 'rs9', value: tokenKeyMap(encryptKey(8)) });
  assert.equal(await kidOf(), '09');
  await assert.rejects(office.administration.addKey('rs9', encryptKey(8)), { code: 'ERR_AS_EXISTS' });
  assert.deepEqual(await office.do({ act: 'list', object: 'key', of: 'rs9' }), {
    entries: [
      { id: '09', use: 'encrypt0', alg: 'AES-CCM-16-64-128' },
      { id: '08', use: 'encrypt0', alg: 'AES-CCM-16-64-128' },
    ],
  });
  await office.do({ act: 'remove', object: 'key', of: 'rs9', id: '09' });
  assert.equal(await kidOf(), '08');
  await assert.rejects(office.administration.removeKey('rs9', '08'), { code: 'ERR_AS_CONFIG' });
  await assert.rejects(office.administration.addKey('rs1', encryptKey(8)), { code: 'ERR_AS_FIXED' });
  office.close();
});

test('a policy permits more than the registration, also to a client of the configuration', async () => {
  const office = new Office();
  const { administration } = office;
  const scopeOf = async (request: object): Promise<unknown> => (await office.granted('client:c2', request)).claims.scope;
  await administration.addPolicy('c2', { audience: 'rs1', scope: 'w_led' });
  assert.equal(await scopeOf({ audience: 'rs1', scope: 'r_temp w_led' }), 'r_temp w_led');
  assert.equal(await scopeOf({}), 'r_temp', 'the default stays that of the registration');
  await administration.addPolicy('c2', { audience: 'rs2', scope: [['temp', 1]] });
  assertRefused(await office.ask('client:c2', {}), '4.00', 1);
  assert.deepEqual(await scopeOf({ audience: 'rs2' }), encodeAif([['temp', 1]]));
  assert.deepEqual(await administration.listPolicies('c2'), {
    entries: [
      { client: 'c2', source: 'store', audience: 'rs1', scope: 'w_led', default: 'w_led' },
      { client: 'c2', source: 'store', audience: 'rs2', scope: '[["temp", 1]]', default: '[["temp", 1]]' },
    ],
  });
  await assert.rejects(administration.addPolicy('c2', { audience: 'rs1', scope: 'x' }), { code: 'ERR_AS_EXISTS' });
  await assert.rejects(administration.addPolicy('c1', { audience: 'rs1', scope: [['temp', 1]] }), { code: 'ERR_AS_CONFIG' });
  await assert.rejects(administration.addPolicy('nobody', { audience: 'rs1', scope: 'x' }), { code: 'ERR_AS_UNKNOWN' });
  await administration.removePolicy('c2', 'rs1');
  assertRefused(await office.ask('client:c2', { audience: 'rs1', scope: 'w_led' }), '4.00', 6);
  office.close();
});

test('the policies of a client go with it', async () => {
  const office = new Office();
  await office.administration.addClient(stored('c9', 9, { grants: [] }));
  await office.administration.addPolicy('c9', { audience: 'rs1', scope: 'w_led' });
  await office.administration.removeClient('c9');
  await office.administration.addClient(stored('c9', 9, { grants: [] }));
  assertRefused(await office.ask(await office.credentialOf('c9'), { audience: 'rs1' }), '4.00', 1);
  office.close();
});

test('lists have pages, the configuration first, and hold no secrets', async () => {
  const office = new Office();
  for (let number = 10; number < 17; number++) await office.administration.addClient(stored(`s${number}`, number));
  const seen: unknown[] = [];
  let after: string | undefined;
  for (let pages = 1; ; pages++) {
    const { entries, next } = await office.administration.listClients({ limit: 3, ...(after === undefined ? {} : { after }) });
    seen.push(...entries.map(({ id, source }) => `${id} ${source}`));
    after = next;
    if (next === undefined) {
      assert.equal(pages, 4);
      break;
    }
  }
  assert.deepEqual(seen, [...['c1', 'c2', 'c3', 'c4'].map((id) => `${id} config`), ...[10, 11, 12, 13, 14, 15, 16].map((id) => `s${id} store`)]);
  const shown = JSON.stringify([await office.administration.listClients(), await office.administration.listResourceServers(), office.events]);
  for (const number of [1, 10, 0x51]) assert.equal(shown.includes(toHex(new Uint8Array(4).fill(number))), false);
  office.close();
});

test('tokens are listed by client, shown and revoked by hash', async () => {
  const office = new Office();
  await office.granted('client:c1', { audience: 'rs1' });
  await office.granted('client:c2', { audience: 'rs1' });
  const { entries } = await office.administration.listTokens('c2');
  assert.deepEqual(
    entries.map(({ client, rs }) => [client, rs]),
    [['c2', 'rs1']],
  );
  assert.deepEqual(await office.administration.showToken(String(entries[0]!['id'])), entries[0]);
  await assert.rejects(office.administration.showToken('x/../y'), { code: 'ERR_AS_UNKNOWN' });
  assert.equal((await office.administration.listTokens(undefined)).entries.length, 2);
  const id = String(entries[0]!['id']);
  await office.do({ act: 'remove', object: 'token', id });
  assert.equal((await office.administration.showToken(id))['revoked'], true);
  await assert.rejects(office.do({ act: 'remove', object: 'token', id: 'AAAA' }), { code: 'ERR_AS_UNKNOWN' });
  office.close();
});

test('an authorization code is made for a client, shown by its hash, and ended', async () => {
  const office = new Office();
  const add = (audience: string): Promise<unknown> => office.do({ act: 'add', object: 'code', of: 'c2', value: grantMap({ audience, scope: 'w_led' }) });
  const { id, code } = (await add('rs1')) as { readonly id: string; readonly code: Uint8Array };
  assert.deepEqual((await findCode(office.store, code))?.grant.client, 'c2');
  const shown = { id, client: 'c2', audience: 'rs1', scope: 'w_led', expires_at: Math.floor(office.clock.epoch()) + 600, used: false };
  assert.deepEqual(await office.administration.listCodes('c2'), { entries: [shown] });
  assert.equal(JSON.stringify(office.events).includes(toHex(code)), false);
  await assert.rejects(add('nowhere'), { code: 'ERR_AS_CONFIG' });
  await office.do({ act: 'remove', object: 'code', id });
  assert.equal(await findCode(office.store, code), undefined);
  await assert.rejects(office.administration.showCode(id), { code: 'ERR_AS_UNKNOWN' });
  office.close();
});

test('an administrator does what his rights say, and gives and takes none that he does not have', async () => {
  const office = new Office();
  const clerk: Actor = { name: 'client:clerk', admin: new Set(['client']) };
  const forbidden = (command: AdminCommand): Promise<void> => assert.rejects(office.do(command, clerk), { code: 'ERR_AS_FORBIDDEN' });
  await forbidden({ act: 'list', object: 'rs' });
  await forbidden({ act: 'add', object: 'rs', value: resourceServerMap(rs9) });
  await forbidden({ act: 'add', object: 'client', value: clientMap(stored('c9', 9, { admin: 'all' })) });
  await office.do({ act: 'add', object: 'client', value: clientMap(stored('boss', 9, { admin: 'all' })) });
  await forbidden({ act: 'remove', object: 'client', id: 'boss' });
  await office.do({ act: 'add', object: 'client', value: clientMap(stored('c10', 10, { admin: ['client'] })) }, clerk);
  await office.do({ act: 'remove', object: 'client', id: 'c10' }, clerk);
  assert.deepEqual(
    office.events.filter(({ type }) => type === 'administration'),
    [
      { type: 'administration', actor: 'root', act: 'add', object: 'client', id: 'boss' },
      { type: 'administration', actor: 'client:clerk', act: 'add', object: 'client', id: 'c10' },
      { type: 'administration', actor: 'client:clerk', act: 'remove', object: 'client', id: 'c10' },
    ],
  );
  assert.equal(office.events.filter((event) => event.type === 'refused' && event.reason === 'administration').length, 4);
  office.close();
});

test('commands that lack something are refused', async () => {
  const office = new Office();
  for (const command of [
    { act: 'show', object: 'client' },
    { act: 'add', object: 'rs' },
    { act: 'list', object: 'key' },
    { act: 'add', object: 'token' },
  ] as const)
    await assert.rejects(office.do(command), { code: 'ERR_AS_COMMAND' });
  office.close();
});

test('a record that cannot be read is a fault that names it, and the look-up of others goes on', async () => {
  const office = new Office();
  await office.administration.addClient(stored('c9', 9));
  await office.administration.addClient(stored('c10', 10));
  await office.store.put('as/client/c9', Uint8Array.of(0xff));
  await assert.rejects(office.registry.client('c9'), { code: 'ERR_AS_CONFIG' });
  assert.equal((await office.registry.client('c10'))?.id, 'c10');
  office.close();
});

test('a registration of the store that this server cannot use is listed with what is wrong, and keeps none of the others', async () => {
  const office = new Office();
  await office.administration.addClient(stored('c10', 10));
  await office.administration.addResourceServer(rs9);
  await office.store.put('as/client/c9', Uint8Array.of(0xff));
  // As where the AS had another profile when it was registered.
  await office.store.put('as/rs/rs8', encodeResourceServerRecord({ revision: new Uint8Array(8), registration: { ...rs9, id: 'rs8', profiles: [1] } }));
  const ofStore = async (list: Promise<Listing>): Promise<readonly unknown[]> =>
    (await list).entries.filter(({ source }) => source === 'store').map(({ id, unusable }) => [id, unusable]);
  assert.deepEqual(await ofStore(office.administration.listClients()), [
    ['c10', undefined],
    ['c9', 'a client in the store: expected a definite length, got a break at offset 1'],
  ]);
  assert.deepEqual(await ofStore(office.administration.listResourceServers()), [
    ['rs8', 'resource server "rs8": profiles: expected profiles of this authorization server, got 1'],
    ['rs9', undefined],
  ]);
  const usable: string[] = [];
  for await (const { id } of office.registry.stored.resourceServers()) usable.push(id);
  assert.deepEqual(usable, ['rs9']);
  office.close();
});

test('a list that is to go on at a place which no list has named is refused', async () => {
  const office = new Office();
  for (const after of ['', 'c9', 'config', `store:${'x'.repeat(5000)}`, 'store:\u00e4'])
    for (const object of ['client', 'rs', 'policy', 'token', 'code'] as const)
      await assert.rejects(office.do({ act: 'list', object, after }), { code: 'ERR_AS_COMMAND' }, `${object} ${after.slice(0, 20)}`);
  office.close();
});
