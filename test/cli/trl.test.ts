import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Revocations } from '../../src/as/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { until } from '../support/wait.ts';
import { aceExits, Lab } from './lab.ts';

test('RFC 9770: what is revoked in the store of an AS that runs ends at an observing RS, over real sockets, and "ace-coap trl" shows it', async () => {
  const lab = await Lab.start(({ folder }) => {
    appendFileSync(join(folder, 'rs.yaml'), '\nrevocation: { observe: true, interval: 30 }\n');
    appendFileSync(join(folder, 'as.yaml'), '\nrevocation: { administrators: [client1] }\n');
  });
  try {
    const ace = (code: number, ...words: readonly string[]): Promise<string> => aceExits(code, [...words, '--config', lab.folder]).then(({ stdout }) => stdout);
    const of = (server: 'as' | 'rs', name: string): readonly Record<string, unknown>[] => lab[server].log().filter(({ msg }) => msg === name);
    await until(() => of('rs', 'revocation-list').some(({ reason }) => reason === 'reached'));
    assert.deepEqual(JSON.parse(await ace(0, 'trl', '--rs', '--json')), { full_set: [], cursor: null });
    await ace(0, 'get', lab.uri('/temperature'));
    const { token } = of('as', 'token-issued')[0]!;
    assert.ok(typeof token === 'string' && token.length === 44);

    const watch = aceExits(0, ['trl', '--rs', '--observe', '--count', '2', '--diff', '1', '--json', '--config', lab.folder]);
    await until(() => of('as', 'trl-queried').filter(({ observe }) => observe).length >= 2);
    const store = await lmdbStore(join(lab.folder, 'state', 'as'));
    assert.equal((await new Revocations({ store, env: systemEnv }).revoke(token))?.again, false);
    await store.close();
    await until(() => of('rs', 'token-ended').some(({ reason }) => reason === 'revoked'));
    const lines = (await watch).stdout.trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      [
        { diff_set: [], cursor: null, more: false },
        { diff_set: [{ removed: [], added: [token] }], cursor: 0, more: false },
      ],
    );
    for (const words of [['trl', '--rs'], ['trl']]) assert.match(await ace(0, ...words), new RegExp(`revoked +${token}`));
    await ace(1, 'trl', '--diff', '0', '--cursor', '7');
    await ace(2, 'trl', '--cursor', '7');
    await ace(0, 'get', lab.uri('/temperature'));
    assert.equal(of('as', 'token-issued').length, 2, 'the client got another token');
  } finally {
    await lab.end();
  }
});
