import { Code, type Message, Method, OptionNumber, opaqueOption } from '../../coap/index.ts';
import { equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { type DatagramLine, describe } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode } from '../expect.ts';
import { expectSuccess } from '../expect-message.ts';
import { blockIn, blockOption, download, putBlock } from './blocks.ts';

const rfc7959 = { standard: 'RFC 7959', level: 'MUST' } as const;
const large = { ...rfc7959, needs: ['udp', 'large'] } as const;
const upload = { ...rfc7959, needs: ['udp', 'largePut'] } as const;

/** A text of 200 bytes that no other case has. */
function textBody(letter: string): Uint8Array {
  return utf8(letter.repeat(200));
}

/** Put the blocks of a body from `from` on up to `to`, all of which are to be taken but the last of the body, whose answer is given back. */
async function putBlocks(bench: Bench, line: DatagramLine, body: Uint8Array, from: number, to: number): Promise<Message> {
  const path = bench.target.resources!.largePut!;
  let answer: Message | undefined;
  for (let number = from; number < to; number++) {
    answer = await line.ask(putBlock(bench, path, body, number));
    if (number + 1 < Math.ceil(body.length / 16)) expectContinued(answer, number);
  }
  return answer!;
}

function expectContinued(answer: Message, number: number): void {
  if (answer.code === Code.RequestEntityTooLarge) throw new NotApplicable('the target has no room for such a body');
  const block = blockIn(answer, OptionNumber.Block1);
  if (block === undefined && answer.code === Code.BadOption) throw new NotApplicable('the target does not recognize Block1');
  // RFC 7959 §2.3: without memory, each block has the final response.
  if (block !== undefined && !block.more) {
    expectSuccess(answer, `block ${number}`);
    throw new NotApplicable('the target enacts each block by itself');
  }
  expectCode(answer, Code.Continue);
  if (block === undefined) throw new Nonconformity('Block1 in the response', 'none');
  if (block.number !== number) throw new Nonconformity(`Block1 with the number ${number}`, `one with ${block.number}`);
}

const blocksOf = (body: Uint8Array): number => Math.ceil(body.length / 16);

