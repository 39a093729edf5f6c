import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

/** Between a client and a server, over TCP: sees all that passes, and can change it. */
export class Tap {
  /** Change a byte of all that a client sends after its ClientHello. */
  spoil = false;
  readonly #target: number;
  readonly #server: Server;
  /** Of the client. */
  readonly #sent: Buffer[] = [];
  readonly #all: Buffer[] = [];

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      let isFirst = true;
      near.on('data', (part: Buffer) => {
        this.#sent.push(part);
        this.#all.push(part);
        far.write(this.spoil && !isFirst ? flipped(part) : part);
        isFirst = false;
      });
      far.on('data', (part: Buffer) => {
        this.#all.push(part);
        near.write(part);
      });
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
      }
    });
  }

  /** @param target - port of the server, on loopback */
  static async open(target: number): Promise<Tap> {
    const tap = new Tap(target);
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    return tap;
  }

  static async within(target: number, use: (tap: Tap) => Promise<void>): Promise<void> {
    const tap = await Tap.open(target);
    try {
      await use(tap);
    } finally {
      tap.close();
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  saw(text: string): boolean {
    return Buffer.concat(this.#all).includes(text);
  }

  /** Takes no more connections. */
  close(): void {
    this.#server.close();
  }

  /** Say again to the server what a client has said, until it ends the connection. */
  async replay(): Promise<void> {
    const socket = connect(this.#target, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume().end(Buffer.concat(this.#sent));
    await once(socket, 'close');
  }
}

function flipped(part: Buffer): Buffer {
  const changed = Buffer.from(part);
  changed[changed.length - 1]! ^= 1;
  return changed;
}
