import { createSocket } from 'node:dgram';

/** The port that was bound, and free again; `undefined`: it was taken. */
function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(undefined));
    socket.bind(wanted, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** A UDP port of 127.0.0.1 that is free now, with a free one above it for sessions. */
export async function freePort(): Promise<number> {
  for (;;) {
    const found = await tryPort(0);
    if (found !== undefined && found < 65_535 && (await tryPort(found + 1)) !== undefined) return found;
  }
}
