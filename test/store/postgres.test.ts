import { after, describe, it } from 'node:test';
import pg from 'pg';
import { postgresStore } from '../../src/store/index.ts';
import { storeCompliance } from './compliance.ts';

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

  describe('postgresStore', () => {
    after(() => sql(schemas.map((name) => `drop schema ${name} cascade`).join(';')));

    storeCompliance(
      'postgresStore',
      () => {
        const name = `ace_coap_test_${process.pid}_${schemas.length}`;
        schemas.push(name);
        const made = sql(`create schema ${name}`);
        const address = new URL(url);
        address.searchParams.set('options', `-c search_path=${name}`);
        return async (options) => {
          await made;
          return postgresStore(address.href, { timeout: 5, ...options });
        };
      },
      { shared: true },
    );
  });
}
