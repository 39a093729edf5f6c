import assert from 'node:assert/strict';
import { request } from 'node:https';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../../../../../src/core/bytes.ts';
import { memoryStore, type Store, StoreError } from '../../../../../src/store/index.ts';
import { holds } from '../../../../support/property.ts';
import { until } from '../../../../support/wait.ts';
import { anna, appSecret, claimsOf, headerOf, inOpenIdLab, newSigningKey, type OpenIdLab, redirectUri, serverSecret } from './openid-lab.ts';

/** The metadata that somebody gets who calls the SIM-S by another name. */
function metadataAs(host: string, { server, ca }: OpenIdLab): Promise<unknown> {
  const path = '/.well-known/openid-configuration';
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: server.port, path, ca, headers: { Host: host }, agent: false, checkServerIdentity: () => undefined },
      (answer) => answer.toArray().then((parts) => resolve(JSON.parse(parts.join(''))), reject),
    );
    asked.on('error', reject);
    asked.end();
  });
}

test('RFC 6749 4.1.2: a code that is used twice gives nothing, and what it gave is revoked', () =>
  inOpenIdLab(async (lab) => {
    const code = await lab.code();
    const { body } = await lab.exchange(code);
    assert.equal((await lab.exchange(code)).body['error'], 'invalid_grant');
    assert.equal((await lab.post('/introspect', { token: String(body['access_token']) })).body['active'], false);
    assert.equal((await lab.refresh(body['refresh_token'])).body['error'], 'invalid_grant');
    const revoked = lab.events.filter((event) => event.type === 'grant-revoked');
    assert.deepEqual(
      revoked.map(({ reason, tokens }) => [reason, tokens.length]),
      [['code-reuse', 1]],
    );
  }));

