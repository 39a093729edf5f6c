import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { open, type RootDatabase } from 'lmdb';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { lmdbStore, StoreError } from '../../src/store/index.ts';
import { Turns } from '../../src/store/lmdb/lmdb-turns.ts';
import { scale } from '../support/scale.ts';
import { storeCompliance } from './compliance.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-store-'));
after(() => rmSync(base, { recursive: true, force: true }));

let folders = 0;
const freshFolder = (): string => join(base, `store.${folders++}`);

const child = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [fileURLToPath(new URL('child.js', import.meta.url)), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });

async function* lines(process: ChildProcess): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of process.stdout!) {
    rest += String(chunk);
    const parts = rest.split('\n');
    rest = parts.pop()!;
    yield* parts;
  }
}

const next = async (of: AsyncGenerator<string, void>): Promise<string> => {
  const { value } = await of.next();
  assert.equal(typeof value, 'string');
  return value as string;
};

const exit = (of: ChildProcess): Promise<void> =>
  of.exitCode !== null || of.signalCode !== null ? Promise.resolve() : new Promise((done) => of.once('exit', () => done()));

const versionKey = Buffer.from('\0version');
const openRaw = (folder: string): RootDatabase<Uint8Array, Uint8Array> =>
  open({ path: folder, noSubdir: false, encoding: 'binary', keyEncoding: 'binary', useVersions: true });

/** The keys of a database, with ends as numbers and without what makes the names of lists differ; each name once. */
function namesIn(database: RootDatabase<Uint8Array, Uint8Array>): string[] {
  const names = [...database.getKeys()].map((bytes) => {
    const key = Buffer.from(bytes);
    const at = ['\0ends/', '\0lists/'].find((prefix) => key.indexOf(prefix) === 0)?.length;
    if (at === undefined) return key.toString('latin1');
    const rest = key.toString('latin1', 0, at) + key.readDoubleBE(at);
    return at === 6 ? `${rest} ${key.toString('latin1', at + 8)}` : rest;
  });
  return [...new Set(names)];
}

/** What opening throws. */
function refusal(folder: string): StoreError {
  try {
    void lmdbStore(folder).close();
  } catch (error) {
    assert.ok(error instanceof StoreError);
    return error;
  }
  return assert.fail(`${folder} was opened`);
}

storeCompliance(
  'lmdbStore',
  () => {
    const folder = freshFolder();
    return (options) => lmdbStore(folder, options);
  },
  { shared: true },
);

describe('lmdbStore: files', () => {
  it('the folder is made with mode 0700, its files with 0600', async () => {
    const folder = join(freshFolder(), 'state', 'as');
    const store = lmdbStore(folder);
    await store.put('a', utf8('secret'));
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, '..')).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(folder).sort(), ['data.mdb', 'lock.mdb', 'turn.mdb', 'turn.mdb-lock']);
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
    await store.close();
  });

  it('what was put is there after close and open', async () => {
    const folder = freshFolder();
    const first = lmdbStore(folder);
    await first.put('a', utf8('kept'));
    assert.equal(await first.increment('n', 5), 0);
    await first.close();
    const second = lmdbStore(folder);
    assert.deepEqual(await second.get('a'), utf8('kept'));
    assert.equal(await second.increment('n', 1), 5);
    await second.close();
  });

  it('one process may open a store twice; the second stays open when the first closes', async () => {
    const folder = freshFolder();
    const first = lmdbStore(folder);
    const second = lmdbStore(folder);
    const numbers = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? first : second).increment('n', 1)));
    assert.equal(new Set(numbers).size, 40);
    await first.put('a', utf8('1'));
    assert.deepEqual(await second.get('a'), utf8('1'));
    await first.close();
    assert.equal(await second.increment('n', 1), 40);
    await second.close();
  });

  it('a store that is opened at any moment while its last user closes it can be used', async () => {
    const folder = freshFolder();
    for (let turns = 0; turns < 40; turns++) {
      const first = lmdbStore(folder);
      const closing = first.close();
      for (let turn = 0; turn < turns; turn++) await undefined;
      const second = lmdbStore(folder);
      assert.equal(await second.increment('opened', 1), turns, `opened after ${turns} turns`);
      await closing;
      await second.close();
    }
  });
});

