import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CompactEncrypt, exportJWK, exportSPKI, generateKeyPair, importJWK, type JSONWebKeySet } from 'jose';
import { type AccessTokenVerifier, accessTokenVerifier, type BearerError, type BearerReason } from '../../../../../profiles/seal/https/index.ts';
import { jwtHashes, tokenHashText } from '../../../../../src/ace/index.ts';
import { holds } from '../../../../support/property.ts';
import { type Changes, claims, issuer, start, TokenLab } from './token-lab.ts';

const lab = await TokenLab.make();

const isReason =
  (reason: BearerReason) =>
  (error: unknown): boolean => {
    assert.deepEqual([(error as BearerError).code, (error as BearerError).reason], ['ERR_SEAL_BEARER', reason], (error as Error).stack);
    return true;
  };

const refused = (token: string, reason: BearerReason, what: string): Promise<void> =>
  assert.rejects(accessTokenVerifier(lab.options()).verify(token), isReason(reason), what);

test('RFC 9068 4: a token of the issuer for this resource server is taken, with each algorithm', async () => {
  for (const algorithm of ['ES256', 'ES384', 'EdDSA'] as const) {
    const one = await TokenLab.make(algorithm);
    const verifier = accessTokenVerifier(one.options());
    assert.deepEqual(await verifier.verify(await one.token({ extra: 1 } as Changes)), claims(start), algorithm);
    const all = { aud: ['km', 'lm'], nbf: start, cnf: { 'x5t#S256': 'A'.repeat(43) }, SKeyProv: true, resOwnerId: 'anna', val_user_id: 'anna' };
    assert.deepEqual(await verifier.verify(await one.token(all, { typ: 'application/AT+JWT' })), { ...claims(start), ...all });
  }
});

test('TS 33.434 A.2.2.2, RFC 9068 2.2: a claim that is missing, or not of its type, is refused', async () => {
  const name = 'x'.repeat(256);
  const bad: readonly Changes[] = [
    ...Object.keys(claims(start)).flatMap((claim) => (claim === 'val_service_ids' ? [] : [{ [claim]: undefined }, { [claim]: null }, { [claim]: {} }])),
    ...[{ sub: name }, { sub: '' }, { sub: 'a\nb' }, { jti: 1 }, { client_id: ['val-a.example'] }],
    ...[{ exp: start + 240.5 }, { exp: String(start + 240) }, { iat: 1e30 }, { iat: -1 }, { nbf: 1.5 }, { exp: start + 240, nbf: 'now' }],
    ...[{ scope: '' }, { scope: ' a' }, { scope: 'a  b' }, { scope: 'a"b' }, { scope: ['location'] }],
    ...[{ aud: [] }, { aud: ['lm', 1] }, { val_service_ids: 'v2x' }, { SKeyProv: 'yes' }, { val_user_id: 7 }],
    ...[{ cnf: {} }, { cnf: 'x' }, { cnf: { jkt: 'A'.repeat(43) } }, { cnf: { 'x5t#S256': 'A'.repeat(43), jkt: 'A' } }, { cnf: { 'x5t#S256': 'A' } }],
  ];
  for (const changes of bad) await refused(await lab.token(changes), 'claims', JSON.stringify(changes));
});

test('TS 33.434 A.7.2: each check of the resource server, and the leeway of at most 30 seconds', async () => {
  await refused(await lab.token({ iss: `${issuer}/` }), 'issuer', 'another issuer');
  for (const aud of ['LM', 'lm/', 'l', ['km', 'lm2']]) await refused(await lab.token({ aud }), 'audience', String(aud));
  await refused(await lab.token({ exp: start }), 'expired', 'expired');
  await refused(await lab.token({ iat: start + 1 }), 'claims', 'from the future');
  await refused(await lab.token({ nbf: start + 1 }), 'claims', 'not yet');
  const lenient = accessTokenVerifier(lab.options({ leeway: 30 }));
  await lenient.verify(await lab.token({ exp: start - 29, iat: start + 30 }));
  await assert.rejects(lenient.verify(await lab.token({ exp: start - 31 })), isReason('expired'));
  for (const leeway of [31, -1, Number.NaN]) assert.throws(() => accessTokenVerifier(lab.options({ leeway })), RangeError);
  const system = accessTokenVerifier(lab.options({ valSystem: 'val.example' }));
  await system.verify(await lab.token({ val_system_id: 'val.example' }));
  for (const changes of [{}, { val_system_id: 'other.example' }]) await assert.rejects(system.verify(await lab.token(changes)), isReason('claims'));
});