test('RFC 6749 4.1.2: what a process began to revoke before it was killed is revoked by the next', async () => {
  const inner = memoryStore();
  const scan: Store['scan'] = (prefix, options) => {
    if (prefix.startsWith('seal/openid/grant/')) throw new StoreError('ERR_STORE_IO', 'expected a process that lives, got none');
    return inner.scan(prefix, options);
  };
  let token = '';
  await inOpenIdLab(
    async (lab) => {
      const code = await lab.code();
      token = String((await lab.exchange(code)).body['access_token']);
      assert.equal((await lab.exchange(code)).status, 500);
      assert.equal((await lab.post('/introspect', { token })).body['active'], true);
    },
    { store: { ...inner, scan } },
  );
  await inOpenIdLab(
    async (lab) => {
      assert.equal((await lab.post('/introspect', { token })).body['active'], false);
      assert.equal(lab.events.filter(({ type }) => type === 'token-revoked').length, 1);
      for await (const [key] of inner.scan('seal/openid/')) assert.doesNotMatch(key, /\/(?:revoking|grant)\//);
    },
    { store: inner },
  );
});

test('RFC 6749 4.1.2: what could not be revoked while the store was gone is revoked by the same process once it is back', async () => {
  for (const gone of ['put', 'scan'] as const) {
    const inner = memoryStore();
    let fails = false;
    const failing = (): void => {
      if (fails) throw new StoreError('ERR_STORE_IO', 'expected a store that is there, got none');
    };
    const scan: Store['scan'] = (prefix, options) => {
      if (gone === 'scan' && prefix.startsWith('seal/openid/grant/')) failing();
      return inner.scan(prefix, options);
    };
    const put: Store['put'] = async (key, ...more) => {
      if (gone === 'put' && key.startsWith('seal/openid/revoking/')) failing();
      return inner.put(key, ...more);
    };
    await inOpenIdLab(
      async (lab) => {
        const code = await lab.code();
        const token = String((await lab.exchange(code)).body['access_token']);
        fails = true;
        assert.equal((await lab.exchange(code)).status, 500, gone);
        assert.equal(lab.simS.stats()['unfinished'], 1);
        assert.equal((await lab.post('/introspect', { token })).body['active'], true);
        fails = false;
        await until(() => lab.simS.stats()['unfinished'] === 0);
        assert.equal((await lab.post('/introspect', { token })).body['active'], false);
        const revoked = lab.events.filter((event) => event.type === 'grant-revoked');
        assert.deepEqual(
          revoked.map(({ reason, client, tokens }) => [reason, client, tokens.length]),
          [['code-reuse', 'app', 1]],
        );
        for await (const [key] of inner.scan('seal/openid/')) assert.doesNotMatch(key, /\/(?:revoking|grant)\//);
      },
      { store: { ...inner, scan, put } },
    );
  }
});

test('a code that two processes get at once gives tokens once', () =>
  inOpenIdLab(async (lab) => {
    const code = await lab.code();
    const answers = await Promise.all([lab.exchange(code), lab.exchange(code), lab.exchange(code)]);
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
    assert.ok(answers.filter(({ body }) => body['error'] === 'invalid_grant').length >= 2);
  }));

/** A store that does something with a grant before the first token of it is made durable. */
function meddlingStore(meddle: (store: Store, key: string, grant: Uint8Array) => Promise<unknown>): { readonly store: Store; readonly tries: () => number } {
  const inner = memoryStore();
  let tries = 0;
  const batch: Store['batch'] = async (changes) => {
    const grant = changes.find(({ key, expected }) => key.startsWith('seal/openid/Grant/') && expected !== undefined);
    if (grant?.expected && tries++ === 0) await meddle(inner, grant.key, grant.expected);
    return inner.batch(changes);
  };
  return { store: { ...inner, batch }, tries: () => tries };
}

test('a grant that is changed while a code is exchanged is read again, and gives its tokens', async () => {
  const { store, tries } = meddlingStore((inner, key, grant) => inner.put(key, utf8(fromUtf8(grant).replace(/\}$/, ',"rejected":{}}'))));
  await inOpenIdLab(
    async (lab) => {
      const { status, body } = await lab.exchange(await lab.code());
      assert.equal(status, 200);
      assert.equal(tries(), 2);
      assert.equal((await lab.post('/introspect', { token: String(body['access_token']) })).body['active'], true);
    },
    { store },
  );
});

test('a grant that is revoked while a code is exchanged gives nothing', async () => {
  const { store } = meddlingStore((inner, key) => inner.delete(key));
  await inOpenIdLab(
    async (lab) => {
      const { status, body } = await lab.exchange(await lab.code());
      assert.deepEqual([status, body['error']], [400, 'invalid_grant']);
      for await (const [key] of store.scan('as/token/')) assert.fail(`expected no token, got ${key}`);
    },
    { store },
  );
});

test('RFC 9700 2.2.2: a refresh token rotates, and one that is used again ends its family', () =>
  inOpenIdLab(async (lab) => {
    const { refresh_token: first } = await lab.tokens();
    const { refresh_token: second } = (await lab.refresh(first)).body;
    assert.notEqual(second, first);
    assert.equal((await lab.refresh(first)).body['error'], 'invalid_grant');
    assert.equal((await lab.refresh(second)).body['error'], 'invalid_grant');
    assert.equal(lab.events.filter(({ type }) => type === 'token-revoked').length, 2);
  }));

test('a redirect URI that is almost registered is not sent to', () =>
  inOpenIdLab(async (lab) => {
    const almost = [
      `${redirectUri}/`,
      redirectUri.replace('8731', '8732'),
      redirectUri.replace('callback', 'Callback'),
      `${redirectUri}?a=b`,
      redirectUri.replace('127.0.0.1', 'user@127.0.0.1'),
      redirectUri.replace('callback', 'x/../callback'),
      redirectUri.replace('http:', 'https:'),
      redirectUri.replace('127.0.0.1', 'localhost'),
      `${redirectUri}#`,
    ];
    for (const uri of almost) assert.equal(await lab.outcome(lab.authorizationUri({ redirect_uri: uri })), '400', uri);
  }));

test('a parameter that stands there twice is refused', () =>
  inOpenIdLab(async (lab) => {
    const right = lab.authorizationUri();
    for (const [name, value] of new URL(right).searchParams) {
      assert.notEqual(await lab.outcome(`${right}&${name}=${encodeURIComponent(value)}`), 'login', name);
    }
    const twice = await lab.fetch(`${lab.issuer}/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: `Basic ${btoa(`val1:${encodeURIComponent(serverSecret)}`)}` },
      body: 'grant_type=client_credentials&grant_type=client_credentials',
    });
    assert.equal(twice.status, 400);
  }));

test('property: an authorization request that is not the right one never leads to a login', () =>
  inOpenIdLab(async (lab) => {
    const names = ['response_type', 'client_id', 'redirect_uri', 'code_challenge_method', 'acr_values'] as const;
    const wrong = fc.tuple(fc.constantFrom(...names), fc.string({ maxLength: 40 }));
    await holds(
      'authorization-request',
      { quick: 30, full: 2_000 },
      fc.asyncProperty(wrong, async ([name, value]) => {
        const uri = lab.authorizationUri({ [name]: value });
        if (uri !== lab.authorizationUri()) assert.notEqual(await lab.outcome(uri), 'login');
      }),
    );
  }));

test('other ways of OAuth 2.0 and OpenID Connect are not offered', () =>
  inOpenIdLab(async (lab) => {
    for (const change of [
      { response_type: 'id_token' },
      { response_type: 'code id_token' },
      { response_type: 'code code' },
      { response_mode: 'fragment' },
      { request: 'e30.e30.' },
    ]) {
      assert.notEqual(await lab.outcome(lab.authorizationUri(change)), 'login', JSON.stringify(change));
    }
    for (const grant of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:device_code', 'client_credentials']) {
      const { status, body } = await lab.post('/token', { grant_type: grant });
      assert.ok(status === 400 && body['access_token'] === undefined, grant);
    }
    for (const path of ['/reg', '/me', '/device/auth', '/session/end', '/request']) assert.equal((await lab.fetch(lab.issuer + path)).status, 404, path);
    const { body } = await lab.fetch(`${lab.issuer}/.well-known/openid-configuration`);
    const metadata = JSON.parse(new TextDecoder().decode(body)) as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      [
        'response_types_supported',
        'response_modes_supported',
        'token_endpoint_auth_methods_supported',
        'code_challenge_methods_supported',
        'registration_endpoint',
      ].map((name) => metadata[name]),
      [['code'], ['query'], ['client_secret_basic'], ['S256'], undefined],
    );
    assert.deepEqual([...(metadata['grant_types_supported'] as string[])].sort(), ['authorization_code', 'client_credentials', 'refresh_token']);
    assert.deepEqual(await metadataAs('attacker.example', lab), metadata);
  }));

test('RFC 9110 15.5.6: a method that an endpoint has not is 405, with those that it has', () =>
  inOpenIdLab(async (lab) => {
    const cases = [
      ['GET', '/token', 'POST, OPTIONS'],
      ['POST', '/authorize', 'GET, HEAD'],
      ['PUT', '/jwks', 'GET, HEAD, OPTIONS'],
      ['POST', '/.well-known/openid-configuration', 'GET, HEAD, OPTIONS'],
      ['GET', '/introspect', 'POST'],
      ['GET', '/revoke', 'POST'],
    ] as const;
    for (const [method, path, allow] of cases) {
      const { status, headers } = await lab.fetch(lab.issuer + path, { method });
      assert.deepEqual([status, headers['allow']], [405, allow], `${method} ${path}`);
    }
  }));

test('what the store has gives nobody a token: codes, refresh tokens and secrets stand nowhere', () =>
  inOpenIdLab(async (lab) => {
    const code = await lab.code();
    const { body } = await lab.exchange(code);
    const values = [code, body['refresh_token'], body['access_token'], appSecret].map(String);
    for await (const [key, value] of lab.store.scan('')) {
      const text = `${key} ${new TextDecoder().decode(value)}`;
      for (const secret of values) assert.ok(!text.includes(secret), key);
    }
    const told = JSON.stringify([lab.events, lab.logins]);
    for (const secret of values) assert.ok(!told.includes(secret));
  }));

test('RFC 7662 and RFC 7009: a client asks about its own tokens, a resource server about those for it, and nobody else', () =>
  inOpenIdLab(async (lab) => {
    const { access_token: access, refresh_token: refresh } = await lab.tokens();
    const token = String(access);
    const byServer = await lab.post('/introspect', { token }, 'val1', serverSecret);
    assert.deepEqual([byServer.body['active'], byServer.body['scope'], byServer.body['client_id']], [true, 'km', 'app']);
    assert.equal((await lab.post('/introspect', { token: String(refresh) })).body['active'], true);
    assert.equal((await lab.post('/introspect', { token: String(refresh) }, 'val1', serverSecret)).body['active'], false);
    assert.equal((await lab.post('/introspect', { token: 'e30.e30.e30' })).body['active'], false);
    assert.equal((await lab.post('/introspect', { token }, 'app', 'wrong')).status, 401);
    // Somebody else's is as good as none.
    assert.equal((await lab.post('/revoke', { token }, 'val1', serverSecret)).status, 200);
    assert.equal((await lab.post('/introspect', { token })).body['active'], true);
    assert.equal((await lab.post('/revoke', { token: String(refresh) })).status, 200);
    assert.equal((await lab.post('/introspect', { token })).body['active'], false);
  }));

test('RFC 7662 4: the refresh token of a VAL user who is no more is active no more', () =>
  inOpenIdLab(async (lab) => {
    const { refresh_token: token } = await lab.tokens();
    await lab.simS.identities.remove('user', anna);
    assert.deepEqual((await lab.post('/introspect', { token: String(token) })).body, { active: false });
  }));

test('a signing key takes over when its time comes, and both are published', () =>
  inOpenIdLab(async (lab) => {
    const now = Math.floor(lab.env.epoch());
    const [first, second] = [newSigningKey({ until: now + 100 }), newSigningKey({ from: now + 50 })];
    await lab.face.renew([first, second]);
    const kidOf = async (): Promise<unknown> => headerOf((await lab.tokens())['id_token'])['kid'];
    const before = await kidOf();
    lab.env.skew = 60;
    const after = await kidOf();
    assert.notEqual(after, before);
    const published = (await lab.face.jwks()).keys.map(({ kid }) => kid);
    assert.ok(published.includes(String(before)) && published.includes(String(after)));
  }));

test('two faces on one store are one: what one gives, the other takes', () =>
  inOpenIdLab((first) =>
    inOpenIdLab(
      async (second) => {
        const { refresh_token: token } = await first.tokens();
        const { status, body } = await second.refresh(token);
        assert.equal(status, 200);
        assert.equal(claimsOf(body['access_token'])['client_id'], 'app');
        assert.equal((await first.refresh(token)).body['error'], 'invalid_grant');
        assert.equal((await second.refresh(body['refresh_token'])).body['error'], 'invalid_grant');
      },
      { store: first.store },
    ),
  ));
