import assert from 'node:assert/strict';
import {
  Code,
  decodeMessage,
  Endpoint,
  type EndpointOptions,
  encodeMessage,
  type Handler,
  type Message,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  type Peer,
  pathOptions,
  type Request,
  readUint,
  uintOption,
} from '../../../src/coap/index.ts';
import { decodeMissingBlocks } from '../../../src/coap/qblock/option.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { type Packet, Simulator, type SimulatorOptions } from '../../support/simulator.ts';
import { block, body, response } from '../harness.ts';

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

/** The server trusts addresses, which keeps Echo out of what passes. */
export function qBlockPair(handler: Handler, network: SimulatorOptions = {}, client: Half = assumed, server: Half = assumed): QBlockPair {
  const sim = new Simulator(network);
  const a = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, amplification: 'unlimited', ...server });
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

export const quick: Half = { ...assumed, parameters: { probingRate: 1e6 } };
export const q1 = (num: number, more: number, size: number): Option => block(OptionNumber.QBlock1, num, more, size);
export const q2 = (num: number, more: number, size: number): Option => block(OptionNumber.QBlock2, num, more, size);
export const size1 = (size: number): Option => uintOption(OptionNumber.Size1, size);
export const tag = (value: number): Option => opaqueOption(OptionNumber.RequestTag, Uint8Array.of(value));

export interface Raw {
  readonly sim: Simulator;
  readonly endpoint: Endpoint;
  readonly seen: Request[];
  /** Send a request and let 100 ms pass; what came back, as text. */
  ask(code: number, options: readonly Option[], payload?: Uint8Array, type?: MessageType): Promise<string[]>;
  /** What came since the last call. */
  heard(): string[];
  readonly raw: RawPeer;
}

/** A server with the layer, and a peer that sends what it is told. */
export function rawPair(handler?: Handler, server: Half = quick): Raw {
  const sim = new Simulator();
  const seen: Request[] = [];
  const endpoint = new Endpoint({
    transport: sim.transport('10.0.0.1', 5683),
    env: sim.env('server'),
    handler: (message, reply) => {
      seen.push(message);
      if (handler === undefined) reply.respond(response(message.code === Method.GET ? Code.Content : Code.Changed));
      else handler(message, reply);
    },
    amplification: 'unlimited',
    ...server,
  });
  const raw = new RawPeer(sim, '10.0.0.2', { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 });
  let id = 0;
  let from = 0;
  const heard = (): string[] => {
    const lines = raw.received.slice(from).map((hex) => describePacket({ datagram: fromHex(hex), from: '10.0.0.1:5683', arrivals: [0] }).slice(2));
    from = raw.received.length;
    return lines;
  };
  const ask: Raw['ask'] = async (code, options, payload = new Uint8Array(0), type: MessageType = MessageType.NON) => {
    const all = [...pathOptions(['a']), ...options].sort((a, b) => a.number - b.number);
    id++;
    raw.send(toHex(encodeMessage({ type, code, id, token: Uint8Array.of(id), options: all, payload })));
    await sim.sleep(100);
    return heard();
  };
  return { sim, endpoint, seen, ask, heard, raw };
}

export const put = (num: number, more: number, length: number, ...options: Option[]): [number, Option[], Uint8Array] => [
  Method.PUT,
  [q1(num, more, 16), ...options],
  body(length, num),
];

export async function empty({ sim, endpoint }: Pick<Raw, 'sim' | 'endpoint'>): Promise<void> {
  await sim.run();
  assert.deepEqual(
    Object.entries(endpoint.stats()).filter(([, count]) => count !== 0),
    [],
  );
}