describe('lmdbStore: several processes', () => {
  it('processes that count at once never share a number', async () => {
    const folder = freshFolder();
    const rounds = 60;
    // None of the processes finds a store: that they make it at once is part of the test.
    const children = [0, 1, 2].map(() => child(folder, 'increment', String(rounds)));
    const outputs = children.map(lines);
    for (const output of outputs) assert.deepEqual([await next(output), await next(output)], ['opening', 'ready']);
    for (const process of children) process.stdin!.write('go\n');
    const store = lmdbStore(folder);
    const mine: number[] = [];
    for (let i = 0; i < rounds; i++) mine.push(await store.increment('n', 2));
    const theirs = await Promise.all(outputs.map(async (output) => JSON.parse(await next(output)) as number[]));
    await Promise.all(children.map(exit));
    const numbers = [mine, ...theirs].flat();
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 4 * rounds }, (_, i) => 2 * i),
    );
    assert.equal(await store.increment('n', 1), 2 * 4 * rounds);
    await store.close();
  });

  it('a process opens the store and commits in its turn alone', async () => {
    const folder = freshFolder();
    await lmdbStore(folder).close();
    const turns = new Turns(join(folder, 'turn.mdb'));
    let over = false;
    const turnWhile = (start: () => Promise<void>): Promise<void> => {
      over = false;
      return turns.join(async () => {
        await start();
        await new Promise((done) => setTimeout(done, 300));
        over = true;
      });
    };
    const { process, output } = await new Promise<{ process: ChildProcess; output: AsyncGenerator<string, void> }>((started) => {
      void turnWhile(async () => {
        const process = child(folder, 'increment');
        const output = lines(process);
        assert.equal(await next(output), 'opening');
        started({ process, output });
      });
    });
    assert.equal(await next(output), 'ready');
    assert.ok(over);
    void turnWhile(async () => {
      process.stdin!.write('go\n');
    });
    assert.equal(await next(output), '[0]');
    assert.ok(over);
    await exit(process);
    turns.close();
  });

  it('processes that come and go while others count lose nothing and never share a number', async () => {
    const folder = freshFolder();
    const [processes, rounds] = scale === 'full' ? [2_000, 1] : [4, 8];
    const numbers: number[] = [];
    let started = 0;
    const runs = async (): Promise<void> => {
      while (started++ < processes) {
        const process = child(folder, 'reopen', String(rounds));
        const ended = once(process, 'exit');
        for await (const line of lines(process)) numbers.push(...(JSON.parse(line) as number[]));
        assert.deepEqual(await ended, [0, null]);
      }
    };
    await Promise.all(Array.from({ length: 16 }, runs));
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 2 * processes * rounds }, (_, i) => i),
    );
    const store = lmdbStore(folder);
    let entries = 0;
    for await (const _ of store.scan('k/')) entries++;
    assert.equal(entries, processes * rounds);
    await store.close();
  });

  it('kill -9 after a fulfilled change keeps it, and holds up nobody', async () => {
    const folder = freshFolder();
    for (let round = 1; round <= 3; round++) {
      const process = child(folder, 'put-until-killed');
      const output = lines(process);
      assert.equal(await next(output), 'opening');
      let last = 0;
      while (last < 20 * round) last = Number(await next(output));
      process.kill('SIGKILL');
      for await (const line of output) if (line !== '') last = Number(line);
      await exit(process);
      const store = lmdbStore(folder);
      for (let i = 0; i <= last; i++) {
        assert.deepEqual(await store.get(`k/${i}`), utf8(`value ${i}`));
        assert.deepEqual(await store.get(`pair/${i}`), utf8(`value ${i}`));
      }
      let odd = 0;
      for await (const [key] of store.scan('k/')) if ((await store.get(key.replace('k/', 'pair/'))) === undefined) odd++;
      assert.equal(odd, 0, 'half a batch');
      assert.ok((await store.increment('n', 1)) >= last + 1);
      await store.close();
    }
  });

  it('a store that another process has made larger is read and written on', async () => {
    const folder = freshFolder();
    const store = lmdbStore(folder);
    await store.put('a', utf8('small'));
    await exit(child(folder, 'grow', '60'));
    assert.deepEqual(await store.get('big/59'), new Uint8Array(100_000).fill(59));
    await store.put('b', new Uint8Array(1_000_000));
    assert.equal((await store.get('b'))?.length, 1_000_000);
    await store.close();
  });
});

