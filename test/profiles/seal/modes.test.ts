import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { encodeValClaims, modeDifferences, type SealMode } from '../../../profiles/seal/index.ts';
import { AceErrorCode, decodeError, encodeTokenRequest, GrantType, type TokenRequest } from '../../../src/ace/index.ts';
import { ContentFormat, formatCode, Method, type Response } from '../../../src/coap/index.ts';
import { Curve, KeyType } from '../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../src/core/crypto/index.ts';
import { root } from '../../support/fixtures.ts';
import { codeVerifier, inOpenIdLab, redirectUri } from './https/openid/openid-lab.ts';
import { audience, inLab, type Lab, tokenKey, valSystem } from './rows/lab.ts';

function post(lab: Lab, request: TokenRequest): Promise<Response> {
  return lab.finish(
    lab.simC.ask({ name: 'token', code: Method.POST, contentFormat: ContentFormat.AceCbor, payload: encodeTokenRequest({ audience, ...request }) }),
  );
}

/** What each mode does where the other does something else; in the order of the table. */
const checks: Readonly<Record<keyof typeof modeDifferences, (mode: SealMode) => Promise<void>>> = {
  tokenRequest: async (mode) => {
    await inLab({ simS: { mode } }, async (lab) => {
      for (const request of [{ grantType: GrantType.client_credentials }, { scope: 'note:read' }]) {
        const { code, payload } = await post(lab, request);
        if (mode === 'lenient') assert.equal(formatCode(code), '2.01');
        else assert.deepEqual([formatCode(code), decodeError(ContentFormat.AceCbor, payload)?.error], ['4.00', AceErrorCode.invalid_request]);
      }
      assert.equal(formatCode((await post(lab, { grantType: GrantType.client_credentials, scope: 'note:read' })).code), '2.01');
    });
  },
  clientId: async (mode) => {
    await inOpenIdLab(
      async (lab) => {
        const fields = { grant_type: 'authorization_code', code: await lab.code(), redirect_uri: redirectUri, code_verifier: codeVerifier };
        const { status, body } = await lab.post('/token', fields);
        assert.deepEqual([status, body['error']], mode === 'lenient' ? [200, undefined] : [400, 'invalid_request']);
        // What was refused was the request, and not the code.
        if (mode === 'strict') assert.equal((await lab.post('/token', { ...fields, client_id: 'app' })).status, 200);
      },
      { simS: { mode } },
    );
  },
  serverKey: async (mode) => {
    const { d: _, ...rawPublicKey } = { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(3)) };
    await inLab({ simS: { mode, resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [tokenKey], rawPublicKey }] } }, async (lab) => {
      const { rsCnf } = await lab.finish(lab.simC.token({ audience, scope: 'note:read' }));
      assert.equal(rsCnf !== undefined, mode === 'strict');
    });
  },
  scope: async (mode) => {
    await inLab({ simS: { mode: 'lenient' }, simC: { mode }, namesScope: false }, async (lab) => {
      const asked = lab.finish(lab.simC.token({ audience }));
      if (mode === 'lenient') assert.equal((await asked).expiresIn, 3600);
      else await assert.rejects(asked, { code: 'ERR_SEAL_REQUEST' });
      assert.equal(lab.simSEvents.filter(({ type }) => type === 'token-issued').length, mode === 'lenient' ? 1 : 0);
    });
  },
  origin: async (mode) => {
    await inLab({ server: { mode } }, async (lab) => {
      for (const name of ['iss', 'sub']) assert.equal(await lab.upload(lab.token({ [name]: undefined })), mode === 'strict' ? '4.00' : '2.01', name);
    });
  },
  system: async (mode) => {
    await inLab({ server: { mode } }, async (lab) => {
      const { valUserId, valUeId } = lab.clients[0]!;
      const unnamed = encodeValClaims({ valUserId: valUserId!, valUeId: valUeId! });
      assert.equal(await lab.upload(lab.token({ unknown: unnamed })), mode === 'strict' ? '4.01' : '2.01');
      assert.equal(await lab.upload(lab.token({ unknown: encodeValClaims({ valSystemId: `${valSystem}.other` }) })), '4.01');
    });
  },
};

describe('TS 33.434 and TS 24.547: each difference between the modes', () => {
  for (const [name, { at, what }] of Object.entries(modeDifferences)) {
    for (const mode of ['strict', 'lenient'] as const) test(`${mode}, ${at}: ${what}`, () => checks[name as keyof typeof checks](mode));
  }
  test('the table of the README has them all', () => {
    const text = readFileSync(join(root, 'README.md'), 'utf8');
    for (const { at, what, strict, lenient, source } of Object.values(modeDifferences))
      assert.ok(text.includes(`| ${[at, what, strict, lenient, source].join(' | ')} |`), what);
  });
});
