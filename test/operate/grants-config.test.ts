import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { openCwt, protectCwt } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type ConfigError, loadAsConfig, loadClientConfig, loadRsConfig, writeLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-grants-config-'));
after(() => rmSync(base, { recursive: true, force: true }));
let labs = 0;

/** A lab with a line of one of its files replaced. */
async function labWith(name: string, from: string | RegExp, to: string): Promise<string> {
  const folder = join(base, `lab${++labs}`);
  await writeLab(folder, { random: systemEnv.random });
  const file = join(folder, name);
  const text = readFileSync(file, 'utf8');
  const next = text.replace(from, to);
  assert.notEqual(next, text);
  writeFileSync(file, next);
  return folder;
}

const refused =
  (pattern: RegExp) =>
  (error: unknown): boolean => {
    assert.match((error as ConfigError).message, pattern);
    return true;
  };
const hash = `scrypt$32768$8$3$${'A'.repeat(22)}$${'B'.repeat(43)}`;

describe('grants in the configuration', () => {
  it('grant types and refresh tokens of the server, grant types and the hash of a secret of a client', async () => {
    const top = 'grant_types: [client_credentials, refresh_token]\nrefresh_tokens: { lifetime: 60, family_lifetime: 600, client_credentials: true }\n';
    const folder = await labWith('as.yaml', /^store:/m, `${top}store:`);
    const file = join(folder, 'as.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +)grants:/m, `$1grant_types: [refresh_token]\n$1secret_hash: ${hash}\n$1grants:`));
    const config = loadAsConfig(folder);
    assert.deepEqual(config.grantTypes, ['client_credentials', 'refresh_token']);
    assert.deepEqual(config.refreshTokens, { lifetime: 60, familyLifetime: 600, clientCredentials: true });
    assert.deepEqual(config.clients[0]?.grantTypes, ['refresh_token']);
    assert.equal(config.clients[0]?.secret, hash);
  });

  it('a grant type that is none, a secret that is no hash', async () => {
    const implicit = await labWith('as.yaml', /^store:/m, 'grant_types: [implicit]\nstore:');
    assert.throws(() => loadAsConfig(implicit), refused(/as\.yaml:\d+:\d+: grant_types\[0\]: expected one of client_credentials, .*, got "implicit"/));
    const plain = await labWith('as.yaml', /^( +)grants:/m, '$1secret_hash: sesame\n$1grants:');
    assert.throws(() => loadAsConfig(plain), refused(/secret_hash: expected the hash of a secret, scrypt\$N\$r\$p\$salt\$hash/));
  });

  it('the secret of a client comes from a file that is its own', async () => {
    const folder = await labWith('client.yaml', /^( +- )uri:/m, '$1client_secret_file: secret.txt\n    uri:');
    writeFileSync(join(folder, 'secret.txt'), 's3cret\n', { mode: 0o600 });
    assert.deepEqual(loadClientConfig(folder).authorizationServers[0]?.clientSecret, utf8('s3cret'));
    chmodSync(join(folder, 'secret.txt'), 0o644);
    assert.throws(() => loadClientConfig(folder), refused(/client_secret_file: .*expected a file with a secret that its owner alone may use, got mode 0644/));
  });
});

describe('token keys in the configuration', () => {
  it('a key of the environment, and the time of a key', async () => {
    const times = 'from: "2026-12-01T00:00:00Z", until: "2026-12-31T00:00:00+01:00"';
    const folder = await labWith('rs.yaml', /key_file: [^,]*, kid/, `key_env: ACE_COAP_TEST_KEY, ${times}, kid`);
    process.env['ACE_COAP_TEST_KEY'] = 'ab'.repeat(16);
    const [key] = loadRsConfig(folder).issuers[0]!.tokenKeys;
    assert.equal(toHex(key!.key.k!), 'ab'.repeat(16));
    assert.equal(key!.from, Date.UTC(2026, 11, 1) / 1000);
    assert.equal(key!.until, Date.UTC(2026, 11, 30, 23) / 1000);
    process.env['ACE_COAP_TEST_KEY'] = 'sesame';
    assert.throws(() => loadRsConfig(folder), refused(/key_env: ACE_COAP_TEST_KEY: expected a key in hexadecimal, got 6 characters that are none/));
    delete process.env['ACE_COAP_TEST_KEY'];
    assert.throws(() => loadRsConfig(folder), refused(/key_env: expected a variable of the environment that is set, got ACE_COAP_TEST_KEY, which is not/));
    const never = await labWith('rs.yaml', /, kid: "01"/, ', from: "2026-12-01T00:00:00Z", until: "2026-12-01T00:00:00Z"');
    assert.throws(() => loadRsConfig(never), refused(/until: expected a time after from/));
    const leap = await labWith('rs.yaml', /, kid: "01"/, ', until: "2026-02-29T00:00:00Z"');
    assert.throws(() => loadRsConfig(leap), refused(/until: expected a time in quotes/));
    const someday = await labWith('rs.yaml', /, kid: "01"/, ', until: tomorrow');
    assert.throws(() => loadRsConfig(someday), refused(/until: expected a time in quotes, such as "2026-12-31T12:00:00Z"/));
  });

  for (const [alg, options] of [
    ['ES256', { namedCurve: 'P-256' }],
    ['EdDSA', undefined],
  ] as const) {
    it(`${alg}: PKCS#8 at the AS, SPKI at the RS, and a token goes from one to the other`, async () => {
      const pair = options === undefined ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', options);
      const entry = `{ use: sign1, alg: ${alg}, key_pem_file: token.pem }`;
      const pattern = /\{ use: encrypt0.*\}/;
      const rs = await labWith('rs.yaml', pattern, entry);
      writeFileSync(join(rs, 'token.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }), { mode: 0o644 });
      const as = await labWith('rs.yaml', pattern, entry);
      writeFileSync(join(as, 'token.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      const signing = loadRsConfig(as).issuers[0]!.tokenKeys[0]!;
      const token = protectCwt({ aud: 'rs1' }, signing, systemEnv.random);
      assert.equal(openCwt(token, loadRsConfig(rs).issuers[0]!.tokenKeys).claims.aud, 'rs1');
      chmodSync(join(as, 'token.pem'), 0o640);
      assert.throws(() => loadRsConfig(as), refused(/key_pem_file: .*that its owner alone may use, got mode 0640/));
      writeFileSync(join(rs, 'token.pem'), 'sesame');
      assert.throws(
        () => loadRsConfig(rs),
        refused(/key_pem_file: expected a key in PEM \(PKCS#8 or SPKI\) on P-256, P-384, P-521, Ed25519, got another file/),
      );
    });
  }
});
