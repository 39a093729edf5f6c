/** Our endpoint without a socket, that tells what requests, observers, peers, Security Contexts and DTLS connections make it keep; started with --expose-gc. */
import { Code, Endpoint, encodeMessage, MessageType, Method, type Option, OptionNumber, pathOptions, type Reply, Router } from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ContextTable, deriveContext, oscore, protectRequest, type SecurityContext } from '../../src/oscore/index.ts';
import { Inlet, peerAt } from '../../test/support/inlet.ts';
import { connectedServer } from '../dtls-connections.ts';
import { oscoreKeys, protectedGet, temperature } from '../requests.ts';
import { serve } from './serve.ts';

const path = pathOptions(['temperature']);
const registration: readonly Option[] = [{ number: OptionNumber.Observe, value: emptyBytes }, ...path];

function memory(): number {
  (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

interface Asked {
  readonly requests: number;
  readonly peers: number;
  readonly options: readonly Option[];
}

const endpoints: Endpoint[] = [];

/** Bytes that a fresh endpoint keeps of these requests. */
function kept({ requests, peers, options }: Asked): { readonly bytes: number } {
  const router = new Router();
  router.resource('/temperature', { get: () => temperature, observable: true });
  const inlet = new Inlet();
  const limits = { maxObservers: requests, maxObserversPerPeer: requests };
  endpoints.push(new Endpoint({ transport: inlet, handler: router.handler, observe: limits, limits: { replies: requests } }));
  const senders = Array.from({ length: peers }, (_, index) => peerAt(`127.0.${index >>> 8}.${index & 255}`, 40_000));
  const before = memory();
  for (let i = 0; i < requests; i++) {
    const id = Math.floor(i / peers);
    const token = Uint8Array.of(id >>> 16, id >>> 8, id);
    inlet.receive(encodeMessage({ type: MessageType.CON, code: Method.GET, id: id & 0xffff, token, options, payload: emptyBytes }), senders[i % peers]!);
  }
  if (inlet.answers !== requests) throw new Error(`expected ${requests} answers, got ${inlet.answers}`);
  return { bytes: memory() - before };
}

const tables: ContextTable[] = [];

/** Bytes that a table keeps of contexts that have received one request each. */
function keptContexts(count: number): { readonly bytes: number } {
  const contexts = new ContextTable({ limit: count });
  tables.push(contexts);
  const store = { reserve: (): Promise<number> => Promise.reject(new Error('the bench reserves no sequence numbers')) };
  let served = 0;
  const handler = oscore({ contexts, store, env: systemEnv }).inbound((_, reply) => {
    served++;
    reply.respond({ code: Code.Content, options: [], payload: emptyBytes });
  });
  const reply: Reply = { respond: () => {}, notify: () => {}, onCancel: () => {} };
  const peer = peerAt('127.0.0.1', 40_000);
  const before = memory();
  for (let index = 0; index < count; index++) {
    const recipientId = Uint8Array.of(0, index >>> 16, index >>> 8, index);
    const context = deriveContext({ ...oscoreKeys(0), senderId: Uint8Array.of(1), recipientId, replayWindow: 32 });
    contexts.add(context);
    // What the client would send: its Sender Context is our Recipient Context.
    const client = { sender: context.recipient } as SecurityContext;
    const { message } = protectRequest({ ...protectedGet, peer }, client, 0);
    handler(message, reply);
  }
  if (served !== count) throw new Error(`expected ${count} requests to be served, got ${served}`);
  return { bytes: memory() - before };
}

const servers: unknown[] = [];

/** Bytes that a DTLS server keeps of idle connections with connection IDs, and of the sessions that they may be resumed from. */
function keptConnections(count: number): { readonly bytes: number } {
  const before = memory();
  servers.push(connectedServer(count));
  return { bytes: memory() - before };
}

// What is compiled and grown once belongs to nobody.
kept({ requests: 2000, peers: 10, options: registration });
keptContexts(2000);
keptConnections(1000);
serve(0, () => Promise.all(endpoints.map((endpoint) => endpoint.close())).then(() => {}), {
  requests: (count) => kept({ requests: count, peers: count / 100, options: path }),
  observers: (count) => kept({ requests: count, peers: count / 100, options: registration }),
  peers: (count) => kept({ requests: count, peers: count, options: path }),
  contexts: keptContexts,
  connections: keptConnections,
});
