import assert from 'node:assert/strict';
import type { BearerError, BearerReason, Guard } from '../../../../profiles/seal/https/index.ts';
import type { TransportError } from '../../../../src/transport/index.ts';
import type { GuardLab, Trust } from '../https/guard/guard-lab.ts';
import type { Changes } from '../https/guard/token-lab.ts';
import type { Rows } from './lab.ts';

type GuardOptions = Partial<ConstructorParameters<typeof Guard>[0]>;

/** What other rows do without: JOSE, X.509 and the lab, made once. */
let loaded: ReturnType<typeof load> | undefined;

async function load() {
  const [lab, { accessTokenVerifier }, { LabAuthority, lintCertificate }, { probeTls, serveHttps }, { systemEnv }, { certificatesOfPem }, { Tap }] =
    await Promise.all([
      import('../https/guard/guard-lab.ts'),
      import('../../../../profiles/seal/https/index.ts'),
      import('../../../../src/pki/index.ts'),
      import('../../../../src/transport/index.ts'),
      import('../../../../src/core/env.ts'),
      import('../../../../src/core/pem.ts'),
      import('../../../support/tcp-tap.ts'),
    ]);
  return { ...lab, accessTokenVerifier, LabAuthority, lintCertificate, probeTls, serveHttps, systemEnv, certificatesOfPem, Tap, trust: await lab.makeTrust() };
}

type Bench = Awaited<ReturnType<typeof load>>;

async function within(options: GuardOptions, use: (lab: GuardLab, bench: Bench & { readonly trust: Trust }) => Promise<void>): Promise<void> {
  const bench = await (loaded ??= load());
  await bench.GuardLab.within(bench.trust, options, (lab) => use(lab, bench));
}

const isShutOut = ({ code }: TransportError): boolean => code === 'ERR_TRANSPORT_HTTPS';

/** Each token is refused for this reason. */
async function refused(reason: BearerReason, tokens: readonly (string | Promise<string>)[]): Promise<void> {
  const { accessTokenVerifier, trust } = await (loaded ??= load());
  const verifier = accessTokenVerifier(trust.tokens.options());
  for (const token of tokens) await assert.rejects(verifier.verify(await token), (error) => (error as BearerError).reason === reason);
}

