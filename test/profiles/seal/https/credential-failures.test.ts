import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialFailures } from '../../../../profiles/seal/https/credential-failures.ts';
import { hashSecret } from '../../../../src/as/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../src/core/env.ts';
import { HttpWire } from '../../../support/http-wire.ts';
import { pause, until } from '../../../support/wait.ts';
import { inOpenIdLab, type OpenIdLab, serverSecret } from './openid/openid-lab.ts';

/** Milliseconds that are set by hand. */
function counted(): { readonly failures: CredentialFailures; readonly pass: (seconds: number) => void } {
  let now = 0;
  return {
    failures: new CredentialFailures({ now: () => now }),
    pass: (seconds) => {
      now += seconds * 1000;
    },
  };
}

test('twenty failures for one client of one address, and then one each minute', () => {
  const { failures, pass } = counted();
  for (let i = 0; i < 20; i++) {
    assert.equal(failures.wait('10.0.0.1', 'app'), 0);
    failures.failed('10.0.0.1', 'app');
  }
  assert.deepEqual([failures.wait('10.0.0.1', 'app'), failures.wait('10.0.0.1', 'other'), failures.wait('10.0.0.2', 'app')], [60, 0, 0]);
  pass(59);
  assert.equal(failures.wait('10.0.0.1', 'app'), 1);
  pass(1);
  assert.equal(failures.wait('10.0.0.1', 'app'), 0);
  failures.failed('10.0.0.1', 'app');
  assert.equal(failures.wait('10.0.0.1', 'app'), 60);
  // Those that were looked at together count each.
  for (let i = 0; i < 9; i++) failures.failed('10.0.0.1', 'app');
  assert.equal(failures.wait('10.0.0.1', 'app'), 600);
});

test('a hundred failures of one address, whomever they name; an IPv6 address counts as its /64', () => {
  const { failures, pass } = counted();
  for (let i = 0; i < 100; i++) failures.failed(`2001:db8::${i.toString(16)}`, `client${i}`);
  assert.deepEqual([failures.wait('2001:db8::ffff', 'app'), failures.wait('2001:db8:0:1::1', 'app')], [36, 0]);
  pass(36);
  assert.equal(failures.wait('2001:db8::ffff', 'app'), 0);
});

test('a client that has shown its secret from there waits for its own failures, and for nobody else’s', () => {
  const { failures } = counted();
  failures.succeeded('10.0.0.1', 'app');
  for (let i = 0; i < 200; i++) failures.failed('10.0.0.1', `stranger${i}`);
  assert.deepEqual([failures.wait('10.0.0.1', 'app'), failures.wait('10.0.0.1', 'late') > 0], [0, true]);
  for (let i = 0; i < 20; i++) failures.failed('10.0.0.1', 'app');
  failures.succeeded('10.0.0.1', 'app');
  assert.equal(failures.wait('10.0.0.1', 'app'), 60);
});

test('addresses without end take no more than some memory', () => {
  const { failures } = counted();
  for (let i = 0; i < 20_000; i++) failures.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 'app');
  for (let i = 0; i < 20; i++) failures.failed('10.9.9.9', 'app');
  assert.equal(failures.wait('10.9.9.9', 'app'), 60);
});

test('a SIM-S with limits of its own', () =>
  inOpenIdLab(
    async (lab) => {
      for (let i = 0; i < 2; i++) assert.equal((await ask(lab, '/token', 'app', `guess${i}`)).status, 401);
      assert.equal((await ask(lab, '/token', 'app', 'guess')).status, 429);
      assert.equal((await ask(lab, '/token', 'val1', serverSecret)).status, 429);
    },
    { face: { failures: { client: { burst: 5, rate: 1 / 60 }, address: { burst: 2, rate: 1 / 60 } } } },
  ));

const paths = ['/token', '/introspect', '/revoke'] as const;
const ask = (lab: OpenIdLab, path: (typeof paths)[number], client: string, secret: string): ReturnType<OpenIdLab['post']> =>
  lab.post(path, path === '/token' ? { grant_type: 'client_credentials', scope: 'km' } : { token: 'x' }, client, secret);

test('429 with Retry-After: whoever guesses the secret of a client, at each endpoint; not its neighbours', () =>
  inOpenIdLab(async (lab) => {
    for (const path of paths) assert.equal((await ask(lab, path, 'val1', serverSecret)).status, 200);
    for (let i = 0; i < 20; i++) assert.equal((await ask(lab, paths[i % 3]!, 'app', `guess${i}`)).status, 401);
    for (const path of paths) {
      const { status, headers, body } = await ask(lab, path, 'app', 'guess');
      assert.deepEqual([status, body['error']], [429, 'temporarily_unavailable'], path);
      assert.ok(Number(headers['retry-after']) > 30);
      assert.match(String(body['error_description']), /fewer wrong credentials.*ask again in \d+ s/);
      assert.equal((await ask(lab, path, 'val1', serverSecret)).status, 200, path);
    }
    const events = lab.events.filter((event) => event.type === 'refused' && event.reason === 'rate-credentials');
    assert.equal(events.length, 3);
    assert.ok(!JSON.stringify(lab.events).includes('guess'));
  }));

