import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthorizationServerError, type ClientRegistration, type ResourceServerRegistration } from '../../../src/as/index.ts';
import { clients, macKey, rs1, rs2, Workbench } from '../support.ts';

function assertRefusedConfig(words: RegExp, resourceServers: readonly ResourceServerRegistration[], registrations: readonly ClientRegistration[] = []): void {
  assert.throws(
    () => new Workbench({ resourceServers, clients: registrations }),
    (error: unknown) => {
      assert.ok(error instanceof AuthorizationServerError, String(error));
      assert.equal(error.code, 'ERR_AS_CONFIG');
      assert.match(error.message, words);
      return true;
    },
  );
}

test('RFC 9203 3.2: an RS of a profile with secrets in its tokens needs a key to encrypt them', () => {
  assertRefusedConfig(/"rs1": tokenKeys: .*COSE_Encrypt0/, [{ ...rs1, tokenKeys: [macKey(7)] }]);
});

test('registrations of resource servers that contradict each other are refused by name', () => {
  assertRefusedConfig(/"rs1": .*id of its own/, [rs1, { ...rs2, id: 'rs1' }]);
  assertRefusedConfig(/"": .*id of its own/, [{ ...rs1, id: '' }]);
  assertRefusedConfig(/"rs2": audiences: .*"rs1"/, [rs1, { ...rs2, audiences: ['rs1'] }]);
  assertRefusedConfig(/"rs1": audiences: .*none/, [{ ...rs1, audiences: [] }]);
  assertRefusedConfig(/"rs1": tokenKeys: .*none/, [{ ...rs1, tokenKeys: [] }]);
  assertRefusedConfig(/"rs1": profiles: .*none/, [{ ...rs1, profiles: [] }]);
  assertRefusedConfig(/"rs1": profiles: .*got 1/, [{ ...rs1, profiles: [1] }]);
  assertRefusedConfig(/"rs1": profile: .*got 1/, [{ ...rs1, profile: 1 }]);
  assertRefusedConfig(/"rs1": tokenLifetime: .*got 0/, [{ ...rs1, tokenLifetime: 0 }]);
  assertRefusedConfig(/"rs1": tokenLifetime: .*got 1.5/, [{ ...rs1, tokenLifetime: 1.5 }]);
  assertRefusedConfig(/"rs1": iss: .*issuer/, [{ ...rs1, iss: true }]);
});

test('registrations of clients that contradict each other are refused by name', () => {
  const client = clients[1]!;
  assertRefusedConfig(/"c2": .*id of its own/, [rs1], [client, client]);
  assertRefusedConfig(/"c2": profile: .*got 1/, [rs1], [{ ...client, profile: 1 }]);
  assertRefusedConfig(/"c2": grants: .*"nowhere"/, [rs1], [{ ...client, grants: [{ audience: 'nowhere', scope: 'x' }] }]);
  assertRefusedConfig(/"c2": grants: .*two for "rs1"/, [rs1], [{ ...client, grants: [...client.grants, ...client.grants] }]);
  assertRefusedConfig(/"c2": grants: .*got "r_temp"/, [{ ...rs1, scopes: ['w_led'] }], [client]);
});
