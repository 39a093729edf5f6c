import assert from 'node:assert/strict';
import {
  type CoapError,
  Code,
  decodeAbort,
  defaultStreamLimits,
  deriveParameters,
  type Message,
  type Option,
  type Peer,
  type Received,
  SignalingCode,
  type StreamLimits,
  StreamMessaging,
  type StreamMessagingConfig,
  StreamPeer,
  type StreamTransport,
  type TransmissionListener,
  type Wire,
  type WireListener,
} from '../../../src/coap/index.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { TestWire } from '../../support/stream-wire.ts';

export const maxMessageSize = 4000;
export const nobody: TransmissionListener = { finished: () => {}, failed: () => {} };

/** A message layer whose connections all end in `TestWire`s. */
export class Bench implements StreamTransport {
  readonly framing = 'length';
  readonly scheme = 'coap+tcp';
  readonly maxMessageSize: number = maxMessageSize;
  readonly local: { readonly address: string; readonly port: number } = { address: '10.0.0.1', port: 5683 };
  readonly sim: Simulator = new Simulator();
  readonly messaging: StreamMessaging;
  readonly requests: { message: Message; incoming: Received }[] = [];
  readonly responses: Message[] = [];
  readonly lost: CoapError[] = [];
  readonly events: string[] = [];
  readonly dialled: TestWire[] = [];
  busy = false;
  #serial = 0;

  constructor(limits: Partial<StreamLimits> = {}, tokens: Pick<StreamMessagingConfig, 'format' | 'longestToken'> = {}) {
    const config = { parameters: deriveParameters(), limits: { ...defaultStreamLimits, ...limits }, ...tokens };
    this.messaging = new StreamMessaging(this, config, this.sim.env('one'), {
      emit: (event) => this.events.push(event.type === 'connection' ? event.state : event.reason),
      request: (message, _peer, incoming) => this.requests.push({ message, incoming }),
      response: (message) => {
        this.responses.push(message);
        return true;
      },
      lost: (_peer, error) => this.lost.push(error),
      needs: () => this.busy,
    });
  }

  start(): void {}

  async resolve(): Promise<Peer> {
    return this.peer();
  }

  peer(): StreamPeer {
    return new StreamPeer({ scheme: 'coap+tcp', address: '10.0.0.2', port: 5683 });
  }

  connect(_peer: Peer, listener: WireListener): Wire {
    const wire = new TestWire();
    wire.listener = listener;
    this.dialled.push(wire);
    return wire;
  }

  async close(): Promise<void> {}

  /** A connection that came in, as far as our CSM. */
  accept(): TestWire {
    const wire = new TestWire();
    wire.listener = this.messaging.accept(wire, new StreamPeer({ scheme: 'coap+tcp', address: '10.0.0.9', port: 4000, serial: ++this.#serial }));
    wire.listener.opened();
    return wire;
  }

  /** A connection on which both CSMs have passed. */
  ready(options: readonly Option[] = []): TestWire {
    const wire = this.accept();
    wire.say(SignalingCode.CSM, options);
    wire.take();
    return wire;
  }

  answer(index: number, body: string | Uint8Array = ''): void {
    const { message, incoming } = this.requests[index]!;
    const payload = typeof body === 'string' ? utf8(body) : body;
    this.messaging.answer(incoming, message.token, { code: Code.Content, options: [], payload }, 0, nobody);
  }
}

/** The connection was aborted with a diagnostic, and the code of the error that it ended with. */
export function assertAborted(bench: Bench, wire: TestWire, code: string, badCsmOption?: number): void {
  const abort = wire.take().at(-1)!;
  assert.equal(abort.code, SignalingCode.Abort);
  const { diagnostic, badCsmOption: blamed } = decodeAbort(abort);
  assert.ok(diagnostic.length > 0);
  assert.equal(blamed, badCsmOption);
  assert.equal(wire.state, 'ended');
  assert.equal(bench.lost.at(-1)?.code, code);
  const { connections, held, unanswered, deadlines } = bench.messaging.stats();
  assert.deepEqual({ connections, held, unanswered, deadlines }, { connections: 0, held: 0, unanswered: 0, deadlines: 0 });
}
