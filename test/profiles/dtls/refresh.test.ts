import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AceErrorCode,
  decodeError,
  decodeTokenResponse,
  encodeTokenRequest,
  GrantType,
  type TokenRequest,
  type TokenResponse,
} from '../../../src/ace/index.ts';
import { ContentFormat, formatCode, Method, OptionNumber, type Response, uintOf } from '../../../src/coap/index.ts';
import { type ClaimsSet, openCwt } from '../../../src/core/cwt.ts';
import { clientKey, DtlsParties, type Mode, rawKey, serverKey, tokenKey } from './parties.ts';

const grantTypes = ['client_credentials', 'refresh_token'] as const;

const start = (mode: Mode): Promise<DtlsParties> => new DtlsParties(mode, { as: { grantTypes, refreshTokens: { clientCredentials: true } } }).start();

function ask(parties: DtlsParties, request: TokenRequest): Promise<Response> {
  const payload = encodeTokenRequest({ audience: 'rs1', ...request });
  return parties.finish(parties.client.ask({ name: 'token', code: Method.POST, contentFormat: ContentFormat.AceCbor, payload, idempotent: true }));
}

/** A token by a refresh token, and what the RS reads in it. */
async function refreshed(
  parties: DtlsParties,
  from: TokenResponse,
  more: TokenRequest = {},
): Promise<{ readonly response: TokenResponse; readonly claims: ClaimsSet }> {
  const answer = await ask(parties, { grantType: GrantType.refresh_token, refreshToken: from.refreshToken!, ...more });
  assert.equal(formatCode(answer.code), '2.01', String(decodeError(uintOf(answer.options, OptionNumber.ContentFormat), answer.payload)?.description));
  const response = decodeTokenResponse(answer.payload);
  return { response, claims: openCwt(response.accessToken, [tokenKey]).claims };
}

async function assertOtherKey(parties: DtlsParties, from: TokenResponse, reqCnf: NonNullable<TokenRequest['reqCnf']>): Promise<void> {
  const answer = await ask(parties, { grantType: GrantType.refresh_token, refreshToken: from.refreshToken!, reqCnf });
  assert.equal(formatCode(answer.code), '4.00');
  assert.equal(decodeError(uintOf(answer.options, OptionNumber.ContentFormat), answer.payload)?.error, AceErrorCode.invalid_request);
}

describe('RFC 9200 5.8.1, RFC 9202: a refresh token is good for the key of its first token alone', () => {
  for (const mode of ['psk', 'derived'] as const)
    test(`${mode}: the same key with the same kid, in the token too, since it cannot be derived from another token; with its kid an update`, async () => {
      const parties = await start(mode);
      const first = await parties.finish(parties.client.token({ audience: 'rs1' }));
      const { kid } = first.cnf!.coseKey!;
      const again = await refreshed(parties, first);
      assert.deepEqual(again.response.cnf?.coseKey?.k, first.cnf?.coseKey?.k);
      assert.deepEqual(again.response.cnf?.coseKey?.kid, kid);
      assert.deepEqual(again.claims.cnf?.coseKey?.k, first.cnf?.coseKey?.k, 'an RS that has forgotten the first one can take it');
      const update = await refreshed(parties, again.response, { reqCnf: { kid: kid! } });
      assert.equal(update.response.cnf, undefined);
      assert.deepEqual(update.claims.cnf, { kid });
      await assertOtherKey(parties, update.response, { kid: Uint8Array.of(1, 2, 3) });
      await assertOtherKey(parties, update.response, { coseKey: clientKey });
      await parties.close();
    });

  test('rpk: the same raw public key, with that of the RS beside; another key of the same client is refused', async () => {
    const parties = await start('rpk');
    const first = await parties.finish(parties.client.token({ audience: 'rs1' }));
    const { response, claims } = await refreshed(parties, first);
    assert.deepEqual([claims.cnf?.coseKey?.x, response.rsCnf?.coseKey?.x], [clientKey.x, serverKey.x]);
    assert.equal(claims.cnf?.coseKey?.d, undefined);
    await assertOtherKey(parties, response, { coseKey: rawKey(3) });
    await parties.close();
  });

  for (const mode of ['psk', 'psk-identity', 'derived', 'rpk'] as const)
    test(`${mode}: a client whose token has ended goes on by its refresh token, in a session with the key that it had`, async () => {
      const parties = await start(mode);
      assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
      const before = parties.issued.length;
      for (let turn = 0; turn < 2; turn++) {
        await parties.simulator.sleep(120_000);
        assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
      }
      assert.equal(parties.issued.length, before + 2);
      assert.equal(new Set(parties.rsEvents.flatMap((event) => (event.type === 'token-accepted' ? [event.credential] : []))).size, 1);
      await parties.close();
    });
});
