import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { toHex, utf8 } from '../core/bytes.ts';
import { digest } from '../core/crypto/index.ts';

/** A process, as others can tell it from those before and after it. */
export interface ServerProcess {
  readonly pid: number;
  /** The machine, and on it the space that the number is of: containers have their own. */
  readonly host: string;
  /** When it began, on the clock of the machine: a number is given again. Empty where nobody can tell. */
  readonly begun: string;
}

/** A process, as one can tell later and for sure that it is gone. What nobody can tell is empty. */
export interface WritingProcess {
  readonly pid: number;
  /** When it began, in ticks since the start of the machine. */
  readonly begun: string;
  /** The space that the number is of. */
  readonly space: string;
  /** A random name of the time from one start of the machine to the next. */
  readonly boot: string;
  /** A hash of the name of the machine, which is for nobody else. */
  readonly machine: string;
}

export function thisProcess(): ServerProcess {
  return { pid: process.pid, host: `${hostname()} ${space()}`.trim(), begun: beginOf(process.pid) ?? '' };
}

/** This process, for those that come after it. */
export function thisWriter(): WritingProcess {
  const machine = textOf('/etc/machine-id');
  return {
    pid: process.pid,
    begun: beginOf(process.pid) ?? '',
    space: space(),
    boot: textOf('/proc/sys/kernel/random/boot_id'),
    // machine-id(5): it is not shown to others, but a hash of it with something of one's own.
    machine: machine === '' ? '' : toHex(digest('sha256', utf8(`ace-coap audit ${machine}`)).subarray(0, 16)),
  };
}

/** Whether a process of this machine lives. */
export function lives({ pid, begun }: Pick<ServerProcess, 'pid' | 'begun'>): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return begun === '' || beginOf(pid) === begun;
}

/**
 * Whether a process is gone for sure: it was one of this machine before it was started anew, or its number can be looked up here and is nobody's, or another's.
 * `false`: it lives, or nobody here can tell, as of a container that is no more.
 */
export function isGone(other: WritingProcess, here: WritingProcess = thisWriter()): boolean {
  if (other.boot === '' || here.boot === '') return false;
  if (other.boot !== here.boot) return other.machine !== '' && other.machine === here.machine;
  return other.begun !== '' && other.space !== '' && other.space === here.space && !lives(other);
}

/** The space of process numbers. Empty where there is no such thing. */
function space(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return '';
  }
}

/** When a process began. `undefined`: there is none of this number, it has ended and nobody has asked how, or nobody can tell. */
function beginOf(pid: number): string | undefined {
  try {
    // The name of the program stands in parentheses and may have any character in it; the 20th field after it is the time.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
