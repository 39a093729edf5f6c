import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import pg from 'pg';
import { backupStore, memoryStore, migrateStore, openStore, postgresStore, restoreStore } from '../../src/store/index.ts';
import { storeCompliance } from './compliance.ts';
import { all, failsWith } from './compliance-support.ts';

const url = process.env['ACE_TEST_POSTGRES'];

if (url === undefined) {
  it('postgresStore', { skip: 'ACE_TEST_POSTGRES is not set: it is the URL of a database to make databases on, and npm run interop sets it' }, () => undefined);
} else {
  const schemas: string[] = [];

  const sql = async (text: string): Promise<void> => {
    const client = new pg.Client(url);
    await client.connect();
    await client.query(text);
    await client.end();
  };

  /** A schema of its own on the server, by a URL. */
  const freshPlace = async (): Promise<string> => {
    const name = `ace_coap_test_${process.pid}_${schemas.length}`;
    schemas.push(name);
    await sql(`create schema ${name}`);
    const address = new URL(url);
    address.searchParams.set('options', `-c search_path=${name}`);
    return address.href;
  };

  describe('postgresStore', () => {
    after(() => sql(schemas.map((name) => `drop schema ${name} cascade`).join(';')));

    storeCompliance(
      'postgresStore',
      () => {
        const place = freshPlace();
        return async (options) => postgresStore(await place, { timeout: 5, ...options });
      },
      { shared: true },
    );

    it('a store moves to it and back, with the ends of its entries', async () => {
      const place = await freshPlace();
      await assert.rejects(openStore(place, { create: false }), failsWith('ERR_STORE_OPEN'));
      const from = memoryStore();
      for (let i = 0; i < 1_300; i++) await from.put(`k/${i}`, Uint8Array.of(i), i % 2 === 0 ? { expiresAt: 4e9 + i / 7 } : {});
      const there = await openStore(place);
      assert.deepEqual(await migrateStore(from, there, { source: 'memory' }), { entries: 1_300, ending: 650 });
      const back = memoryStore();
      assert.deepEqual(await migrateStore(there, back, { source: 'postgres' }), { entries: 1_300, ending: 650 });
      assert.deepEqual(await all(back, ''), await all(from, ''));
      await there.close();
    });

    it('it is backed up as it stands at one moment, to another one that no server opens, and restored from there', async () => {
      const [from, backup, restored] = [await freshPlace(), await freshPlace(), await freshPlace()];
      const store = await openStore(from);
      for (let i = 0; i < 1_300; i++) await store.put(`k/${String(i).padStart(4, '0')}`, Uint8Array.of(i), i % 2 === 0 ? { expiresAt: 4e9 } : {});
      await store.increment('n/a', 64);
      const before = await all(store, 'k/');
      const target = await openStore(backup, { unfinished: true });
      let changed: Promise<void> | undefined;
      await backupStore(store, target, { progress: () => void (changed ??= store.put('k/1299', Uint8Array.of(0))) });
      await changed;
      assert.notDeepEqual(await all(store, 'k/'), before);
      await assert.rejects(openStore(backup), failsWith('ERR_STORE_FORMAT'));
      const there = await openStore(restored, { unfinished: true });
      const rules = { counters: ['n/'], dropped: ['once/'], kept: [] };
      const { entries, counters } = await restoreStore(target, there, { rules, skip: 1_000 });
      assert.deepEqual([entries, counters], [1_301, 1]);
      assert.deepEqual(await all(there, 'k/'), before);
      assert.equal(await there.increment('n/a', 1), 1_064);
      await Promise.all([store, target, there].map((one) => one.close()));
    });
  });
}
