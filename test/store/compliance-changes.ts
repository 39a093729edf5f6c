import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Change, Store } from '../../src/store/index.ts';
import { all, bytes, failsWith, keys, type Place, TestClock } from './compliance-support.ts';

type Body = (store: Store, clock: TestClock, open: () => Store | Promise<Store>) => Promise<void>;

function tests(place: Place): (title: string, body: Body) => void {
  return (title, body) => {
    it(title, async () => {
      const clock = new TestClock();
      const at = place();
      const store = await at({ env: clock });
      try {
        await body(store, clock, () => at({ env: clock }));
      } finally {
        await store.close();
      }
    });
  };
}

/** Of many changes at once: all or nothing. */
export function batchCompliance(name: string, place: Place): void {
  const test = tests(place);

  describe(`${name}: batch and pages`, () => {
    test('batch makes all changes', async (store) => {
      await store.put('gone', bytes(1));
      await store.put('there', bytes(1));
      const changes: Change[] = [
        { key: 'gone', value: undefined },
        { key: 'there', value: bytes(2), expected: bytes(1) },
        { key: 'new', value: bytes(3), expected: null },
        { key: 'any', value: bytes() },
        { key: 'absent', value: undefined, expected: null },
      ];
      assert.equal(await store.batch(changes), true);
      assert.deepEqual(await all(store, ''), [
        ['any', bytes()],
        ['new', bytes(3)],
        ['there', bytes(2)],
      ]);
      assert.equal(await store.batch([]), true);
    });

    test('batch makes none where one condition of several fails, whichever it is', async (store) => {
      await store.put('one', bytes(1));
      await store.put('two', bytes(2));
      const right: Change[] = [
        { key: 'absent 1', value: bytes(9), expected: null },
        { key: 'one', value: bytes(9), expected: bytes(1) },
        { key: 'free', value: bytes(9) },
        { key: 'absent 2', value: bytes(9), expected: null },
        { key: 'two', value: undefined, expected: bytes(2) },
      ];
      for (const [index, change] of right.entries()) {
        if (change.expected === undefined) continue;
        const wrong = right.with(index, { ...change, expected: bytes(7) });
        assert.equal(await store.batch(wrong), false, `condition ${index}`);
        if (change.expected !== null) assert.equal(await store.batch(right.with(index, { ...change, expected: null })), false, `condition ${index}: absent`);
      }
      assert.deepEqual(await all(store, ''), [
        ['one', bytes(1)],
        ['two', bytes(2)],
      ]);
      assert.equal(await store.batch(right), true);
      assert.deepEqual(await keys(store, ''), ['absent 1', 'absent 2', 'free', 'one']);
    });

    test('batch: of many with one expectation one alone is made, whole', async (store) => {
      const batches = Array.from({ length: 12 }, (_, i) => [
        { key: 'once', value: bytes(i), expected: null },
        { key: `a/${i}`, value: bytes(i) },
        { key: `b/${i}`, value: bytes(i), expected: null },
      ]);
      const made = await Promise.all(batches.map((changes) => store.batch(changes)));
      assert.equal(made.filter(Boolean).length, 1);
      const winner = made.indexOf(true);
      assert.deepEqual(await store.get('once'), bytes(winner));
      assert.deepEqual(await keys(store, ''), [`a/${winner}`, `b/${winner}`, 'once']);
    });

    test('batches that each need what the other has keep to an order', async (store) => {
      for (let round = 0; round < 10; round++) {
        const [first, second] = [`x/${round}`, `y/${round}`];
        const made = await Promise.all([
          store.batch([
            { key: first, value: bytes(1), expected: null },
            { key: second, value: undefined, expected: null },
          ]),
          store.batch([
            { key: second, value: bytes(1), expected: null },
            { key: first, value: undefined, expected: null },
          ]),
        ]);
        assert.equal(made.filter(Boolean).length, 1, `round ${round}`);
      }
    });

    test('batch, put, increment and compareAndSet at once on one key lose nothing', async (store) => {
      const counted = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          if (i % 2 === 0) return [await store.increment('n', 1)];
          for (;;) {
            const before = await store.get('n');
            const count = before === undefined ? 0 : new DataView(before.buffer, before.byteOffset).getUint32(4);
            const after = new Uint8Array(8);
            new DataView(after.buffer).setUint32(4, count + 1);
            const done = i % 3 === 0 ? store.compareAndSet('n', before, after) : store.batch([{ key: 'n', value: after, expected: before ?? null }]);
            if (await done) return [count];
          }
        }),
      );
      assert.deepEqual(
        counted.flat().sort((a, b) => a - b),
        Array.from({ length: 20 }, (_, i) => i),
      );
    });

    test('batch borrows its values and refuses what it cannot hold', async (store) => {
      const value = bytes(1);
      const expected = bytes(5);
      await store.put('b', expected);
      const done = store.batch([
        { key: 'a', value },
        { key: 'b', value: bytes(6), expected },
      ]);
      value.fill(9);
      expected.fill(9);
      assert.equal(await done, true);
      assert.deepEqual(await store.get('a'), bytes(1));
      const twice = [
        { key: 'c', value: bytes(1) },
        { key: 'c', value: bytes(2) },
      ];
      await assert.rejects(store.batch(twice), failsWith('ERR_STORE_KEY'));
      await assert.rejects(store.batch([{ key: '', value: bytes(1) }]), failsWith('ERR_STORE_KEY'));
      await assert.rejects(store.batch([{ key: 'c', value: new Uint8Array(1_048_577) }]), failsWith('ERR_STORE_VALUE'));
      await assert.rejects(store.batch([{ key: 'c', value, expiresAt: Number.NaN }]), failsWith('ERR_STORE_EXPIRY'));
      const many = Array.from({ length: 1_000 }, (_, i) => ({ key: `m/${i}`, value: bytes(i), expected: null }));
      await assert.rejects(store.batch([...many, { key: 'm', value, expected: null }]), failsWith('ERR_STORE_BATCH'));
      assert.equal(await store.get('c'), undefined);
      assert.equal(await store.batch(many), true);
      assert.equal((await keys(store, 'm/')).length, 1_000);
    });

    test('scan in pages: what comes after a key, at most so many', async (store) => {
      const names = Array.from({ length: 25 }, (_, i) => `k/${String(i).padStart(2, '0')}`);
      await store.batch([...names, 'j', 'l'].map((key) => ({ key, value: bytes(1) })));
      const found: string[] = [];
      for (let page: string[] = ['']; page.length > 0; found.push(...page)) {
        page = await keys(store, 'k/', { after: found.at(-1) ?? '', limit: 10 });
        assert.ok(page.length <= 10);
      }
      assert.deepEqual(found, names);
      assert.deepEqual(await keys(store, 'k/', { after: 'k/21x' }), ['k/22', 'k/23', 'k/24']);
      assert.deepEqual(await keys(store, 'k/', { after: 'a' }), names);
      assert.deepEqual(await keys(store, 'k/', { after: 'l' }), []);
      assert.deepEqual(await keys(store, 'k/', { limit: 0 }), []);
      assert.deepEqual(await keys(store, '', { limit: 2 }), ['j', 'k/00']);
    });

    test('scan: a store of more than a page as it stood at one moment', async (store) => {
      const names = Array.from({ length: 1_300 }, (_, i) => `k/${String(i).padStart(4, '0')}`);
      for (let at = 0; at < names.length; at += 650) await store.batch(names.slice(at, at + 650).map((key) => ({ key, value: bytes(1) })));
      const found: string[] = [];
      for await (const [key, value] of store.scan('')) {
        if (found.length === 0)
          await store.batch([
            { key: 'k/1299', value: undefined },
            { key: 'k/1200', value: bytes(2) },
            { key: 'k/9', value: bytes(2) },
          ]);
        assert.deepEqual(value, bytes(1), key);
        found.push(key);
      }
      assert.deepEqual(found, names);
    });
  });
}

