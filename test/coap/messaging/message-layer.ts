import assert from 'node:assert/strict';
import {
  type Body,
  Code,
  type DiscardedEvent,
  deriveParameters,
  type Incoming,
  Messaging,
  type MessagingLimits,
  type Peer,
  type TransmissionParameters,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';

export const peer: Peer = { key: '10.0.0.2:5683', address: '10.0.0.2', port: 5683 };
export const other: Peer = { key: '10.0.0.3:5683', address: '10.0.0.3', port: 5683 };
export const content: Body = { code: Code.Content, options: [], payload: utf8('ok') };
export const get: Body = { code: 1, options: [], payload: emptyBytes };
export const token: Uint8Array = fromHex('aa');

export interface Sent {
  readonly at: number;
  readonly hex: string;
  readonly to: string;
}

/** What came of a message layer, and how to make it hear. */
interface Bench {
  readonly sim: Simulator;
  readonly layer: Messaging;
  readonly sent: Sent[];
  readonly events: DiscardedEvent[];
  readonly requests: Incoming[];
  readonly responses: number[];
  readonly heard: string[];
  listener(name: string): { finished(): void; failed(error: { code: string }): void };
  receive(hex: string, from?: Peer): string[];
  isEmpty(): void;
}

/** A message layer with everything around it written down. `answer` decides what a request gets, in its turn; undefined: nothing yet. */
export function messageLayer(
  options: { parameters?: Partial<TransmissionParameters>; limits?: Partial<MessagingLimits>; answer?: Body; expects?: boolean } = {},
): Bench {
  const sim = new Simulator({ seed: 3 });
  const sent: Sent[] = [];
  const events: DiscardedEvent[] = [];
  const requests: Incoming[] = [];
  const responses: number[] = [];
  const heard: string[] = [];
  const listener: Bench['listener'] = (name) => ({
    finished: () => {
      heard.push(`${name} finished ${sim.now}`);
    },
    failed: (error: { code: string }) => {
      heard.push(`${name} ${error.code}`);
    },
  });
  const config = {
    parameters: deriveParameters(options.parameters),
    limits: { duplicates: { entries: 100, bytes: 100_000 }, peers: 50, queue: 4, ...options.limits },
  };
  const layer: Messaging = new Messaging(config, sim.env('layer'), {
    send: (datagram, to) => sent.push({ at: sim.now, hex: toHex(datagram), to: to.key }),
    emit: (event) => events.push(event),
    request: (message, _from, incoming) => {
      requests.push(incoming);
      if (options.answer !== undefined) layer.answer(incoming, message.token, options.answer, 0, listener('answer'));
    },
    response: (message, _from, transmission) => {
      responses.push(message.code);
      if (options.expects === true && transmission !== undefined) layer.settle(transmission);
      return options.expects ?? false;
    },
  });
  const receive = (hex: string, from: Peer = peer): string[] => {
    const before = sent.length;
    layer.receive(fromHex(hex), from);
    return sent.slice(before).map((datagram) => datagram.hex);
  };
  const isEmpty = (): void =>
    assert.ok(
      Object.values(layer.stats()).every((count) => count === 0),
      JSON.stringify(layer.stats()),
    );
  return { sim, layer, sent, events, requests, responses, heard, listener, receive, isEmpty };
}
