import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AceError,
  encodeError,
  encodeIntrospectionResponse,
  encodeTokenResponse,
  encodeTrlResponse,
  type ProfileAtClient,
  type TokenResponse,
  TokenType,
} from '../../src/ace/index.ts';
import { type AuthorizationServerRegistration, AuthorizationServers } from '../../src/client/authorization-servers.ts';
import { Code, ContentFormat, OptionNumber, type Response, type SecurityAssociation, uintOption } from '../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../src/core/bytes.ts';
import { Simulator } from '../support/simulator.ts';

const uri = 'coap://as.example/token';
const association: SecurityAssociation = { kind: 'test', id: 'as', credential: undefined };
const aceFormat = uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor);

function granted(response: Partial<TokenResponse>): Response {
  return { code: Code.Created, options: [aceFormat], payload: encodeTokenResponse({ accessToken: Uint8Array.of(1), ...response }), association };
}

/** A client's list of servers, and an AS that gives these answers in turn. */
function servers(answers: readonly Response[], registrations: readonly Partial<AuthorizationServerRegistration>[] = [{}]): AuthorizationServers {
  const simulator = new Simulator();
  const queue = [...answers];
  const profile: Partial<ProfileAtClient> = { connectAs: async () => association };
  return new AuthorizationServers({
    registrations: registrations.map((one) => ({ uri, credentials: {}, ...one })),
    profiles: new Map([[2, profile as ProfileAtClient]]),
    env: simulator.env(),
    resolve: async (host, port) => simulator.peer(host, port),
    send: async () => queue.shift()!,
    observe: async function* () {},
    emit: () => {},
  });
}

const fails = (code: string, responseCode?: number) => (error: AceError) => {
  assert.equal(error.code, code);
  if (responseCode !== undefined) assert.equal(error.responseCode, responseCode);
  return true;
};

test('RFC 9200 5.10.4: a token whose end nobody knows is not used', async () => {
  await assert.rejects(servers([granted({})]).requestToken(uri, {}), fails('ERR_ACE_EXPIRY'));
  const known = servers([granted({})], [{ tokenLifetime: 60 }]);
  assert.equal((await known.requestToken(uri, {})).expiresAt, 1_700_000_060);
  assert.equal((await servers([granted({ expiresIn: 10 })], [{ tokenLifetime: 60 }]).requestToken(uri, {})).expiresAt, 1_700_000_010);
});

test('RFC 9200 5.8.2: a Bearer token is not used', async () => {
  await assert.rejects(servers([granted({ expiresIn: 10, tokenType: TokenType.Bearer })]).requestToken(uri, {}), fails('ERR_ACE_TOKEN_TYPE'));
  assert.ok(await servers([granted({ expiresIn: 10, tokenType: TokenType.PoP })]).requestToken(uri, {}));
});

test('RFC 9200 5.8.3: a refusal of the AS, with and without an error code', async () => {
  const { payload } = encodeError({ error: 6, description: 'not for you' });
  const refusal = { code: Code.BadRequest, options: [aceFormat], payload, association };
  await assert.rejects(
    servers([refusal]).requestToken(uri, {}),
    (error: AceError) => error.error === 6 && /4\.00 invalid_scope \(not for you\)/.test(error.message),
  );
  await assert.rejects(servers([{ ...refusal, payload: Uint8Array.of(0xff) }]).requestToken(uri, {}), fails('ERR_ACE_REFUSED', Code.BadRequest));
});

test('token request: an answer without protection is no answer', async () => {
  const unprotected: Response = { code: Code.Unauthorized, options: [], payload: utf8('Security context not found') };
  await assert.rejects(servers([unprotected]).requestToken(uri, {}), fails('ERR_ACE_REFUSED', Code.Unauthorized));
});

