import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { type BrowserLogin, logInByBrowser } from '../../../../../profiles/seal/https/sim-c/browser-login.ts';
import type { OpenIdError } from '../../../../../profiles/seal/https/sim-c/openid-error.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { freePort } from '../../../../support/ports.ts';
import { anna, FakeSimS } from './fake-sims.ts';

async function bench(): Promise<Omit<BrowserLogin, 'present'> & { readonly simS: FakeSimS }> {
  const simS = new FakeSimS();
  const redirectUri = `http://127.0.0.1:${await freePort()}/callback`;
  return { simS, simC: simS.simC({ redirectUri }), redirectUri, env: systemEnv };
}

test('RFC 8252 7.3: the redirect comes to this machine; what is not for this login is dropped without a word', async () => {
  const { simS, ...login } = await bench();
  const statuses: number[] = [];
  let page = '';
  const present = async (uri: string): Promise<void> => {
    const right = simS.answer(uri);
    const others = [new URL('/other', right), new URL('?code=x&state=y', login.redirectUri), new URL(login.redirectUri)];
    for (const other of others) {
      const answer = await fetch(other);
      statuses.push(answer.status);
      assert.equal(await answer.text(), '');
    }
    statuses.push((await fetch(right, { method: 'POST' })).status);
    assert.equal(simS.tokenRequests.length, 0);
    const answer = await fetch(right);
    statuses.push(answer.status);
    page = await answer.text();
    assert.match(answer.headers.get('content-security-policy')!, /default-src 'none'.*form-action 'none'/);
  };
  const { subject } = await logInByBrowser({ ...login, present });
  assert.equal(subject, anna);
  assert.deepEqual(statuses, [404, 204, 204, 404, 200]);
  assert.match(page, /You are signed in/);
  await assert.rejects(fetch(login.redirectUri));
});

test('a login ends with all of its connections: those on which a browser has asked for nothing yet, and beginnings of requests', async (t) => {
  const { simS, ...login } = await bench();
  const port = Number(new URL(login.redirectUri).port);
  const closed: Promise<unknown>[] = [];
  const present = async (uri: string): Promise<void> => {
    for (const beginning of ['', 'GET /call']) {
      const socket = connect(port, '127.0.0.1');
      t.after(() => socket.destroy());
      closed.push(once(socket, 'close', { signal: AbortSignal.timeout(5_000) }));
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(beginning);
      socket.resume();
    }
    await (await fetch(simS.answer(uri))).text();
  };
  await logInByBrowser({ ...login, present });
  await Promise.all(closed);
});

test('a login that the user does not finish, refuses or cannot begin', async () => {
  const isCode = (code: string) => (error: OpenIdError) => error.code === code;
  const { simS, ...login } = await bench();
  await assert.rejects(logInByBrowser({ ...login, present: () => {}, timeout: 20 }), isCode('ERR_OPENID_TIMEOUT'));
  let page: Promise<string> | undefined;
  const refuse = (uri: string): void => {
    page = fetch(simS.answer(uri, { error: 'access_denied', code: undefined })).then((answer) => answer.text());
  };
  await assert.rejects(logInByBrowser({ ...login, present: refuse }), isCode('ERR_OPENID_REFUSED'));
  assert.match(await page!, /You are not signed in/);
  for (const redirectUri of ['https://app.example/callback', 'http://10.0.0.1:8731/callback'])
    await assert.rejects(logInByBrowser({ ...login, redirectUri, present: () => {} }), isCode('ERR_OPENID_CONFIG'));
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(Number(new URL(login.redirectUri).port), '127.0.0.1', resolve));
  await assert.rejects(logInByBrowser({ ...login, present: () => {} }), isCode('ERR_TRANSPORT_BIND'));
  await new Promise((resolve) => taken.close(resolve));
});
