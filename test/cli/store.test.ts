import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { writeLab } from '../../src/operate/index.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { aceExits } from './lab.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-cli-store-'));
after(() => rmSync(base, { recursive: true, force: true }));

async function filled(name: string): Promise<string> {
  const folder = join(base, name);
  const store = lmdbStore(folder);
  await store.put('as/client/secret-name', utf8('secret-value'));
  await store.put('as/token/hash', utf8('record'), { expiresAt: 4e9 });
  await store.put('as/token/other', utf8('record'));
  await store.increment('secret-counter', 5);
  await store.close();
  return folder;
}

describe('ace-coap store', () => {
  test('info: version and entries by prefix, never keys or values', async () => {
    const folder = await filled('info');
    const { stdout } = await aceExits(0, ['store', 'info', folder]);
    assert.match(stdout, /version 3, 4 entries/);
    assert.match(stdout, /^as\/token\/ +2 +1 +\d+$/m);
    assert.doesNotMatch(stdout, /secret|hash|record/);
    const json = await aceExits(0, ['store', 'info', `lmdb:${folder}`, '--json']);
    const { prefixes, ...rest } = JSON.parse(json.stdout) as { readonly prefixes: readonly object[] };
    assert.deepEqual(rest, { store: `lmdb:${folder}`, kind: 'lmdb', version: 3, entries: 4, ending: 1, bytes: 94 });
    assert.deepEqual(prefixes, [
      { prefix: 'as/client/', entries: 1, ending: 0, bytes: 33 },
      { prefix: 'as/token/', entries: 2, ending: 1, bytes: 39 },
      { prefix: '(none)', entries: 1, ending: 0, bytes: 22 },
    ]);
  });

  test('info: the store that a configuration names', async () => {
    const lab = join(base, 'lab');
    await writeLab(lab, { random: systemEnv.random });
    for (const role of ['as', 'rs', 'client'] as const) {
      const store = lmdbStore(join(lab, 'state', role));
      await store.put(`${role}/x`, utf8('x'));
      await store.close();
      const { stdout } = await aceExits(0, ['store', 'info', '--config', join(lab, `${role}.yaml`), '--json']);
      assert.equal(JSON.parse(stdout).prefixes[0].prefix, `${role}/`);
    }
    assert.match((await aceExits(0, ['store', 'info', '--config', lab])).stdout, /^as\/ +1 /m);
    assert.match((await aceExits(2, ['store', 'info', lab, '--config', lab])).stderr, /expected a store or --config, got both/);
    assert.match((await aceExits(2, ['store', 'info'])).stderr, /expected a store or --config, got neither/);
  });

  test('info: a store that is not there is not made', async () => {
    const nowhere = join(base, 'nowhere');
    const { stderr } = await aceExits(2, ['store', 'info', nowhere]);
    assert.match(stderr, /there is none/);
    assert.ok(!existsSync(nowhere));
  });

  test('migrate: copies, compares, and refuses to overwrite', async () => {
    const from = await filled('from');
    const to = join(base, 'to');
    const { stdout } = await aceExits(0, ['store', 'migrate', from, `lmdb:${to}`, '--json']);
    assert.deepEqual(JSON.parse(stdout), { from: `lmdb:${from}`, to: `lmdb:${to}`, entries: 4, ending: 1 });
    const { stderr } = await aceExits(2, ['store', 'migrate', from, to]);
    assert.match(stderr, /expected an empty store to migrate to, got one with entries/);
    const forced = await aceExits(0, ['store', 'migrate', from, to, '--force']);
    assert.match(forced.stdout, /copied and compared: 4 entries, 1 of them end/);
    const store = lmdbStore(to);
    assert.equal(await store.increment('secret-counter', 1), 5);
    await store.close();
    await aceExits(2, ['store', 'migrate', from, `lmdb:${from}`]);
    await aceExits(2, ['store', 'migrate', from, 'redis://u:pass-word@h/1']).then((run) => assert.doesNotMatch(run.stderr, /pass-word/));
  });

  test('backup and restore: nobody serves from the copy, and what comes of it repeats nothing', async () => {
    const from = join(base, 'live');
    const store = lmdbStore(from);
    await store.increment('oscore/ssn/key', 64);
    await store.put('as/client/c1', utf8('client'));
    await store.put('as/code/x', utf8('code'));
    const [backup, to] = [join(base, 'backup'), join(base, 'restored')];
    const made = await aceExits(0, ['store', 'backup', from, `lmdb:${backup}`, '--json']);
    const { time, ...rest } = JSON.parse(made.stdout) as { readonly time: string };
    assert.match(time, /^20\d\d-/);
    assert.deepEqual(rest, { from: `lmdb:${from}`, to: `lmdb:${backup}`, entries: 3 });
    await store.close();
    assert.match((await aceExits(2, ['store', 'migrate', backup, to])).stderr, /expected a store to serve from, got the backup of/);
    assert.match((await aceExits(2, ['store', 'backup', from, backup])).stderr, /expected an empty store to back up to/);
    assert.match((await aceExits(2, ['store', 'restore', from, to])).stderr, /expected a backup, got a store that is none/);
    const restored = await aceExits(0, ['store', 'restore', backup, to, '--skip', '1000']);
    assert.match(restored.stdout, /^restored: 2 entries of 20.*; 1 counters go on 1000 further, 1 entries that are good once did not come back$/m);
    const again = lmdbStore(to);
    assert.equal(await again.increment('oscore/ssn/key', 1), 1_064);
    await again.close();
    await aceExits(2, ['store', 'restore', backup, join(base, 'other'), '--skip', '0']);
    await aceExits(0, ['store', 'info', backup]);
  });
});
