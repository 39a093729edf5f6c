import { type BlockwiseLayer, blockwise } from '../../../src/coap/blockwise/layer.ts';
import type { BlockwiseOptions } from '../../../src/coap/blockwise/limits.ts';
import type { Handler, Request, Requester, Response } from '../../../src/coap/layer.ts';
import { Code } from '../../../src/coap/message/code.ts';
import type { Option } from '../../../src/coap/message/option.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, Listener, response, Wire } from '../harness.ts';

export interface ClientParts {
  readonly sim: Simulator;
  readonly client: BlockwiseLayer;
  readonly wire: Wire;
  readonly requester: Requester;
  fetch(message: Request): Listener;
}

/** A client with the layer, and whoever answers without it. */
export function clientOnly(handler: Handler, options: BlockwiseOptions = {}): ClientParts {
  const sim = new Simulator();
  const client = blockwise(options, sim.env('client'));
  const wire = new Wire(handler);
  const requester = client.outbound(wire.requester);
  const fetch = (message: Request): Listener => {
    const listener = new Listener();
    requester(message, listener);
    return listener;
  };
  return { sim, client, wire, requester, fetch };
}

/** A client and a server, each with the layer, on a wire that loses nothing. */
export function pair(
  handler: Handler,
  clientOptions: BlockwiseOptions = {},
  serverOptions: BlockwiseOptions = {},
): ClientParts & { readonly server: BlockwiseLayer } {
  const server = blockwise(serverOptions, new Simulator().env('server'));
  return { ...clientOnly(server.inbound(handler), clientOptions), server };
}

export interface ServerParts {
  readonly sim: Simulator;
  readonly layer: BlockwiseLayer;
  readonly inbound: Handler;
  ask(message: Request): Response;
}

/** A server with the layer, asked message by message. */
export function serverOnly(handler: Handler, options: BlockwiseOptions = {}): ServerParts {
  const sim = new Simulator();
  const layer = blockwise(options, sim.env());
  const inbound = layer.inbound(handler);
  return { sim, layer, inbound, ask: (message) => ask(inbound, message).last };
}

export const echoBody: Handler = (message, reply) => reply.respond(response(Code.Changed, message.payload));

export function serve(payload: Uint8Array, options: readonly Option[] = []): Handler {
  return (_message, reply) => reply.respond(response(Code.Content, payload, options));
}
