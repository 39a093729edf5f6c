import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { accessTokenVerifier, type GuardEvent, type GuardOptions, type GuardRefusal } from '../../../../../profiles/seal/https/index.ts';
import { tokenHashText } from '../../../../../src/ace/index.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import type { LabAuthority } from '../../../../../src/pki/index.ts';
import type { HttpsRequestInit } from '../../../../../src/transport/index.ts';
import { holds } from '../../../../support/property.ts';
import { eightWays, GuardLab, makeTrust, outcome, text, val } from './guard-lab.ts';
import type { Changes } from './token-lab.ts';

const trust = await makeTrust();
const { authority } = trust;

test('TS 33.434 5.1.1.8: eight ways not to be let in, each with its reason', () => GuardLab.within(trust, {}, eightWays));

test('RFC 6750 3: what a refusal says, and what is logged of it', async () => {
  await GuardLab.within(trust, { realm: 'val "x"' }, async (lab) => {
    const bare = await lab.fetch({ headers: {} });
    assert.equal(bare.headers['www-authenticate'], `Bearer realm="val 'x'"`);
    assert.equal(bare.headers['content-type'], 'application/problem+json');
    const token = await lab.token({ scope: 'other' });
    const narrow = await lab.fetch({ token });
    assert.equal(
      narrow.headers['www-authenticate'],
      `Bearer realm="val 'x'", error="insufficient_scope", error_description="expected a token with the scope location, got one without", scope="location"`,
    );
    assert.deepEqual(JSON.parse(text(narrow.body)), {
      status: 403,
      title: 'Forbidden',
      detail: 'expected a token with the scope location, got one without',
      cause: 'scope',
    });
    const expected: readonly GuardEvent[] = [
      { type: 'refused', reason: 'no-token', status: 401, detail: 'expected an access token, got none', address: '127.0.0.1', names: ['val-a.example'] },
      {
        type: 'refused',
        reason: 'scope',
        status: 403,
        detail: 'expected a token with the scope location, got one without',
        address: '127.0.0.1',
        names: ['val-a.example'],
        token: tokenHashText(token),
        client: 'val-a.example',
      },
    ];
    assert.deepEqual(lab.events, expected);
  });
});

