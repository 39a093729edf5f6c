import { createSocket } from 'node:dgram';
import type { EventEmitter } from 'node:events';
import { createServer } from 'node:net';

/**
 * The ports that are given out. The system gives none of them to a socket that names no port (it takes those from 32,768 on, or from 49,152 on),
 * so that a port which is free now is not taken by a connection that anyone makes before a server listens there.
 */
const lowest = 10_000;
const count = 22_500;

/** Processes that run at once have numbers near one another: each begins this many ports after the one before it, where no other looks for one. */
const ofEachProcess = 64;

let given = 0;

/** An even port that was not given out before in this process. The odd one above it is for whoever needs a second beside it: no other is given it. */
const nextPort = (): number => lowest + ((process.pid * ofEachProcess + 2 * given++) % count);

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
