import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuardRefusal, type HttpsCaller } from '../../../../profiles/seal/https/guard/index.ts';
import { keyManagementEndpoint } from '../../../../profiles/seal/https/seal-server/key-management.ts';
import { SealHttpsServer } from '../../../../profiles/seal/https/seal-server/seal-https-server.ts';
import { decodeKmResponseJson, encodeKmRequestJson, KeyManagementServer } from '../../../../profiles/seal/index.ts';
import { fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../src/core/env.ts';
import { LabAuthority } from '../../../../src/pki/index.ts';
import { fetchHttps } from '../../../../src/transport/index.ts';

test('KM over HTTPS', async () => {
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'seal1', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  const sKmsUri = 'https://seal1.example/km';
  const server = new KeyManagementServer({ sKmsUri: 'coap://seal1.example/km', records: { get: async () => utf8('keys') } });
  const caller: HttpsCaller = { subject: 'anna', clientId: 'app', names: [], scope: 'km', valServiceIds: ['v2x'], expiresAt: systemEnv.epoch() + 60 };
  const face = new SealHttpsServer({
    listen: own,
    guard: {
      check: async ({ headers }) => {
        if (headers.authorization !== 'Bearer anna') throw new GuardRefusal('no-token', 'expected a token, got none', { status: 401 });
        return caller;
      },
    },
    endpoints: [keyManagementEndpoint({ server, sKmsUri })],
    emit: (event) => console.log(event),
  });
  const { port } = await face.listen();
  const body = encodeKmRequestJson({ version: '1.0.0', sKmsUri, serviceId: 'v2x', dateTime: Math.floor(systemEnv.epoch()) });
  const ask = async (authorization: string) => {
    const headers = { authorization, 'content-type': 'application/json' };
    const { status, body: answer } = await fetchHttps(`https://127.0.0.1:${port}/km`, { ca: authority.cert, method: 'POST', headers, body });
    return { status, response: decodeKmResponseJson(answer) };
  };
  const given = await ask('Bearer anna');
  assert.deepEqual([given.status, fromUtf8(given.response.payload!)], [200, 'keys']);
  const refused = await ask('Bearer bert');
  assert.deepEqual([refused.status, refused.response.errorCode], [401, 3]);
  await face.close();
});
