import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import pg from 'pg';
import { memoryStore, migrateStore, openStore, postgresStore } from '../../src/store/index.ts';
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
  });
}
