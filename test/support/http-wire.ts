import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { pause } from './wait.ts';

/** A connection on which a test writes HTTP itself. */
export class HttpWire {
  readonly socket: Socket;
  /** All that came so far. */
  text = '';
  /** There is nothing more to come. */
  readonly ended: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
    });
    socket.on('error', () => {});
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** `ca`: over TLS. `from`: the address of this end, all of 127.0.0.0/8 being loopback. */
  static async open(port: number, ca?: string, from = '127.0.0.1'): Promise<HttpWire> {
    const to = { port, host: '127.0.0.1', localAddress: from };
    const socket = ca === undefined ? connectTcp(to) : connectTls({ ...to, ca });
    const wire = new HttpWire(socket);
    await once(socket, ca === undefined ? 'connect' : 'secureConnect');
    return wire;
  }

  /** Wait until nobody takes connections there: for a moment the system still does after the server has closed those that were idle. */
  static async refused(port: number, ca?: string): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      const wire = await HttpWire.open(port, ca).catch(() => undefined);
      if (wire === undefined) return;
      wire.close();
      await pause(10);
    }
    throw new Error(`expected port ${port} to be closed, got connections`);
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** A whole request. */
  request(path: string, headers: Readonly<Record<string, string>> = {}, body = '', method: string = body === '' ? 'GET' : 'POST'): void {
    this.write(`${head(method, path, { ...(body === '' ? {} : { 'Content-Length': String(body.length) }), ...headers })}${body}`);
  }

  /** What came when this has come, or when nothing more does. */
  async until(found: RegExp): Promise<string> {
    while (!found.test(this.text) && !this.socket.destroyed) await Promise.race([once(this.socket, 'data'), this.ended]);
    return this.text;
  }

  /** All, when it is over. */
  async rest(): Promise<string> {
    await this.ended;
    return this.text;
  }

  /** The status of the last answer that has begun. */
  get status(): number {
    return Number([...this.text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].at(-1)?.[1] ?? 0);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** The head of a request. */
export function head(method: string, path: string, headers: Readonly<Record<string, string>>): string {
  const fields = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${fields.join('')}\r\n`;
}
