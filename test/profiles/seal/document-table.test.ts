import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Document, DocumentTable, type DocumentTableOptions } from '../../../profiles/seal/document-table.ts';
import { SealError } from '../../../profiles/seal/error.ts';
import { encode } from '../../../src/core/cbor.ts';
import { memoryStore, type Store, StoreError } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';

interface Note {
  readonly by: string;
  readonly count: number;
}

const env = new Simulator({ seed: 3 }).env('table');

function table(store: Store, options: Partial<DocumentTableOptions<Note>> = {}): DocumentTable<Note> {
  return new DocumentTable<Note>({
    store,
    env,
    folder: 'notes/',
    documents: 100,
    bytes: 10_000,
    perOwner: 50,
    ownerOf: ({ by }) => by,
    encode: ({ by, count }) => [by, count],
    decode: (value) => {
      const [by, count] = value as readonly [string, number];
      if (typeof count !== 'number') throw new TypeError('no note');
      return { by, count };
    },
    ...options,
  });
}

const more = ({ value }: Document<Note>): Note => ({ ...value, count: value.count + 1 });
const isSealError = (code: string) => (error: unknown) => error instanceof SealError && error.code === code;

test('no update is lost: changes at the same time, of two tables on one store, all count', async () => {
  const store = memoryStore();
  const [one, two] = [table(store), table(store)];
  const { id } = await one.create({ by: 'anna', count: 0 });
  await two.start();
  await Promise.all(Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? one : two).change(id, more)));
  await one.change(id, more);
  assert.equal(one.get(id)?.value.count, 41);
  const { before } = await two.change(id, () => undefined);
  assert.equal(before.value.count, 41);
  assert.equal(two.size, 0);
  assert.equal(two.bytes, 0);
  await assert.rejects(one.change(id, more), isSealError('ERR_SEAL_ABSENT'));
  assert.equal(one.size, 0);
});

test('what a change throws changes nothing, and those behind it go on', async () => {
  const notes = table(memoryStore());
  const { id } = await notes.create({ by: 'anna', count: 0 });
  const refused = notes.change(id, () => {
    throw new SealError('ERR_SEAL_CHANGED', 'no', { responseCode: 140 });
  });
  const made = notes.change(id, more);
  await assert.rejects(refused, isSealError('ERR_SEAL_CHANGED'));
  assert.equal((await made).after?.value.count, 1);
  assert.equal(notes.pending, 0);
});

test('bounds: documents, bytes, documents of one owner and changes under way, at the same time too', async () => {
  const notes = table(memoryStore(), { documents: 5, perOwner: 3, bytes: 60 });
  const results = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => notes.create({ by: index < 5 ? 'anna' : 'bert', count: 0 })));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 5);
  assert.equal(notes.size, 5);
  const { id } = [...notes.values()][0]!;
  await assert.rejects(
    notes.change(id, () => ({ by: 'x'.repeat(60), count: 0 })),
    isSealError('ERR_SEAL_FULL'),
  );
  const changes = await Promise.allSettled(Array.from({ length: 70 }, () => notes.change(id, more)));
  assert.equal(changes.filter(({ status }) => status === 'rejected').length, 6);
  assert.equal(notes.get(id)?.value.count, 64);
});

test('a store that fails gives the room back', async () => {
  const store = memoryStore();
  let isBroken = true;
  const fails: Store = {
    ...store,
    compareAndSet: (...change) => (isBroken ? Promise.reject(new StoreError('ERR_STORE_IO', 'broken')) : store.compareAndSet(...change)),
  };
  const notes = table(fails, { documents: 1, perOwner: 1 });
  await assert.rejects(notes.create({ by: 'anna', count: 0 }), StoreError);
  isBroken = false;
  await notes.create({ by: 'anna', count: 0 });
  assert.equal(notes.size, 1);
});

test('a start on something that is no document says which', async () => {
  const store = memoryStore();
  await store.put('notes/bad', encode('nothing'));
  await assert.rejects(table(store).start(), /notes\/bad/);
});

test('what could not be read again is not kept: neither is it in the store, nor does it stand in the way of the next start', async () => {
  const store = memoryStore();
  const notes = table(store);
  const kept = await notes.create({ by: 'anna', count: 1 });
  const broken = { by: 'anna', count: '7' as unknown as number };
  await assert.rejects(notes.create(broken), TypeError);
  await assert.rejects(
    notes.change(kept.id, () => broken),
    TypeError,
  );
  assert.equal(notes.size, 1);
  const again = table(store);
  await again.start();
  assert.deepEqual(again.get(kept.id)?.value, { by: 'anna', count: 1 });
});
