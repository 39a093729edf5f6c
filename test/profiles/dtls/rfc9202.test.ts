import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DtlsAtAsOptions, dtlsProfileWith } from '../../../profiles/dtls/index.ts';
import { decodePskIdentity, derivePsk, encodePskIdentity } from '../../../profiles/dtls/params.ts';
import {
  type Acceptance,
  type AceError,
  AceErrorCode,
  type Binding,
  type Grant,
  type ProfileAtAs,
  type ProfileAtRs,
  type TokenRequest,
} from '../../../src/ace/index.ts';
import { Endpoint, formatCode, Method, OptionNumber, type Peer, pathOptions, type SecurityAssociation, uintOption } from '../../../src/coap/index.ts';
import { concat, emptyBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { encode } from '../../../src/core/cbor.ts';
import { hmac } from '../../../src/core/crypto/index.ts';
import { type ClaimsSet, protectCwt, type TokenKey } from '../../../src/core/cwt.ts';
import type { Authenticator, DtlsError, DtlsSessions } from '../../../src/dtls/index.ts';
import { memoryStore, type Store } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';
import { clientKey, DtlsParties, figure9, rawKey, serverKey, tokenKey } from './parties.ts';

const kid9 = fromHex('3d027833fc6267ce');

/** Sessions of which there are none: what the AS does for RS and client alike. */
const noSessions: DtlsSessions<Peer> = { authenticate: () => () => {}, connect: () => Promise.reject(new Error('none')), end: () => 0 };

function startAs(options: DtlsAtAsOptions = {}): { readonly as: ProfileAtAs; readonly sim: Simulator; readonly store: Store } {
  const sim = new Simulator();
  const store = memoryStore({ env: sim.env() });
  return {
    store,
    as: dtlsProfileWith({ sessions: noSessions, as: options }).as!({ env: sim.env('as'), store, emit: () => {} }),
    sim,
  };
}

function grant(sim: Simulator, request: TokenRequest = {}, more: Partial<Grant> = {}): Grant {
  return { client: 'c1', audience: 'rs1', resourceServer: 'rs1', request, expiresAt: Math.floor(sim.env().epoch()) + 100, exi: false, ...more };
}

const unsupported = (error: AceError): boolean => error.error === AceErrorCode.unsupported_pop_key;

test('RFC 9202 3.3.2, Figure 9: the psk_identity of a kid', () => {
  assert.equal(toHex(encodePskIdentity(kid9)), toHex(figure9));
  assert.deepEqual(decodePskIdentity(figure9), { kid: kid9 });
});

test('RFC 9202 3.3.2: a psk_identity of another form is a token, or says nothing', () => {
  const token = fromHex('d08343a1010a');
  assert.equal(decodePskIdentity(token), undefined, 'cut short');
  const whole = encode([1, 2]);
  assert.deepEqual(decodePskIdentity(whole), { token: whole });
  const claims = (...entries: readonly (readonly [number, unknown])[]): Uint8Array => encode(new Map(entries as readonly (readonly [number, number])[]));
  const cnf = new Map([
    [
      1,
      new Map<number, number | Uint8Array>([
        [1, 4],
        [2, kid9],
      ]),
    ],
  ]);
  for (const [what, identity] of [
    ['text', utf8('sensor 7')],
    ['a map without cnf', claims([1, 2])],
    ['claims beside cnf', claims([8, cnf], [9, 'r_temp'])],
    [
      'a key itself',
      claims([
        8,
        new Map([
          [
            1,
            new Map<number, number | Uint8Array>([
              [1, 4],
              [2, kid9],
              [-1, kid9],
            ]),
          ],
        ]),
      ]),
    ],
    ['a key without kid', claims([8, new Map([[1, new Map([[1, 4]])]])])],
    [
      'a public key',
      claims([
        8,
        new Map([
          [
            1,
            new Map<number, number | Uint8Array>([
              [1, 2],
              [2, kid9],
            ]),
          ],
        ]),
      ]),
    ],
  ] as const)
    assert.equal(decodePskIdentity(identity), undefined, what);
});

test('RFC 9202 3.3.1: HKDF-SHA-256 with no salt over the type, the length and every byte of the token', () => {
  const key = new Uint8Array(32).fill(5);
  const token = fromHex('d08343a1010aa0');
  // By RFC 5869 itself: extract with zeros for a salt, expand once.
  const extracted = hmac('sha256', new Uint8Array(32), key);
  const whole = concat(fromHex('83781c'), utf8('ACE-CoAP-DTLS-key-derivation'), fromHex('10'), fromHex('47'), token);
  assert.equal(toHex(derivePsk(key, token)), toHex(hmac('sha256', extracted, concat(whole, Uint8Array.of(1))).subarray(0, 16)));
  token[6]! ^= 1;
  assert.notEqual(toHex(derivePsk(key, token)), toHex(hmac('sha256', extracted, concat(whole, Uint8Array.of(1))).subarray(0, 16)));
});

test('RFC 9202 3.3.1: a token with a key is confidential and another one gets another key; one with the kid alone is not', async () => {
  const { as, sim } = startAs({ derivationKeys: { rs2: new Uint8Array(16).fill(9) } });
  const one = (await as.bind(grant(sim)))!;
  const two = (await as.bind(grant(sim)))!;
  assert.equal(one.confidential, true);
  assert.deepEqual(one.claims.cnf, one.response(new Uint8Array(1)).cnf);
  assert.notDeepEqual(one.claims.cnf.coseKey?.kid, two.claims.cnf.coseKey?.kid);
  assert.notDeepEqual(one.claims.cnf.coseKey?.k, two.claims.cnf.coseKey?.k);
  const derived = (await as.bind(grant(sim, {}, { resourceServer: 'rs2' })))!;
  assert.equal(derived.confidential, false);
  assert.deepEqual(Object.keys(derived.claims.cnf.coseKey!), ['kty', 'kid']);
  const keyFor = (binding: Binding, token: Uint8Array): string => toHex(binding.response(token).cnf!.coseKey!.k!);
  assert.equal(keyFor(derived, Uint8Array.of(1)), toHex(derivePsk(new Uint8Array(16).fill(9), Uint8Array.of(1))));
  assert.notEqual(keyFor(derived, Uint8Array.of(1)), keyFor(derived, Uint8Array.of(2)));
});

test('RFC 9202 3.2.1: a token is bound to a registered key of the client, in full, and rs_cnf names the key of the RS', async () => {
  const { as, sim } = startAs({ clientKeys: { c1: [clientKey] }, serverKeys: { rs1: serverKey } });
  const { d: _, ...asked } = clientKey;
  const binding = (await as.bind(grant(sim, { reqCnf: { coseKey: asked } })))!;
  assert.equal(binding.confidential, false);
  assert.equal(binding.claims.cnf.coseKey?.d, undefined);
  assert.deepEqual(binding.claims.cnf.coseKey?.x, clientKey.x);
  const { cnf, rsCnf } = binding.response(new Uint8Array(1));
  assert.equal(cnf, undefined);
  assert.deepEqual([rsCnf?.coseKey?.x, rsCnf?.coseKey?.d], [serverKey.x, undefined]);
  const { kid } = binding.claims.cnf.coseKey!;
  const again = (await as.bind(grant(sim, { reqCnf: { kid: kid! } })))!;
  assert.deepEqual(again.claims.cnf.coseKey, binding.claims.cnf.coseKey);
  await assert.rejects(async () => as.bind(grant(sim, { reqCnf: { coseKey: rawKey(7) } })), unsupported);
  await assert.rejects(async () => as.bind(grant(sim, { reqCnf: { coseKey: asked } }, { client: 'c2' })), unsupported);
  await assert.rejects(async () => as.bind(grant(sim, { reqCnf: { coseKey: asked } }, { resourceServer: 'rs2' })), unsupported);
  assert.equal(await as.bind(grant(sim, { reqCnf: { kid: kid! } }, { client: 'c2' })), undefined);
});

test('RFC 9202 3.2.1: the key of a refresh token has to be the client’s still', async () => {
  const { d: _, ...coseKey } = clientKey;
  const bindAgain = async (keys: DtlsAtAsOptions['clientKeys']) => {
    const { as, sim } = startAs({ clientKeys: keys!, serverKeys: { rs1: serverKey } });
    return as.bind(grant(sim, {}, { key: { coseKey } }));
  };
  assert.deepEqual((await bindAgain({ c1: [clientKey] }))?.claims.cnf.coseKey?.x, clientKey.x);
  assert.equal(await bindAgain({ c1: [rawKey(3)], c2: [clientKey] }), undefined);
});

test('RFC 9202 4: a kid is good for its client while its token lasts, over a restart of the AS; then unsupported_pop_key', async () => {
  const { as, sim, store } = startAs();
  const first = (await as.bind(grant(sim)))!;
  assert.ok(await store.batch(first.changes));
  const { kid } = first.claims.cnf.coseKey!;
  const update = { reqCnf: { kid: kid! } };
  const binding = (await as.bind(grant(sim, update)))!;
  assert.deepEqual(binding.claims.cnf, { kid });
  assert.deepEqual(binding.response(new Uint8Array(1)), {});
  assert.equal(binding.dated, true, 'what tells the RS that it is the newer one');
  assert.equal(as.unknownKey, AceErrorCode.unsupported_pop_key);
  assert.equal(await as.bind(grant(sim, update, { audience: 'rs2' })), undefined);
  await as.close();
  const next = dtlsProfileWith({ sessions: noSessions }).as!({ env: sim.env('next'), store, emit: () => {} });
  assert.ok(await next.bind(grant(sim, update)));
  await sim.sleep(101_000);
  assert.equal(await next.bind(grant(sim, update)), undefined);
  for await (const [key] of store.scan('')) assert.fail(key);
});

const key16 = new Uint8Array(16).fill(1);
const alert =
  (name: string) =>
  (error: DtlsError): boolean => {
    assert.ok(error.code === 'ERR_DTLS_ALERT' && error.message.includes(name), `${error.code}: ${error.message}`);
    return true;
  };

test('RFC 9202 3.3.2: an identity that names no token ends the handshake with illegal_parameter, a wrong key with decrypt_error (RFC 7925)', async () => {
  const parties = await new DtlsParties('psk').start();
  for (const identity of [figure9, utf8('sensor 7'), Uint8Array.of(0xff), encode([1, 2, 3]), new Uint8Array(2000).fill(0x41)])
    await assert.rejects(parties.knock({ psk: { identity, key: key16 } }), alert('illegal_parameter'), toHex(identity.subarray(0, 8)));
  await parties.fetch('/temperature');
  const [credential] = parties.rsEvents.flatMap((event) => (event.type === 'token-accepted' ? [event.credential] : []));
  const kid = new Uint8Array(Buffer.from(credential!.split(':').at(-1)!, 'base64url'));
  await assert.rejects(parties.knock({ psk: { identity: encodePskIdentity(kid), key: key16 } }), alert('decrypt_error'));
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  await parties.close();
});

test('RFC 9202 3.3.2: a token for another RS, one that has ended and one that nobody vouches for open no session, and are refused at authz-info', async () => {
  const parties = await new DtlsParties('psk').start();
  const exp = Math.floor(parties.simulator.env().epoch()) + 100;
  const { random } = parties.simulator.env('nonces');
  const make = (claims: ClaimsSet, key = tokenKey): Uint8Array =>
    protectCwt({ aud: 'rs1', scope: 'r_temp', exp, ...symmetric(kid9, key16), ...claims }, key, random);
  const stranger: TokenKey = { ...tokenKey, key: { kty: 4, k: new Uint8Array(16).fill(8) } };
  const client = new Endpoint({ transport: parties.simulator.transport('10.0.0.5', 40_000), env: parties.simulator.env('uploader') });
  for (const [identity, code] of [
    [make({ aud: 'rs2' }), '4.03'],
    [make({ exp: exp - 200 }), '4.01'],
    [make({}, stranger), '4.01'],
  ] as const) {
    await assert.rejects(parties.knock({ psk: { identity, key: key16 } }), alert('illegal_parameter'));
    const options = [...pathOptions(['authz-info']), uintOption(OptionNumber.ContentFormat, 61)];
    const answer = await parties.finish(client.request({ code: Method.POST, options, payload: identity, peer: parties.simulator.peer('10.0.0.2', 5683) }));
    assert.equal(formatCode(answer.code), code);
  }
  assert.equal(parties.rs.stats()['profile1.keys'], 0);
  const { peerIdentity } = await parties.knock({ psk: { identity: make({}), key: key16 } });
  assert.equal(peerIdentity.type, 'psk');
  await client.close();
  await parties.close();
});

test('RFC 9202 4, RFC 9200 5.10.1.1: what is wrong with a token that comes in a session has its own code', async () => {
  const parties = await new DtlsParties('psk').start();
  await parties.fetch('/temperature');
  const [credential] = parties.rsEvents.flatMap((event) => (event.type === 'token-accepted' ? [event.credential] : []));
  const kid = new Uint8Array(Buffer.from(credential!.split(':').at(-1)!, 'base64url'));
  const exp = Math.floor(parties.simulator.env().epoch()) + 100;
  const { random } = parties.simulator.env('nonces');
  const upload = (claims: ClaimsSet): Promise<string> => {
    const payload = protectCwt({ aud: 'rs1', scope: 'w_led', exp, cnf: { kid }, ...claims }, tokenKey, random);
    return parties.fetch('/authz-info', { method: 'POST', payload, contentFormat: 61, upgrade: false });
  };
  assert.equal(await upload({ iss: 'as2' }), '4.01');
  assert.equal(await upload({ exp: exp - 200 }), '4.01');
  assert.equal(await upload({ aud: 'rs2' }), '4.03');
  assert.equal(await upload({ scope: 'unheard_of' }), '4.00');
  assert.equal(await upload({ cnf: { kid: kid9 } }), '4.00');
  assert.equal(await upload(symmetric(kid9, key16)), '4.01', 'the key of another session');
  assert.equal(await parties.fetch('/temperature', { upgrade: false }), '2.05 21.5');
  assert.equal(await upload({}), '2.01');
  assert.equal(await parties.fetch('/temperature', { upgrade: false }), '4.03', 'the rights are those of the new token');
  await parties.close();
});

test('RFC 9202 3.2.2, 3.3.2: whoever has but the cipher suite that must be there gets in', async () => {
  const parties = await new DtlsParties('rpk').start();
  const exp = Math.floor(parties.simulator.env().epoch()) + 100;
  const identity = protectCwt({ aud: 'rs1', scope: 'r_temp', exp, ...symmetric(kid9, key16) }, tokenKey, parties.simulator.env('nonces').random);
  const byPsk = await parties.knock({ psk: { identity, key: key16 } }, { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] });
  assert.equal(byPsk.suite, 'TLS_PSK_WITH_AES_128_CCM_8');
  await parties.fetch('/temperature');
  const own = clientKey as typeof clientKey & { readonly crv: number; readonly x: Uint8Array; readonly y: Uint8Array; readonly d: Uint8Array };
  const suites = ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] as const;
  const byKey = await parties.knock({ rawPublicKey: { server: serverKey, own } }, { suites });
  assert.equal(byKey.suite, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8');
  await parties.close();
});