/** Block-wise transfer (RFC 7959), and what keeps bodies apart (RFC 9175). */
export const blockwiseCases: readonly ConformanceCase[] = [
  {
    ...large,
    id: 'block-01',
    section: '2.4',
    title: 'a block size that the first request asks for is used, or a smaller one',
    async run(bench) {
      for (const szx of [0, 1, 2]) {
        const { answer } = await download(bench, bench.target.resources!.large!, szx);
        const block = blockIn(answer, OptionNumber.Block2);
        if (block === undefined) throw new Nonconformity('Block2 in the response', 'none');
        if (block.szx > szx) throw new Nonconformity(`blocks of at most ${16 << szx} bytes`, `blocks of ${16 << block.szx}`);
      }
    },
  },
  {
    ...large,
    id: 'block-02',
    section: '2.3',
    title: 'each block but the last is as long as its Block2 option says',
    async run(bench) {
      const { blocks } = await download(bench, bench.target.resources!.large!, 0);
      for (const one of blocks) {
        const { number, more, szx } = blockIn(one, OptionNumber.Block2)!;
        const size = 16 << szx;
        if (more ? one.payload.length !== size : one.payload.length > size)
          throw new Nonconformity(`${more ? '' : 'at most '}${size} bytes in block ${number}`, `${one.payload.length}`);
      }
    },
  },
  {
    ...large,
    id: 'block-03',
    section: '2.4',
    title: 'blocks of 16 and of 64 bytes make up the same representation, as far as its ETag stays the same',
    async run(bench) {
      const path = bench.target.resources!.large!;
      const [small, big] = [await download(bench, path, 0), await download(bench, path, 2)];
      const tags = [...small.blocks, ...big.blocks].map((one) =>
        toHex(one.options.find(({ number }) => number === OptionNumber.ETag)?.value ?? new Uint8Array(0)),
      );
      if (new Set(tags).size > 1) throw new NotApplicable('the representation changes');
      if (!equalBytes(small.body, big.body))
        throw new Nonconformity('one representation', `${small.body.length} bytes in small blocks and ${big.body.length} others in larger ones`);
    },
  },
  {
    ...large,
    id: 'block-04',
    section: '2.4',
    level: 'SHOULD',
    needs: ['udp', 'large', 'largePut'],
    title: 'each response of a transfer has an ETag, where the representation can change',
    async run(bench) {
      if (bench.target.resources!.large !== bench.target.resources!.largePut) throw new NotApplicable('it is not known whether the representation can change');
      const { blocks } = await download(bench, bench.target.resources!.large!, 0);
      const without = blocks.find(({ options }) => !options.some(({ number }) => number === OptionNumber.ETag));
      if (without !== undefined) throw new Nonconformity('an ETag', `none in block ${blockIn(without, OptionNumber.Block2)?.number ?? 0}`);
    },
  },
  {
    ...large,
    id: 'block-05',
    section: '2.4',
    title: 'a client that did not say a block size may go on in smaller blocks: those of 16 bytes follow on the first block that came',
    async run(bench) {
      const path = bench.target.resources!.large!;
      const line = await bench.udp();
      const { answer, body } = await download(bench, path, undefined, line);
      const first = blockIn(answer, OptionNumber.Block2);
      if (first?.more !== true || first.szx === 0) throw new NotApplicable('the first response has the whole representation');
      const number = answer.payload.length / 16;
      const next = await line.ask(bench.request(path, { options: [blockOption(OptionNumber.Block2, { number, more: false, szx: 0 })] }));
      const block = blockIn(next, OptionNumber.Block2);
      if (block?.number !== number || block.szx !== 0)
        throw new Nonconformity(`block ${number} of 16 bytes`, block === undefined ? describe(next) : `block ${block.number} of ${16 << block.szx}`);
      const wanted = body.subarray(number * 16, (number + 1) * 16);
      if (!equalBytes(next.payload, wanted)) throw new Nonconformity(`the bytes ${toHex(wanted)}`, toHex(next.payload));
    },
  },
  {
    ...large,
    id: 'block-06',
    section: '2.4',
    title: 'the M bit of Block2 in a request is ignored',
    async run(bench) {
      const path = bench.target.resources!.large!;
      const line = await bench.udp();
      const ask = (more: boolean): Promise<Message> =>
        line.ask(bench.request(path, { options: [blockOption(OptionNumber.Block2, { number: 0, more, szx: 0 })] }));
      const [without, answer] = [await ask(false), await ask(true)];
      if (answer.code !== without.code) throw new Nonconformity(`the response as without it, ${describe(without)}`, describe(answer));
      const [wanted, came] = [without, answer].map((one) => blockIn(one, OptionNumber.Block2)?.number);
      if (came !== wanted) throw new Nonconformity(`block ${wanted}`, came === undefined ? 'no Block2' : `block ${came}`);
    },
  },
  {
    ...large,
    id: 'block-07',
    section: '2.2',
    title: 'SZX 7, which is reserved, leads to 4.00 (Bad Request) in Block2',
    async run(bench) {
      const line = await bench.udp();
      const options = [blockOption(OptionNumber.Block2, { number: 0, more: false, szx: 7 })];
      expectCode(await line.ask(bench.request(bench.target.resources!.large!, { options })), Code.BadRequest);
    },
  },
  {
    ...upload,
    id: 'block-08',
    section: '2.2',
    title: 'SZX 7, which is reserved, leads to 4.00 (Bad Request) in Block1',
    async run(bench) {
      const line = await bench.udp();
      const options = [blockOption(OptionNumber.Block1, { number: 0, more: true, szx: 7 })];
      const request = bench.request(bench.target.resources!.largePut!, { code: Method.PUT, contentFormat: 0, payload: textBody('a'), options });
      expectCode(await line.ask(request), Code.BadRequest);
    },
  },
  {
    ...upload,
    id: 'block-09',
    section: '2.5',
    title: 'blocks of a PUT are answered by 2.31 (Continue) with their Block1, and the last one by a success',
    async run(bench) {
      const line = await bench.udp();
      const body = textBody('b');
      expectCode(await putBlocks(bench, line, body, 0, blocksOf(body)), Code.Changed, Code.Created);
    },
  },
  {
    ...upload,
    id: 'block-10',
    section: '2.5',
    title: 'a PUT in blocks takes effect with its last block, and then as a whole',
    async run(bench) {
      const line = await bench.udp();
      const path = bench.target.resources!.largePut!;
      const [before, after] = [textBody('c'), textBody('d')];
      await putBlocks(bench, line, before, 0, blocksOf(before));
      const stored = await download(bench, path, undefined, line);
      if (!equalBytes(stored.body, before)) throw new NotApplicable('GET does not give what was put');
      await putBlocks(bench, line, after, 0, 3);
      const meanwhile = await download(bench, path, undefined, line);
      if (!equalBytes(meanwhile.body, before)) throw new Nonconformity('the representation of before', `${meanwhile.body.length} other bytes`);
      await putBlocks(bench, line, after, 3, blocksOf(after));
      const { body } = await download(bench, path, undefined, line);
      if (!equalBytes(body, after)) throw new Nonconformity('the representation that was put', `${body.length} other bytes`);
    },
  },
  {
    ...upload,
    id: 'block-11',
    section: '2.5',
    title: 'a last block without those before it leads to 4.08 (Request Entity Incomplete)',
    async run(bench) {
      const line = await bench.udp();
      const body = textBody('e');
      await putBlocks(bench, await bench.udp(), body, 0, 1);
      const answer = await line.ask(putBlock(bench, bench.target.resources!.largePut!, body, blocksOf(body) - 1));
      expectCode(answer, Code.RequestEntityIncomplete);
    },
  },
  {
    ...upload,
    id: 'block-12',
    section: '2.5',
    title: 'a last block behind a gap leads to 4.08 (Request Entity Incomplete)',
    async run(bench) {
      const line = await bench.udp();
      const body = textBody('f');
      await putBlocks(bench, line, body, 0, 2);
      const answer = await line.ask(putBlock(bench, bench.target.resources!.largePut!, body, blocksOf(body) - 1));
      expectCode(answer, Code.RequestEntityIncomplete);
    },
  },
  {
    ...upload,
    id: 'block-13',
    section: '2.5',
    title: 'block 0 begins anew: what was sent before of another body is left out',
    async run(bench) {
      const line = await bench.udp();
      const path = bench.target.resources!.largePut!;
      const body = textBody('h');
      await putBlocks(bench, line, textBody('g'), 0, 3);
      expectSuccess(await putBlocks(bench, line, body, 0, blocksOf(body)), 'the second body');
      const stored = await download(bench, path, undefined, line);
      if (stored.answer.code === Code.Content && !equalBytes(stored.body, body))
        throw new Nonconformity('the second body', `${stored.body.length} other bytes`);
    },
  },
  {
    ...upload,
    id: 'block-14',
    section: '2.5',
    title: 'bodies of two clients that come at the same time are kept apart',
    async run(bench) {
      const [one, other] = [await bench.udp(), await bench.udp()];
      const path = bench.target.resources!.largePut!;
      const [first, second] = [textBody('i'), textBody('j')];
      for (let number = 0; number < blocksOf(first) - 1; number++) {
        expectContinued(await one.ask(putBlock(bench, path, first, number)), number);
        expectContinued(await other.ask(putBlock(bench, path, second, number)), number);
      }
      for (const [line, body] of [[one, first] as const, [other, second] as const]) {
        const answer = await line.ask(putBlock(bench, path, body, blocksOf(body) - 1));
        expectSuccess(answer, 'the body');
        const stored = await download(bench, path, undefined, line);
        if (stored.answer.code === Code.Content && !equalBytes(stored.body, body))
          throw new Nonconformity('the body of this client', `${stored.body.length} other bytes`);
      }
    },
  },
  {
    ...upload,
    id: 'block-15',
    section: '2.3',
    title: 'blocks of different Content-Formats are not put together',
    async run(bench) {
      const line = await bench.udp();
      const path = bench.target.resources!.largePut!;
      const body = textBody('k');
      await putBlocks(bench, line, body, 0, blocksOf(body) - 1);
      const last = await line.ask(putBlock(bench, path, body, blocksOf(body) - 1, { contentFormat: 42 }));
      if (last.code < 0x80) throw new Nonconformity('an error, usually 4.08', describe(last));
    },
  },
  {
    standard: 'RFC 9175',
    id: 'request-tag-01',
    section: '3.3',
    level: 'MUST',
    needs: ['udp', 'largePut', 'requestTag'],
    title: 'bodies of one client with different Request-Tags are not mixed',
    async run(bench) {
      const line = await bench.udp();
      const path = bench.target.resources!.largePut!;
      const [first, second] = [textBody('l'), textBody('m')];
      const tagged = (body: Uint8Array, tag: number, number: number): Promise<Message> =>
        line.ask(putBlock(bench, path, body, number, { options: [opaqueOption(OptionNumber.RequestTag, Uint8Array.of(tag))] }));
      const last = blocksOf(first) - 1;
      expectContinued(await tagged(first, 1, 0), 0);
      expectContinued(await tagged(second, 2, 0), 0);
      for (let number = 1; number < last; number++) {
        const answer = await tagged(first, 1, number);
        if (answer.code === Code.RequestEntityIncomplete) return;
        expectContinued(answer, number);
      }
      const answer = await tagged(first, 1, last);
      if (answer.code === Code.RequestEntityIncomplete) return;
      expectSuccess(answer, 'the first body');
      const stored = await download(bench, path, undefined, line);
      if (stored.answer.code === Code.Content && !equalBytes(stored.body, first))
        throw new Nonconformity('the first body', `${stored.body.length} other bytes`);
    },
  },
];