describe('lmdbStore: what it refuses', () => {
  it('a path that cannot be a folder', () => {
    const file = `${freshFolder()}`;
    writeFileSync(file, 'a file');
    for (const path of [file, join(file, 'below')]) {
      const error = refusal(path);
      assert.equal(error.code, 'ERR_STORE_OPEN');
      assert.match(error.message, /^cannot open the store \/.+: (EEXIST|ENOTDIR)/);
      assert.ok(error.message.includes(path));
    }
    assert.equal(readFileSync(file, 'utf8'), 'a file');
  });

  it('files that cannot be written', () => {
    const folder = freshFolder();
    mkdirSync(join(folder, 'lock.mdb'), { recursive: true });
    const error = refusal(folder);
    assert.equal(error.code, 'ERR_STORE_OPEN');
    assert.match(error.message, /EISDIR/);
  });

  it('a file that is no database', () => {
    const folder = freshFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, 'data.mdb'), 'not a database, but some text that goes on for a while. '.repeat(400));
    const error = refusal(folder);
    assert.equal(error.code, 'ERR_STORE_OPEN');
    assert.ok(error.message.includes(folder));
  });

  it('a damaged store: its first pages overwritten, or cut off', async () => {
    for (const damage of [
      (file: string) => writeFileSync(file, readFileSync(file).fill(0xa5, 0, 8192)),
      (file: string) => writeFileSync(file, readFileSync(file).fill(0, 0, 8192)),
      (file: string) => truncateSync(file, 1000),
      (file: string) => truncateSync(file, 8192),
    ]) {
      const folder = freshFolder();
      const store = lmdbStore(folder);
      for (let i = 0; i < 100; i++) await store.put(`k/${i}`, new Uint8Array(500));
      await store.close();
      damage(join(folder, 'data.mdb'));
      assert.equal(refusal(folder).code, 'ERR_STORE_OPEN');
    }
  });

  it('an LMDB database of another program, which is left as it was', async () => {
    const folder = freshFolder();
    mkdirSync(folder);
    const foreign = open({ path: folder, noSubdir: false });
    await foreign.put('their key', { their: 'value' });
    await foreign.close();
    const error = refusal(folder);
    assert.equal(error.code, 'ERR_STORE_FORMAT');
    assert.match(error.message, /expected a store of ace-coap, got an LMDB database without a version entry/);
    const again = open({ path: folder, noSubdir: false });
    assert.deepEqual(again.get('their key'), { their: 'value' });
    await again.close();
  });

  it('a store of a later version', async () => {
    const folder = freshFolder();
    await lmdbStore(folder).close();
    const raw = openRaw(folder);
    assert.equal(fromUtf8(raw.get(versionKey)!), 'ace-coap store 3');
    await raw.put(versionKey, utf8('ace-coap store 4'), 1);
    await raw.close();
    const later = refusal(folder);
    assert.equal(later.code, 'ERR_STORE_FORMAT');
    assert.match(later.message, /expected store version 3, got 4/);
  });
});