test('RFC 9200 6.5: what comes without protection, or under another association, is no token and says nothing of one', async () => {
  const { payload } = encodeError({ error: 3, description: 'forged' });
  const active = encodeIntrospectionResponse({ active: true });
  for (const forged of [undefined, { ...association }]) {
    const answer = (response: Response): Response => {
      const { association: _, ...bare } = response;
      return forged === undefined ? bare : { ...bare, association: forged };
    };
    await assert.rejects(servers([answer(granted({ expiresIn: 10 }))]).requestToken(uri, {}), fails('ERR_ACE_REFUSED', Code.Created));
    const refusal = answer({ code: Code.BadRequest, options: [aceFormat], payload });
    await assert.rejects(
      servers([refusal]).requestToken(uri, {}),
      (error: AceError) => error.code === 'ERR_ACE_REFUSED' && error.error === undefined && !error.message.includes('forged'),
    );
    const introspected = answer({ code: Code.Created, options: [aceFormat], payload: active });
    await assert.rejects(servers([introspected]).introspect(uri, Uint8Array.of(1)), fails('ERR_ACE_REFUSED'));
  }
});

test('RFC 9770 7: a list in another Content-Format, without protection or with another code is none', async () => {
  const list = {
    code: Code.Content,
    options: [uintOption(OptionNumber.ContentFormat, ContentFormat.AceTrl)],
    payload: encodeTrlResponse({ fullSet: [] }),
    association,
  };
  assert.deepEqual(await servers([list]).revocationList(uri).query({}), { fullSet: [] });
  for (const options of [[], [uintOption(OptionNumber.ContentFormat, ContentFormat.Cbor)]])
    await assert.rejects(
      servers([{ ...list, options }])
        .revocationList(uri)
        .query({}),
      fails('ERR_ACE_FORMAT'),
    );
  const { association: _, ...unprotected } = list;
  await assert.rejects(servers([unprotected]).revocationList(uri).query({}), fails('ERR_ACE_REFUSED'));
  await assert.rejects(
    servers([{ ...list, code: Code.Created }])
      .revocationList(uri)
      .query({}),
    fails('ERR_ACE_REFUSED'),
  );
});

test('RFC 8613 8.2: what the AS takes for a replay is sent again, with another number, but not for ever', async () => {
  const replay: Response = { code: Code.Unauthorized, options: [], payload: utf8('Replay detected') };
  assert.ok(await servers([replay, replay, granted({ expiresIn: 10 })]).requestToken(uri, {}));
  await assert.rejects(servers([replay, replay, replay]).requestToken(uri, {}), fails('ERR_ACE_REFUSED'));
});

test('RFC 9175 2.3: an AS that started again while it was shown an Echo is shown the next, but not for ever', async () => {
  const challenge: Response = { code: Code.Unauthorized, options: [{ number: OptionNumber.Echo, value: Uint8Array.of(1) }], payload: emptyBytes, association };
  assert.ok(await servers([challenge, challenge, granted({ expiresIn: 10 })]).requestToken(uri, {}));
  await assert.rejects(servers([challenge, challenge, challenge]).requestToken(uri, {}), fails('ERR_ACE_REFUSED', Code.Unauthorized));
  // Nothing shows that it comes from the AS.
  const { association: _, ...unprotected } = challenge;
  await assert.rejects(servers([unprotected, granted({ expiresIn: 10 })]).requestToken(uri, {}), fails('ERR_ACE_REFUSED', Code.Unauthorized));
});

test('authorization servers: chosen by URI from the list, and nothing else', () => {
  const both = servers([], [{}, { uri: 'coap://10.0.0.1:7000/a/token' }]);
  assert.equal(both.choose('coap://AS.example:5683/token').uri, uri);
  assert.equal(both.choose('coap://10.0.0.1:7000/a/token').uri, 'coap://10.0.0.1:7000/a/token');
  for (const other of [
    'coap://as.example/other',
    'coap://as.example:5684/token',
    'coap://as.example.evil/token',
    'http://as.example/token',
    'nonsense',
    undefined,
  ]) {
    assert.throws(() => both.choose(other), fails('ERR_ACE_AS_NOT_ALLOWED'), String(other));
  }
  assert.equal(servers([]).choose(undefined).uri, uri);
});

test('authorization servers: a profile that the client does not have', () => {
  assert.throws(() => servers([], [{ profile: 1 }]), fails('ERR_ACE_CONFIG'));
});
