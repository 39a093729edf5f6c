import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { logInByBrowser, type OpenIdLogin } from '../../profiles/seal/https/index.ts';
import type { ClientRegistration } from '../../src/as/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { writeLoginClient } from '../cli/login-client.ts';
import { anna, ProviderLab, password } from '../profiles/seal/https/login/provider-lab.ts';
import { OpenIdLab } from '../profiles/seal/https/openid/openid-lab.ts';
import { freePort } from '../support/ports.ts';
import { launchBrowser, watch } from './browser.ts';
import { scratch } from './processes.ts';

/** The compiled command. */
const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

const browser = await launchBrowser();
after(() => browser.close());

interface Visit {
  readonly lab: ProviderLab;
  readonly page: Page;
  readonly faults: readonly string[];
  /** Who is logged in, once the browser has been sent back. */
  readonly login: Promise<OpenIdLogin>;
}

/** The login page in Chromium, with an application that waits for the redirect. */
async function visit(t: TestContext, options: BrowserContextOptions = {}): Promise<Visit> {
  const redirectUri = await freeRedirectUri();
  const lab = await ProviderLab.start({ client: { redirect_uris: [redirectUri] } });
  t.after(() => lab.close());
  return { lab, ...(await open(t, lab, redirectUri, options)) };
}

const freeRedirectUri = async (): Promise<string> => `http://127.0.0.1:${await freePort()}/callback`;

async function open(
  t: TestContext,
  lab: Pick<ProviderLab, 'issuer' | 'simC'>,
  redirectUri: string,
  options: BrowserContextOptions = {},
): Promise<Omit<Visit, 'lab'>> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = watch(page, (url) => url.startsWith(`${lab.issuer}/`) || url.startsWith(redirectUri));
  const simC = lab.simC({ redirectUri });
  let shown = (): void => {};
  const isShown = new Promise<void>((resolve) => {
    shown = resolve;
  });
  const present = async (uri: string): Promise<void> => {
    await page.goto(uri);
    shown();
  };
  const login = logInByBrowser({ simC, redirectUri, present, env: systemEnv, timeout: 30_000 });
  await Promise.race([isShown, login]);
  return { page, faults, login };
}

async function fill(page: Page, name: string, secret: string): Promise<void> {
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('Password', { exact: true }).fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

const focused = (page: Page): Promise<string> => page.evaluate('document.activeElement.id || document.activeElement.textContent') as Promise<string>;
/** The width of the line around what has the focus. */
const outline = (page: Page): Promise<string> => page.evaluate('getComputedStyle(document.activeElement).outlineWidth') as Promise<string>;
/** Chromium says so of every answer that is an error. */
const ofStatus = (status: number) => (fault: string) => fault.startsWith('console: Failed to load resource') && fault.includes(`status of ${status}`);

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'with' : 'without';
  test(`the login in Chromium by keyboard only, ${how} JavaScript: nothing from elsewhere, nothing in the console`, async (t) => {
    const { page, faults, login } = await visit(t, { javaScriptEnabled });
    assert.equal(await page.title(), 'Sign in');
    assert.match(
      (await page.locator('main').innerText()).replace(/\s+/g, ' '),
      /^Sign in to go on to Crossing <assistant> & more It asks for km User name Password/,
    );
    // Without JavaScript nobody can ask the page what has the focus, but keys go there.
    if (javaScriptEnabled) {
      const order: string[] = [];
      for (let step = 0; step < 5; step++) {
        order.push(await focused(page));
        assert.equal(await outline(page), '3px');
        await page.keyboard.press('Tab');
      }
      assert.deepEqual(order, ['username', 'password', 'Show', 'Sign in', 'Cancel']);
      await page.getByLabel('User name').focus();
    }
    await page.keyboard.type(anna);
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    assert.equal((await login).subject, anna);
    await page.getByRole('heading', { name: 'You are signed in' }).waitFor();
    assert.deepEqual(faults, []);
    await page.goBack();
    await page.getByRole('heading', { name: 'This sign-in is over' }).waitFor();
    assert.deepEqual(
      faults.filter((fault) => !ofStatus(404)(fault)),
      [],
    );
  });
}

test('the login in Chromium: the password is shown and hidden, Caps Lock is told, a form is sent once', async (t) => {
  const { page, faults, login, lab } = await visit(t);
  const secret = page.getByLabel('Password', { exact: true });
  await secret.fill('x');
  assert.equal(await secret.getAttribute('type'), 'password');
  await page.getByRole('button', { name: 'Show password' }).click();
  assert.equal(await secret.getAttribute('type'), 'text');
  assert.equal(await focused(page), 'password');
  await page.getByRole('button', { name: 'Hide password' }).click();
  assert.equal(await secret.getAttribute('type'), 'password');
  const caps = page.getByRole('status');
  assert.equal(await caps.isVisible(), false);
  const press = (isOn: boolean): Promise<unknown> =>
    page.evaluate(`password.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', modifierCapsLock: ${isOn}, bubbles: true }))`);
  await press(true);
  assert.equal(await caps.innerText(), 'Caps Lock is on.');
  await press(false);
  assert.equal(await caps.isVisible(), false);
  await page.getByLabel('User name').fill(anna);
  await secret.fill(password);
  // Twice in one turn, as a double click may.
  const button = page.getByRole('button', { name: 'Sign in' });
  await button.evaluate((element: { click(): void }) => {
    element.click();
    element.click();
  });
  await login;
  assert.equal(lab.requests.filter((request) => request.startsWith('POST /interaction/')).length, 1);
  assert.deepEqual(faults, []);
});

