import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { backupStore, backupTime, lmdbStore, memoryStore, openStore, restoreStore, type Store } from '../../src/store/index.ts';
import { all, failsWith, keys, TestClock } from './compliance-support.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-backup-'));
after(() => rmSync(base, { recursive: true, force: true }));

const clock = new TestClock();
const rules = { counters: ['n/'], dropped: ['once/'], kept: ['once/own/'] };

/** Empty for a file that has been closed since. */
function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}

async function filled(): Promise<Store> {
  const store = memoryStore({ env: clock });
  for (let i = 0; i < 450; i++) await store.put(`k/${i}`, utf8(`value ${i}`), i % 3 === 0 ? { expiresAt: clock.seconds + 1_000 + i } : {});
  await store.increment('n/a', 77);
  await store.put('once/x', utf8('code'));
  await store.put('once/own/key', utf8('key'));
  return store;
}

describe('backup and restore', () => {
  it('a backup has every entry with its end, and a store of it goes on further ahead, without what is good once', async () => {
    const from = await filled();
    const backup = lmdbStore(join(base, 'backup'), { env: clock });
    const progress: number[] = [];
    const { time, entries } = await backupStore(from, backup, { env: clock, progress: (count) => progress.push(count) });
    assert.deepEqual([entries, progress], [453, [200, 400, 453]]);
    assert.equal(time, new Date(clock.seconds * 1000).toISOString());
    assert.equal(await backupTime(backup), time);
    const to = memoryStore({ env: clock });
    assert.deepEqual(await restoreStore(backup, to, { rules, skip: 1_000 }), { time, entries: 452, counters: 1, dropped: 1 });
    assert.equal(await backupTime(to), undefined);
    assert.equal(await to.increment('n/a', 1), 1_077);
    assert.deepEqual(await all(to, 'k/'), await all(from, 'k/'));
    assert.deepEqual(await keys(to, 'once/'), ['once/own/key']);
    await backup.close();
  });

  it('what a store is given while it is backed up is not in the backup', async () => {
    const from = lmdbStore(join(base, 'busy'), { env: clock });
    for (let i = 0; i < 450; i++) await from.put(`k/${String(i).padStart(3, '0')}`, utf8('old'));
    const to = memoryStore({ env: clock });
    let changed: Promise<unknown> | undefined;
    await backupStore(from, to, {
      progress: () => {
        changed ??= Promise.all([from.put('k/449', utf8('new')), from.put('k/999', utf8('new'))]);
      },
    });
    await changed;
    assert.deepEqual(await to.get('k/449'), utf8('old'));
    assert.equal(await to.get('k/999'), undefined);
    await from.close();
  });

  it('no server opens a backup, or what a backup or a restoration that was broken off has left', async () => {
    const from = await filled();
    const folder = join(base, 'guarded');
    const backup = await openStore(folder, { env: clock });
    await backupStore(from, backup, { env: clock });
    await backup.close();
    await assert.rejects(openStore(folder), { code: 'ERR_STORE_FORMAT', message: /got the backup of 20.*"ace-coap store restore" makes a store of it$/ });
    const opened = await openStore(folder, { unfinished: true });

    const place = join(base, 'broken');
    const to = await openStore(place, { unfinished: true });
    const broken: Store = { ...to, put: to.put.bind(to), scan: to.scan.bind(to), batch: () => Promise.reject(new Error('gone')) } as Store;
    await assert.rejects(restoreStore(opened, broken, { rules, skip: 1 }), /gone/);
    await to.close();
    await assert.rejects(openStore(place), { code: 'ERR_STORE_FORMAT', message: /"ace-coap store restore" has not filled yet; remove it and run it again$/ });
    await opened.close();
  });

  it('a store that cannot be looked at is closed again', { skip: existsSync('/proc/self/fd') ? false : 'nobody tells here which files are open' }, async () => {
    const folder = join(base, 'unreadable');
    const store = await openStore(folder);
    await store.put('store/backup', Uint8Array.of(0xff));
    const isOpen = (): boolean => readdirSync('/proc/self/fd').some((name) => targetOf(name).startsWith(folder));
    assert.ok(isOpen());
    await store.close();
    assert.ok(!isOpen());
    await assert.rejects(openStore(folder), { code: 'ERR_BYTES_UTF8' });
    assert.ok(!isOpen());
  });

  it('refuses a target with entries, and to restore what is no backup', async () => {
    const from = await filled();
    const to = memoryStore({ env: clock });
    await assert.rejects(restoreStore(from, to, { rules, skip: 1 }), failsWith('ERR_STORE_BACKUP'));
    await to.put('theirs', utf8('x'));
    await assert.rejects(backupStore(from, to), failsWith('ERR_STORE_BACKUP'));
    const backup = memoryStore({ env: clock });
    await backupStore(from, backup);
    await assert.rejects(restoreStore(backup, to, { rules, skip: 1 }), failsWith('ERR_STORE_BACKUP'));
    assert.deepEqual(await keys(to, ''), ['theirs']);
  });

  it('a counter that cannot go on so far is told', async () => {
    const from = memoryStore({ env: clock });
    await from.put('n/a', utf8('no counter'));
    const backup = memoryStore({ env: clock });
    await backupStore(from, backup);
    await assert.rejects(restoreStore(backup, memoryStore(), { rules, skip: 1 }), failsWith('ERR_STORE_COUNTER'));
  });
});
