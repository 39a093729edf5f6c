import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { utf8 } from '../../src/core/bytes.ts';
import { lmdbStore, StoreError } from '../../src/store/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-faults-'));
after(() => rmSync(base, { recursive: true, force: true }));

const program = fileURLToPath(new URL('child.js', import.meta.url));

async function next(lines: AsyncIterator<string>): Promise<string> {
  const { value } = await lines.next();
  assert.equal(typeof value, 'string');
  return value as string;
}

const linesOf = (child: ChildProcess): AsyncIterator<string> => createInterface({ input: child.stdout! })[Symbol.asyncIterator]();

/** The clock that jumps back by an hour is a case of the compliance suite, for every store; PostgreSQL gone and back is in `npm run interop`. */
describe('lmdbStore: faults', () => {
  /** Each change that does not fit is refused with ERR_STORE_IO and leaves nothing; what was there stays and is read; once there is room, the same process goes on. */
  it('fault: the disk is full', async () => {
    const folder = join(base, 'full');
    await lmdbStore(folder).close();
    // A limit for the size of a file is the same to LMDB as a disk without room. The soft one alone, which is lifted later.
    const child = spawn('sh', ['-c', 'ulimit -S -f 2048; exec "$0" "$@"', process.execPath, program, folder, 'fill'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const lines = linesOf(child);
    assert.equal(await next(lines), 'opening');
    const { kept, ...outcome } = JSON.parse(await next(lines)) as { readonly kept: number };
    assert.deepEqual(outcome, { code: 'ERR_STORE_IO', again: 'ERR_STORE_IO', whole: true, torn: false });
    assert.ok(kept > 5, String(kept));
    execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:unlimited']);
    child.stdin!.write('go\n');
    assert.deepEqual(JSON.parse(await next(lines)), { batch: true, whole: true });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    const store = lmdbStore(folder);
    for (let i = 0; i <= kept; i++) assert.deepEqual(await store.get(`big/${i}`), new Uint8Array(60_000).fill(i));
    await store.close();
  });

  /**
   * The map of a store begins small and grows by itself, for readers that have it open too: LMDB's MDB_MAP_FULL comes to nobody before the disk is full, which is
   * the case above.
   */
  it('fault: the map is too small', async () => {
    const folder = join(base, 'small-map');
    const store = lmdbStore(folder);
    await store.put('first', utf8('1'));
    const reader = spawn(process.execPath, [program, folder, 'read', 'k/last'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesOf(reader);
    assert.equal(await next(lines), 'opening');
    const scan = store.scan('')[Symbol.asyncIterator]();
    await scan.next();
    const before = statSync(join(folder, 'data.mdb')).size;
    for (let i = 0; i < 20; i++) {
      const changes = Array.from({ length: 32 }, (_, at) => ({ key: `k/${i}/${at}`, value: new Uint8Array(60_000).fill(i) }));
      assert.equal(await store.batch(changes), true);
    }
    await store.put('k/last', utf8('1'));
    await scan.return!();
    assert.ok(statSync(join(folder, 'data.mdb')).size > before + 32_000_000);
    assert.equal(await next(lines), '641');
    for (let i = 0; i < 20; i++) for (let at = 0; at < 32; at++) assert.equal((await store.get(`k/${i}/${at}`))![0], i);
    await store.close();
  });

  /** A file that was cut off is refused with ERR_STORE_OPEN before it is mapped, where it would end the process; put back, the store is whole. */
  it('fault: the file is truncated', async () => {
    const folder = join(base, 'truncated');
    const store = lmdbStore(folder);
    for (let i = 0; i < 50; i++) await store.put(`k/${i}`, new Uint8Array(3_000).fill(i));
    await store.close();
    const file = join(folder, 'data.mdb');
    const { size } = statSync(file);
    copyFileSync(file, join(base, 'copy'));
    for (const length of [100, 4_096, 8_192]) {
      truncateSync(file, length);
      assert.throws(
        () => lmdbStore(folder),
        (error) => error instanceof StoreError && error.code === 'ERR_STORE_OPEN' && /is damaged or not a database/.test(error.message),
      );
      assert.equal(statSync(file).size, length, 'the file was changed');
      copyFileSync(join(base, 'copy'), file);
    }
    assert.equal(statSync(file).size, size);
    const again = lmdbStore(folder);
    for (let i = 0; i < 50; i++) assert.deepEqual(await again.get(`k/${i}`), new Uint8Array(3_000).fill(i));
    await again.close();
  });

  /** A process that holds the lock for long, or stands still with it, holds up the changes of others, not their reading; killed, it frees the lock. Nothing is refused. */
  it('fault: another process holds the lock, and is killed', async () => {
    const folder = join(base, 'locked');
    const store = lmdbStore(folder);
    await store.put('a', utf8('1'));
    for (const end of ['itself', 'killed'] as const) {
      const child = spawn(process.execPath, [program, folder, 'hold', end === 'itself' ? '300' : '60000'], { stdio: ['pipe', 'pipe', 'inherit'] });
      const lines = linesOf(child);
      assert.equal(await next(lines), 'held');
      assert.deepEqual(await store.get('a'), utf8('1'));
      const exited = once(child, 'exit');
      if (end === 'killed') child.kill('SIGKILL');
      assert.equal(await store.compareAndSet('a', utf8('1'), utf8('1')), true);
      await exited;
    }
    await store.close();
  });
});
