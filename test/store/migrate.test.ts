import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { lmdbStore, memoryStore, migrateStore, openStore, parseStorePlace, type Store } from '../../src/store/index.ts';
import { all, failsWith, keys, TestClock } from './compliance-support.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-migrate-'));
after(() => rmSync(base, { recursive: true, force: true }));

const clock = new TestClock();
const many = 450;

async function filled(): Promise<Store> {
  const store = memoryStore({ env: clock });
  for (let i = 0; i < many; i++) await store.put(`k/${i}`, utf8(`value ${i}`), i % 3 === 0 ? { expiresAt: clock.seconds + 1_000 + i } : {});
  await store.increment('n', 77);
  return store;
}

/** A store that breaks at its so-maniest batch. */
function breaking(store: Store, at: number): Store {
  let batches = 0;
  return {
    get: (key) => store.get(key),
    put: (key, value, options) => store.put(key, value, options),
    delete: (key) => store.delete(key),
    compareAndSet: (key, expected, next, options) => store.compareAndSet(key, expected, next, options),
    batch: (changes) => (++batches === at ? Promise.reject(new Error('gone')) : store.batch(changes)),
    increment: (key, by) => store.increment(key, by),
    scan: (prefix, options) => store.scan(prefix, options),
    close: () => store.close(),
  };
}

describe('migrateStore', () => {
  it('copies every entry with its end', async () => {
    const from = await filled();
    const to = lmdbStore(join(base, 'plain'), { env: clock });
    const steps: string[] = [];
    const options = { source: 'memory', env: clock, progress: (step: string, entries: number) => void steps.push(`${step} ${entries}`) };
    assert.deepEqual(await migrateStore(from, to, options), { entries: many + 1, ending: many / 3 });
    assert.deepEqual(await all(to, ''), await all(from, ''));
    assert.deepEqual(steps, ['copying 200', 'copying 400', 'copying 451', 'comparing 451']);
    assert.equal(await to.increment('n', 1), 77);
    clock.seconds += 1_000;
    assert.equal(await to.get('k/0'), undefined);
    assert.deepEqual(await to.get('k/3'), utf8('value 3'));
    await to.close();
  });

  it('refuses a target with entries, and clears it with force', async () => {
    const from = await filled();
    const to = memoryStore({ env: clock });
    await to.put('theirs', utf8('x'));
    await assert.rejects(migrateStore(from, to, { source: 'memory', env: clock }), failsWith('ERR_STORE_MIGRATE'));
    assert.deepEqual(await keys(to, ''), ['theirs']);
    await migrateStore(from, to, { source: 'memory', env: clock, force: true });
    assert.deepEqual(await all(to, ''), await all(from, ''));
  });

  it('broken off, it leaves a target that nobody opens, and goes on when it is run again', async () => {
    const from = await filled();
    const place = join(base, 'broken');
    const to = lmdbStore(place, { env: clock });
    await assert.rejects(migrateStore(from, breaking(to, 2), { source: 'memory', env: clock }), /gone/);
    await to.close();
    await assert.rejects(openStore(place), failsWith('ERR_STORE_FORMAT'));
    const again = await openStore(place, { unfinished: true, env: clock });
    await assert.rejects(migrateStore(from, again, { source: 'another', env: clock }), failsWith('ERR_STORE_MIGRATE'));
    await migrateStore(from, again, { source: 'memory', env: clock });
    assert.deepEqual(await all(again, ''), await all(from, ''));
    await again.close();
    await (await openStore(place)).close();
  });

  it('notices a source that is used meanwhile', async () => {
    for (const change of [
      (store: Store) => store.put('k/7', utf8('changed')),
      (store: Store) => store.delete('k/9'),
      (store: Store) => store.put('z', utf8('new')),
    ]) {
      const from = await filled();
      const to = memoryStore({ env: clock });
      const progress = (step: string): void => void (step === 'copying' && change(from));
      await assert.rejects(migrateStore(from, to, { source: 'memory', env: clock, progress }), failsWith('ERR_STORE_MIGRATE'));
    }
  });
});

describe('openStore', () => {
  it('opens a folder with and without lmdb:', async () => {
    const folder = join(base, 'opened');
    const first = await openStore(`lmdb:${folder}`);
    await first.put('a', utf8('1'));
    await first.close();
    const second = await openStore(folder, { create: false });
    assert.deepEqual(await second.get('a'), utf8('1'));
    await second.close();
  });

  it('refuses what it does not know, without a word of it, and makes nothing where nothing is to be made', async () => {
    for (const place of ['', 'lmdb:', 'redis://u:secret@h/1', 'postgres:/u:secret@h/1', 'postgres://u:secret@h:port/1', 'memory:']) {
      const refused = (error: unknown): boolean => failsWith('ERR_STORE_OPEN')(error) && !String(error).includes('secret');
      await assert.rejects(openStore(place), refused, place);
    }
    const nowhere = join(base, 'nowhere');
    await assert.rejects(openStore(nowhere, { create: false }), failsWith('ERR_STORE_OPEN'));
    await assert.rejects(openStore(nowhere, { create: false }), failsWith('ERR_STORE_OPEN'));
  });

  it('the name of a place has neither user nor password', () => {
    const names = ['state', 'lmdb:./state', 'postgres://u:secret@h:5433/db?sslmode=require', 'postgresql:///db?host=/run/sock&password=secret'];
    assert.deepEqual(
      names.map((place) => parseStorePlace(place)?.name),
      ['lmdb:state', 'lmdb:./state', 'postgres://h:5433/db', 'postgres:///run/sock/db'],
    );
  });
});