test('RFC 9202 3.2.2: a raw public key without a token opens no session', async () => {
  const parties = await new DtlsParties('rpk').start();
  const own = rawKey(8) as typeof clientKey & { readonly crv: number; readonly x: Uint8Array; readonly y: Uint8Array; readonly d: Uint8Array };
  await assert.rejects(parties.knock({ rawPublicKey: { server: serverKey, own } }), { code: 'ERR_DTLS_ALERT' });
  await parties.close();
});

test('RFC 9202 7: a token that nobody uses is forgotten after a time', async () => {
  const parties = await new DtlsParties('psk', { tokenLifetime: 1000 }).start();
  // The upload arrives, and nothing of the handshake.
  parties.simulator.filter = ({ to }) => to !== '10.0.0.2:5684';
  const failed = assert.rejects(parties.client.fetch('coap://10.0.0.2/temperature'));
  await parties.simulator.sleep(200_000);
  await failed;
  const held = (): readonly (number | undefined)[] => ['profile1.keys', 'tokens'].map((name) => parties.rs.stats()[name]);
  assert.deepEqual(held(), [1, 1]);
  await parties.simulator.sleep(200_000);
  assert.deepEqual(held(), [0, 0]);
  assert.deepEqual(
    parties.rsEvents.flatMap((event) => (event.type === 'token-ended' ? [event.reason] : [])),
    ['unused'],
  );
  parties.simulator.filter = undefined;
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5', 'the client uploads it again');
  await parties.simulator.sleep(400_000);
  assert.deepEqual(held(), [1, 1], 'what was used stays');
  await parties.close();
});

