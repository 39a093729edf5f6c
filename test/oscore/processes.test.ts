import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-oscore-'));
after(() => rmSync(base, { recursive: true, force: true }));

function child(folder: string, count: number, block: number): ChildProcess {
  const file = fileURLToPath(new URL('sender-child.js', import.meta.url));
  return spawn(process.execPath, [file, folder, String(count), String(block)], { stdio: ['pipe', 'pipe', 'inherit'] });
}

for (const [count, block] of [
  [1000, 64],
  [1000, 1],
] as const) {
  test(`RFC 8613 B.1.1: two processes on one LMDB store, ${count} requests at once in each, blocks of ${block}: no number serves twice`, async () => {
    const folder = join(base, `block-${block}`);
    const children = [0, 1].map(() => child(folder, count, block));
    const lines = children.map((one) => createInterface(one.stdout!)[Symbol.asyncIterator]());
    for (const of of lines) assert.equal((await of.next()).value, 'ready');
    for (const one of children) one.stdin!.write('go\n');
    const numbers = await Promise.all(lines.map(async (of) => JSON.parse((await of.next()).value as string) as number[]));
    for (const own of numbers) {
      assert.equal(own.length, count);
      assert.deepEqual(
        own,
        own.toSorted((a, b) => a - b),
        'the numbers of a process rise',
      );
    }
    assert.equal(new Set(numbers.flat()).size, 2 * count);
  });
}
