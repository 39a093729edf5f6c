import { readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Milliseconds after which the file of a process that shows no end is taken for forgotten, and between two looks at it. */
const patience = 10_000;
const pause = 1;

/**
 * Do something short that other processes do not do at the same time: the file is there while one does it.
 *
 * The file of a process that was killed is removed, by its number or in the end by its age, so that on a bad day two may go in at once.
 */
export function whileLocked<T>(path: string, work: () => T): T {
  const giveUp = performance.now() + patience;
  while (!make(path)) {
    if (isForgotten(path) || performance.now() > giveUp) rmSync(path, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
  }
  try {
    return work();
  } finally {
    rmSync(path, { force: true });
  }
}

function make(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    // An empty one would stand for somebody who is about to begin.
    rmSync(path, { force: true });
    throw error;
  }
}

/** Whether the process that made the file is gone. */
function isForgotten(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    // Empty: it has just been made.
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
