import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SlowHashes } from '../../src/as/grants/slow-hash.ts';
import { issueCode } from '../../src/as/index.ts';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { lmdbStore, type Store } from '../../src/store/index.ts';
import { aceExits, Lab, type RunOptions } from './lab.ts';

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

async function token(code: number, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const run = await aceExits(code, ['token', '--audience', 'rs1', '--config', lab.folder, '--json', ...args], options);
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
    const file = join(lab.folder, 'password.txt');
    writeFileSync(file, 'correct horse\n', { mode: 0o600 });
    await aceExits(0, ['password', 'set', 'anna', '--password-file', file, '--config', lab.folder]);
    await token(0, ['--username', 'anna', '--password-file', file]);
    await token(0, ['--username', 'anna'], { env: { ACE_COAP_PASSWORD: 'correct horse' } });
    assert.match(await token(1, ['--username', 'anna'], { env: { ACE_COAP_PASSWORD: 'wrong horse' } }), /invalid_grant/);
    // In a process of its own, which has no terminal whoever runs this.
    assert.match(await token(2, ['--username', 'anna'], { process: true }), /expected --password-file, ACE_COAP_PASSWORD or a terminal to ask on/);
    assert.match(await token(2, ['--username', 'anna', '--refresh']), /expected at most one of them/);
  });
});

describe('ace-coap password', () => {
  test('remove: the resource owner has none any more; exit code 2 for wrong use', async () => {
    const at = ['--store', join(lab.folder, 'state', 'as')];
    await aceExits(0, ['password', 'set', 'bert', ...at], { env: { ACE_COAP_PASSWORD: 'battery staple' }, process: false });
    await token(0, ['--username', 'bert'], { env: { ACE_COAP_PASSWORD: 'battery staple' } });
    await aceExits(0, ['password', 'remove', 'bert', ...at]);
    assert.match(await token(1, ['--username', 'bert'], { env: { ACE_COAP_PASSWORD: 'battery staple' } }), /invalid_grant/);
    assert.match((await aceExits(2, ['password', 'remove', 'bert', ...at])).stderr, /expected a resource owner with a password/);
    const short = await aceExits(2, ['password', 'set', 'bert', ...at], { env: { ACE_COAP_PASSWORD: 'short' }, process: false });
    assert.match(short.stderr, /password: expected 8 to 1024 bytes/);
    assert.match((await aceExits(2, ['password', 'remove', 'bert'])).stderr, /expected one of --config and --store/);
  });

  test('hash: what secret_hash takes, with a salt of its own each time; the secret is not in it', async () => {
    const file = join(lab.folder, 'client.secret');
    writeFileSync(file, 'gr\u00fcner Tee\n', { mode: 0o600 });
    const hashes = await Promise.all([1, 2].map(async () => (await aceExits(0, ['password', 'hash', '--password-file', file])).stdout.trim()));
    assert.notEqual(hashes[0], hashes[1]);
    for (const hash of hashes) assert.equal(await new SlowHashes().verify(utf8('gr\u00fcner Tee'), hash), true);
  });
});
