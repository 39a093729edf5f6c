/** A server in a process of its own, started with --expose-gc, that tells what it holds: the one that is attacked. */
import { Endpoint, encodeMessage, MessageType, Method, pathOptions, Router } from '../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../src/core/bytes.ts';
import { udp } from '../../src/transport/index.ts';
import { Inlet, peerAt } from '../support/inlet.ts';

/** Memory in bytes after a collection, and what the endpoint counts. */
export interface Report {
  readonly memory: number;
  readonly stats: Readonly<Record<string, number>>;
}

export type Order = 'report' | 'change' | { readonly inject: number };

/** Lifetimes of about a second, so that a test can wait for their end. */
const parameters = { ackTimeout: 100, maxRetransmit: 2, maxLatency: 300 };
const lifetimes = { parameters, blockwise: { lifetime: 1500 }, observe: { idle: 2500 } };

const router = new Router();
router.resource('/time', { get: () => 'now' });
router.resource('/upload/*', { put: () => undefined });
const changing = router.resource('/changing', { get: () => 'state', observable: true });
const endpoint = new Endpoint({ transport: await udp({ bufferSize: 1 << 21 }), handler: router.handler, ...lifetimes });

const inlet = new Inlet();
const injected = new Endpoint({ transport: inlet, handler: router.handler, ...lifetimes });

/** Requests of as many endpoints, by turns plain, as the first of many blocks, and as registrations. */
function inject(count: number): number {
  for (let i = 0; i < count; i++) {
    const peer = peerAt(`127.${(i >>> 16) & 255}.${(i >>> 8) & 255}.${i & 255}`, 1024 + (i % 50_000));
    const token = Uint8Array.of(i >>> 8, i);
    const kind = i % 3;
    const options = [
      ...(kind === 2 ? [{ number: 6, value: emptyBytes }] : []),
      ...pathOptions(kind === 1 ? ['upload', String(i)] : kind === 2 ? ['changing'] : ['time']),
      ...(kind === 1 ? [{ number: 27, value: Uint8Array.of(8) }] : []),
    ];
    const code = kind === 1 ? Method.PUT : Method.GET;
    inlet.receive(
      encodeMessage({ type: MessageType.CON, code, id: i & 0xffff, token, options, payload: kind === 1 ? utf8('a block of 16 by') : emptyBytes }),
      peer,
    );
  }
  return inlet.answers;
}

function report(of: Endpoint): Report {
  (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, external } = process.memoryUsage();
  return { memory: heapUsed + external, stats: of.stats() };
}

process.on('message', (order: Order) => {
  if (order === 'report') process.send!(report(endpoint));
  else if (order === 'change') {
    changing.changed();
    process.send!({});
  } else process.send!({ answers: inject(order.inject), ...report(injected) });
});
process.on('disconnect', () => process.exit(0));
process.send!({ port: endpoint.local.port });