test('a guess waits however the endpoint is written: no other form of its path is served, and the absolute form of RFC 9112 3.2.2 is the same', () =>
  inOpenIdLab(async (lab) => {
    for (let i = 0; i < 20; i++) assert.equal((await ask(lab, '/token', 'app', `guess${i}`)).status, 401);
    const statusOf = async (target: string): Promise<number> => {
      const wire = await HttpWire.open(lab.server.port, lab.ca);
      const form = { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: `Basic ${btoa('app:guess')}`, Connection: 'close' };
      wire.request(target, form, 'grant_type=client_credentials&scope=km');
      await wire.rest();
      return wire.status;
    };
    for (const target of ['/token/', '/TOKEN', '/Token/']) assert.equal(await statusOf(target), 404, target);
    assert.equal(await statusOf(`${lab.issuer}/token`), 429);
    const uri = lab.authorizationUri();
    for (const path of ['/authorize/', '/Authorize']) assert.equal((await lab.fetch(uri.replace('/authorize', path))).status, 404, path);
  }));

test('503 with Retry-After: more secrets to look at than may wait, at each endpoint; that is no failure of who asks', () =>
  inOpenIdLab(async (lab) => {
    const slow = await hashSecret(utf8('another secret'), systemEnv.random, { N: 2 ** 14, r: 8, p: 1 });
    const gone = new AbortController();
    // Whoever had a turn comes again at once, so that no place is free however long the requests take: with a wrong secret, since a right one is known from then on.
    const comeAgain = async (): Promise<void> => {
      while (!gone.signal.aborted) await lab.simS.shared.accepts(slow, utf8('no secret'), () => gone.signal).catch(() => pause(1));
    };
    const others = Array.from({ length: 66 }, comeAgain);
    try {
      for (const path of paths) {
        const { status, headers, body } = await ask(lab, path, 'val1', serverSecret);
        assert.deepEqual([status, headers['retry-after'], body['error']], [503, '5', 'temporarily_unavailable'], path);
      }
    } finally {
      gone.abort();
      await Promise.all(others);
    }
    const refused = lab.events.filter((event) => event.type === 'refused');
    assert.deepEqual(
      refused.map(({ reason }) => reason),
      ['busy', 'busy', 'busy'],
    );
    assert.deepEqual(
      lab.events.filter(({ type }) => type === 'fault'),
      [],
    );
    for (const path of paths) assert.equal((await ask(lab, path, 'val1', serverSecret)).status, 200);
  }));

test('a secret that was shown by who went away before it was looked at is not computed, and counts as wrong', () =>
  inOpenIdLab(
    async (lab) => {
      const slow = await hashSecret(utf8('another secret'), systemEnv.random, { N: 2 ** 16, r: 8, p: 4 });
      const gone = new AbortController();
      const others = Array.from({ length: 8 }, () => lab.simS.shared.accepts(slow, utf8('another secret'), () => gone.signal).catch(() => false));
      const refused = (): number => lab.events.filter((event) => event.type === 'refused' && event.reason === 'busy').length;
      const asking = new AbortController();
      const asked = ['/token', '/introspect'].map((path) =>
        lab.fetch(lab.issuer + path, {
          method: 'POST',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json', Authorization: `Basic ${btoa('app:guess')}` },
          body: path === '/token' ? 'grant_type=client_credentials&scope=km' : 'token=x',
          signal: asking.signal,
        }),
      );
      const ends = Promise.allSettled(asked);
      await until(() => lab.face.stats()['pending'] === 2);
      await pause(50);
      asking.abort();
      assert.ok((await ends).every(({ status }) => status === 'rejected'));
      await until(() => refused() === 2);
      gone.abort();
      assert.equal((await ask(lab, '/introspect', 'app', 'guess')).status, 429);
      await Promise.all(others);
    },
    { face: { failures: { client: { burst: 2, rate: 1 / 60 }, address: { burst: 100, rate: 1 } } } },
  ));

test('names that are longer than any that a client has share one count, so that inventing them fills no memory', () => {
  const { failures } = counted();
  for (let i = 0; i < 20; i++) failures.failed('192.0.2.1', `${i}${'x'.repeat(1_024)}`);
  assert.ok(failures.wait('192.0.2.1', 'y'.repeat(2_000)) > 0);
  assert.equal(failures.wait('192.0.2.1', 'c1'), 0);
});
