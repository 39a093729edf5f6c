import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Jiffies of `/proc`, in microseconds. */
const tick = 10_000;

/**
 * CPU time of a process since its start in microseconds, user and system, of all its threads.
 *
 * The nanoseconds of the threads that there are know nothing of those that have ended; the jiffies of the process do, and are coarse.
 *
 * @see proc_pid_stat(5)
 */
export function cpuOf(pid: number): number {
  // The name of the program stands in parentheses, and may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
  const jiffies = (Number(fields[11]) + Number(fields[12])) * tick;
  if (!existsSync(`/proc/${pid}/schedstat`)) return jiffies;
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    } catch {
      // It has just ended.
    }
  }
  return Math.max(jiffies, nanoseconds / 1000);
}

/** Bytes of a process that are resident; `undefined` where there is no `/proc`. */
export function residentMemory(pid: number): number | undefined {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
  } catch {
    return undefined;
  }
}