/** Of entries that end. */
export function timeCompliance(name: string, place: Place): void {
  const test = tests(place);

  describe(`${name}: time to live`, () => {
    test('an entry is absent everywhere from its end on', async (store, clock) => {
      const expiresAt = clock.seconds + 10;
      await store.put('put', bytes(1), { expiresAt });
      assert.equal(await store.compareAndSet('set', undefined, bytes(1), { expiresAt }), true);
      await store.batch([{ key: 'batch', value: bytes(1), expiresAt }]);
      await store.put('stays', bytes(1));
      const three = ['batch', 'put', 'set'];
      for (const key of three) assert.deepEqual(await store.get(key), bytes(1));
      assert.deepEqual(await keys(store, ''), [...three, 'stays']);
      clock.seconds = expiresAt - 0.001;
      for (const key of three) assert.deepEqual(await store.get(key), bytes(1));
      clock.seconds = expiresAt;
      for (const key of three) {
        assert.equal(await store.get(key), undefined, key);
        assert.equal(await store.delete(key), false, key);
        assert.equal(await store.compareAndSet(key, bytes(1), bytes(2)), false, key);
        assert.equal(await store.batch([{ key, value: bytes(2), expected: bytes(1) }]), false, key);
      }
      assert.deepEqual(await keys(store, ''), ['stays']);
      assert.deepEqual(await keys(store, '', { limit: 1 }), ['stays']);
    });

    test('an entry that has ended makes room for another', async (store, clock) => {
      const expiresAt = clock.seconds + 10;
      const names = ['put', 'set', 'batch', 'absent', 'n'];
      await store.batch(names.map((key) => ({ key, value: bytes(1), expiresAt })));
      clock.seconds += 10;
      await store.put('put', bytes(2));
      assert.equal(await store.compareAndSet('set', undefined, bytes(2)), true);
      const changes = [
        { key: 'batch', value: bytes(2), expected: null },
        { key: 'absent', value: undefined, expected: null },
      ];
      assert.equal(await store.batch(changes), true);
      assert.equal(await store.increment('n', 7), 0);
      assert.equal(await store.increment('n', 1), 7);
      clock.seconds += 1_000_000;
      assert.deepEqual(await keys(store, ''), ['batch', 'n', 'put', 'set']);
    });

    test('a later write sets another end, or none', async (store, clock) => {
      const now = clock.seconds;
      for (const key of ['later', 'sooner', 'stays', 'set']) await store.put(key, bytes(1), { expiresAt: now + 10 });
      await store.put('later', bytes(1), { expiresAt: now + 20 });
      await store.put('sooner', bytes(1), { expiresAt: now + 5 });
      await store.put('stays', bytes(1));
      await store.compareAndSet('set', bytes(1), bytes(2), { expiresAt: now + 20 });
      clock.seconds = now + 5;
      assert.deepEqual(await keys(store, ''), ['later', 'set', 'stays']);
      clock.seconds = now + 10;
      assert.deepEqual(await keys(store, ''), ['later', 'set', 'stays']);
      clock.seconds = now + 20;
      assert.deepEqual(await keys(store, ''), ['stays']);
    });

    test('an end that is past, or before 1970, is an end', async (store, clock) => {
      await store.put('a', bytes(1));
      await store.put('a', bytes(2), { expiresAt: clock.seconds });
      assert.equal(await store.get('a'), undefined);
      await store.put('b', bytes(1), { expiresAt: -1 });
      assert.equal(await store.get('b'), undefined);
      await store.put('c', bytes(1), { expiresAt: Number.POSITIVE_INFINITY });
      assert.deepEqual(await keys(store, ''), ['c']);
      for (const expiresAt of [Number.NaN, '5' as unknown as number]) {
        await assert.rejects(store.put('d', bytes(1), { expiresAt }), failsWith('ERR_STORE_EXPIRY'));
        await assert.rejects(store.compareAndSet('d', undefined, bytes(1), { expiresAt }), failsWith('ERR_STORE_EXPIRY'));
      }
      assert.equal(await store.get('d'), undefined);
    });

    test('fault: a clock that jumps back by an hour revives nothing that was seen to have ended', async (store, clock) => {
      await store.put('ended', bytes(1), { expiresAt: clock.seconds + 10 });
      await store.put('lives', bytes(1), { expiresAt: clock.seconds + 100 });
      clock.seconds += 10;
      assert.equal(await store.get('ended'), undefined);
      clock.seconds -= 3600;
      assert.equal(await store.get('ended'), undefined);
      assert.deepEqual(await keys(store, ''), ['lives']);
      assert.equal(await store.batch([{ key: 'ended', value: bytes(2), expected: bytes(1) }]), false);
      assert.equal(await store.compareAndSet('ended', undefined, bytes(2)), true);
      clock.seconds += 3600 + 90;
      assert.deepEqual(await keys(store, ''), ['ended']);
    });

    test('what has ended goes while others are written, and nothing else goes', async (store, clock) => {
      await store.put('stays', bytes(1));
      for (let round = 0; round < 4; round++) {
        await store.batch(Array.from({ length: 200 }, (_, i) => ({ key: `t/${round}/${i}`, value: bytes(i), expiresAt: clock.seconds + 10 + (i % 3) })));
        clock.seconds += 20;
        await store.put(`lives/${round}`, bytes(round), { expiresAt: clock.seconds + 1_000 });
        for (let i = 0; i < 40; i++) await store.put('busy', bytes(i), { expiresAt: clock.seconds + i });
        clock.seconds += 40;
      }
      assert.deepEqual(await keys(store, ''), ['lives/0', 'lives/1', 'lives/2', 'lives/3', 'stays']);
    });
  });
}

