import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OscoreError } from '../../src/oscore/index.ts';
import { SenderSequence } from '../../src/oscore/sender-sequence.ts';
import { FakeStore, settle } from './support.ts';

class Users {
  readonly numbers: number[] = [];
  readonly errors: string[] = [];
  readonly order: number[] = [];
  readonly sequence: SenderSequence;

  constructor(sequence: SenderSequence) {
    this.sequence = sequence;
  }

  take(name = 0): (() => void) | undefined {
    return this.sequence.take({
      use: (number) => {
        this.numbers.push(number);
        this.order.push(name);
      },
      fail: (error) => this.errors.push(error.code),
    });
  }
}

interface Made extends Users {
  readonly troubles: OscoreError[];
  readonly failures: unknown[];
  /** What `runningOut` was told. */
  readonly remaining: number[];
}

function make(store: FakeStore, block = 8, waiting = 100, warnBelow = 0): Made {
  const troubles: OscoreError[] = [];
  const remaining: number[] = [];
  const failures: unknown[] = [];
  const options = {
    store,
    senderKeyId: 'k',
    block,
    waiting,
    warnBelow,
    runningOut: (left: number) => remaining.push(left),
    trouble: (error: OscoreError) => troubles.push(error),
    failed: (error: unknown) => failures.push(error),
  };
  return Object.assign(new Users(new SenderSequence(options)), { troubles, failures, remaining });
}

test('RFC 8613 B.1.1: no number is used before its block is durable', async () => {
  const store = new FakeStore();
  store.held = [];
  const users = make(store);
  users.take();
  users.take();
  await settle();
  assert.deepEqual(users.numbers, []);
  assert.equal(users.sequence.waiting, 2);
  store.release();
  await settle();
  assert.deepEqual(users.numbers, [0, 1]);
  assert.equal(users.sequence.waiting, 0);
});

test('RFC 8613 B.1.1: the next block is asked for when half of one is used, and numbers are there at once', async () => {
  const store = new FakeStore();
  const users = make(store);
  users.take();
  await settle();
  for (let i = 0; i < 3; i++) users.take();
  assert.equal(store.reservations.length, 2);
  await settle();
  for (let i = 0; i < 12; i++) users.take();
  assert.deepEqual(users.numbers, [...Array(16).keys()]);
});

test('RFC 8613 7.2: 1,000 at once get 1,000 numbers, each in its turn', async () => {
  const store = new FakeStore();
  const users = make(store, 64, 1000);
  for (let name = 0; name < 1000; name++) users.take(name);
  users.take(1000);
  assert.deepEqual(users.errors, ['ERR_OSCORE_LIMIT'], 'the queue is bounded');
  await settle();
  assert.deepEqual(users.numbers, [...Array(1000).keys()]);
  assert.deepEqual(users.order, [...Array(1000).keys()]);
});

test('RFC 8613 7.2: who asks from inside a callback stands behind those who wait', async () => {
  const store = new FakeStore();
  const users = make(store, 8);
  users.sequence.take({ use: () => users.take(9), fail: () => {} });
  users.take(1);
  users.take(2);
  await settle();
  assert.deepEqual(users.order, [1, 2, 9]);
  assert.deepEqual(users.numbers, [1, 2, 3]);
});

test('RFC 8613 7.2: two processes with one key and one store never get the same number', async () => {
  const store = new FakeStore();
  for (const block of [1, 2, 8]) {
    const one = make(store, block);
    const other = make(store, block);
    for (let i = 0; i < 100; i++) {
      one.take();
      if (i % 3 === 0) other.take();
      await settle();
    }
    const all = [...one.numbers, ...other.numbers];
    assert.equal(all.length, 134);
    assert.equal(new Set(all).size, all.length);
  }
});

test('RFC 8613 B.1.1: with blocks of one nothing is held ahead, so numbers rise with time over all processes', async () => {
  const store = new FakeStore();
  const one = make(store, 1);
  const other = make(store, 1);
  const inTime: number[] = [];
  for (let i = 0; i < 20; i++) {
    const users = i % 3 === 0 ? one : other;
    users.take();
    await settle();
    inTime.push(users.numbers.at(-1)!);
  }
  assert.deepEqual(inTime, [...Array(20).keys()]);
});

test('RFC 8613 7.2: whoever leaves the queue takes no number', async () => {
  const store = new FakeStore();
  const users = make(store);
  users.take(1);
  users.take(2)?.();
  users.take(3);
  await settle();
  assert.deepEqual(users.order, [1, 3]);
  assert.deepEqual(users.numbers, [0, 1]);
});

test('a store that fails: those who wait hear it, the next one tries again', async () => {
  const store = new FakeStore();
  store.failing = true;
  const users = make(store);
  users.take();
  users.take();
  await settle();
  assert.deepEqual(users.errors, ['ERR_OSCORE_STORE', 'ERR_OSCORE_STORE']);
  assert.deepEqual(
    users.troubles.map(({ code }) => code),
    ['ERR_OSCORE_STORE'],
  );
  store.failing = false;
  users.take();
  await settle();
  assert.deepEqual(users.numbers, [0]);
});

