import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { aceExits, Lab } from './lab.ts';

for (const profile of ['dtls-psk', 'dtls-rpk'] as const)
  test(`${profile}, over real sockets: the AS uploads in a session of its own, and SSLKEYLOGFILE has the keys of the sessions of a client with --config`, async () => {
    const lab = await Lab.start(({ folder, rsPort }) => {
      for (const file of ['as.yaml', 'rs.yaml', 'client.yaml']) appendFileSync(join(folder, file), '\nexperimental: [token-upload]\n');
      const as = join(folder, 'as.yaml');
      const uri = `coaps://127.0.0.1:${rsPort + 1}/authz-info`;
      writeFileSync(as, readFileSync(as, 'utf8').replace('audiences: [rs1]', `audiences: [rs1]\n    authz_info: ${uri}`));
    }, profile);
    try {
      const keys = join(lab.folder, 'keys.log');
      const get = (env: Readonly<Record<string, string>>): Promise<{ readonly stderr: string }> =>
        aceExits(0, ['get', lab.uri('/temperature'), '--config', lab.folder], { env });
      const { stderr } = await get({ SSLKEYLOGFILE: keys });
      assert.match(stderr, /^SSLKEYLOGFILE: .*keys\.log; who has the file can read all of it$/m);
      assert.match(readFileSync(keys, 'utf8'), /^(?:CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n){2}$/, 'one with the AS, one with the RS');
      assert.equal(statSync(keys).mode & 0o777, 0o600);
      assert.deepEqual(
        lab.as.log().flatMap(({ msg, outcome }) => (msg === 'token-uploaded' ? [outcome] : [])),
        ['uploaded'],
      );
      assert.doesNotMatch((await get({})).stderr, /SSLKEYLOGFILE/);
    } finally {
      await lab.end();
    }
  });

test('the section dtls of as.yaml, rs.yaml and client.yaml: suites, connection IDs, and what may fail; who guesses is in the log, and then shut out', async () => {
  const lab = await Lab.start(({ folder }) => {
    appendFileSync(
      join(folder, 'as.yaml'),
      '\ndtls: { suites: [TLS_PSK_WITH_AES_128_CCM, TLS_PSK_WITH_AES_128_CCM_8], limits: { failures: { burst: 2, rate: 0.01 } } }\n',
    );
    appendFileSync(join(folder, 'rs.yaml'), '\ndtls: { suites: iot, connection_id: 8, idle_lifetime: 3600 }\n');
  }, 'dtls-psk');
  try {
    const get = async (path: string): Promise<Record<string, unknown>> => {
      const { stdout } = await aceExits(0, ['get', lab.uri(path), '--config', lab.folder, '--json']);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    assert.equal((await get('/temperature'))['suite'], 'TLS_PSK_WITH_AES_128_CCM_8');
    appendFileSync(join(lab.folder, 'client.yaml'), '\ndtls: { suites: seal-strict }\n');
    assert.match((await aceExits(1, ['get', lab.uri('/led'), '--config', lab.folder])).stderr, /handshake_failure/, 'a client that takes none of them');
    const guess = ['get', `coaps://127.0.0.1:${lab.asPort + 1}/token`, '--psk-identity', 'client1', '--psk', 'sixteen bytes no', '--timeout', '2'];
    assert.match((await aceExits(1, guess)).stderr, /decrypt_error/);
    const before = performance.now();
    await aceExits(3, guess);
    assert.ok(performance.now() - before < 20_000, '--timeout is for the handshake, too');
    const told = lab.as.log().flatMap(({ msg, level, reason }) => (msg === 'handshake-failed' ? [`${level} ${reason}`] : []));
    assert.deepEqual([...new Set(told)], ['warn ERR_DTLS_HANDSHAKE', 'warn ERR_DTLS_LIMITED']);
    assert.equal(told.filter((line) => line.endsWith('HANDSHAKE')).length, 2);
    const wrong = join(lab.folder, 'rs.yaml');
    const text = readFileSync(wrong, 'utf8').replace('suites: iot', 'suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CCM]');
    writeFileSync(wrong, text.replace(/^listen:.*$/m, 'listen: "coaps://127.0.0.1:0"'));
    assert.match((await aceExits(2, ['rs', lab.folder])).stderr, /rs\.yaml: dtls: expected credentials .* for one of the suites/);
  } finally {
    await lab.end();
  }
});