const idle: Peer = { key: 'nobody', address: '10.0.0.9', port: 1 };

/** The part for the RS, and the sessions that it has ended. */
function startRs(): { readonly rs: ProfileAtRs; readonly authenticator: Authenticator; readonly ended: string[]; readonly sim: Simulator } {
  const sim = new Simulator();
  const ended: string[] = [];
  let asked: Authenticator | undefined;
  const sessions: DtlsSessions<Peer> = {
    ...noSessions,
    authenticate: (authenticator) => {
      asked = authenticator;
      return () => {};
    },
    end: (credential) => ended.push(credential),
  };
  const admit = (): never => assert.fail('no token comes in an identity');
  const rs = dtlsProfileWith({ sessions }).rs!({ env: sim.env('rs'), store: memoryStore(), emit: () => {}, admit, forget: () => {} });
  return { rs, authenticator: asked!, ended, sim };
}

const symmetric = (kid: Uint8Array, k: Uint8Array): ClaimsSet => ({ cnf: { coseKey: { kty: 4, kid, k } } });
const token = Uint8Array.of(0xd0);
/** A request has come in a session with the key. */
const use = (rs: ProfileAtRs, { credential }: Acceptance): SecurityAssociation | undefined => {
  let seen: SecurityAssociation | undefined;
  const session = { kind: 'dtls', id: 'session 1', credential };
  rs.layers[0]!.inbound((request) => {
    seen = request.association;
  })({ code: 1, options: [], payload: emptyBytes, peer: idle, association: session }, { respond: () => {}, notify: () => {}, onCancel: () => {} });
  return seen;
};

