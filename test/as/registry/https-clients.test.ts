import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientRegistration, hashSecret } from '../../../src/as/index.ts';
import { registeredClient } from '../../../src/as/registry/registration.ts';
import { clientMap, decodeClientRecord, encodeClientRecord, readClient } from '../../../src/as/registry/registration-codec.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { systemEnv } from '../../../src/core/env.ts';

const secret = await hashSecret(utf8('a secret'), systemEnv.random, { N: 2, r: 1, p: 1 });
const rules = { profiles: new Map([[2, { confidential: true }]]), issuer: undefined };
const grants = [{ audience: 'rs1', scope: 'r' }];
const app: ClientRegistration = {
  id: 'app',
  https: { secret, redirectUris: ['https://app.example/callback', 'com.example.app:/callback'], name: 'An application', resourceServer: 'rs1' },
  grants,
};

test('a client with the face over HTTPS only has no channel, and is the same from its record', () => {
  const client = registeredClient(app, 'config', rules);
  assert.deepEqual([client.channel, client.profiles, client.https], [undefined, [], app.https]);
  const record = { revision: new Uint8Array(8), registration: app };
  assert.deepEqual(decodeClientRecord(encodeClientRecord(record)), record);
  assert.deepEqual(readClient(clientMap(app)), app);
});

test('a client has credentials, https or both', () => {
  const both = registeredClient({ ...app, profile: 2, credentials: { key: new Uint8Array(1) } }, 'config', rules);
  assert.deepEqual([both.channel?.profile, both.https?.name], [2, 'An application']);
  assert.throws(() => registeredClient({ id: 'app', grants }, 'config', rules), { code: 'ERR_AS_CONFIG', message: /credentials or https/ });
});

test('redirect URIs that others could have, and a secret in clear, are refused without being quoted', () => {
  const refused = (https: Partial<NonNullable<ClientRegistration['https']>>): void => {
    assert.throws(() => registeredClient({ ...app, https: { ...app.https!, ...https } }, 'config', rules), { code: 'ERR_AS_CONFIG' });
  };
  for (const uri of ['http://app.example/callback', 'https://app.example/callback#a', 'https://user:word@app.example/', 'javascript:alert(1)', '/callback']) {
    refused({ redirectUris: [uri] });
  }
  refused({ redirectUris: [] });
  assert.throws(
    () => registeredClient({ ...app, https: { secret: 'in clear' } }, 'config', rules),
    ({ message }: Error) => !message.includes('in clear'),
  );
});
