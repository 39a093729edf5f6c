import { decodeMessage, isRequest, type Message, pathOf, type Request, type Response, type Transport } from '../coap/index.ts';
import { toHex } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';
import { renderBody, renderCode, renderDatagram, renderStreamMessage } from '../inspect/index.ts';
import { tap } from '../transport/index.ts';
import { err } from './terminal.ts';

/** Shows each message on standard error, decoded, with its size in bytes. It lives as long as one command: what it remembers is not bounded. */
export class Tracer {
  /** Paths of requests by token: what is in a response hangs on them. */
  readonly #paths = new Map<string, readonly string[]>();
  /** The path of the protected request that went out last. */
  #innerPath: readonly string[] = [];

  /** The same transport; each datagram, or message, is shown. */
  wrap(transport: Transport): Transport {
    return tap(transport, ({ direction, datagram, peer, message }) => {
      const arrow = direction === 'out' ? err('cyan', '-->') : err('yellow', '<--');
      const size = `${datagram.length} byte${datagram.length === 1 ? '' : 's'}`;
      console.error(`${arrow} ${peer.address}:${peer.port}  ${err('bold', size)}  ${this.#lines(datagram, message).join('\n    ')}`);
    });
  }

  #lines(datagram: Uint8Array, message: Message | undefined): readonly string[] {
    try {
      const { code, token, options } = message ?? decodeMessage(datagram);
      if (isRequest(code)) this.#paths.set(toHex(token), pathOf(options));
      const path = this.#paths.get(toHex(token));
      return message === undefined ? renderDatagram(datagram, path) : renderStreamMessage(message, path);
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
