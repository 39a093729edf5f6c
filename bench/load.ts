import { createSocket, type Socket } from 'node:dgram';

/** How long nothing may come back before what is outstanding counts as lost, and how often that may happen in one run. */
const stall = 2000;
const mostStalls = 3;

export interface LoadOptions {
  /** On 127.0.0.1. */
  readonly port: number;
  /** One for each request, in the order in which they are sent; bytes 2 and 3 are a number of its own (a Message ID). */
  readonly datagrams: readonly Uint8Array[];
  /** Requests under way at once. */
  readonly outstanding: number;
  /** What is wrong with a reply; `undefined`: nothing. */
  readonly fault: (reply: Uint8Array) => string | undefined;
  /** Opens a session from the fresh socket, in which the datagrams travel. Absent: they travel as they are. */
  readonly session?: OpenSession | undefined;
}

export type OpenSession = (socket: Socket, port: number) => Promise<LoadSession>;

/** What a session makes of messages, and of what comes back. */
export interface LoadSession {
  seal(message: Uint8Array): Uint8Array;
  /** Empty: there is no message in it. */
  open(datagram: Uint8Array): Uint8Array;
  close(): void;
}

export interface LoadResult {
  readonly replies: number;
  readonly seconds: number;
  /** Of all datagrams, both ways; absent: this load does not count them. */
  readonly bytes?: number;
}

/**
 * Sends every datagram once from one fresh socket, a further one for each reply, and ends with the last reply.
 *
 * A fresh socket is a fresh endpoint: Message IDs that an earlier run used are new to the server.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { port, outstanding, fault, session: openSession } = options;
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 21, sendBufferSize: 1 << 21, lookup: (host, _options, done) => done(null, host, 4) });
  await new Promise<void>((bound, failed) => {
    socket.once('error', failed);
    socket.bind(0, '127.0.0.1', bound);
  });
  try {
    const session = await openSession?.(socket, port);
    try {
      const datagrams = session === undefined ? options.datagrams : options.datagrams.map((message) => session.seal(message));
      return await run(socket, port, datagrams, outstanding, fault, session?.open);
    } finally {
      session?.close();
    }
  } finally {
    await new Promise<void>((closed) => socket.close(() => closed()));
  }
}

function run(
  socket: Socket,
  port: number,
  datagrams: readonly Uint8Array[],
  outstanding: number,
  fault: (reply: Uint8Array) => string | undefined,
  unsealed: LoadSession['open'] = (reply) => reply,
): Promise<LoadResult> {
  const answered = new Uint8Array(0x1_0000);
  const total = datagrams.length;
  return new Promise((resolve, reject) => {
    let next = 0;
    let replies = 0;
    let lost = 0;
    let stalls = 0;
    let seen = -1;
    let bytes = 0;
    const started = process.hrtime.bigint();
    const send = (): void => {
      if (next >= total) return;
      const datagram = datagrams[next++]!;
      bytes += datagram.length;
      socket.send(datagram, port, '127.0.0.1');
    };
    const end = (error?: Error): void => {
      clearInterval(watch);
      socket.off('message', receive);
      if (error) reject(error);
      else resolve({ replies, bytes, seconds: Number(process.hrtime.bigint() - started) / 1e9 });
    };
    const receive = (datagram: Uint8Array, from: { readonly port: number }): void => {
      if (from.port !== port) return;
      bytes += datagram.length;
      const reply = unsealed(datagram);
      if (reply.length < 4) return;
      const id = (reply[2]! << 8) | reply[3]!;
      if (answered[id] === 1) return;
      const wrong = fault(reply);
      if (wrong !== undefined) {
        end(new Error(`expected ${wrong}, got ${Buffer.from(reply).toString('hex')}`));
        return;
      }
      answered[id] = 1;
      replies++;
      if (replies + lost >= total) end();
      else send();
    };
    const watch = setInterval(() => {
      if (seen !== replies) {
        seen = replies;
        return;
      }
      lost = next - replies;
      if (++stalls > mostStalls) end(new Error(`no reply for ${stall} ms, with ${replies} of ${total} answered`));
      else if (replies + lost >= total) end();
      else for (let i = 0; i < outstanding; i++) send();
    }, stall);
    socket.on('error', end);
    socket.on('message', receive);
    for (let i = 0; i < outstanding; i++) send();
  });
}
