import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { anna, ProviderLab, password } from '../profiles/seal/https/login/provider-lab.ts';
import { freePort } from '../support/ports.ts';
import { loginClient, writeLoginClient } from './login-client.ts';
import { runHere } from './run-here.ts';

let provider: ProviderLab;
let folder = '';
let redirectUri = '';

before(async () => {
  redirectUri = `http://127.0.0.1:${await freePort()}/callback`;
  provider = await ProviderLab.start({ client: { redirect_uris: [redirectUri] } });
  folder = mkdtempSync(join(tmpdir(), 'ace-coap-login-'));
  writeLoginClient(folder, provider, redirectUri);
  for (const [name, text] of Object.entries({ right: password, wrong: 'not the right one' })) writeFileSync(join(folder, name), `${text}\n`);
});
after(async () => {
  await provider.close();
  rmSync(folder, { recursive: true });
});

async function login(code: number, ...words: readonly string[]): Promise<string> {
  const run = await runHere(['seal', 'login', '--config', folder, ...words]);
  assert.equal(run.code, code, `${words.join(' ')}\n${run.stdout}\n${run.stderr}`);
  assert.doesNotMatch(run.stdout + run.stderr, /eyJ[\w-]{8}/);
  return code === 0 ? run.stdout : run.stdout + run.stderr;
}

const json = (text: string): Readonly<Record<string, unknown>> => JSON.parse(text) as Readonly<Record<string, unknown>>;
const user = (file: string): readonly string[] => ['--username', anna, '--password-file', join(folder, file)];

test('ace-coap seal login without a browser: the user, the VAL services, new tokens, and the end', async () => {
  assert.match(await login(1, '--status'), /nobody is logged in/);
  assert.match(await login(1, ...user('wrong')), /does not take the user name or the password/);
  const { expires_in: left, ...said } = json(await login(0, ...user('right'), '--json'));
  assert.ok(Number(left) > 290);
  assert.deepEqual(said, { logged_in: true, subject: anna, val_service_ids: ['v2x', 'maps'], scope: 'openid km', refresh_token: true });
  assert.equal(await login(0, '--status'), `logged in as ${anna}\nVAL services: v2x, maps\n`);
  assert.equal(json(await login(0, '--refresh', '--json'))['subject'], anna);
  assert.match(await login(0, '--logout'), /nobody is logged in any more/);
  assert.match(await login(1, '--refresh'), /there is no refresh token/);
  assert.match(await login(2, '--status', '--refresh'), /cannot be used with/);
  assert.match(await login(2, '--password-file', 'x'), /expected --username/);
});

test('ace-coap seal login: what is wrong in seal.openid', async () => {
  const wrong: readonly (readonly [from: string | RegExp, to: string, says: RegExp])[] = [
    [/issuer: https/, 'issuer: http', /seal\.openid\.issuer: expected a URI of https/],
    ['keys/app.secret', 'keys/none', /client_secret_file/],
    [/redirect_uri: \S+/, 'redirect_uri: callback', /seal\.openid\.redirect_uri: expected a URI/],
    ['tls/ca.pem', 'keys/app.secret', /seal\.openid\.ca_file: .*expected a certificate in PEM/],
    [/ {2}openid:[\s\S]*/, '  mode: strict\n', /expected a section seal\.openid/],
  ];
  for (const [from, to, says] of wrong) {
    const file = join(folder, 'wrong.yaml');
    writeFileSync(file, loginClient(provider.issuer, redirectUri).replace(from, to), { mode: 0o600 });
    const { code, stderr } = await runHere(['seal', 'login', '--status', '--config', file]);
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
});
