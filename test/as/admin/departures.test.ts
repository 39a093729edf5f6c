import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import { AceErrorCode, decodeTokenResponse, GrantType, tokenHashText } from '../../../src/ace/index.ts';
import {
  AuthorizationServer,
  type AuthorizationServerEvent,
  type AuthorizationServerOptions,
  type GrantTypeName,
  hashSecret,
  issueCode,
  type Reconfiguration,
  Revocations,
} from '../../../src/as/index.ts';
import { formatCode, type Response } from '../../../src/coap/index.ts';
import { toBase64Url, utf8 } from '../../../src/core/bytes.ts';
import { systemEnv } from '../../../src/core/env.ts';
import { lmdbStore, memoryStore, type Store, StoreError } from '../../../src/store/index.ts';
import { Clock } from '../../ace/clock.ts';
import { asPeer, Flow } from '../flow.ts';
import { assertRefused, cheap, clients, encryptKey, keysOf, rs1, rs2 } from '../support.ts';
import { Office, rs9, stored } from './office.ts';

test('a removal that the store has cut short goes on when it is done again: no policy and no token is left for another of this name', async () => {
  for (const part of ['as/policy/', 'as/token/']) {
    const clock = new Clock();
    const inner = memoryStore({ env: clock });
    let broken: string | undefined;
    const refuse = (key: string): void => {
      if (broken !== undefined && key.startsWith(broken)) throw new StoreError('ERR_STORE_IO', 'the disk is full');
    };
    const store: Store = {
      ...inner,
      get: (key) => inner.get(key),
      scan: async function* (prefix, options) {
        // The first look is before the client is gone.
        if ((await inner.get('as/client/c9')) === undefined) refuse(prefix);
        yield* inner.scan(prefix, options);
      },
      put: (...given) => inner.put(...given),
      delete: async (key) => {
        refuse(key);
        return inner.delete(key);
      },
      compareAndSet: (...given) => inner.compareAndSet(...given),
      batch: (changes) => inner.batch(changes),
      increment: (key, by) => inner.increment(key, by),
      close: () => inner.close(),
    };
    const office = new Office({ store, clock });
    await office.administration.addClient(stored('c9', 9));
    await office.administration.addPolicy('c9', { audience: 'rs1', scope: 'w_led' });
    broken = part;
    await assert.rejects(office.administration.removeClient('c9'), { code: 'ERR_STORE_IO' });
    broken = undefined;
    // What was issued meanwhile, by whichever process.
    if (part === 'as/token/') await office.records.add('bGF0ZQ', { client: 'c9', resourceServer: 'rs1', expiresAt: office.clock.epoch() + 60 }, []);
    const again = { act: 'remove', object: 'client', id: 'c9' } as const;
    assert.deepEqual(await office.do(again).catch(({ code }) => code), { tokens: part === 'as/token/' ? 1 : 0 });
    assert.deepEqual(await keysOf(inner, 'as/policy/'), []);
    await assert.rejects(office.do(again), { code: 'ERR_AS_UNKNOWN' });
    office.close();
  }
});

const grantTypes: readonly GrantTypeName[] = ['client_credentials', 'refresh_token', 'authorization_code'];

/** Grants of a client of the configuration. */
const grantsOf = (...audiences: readonly string[]) => audiences.map((audience) => ({ audience, scope: 'r_temp' }));
const configured = clients.slice(0, 2).map((client) => ({ ...client, grants: grantsOf('rs1', 'rs2'), grantTypes }));

/** Two clients and a resource server of the store, with what there is of each grant. */
async function withGrants(store: Store, clock: Clock): Promise<{ readonly office: Office; readonly refresh: (id: string) => Promise<Response> }> {
  const office = new Office({ store, clock, grantTypes });
  const given = new Map<string, Uint8Array>();
  await office.administration.addResourceServer(rs9);
  for (const [id, number] of [
    ['c8', 8],
    ['c9', 9],
  ] as const) {
    await office.administration.addClient(stored(id, number, { grantTypes }));
    for (const audience of ['rs1', 'rs9-b']) {
      const code = (): Promise<Uint8Array> =>
        issueCode(store, clock, { client: id, audience, scope: audience === 'rs1' ? 'r_temp' : 'a', expiresAt: clock.epoch() + 60 });
      await code();
      const asked = { grantType: GrantType.authorization_code, code: await code() };
      given.set(`${id} ${audience}`, decodeTokenResponse((await office.ask(await office.credentialOf(id), asked)).payload).refreshToken!);
    }
  }
  const refresh = async (id: string): Promise<Response> =>
    office.ask(await office.credentialOf(id), { grantType: GrantType.refresh_token, refreshToken: given.get(`${id} rs1`)! });
  return { office, refresh };
}

