import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenIdError } from '../../../../../profiles/seal/https/sim-c/openid-error.ts';
import { AceError } from '../../../../../src/ace/index.ts';
import { Code } from '../../../../../src/coap/index.ts';
import { fromUtf8 } from '../../../../../src/core/bytes.ts';
import type { HttpsResponse } from '../../../../../src/transport/index.ts';
import { anna, bert, inProviderLab, password, redirectUri } from './provider-lab.ts';
import { cookiesOf, Visit } from './visit.ts';

const text = ({ body }: HttpsResponse): string => fromUtf8(body);
const sayings = (html: string): string | undefined => /<div class="wrong">.*?<p>(.*?)<\/p>/.exec(html)?.[1];

test('the page: no framing, no caching, nothing from elsewhere, and every value escaped', () =>
  inProviderLab(async (lab) => {
    const { response, html, uri } = await Visit.start(lab);
    assert.equal(response.status, 200);
    const { headers } = response;
    const policy = String(headers['content-security-policy']);
    assert.match(
      policy,
      /^default-src 'none'; img-src data:; style-src 'sha256-\S+'; script-src 'sha256-\S+'; form-action 'self' http:\/\/127\.0\.0\.1:8731; /,
    );
    assert.match(policy, /frame-ancestors 'none'; base-uri 'none'$/);
    assert.deepEqual(
      [headers['cache-control'], headers['referrer-policy'], headers['x-content-type-options'], headers['x-frame-options']],
      ['no-store', 'no-referrer', 'nosniff', 'DENY'],
    );
    assert.ok(html.includes('Crossing &lt;assistant&gt; &amp; more'));
    assert.ok(html.includes('<li>km</li>'));
    assert.ok(!html.includes('<assistant>') && !/\bsrc=|\bon\w+=|style=/.test(html));
    const typed = `"><script>alert(1)</script>\u202e`;
    const again = await lab.fetch(uri);
    assert.equal(again.status, 400);
    const visit = await Visit.start(lab);
    const { body } = await visit.logIn(typed, 'x');
    assert.ok(fromUtf8(body).includes('value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ufffd"'));
    const head = await visit.send({ method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
  }));

test('TS 33.434 5.2.3: no code for a wrong password, and nothing that says whether the user exists', () =>
  inProviderLab(async (lab) => {
    const visit = await Visit.start(lab);
    const answers = [
      await visit.logIn(anna, 'wrong'),
      await visit.logIn('nobody@val.example', 'wrong'),
      await visit.logIn(bert, password),
      await visit.logIn('', ''),
    ];
    for (const answer of answers) {
      assert.equal(answer.status, 403);
      assert.equal(sayings(text(answer)), 'The user name or the password is not right. Check both and try again.');
      assert.equal(answer.headers.location, undefined);
    }
    const [first, second] = [text(answers[0]!), text(answers[1]!).replaceAll('nobody@val.example', anna)];
    assert.equal(first, second);
    const [client, address] = ['app', '127.0.0.1'];
    const nameless = { type: 'login-refused', reason: 'credentials', client, address };
    assert.deepEqual(lab.events, [{ ...nameless, user: anna }, nameless, nameless, nameless]);
    assert.equal((await visit.logIn(`  ${anna} `, password)).status, 303);
    assert.deepEqual(lab.events.at(-1), { type: 'login', user: anna, client, address });
  }));

test('a user, and a name that nobody has, is locked after five failures, also for the right password', () =>
  inProviderLab(async (lab) => {
    lab.stopClock();
    const visit = await Visit.start(lab);
    for (const name of [anna, 'nobody']) {
      for (let times = 0; times < 5; times++) assert.equal((await visit.logIn(name, 'wrong')).status, 403);
      const locked = await visit.logIn(name, password);
      assert.equal(locked.status, 429);
      assert.equal(locked.headers['retry-after'], '30');
      assert.equal(sayings(text(locked)), 'There were too many attempts. Wait 30 seconds, then try again.');
      assert.match(text(locked), /<div role="alert"[^>]* data-wait="30">/);
    }
    const locks = lab.events.filter(({ type }) => type === 'login-locked');
    const lock = { type: 'login-locked', by: 'user', seconds: 30, client: 'app', address: '127.0.0.1' };
    assert.deepEqual(locks, [{ ...lock, user: anna }, lock]);
    lab.env.skew = 31;
    assert.equal((await visit.logIn(anna, password)).status, 303);
    assert.doesNotMatch(JSON.stringify(lab.events), new RegExp(password));
  }));

test('503 with Retry-After: too many passwords to look at; the attempt does not count', () => {
  let isBusy = true;
  const users = {
    authenticate: async (username: string) => {
      if (isBusy) throw new AceError('ERR_AS_BUSY', 'too many secrets are being looked at', { responseCode: Code.ServiceUnavailable, retryAfter: 5 });
      return username;
    },
    knows: async () => true,
  };
  return inProviderLab(
    async (lab) => {
      const visit = await Visit.start(lab);
      for (let times = 0; times < 7; times++) {
        const { status, headers } = await visit.logIn(anna, password);
        assert.deepEqual([status, headers['retry-after']], [503, '5']);
      }
      assert.ok(lab.events.every((event) => event.type === 'login-refused' && event.reason === 'locked'));
      isBusy = false;
      assert.equal((await visit.logIn(anna, password)).status, 303);
    },
    { handler: { users } },
  );
});

test('a form counts with its token and its cookie, once, and only as a form', () =>
  inProviderLab(async (lab) => {
    const [visit, other] = [await Visit.start(lab), await Visit.start(lab)];
    const fields = { username: anna, password, answer: 'sign-in' };
    assert.notEqual(visit.token, other.token);
    for (const token of ['', other.token, `${visit.token}x`]) assert.equal((await visit.post({ ...fields, token })).status, 403);
    assert.equal((await visit.post(fields)).status, 403);
    assert.equal((await visit.post({ ...fields, token: visit.token }, { Cookie: '' })).status, 404);
    const cookieless = await lab.fetch(visit.uri, { method: 'POST' });
    assert.equal(cookieless.status, 400);
    assert.match(text(cookieless), /Cookies are off/);
    const token = encodeURIComponent(visit.token);
    assert.equal((await visit.post(`token=${token}&username=a&username=b&password=c`)).status, 400);
    assert.equal((await visit.post('username=%ff%fe&token=x')).status, 403);
    assert.equal((await visit.post(`token=${token}&password=${'x'.repeat(20_000)}`)).status, 413);
    assert.equal((await visit.post('{}', { 'Content-Type': 'application/json' })).status, 415);
    assert.equal((await visit.send({ method: 'PUT' })).status, 405);
    assert.deepEqual(lab.events, []);
    assert.equal((await visit.post({ ...fields, token: visit.token })).status, 303);
  }));

test('a form that is sent twice logs in once; going back says that it is over', () =>
  inProviderLab(async (lab) => {
    const visit = await Visit.start(lab);
    const [first, second] = [await visit.logIn(anna, password), await visit.logIn(anna, password)];
    assert.deepEqual([first.status, second.status], [303, 303]);
    assert.equal(first.headers.location, second.headers.location);
    assert.equal(lab.events.length, 1);
    assert.equal((await visit.follow(first)).status, 303);
    for (const again of [await visit.send({}), await visit.logIn(anna, password)]) {
      assert.equal(again.status, 404);
      assert.match(text(again), /This sign-in is over/);
    }
    for (const path of ['/interaction/', '/interaction/nobody', `/interaction/${'x'.repeat(2000)}`, '/interaction/%00'])
      assert.equal((await lab.fetch(`${lab.issuer}${path}`)).status, 404);
    assert.equal(lab.events.length, 1);
  }));

test('who goes no further sends the application away with access_denied', () =>
  inProviderLab(async (lab) => {
    const visit = await Visit.start(lab);
    const answer = await visit.follow(await visit.post({ token: visit.token, answer: 'cancel' }));
    const { searchParams, origin } = new URL(answer.headers.location!);
    assert.deepEqual([origin, searchParams.get('error'), searchParams.get('code')], [new URL(redirectUri).origin, 'access_denied', null]);
  }));

test('consent is implied by signing in, and asked for where the request says so', () =>
  inProviderLab(async (lab) => {
    const simC = lab.simC();
    assert.ok((await simC.callback(await lab.logIn(simC))) !== undefined);
    const visit = await Visit.start(lab, 'consent');
    const toConsent = await visit.follow(await visit.logIn(anna, password));
    const cookies = cookiesOf(toConsent.headers['set-cookie']);
    const uri = new URL(toConsent.headers.location!, lab.issuer).href;
    const page = text(await lab.fetch(uri, { headers: { Cookie: cookies } }));
    assert.match(page, /You are signed in as <strong>anna@val\.example<\/strong>\. Go on to <strong>Crossing/);
    assert.doesNotMatch(page, /type="password"/);
  }));

test('what fails here is a page without a stack, and an event', () =>
  inProviderLab(
    async (lab) => {
      const visit = await Visit.start(lab);
      const answer = await visit.logIn(anna, password);
      assert.equal(answer.status, 500);
      assert.match(text(answer), /<h1>Something went wrong here<\/h1>\n<p>[^<]*<\/p>\n<\/main>/);
      assert.deepEqual(lab.events, [{ type: 'fault', reason: 'Error', detail: 'the database is away' }]);
    },
    { handler: { users: { authenticate: () => Promise.reject(new Error('the database is away')) } } },
  ));

test('OpenIdSimC by form: a wrong password and a lock are told apart', () =>
  inProviderLab(async (lab) => {
    lab.stopClock();
    const simC = lab.simC();
    const isSignIn = (pattern: RegExp) => (error: OpenIdError) => error.code === 'ERR_OPENID_SIGN_IN' && pattern.test(error.message);
    for (let times = 0; times < 5; times++) await assert.rejects(lab.logIn(simC, anna, 'wrong'), isSignIn(/does not take/));
    await assert.rejects(lab.logIn(simC), isSignIn(/wait 30 seconds/));
  }));