test('RFC 9200 5.10.1: a CWT comes as application/cwt, a token of a format without a Content-Format as application/octet-stream', () => {
  const { rs } = startRs();
  const uploadIn = (...formats: readonly number[]) => {
    const options = [...pathOptions(['authz-info']), ...formats.map((format) => uintOption(OptionNumber.ContentFormat, format))];
    return rs.decodeUpload({ code: Method.POST, options, payload: token, peer: idle });
  };
  assert.deepEqual(
    [61, 42].map((format) => uploadIn(format)),
    [{ token }, { token }],
  );
  assert.deepEqual(
    [19, 0, 60].map((format) => uploadIn(format)),
    [undefined, undefined, undefined],
  );
  assert.equal(uploadIn(), undefined);
});

test('RFC 9202 4: a newer token for the key replaces the rights of its sessions, wherever it is uploaded; an older one does not', async () => {
  const { rs } = startRs();
  const first = await rs.accept({ ...symmetric(kid9, key16), exp: 1000 }, 'as1', { token });
  assert.equal(first.update, false);
  assert.equal(use(rs, first), first.association);
  const second = await rs.accept({ cnf: { kid: kid9 }, exp: 1100 }, 'as1', { token });
  assert.deepEqual([second.update, second.credential, second.association], [true, first.credential, first.association]);
  await assert.rejects(rs.accept({ ...symmetric(kid9, key16), exp: 1000 }, 'as1', { token }), { code: 'ERR_DTLS_PROFILE_OLDER', responseCode: 129 });
  // Who holds the key may step back.
  assert.equal((await rs.accept({ cnf: { kid: kid9 }, exp: 1000 }, 'as1', { token, association: first.association })).update, true);
  const dated = await rs.accept({ cnf: { kid: kid9 }, iat: 500, exp: 1200 }, 'as1', { token });
  assert.equal(dated.update, true);
  await assert.rejects(rs.accept({ cnf: { kid: kid9 }, iat: 499, exp: 1300 }, 'as1', { token }), { code: 'ERR_DTLS_PROFILE_OLDER' });
  // Tokens live for shorter since: that is no older token.
  assert.equal((await rs.accept({ cnf: { kid: kid9 }, iat: 501, exp: 800 }, 'as1', { token })).update, true);
  await assert.rejects(rs.accept({ ...symmetric(kid9, key16), exp: 1000 }, 'as1', { token }), { code: 'ERR_DTLS_PROFILE_OLDER' });
});

