import assert from 'node:assert/strict';
import { Code, findAll, findOption, formatCode, MessageType, Method, OptionNumber, type Response } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import type { Case, Cases } from './etsi.ts';
import type { Pair } from './pair.ts';
import { text } from './site.ts';
import type { Expected, WireMessage } from './wire.ts';

const { CON, ACK } = MessageType;

function size(szx: number): number {
  return 16 << szx;
}

/** Each payload but the last is as long as a block; together they are the body. */
function assemble(messages: readonly WireMessage[], szx: number, body: string): void {
  const payloads = messages.map(({ payload }) => payload);
  for (const payload of payloads.slice(0, -1)) assert.equal(payload.length, size(szx));
  assert.ok(payloads.at(-1)!.length <= size(szx));
  assert.equal(payloads.map(fromUtf8).join(''), body, 'no gaps, right order');
}

interface Download {
  readonly method: number;
  readonly code: number;
  readonly path: readonly string[];
  readonly szx: number;
  readonly body: string;
}

/** The blocks after the first of a response: a request and a response each. */
export async function rest(pair: Pick<Pair, 'wire'>, first: WireMessage, { method, code, path, szx, body }: Download): Promise<void> {
  const parts = [first];
  const last = Math.ceil(body.length / size(szx)) - 1;
  for (let number = 1; number <= last; number++) {
    const asks: Expected = { type: CON, code: method, path, payload: 'empty', observe: 'none', block1: 'none', block2: [number, false, szx] };
    const request = await pair.wire.next('client', asks);
    parts.push(await pair.wire.next('server', { type: ACK, code, idOf: request, tokenOf: request, block2: [number, number < last, szx] }));
  }
  assemble(parts, szx, body);
}

/** The whole of /large. `ask` is the SZX that the client asks for in its first request. */
function getLarge(ask: number | undefined, szx: number): Case {
  return {
    client: { szx: ask ?? 6 },
    server: { szx },
    run: async (pair) => {
      const path = ['large'];
      const asked = pair.ask({ path });
      const request = await pair.wire.next('client', { type: CON, code: Method.GET, path, block2: ask === undefined ? 'none' : [0, false, ask] });
      const first = await pair.wire.next('server', { type: ACK, code: Code.Content, idOf: request, tokenOf: request, block2: [0, true, szx] });
      await rest(pair, first, { method: Method.GET, code: Code.Content, path, szx, body: text(2500) });
      assert.equal(fromUtf8((await asked).payload), text(2500));
    },
  };
}

interface Upload {
  readonly method: number;
  readonly path: string;
  readonly body: string;
  /** What the server wants; the client begins with blocks of 1024 bytes. */
  readonly szx: number;
  readonly last: number;
}

interface Uploaded {
  readonly asked: Promise<Response>;
  readonly response: WireMessage;
}

/** All blocks of a request; a server that wants smaller ones is obeyed after the first. */
async function upload(pair: Pair, { method, path, body, szx, last: code }: Upload): Promise<Uploaded> {
  const asked = pair.ask({ code: method, path: [path], payload: body });
  const sent: WireMessage[] = [];
  let request = await pair.wire.next('client', { type: CON, code: method, path: [path], block1: [0, true, 6] });
  assert.equal(request.payload.length, 1024);
  sent.push(request);
  await pair.wire.next('server', { type: ACK, code: Code.Continue, idOf: request, tokenOf: request, block1: [0, true, szx] });
  const last = Math.ceil(body.length / size(szx)) - 1;
  for (let number = 1024 / size(szx); ; number++) {
    request = await pair.wire.next('client', { type: CON, code: method, path: [path], block1: [number, number < last, szx] });
    sent.push(request);
    const answers: Expected = { type: ACK, code: number < last ? Code.Continue : code, idOf: request, tokenOf: request, block1: [number, number < last, szx] };
    const response = await pair.wire.next('server', answers);
    if (number < last) continue;
    assemble(sent.slice(1), szx, body.slice(1024));
    assert.equal(fromUtf8(sent[0]!.payload), body.slice(0, 1024));
    return { asked, response };
  }
}

function updateLarge(szx: number): Case {
  return {
    server: { szx },
    run: async (pair) => {
      const { asked } = await upload(pair, { method: Method.PUT, path: 'large-update', body: text(2500), szx, last: Code.Changed });
      assert.equal(formatCode((await asked).code), '2.04');
      assert.equal(pair.site.largeUpdate, text(2500), 'the server has the complete resource');
    },
  };
}

async function createLarge(pair: Pair): Promise<void> {
  const { asked, response } = await upload(pair, { method: Method.POST, path: 'large-create', body: text(2500), szx: 5, last: Code.Created });
  const location = findAll(response.options, OptionNumber.LocationPath).map(({ value }) => fromUtf8(value));
  assert.equal(location.length, 2);
  assert.equal(location[0], 'large-create');
  for (const segment of location) assert.ok(!segment.includes('/'));
  const shown = await asked;
  assert.equal(formatCode(shown.code), '2.01');
  assert.equal(findAll(shown.options, OptionNumber.LocationPath).length, 2);
  pair.wire.toEnd();
  assert.equal(fromUtf8((await pair.ask({ path: location })).payload), text(2500));
}

async function postLarge(pair: Pair): Promise<void> {
  const body = text(2500);
  const both = `${body}${body}`;
  const { asked, response } = await upload(pair, { method: Method.POST, path: 'large-post', body, szx: 6, last: Code.Changed });
  assert.ok(findOption(response.options, OptionNumber.Block2));
  await rest(pair, response, { method: Method.POST, code: Code.Changed, path: ['large-post'], szx: 6, body: both });
  assert.equal(fromUtf8((await asked).payload), both);
}

/** TD_COAP_BLOCK_01 to 06. */
export const blockCases: Cases = {
  TD_COAP_BLOCK_01: getLarge(5, 4),
  TD_COAP_BLOCK_02: getLarge(undefined, 6),
  TD_COAP_BLOCK_03: updateLarge(6),
  TD_COAP_BLOCK_04: { server: { szx: 5 }, run: createLarge },
  TD_COAP_BLOCK_05: { run: postLarge },
  TD_COAP_BLOCK_06: getLarge(0, 0),
};