const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('RFC 8725 3.1: no algorithm but those of the verifier: none, a public key as a secret, RSA, and what is encrypted', async () => {
  const [header, body, signature] = (await lab.token()).split('.') as [string, string, string];
  const unsigned = json({ alg: 'none', typ: 'at+jwt' });
  for (const token of [`${unsigned}.${body}.`, `${unsigned}.${body}.${signature}`]) await refused(token, 'algorithm', 'none');
  const key = await importJWK({ ...lab.keys.keys[0]!, ext: true }, 'ES256');
  const head = json({ alg: 'HS256', typ: 'at+jwt', kid: lab.kid });
  for (const secret of [await exportSPKI(key as Parameters<typeof exportSPKI>[0]), JSON.stringify(lab.keys.keys[0])]) {
    const mac = createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url');
    await refused(`${head}.${body}.${mac}`, 'algorithm', 'HS256');
  }
  await refused(`${json({ alg: 'RS256', typ: 'at+jwt' })}.${body}.${signature}`, 'algorithm', 'RS256');
  const jwe = await new CompactEncrypt(Buffer.from('{}')).setProtectedHeader({ alg: 'dir', enc: 'A128GCM', typ: 'at+jwt' }).encrypt(new Uint8Array(16));
  await refused(jwe, 'algorithm', 'JWE');
  await refused(`${header}.${body}.`, 'signature', 'no signature');
  for (const token of ['', 'x', `${header}.${body}`, `${header}.${body}.${signature}.`, `a.${header}.${body}.${signature}`])
    await refused(token, 'malformed', token);
  await refused('x'.repeat(8193), 'malformed', 'too long');
});

test('RFC 8725 3: a key of the choice of the token, critical parameters, b64, another type, a token in a token', async () => {
  const body = JSON.stringify(claims(start));
  const good = { alg: 'ES256', typ: 'at+jwt', kid: lab.kid };
  assert.equal((await accessTokenVerifier(lab.options()).verify(await lab.signed(JSON.stringify(good), body))).sub, 'val-a');
  const bad = [
    ...[{ jwk: lab.keys.keys[0] }, { jku: 'https://evil.example/jwks' }, { x5u: 'https://evil.example/' }, { x5c: ['AA=='] }],
    ...[{ crit: ['exp'], exp: 1 }, { crit: [] }, { b64: false, crit: ['b64'] }, { b64: true }, { cty: 'JWT' }, { enc: 'A128GCM' }, { zip: 'DEF' }],
    ...[{ typ: 'JWT' }, { typ: undefined }, { typ: 'at+jwt2' }, { typ: 7 }, { kid: 7 }, { kid: null }],
  ];
  for (const more of bad) await refused(await lab.signed(JSON.stringify({ ...good, ...more }), body), 'malformed', JSON.stringify(more));
  await refused(await lab.signed(JSON.stringify(good), JSON.stringify(await lab.token())), 'malformed', 'a token in a token');
});

