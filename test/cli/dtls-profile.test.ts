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
