import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientRegistration } from '../../../../../src/as/index.ts';
import { fromUtf8 } from '../../../../../src/core/bytes.ts';
import { symmetricKey } from '../../../../../src/core/cwt.ts';
import { memoryStore, type Store, StoreError } from '../../../../../src/store/index.ts';
import { keysOf } from '../../../../as/support.ts';
import { inOpenIdLab, OpenIdLab, redirectUri, rsKey, serverSecret } from './openid-lab.ts';

const sealed = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(7));

/** A SIM-S whose client and resource servers are of the store, so that they can be removed while it runs. */
async function inLab(
  use: (lab: OpenIdLab, add: { client(): Promise<void>; server(id: string): Promise<void> }) => Promise<void>,
  store: Store = memoryStore(),
) {
  let secret = '';
  const clients = ({ app }: { readonly app: string }): [] => {
    secret = app;
    return [];
  };
  await inOpenIdLab(
    async (lab) => {
      const { administration } = lab.simS;
      const server = (id: string): Promise<void> => administration.addResourceServer({ id, audiences: [id], tokenKeys: [sealed, rsKey], profiles: [2] });
      const grants = ['seal1', 'seal2'].map((audience) => ({ audience, scope: 'km', default: 'km' }));
      const client = (): Promise<void> => administration.addClient({ id: 'app', https: { secret, redirectUris: [redirectUri] }, grants });
      await server('seal1');
      await server('seal2');
      await client();
      await use(lab, { client, server });
    },
    { clients, store, simS: { resourceServers: [] } },
  );
}

const resource = (id: string): string => `audience:${id}`;

/** A code that is not used, and a refresh token, for one resource server. */
async function grantFor(lab: OpenIdLab, id: string): Promise<{ readonly code: string; readonly refresh: string }> {
  const uri = lab.authorizationUri({ resource: resource(id) });
  const { status, body } = await lab.exchange(await lab.code(uri), { resource: resource(id) });
  assert.equal(status, 200, JSON.stringify(body));
  return { code: await lab.code(uri), refresh: String(body['refresh_token']) };
}

/** What the store has of applications. */
async function kept(store: Store): Promise<Readonly<Record<string, number>>> {
  const models = ['Grant', 'AuthorizationCode', 'RefreshToken', 'grant', 'revoking'];
  return Object.fromEntries(await Promise.all(models.map(async (model) => [model, (await keysOf(store, `seal/openid/${model}/`)).length])));
}

test('RFC 6749 4.1, 6 over HTTPS: codes and refresh tokens go with their client, and another of its name has none of them', () =>
  inLab(async (lab, add) => {
    const { code, refresh } = await grantFor(lab, 'seal1');
    await lab.simS.administration.removeClient('app');
    assert.deepEqual(await kept(lab.store), { Grant: 0, AuthorizationCode: 0, RefreshToken: 0, grant: 0, revoking: 0 });
    await add.client();
    assert.equal((await lab.refresh(refresh)).body['error'], 'invalid_grant');
    assert.equal((await lab.exchange(code)).body['error'], 'invalid_grant');
  }));

test('RFC 6749 4.1, 6 over HTTPS: codes and refresh tokens go with the resource server that they are for, and what a user agreed to', () =>
  inLab(async (lab, add) => {
    const [first, second] = [await grantFor(lab, 'seal1'), await grantFor(lab, 'seal2')];
    await lab.simS.administration.removeResourceServer('seal1');
    const { AuthorizationCode, RefreshToken } = await kept(lab.store);
    // Of each exchange its code stays too, to be known when it comes again.
    assert.deepEqual([AuthorizationCode, RefreshToken], [2, 1]);
    for (const key of await keysOf(lab.store, 'seal/openid/Grant/')) assert.doesNotMatch(fromUtf8((await lab.store.get(key))!), /audience:seal1/);
    await add.server('seal1');
    assert.equal((await lab.refresh(first.refresh)).body['error'], 'invalid_grant');
    assert.equal((await lab.exchange(first.code)).body['error'], 'invalid_grant');
    assert.equal((await lab.refresh(second.refresh)).status, 200);
    assert.equal((await lab.exchange(second.code)).status, 200);
  }));

test('RFC 6749 4.1, 6 over HTTPS: codes and refresh tokens go with a client that a new configuration leaves out', async () => {
  let clients: readonly ClientRegistration[] = [];
  const resourceServers = [{ id: 'seal1', audiences: ['seal1'], tokenKeys: [sealed, rsKey] }];
  await inOpenIdLab(
    async (lab) => {
      const { access_token: token, refresh_token: refresh } = await lab.tokens();
      const code = await lab.code();
      await lab.simS.reconfigure({ clients: clients.slice(1), resourceServers });
      assert.deepEqual(await kept(lab.store), { Grant: 0, AuthorizationCode: 0, RefreshToken: 0, grant: 0, revoking: 0 });
      assert.equal((await lab.post('/introspect', { token: String(token) }, 'val1', serverSecret)).body['active'], false);
      await lab.simS.reconfigure({ clients, resourceServers });
      assert.equal((await lab.refresh(refresh)).body['error'], 'invalid_grant');
      assert.equal((await lab.exchange(code)).body['error'], 'invalid_grant');
    },
    {
      clients: (hashes) => {
        clients = [
          { id: 'app', https: { secret: hashes.app, redirectUris: [redirectUri] }, grants: [{ audience: 'seal1', scope: 'km', default: 'km' }] },
          { id: 'val1', https: { secret: hashes.server, resourceServer: 'seal1' }, grants: [{ audience: 'seal1', scope: 'km' }] },
        ];
        return clients;
      },
      simS: { resourceServers },
    },
  );
});

test('over HTTPS a removal that a kill has cut short is finished at the next start', async () => {
  const inner = memoryStore();
  let isKilled = false;
  const scan: Store['scan'] = (prefix, options) => {
    if (isKilled && prefix === 'seal/openid/Grant/') throw new StoreError('ERR_STORE_IO', 'expected a process that lives, got none');
    return inner.scan(prefix, options);
  };
  await inLab(
    async (lab) => {
      await grantFor(lab, 'seal1');
      isKilled = true;
      await assert.rejects(lab.simS.administration.removeClient('app'), { code: 'ERR_STORE_IO' });
      const { Grant, RefreshToken } = await kept(inner);
      assert.deepEqual([Grant, RefreshToken], [2, 1]);
      const next = await OpenIdLab.start({ store: inner, clients: () => [], simS: { resourceServers: [] } });
      assert.deepEqual(await kept(inner), { Grant: 0, AuthorizationCode: 0, RefreshToken: 0, grant: 0, revoking: 0 });
      assert.deepEqual(await keysOf(inner, 'as/removing/'), []);
      await next.close();
    },
    { ...inner, scan },
  );
});