test('RFC 7519 4: who writes a member twice is not read', async () => {
  const head = JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: lab.kid });
  const body = JSON.stringify(claims(start));
  const doubled = [
    [head, body.replace('{', '{"sub":"val-b",')],
    [head, body.replace('{', '{"s\\u0075b":"val-b",')],
    [head, body.replace('{', '{"extra":[{"a":":","a":1}],')],
    [head.replace('{', '{"alg":"none",'), body],
    [head, `${body.slice(0, -1)},"deep":${'['.repeat(3000)}${']'.repeat(3000)},"sub":"val-b"}`],
  ] as const;
  for (const [header, payload] of doubled) await refused(await lab.signed(header, payload), 'malformed', payload.slice(0, 80));
  const quoted = body.replace('{', '{"extra":{"a:b":"\\":,","c\\\\":"{\\"sub\\":1}"},');
  assert.equal((await accessTokenVerifier(lab.options()).verify(await lab.signed(head, quoted))).sub, 'val-a');
});

test('keys that are asked for: once for many tokens, again for one that they have not, and seldom whatever tokens name', async () => {
  let now = 0;
  let served: JSONWebKeySet | undefined = lab.keys;
  let asked = 0;
  const keys = async (): Promise<JSONWebKeySet> => {
    asked++;
    if (served === undefined) throw new Error('out of reach');
    return served;
  };
  const verifier = accessTokenVerifier(lab.options({ keys, env: { now: () => now * 1000, epoch: () => start } }));
  const tokens = await Promise.all([1, 2, 3].map((jti) => lab.token({ jti: `j${jti}` })));
  await Promise.all(tokens.map((token) => verifier.verify(token)));
  assert.equal(asked, 1);
  const next = await TokenLab.make('ES256', 'k2');
  const rotated = await next.token();
  await assert.rejects(verifier.verify(rotated), isReason('signature'));
  assert.equal(asked, 1, 'too soon');
  now = 11;
  served = { keys: [...lab.keys.keys, ...next.keys.keys] };
  await Promise.all([verifier.verify(rotated), verifier.verify(tokens[0]!)]);
  assert.equal(asked, 2, 'both keys for a time');
  for (now = 12; now < 100; now++) await assert.rejects(verifier.verify(await next.token({}, { kid: `stranger${now}` })), isReason('signature'));
  assert.ok(asked <= 2 + 9, `asked ${asked} times`);
  served = next.keys;
  now = 1000;
  await verifier.verify(rotated);
  await assert.rejects(verifier.verify(await lab.token({ jti: 'late' })), isReason('signature'), 'the old key is gone');
  served = undefined;
  now = 2000;
  await verifier.verify(await next.token({ jti: 'a' }));
  now = 5000;
  await assert.rejects(verifier.verify(await next.token({ jti: 'b' })), (error: BearerError) => error.status === 503 && error.reason === 'unavailable');
});

test('RFC 9068 4: a key that goes while a signature of it is checked vouches for that one token, once', async () => {
  let now = 0;
  let served = lab.keys;
  const verifier = accessTokenVerifier(lab.options({ keys: async () => served, env: { now: () => now * 1000, epoch: () => start } }));
  const [token, late] = [await lab.token(), await lab.token({ jti: 'late' })];
  await verifier.verify(token);
  const next = await TokenLab.make('ES256', 'k2');
  const rotated = await next.token();
  served = next.keys;
  now = 11;
  await Promise.all([verifier.verify(late), verifier.verify(rotated)]);
  for (const old of [token, late]) await assert.rejects(verifier.verify(old), isReason('signature'));
});

test('RFC 9068 4: a key that the issuer has taken away vouches for no token ten minutes later, taken before or not, and none counts for ever', async () => {
  let now = 0;
  let served: JSONWebKeySet | undefined = lab.keys;
  const keys = async (): Promise<JSONWebKeySet> => served ?? Promise.reject(new Error('gone'));
  const verifierOf = (): AccessTokenVerifier => accessTokenVerifier(lab.options({ keys, env: { now: () => now * 1000, epoch: () => start } }));
  const token = await lab.token();
  const [verifier, alone] = [verifierOf(), verifierOf()];
  for (const each of [verifier, alone]) await each.verify(token);
  served = (await TokenLab.make('ES256', 'k2')).keys;
  now = 599;
  await verifier.verify(token);
  now = 601;
  await assert.rejects(verifier.verify(token), isReason('signature'));
  served = undefined;
  await alone.verify(token);
  now = 3601;
  await assert.rejects(alone.verify(token), isReason('unavailable'));
});