test('TS 33.434 A.6, RFC 6750 2: the token is in one Authorization header, and nowhere else', async () => {
  await GuardLab.within(trust, {}, async (lab) => {
    const token = await lab.token();
    const authorization = `Bearer ${token}`;
    const form = { method: 'POST', body: `access_token=${token}` };
    const type = { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' };
    const rows: readonly (readonly [HttpsRequestInit & { readonly path?: string }, string])[] = [
      [{ headers: { authorization: `bEARER  ${token}` } }, '200'],
      [{ headers: { authorization, ...type }, ...form, body: 'a=b' }, '200'],
      [{ path: '/?b=access_token', headers: { authorization } }, '200'],
      [{ path: `/?access_token=${token}`, headers: {} }, '400 invalid_request, place'],
      [{ path: `/?a=1&access%5Ftoken=${token}`, headers: { authorization } }, '400 invalid_request, place'],
      [{ headers: type, ...form }, '400 invalid_request, place'],
      [{ headers: { authorization: [authorization, authorization] } as never }, '400 invalid_request, header'],
      [{ headers: { authorization: `${authorization}, ${authorization}` } }, '400 invalid_request, header'],
      [{ headers: { authorization: 'Bearer' } }, '400 invalid_request, header'],
      [{ headers: { authorization: `Bearer ${token} x` } }, '400 invalid_request, header'],
      [{ headers: { authorization: `Bearer "${token}"` } }, '400 invalid_request, header'],
      [{ headers: { authorization: `Bearer${token}` } }, '401, no-token'],
      [{ headers: { authorization: token } }, '401, no-token'],
      [{ headers: { authorization: 'Basic dmFsOnZhbA==' } }, '401, no-token'],
      [{ headers: { authorization: `DPoP ${token}` } }, '401, no-token'],
      [{ headers: { 'proxy-authorization': authorization } }, '401, no-token'],
      [{ headers: { cookie: `access_token=${token}` } }, '401, no-token'],
    ];
    for (const [init, expected] of rows) assert.equal(await outcome(lab, lab.fetch(init)), expected, JSON.stringify(init).replaceAll(token, 'TOKEN'));
    assert.equal(JSON.stringify(lab.events).includes(token), false);
  });
});

/** A request as a framework hands it on. */
const requestWith = (fields: readonly string[], more: object = {}): IncomingMessage =>
  ({ socket: {}, url: '/', headers: {}, headersDistinct: fields.length === 0 ? {} : { authorization: fields }, ...more }) as unknown as IncomingMessage;

test('a framework that has read the form before hands it on: the token in it is refused too', async () => {
  await GuardLab.within(trust, { certificates: 'none' }, async (lab) => {
    const fields = [`Bearer ${await lab.token()}`];
    assert.equal((await lab.guard.check(requestWith(fields, { body: { a: 1 } }))).clientId, 'val-a.example');
    const isPlace = ({ reason, status }: GuardRefusal): boolean => reason === 'place' && status === 400;
    for (const header of [fields, []]) await assert.rejects(lab.guard.check(requestWith(header, { body: { access_token: 'x' } })), isPlace);
  });
});

test('RFC 8705 3: a token with a thumbprint is for that certificate, whatever its names, and for no other', async () => {
  const { cert } = trust.client;
  const thumbprint = createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url');
  const twin = await authority.issue(val);
  await GuardLab.within(trust, {}, async (lab) => {
    const bound = await lab.token({ client_id: 'app7', cnf: { 'x5t#S256': thumbprint } });
    assert.equal(await outcome(lab, lab.fetch({ token: bound })), '200');
    assert.equal(await outcome(lab, lab.fetch({ token: bound, ...twin })), '401 invalid_token, client');
  });
  await GuardLab.within(trust, { certificates: 'none' }, async (lab) => {
    assert.equal(await outcome(lab, lab.fetch({ token: await lab.token({ cnf: { 'x5t#S256': thumbprint } }) })), '401 invalid_token, client');
    assert.equal(await outcome(lab, lab.fetch()), '200');
  });
});

test('TS 33.434 5.1.1.8: the names of a certificate are those of its clients by registration', async () => {
  const registered: Readonly<Record<string, readonly string[]>> = { 'val-a.example': ['app1', 'app2'], 'urn:val:c': ['app3'] };
  const clientOf = (names: readonly string[]): readonly string[] => names.flatMap((name) => registered[name] ?? []);
  const issue = (...names: (readonly ['dns' | 'url' | 'email' | 'ip', string])[]): ReturnType<LabAuthority['issue']> =>
    authority.issue({ ...val, commonName: 'val-a.example', names: names.map(([type, value]) => ({ type, value })) });
  const rows = [
    [await issue(['dns', 'VAL-A.example']), 'app1 app2'],
    [await issue(['url', 'urn:val:c'], ['dns', 'val-a.example']), 'app1 app2 app3'],
    // Not names of whom it is for: the common name, a name of another kind, a wildcard.
    [await issue(['dns', 'x.example']), ''],
    [await issue(['email', 'urn:val:c'], ['ip', '127.0.0.1']), ''],
    [await issue(['dns', 'urn:val:c'], ['url', 'val-a.example'], ['dns', '*.example']), ''],
  ] as const;
  await GuardLab.within(trust, { clientOf }, async (lab) => {
    for (const [certificate, expected] of rows) {
      const may: string[] = [];
      for (const client of ['app1', 'app2', 'app3', 'val-a.example', '*.example']) {
        if ((await lab.fetch({ ...certificate, token: await lab.token({ client_id: client }) })).status === 200) may.push(client);
      }
      assert.equal(may.join(' '), expected);
    }
  });
});

test('TS 33.310 6.1: a certificate that OpenSSL takes, and that has not the profile, is refused where the profile is asked for', async () => {
  const full = await authority.issue({ ...val, crl: 'http://pki.example/lab.crl' });
  await GuardLab.within(trust, { certificateProfile: systemEnv }, async (lab) => {
    assert.equal(await outcome(lab, lab.fetch(full)), '200');
    assert.equal(await outcome(lab, lab.fetch()), '403, certificate-profile');
    const [event] = lab.events;
    assert.match(event!.detail, /^certificate, cRLDistributionPoints: expected the address of .* \(TS 33\.310, 6\.1\.3a\), got no such extension$/);
  });
});

test('the scope may depend on the request, and the policy has the last word', async () => {
  const options: Partial<GuardOptions> = {
    scope: ({ url }) => (url === '/open' ? undefined : url === '/both' ? 'location key-management' : 'key-management'),
    policy: async ({ valUserId, names, claims }, { method }) => method === 'GET' || (valUserId === 'anna' && names.length === 1 && claims.SKeyProv === true),
  };
  await GuardLab.within(trust, options, async (lab) => {
    const token = (changes: Changes): Promise<string> => lab.token({ scope: 'location', ...changes });
    assert.equal(await outcome(lab, lab.fetch({ path: '/open', token: await token({}) })), '200');
    assert.equal(await outcome(lab, lab.fetch({ path: '/km', token: await token({}) })), '403 insufficient_scope, scope');
    assert.equal(await outcome(lab, lab.fetch({ path: '/both', token: await token({ scope: 'key-management' }) })), '403 insufficient_scope, scope');
    assert.equal(await outcome(lab, lab.fetch({ path: '/both', token: await token({ scope: 'key-management location' }) })), '200');
    const post = { path: '/open', method: 'POST' };
    assert.equal(await outcome(lab, lab.fetch({ ...post, token: await token({}) })), '403 insufficient_scope, policy');
    assert.equal(await outcome(lab, lab.fetch({ ...post, token: await token({ val_user_id: 'anna', SKeyProv: true }) })), '200');
    const { scope, expiresAt, claims, ...caller } = lab.guard.callerOf(lab.passed.at(-1)!)!;
    assert.deepEqual(caller, { subject: 'val-a', valUserId: 'anna', valServiceIds: ['v2x'], clientId: 'val-a.example', names: ['val-a.example'] });
    assert.deepEqual([scope, expiresAt], [claims.scope, claims.exp]);
  });
});

test('a fault of the verifier lets nobody in: 503 for what cannot be known, the error handler for what was not foreseen', async () => {
  const down = accessTokenVerifier(trust.tokens.options({ env: systemEnv, keys: () => Promise.reject(new Error('down')) }));
  await GuardLab.within(trust, { verifier: down }, async (lab) => {
    const answer = await lab.fetch();
    assert.deepEqual([answer.status, answer.headers['retry-after'], answer.headers['www-authenticate']], [503, '10', undefined]);
  });
  const broken = { verify: () => Promise.reject(new Error('unforeseen')) };
  await GuardLab.within(trust, { verifier: broken }, async (lab) => assert.equal((await lab.fetch()).status, 500));
});

test('no header but the right one passes', async () => {
  await GuardLab.within(trust, { certificates: 'none' }, async (lab) => {
    const token = await lab.token();
    const good = `Bearer ${token}`;
    assert.equal((await lab.guard.check(requestWith([good]))).clientId, 'val-a.example');
    const field = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc
        .tuple(
          fc.constantFrom('', 'Bearer', 'Bearer ', 'Basic ', 'bearer\t'),
          fc.constantFrom(token, token.slice(1), `${token}=`, `${token},`, ` ${token} ${token}`),
        )
        .map((parts) => parts.join('')),
      fc.tuple(fc.nat(good.length - 1), fc.string({ maxLength: 2 })).map(([at, put]) => good.slice(0, at) + put + good.slice(at + 1)),
    );
    await holds(
      'guard-header',
      { quick: 100, full: 20_000 },
      fc.asyncProperty(fc.array(field, { maxLength: 2 }), async (fields) => {
        if (fields.length === 1 && /^bearer +/i.test(fields[0]!) && fields[0]!.replace(/^bearer +/i, '').trimEnd() === token) return;
        await assert.rejects(lab.guard.check(requestWith(fields)), ({ code }: GuardRefusal) => code === 'ERR_SEAL_GUARD');
      }),
    );
  });
});