/** Codes, families and their tokens, and removals that have not ended. */
const leftIn = async (store: Store): Promise<readonly number[]> =>
  Promise.all(['as/code/', 'as/refresh/', 'as/family/', 'as/removing/'].map(async (prefix) => (await keysOf(store, prefix)).length));

/** Each store that is to be had here without a server. */
async function eachStore(work: (store: Store, clock: Clock) => Promise<void>): Promise<void> {
  const clock = new Clock();
  await work(memoryStore({ env: clock }), clock);
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-departures-'));
  const own = new Clock(Math.floor(Date.now() / 1000));
  const store = lmdbStore(folder);
  try {
    await work(store, own);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test('RFC 6749 4.1, 6: codes and refresh tokens go with their client, and another of its name has none of them', async () => {
  await eachStore(async (store, clock) => {
    const { office, refresh } = await withGrants(store, clock);
    assert.deepEqual(await leftIn(store), [8, 4, 4, 0]);
    await office.administration.removeClient('c9');
    assert.deepEqual(await leftIn(store), [4, 2, 2, 0]);
    await office.administration.addClient(stored('c9', 9, { grantTypes }));
    assertRefused(await refresh('c9'), '4.00', AceErrorCode.invalid_grant);
    assert.equal(formatCode((await refresh('c8')).code), '2.01');
    office.close();
  });
});

test('RFC 6749 4.1, 6: codes and refresh tokens go with the resource server that they are for', async () => {
  await eachStore(async (store, clock) => {
    const { office, refresh } = await withGrants(store, clock);
    await office.administration.removeResourceServer('rs9');
    assert.deepEqual(await leftIn(store), [4, 2, 2, 0]);
    for (const id of ['c8', 'c9']) assert.equal(formatCode((await refresh(id)).code), '2.01');
    office.close();
  });
});

test('a removal that a kill has cut short is finished at the next start, and before another of this name is made', async () => {
  for (const kind of ['client', 'rs'] as const) {
    for (const how of ['start', 'add'] as const) {
      const clock = new Clock();
      const inner = memoryStore({ env: clock });
      let isKilled = false;
      const scan: Store['scan'] = (prefix, options) => {
        if (isKilled && prefix === 'as/refresh/') throw new StoreError('ERR_STORE_IO', 'expected a process that lives, got none');
        return inner.scan(prefix, options);
      };
      const { office } = await withGrants({ ...inner, scan }, clock);
      isKilled = true;
      const removed = kind === 'client' ? office.administration.removeClient('c9') : office.administration.removeResourceServer('rs9');
      await assert.rejects(removed, { code: 'ERR_STORE_IO' });
      assert.deepEqual((await leftIn(inner)).slice(1), [4, 4, 1]);
      if (how === 'start') {
        const taken: unknown[] = [];
        const registered = { profiles: [oscoreProfile], clients: [], resourceServers: [] };
        const next = new AuthorizationServer({ store: inner, env: clock, ...registered, takeAway: async (departed) => void taken.push(...departed) });
        await next.start();
        assert.deepEqual(taken, [kind === 'client' ? { kind, id: 'c9', audiences: [] } : { kind, id: 'rs9', audiences: ['rs9', 'rs9-b'] }]);
        await next.close();
      } else {
        const next = new Office({ store: inner, clock, grantTypes });
        await (kind === 'client' ? next.administration.addClient(stored('c9', 9)) : next.administration.addResourceServer(rs9));
        next.close();
      }
      assert.deepEqual(await leftIn(inner), [4, 2, 2, 0]);
      office.close();
    }
  }
});

test('a token that is made while its client or its resource server is removed is not given, and does not live', async () => {
  for (const kind of ['client', 'rs'] as const) {
    const removals: (() => Promise<unknown>)[] = [];
    const office = new Office({
      tokenRules: {
        claims: async () => {
          for (const remove of removals.splice(0)) await remove();
          return {};
        },
      },
    });
    await office.administration.addResourceServer(rs9);
    await office.administration.addClient(stored('c9', 9, { grants: [{ audience: 'rs9', scope: 'a' }] }));
    const credential = await office.credentialOf('c9');
    removals.push(() => (kind === 'client' ? office.administration.removeClient('c9') : office.administration.removeResourceServer('rs9')));
    const answer = await office.ask(credential, { audience: 'rs9', scope: 'a' });
    assertRefused(answer, ...((kind === 'client' ? ['4.01'] : ['4.00', AceErrorCode.invalid_request]) as [string, number?]));
    for (const key of await keysOf(office.store, 'as/token/')) assert.equal((await office.administration.showToken(key.slice(9)))['revoked'], true);
    assert.equal(office.records.count('c9'), 0);
    office.close();
  }
});

test('removing a client or a resource server revokes the living tokens of it, and those alone', async () => {
  const office = new Office();
  const revocations = new Revocations({ store: office.store, env: office.clock });
  const revoked = async (): Promise<string[]> => (await revocations.hashes('admin')).map(toBase64Url).sort();
  await office.administration.addResourceServer({ ...rs9, tokenKeys: [encryptKey(8)] });
  await office.administration.addClient(stored('c9', 9, { grants: [...clients[1]!.grants, { audience: 'rs9', scope: 'a' }] }));
  const credential = await office.credentialOf('c9');
  const hashOf = async (who: string, audience: string): Promise<string> => tokenHashText((await office.granted(who, { audience })).response.accessToken);
  const own = [await hashOf(credential, 'rs1'), await hashOf(credential, 'rs9')];
  await hashOf('client:c1', 'rs1');
  assert.deepEqual(await office.do({ act: 'remove', object: 'rs', id: 'rs9' }), { tokens: 1 });
  assert.deepEqual(await revoked(), [own[1]]);
  assert.deepEqual(await office.do({ act: 'remove', object: 'client', id: 'c9' }), { tokens: 1 });
  assert.deepEqual(await revoked(), [...own].sort());
  await assert.rejects(office.do({ act: 'remove', object: 'client', id: 'c9' }), { code: 'ERR_AS_UNKNOWN' });
  assert.equal((await revoked()).length, 2, 'the token of another client stays');
  office.close();
});

test('a policy that is added while its client is removed is not there for the next client of this name', async () => {
  const removals: (() => Promise<unknown>)[] = [];
  const inner = memoryStore();
  const store: Store = {
    ...inner,
    get: async (key) => {
      const value = await inner.get(key);
      if (key.startsWith('as/audience/')) for (const remove of removals.splice(0)) await remove();
      return value;
    },
  };
  const office = new Office({ store });
  await office.administration.addResourceServer(rs9);
  await office.administration.addClient(stored('c9', 9));
  removals.push(() => office.administration.removeClient('c9'));
  await assert.rejects(office.administration.addPolicy('c9', { audience: 'rs9', scope: 'a' }), { code: 'ERR_AS_UNKNOWN' });
  assert.deepEqual(removals, []);
  assert.deepEqual(await keysOf(inner, 'as/policy/'), []);
  await office.administration.addPolicy('c1', { audience: 'rs9', scope: 'a' });
  await assert.rejects(office.administration.addPolicy('c1', { audience: 'rs9', scope: 'a' }), { code: 'ERR_AS_EXISTS' });
  office.close();
});

/** A flow with two clients that have codes, refresh tokens and tokens for two resource servers each: as `leftIn` counts them, 8, 4, 4 and 0. */
async function configuredFlow(options: Partial<AuthorizationServerOptions> = {}): Promise<Flow> {
  const flow = new Flow({ grantTypes, refreshTokens: {}, clients: configured, ...options });
  await flow.start();
  const env = flow.sim.env('codes');
  for (const [index, { id }] of configured.entries()) {
    const party = flow.peer(clients[index]!.credentials, index + 1);
    for (const audience of ['rs1', 'rs2']) {
      const code = (): Promise<Uint8Array> => issueCode(flow.store, env, { client: id, audience, scope: 'r_temp', expiresAt: env.epoch() + 600 });
      await code();
      assert.equal(formatCode((await party.token({ grantType: GrantType.authorization_code, code: await code() })).code), '2.01');
    }
    await party.close();
  }
  assert.deepEqual(await leftIn(flow.store), [8, 4, 4, 0]);
  return flow;
}

/** An AS that is started with the store of a flow. */
async function startedOn({ sim, store, events }: Flow, options: Partial<AuthorizationServerOptions>): Promise<AuthorizationServer> {
  const usual = { clients: configured, resourceServers: [rs1, rs2], profiles: [oscoreProfile], grantTypes };
  const server = new AuthorizationServer({ ...usual, store, env: sim.env(), emit: (event) => events.push(event), ...options });
  await server.start().catch(async (error: unknown) => {
    await server.close();
    throw error;
  });
  return server;
}

const withoutC1 = { clients: configured.filter(({ id }) => id !== 'c1'), resourceServers: [rs1, rs2] };
const withoutRs2 = { clients: configured.map((client) => ({ ...client, grants: grantsOf('rs1') })), resourceServers: [rs1] };

test('RFC 6749 4.1, 6: codes, refresh tokens and tokens go with a client or resource server that a new configuration leaves out', async () => {
  for (const how of ['reload', 'restart'] as const) {
    for (const departed of ['client', 'rs'] as const) {
      const flow = await configuredFlow();
      let server = flow.server!;
      const change = async (next: Reconfiguration): Promise<void> => {
        if (how === 'reload') await server.reconfigure(next);
        else {
          await server.close();
          server = await startedOn(flow, next);
        }
      };
      await change(departed === 'client' ? withoutC1 : withoutRs2);
      assert.deepEqual(await leftIn(flow.store), [4, 2, 2, 0], how);
      const revoked = flow.events.filter((event) => event.type === 'token-revoked');
      assert.deepEqual(
        revoked.map((event) => event[departed === 'client' ? 'client' : 'resourceServer']),
        Array(2).fill(departed === 'client' ? 'c1' : 'rs2'),
      );
      // Whoever is registered under the name later gets nothing of it, and the others keep what they have.
      await change({ clients: configured, resourceServers: [rs1, rs2] });
      assert.deepEqual(await leftIn(flow.store), [4, 2, 2, 0], how);
      await server.close();
    }
  }
});

test('who was left out by a reload does not go again at the next start, and who came by one does where the next start leaves it out', async () => {
  const flow = await configuredFlow();
  const [, c2] = configured;
  const c9 = { ...c2!, ...stored('c9', 9), grants: c2!.grants };
  await flow.server!.reconfigure({ ...withoutC1, clients: [c2!, c9] });
  assert.deepEqual(await leftIn(flow.store), [4, 2, 2, 0]);
  await issueCode(flow.store, flow.sim.env('more'), { client: 'c9', audience: 'rs1', scope: 'r_temp', expiresAt: flow.sim.env().epoch() + 600 });
  // As administration may do while nobody serves.
  await issueCode(flow.store, flow.sim.env('other'), { client: 'c1', audience: 'rs1', scope: 'r_temp', expiresAt: flow.sim.env().epoch() + 600 });
  await flow.server!.close();
  await (await startedOn(flow, { clients: [c2!, c9] })).close();
  assert.deepEqual(await leftIn(flow.store), [6, 2, 2, 0]);
  await (await startedOn(flow, { clients: [c2!] })).close();
  assert.deepEqual(await leftIn(flow.store), [5, 2, 2, 0]);
});

test('a start that is cut short while it takes away what somebody has left goes on at the next, whoever is configured then', async () => {
  const flow = await configuredFlow();
  await flow.server!.close();
  const { store } = flow;
  const scan: Store['scan'] = (prefix, options) => {
    if (prefix === 'as/refresh/') throw new StoreError('ERR_STORE_IO', 'expected a process that lives, got none');
    return store.scan(prefix, options);
  };
  await assert.rejects(startedOn(flow, { ...withoutC1, store: { ...store, scan } }), { code: 'ERR_STORE_IO' });
  assert.deepEqual(await leftIn(store), [8, 4, 4, 1]);
  await (await startedOn(flow, {})).close();
  assert.deepEqual(await leftIn(store), [4, 2, 2, 0]);
});

test('of several processes with one store none takes from the peers of another: a start with another file takes nothing, and a reload what it leaves out', async () => {
  const flow = await configuredFlow({ lease: 5 });
  const other = await startedOn(flow, { ...withoutC1, lease: 5 });
  await other.reconfigure(withoutC1);
  await (await startedOn(flow, { ...withoutRs2, lease: 5 })).close();
  assert.deepEqual(await leftIn(flow.store), [8, 4, 4, 0]);
  await flow.server!.close();
  // Whoever has gone from every file is removed by administration.
  assert.equal(await other.administration.removeClient('c1'), 2);
  assert.deepEqual(await leftIn(flow.store), [4, 2, 2, 0]);
  await other.reconfigure({ clients: [], resourceServers: [rs1, rs2] });
  assert.deepEqual(await leftIn(flow.store), [0, 0, 0, 0]);
  await other.close();
});

test('a reload, and a start, may leave out more peers than one batch of the store takes', async () => {
  const secret = await hashSecret(utf8('a secret'), systemEnv.random, cheap);
  const many = Array.from({ length: 1001 }, (_, index) => ({
    id: `n${index}`,
    https: { secret, redirectUris: ['https://app.example/here'] },
    grants: grantsOf('rs1'),
  }));
  for (const how of ['reload', 'restart'] as const) {
    for (const lease of how === 'reload' ? [{}, { lease: 5 }] : [{}]) {
      const flow = new Flow();
      const server = await startedOn(flow, { clients: many, ...lease });
      if (how === 'reload') await server.reconfigure({ clients: [], resourceServers: [] });
      await server.close();
      if (how === 'restart') await (await startedOn(flow, { clients: [] })).close();
      assert.deepEqual(await keysOf(flow.store, 'as/removing/'), []);
    }
  }
});

test('what a new configuration leaves out and the store does not let go now is told, and goes with the next one, or once the store does', async () => {
  const flow = new Flow({ grantTypes, clients: configured });
  let fails: 'begin' | 'finish' | undefined;
  const store: Store = {
    ...flow.store,
    batch: (changes) => {
      if (fails === 'begin' && changes.some(({ key }) => key.startsWith('as/removing/'))) throw new StoreError('ERR_STORE_IO', 'the disk is full');
      return flow.store.batch(changes);
    },
    delete: async (key) => {
      if (fails === 'finish' && key.startsWith('as/code/')) throw new StoreError('ERR_STORE_IO', 'the disk is full');
      return flow.store.delete(key);
    },
  };
  const events: AuthorizationServerEvent[] = [];
  const registered = { clients: configured, resourceServers: [rs1, rs2] };
  const env = flow.sim.env();
  const server = new AuthorizationServer({ ...registered, store, profiles: [oscoreProfile], env, grantTypes, emit: (event) => events.push(event) });
  await server.listen(flow.sim.transport(asPeer.address, asPeer.port));
  const party = flow.peer(clients[0]!.credentials, 1);
  await issueCode(store, env, { client: 'c1', audience: 'rs1', scope: 'r_temp', expiresAt: env.epoch() + 600 });
  const without = { clients: configured.filter(({ id }) => id !== 'c1'), resourceServers: [rs1, rs2] };
  fails = 'begin';
  await assert.rejects(server.reconfigure(without), { code: 'ERR_STORE_IO' });
  assert.equal(formatCode((await party.token({ audience: 'rs1', scope: 'r_temp' })).code), '2.01', 'the server goes on as it was');
  fails = 'finish';
  await server.reconfigure(without);
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'fault' ? [event.reason] : [])),
    ['ERR_STORE_IO'],
  );
  assert.deepEqual(await leftIn(store), [1, 0, 0, 1]);
  await assert.rejects(server.reconfigure(registered), { code: 'ERR_STORE_IO' }, 'another of the name does not get it');
  fails = undefined;
  await server.reconfigure(registered);
  assert.deepEqual(await leftIn(store), [0, 0, 0, 0]);
  await issueCode(store, env, { client: 'c1', audience: 'rs1', scope: 'r_temp', expiresAt: env.epoch() + 600 });
  fails = 'finish';
  await server.reconfigure(without);
  await flow.sim.sleep(2000);
  assert.deepEqual([await leftIn(store), server.stats()['unfinished']], [[1, 0, 0, 1], 1]);
  fails = undefined;
  await flow.sim.sleep(2000);
  assert.deepEqual([await leftIn(store), server.stats()['unfinished']], [[0, 0, 0, 0], 0]);
  await party.close();
  await server.close();
});