test('a key that is no public signature key is none of the issuer', async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const secret = await exportJWK(privateKey);
  const token = await lab.token();
  for (const keys of [[], [{ kty: 'oct', k: 'AAAA', kid: 'k1' }], [{ ...secret, kid: 'k1' }], [{ ...lab.keys.keys[0]!, use: 'enc' }]]) {
    await assert.rejects(accessTokenVerifier(lab.options({ keys: { keys } as never })).verify(token), isReason('signature'));
  }
  assert.throws(() => accessTokenVerifier(lab.options({ keys: { keys: 'k1' } as never })));
});

test('RFC 9770 11.1: a token that was revoked is refused in each of its forms, also once it has been taken', async () => {
  const revoked = new Set<string>();
  const verifier = accessTokenVerifier(lab.options({ isRevoked: (hash) => revoked.has(hash) }));
  const token = await lab.token();
  await verifier.verify(token);
  revoked.add(tokenHashText(token));
  await assert.rejects(verifier.verify(token), isReason('revoked'));
  // (r, n - s) verifies as well as (r, s), and has another hash.
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [header, body, signature] = token.split('.') as [string, string, string];
  const bytes = Buffer.from(signature, 'base64url');
  const other = (order - BigInt(`0x${bytes.toString('hex', 32)}`)).toString(16).padStart(64, '0');
  const twin = `${header}.${body}.${Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64url')}`;
  assert.deepEqual(
    jwtHashes(token, 'ES256'),
    [token, twin].map((one) => tokenHashText(one)),
  );
  await assert.rejects(verifier.verify(twin), isReason('revoked'));
  revoked.clear();
  await verifier.verify(twin);
  // Two bits of the last character count for nothing: a second way to write the same bytes.
  const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const loose = token.slice(0, -1) + last[last.indexOf(token.at(-1)!) ^ 1];
  await assert.rejects(verifier.verify(loose), isReason('malformed'));
  const blind = accessTokenVerifier(lab.options({ isRevoked: () => Promise.reject(new Error('down')) }));
  await assert.rejects(blind.verify(token), isReason('unavailable'));
});

/** Any character but halves of a surrogate pair. The `binary` of fast-check makes a table of all of them first, which takes a second. */
const character = fc.oneof(fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff })).map((point) => String.fromCodePoint(point));

test('no token that differs in one character, or is cut or put together anew, is taken', async () => {
  const token = await lab.token();
  const parts = [token, await lab.token({ sub: 'val-b', client_id: 'val-b.example' })].map((one) => one.split('.'));
  const verifier = accessTokenVerifier(lab.options());
  const wrong = fc.oneof(
    fc
      .tuple(fc.nat(token.length - 1), fc.string({ minLength: 0, maxLength: 2, unit: 'binary-ascii' }))
      .map(([at, text]) => token.slice(0, at) + text + token.slice(at + 1)),
    fc.nat(token.length - 1).map((length) => token.slice(0, length)),
    fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)).map((from) => from.map((source, part) => parts[source]![part]).join('.')),
    fc.string({ unit: character, maxLength: 300 }),
    fc.json().map((text) => [json({ alg: 'ES256', typ: 'at+jwt' }), Buffer.from(text).toString('base64url'), parts[0]![2]].join('.')),
  );
  await holds(
    'access-token',
    { quick: 80, full: 20_000 },
    fc.asyncProperty(wrong, async (one) => {
      if (one === token || one === parts[1]!.join('.')) return;
      await assert.rejects(verifier.verify(one), ({ code }: BearerError) => code === 'ERR_SEAL_BEARER');
    }),
  );
});