test('429 with Retry-After: whoever shows wrong tokens; not those of the same address with another certificate', async () => {
  const failures = { client: { burst: 3, rate: 1 / 60 }, address: { burst: 100, rate: 1 } };
  await GuardLab.within(trust, { failures }, async (lab) => {
    const neighbour = await authority.issue({ ...val, commonName: 'val-a2' });
    const guess = (): ReturnType<GuardLab['fetch']> => lab.fetch({ headers: { authorization: 'Bearer a.b.c' } });
    const old = await lab.token({ exp: Math.floor(systemEnv.epoch()) - 1 });
    // What the issuer has made, what is no token, and no token at all are no guesses.
    for (let i = 0; i < 4; i++) assert.equal(await outcome(lab, lab.fetch({ token: old })), '401 invalid_token, expired');
    for (let i = 0; i < 4; i++) assert.equal(await outcome(lab, lab.fetch({ headers: { authorization: 'Bearer ?' } })), '400 invalid_request, header');
    for (let i = 0; i < 4; i++) assert.equal(await outcome(lab, lab.fetch({ headers: {} })), '401, no-token');
    for (let i = 0; i < 3; i++) assert.equal(await outcome(lab, guess()), '401 invalid_token, malformed');
    const refused = await guess();
    assert.deepEqual([refused.status, refused.headers['www-authenticate'], JSON.parse(text(refused.body)).cause], [429, undefined, 'rate-credentials']);
    assert.ok(Number(refused.headers['retry-after']) > 50);
    // Nor is a good one looked at until then.
    assert.equal(await outcome(lab, lab.fetch()), '429, rate-credentials');
    assert.equal(await outcome(lab, lab.fetch(neighbour)), '200');
  });
});