/** Of a store that is opened several times. */
export function sharedCompliance(name: string, place: Place): void {
  const test = tests(place);

  describe(`${name}: two openers`, () => {
    test('each sees at once what the other has changed', async (store, clock, open) => {
      const other = await open();
      await store.put('a', bytes(1), { expiresAt: clock.seconds + 10 });
      assert.deepEqual(await other.get('a'), bytes(1));
      assert.equal(await other.compareAndSet('a', bytes(1), bytes(2), { expiresAt: clock.seconds + 20 }), true);
      assert.deepEqual(await store.get('a'), bytes(2));
      assert.equal(await other.delete('a'), true);
      assert.deepEqual(await all(store, ''), []);
      await other.close();
      assert.equal(await store.get('a'), undefined);
    });

    test('together they share no number, and of their batches with one expectation one is made', async (store, _clock, open) => {
      const other = await open();
      const both = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? store : other));
      const counted = await Promise.all(both.map((of) => of.increment('n', 3)));
      assert.deepEqual(
        counted.sort((a, b) => a - b),
        both.map((_, i) => 3 * i),
      );
      for (let round = 0; round < 5; round++) {
        const made = await Promise.all(
          both.map((of, i) =>
            of.batch([
              { key: `won/${round}`, value: bytes(i), expected: null },
              { key: `lost/${round}`, value: undefined, expected: null },
            ]),
          ),
        );
        assert.equal(made.filter(Boolean).length, 1);
        assert.deepEqual(await other.get(`won/${round}`), bytes(made.indexOf(true)));
      }
      await other.close();
    });
  });
}
