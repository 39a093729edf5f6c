import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { issueCode, setPassword } from '../../src/as/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { lmdbStore, type Store } from '../../src/store/index.ts';
import { aceExits, Lab } from './lab.ts';

const everyGrant = 'grant_types: [client_credentials, refresh_token, password, authorization_code]\n';
let lab: Lab;
let store: Store;
before(async () => {
  lab = await Lab.start(({ folder }) => {
    const file = join(folder, 'as.yaml');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, `${everyGrant}refresh_tokens: { client_credentials: true }\n${text.replace(/^( +)grants:/m, `$1${everyGrant}$1grants:`)}`);
  });
  store = lmdbStore(join(lab.folder, 'state', 'as'));
});
after(async () => {
  await store.close();
  await lab.end();
});

async function token(code: number, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const run = await aceExits(code, ['token', '--audience', 'rs1', '--config', lab.folder, '--json', ...args], { env });
  return code === 0 ? run.stdout : run.stderr;
}

const refreshable = (stdout: string): unknown => (JSON.parse(stdout) as Record<string, unknown>)['refreshable'];

describe('ace-coap token', () => {
  test('--refresh: by what came with the last token; nothing shows a refresh token', async () => {
    assert.match(await token(2, ['--refresh']), /--refresh: expected a refresh token that came with an earlier token/);
    for (const args of [[], ['--refresh'], ['--refresh']]) {
      const stdout = await token(0, args);
      assert.equal(refreshable(stdout), true);
      assert.ok(!stdout.includes('refresh_token'));
    }
  });

  test('--code: once', async () => {
    const grant = { client: 'client1', audience: 'rs1', scope: 'r_temp', expiresAt: systemEnv.epoch() + 60 };
    const code = toHex(await issueCode(store, systemEnv, grant));
    assert.equal(refreshable(await token(0, ['--code', code])), true);
    assert.match(await token(1, ['--code', code]), /invalid_grant/);
  });

  test('--username: with the password of a file or of the environment', async () => {
    await setPassword(store, systemEnv.random, 'anna', 'correct horse', { N: 16, r: 1, p: 1 });
    const file = join(lab.folder, 'password.txt');
    writeFileSync(file, 'correct horse\n', { mode: 0o600 });
    await token(0, ['--username', 'anna', '--password-file', file]);
    await token(0, ['--username', 'anna'], { ACE_COAP_PASSWORD: 'correct horse' });
    assert.match(await token(1, ['--username', 'anna'], { ACE_COAP_PASSWORD: 'wrong horse' }), /invalid_grant/);
    assert.match(await token(2, ['--username', 'anna']), /expected --password-file, ACE_COAP_PASSWORD or a terminal to ask on/);
    assert.match(await token(2, ['--username', 'anna', '--refresh']), /expected at most one of them/);
  });
});
