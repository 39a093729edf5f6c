import assert from 'node:assert/strict';
import { decodeMessage, Endpoint, type EndpointOptions, type Handler, type Message, OptionNumber, type Peer, readUint } from '../../src/coap/index.ts';
import { decodeMissingBlocks } from '../../src/coap/qblock-option.ts';
import { type Packet, Simulator, type SimulatorOptions } from '../support/simulator.ts';

export type Half = Omit<EndpointOptions, 'transport' | 'env' | 'handler'>;

export interface QBlockPair {
  readonly sim: Simulator;
  readonly server: Endpoint;
  readonly client: Endpoint;
  readonly peer: Peer;
  /** What passed since the last call, in the notation of RFC 9177, Section 10; `X`: lost. */
  log(): string[];
  /** Run until nothing is scheduled any more; nothing must be left of anything. */
  isEmpty(): Promise<void>;
}

/** Without the questions whether the peer knows the options, which most cases are not about. */
export const assumed: Half = { qBlock: { discovery: 'assume' } };

export function qBlockPair(handler: Handler, network: SimulatorOptions = {}, client: Half = assumed, server: Half = assumed): QBlockPair {
  const sim = new Simulator(network);
  const a = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, ...server });
  const b = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), ...client });
  let seen = 0;
  return {
    sim,
    server: a,
    client: b,
    peer: sim.peer('10.0.0.1', 5683),
    log: () => {
      const from = seen;
      seen = sim.wire.length;
      return sim.wire.slice(from).map(describePacket);
    },
    isEmpty: async () => {
      await sim.run();
      for (const endpoint of [a, b]) {
        assert.deepEqual(
          Object.entries(endpoint.stats()).filter(([, count]) => count !== 0),
          [],
        );
      }
      assert.equal(sim.pending, 0);
    },
  };
}

export function describePacket({ datagram, from, arrivals }: Pick<Packet, 'datagram' | 'from' | 'arrivals'>): string {
  const text = describe(decodeMessage(datagram));
  return `${from.startsWith('10.0.0.2:') ? '>' : '<'} ${text}${arrivals.length === 0 ? ' X' : ''}`;
}

function blockText(value: Uint8Array): string {
  const bits = readUint(value);
  return `${bits >>> 4}/${(bits >>> 3) & 1}/${16 << (bits & 7)}`;
}

function describe(message: Message): string {
  const parts = [['CON', 'NON', 'ACK', 'RST'][message.type]!, `${message.code >>> 5}.${String(message.code & 31).padStart(2, '0')}`];
  for (const { number, value } of message.options) {
    if (number === OptionNumber.Observe) parts.push('O');
    else if (number === OptionNumber.QBlock1) parts.push(`QB1:${blockText(value)}`);
    else if (number === OptionNumber.QBlock2) parts.push(`QB2:${blockText(value)}`);
    else if (number === OptionNumber.Block1) parts.push(`B1:${blockText(value)}`);
    else if (number === OptionNumber.Block2) parts.push(`B2:${blockText(value)}`);
  }
  if (message.code === 136 && message.payload.length > 0) parts.push(`[${decodeMissingBlocks(message.payload)?.join(',')}]`);
  return parts.join(' ');
}

/** Lose the packets at these places among those that a text describes, counted from 0 from now on. */
export function lose(sim: Simulator, lost: (text: string, index: number) => boolean): void {
  let index = 0;
  sim.filter = ({ datagram, from }) => !lost(describePacket({ datagram, from, arrivals: [0] }), index++);
}
