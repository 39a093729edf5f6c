import { type Body, MessageType } from '../coap/index.ts';
import type { Bench, RequestInit } from './bench.ts';
import type { DatagramLine } from './datagram-line.ts';
import { Nonconformity } from './errors.ts';

/** A way to put requests to the target, whatever protects them. An answer is freed of what carried it. */
export interface Channel {
  /** @throws {Nonconformity} no answer comes, or none that the protection of the channel lets through */
  ask(path: string, init?: RequestInit): Promise<Body>;
}

/** CoAP without protection. */
export class PlainChannel implements Channel {
  readonly #bench: Bench;
  readonly #line: DatagramLine;

  constructor(bench: Bench, line: DatagramLine) {
    this.#bench = bench;
    this.#line = line;
  }

  async ask(path: string, init: RequestInit = {}): Promise<Body> {
    const answer = await this.#line.ask(this.#bench.request(path, init));
    if (answer.type === MessageType.RST) throw new Nonconformity('a response', 'a Reset');
    return answer;
  }
}

/** A fresh socket for requests that nothing protects. */
export async function openPlain(bench: Bench): Promise<PlainChannel> {
  return new PlainChannel(bench, await bench.udp());
}