/** The rows of SEAL-S and T8 that mutual TLS and the guard of a resource server answer for. */
export const rows: Rows = {
  'R-024': () =>
    within({}, async (lab, { trust: { authority }, LabAuthority, systemEnv, val, serveHttps, host }) => {
      assert.equal((await lab.fetch()).status, 200);
      const stranger = await LabAuthority.make('lab', systemEnv);
      const bad = [
        { cert: '', key: '' },
        await stranger.issue(val),
        await authority.issue({ ...val, notAfter: systemEnv.epoch() - 60 }),
        await authority.issue({ ...val, usage: ['server'] }),
      ];
      for (const shown of bad) await assert.rejects(lab.fetch(shown), isShutOut);
      // The client knows the server as well.
      const others = [await stranger.issue(host), await authority.issue({ ...host, names: [{ type: 'dns', value: 'other.example' }] })];
      for (const own of others) {
        const server = await serveHttps({ ...own, clientCa: authority.cert }, (_request, response) => response.end());
        await assert.rejects(lab.fetch({ port: server.port }), isShutOut).finally(() => server.close());
      }
      assert.equal(lab.passed.length, 1);
    }),
  'R-025': () =>
    within({}, async (_lab, { trust: { authority }, val, systemEnv, lintCertificate, certificatesOfPem, GuardLab, trust }) => {
      const full = { ...val, crl: 'http://pki.example/lab.crl' };
      const good = await authority.issue(full);
      const without = (oid: string) => authority.issue({ ...full, extensions: (usual) => usual.filter(({ type }) => type !== oid) });
      const noUsage = await without('2.5.29.15');
      const { Extension } = await import('@peculiar/x509');
      const agreement = new Extension('2.5.29.15', true, Uint8Array.of(3, 2, 3, 8));
      const rows = [
        [good, ''],
        [noUsage, 'keyUsage'],
        [await authority.issue({ ...full, extensions: (usual) => [...usual.filter(({ type }) => type !== '2.5.29.15'), agreement] }), 'keyUsage'],
        [await without('2.5.29.17'), 'subjectAltName'],
        [await without('2.5.29.37'), 'extKeyUsage'],
        [await authority.issue(val), 'cRLDistributionPoints'],
      ] as const;
      for (const [{ cert }, field] of rows) {
        const findings = lintCertificate(certificatesOfPem(cert)[0]!, { as: 'client', now: systemEnv.epoch() });
        assert.equal(findings.map((finding) => finding.field).join(), field);
      }
      await GuardLab.within(trust, { certificateProfile: systemEnv }, async (strict) => {
        assert.equal((await strict.fetch(good)).status, 200);
        assert.equal((await strict.fetch(noUsage)).status, 403);
      });
    }),
  'R-026': () =>
    within({ policy: ({ names }) => names[0] !== 'val-c.example' }, async (lab, { trust: { authority }, val }) => {
      const [b, c] = await Promise.all(['b', 'c'].map((name) => authority.issue({ ...val, names: [{ type: 'dns', value: `val-${name}.example` }] })));
      assert.equal((await lab.fetch()).status, 200);
      assert.equal((await lab.fetch(b)).status, 403);
      assert.equal((await lab.fetch({ token: await lab.token({ client_id: 'val-b.example' }) })).status, 403);
      assert.equal((await lab.fetch({ ...b, token: await lab.token({ client_id: 'val-b.example' }) })).status, 200);
      assert.equal((await lab.fetch({ ...c, token: await lab.token({ client_id: 'val-c.example' }) })).status, 403);
    }),
  'R-028': () =>
    within({}, async (lab, { Tap }) => {
      const token = await lab.token();
      await Tap.within(lab.port, async (tap) => {
        assert.equal((await lab.fetch({ port: tap.port, token, method: 'POST', body: 'in the clear' })).status, 200);
        for (const text of [token, 'in the clear', 'authorization']) assert.equal(tap.saw(text), false, text);
        // What was said once opens nothing when it is said again.
        await tap.replay();
        tap.spoil = true;
        await assert.rejects(lab.fetch({ port: tap.port, token }), isShutOut);
      });
      assert.equal(lab.passed.length, 1);
    }),
  'R-029': () =>
    within({}, async (lab, { probeTls, trust: { authority, client } }) => {
      const checks = await probeTls('127.0.0.1', lab.port, { ca: authority.cert, ...client });
      assert.deepEqual(
        checks.filter(({ outcome }) => outcome !== 'pass'),
        [],
      );
      assert.ok(checks.length > 20);
    }),
  'R-030': () =>
    within({}, async (lab) => {
      const now = Math.floor(Date.now() / 1000);
      const statusOf = async (changes: Changes): Promise<number> => (await lab.fetch({ token: await lab.token(changes) })).status;
      assert.equal(await statusOf({}), 200);
      assert.equal((await lab.fetch({ headers: {} })).status, 401);
      assert.equal(await statusOf({ exp: now - 1 }), 401);
      assert.equal(await statusOf({ scope: 'key-management' }), 403);
    }),
  'R-105': async () => {
    const { trust } = await (loaded ??= load());
    const [header, body, signature] = (await trust.tokens.token()).split('.') as [string, string, string];
    const head = (fields: object): string => Buffer.from(JSON.stringify({ typ: 'at+jwt', ...fields })).toString('base64url');
    const { createHmac } = await import('node:crypto');
    const confused = `${head({ alg: 'HS256', kid: trust.tokens.kid })}.${body}`;
    const mac = createHmac('sha256', JSON.stringify(trust.tokens.keys.keys[0])).update(confused).digest('base64url');
    await refused('algorithm', [`${head({ alg: 'none' })}.${body}.`, `${confused}.${mac}`]);
    await refused('signature', [`${header}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`, `${header}.${body}.`]);
    await refused('malformed', [trust.tokens.token({}, { b64: false, crit: ['b64'] }).catch(() => ''), trust.tokens.token({}, { typ: 'JWT' })]);
  },
  'R-118': () =>
    within({}, async (lab) => {
      const token = await lab.token();
      const authorization = `Bearer ${token}`;
      const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `access_token=${token}` };
      assert.equal((await lab.fetch({ headers: { authorization } })).status, 200);
      const rows = [form, { path: `/?access_token=${token}`, headers: {} }, { path: `/?access_token=${token}`, headers: { authorization } }];
      for (const init of rows) {
        const { status, headers } = await lab.fetch(init);
        assert.equal(status, 400);
        assert.match(headers['www-authenticate']!, /error="invalid_request"/);
      }
    }),
  'R-119': async () => {
    const revoked = new Set<string>();
    const { accessTokenVerifier, systemEnv, trust } = await (loaded ??= load());
    const verifier = accessTokenVerifier(trust.tokens.options({ env: systemEnv, isRevoked: (hash) => revoked.has(hash) }));
    const { tokenHashText } = await import('../../../../src/ace/index.ts');
    await within({ verifier }, async (lab) => {
      const token = await lab.token();
      assert.equal((await lab.fetch({ token })).status, 200);
      revoked.add(tokenHashText(token));
      const rows = [
        [token, 'error="invalid_token", error_description="the token was revoked"'],
        [await lab.token({ exp: 1 }), 'error="invalid_token", error_description="the token has expired"'],
        [await lab.token({ scope: 'other' }), 'error="insufficient_scope"'],
      ] as const;
      for (const [bad, said] of rows) assert.ok((await lab.fetch({ token: bad })).headers['www-authenticate']!.includes(said), said);
    });
  },
  'R-121': async () => {
    const { trust } = await (loaded ??= load());
    const { TokenLab, start } = await import('../https/guard/token-lab.ts');
    const stranger = await TokenLab.make();
    await refused('signature', [stranger.token()]);
    await refused('issuer', [trust.tokens.token({ iss: 'https://other.example' })]);
    await refused('audience', [trust.tokens.token({ aud: 'km' }), trust.tokens.token({ aud: ['km'] })]);
    await refused('expired', [trust.tokens.token({ exp: start })]);
    await refused('claims', [
      ...['exp', 'scope', 'client_id', 'sub'].map((name) => trust.tokens.token({ [name]: undefined })),
      trust.tokens.token({ iat: start + 1 }),
    ]);
  },
  'R-402': () =>
    within({}, async (_lab, { LabAuthority, systemEnv, val, trust, serveHttps }) => {
      const [other, third] = await Promise.all([LabAuthority.make('other domain', systemEnv), LabAuthority.make('third domain', systemEnv)]);
      const server = await serveHttps({ ...trust.server, clientCa: [trust.authority.cert, other.cert] }, (_request, response) => response.end());
      try {
        const { fetchHttps } = await import('../../../../src/transport/index.ts');
        const fetch = async (authority: typeof other, ca = trust.authority.cert): Promise<number> =>
          (await fetchHttps(`https://127.0.0.1:${server.port}/`, { ca, ...(await authority.issue(val)) })).status;
        assert.equal(await fetch(other), 200);
        await assert.rejects(fetch(third), isShutOut);
        await assert.rejects(fetch(other, other.cert), isShutOut);
      } finally {
        await server.close();
      }
    }),
};