test('RFC 9202 4: another key under the same kid, an unknown kid and the kid of another issuer change nothing', async () => {
  const { rs, authenticator } = startRs();
  const first = await rs.accept(symmetric(kid9, key16), 'as1', { token });
  use(rs, first);
  const otherKey = new Uint8Array(16).fill(2);
  await assert.rejects(rs.accept(symmetric(kid9, otherKey), 'as1', { token }), { code: 'ERR_DTLS_PROFILE_KEY', responseCode: 128 });
  await assert.rejects(rs.accept({ cnf: { kid: Uint8Array.of(1) } }, 'as1', { token }), { code: 'ERR_DTLS_PROFILE_KEY' });
  await assert.rejects(rs.accept({ cnf: { kid: kid9 } }, 'as2', { token }), { code: 'ERR_DTLS_PROFILE_KEY' });
  await assert.rejects(rs.accept({ cnf: { coseKey: { kty: 4, k: key16 } } }, 'as1', { token }), { code: 'ERR_DTLS_PROFILE_KEY' });
  await assert.rejects(rs.accept({ cnf: { coseKey: { kty: 4, kid: Uint8Array.of(1) } } }, 'as1', { token }), { code: 'ERR_DTLS_PROFILE_KEY' });
  assert.deepEqual(await authenticator.psk!(figure9), { credential: first.credential, key: key16 });
  // Two issuers that chose one kid: the identity does not say which.
  const second = await rs.accept(symmetric(kid9, otherKey), 'as2', { token });
  assert.notEqual(second.credential, first.credential);
  assert.deepEqual(await authenticator.psk!(figure9), { alert: 'illegal_parameter' });
  rs.release(second.credential);
  assert.deepEqual(await authenticator.psk!(figure9), { credential: first.credential, key: key16 });
});