test('a store that fails while there are numbers: they are used, nobody hears it', async () => {
  const store = new FakeStore();
  const users = make(store);
  users.take();
  await settle();
  store.failing = true;
  for (let i = 0; i < 7; i++) users.take();
  await settle();
  assert.equal(users.numbers.length, 8);
  assert.deepEqual(users.errors, []);
  users.take();
  await settle();
  assert.deepEqual(users.errors, ['ERR_OSCORE_STORE']);
});

test('a store that throws, goes back, or answers with no number is not used', async () => {
  const users = make(new FakeStore());
  users.take();
  await settle();
  const store = new FakeStore();
  const answers: (() => Promise<number>)[] = [
    () => {
      throw new Error('closed');
    },
    () => Promise.resolve(Number.NaN),
    () => Promise.resolve(-1),
    () => Promise.resolve(0.5),
    () => Promise.resolve(100),
    () => Promise.resolve(99),
    () => Promise.resolve(100),
    () => Promise.resolve(101),
  ];
  store.reserve = () => answers.shift()!();
  const strict = make(store, 1);
  for (let i = 0; i < 8; i++) {
    strict.take();
    await settle();
  }
  assert.deepEqual(strict.numbers, [100, 101]);
  assert.equal(strict.errors.length, 6);
  assert.equal(answers.length, 0);
});

test('RFC 8613 7.2.1: after 2^40-1 comes nothing', async () => {
  const store = new FakeStore();
  store.counters.set('k', 2 ** 40 - 10);
  const users = make(store);
  for (let i = 0; i < 20; i++) {
    users.take();
    await settle();
  }
  assert.deepEqual(
    users.numbers,
    [...Array(10).keys()].map((i) => 2 ** 40 - 10 + i),
  );
  assert.deepEqual(users.errors, Array(10).fill('ERR_OSCORE_SEQUENCE'));
  assert.deepEqual(
    users.troubles.map(({ code }) => code),
    ['ERR_OSCORE_SEQUENCE'],
    'told once',
  );
  const asked = store.reservations.length;
  users.take();
  assert.equal(store.reservations.length, asked, 'the store is left alone');
});

test('RFC 8613 7.2.1: it is told once, before the end, that few numbers are left, also when another process took them', async () => {
  const store = new FakeStore();
  store.counters.set('k', 2 ** 40 - 200);
  const users = make(store, 8, 100, 100);
  for (let i = 0; i < 20; i++) {
    users.take();
    await settle();
  }
  assert.deepEqual(users.remaining, []);
  const other = make(store, 8, 100, 100);
  for (let i = 0; i < 100; i++) {
    other.take();
    await settle();
  }
  assert.equal(other.remaining.length, 1);
  assert.ok(other.remaining[0]! < 100 && other.remaining[0]! >= 100 - 8);
  assert.deepEqual(users.remaining, []);
  for (let i = 0; i < 16; i++) {
    users.take();
    await settle();
  }
  assert.equal(users.remaining.length, 1);
  assert.ok(users.remaining[0]! < other.remaining[0]!);
  for (let i = 0; i < 100; i++) {
    users.take();
    await settle();
  }
  assert.equal(users.remaining.length, 1, 'told once');
  assert.equal(users.errors.at(-1), 'ERR_OSCORE_SEQUENCE');
  assert.deepEqual(new Set([...users.numbers, ...other.numbers]).size, users.numbers.length + other.numbers.length);
});

test('RFC 8613 7.2.1: the last block holds what there is', async () => {
  const store = new FakeStore();
  store.counters.set('k', 2 ** 40 - 3);
  const users = make(store, 64, 100, 2 ** 32);
  users.take();
  await settle();
  assert.deepEqual(users.remaining, [0]);
  users.take();
  users.take();
  users.take();
  await settle();
  assert.deepEqual(users.numbers, [2 ** 40 - 3, 2 ** 40 - 2, 2 ** 40 - 1]);
  assert.deepEqual(users.errors, ['ERR_OSCORE_SEQUENCE']);
});

test('a sequence that is closed serves nobody', async () => {
  const store = new FakeStore();
  const users = make(store);
  users.take();
  users.sequence.close({ code: 'ERR_OSCORE_CONTEXT' } as OscoreError);
  users.take();
  await settle();
  assert.deepEqual(users.errors, ['ERR_OSCORE_CONTEXT', 'ERR_OSCORE_CONTEXT']);
  assert.deepEqual(users.numbers, []);
});

test('whoever throws in its turn does not keep the others from theirs', async () => {
  const store = new FakeStore();
  const users = make(store);
  const bad = {
    use: () => {
      throw new Error('use');
    },
    fail: () => {
      throw new Error('fail');
    },
  };
  users.sequence.take(bad);
  users.take();
  await settle();
  assert.deepEqual(users.numbers, [1]);
  const broken = new FakeStore();
  broken.failing = true;
  const waiting = make(broken);
  waiting.sequence.take(bad);
  waiting.take();
  await settle();
  assert.deepEqual(waiting.errors, ['ERR_OSCORE_STORE']);
  assert.deepEqual(
    [...users.failures, ...waiting.failures].map((error) => (error as Error).message),
    ['use', 'fail'],
  );
});
