import { type Message, Method, type Option, OptionNumber, uintOf, uintOption } from '../../coap/index.ts';
import { concat } from '../../core/bytes.ts';
import type { Bench, RequestInit } from '../bench.ts';
import type { DatagramLine } from '../datagram-line.ts';
import { Nonconformity } from '../errors.ts';

/** A Block1 or Block2 option taken apart (RFC 7959, Section 2.2). */
export interface BlockValue {
  readonly number: number;
  readonly more: boolean;
  readonly szx: number;
}

/** Blocks that the checker asks for in one transfer: a target that never comes to an end must not keep it for ever. */
const mostBlocks = 4096;

export function blockOption(option: typeof OptionNumber.Block1 | typeof OptionNumber.Block2, { number, more, szx }: BlockValue): Option {
  return uintOption(option, number * 16 + (more ? 8 : 0) + szx);
}

export function blockIn({ options }: Message, option: typeof OptionNumber.Block1 | typeof OptionNumber.Block2): BlockValue | undefined {
  const value = uintOf(options, option);
  return value === undefined ? undefined : { number: Math.floor(value / 16), more: (value & 8) !== 0, szx: value & 7 };
}

/** What came block by block. */
export interface Download {
  /** The first response. */
  readonly answer: Message;
  readonly blocks: readonly Message[];
  readonly body: Uint8Array;
}

/** GET a path, and what is left of its representation block by block. `szx`: the block size that is asked for. */
export async function download(bench: Bench, path: string, szx?: number, line?: DatagramLine): Promise<Download> {
  const by = line ?? (await bench.udp());
  const ask = (value: BlockValue | undefined): Promise<Message> =>
    by.ask(bench.request(path, value === undefined ? {} : { options: [blockOption(OptionNumber.Block2, value)] }));
  const answer = await ask(szx === undefined ? undefined : { number: 0, more: false, szx });
  const blocks = [answer];
  for (let block = blockIn(answer, OptionNumber.Block2); block?.more === true; ) {
    if (blocks.length >= mostBlocks) throw new Nonconformity(`a representation of at most ${mostBlocks} blocks`, 'more');
    const number = block.number + 1;
    const next = await ask({ number, more: false, szx: block.szx });
    const received = blockIn(next, OptionNumber.Block2);
    if (received === undefined) throw new Nonconformity(`block ${number}`, 'a response without Block2');
    if (received.number !== number) throw new Nonconformity(`block ${number}`, `block ${received.number}`);
    blocks.push(next);
    block = received;
  }
  return { answer, blocks, body: concat(...blocks.map(({ payload }) => payload)) };
}

/** A block of a body that is put: of 16 bytes each. */
export function putBlock(bench: Bench, path: string, body: Uint8Array, number: number, init: RequestInit = {}): Message {
  const more = (number + 1) * 16 < body.length;
  const { options = [], ...rest } = init;
  return bench.request(path, {
    code: Method.PUT,
    contentFormat: 0,
    payload: body.subarray(number * 16, (number + 1) * 16),
    ...rest,
    options: [...options, blockOption(OptionNumber.Block1, { number, more, szx: 0 })],
  });
}
