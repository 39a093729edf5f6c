// biome-ignore lint/suspicious/noTsIgnore: here the package is there
/** @ts-ignore Where the package is not there, these types are `any`. This line stands in the declarations too. */
import type { IncomingMessage as CoapIncomingMessage, ObserveWriteStream as CoapObserveWriteStream, OutgoingMessage as CoapOutgoingMessage } from 'coap';
import { Code, type Handler, type Reply, type Request } from '../../coap/index.ts';
import { emptyBytes } from '../../core/bytes.ts';
import { IncomingMessage } from './incoming-message.ts';
import { ObserveWriteStream, OutgoingMessage } from './outgoing-message.ts';

/**
 * What a program gives to `coap.createServer`. Its types are node-coap's own, so that a program in TypeScript stays as it is; a listener may name the kind of
 * response that it expects.
 */
export type NodeCoapListener = {
  /** Called for each request. */
  listener(request: CoapIncomingMessage, response: CoapOutgoingMessage & CoapObserveWriteStream): unknown;
}['listener'];

/** A listener threw, or its response cannot be sent. The peer heard 5.00 and nothing else. */
export interface NodeCoapEvent {
  readonly type: 'failed';
  readonly method: string;
  readonly url: string;
  readonly error: unknown;
}

/** What a listener of node-coap has beside its function. */
export interface NodeCoapListenerOptions {
  /** Hears of what the listener threw. */
  readonly emit?: (event: NodeCoapEvent) => void;
}

/**
 * A handler that calls the listener of a node-coap program, with a request and a response that look to it as node-coap's do.
 *
 * ```ts
 * rs.resource('/*', { handler: nodeCoapListener(listener) });
 * ```
 *
 * Bodies come whole; a registration of an observer comes with an `ObserveWriteStream`. What the listener throws, or rejects with, is answered with 5.00.
 */
export function nodeCoapListener(listener: NodeCoapListener, options: NodeCoapListenerOptions = {}): Handler {
  const call = listener as unknown as (request: IncomingMessage, response: OutgoingMessage | ObserveWriteStream) => unknown;
  return (request, reply) => {
    const incoming = incomingOf(request, reply);
    if (incoming === undefined) return;
    const { code, method = code, url } = incoming;
    const report = (error: unknown): void => options.emit?.({ type: 'failed', method, url, error });
    const observes = incoming.headers['Observe'] === 0 && (method === 'GET' || method === 'FETCH');
    const outgoing = observes ? new ObserveWriteStream(reply, report) : new OutgoingMessage(reply, report);
    incoming.on('error', report);
    try {
      const result = call(incoming, outgoing);
      if (result instanceof Promise) result.catch((error: unknown) => outgoing.fail(error));
    } catch (error) {
      outgoing.fail(error);
    }
  };
}

/** `undefined`: it has been answered already, since its path or its query is no text. */
function incomingOf(request: Request, reply: Reply): IncomingMessage | undefined {
  try {
    return new IncomingMessage(request);
  } catch {
    reply.respond({ code: Code.BadRequest, options: [], payload: emptyBytes });
    return undefined;
  }
}
