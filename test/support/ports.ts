import { createSocket } from 'node:dgram';
import type { EventEmitter } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The ports that are given out. The system gives none of them to a socket that names no port (it takes those from 32,768 on, or from 49,152 on),
 * so that a port which is free now is not taken by a connection that anyone makes before a server listens there.
 */
const lowest = 10_000;
const count = 22_500;

/** Processes that run at once begin at different places. */
const step = 64;

/** A file for each port that a process was given, named after it: a port is free for a while after it was given, until somebody listens there. */
const claims = join(tmpdir(), 'ace-coap-test-ports');
const claimed: string[] = [];
process.on('exit', () => {
  for (const file of claimed) rmSync(file, { force: true });
});

let looked = 0;

/** An even port that no process that lives was given. The odd one above it is for whoever needs a second beside it: no other is given it. */
function nextPort(): number {
  mkdirSync(claims, { recursive: true });
  for (;;) {
    const port = lowest + ((process.pid * step + 2 * looked++) % count);
    if (claim(join(claims, `${port}`))) return port;
  }
}

function claim(file: string): boolean {
  try {
    writeFileSync(file, `${process.pid}`, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (lives(file)) return false;
    // Of a process that was killed. Whoever else finds it so may claim it first.
    rmSync(file, { force: true });
    return claim(file);
  }
  claimed.push(file);
  return true;
}

/** Whether the process lives that has claimed a port, or may not have written its number yet. */
function lives(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return pid === 0 || process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const host = '127.0.0.1';

/** Whether a socket could be bound; it is closed again. */
function wasFree(socket: EventEmitter & { close(then: () => void): unknown }): Promise<boolean> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    socket.once('listening', () => socket.close(() => resolve(true)));
  });
}

const isFree = async (port: number): Promise<boolean> =>
  (await wasFree(createSocket('udp4').bind(port, host))) && (await wasFree(createServer().listen(port, host)));

/** A port of 127.0.0.1 that is free now, for UDP and for TCP; another one each time. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort();
    if (await isFree(port)) return port;
  }
}

/** The same, with a free one above it, for sessions. */
export async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (await isFree(port + 1)) return port;
  }
}