test('the login in Chromium: a wrong password is said aloud, and after five there is a wait, also for the right one', async (t) => {
  const { page, faults, login, lab } = await visit(t);
  const alert = page.getByRole('alert');
  for (let times = 0; times < 5; times++) {
    await fill(page, anna, `wrong ${times}`);
    await page.waitForURL('**/interaction/*');
    assert.equal(await alert.innerText(), 'The user name or the password is not right. Check both and try again.');
  }
  assert.equal(await focused(page), 'password');
  assert.equal(await page.getByLabel('User name').inputValue(), anna);
  assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '');
  assert.equal(await page.getByLabel('User name').getAttribute('aria-invalid'), 'true');
  await page.clock.install();
  await fill(page, anna, password);
  // 30 s, of which the page takes some.
  await page.getByText(/^There were too many attempts\. Wait (?:[12]?\d|30) seconds, then try again\.$/).waitFor();
  assert.equal(await page.title(), 'Not signed in: try again');
  lab.env.skew = 31;
  await page.clock.fastForward(31_000);
  await alert.getByText('You can try again now.').waitFor();
  const ratio = await contrast(page, '.ready p');
  assert.ok(ratio >= 4.5, `.ready p: ${ratio}`);
  await fill(page, anna, password);
  assert.equal((await login).subject, anna);
  assert.deepEqual(
    faults.filter((fault) => !ofStatus(403)(fault) && !ofStatus(429)(fault)),
    [],
  );
});

test('the login in Chromium: whoever cancels is sent back, and the application is told', async (t) => {
  const { page, faults, login } = await visit(t);
  const refused = assert.rejects(login, { code: 'ERR_OPENID_REFUSED' });
  await page.getByRole('button', { name: 'Cancel' }).click();
  await refused;
  await page.getByRole('heading', { name: 'You are not signed in' }).waitFor();
  assert.deepEqual(
    faults.filter((fault) => !ofStatus(400)(fault)),
    [],
  );
});

test('the login in Chromium at a SIM-S: who is signed in goes on with one press, and types nothing', async (t) => {
  const redirectUri = await freeRedirectUri();
  const clients = ({ app }: { readonly app: string }): readonly ClientRegistration[] => [
    { id: 'app', https: { secret: app, redirectUris: [redirectUri] }, grants: [{ audience: 'seal1', scope: 'km' }] },
  ];
  const lab = await OpenIdLab.start({ clients });
  t.after(() => lab.close());
  const { page, faults, login } = await open(t, lab, redirectUri);
  await fill(page, anna, password);
  const { claims } = await login;
  assert.deepEqual([claims['val_user_id'], claims['val_service_ids']], [anna, ['v2x']]);
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor();
  const simC = lab.simC({ redirectUri });
  const present = async (uri: string): Promise<void> => {
    await page.goto(uri);
    assert.match(await page.locator('main').innerText(), /You are signed in as anna@val\.example\./);
    await page.getByRole('button', { name: 'Continue' }).click();
  };
  assert.deepEqual((await logInByBrowser({ simC, redirectUri, present, env: systemEnv, timeout: 30_000 })).subject, claims['sub']);
  assert.equal(lab.logins.length, 1);
  assert.deepEqual(faults, []);
});

/** The ratio of WCAG 2.2, 1.4.3, of a text and what it stands on: the nearest ground below it that can be seen. */
const contrast = (page: Page, selector: string): Promise<number> =>
  page.evaluate(`{
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = (color) => {
      const [r, g, b] = color.slice(0, 3).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const element = document.querySelector('${selector}');
    let ground = element;
    while (rgba(getComputedStyle(ground).backgroundColor)[3] < 255) ground = ground.parentElement;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(rgba(getComputedStyle(ground).backgroundColor))].sort((one, other) => other - one);
    (a + 0.05) / (b + 0.05);
  }`);

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the login page in Chromium, ${colorScheme}, on a narrow phone: nothing is cut off, and all can be read`, async (t) => {
    const { page, login } = await visit(t, { colorScheme, viewport: { width: 320, height: 640 }, reducedMotion: 'reduce' });
    login.catch(() => {});
    await fill(page, 'a-rather-long-name-of-a-user-who-is-nobody@val.example', 'wrong');
    await page.getByRole('alert').getByText('not right').waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    for (const name of ['h1', 'main > p', '.asks h2', '.asks li', '.wrong p', 'label', 'input#username', '.toggle', '.go', '.other']) {
      const ratio = await contrast(page, name);
      assert.ok(ratio >= 4.5, `${name}: ${ratio}`);
    }
    for (const name of ['input#username', 'input#password', '.go', '.other']) {
      const { height } = (await page.locator(name).boundingBox())!;
      assert.ok(height >= 44, `${name}: ${height} pixels to hit`);
    }
    await page.getByRole('button', { name: 'Cancel' }).click();
  });
}

test('ace-coap seal login with Chromium: the URI that it prints, and who is logged in', async (t) => {
  const redirectUri = await freeRedirectUri();
  const lab = await ProviderLab.start({ client: { redirect_uris: [redirectUri] } });
  t.after(() => lab.close());
  const folder = scratch(t);
  writeLoginClient(folder, lab, redirectUri);
  const child = spawn(process.execPath, [main, 'seal', 'login', '--config', folder, '--json'], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 });
  const ended = once(child, 'close');
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const uri = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      const [found] = /https:\S+(?=\n)/.exec(stderr) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => reject(new Error(stderr)));
  });
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  t.after(() => page.close());
  await page.goto(uri);
  await fill(page, anna, password);
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor();
  const [code] = (await ended) as [number];
  assert.equal(code, 0, stderr);
  const { expires_in: _, ...said } = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  assert.deepEqual(said, { logged_in: true, subject: anna, val_service_ids: ['v2x', 'maps'], scope: 'openid km', refresh_token: true });
});