test('RFC 9202 3.3.2: an identity of no bytes is no CBOR to be read, and of nobody', async () => {
  assert.equal(await startRs().authenticator.psk!(emptyBytes), undefined);
});

test('RFC 9202 5: a token that ends takes its sessions with it, unless another for the key has come', async () => {
  const { rs, ended, sim } = startRs();
  const claims: ClaimsSet = { cnf: { coseKey: { kty: 2, crv: 1, x: clientKey.x!, y: clientKey.y! } } };
  const first = await rs.accept(claims, 'as1', { token });
  rs.release(first.credential);
  assert.equal(use(rs, first), undefined, 'nothing vouches for what comes now');
  assert.deepEqual(ended, []);
  await sim.sleep(4000);
  assert.deepEqual(ended, [first.credential]);
  const second = await rs.accept(claims, 'as1', { token });
  rs.release(second.credential);
  const third = await rs.accept(claims, 'as1', { token });
  await sim.sleep(4000);
  assert.deepEqual(ended, [first.credential]);
  assert.equal(use(rs, third), third.association);
});

test('a client and a resource server that are called like something of every object have no keys of it', async () => {
  const { as, sim } = startAs({ clientKeys: { c1: [clientKey] }, serverKeys: { rs1: serverKey }, derivationKeys: { rs2: new Uint8Array(16).fill(9) } });
  const bound = await as.bind(grant(sim, {}, { client: 'constructor', resourceServer: 'constructor' }));
  assert.equal(bound?.claims.cnf?.coseKey?.k?.length, 16, 'a fresh key, derived from nothing');
  const asked = grant(sim, { reqCnf: { coseKey: clientKey } }, { client: 'constructor' });
  await assert.rejects(async () => as.bind(asked), { code: 'ERR_DTLS_PROFILE_KEY' });
  await assert.rejects(async () => as.bind({ ...asked, client: 'c1', resourceServer: 'toString' }), { code: 'ERR_DTLS_PROFILE_KEY' });
});

