import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import type { Store } from '../../src/store/index.ts';
import { batchCompliance, sharedCompliance, timeCompliance } from './compliance-changes.ts';
import { all, bytes, failsWith, type Place } from './compliance-support.ts';

/** What every store does; `place` gives an empty one. `shared`: it may be opened several times. */
export function storeCompliance(name: string, place: Place, { shared }: { readonly shared: boolean }): void {
  const test = (title: string, body: (store: Store) => Promise<void>): void => {
    it(title, async () => {
      const store = await place()();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  };

  batchCompliance(name, place);
  timeCompliance(name, place);
  if (shared) sharedCompliance(name, place);

  describe(`${name}: the Store contract`, () => {
    test('get: what was put, and undefined where nothing was', async (store) => {
      assert.equal(await store.get('a'), undefined);
      await store.put('a', bytes(1, 2, 3));
      assert.deepEqual(await store.get('a'), bytes(1, 2, 3));
      await store.put('a', bytes());
      assert.deepEqual(await store.get('a'), bytes());
      assert.equal(await store.get('ab'), undefined);
    });

    test('values are plain Uint8Array, the same that was put', async (store) => {
      await store.put('a', Buffer.from('text'));
      const value = await store.get('a');
      assert.ok(value);
      assert.equal(Object.getPrototypeOf(value), Uint8Array.prototype);
      assert.deepEqual(value, utf8('text'));
    });

    test('put borrows its value: a later change of the bytes does not reach the store', async (store) => {
      const value = bytes(1, 1, 1);
      const done = store.put('a', value);
      value.fill(9);
      await done;
      assert.deepEqual(await store.get('a'), bytes(1, 1, 1));
    });

    test('results are fresh: writing into one changes neither the store nor another result', async (store) => {
      await store.put('a', bytes(1, 1));
      const first = (await store.get('a'))!;
      const second = (await store.get('a'))!;
      first.fill(7);
      assert.deepEqual(second, bytes(1, 1));
      await store.put('a', bytes(2, 2));
      assert.deepEqual(second, bytes(1, 1));
      assert.deepEqual(await store.get('a'), bytes(2, 2));
      for await (const [, value] of store.scan('')) value.fill(8);
      assert.deepEqual(await store.get('a'), bytes(2, 2));
    });

    test('compareAndSet borrows its values', async (store) => {
      const expected = bytes(1);
      const next = bytes(2);
      await store.put('a', expected);
      const done = store.compareAndSet('a', expected, next);
      expected.fill(9);
      next.fill(9);
      assert.equal(await done, true);
      assert.deepEqual(await store.get('a'), bytes(2));
    });

    test('delete tells whether there was something', async (store) => {
      assert.equal(await store.delete('a'), false);
      await store.put('a', bytes(1));
      assert.equal(await store.delete('a'), true);
      assert.equal(await store.get('a'), undefined);
      assert.equal(await store.delete('a'), false);
    });

    test('delete: of many at once one alone finds it', async (store) => {
      await store.put('a', bytes(1));
      const found = await Promise.all(Array.from({ length: 8 }, () => store.delete('a')));
      assert.equal(found.filter(Boolean).length, 1);
    });

    test('compareAndSet replaces what is expected and nothing else', async (store) => {
      assert.equal(await store.compareAndSet('a', bytes(1), bytes(2)), false);
      assert.equal(await store.get('a'), undefined);
      assert.equal(await store.compareAndSet('a', undefined, bytes(1)), true);
      assert.equal(await store.compareAndSet('a', undefined, bytes(2)), false);
      assert.equal(await store.compareAndSet('a', bytes(2), bytes(3)), false);
      assert.equal(await store.compareAndSet('a', bytes(1, 0), bytes(3)), false);
      assert.deepEqual(await store.get('a'), bytes(1));
      assert.equal(await store.compareAndSet('a', bytes(1), bytes(2)), true);
      assert.deepEqual(await store.get('a'), bytes(2));
    });

    test('compareAndSet: an empty value is not an absent one', async (store) => {
      assert.equal(await store.compareAndSet('a', bytes(), bytes(1)), false);
      assert.equal(await store.compareAndSet('a', undefined, bytes()), true);
      assert.equal(await store.compareAndSet('a', undefined, bytes(1)), false);
      assert.equal(await store.compareAndSet('a', bytes(), bytes(1)), true);
    });

    test('compareAndSet to undefined deletes', async (store) => {
      assert.equal(await store.compareAndSet('a', undefined, undefined), true);
      await store.put('a', bytes(1));
      assert.equal(await store.compareAndSet('a', bytes(2), undefined), false);
      assert.equal(await store.compareAndSet('a', bytes(1), undefined), true);
      assert.equal(await store.get('a'), undefined);
    });

    test('compareAndSet: of many with one expectation one alone wins', async (store) => {
      await store.put('a', bytes(0));
      const won = await Promise.all(Array.from({ length: 16 }, (_, i) => store.compareAndSet('a', bytes(0), bytes(i + 1))));
      assert.equal(won.filter(Boolean).length, 1);
      assert.deepEqual(await store.get('a'), bytes(won.indexOf(true) + 1));
    });

    test('increment counts from 0 and returns the value before', async (store) => {
      assert.equal(await store.increment('n', 1), 0);
      assert.equal(await store.increment('n', 64), 1);
      assert.equal(await store.increment('n', 2 ** 40), 65);
      assert.equal(await store.increment('n', 1), 65 + 2 ** 40);
      assert.equal(await store.increment('other', 5), 0);
    });

    test('increment: many at once never share a number', async (store) => {
      const firsts = await Promise.all(Array.from({ length: 50 }, () => store.increment('n', 3)));
      assert.deepEqual(
        firsts.sort((a, b) => a - b),
        Array.from({ length: 50 }, (_, i) => 3 * i),
      );
    });

    test('increment refuses a step or a counter that is none', async (store) => {
      for (const by of [0, -1, 1.5, 2 ** 40 + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(store.increment('n', by), failsWith('ERR_STORE_COUNTER'));
      }
      assert.equal(await store.get('n'), undefined);
      await store.put('text', utf8('hello'));
      await assert.rejects(store.increment('text', 1), failsWith('ERR_STORE_COUNTER'));
      await store.put('huge', new Uint8Array(8).fill(0xff));
      await assert.rejects(store.increment('huge', 1), failsWith('ERR_STORE_COUNTER'));
      await store.put('full', bytes(0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
      await assert.rejects(store.increment('full', 1), failsWith('ERR_STORE_COUNTER'));
      assert.equal(await store.increment('n', 1), 0);
    });

    test('a failed change does not hold up the next one of its key', async (store) => {
      await store.put('n', utf8('no counter'));
      const failed = store.increment('n', 1);
      const next = store.compareAndSet('n', utf8('no counter'), undefined);
      await assert.rejects(failed, failsWith('ERR_STORE_COUNTER'));
      assert.equal(await next, true);
      assert.equal(await store.increment('n', 1), 0);
    });

    test('scan gives the entries under a prefix in the order of key bytes', async (store) => {
      // U+FF5E comes before U+1F600 in UTF-8 and after it in UTF-16.
      const keys = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'a/\uff5e', 'a/\u{1f600}', 'b', 'a/\u0000', 'a0'];
      for (const key of keys) await store.put(key, utf8(key));
      const found = await all(store, 'a/');
      assert.deepEqual(
        found.map(([key]) => key),
        ['a/', 'a/\u0000', 'a/1', 'a/10', 'a/2', 'a/\uff5e', 'a/\u{1f600}'],
      );
      for (const [key, value] of found) assert.deepEqual(value, utf8(key));
      assert.equal((await all(store, '')).length, keys.length);
      assert.deepEqual(await all(store, 'c'), []);
    });

    test('scan shows the entries as they stood at one moment', async (store) => {
      for (const key of ['k/1', 'k/2', 'k/3', 'k/4']) await store.put(key, bytes(1));
      const seen: [string, number][] = [];
      for await (const [key, value] of store.scan('k/')) {
        if (seen.length === 0) {
          await store.put('k/2', bytes(2));
          await store.delete('k/3');
          await store.put('k/31', bytes(2));
          await new Promise((done) => setTimeout(done, 5));
        }
        seen.push([key, value[0]!]);
      }
      assert.deepEqual(seen, [
        ['k/1', 1],
        ['k/2', 1],
        ['k/3', 1],
        ['k/4', 1],
      ]);
      assert.deepEqual(
        (await all(store, 'k/')).map(([key, value]) => [key, value[0]]),
        [
          ['k/1', 1],
          ['k/2', 2],
          ['k/31', 2],
          ['k/4', 1],
        ],
      );
    });

    test('scan may be left early', async (store) => {
      for (const key of ['k/1', 'k/2', 'k/3']) await store.put(key, bytes(1));
      for (let round = 0; round < 50; round++) {
        for await (const [key] of store.scan('k/')) {
          assert.equal(key, 'k/1');
          break;
        }
      }
      await store.put('k/0', bytes(1));
      assert.equal((await all(store, 'k/')).length, 4);
    });

    test('a key is 1 to 1,000 bytes of well-formed UTF-8', async (store) => {
      const longest = `${'é'.repeat(499)}ab`;
      await store.put(longest, bytes(1));
      assert.deepEqual(await store.get(longest), bytes(1));
      assert.deepEqual(await all(store, longest), [[longest, bytes(1)]]);
      for (const key of ['', `${longest}c`, 'a'.repeat(1001), '\ud800', 'a\udc00b', undefined as unknown as string]) {
        await assert.rejects(store.get(key), failsWith('ERR_STORE_KEY'));
        await assert.rejects(store.put(key, bytes(1)), failsWith('ERR_STORE_KEY'));
        await assert.rejects(store.delete(key), failsWith('ERR_STORE_KEY'));
        await assert.rejects(store.compareAndSet(key, undefined, bytes(1)), failsWith('ERR_STORE_KEY'));
        await assert.rejects(store.increment(key, 1), failsWith('ERR_STORE_KEY'));
      }
    });

    test('a value is at most 1 MiB of bytes', async (store) => {
      await store.put('a', new Uint8Array(1_048_576).fill(5));
      assert.deepEqual(await store.get('a'), new Uint8Array(1_048_576).fill(5));
      await assert.rejects(store.put('a', new Uint8Array(1_048_577)), failsWith('ERR_STORE_VALUE'));
      await assert.rejects(store.put('a', 'text' as unknown as Uint8Array), failsWith('ERR_STORE_VALUE'));
      await assert.rejects(store.compareAndSet('b', undefined, new Uint8Array(1_048_577)), failsWith('ERR_STORE_VALUE'));
      assert.equal(await store.get('b'), undefined);
    });

    test('a closed store refuses; closing twice is closing once', async (store) => {
      await store.put('a', bytes(1));
      const last = store.increment('n', 1);
      await store.close();
      await store.close();
      assert.equal(await last, 0);
      await assert.rejects(store.get('a'), failsWith('ERR_STORE_CLOSED'));
      await assert.rejects(store.put('a', bytes(1)), failsWith('ERR_STORE_CLOSED'));
      await assert.rejects(store.increment('n', 1), failsWith('ERR_STORE_CLOSED'));
      await assert.rejects(all(store, ''), failsWith('ERR_STORE_CLOSED'));
    });
  });
}
