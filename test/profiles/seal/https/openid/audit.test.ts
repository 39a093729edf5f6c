import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { AuditedEvent } from '../../../../../src/as/index.ts';
import { AuditLog, readAudit, verifyAudit } from '../../../../../src/operate/index.ts';
import { pause, until } from '../../../../support/wait.ts';
import { anna, appSecret, inOpenIdLab, password, serverSecret } from './openid-lab.ts';

/** A sink that holds back what it is told to, or fails at it. */
class Sink {
  readonly entries: AuditedEvent[] = [];
  broken = false;
  #held: (() => void)[] | undefined;

  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const done of held) done();
  }

  get waiting(): number {
    return this.#held?.length ?? 0;
  }

  append(event: AuditedEvent): Promise<void> {
    this.entries.push(event);
    if (this.broken) return Promise.reject(new Error('the disk is full'));
    const held = this.#held;
    return held === undefined ? Promise.resolve() : new Promise((done) => held.push(done));
  }
}

test('logins, codes and tokens over HTTPS stand in the hash-chained audit log, without a secret', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-audit-'));
  const log = await AuditLog.open({ folder, version: '0' });
  const secrets: string[] = [password, appSecret, serverSecret, encodeURIComponent(appSecret)];
  try {
    await inOpenIdLab(
      async (lab) => {
        await assert.rejects(lab.codeWith('not the right one'));
        const code = await lab.code();
        const { body } = await lab.exchange(code);
        const again = await lab.refresh(body['refresh_token']);
        assert.equal(again.status, 200);
        const token = String(again.body['access_token']);
        secrets.push(
          code,
          ...[body, again.body].flatMap((each) =>
            Object.values(each)
              .map(String)
              .filter((text) => text.length > 20),
          ),
        );
        assert.equal((await lab.post('/introspect', { token })).body['active'], true);
        await lab.post('/revoke', { token: String(again.body['refresh_token']) });
        assert.equal((await lab.post('/introspect', { token })).body['active'], false);
        assert.equal((await lab.exchange(code)).status, 400);
        assert.equal((await lab.post('/token', { grant_type: 'client_credentials', scope: 'km' }, 'val1', 'wrong')).status, 401);
        const other = await lab.post('/token', { grant_type: 'client_credentials', scope: 'km' }, 'val1', serverSecret);
        secrets.push(String(other.body['access_token']));
      },
      { simS: { audit: log } },
    );
    await log.close();
    const entries: Record<string, unknown>[] = [];
    for await (const { event } of readAudit(folder)) entries.push({ ...event });
    const told = entries.map(({ type, reason, grant, active }) => [type, reason ?? grant ?? active].filter((text) => text !== undefined).join(' '));
    for (const expected of [
      'login-refused credentials',
      'login',
      'code-issued',
      'token-issued authorization_code',
      'token-issued refresh_token',
      'introspected true',
      'token-revoked',
      'grant-revoked revocation',
      'introspected false',
      'token-refused invalid_grant',
      'refused unknown-client',
      'token-issued client_credentials',
    ])
      assert.ok(told.includes(expected), `${expected}: ${told.join(', ')}`);
    const issued = entries.find(({ type }) => type === 'code-issued');
    assert.deepEqual([issued?.['user'], issued?.['client'], issued?.['scope']], [anna, 'app', 'openid km']);
    assert.deepEqual((await verifyAudit(folder)).problems, []);
    const written = readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
    for (const secret of secrets) assert.ok(!written.includes(secret), `a secret is in the audit log: ${secret.slice(0, 4)}...`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('nothing is answered before its entry is durable', () => {
  const within = (use: (parts: { readonly lab: Lab; readonly sink: Sink }) => Promise<void>): Promise<void> => {
    const sink = new Sink();
    return inOpenIdLab((lab) => use({ lab, sink }), { simS: { audit: sink } });
  };
  type Lab = Parameters<Parameters<typeof inOpenIdLab>[0]>[0];

  const acts: Readonly<Record<string, (lab: Lab, code: string) => Promise<{ readonly status: number }>>> = {
    'a token': (lab, code) => lab.exchange(code),
    'a refused token': (lab, code) => lab.exchange(code, { code_verifier: 'another-code-verifier-of-forty-three-characters' }),
    introspection: (lab, code) => lab.post('/introspect', { token: code }),
    'a client that is none': (lab) => lab.post('/token', { grant_type: 'client_credentials' }, 'app', 'wrong'),
    'a client that is none, in HTML': async (lab) => lab.fetch(`${lab.issuer}/token`, { method: 'POST', headers: { Accept: 'text/html' }, body: '' }),
    'a request that is refused': (lab) => lab.fetch(lab.authorizationUri({ acr_values: undefined })),
  };
  for (const [name, act] of Object.entries(acts)) {
    test(name, () =>
      within(async ({ lab, sink }) => {
        const code = await lab.code();
        sink.hold();
        let answered = false;
        const answer = act(lab, code).finally(() => {
          answered = true;
        });
        await until(() => sink.waiting > 0);
        await pause(50);
        assert.equal(answered, false);
        sink.release();
        assert.notEqual((await answer).status, 503);
      }),
    );
  }

  test('a login', () =>
    within(async ({ lab, sink }) => {
      sink.hold();
      const code = lab.code();
      await until(() => sink.waiting > 0);
      await pause(50);
      assert.deepEqual(
        sink.entries.map(({ type }) => type),
        ['login'],
      );
      sink.release();
      await code;
    }));

  test('where it cannot be written, the answer is 503 with Retry-After, and no token and no login leaves', () =>
    within(async ({ lab, sink }) => {
      const code = await lab.code();
      sink.broken = true;
      const { status, headers, body } = await lab.exchange(code);
      assert.deepEqual([status, headers['retry-after'], body], [503, '5', { error: 'temporarily_unavailable' }]);
      await assert.rejects(lab.code(), /another \(503\)/);
      sink.broken = false;
      assert.equal((await lab.fetch(`${lab.issuer}/jwks`)).status, 200);
      await lab.tokens();
    }));

  test('refusals of strangers beyond a rate have no entry and no answer but 429; the next that is written says how many they were', () =>
    within(async ({ lab, sink }) => {
      const ask = (): Promise<{ readonly status: number }> => lab.fetch(lab.authorizationUri({ client_id: 'nobody' }));
      let now = lab.env.now();
      lab.env.now = () => now;
      const answers = await Promise.all(Array.from({ length: 100 }, ask));
      const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
      assert.deepEqual([count(400), count(429), sink.entries.length], [64, 36, 64]);
      now += 500;
      await ask();
      const total = sink.entries.reduce((sum, event) => sum + ((event as { readonly unrecorded?: number }).unrecorded ?? 0), 0);
      assert.equal(total, count(429));
    }));
});

test('an attempt while there is a lock is refused, and told with its reason', () =>
  inOpenIdLab(async (lab) => {
    for (let attempt = 0; attempt < 6; attempt++) await assert.rejects(lab.codeWith('wrong'));
    const types = lab.events.filter(({ type }) => type.startsWith('login')).map((event) => ('reason' in event ? event.reason : event.type));
    assert.deepEqual(types, [...Array(5).fill('credentials'), 'login-locked', 'locked']);
    assert.ok(!JSON.stringify(lab.events).includes('wrong'));
  }));