test('RFC 9202 4: an update that is not answered in its session has not happened', async () => {
  const created = { code: 65, options: [], payload: emptyBytes };
  const answers = [created, { ...created, association: { kind: 'dtls', id: 'another', credential: undefined } }, { ...created, code: 129 }];
  const client = dtlsProfileWith({ sessions: noSessions }).client!({
    env: new Simulator().env('client'),
    store: memoryStore(),
    request: async () => answers.shift()!,
    emit: () => {},
  });
  const association = await client.restore(encode([kid9, key16]));
  const update = () => client.update({ accessToken: token }, association, { peer: idle, audience: 'rs1', authzInfo: ['authz-info'] });
  for (const code of ['ERR_ACE_UNPROTECTED', 'ERR_ACE_UNPROTECTED', 'ERR_ACE_UPLOAD']) await assert.rejects(update(), { code });
  await client.close();
});

test('RFC 9202 3.2.2: the AS says which key a client is to use, and without rs_cnf there is no session', async () => {
  const client = dtlsProfileWith({ sessions: noSessions, client: { ownKey: clientKey } }).client!({
    env: new Simulator().env('client'),
    store: memoryStore(),
    request: () => Promise.resolve({ code: 65, options: [], payload: emptyBytes }),
    emit: () => {},
  });
  const target = { peer: idle, audience: 'rs1', authzInfo: ['authz-info'] };
  const accessToken = token;
  const { d: _, ...other } = rawKey(4);
  for (const granted of [
    { accessToken },
    { accessToken, rsCnf: { coseKey: other }, cnf: { coseKey: other } },
    { accessToken, cnf: { coseKey: { kty: 4, kid: kid9 } } },
    { accessToken, rsCnf: { kid: kid9 } },
  ])
    await assert.rejects(client.establish(granted, target), { code: 'ERR_DTLS_PROFILE_KEY' });
  const psk = { accessToken: new Uint8Array(65_536), cnf: { coseKey: { kty: 4, kid: kid9, k: key16 } } };
  const inIdentity = dtlsProfileWith({ sessions: noSessions, client: { token: 'psk-identity' } }).client!({
    env: new Simulator().env('client'),
    store: memoryStore(),
    request: () => assert.fail('nothing is uploaded'),
    emit: () => {},
  });
  await assert.rejects(inIdentity.establish(psk, target), { code: 'ERR_DTLS_PROFILE_IDENTITY' });
  await assert.rejects(client.establish(psk, { ...target, peer: { ...idle, via: idle } }), { code: 'ERR_DTLS_PROFILE_USE' });
});
