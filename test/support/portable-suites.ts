import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { cryptoInUse, useCrypto } from '../../src/core/index.ts';

/** Run test files of a folder once more, with the portable crypto provider. */
export async function underPortableCrypto(folder: string, suites: readonly (readonly [name: string, load: () => Promise<unknown>])[]): Promise<void> {
  await useCrypto('portable');
  for (const [name, load] of suites) {
    describe(`portable crypto: ${folder}/${name}`, async () => {
      assert.equal(cryptoInUse(), 'portable');
      await load();
    });
  }
}
