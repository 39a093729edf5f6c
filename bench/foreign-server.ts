import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { cpuOf, residentMemory } from './processes.ts';
import { AbsentPeer, installs, type Server } from './server.ts';

/** What a program may take until it listens: a Java machine on a busy one takes seconds. */
const patience = 30_000;

/** How a program shows that it listens: by what it prints, or by an answer to a CoAP ping. */
export type Ready = { readonly prints: string } | 'ping';

/** A server of somebody else, by its command. */
export class ForeignServer implements Server {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /**
   * Starts a command that listens at a port, and waits until it does.
   *
   * @throws {AbsentPeer} why there is none
   */
  static start(command: string, args: readonly string[], port: number, ready: Ready): Promise<ForeignServer> {
    // Its input stays open: these programs end with it.
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    return new Promise((resolve, reject) => {
      let printed = '';
      let settled = false;
      let stopPinging = (): void => {};
      const settle = (then: () => void): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        stopPinging();
        then();
      };
      const listens = (): void => settle(() => resolve(new ForeignServer(child, port)));
      const fail = (why: string): void =>
        settle(() => {
          child.kill('SIGKILL');
          reject(new AbsentPeer(`${command}: ${why}; ${installs}`));
        });
      const timer = setTimeout(() => fail(`did not listen within ${patience} ms`), patience);
      const read = (chunk: Buffer): void => {
        if (settled) return;
        printed += chunk.toString();
        if (ready !== 'ping' && printed.includes(ready.prints)) listens();
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('error', (error) => fail(error.message));
      child.once('exit', () => fail(`ended: ${printed.trim().slice(-500)}`));
      if (ready === 'ping') stopPinging = pingUntil(port, listens);
    });
  }

  /** @see cpuOf */
  cpu(): Promise<number> {
    return Promise.resolve(cpuOf(this.#child.pid!));
  }

  memory(): number | undefined {
    return residentMemory(this.#child.pid!);
  }

  stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    const ended = new Promise<void>((done) => this.#child.once('exit', () => done()));
    this.#child.kill('SIGKILL');
    return ended;
  }
}

/** RFC 7252, Section 4.2: an Empty message that is Confirmable is answered by Reset. Again and again until then. */
function pingUntil(port: number, answered: () => void): () => void {
  const socket = createSocket('udp4');
  let id = 0;
  const again = setInterval(() => {
    id++;
    socket.send(Uint8Array.of(0x40, 0, id >>> 8, id), port, '127.0.0.1');
  }, 100);
  socket.on('error', () => {});
  socket.on('message', answered);
  return () => {
    clearInterval(again);
    socket.close();
  };
}
