import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { logInByForm } from '../../profiles/seal/https/index.ts';
import { httpsLoginSteps } from '../../src/cli/demo/seal/https-login.ts';
import { anna, clientId, clientSecret, ProviderLab, password } from '../profiles/seal/https/login/provider-lab.ts';
import { freeTcpPort } from '../support/ports.ts';
import { runHere } from './run-here.ts';

let provider: ProviderLab;
let folder = '';
let redirectUri = '';

function client(): string {
  return `profile: seal
store: ./state
authorization_servers:
  - uri: coap://127.0.0.1/token
    oscore: { master_secret: "00112233445566778899aabbccddeeff", sender_id: "02", recipient_id: "01" }
seal:
  openid:
    issuer: ${provider.issuer}
    client_id: ${clientId}
    client_secret_file: keys/app.secret
    redirect_uri: ${redirectUri}
    scope: km
    ca_file: tls/ca.pem
`;
}

before(async () => {
  redirectUri = `http://127.0.0.1:${await freeTcpPort()}/callback`;
  provider = await ProviderLab.start({ client: { redirect_uris: [redirectUri] } });
  folder = mkdtempSync(join(tmpdir(), 'ace-coap-login-'));
  for (const name of ['keys', 'tls']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'keys', 'app.secret'), `${clientSecret}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'tls', 'ca.pem'), provider.ca);
  for (const [name, text] of Object.entries({ right: password, wrong: 'not the right one' })) writeFileSync(join(folder, name), `${text}\n`);
  writeFileSync(join(folder, 'client.yaml'), client(), { mode: 0o600 });
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

test('ace-coap seal login: the URI for a browser, and the redirect that comes back', async () => {
  const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'seal', 'login', '--config', folder, '--json'], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 });
  const said = { stdout: '', stderr: '' };
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.stdout.on('data', (chunk: Buffer) => {
    said.stdout += chunk.toString();
  });
  const uri = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said.stderr += chunk.toString();
      const [found] = /https:\S+(?=\n)/.exec(said.stderr) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => reject(new Error(said.stderr)));
  });
  const answer = await logInByForm({ uri, redirectUri, username: anna, password, fetch: provider.fetch });
  assert.equal((await fetch(answer)).status, 200);
  assert.equal(await ended, 0, said.stderr);
  assert.equal(json(said.stdout)['subject'], anna);
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
    writeFileSync(file, client().replace(from, to), { mode: 0o600 });
    const { code, stderr } = await runHere(['seal', 'login', '--status', '--config', file]);
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
});

test('the part of ace-coap demo --seal that logs a VAL user in: each step comes out as it should', async () => {
  const { issuer, ca } = provider;
  const codes: (string | null)[] = [];
  for await (const { step, code, ok } of httpsLoginSteps({ issuer, ca, clientId, clientSecret, redirectUri, scope: 'km', username: anna, password })) {
    assert.ok(ok, step);
    codes.push(code);
  }
  assert.deepEqual(codes, ['403', '303', null, '200', '200']);
});
