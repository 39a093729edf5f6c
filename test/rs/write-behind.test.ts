import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteBehind } from '../../src/rs/write-behind.ts';

/** A store that may be out of order, and what it has taken. */
class Disk {
  isBroken = false;
  readonly taken: string[] = [];
  readonly faults: unknown[] = [];
  readonly writes: WriteBehind = new WriteBehind(
    async (key) => {
      if (this.isBroken || key === 'never') throw new Error(`no ${key}`);
      this.taken.push(key);
    },
    (error) => this.faults.push(error),
  );
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what the store did not take is written when it takes something again, and at the end', async () => {
  const disk = new Disk();
  disk.isBroken = true;
  for (const key of ['a', 'b']) disk.writes.changed(key);
  await turn();
  assert.deepEqual([disk.taken, disk.faults.length, disk.writes.size], [[], 2, 2]);
  disk.isBroken = false;
  disk.writes.changed('c');
  await turn();
  assert.deepEqual([disk.taken, disk.writes.size], [['c', 'a', 'b'], 0]);
  disk.isBroken = true;
  disk.writes.changed('d');
  await turn();
  disk.isBroken = false;
  await disk.writes.idle();
  assert.deepEqual([disk.taken.at(-1), disk.faults.length, disk.writes.size], ['d', 3, 0]);
});

test('a key that the store never takes is no endless work', async () => {
  const disk = new Disk();
  for (const key of ['never', 'a', 'b']) disk.writes.changed(key);
  await turn();
  assert.deepEqual(disk.taken, ['a', 'b']);
  await disk.writes.idle();
  assert.ok(disk.faults.length >= 2 && disk.faults.length <= 4, String(disk.faults.length));
});
