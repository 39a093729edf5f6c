import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { readForm } from '../../profiles/seal/https/login/form.ts';
import { decodeRecord, encodeRecord, readTokenResponse } from '../../profiles/seal/https/sim-c/token-response.ts';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { mutateBytes, nearlyCbor } from './mutate.ts';
import type { Target } from './target.ts';

const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' };
const login = { accessToken: 'a', idToken: 'b', refreshToken: 'c', scope: 'openid km', nonce: 'd', expiresAt: 1_700_000_000.5 };
const pending = { codeVerifier: 'a', nonce: 'b', redirectUri: 'http://127.0.0.1:8731/callback', scope: 'openid' };

/** Decoders of the login page, and of its client. */
export const loginDecoders: readonly Target[] = [
  {
    name: 'login form',
    seeds: [utf8('token=abc&username=anna%40val.example&password=%C3%BC+x&answer=sign-in')],
    mutate: mutateBytes,
    run: (input) => readForm(Object.assign(Readable.from(input.length === 0 ? [] : [input]), { headers: formHeaders }) as unknown as IncomingMessage),
  },
  {
    name: 'token response',
    seeds: [
      utf8('{"access_token":"a","token_type":"Bearer","expires_in":300,"id_token":"b","refresh_token":"c","scope":"openid km"}'),
      utf8('{"error":"invalid_grant","error_description":"no"}'),
    ],
    mutate: mutateBytes,
    run: (input) => void readTokenResponse(200, input),
  },
  {
    name: 'login, stored',
    seeds: [encodeRecord(login), encodeRecord(pending)],
    mutate: nearlyCbor,
    run: (input) => {
      const record = decodeRecord(input);
      if (record === undefined) return;
      const again = encodeRecord(record);
      assert.equal(toHex(encodeRecord(decodeRecord(again)!)), toHex(again));
    },
  },
];
