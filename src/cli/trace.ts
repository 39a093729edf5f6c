import type { DatagramTransport, Request, Response } from '../coap/index.ts';
import { toHex } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';
import { tap } from '../transport/index.ts';
import { renderBody, renderCode, renderDatagram } from './render.ts';
import { err } from './terminal.ts';

/** The same transport; each datagram is shown on standard error, decoded, with its size. */
export function traced(transport: DatagramTransport): DatagramTransport {
  return tap(transport, ({ direction, datagram, peer }) => {
    const arrow = direction === 'out' ? err('cyan', '-->') : err('yellow', '<--');
    let lines: readonly string[];
    try {
      lines = renderDatagram(datagram);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      lines = [`no CoAP message: ${error.message}`, `  ${toHex(datagram)}`];
    }
    console.error(`${arrow} ${peer.address}:${peer.port}  ${err('bold', `${datagram.length} bytes`)}  ${lines.join('\n    ')}`);
  });
}

/** What OSCORE protects inside the datagram that is shown before or after this. */
export function traceInner(direction: 'in' | 'out', inner: Request | Response): void {
  const lines = [renderCode(inner.code), ...renderBody(inner, '  ')];
  console.error(`    ${err('dim', direction === 'out' ? 'inside, to be encrypted:' : 'inside, decrypted:')} ${lines.join('\n      ')}`);
}
