import { type DatagramTransport, decodeMessage, isRequest, pathOf, type Request, type Response } from '../coap/index.ts';
import { toHex } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';
import { tap } from '../transport/index.ts';
import { renderBody, renderCode, renderDatagram } from './render.ts';
import { err } from './terminal.ts';

/** Shows each message on standard error, decoded, with its size in bytes. It lives as long as one command: what it remembers is not bounded. */
export class Tracer {
  /** Paths of requests by token: what is in a response hangs on them. */
  readonly #paths = new Map<string, readonly string[]>();
  /** The path of the protected request that went out last. */
  #innerPath: readonly string[] = [];

  /** The same transport; each datagram is shown. */
  wrap(transport: DatagramTransport): DatagramTransport {
    return tap(transport, ({ direction, datagram, peer }) => {
      const arrow = direction === 'out' ? err('cyan', '-->') : err('yellow', '<--');
      const size = `${datagram.length} byte${datagram.length === 1 ? '' : 's'}`;
      console.error(`${arrow} ${peer.address}:${peer.port}  ${err('bold', size)}  ${this.#lines(datagram).join('\n    ')}`);
    });
  }

  #lines(datagram: Uint8Array): readonly string[] {
    try {
      const { code, token, options } = decodeMessage(datagram);
      if (isRequest(code)) this.#paths.set(toHex(token), pathOf(options));
      return renderDatagram(datagram, this.#paths.get(toHex(token)));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return [`no CoAP message: ${error.message}`, `  ${toHex(datagram)}`];
    }
  }

  /** What OSCORE protects inside the datagram that is shown before or after this. */
  inner(direction: 'in' | 'out', inner: Request | Response): void {
    if (direction === 'out') this.#innerPath = pathOf(inner.options);
    const lines = [renderCode(inner.code), ...renderBody(inner, '  ', this.#innerPath)];
    console.error(`    ${err('dim', direction === 'out' ? 'inside, to be encrypted:' : 'inside, decrypted:')} ${lines.join('\n      ')}`);
  }
}