describe('lmdbStore: layout', () => {
  it('a store of an earlier version becomes one of version 3 when it is opened, with all its entries', async () => {
    for (const version of [1, 2]) {
      const folder = freshFolder();
      mkdirSync(folder);
      const first = openRaw(folder);
      await first.put(versionKey, utf8(`ace-coap store ${version}`), 1);
      await first.put(Buffer.from('\u0001kept'), utf8('value'), 2 ** 48);
      if (version === 2) {
        const end = Buffer.alloc(8);
        end.writeDoubleBE(101);
        await first.put(Buffer.from('\u0001ended'), Buffer.concat([end, utf8('short')]), 2 ** 48 + 1);
        await first.put(Buffer.concat([utf8('\0ends/'), end, utf8('\u0001ended')]), Buffer.alloc(0), 1);
      }
      await first.close();
      const store = lmdbStore(folder, { env: { epoch: () => 100 } });
      assert.deepEqual(await store.get('kept'), utf8('value'));
      assert.deepEqual(await store.get('ended'), version === 2 ? utf8('short') : undefined);
      await store.put('ends', utf8('soon'), { expiresAt: 101 });
      assert.equal(await store.compareAndSet('kept', utf8('value'), utf8('other')), true);
      await store.close();
      const later = lmdbStore(folder, { env: { epoch: () => 200 } });
      for (const key of ['ends', 'ended']) assert.equal(await later.get(key), undefined);
      assert.deepEqual(await later.get('kept'), utf8('other'));
      await later.batch(Array.from({ length: 40 }, (_, i) => ({ key: `k/${i}`, value: utf8('x'), expiresAt: 201 })));
      await later.close();
      const second = openRaw(folder);
      assert.equal(fromUtf8(second.get(versionKey)!), 'ace-coap store 3');
      const left = namesIn(second);
      await second.close();
      assert.deepEqual(
        left.filter((name) => !name.startsWith('\u0001k/')),
        ['\0lists/256', '\0version', '\u0001kept'],
      );
    }
  });

  it('what has ended leaves nothing in the file, however often its end was moved', async () => {
    const folder = freshFolder();
    let now = 1_000;
    const store = lmdbStore(folder, { env: { epoch: () => now } });
    const many = Array.from({ length: 300 }, (_, i) => `k/${i}`);
    for (const expiresAt of [1_010, 1_030, 1_020]) await Promise.all(many.map((key) => store.put(key, utf8(key), { expiresAt })));
    await store.batch(many.slice(0, 100).map((key) => ({ key, value: undefined })));
    await store.put('stays', utf8('here'), { expiresAt: 5_000 });
    now = 1_024;
    for (let i = 0; i < 400; i++) await store.put('busy', utf8('x'), { expiresAt: 9_000 + (i & 1) });
    await store.close();
    const raw = openRaw(folder);
    const left = namesIn(raw);
    await raw.close();
    assert.deepEqual(left, ['\0ends/9001 \u0001busy', '\0lists/5056', '\0lists/9024', '\0version', '\u0001busy', '\u0001stays']);
  });

  it('where nothing had ended, what ends then is removed by a look that comes a second later', async () => {
    for (const [wait, isLeft] of [
      [0.9, true],
      [1.1, false],
    ] as const) {
      const folder = freshFolder();
      let now = 1_023.5;
      const store = lmdbStore(folder, { env: { epoch: () => now } });
      const write = async (name: string): Promise<unknown> =>
        store.batch(Array.from({ length: 100 }, (_, i) => ({ key: `${name}/${i}`, value: utf8('x'), expiresAt: 9_000 })));
      await store.put('short', utf8('x'), { expiresAt: 1_024 });
      await write('first');
      now += wait;
      await write('second');
      assert.equal(await store.get('short'), undefined);
      await store.close();
      const raw = openRaw(folder);
      assert.equal(namesIn(raw).includes('\u0001short'), isLeft);
      await raw.close();
    }
  });

  it('keys of many ends, in one commit and in several', async () => {
    const folder = freshFolder();
    let now = 0;
    const store = lmdbStore(folder, { env: { epoch: () => now } });
    const many = Array.from({ length: 1_000 }, (_, i) => ({ key: `${'long'.repeat(200)}/${i}`, value: utf8('x'), expiresAt: 1 + (i % 200) }));
    await store.batch(many);
    const moved = many.map(({ key, value, expiresAt }) => store.compareAndSet(key, value, utf8('y'), { expiresAt: expiresAt + (expiresAt % 2) }));
    assert.ok((await Promise.all(moved)).every((made) => made));
    const batchOf = (prefix: string, expiresAt: number): Promise<boolean> =>
      store.batch(Array.from({ length: 100 }, (_, i) => ({ key: `${prefix}/${i}`, value: utf8('x'), expiresAt })));
    now = 201;
    for (let i = 0; i < 10; i++) await batchOf(`k/${i}`, 300);
    now = 320;
    for (let i = 0; i < 10; i++) await batchOf('busy', 400);
    await store.close();
    const raw = openRaw(folder);
    const left = namesIn(raw);
    await raw.close();
    assert.deepEqual(
      left.filter((name) => !name.startsWith('\u0001busy/')),
      ['\0lists/448', '\0version'],
    );
  });
});

describe('lmdbStore: changes that share a commit', () => {
  it('each sees those before it, and one that cannot be made leaves the others alone', async () => {
    const store = lmdbStore(freshFolder());
    await store.put('text', utf8('no counter'));
    const outcomes = await Promise.allSettled([
      store.compareAndSet('a', undefined, utf8('1')),
      store.compareAndSet('a', undefined, utf8('2')),
      store.increment('text', 1),
      store.batch([
        { key: 'a', value: utf8('3'), expected: utf8('1') },
        { key: 'b', value: utf8('3'), expected: null },
      ]),
      store.batch([
        { key: 'a', value: utf8('4'), expected: utf8('1') },
        { key: 'c', value: utf8('4') },
      ]),
      store.increment('n', 2),
      store.increment('n', 2),
      store.delete('b'),
      store.delete('b'),
    ]);
    assert.equal(outcomes[2]!.status, 'rejected');
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as StoreError).code)),
      [true, false, 'ERR_STORE_COUNTER', true, false, 0, 2, true, false],
    );
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'text'].map((key) => store.get(key))), [utf8('3'), undefined, undefined, utf8('no counter')]);
    await store.close();
  });

  it('close waits for the changes of this store, though another on the same folder goes on', async () => {
    const folder = freshFolder();
    const [first, second] = [lmdbStore(folder), lmdbStore(folder)];
    const made = Array.from({ length: 20 }, () => first.increment('n', 1));
    await first.close();
    assert.deepEqual(
      await Promise.all(made),
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal(await second.increment('n', 1), 20);
    await second.close();
  });
});
