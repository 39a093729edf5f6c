import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientRegistration, type GrantTypeName, issueCode } from '../../src/as/index.ts';
import { symmetricKey } from '../../src/core/cwt.ts';
import { Simulator } from '../support/simulator.ts';
import { asAddress, asUri, clientKeyAtAs, Parties, type PartiesOptions, rsUri, tokenKey } from './parties.ts';
import { auditWire } from './wire-audit.ts';

const grantTypes: readonly GrantTypeName[] = ['client_credentials', 'refresh_token', 'authorization_code'];
const registration: ClientRegistration = {
  id: 'client1',
  credentials: clientKeyAtAs(1),
  grantTypes,
  grants: [{ audience: 'rs1', scope: 'r_temp r_led w_led' }],
};
const refreshing: PartiesOptions = {
  tokenLifetime: 100,
  as: { clients: [registration], grantTypes, refreshTokens: { clientCredentials: true } },
};
const start = (options: PartiesOptions = {}): Promise<Parties> => new Parties(new Simulator({ seed: 1 }), { ...refreshing, ...options }).start();

async function end(parties: Parties): Promise<void> {
  auditWire(parties.simulator.wire, parties.contexts.values());
  assert.deepEqual(parties.faults(), []);
  await parties.close();
}

async function temperature(parties: Parties): Promise<void> {
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
}

/** The grant types of the tokens that were issued, in order. */
function grantsOf({ asEvents }: Parties): string[] {
  return asEvents.flatMap((event) => (event.type === 'token-issued' ? [event.grant] : []));
}

test('RFC 6749 1.5: a client whose token has ended gets the next by its refresh token, for the same key, over a new context', async () => {
  const parties = await start({ client: { renewal: 0 } });
  await temperature(parties);
  for (let turn = 0; turn < 3; turn++) {
    await parties.simulator.sleep(101_000);
    await temperature(parties);
  }
  assert.deepEqual(grantsOf(parties), ['client_credentials', 'refresh_token', 'refresh_token', 'refresh_token']);
  await end(parties);
});

test('RFC 9200 5.8.1: a token near its end is renewed by the refresh token over the living context', async () => {
  const parties = await start({ tokenLifetime: 300 });
  await temperature(parties);
  await parties.simulator.sleep(280_000);
  const contexts = parties.contexts.size;
  await temperature(parties);
  await parties.simulator.sleep(100_000);
  await temperature(parties);
  assert.equal(parties.contexts.size, contexts);
  assert.deepEqual(grantsOf(parties), ['client_credentials', 'refresh_token']);
  await end(parties);
});

test('a client that starts anew goes on with the refresh token of its store, also when its first grant is over', async () => {
  const code = { client: 'client1', audience: 'rs1', scope: 'r_temp', expiresAt: 0 };
  const parties = new Parties(new Simulator({ seed: 1 }), {
    ...refreshing,
    as: { clients: [{ ...registration, grants: [] }], grantTypes, refreshTokens: {} },
  });
  await parties.start();
  const env = parties.simulator.env('owner');
  const grant = { code: await issueCode(parties.stores.as, env, { ...code, expiresAt: env.epoch() + 60 }) };
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`, { grant }))).codeText, '2.05');
  await parties.kill('client1');
  await parties.simulator.sleep(101_000);
  parties.startClient(0, 40001);
  await temperature(parties);
  assert.deepEqual(grantsOf(parties), ['authorization_code', 'refresh_token']);
  await end(parties);
});

test('what a refresh token does not cover, and a refresh token that is refused, lead back to the first grant', async () => {
  const parties = await start();
  await temperature(parties);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  assert.deepEqual(grantsOf(parties), ['client_credentials', 'client_credentials']);
  for await (const [key] of parties.stores.as.scan('as/refresh/')) await parties.stores.as.delete(key);
  await parties.simulator.sleep(101_000);
  await temperature(parties);
  assert.deepEqual(grantsOf(parties).slice(2), ['client_credentials']);
  await end(parties);
});

test('an answer with a refresh token that is lost: the client asks again with the one before, after a restart of the AS too', async () => {
  const parties = await start({ client: { renewal: 0 } });
  await temperature(parties);
  await parties.simulator.sleep(101_000);
  const before = grantsOf(parties).length;
  // The AS dies with the token in its store, and its answer goes nowhere.
  parties.simulator.filter = ({ from }) => from !== asAddress || grantsOf(parties).length === before;
  const asking = parties.client.fetch(`${rsUri}/temperature`);
  asking.catch(() => {});
  while (grantsOf(parties).length === before) await parties.simulator.sleep(1);
  await parties.kill('as');
  parties.simulator.filter = undefined;
  await parties.startAs();
  assert.equal((await parties.finish(asking)).text(), '21.5');
  assert.equal(grantsOf(parties).length, before + 2, 'the token was issued again');
  await parties.simulator.sleep(101_000);
  await temperature(parties);
  assert.deepEqual(new Set(grantsOf(parties).slice(1)), new Set(['refresh_token']));
  assert.ok(!parties.asEvents.some(({ type }) => type === 'grant-revoked'));
  await end(parties);
});

test('the application keeps the refresh token of a token that it asked for, and an old one ends both', async () => {
  const parties = await start();
  const { client } = parties;
  await assert.rejects(parties.finish(client.token({ audience: 'rs1', refresh: true })), { code: 'ERR_ACE_NO_REFRESH_TOKEN' });
  const first = await parties.finish(client.token({ audience: 'rs1' }));
  const stolen = parties.stores.clients[0]!;
  const copies: (readonly [string, Uint8Array])[] = [];
  for await (const [key, value] of stolen.scan('client/refresh/')) copies.push([key, value]);
  const second = await parties.finish(client.token({ audience: 'rs1', refresh: true }));
  assert.deepEqual(second.cnf, first.cnf);
  await parties.finish(client.token({ audience: 'rs1', refresh: true }));
  for (const [key, value] of copies) await stolen.put(key, value);
  await assert.rejects(parties.finish(client.token({ audience: 'rs1', refresh: true })), { code: 'ERR_ACE_REFUSED', error: 3 });
  assert.equal(parties.asEvents.filter(({ type }) => type === 'token-revoked').length, 3);
  await end(parties);
});

test('token keys roll over without an outage: tokens of both keys in flight, and the old key ends', async () => {
  const next = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0x77), Uint8Array.of(2));
  const simulator = new Simulator({ seed: 1 });
  const now = simulator.env('clock').epoch();
  const old = { ...tokenKey, kid: Uint8Array.of(1) };
  const parties = new Parties(simulator, {
    ...refreshing,
    as: {
      resourceServers: [
        {
          id: 'rs1',
          audiences: ['rs1'],
          tokenLifetime: 100,
          tokenKeys: [
            { ...old, until: now + 150 },
            { ...next, from: now + 150 },
          ],
        },
      ],
    },
    rs: { issuers: [{ uri: asUri, tokenKeys: [{ ...old, until: now + 250 }, next] }] },
  });
  await parties.start();
  const ask = async (at: number): Promise<void> => {
    await simulator.sleep(Math.max(0, (now + at - simulator.env('clock').epoch()) * 1000));
    await temperature(parties);
  };
  for (const at of [0, 50, 120, 149, 151, 180, 230, 260, 400]) await ask(at);
  await end(parties);
});