test('a holder of a good token does not wait for those who guess from the same address, and its token opens nothing with another certificate', async () => {
  const failures = { client: { burst: 100, rate: 1 }, address: { burst: 2, rate: 1 / 60 } };
  await GuardLab.within(trust, { failures }, async (lab) => {
    const thief = await authority.issue({ ...val, names: [{ type: 'dns', value: 'val-b.example' }] });
    assert.equal(await outcome(lab, lab.fetch()), '200');
    for (let i = 0; i < 2; i++) assert.equal(await outcome(lab, lab.fetch(thief)), '403 invalid_token, client');
    assert.equal(await outcome(lab, lab.fetch(thief)), '429, rate-credentials');
    assert.equal(await outcome(lab, lab.fetch()), '200');
  });
});

test('without certificates a token that was good from there does not wait, and any other does; `failures: false` has no limit', async () => {
  const guess = { authorization: 'Bearer a.b.c' };
  await GuardLab.within(trust, { certificates: 'none', failures: { address: { burst: 2, rate: 1 / 60 } } }, async (lab) => {
    const token = await lab.token();
    assert.equal(await outcome(lab, lab.fetch({ token })), '200');
    for (let i = 0; i < 2; i++) assert.equal(await outcome(lab, lab.fetch({ headers: guess })), '401 invalid_token, malformed');
    assert.equal(await outcome(lab, lab.fetch({ token })), '200');
    assert.equal(await outcome(lab, lab.fetch({ token: await lab.token({ jti: 'next' }) })), '429, rate-credentials');
  });
  await GuardLab.within(trust, { certificates: 'none', failures: false }, async (lab) => {
    for (let i = 0; i < 150; i++) assert.equal((await lab.fetch({ headers: guess })).status, 401);
  });
});
