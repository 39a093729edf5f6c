import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientCredentials, KeyRecordsClient, type OpenIdError } from '../../../../profiles/seal/https/index.ts';
import { httpsKeysSteps } from '../../../../src/cli/demo/seal/https-keys.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../src/core/env.ts';
import { FaceLab, sharedTrust, type Trust, val1 } from './face-lab.ts';
import { FakeIssuer } from './fake-issuer.ts';
import { claims } from './guard/token-lab.ts';

async function withIssuer(use: (issuer: FakeIssuer, trust: Trust) => Promise<void>): Promise<void> {
  const trust = await sharedTrust();
  const issuer: FakeIssuer = await FakeIssuer.start(trust.server, { val1: 'secret of val1' }, (clientId, scope) =>
    trust.tokens.token({ ...claims(Math.floor(systemEnv.epoch())), ...val1, val_system_id: 'val.example', iss: issuer.uri, client_id: clientId, scope }),
  );
  try {
    await use(issuer, trust);
  } finally {
    await issuer.close();
  }
}

test('demo: a VAL server fetches keys over mutual TLS, and whoever is not quite it gets none', () =>
  withIssuer((issuer, { clients, authority }) =>
    FaceLab.within({ config: { issuer: issuer.uri } }, async (lab) => {
      const steps = httpsKeysSteps({
        issuer: issuer.uri,
        apiRoot: `https://127.0.0.1:${lab.port}`,
        ca: authority.cert,
        clientId: 'val1',
        clientSecret: 'secret of val1',
        own: clients.val1,
        others: clients.val2,
        otherScope: 'notes:read',
        serviceId: 'v2x',
        ueId: 'ue1',
        keys: utf8('keys of ue1'),
      });
      const codes = [];
      for await (const { step, code, ok, detail } of steps) {
        assert.ok(ok, `${step}: ${code} ${detail}`);
        codes.push(code);
      }
      assert.deepEqual(codes, ['200', '200', '403', '403', '401', '403', '403']);
    }),
  ));

test('RFC 6749 4.4: a token of client_credentials is asked for once, and anew before it ends', () =>
  withIssuer(async (issuer, { authority }) => {
    let now = 1_800_000_000;
    const options = {
      issuer: issuer.uri,
      clientId: 'val1',
      clientSecret: 'secret of val1',
      scope: 'km',
      tls: { ca: authority.cert },
      env: { epoch: () => now },
    };
    const credentials = new ClientCredentials(options);
    await Promise.all([credentials.token(), credentials.token()]);
    now += 234;
    await credentials.token();
    assert.equal(issuer.asked, 1);
    now += 2;
    await credentials.token();
    assert.equal(issuer.asked, 2);
    // The clock is set back: by the one before, the token would be sent for an hour longer than it is good.
    now -= 3600;
    await credentials.token();
    await credentials.token();
    assert.equal(issuer.asked, 3);
    const wrong = new ClientCredentials({ ...options, clientSecret: 'another' });
    await assert.rejects(
      wrong.token(),
      ({ code, error, message }: OpenIdError) => code === 'ERR_OPENID_REFUSED' && error === 'invalid_client' && !message.includes('another'),
    );
  }));

test('TS 29.549 SS_KeyInfoRetrieval: what a server may not answer', async () => {
  const right = { userUri: 'acct:ue1@val.example', valService: 'v2x', valTgtUe: { valUeId: 'ue1' }, keyInfo: 'AQID' };
  const keyInfo = (status: number, answer: unknown): ReturnType<KeyRecordsClient['keyInfo']> => {
    const body = typeof answer === 'string' ? utf8(answer) : utf8(JSON.stringify(answer));
    const client = new KeyRecordsClient({
      apiRoot: 'https://skms.example/',
      token: () => Promise.resolve('t'),
      tls: {},
      fetch: (uri) => {
        assert.equal(uri, `https://skms.example/ss-kir/v1/key-records?val-service-id=v2x&val-tgt-ue=${encodeURIComponent('{"valUeId":"ue1"}')}`);
        return Promise.resolve({ status, headers: {}, body });
      },
    });
    return client.keyInfo({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } });
  };
  assert.deepEqual((await keyInfo(200, right)).payload, Uint8Array.of(1, 2, 3));
  const unfit = [
    'no JSON',
    [],
    { ...right, valService: 'other' },
    { ...right, valTgtUe: { valUeId: 'ue2' } },
    { ...right, valTgtUe: { valUserId: 'ue1' } },
    { ...right, valTgtUe: undefined },
    { ...right, keyInfo: undefined },
    { ...right, keyInfo: 'no base64url!' },
    { ...right, userUri: 7 },
    { ...right, skmsId: 7 },
  ];
  for (const answer of unfit) await assert.rejects(keyInfo(200, answer), { code: 'ERR_KM_RESPONSE' }, JSON.stringify(answer));
  await assert.rejects(keyInfo(403, { cause: 'service', detail: 'expected another\u001b[31m' }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_KM_REFUSED');
    assert.equal(error.message, 'the SKM-S answers 403: service: expected another [31m');
    return true;
  });
  await assert.rejects(keyInfo(502, 'Bad Gateway'), { code: 'ERR_KM_REFUSED', message: 'the SKM-S answers 502' });
});
