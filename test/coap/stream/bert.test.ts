import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockwise, Code, type Handler, Method, type Peer, type Request, type Response } from '../../../src/coap/index.ts';
import { Simulator } from '../../support/simulator.ts';
import { association, block1, block2, body, brief, Listener, request, response, TestReply } from '../harness.ts';

/** A peer that takes messages of this size. */
const peer = (maxMessageSize: number, takesBlocks = true): Peer => ({
  key: 'tcp:10.0.0.1:5683',
  address: '10.0.0.1',
  port: 5683,
  scheme: 'coap+tcp',
  capabilities: { maxMessageSize, blockwise: takesBlocks, extendedTokenLength: 8 },
});
const env = new Simulator().env();
/** SZX 7: the harness writes it as twice the size of SZX 6. */
const BERT = 2048;

/** Our layer as a client of a server that answers by script; the notation of each message, with the length of its payload. */
function scripted(message: Request, answers: readonly Response[]): { readonly log: string[]; readonly heard: Listener } {
  const layer = blockwise({ maxBody: 100_000 }, env);
  const log: string[] = [];
  const heard = new Listener();
  let turn = 0;
  const requester = layer.outbound((sent, listener) => {
    log.push(`${brief(sent)} (${sent.payload.length})`);
    listener.response({ ...answers[turn++]!, peer: message.peer }, true);
    return () => {};
  });
  requester(message, heard);
  layer.close();
  return { log, heard };
}

/** Our layer as a server. */
function serving(handler: Handler): (message: Request) => Response {
  const layer = blockwise({ maxBody: 100_000 }, env);
  const top = layer.inbound(handler);
  return (message) => {
    const reply = new TestReply();
    top(message, reply);
    return reply.last;
  };
}

const told = (answer: Response): string => `${brief(answer)} (${answer.payload.length})`;

test('RFC 8323 6.1: GET with BERT blocks, client', () => {
  const whole = body(12_903);
  const { log, heard } = scripted(request(Method.GET, 'status', { peer: peer(6000) }), [
    response(Code.Content, whole.subarray(0, 3072), [block2(0, 1, BERT)]),
    response(Code.Content, whole.subarray(3072, 8192), [block2(3, 1, BERT)]),
    response(Code.Content, whole.subarray(8192), [block2(8, 0, BERT)]),
  ]);
  assert.deepEqual(log, ['0.01 (0)', '0.01 2:3/0/2048 (0)', '0.01 2:8/0/2048 (0)']);
  assert.deepEqual(heard.only.payload, whole);
});

test('RFC 8323 6.1: GET with BERT blocks, server: as many times 1024 bytes as the client takes', () => {
  const whole = body(12_903);
  const ask = serving((_request, reply) => reply.respond(response(Code.Content, whole)));
  const get = (...options: Request['options']): Response => ask(request(Method.GET, 'status', { peer: peer(6000), options }));
  assert.equal(told(get()), '2.05 2:0/1/2048 (5120)');
  assert.equal(told(get(block2(5, 0, BERT))), '2.05 2:5/1/2048 (5120)');
  assert.equal(told(get(block2(10, 0, BERT))), '2.05 2:10/0/2048 (2663)');
  // The client may choose another size at any time.
  assert.equal(told(get(block2(5, 0, 1024))), '2.05 2:5/1/1024 (1024)');
});

test('RFC 8323 6.2: PUT with BERT blocks, client', () => {
  const whole = body(20_000);
  const { log, heard } = scripted(request(Method.PUT, 'options', { peer: peer(8192 + 512), payload: whole }), [
    response(Code.Continue, '', [block1(0, 1, BERT)]),
    response(Code.Continue, '', [block1(8, 1, BERT)]),
    response(Code.Changed, '', [block1(16, 0, BERT)]),
  ]);
  assert.deepEqual(log, ['0.03 1:0/1/2048 (8192)', '0.03 1:8/1/2048 (8192)', '0.03 1:16/0/2048 (3616)']);
  assert.equal(heard.only.code, Code.Changed);
});

test('RFC 8323 6.2: PUT with BERT blocks, server: the example', () => {
  const whole = body(8192 + 16_384 + 5683);
  const got: Uint8Array[] = [];
  const ask = serving((message, reply) => {
    got.push(message.payload.slice());
    reply.respond(response(Code.Changed));
  });
  const put = (from: number, to: number, ...options: Request['options']): string =>
    told(ask(request(Method.PUT, 'options', { peer: peer(20_000), options, payload: whole.subarray(from, to) })));
  assert.equal(put(0, 8192, block1(0, 1, BERT)), '2.31 1:0/1/2048 (0)');
  assert.equal(put(8192, 24_576, block1(8, 1, BERT)), '2.31 1:8/1/2048 (0)');
  assert.equal(put(24_576, whole.length, block1(24, 0, BERT)), '2.04 1:24/0/2048 (0)');
  assert.deepEqual(got, [whole]);
});

test('RFC 8323 6: a BERT block that is not the last has a multiple of 1024 bytes', () => {
  const ask = serving((_request, reply) => reply.respond(response(Code.Changed)));
  for (const length of [0, 1, 1023, 1025]) {
    const answer = ask(request(Method.PUT, 'options', { peer: peer(20_000), options: [block1(0, 1, BERT)], payload: body(length) }));
    assert.equal(answer.code, Code.BadRequest, String(length));
  }
  const { heard } = scripted(request(Method.GET, 'status', { peer: peer(6000) }), [response(Code.Content, body(1500), [block2(0, 1, BERT)])]);
  assert.equal(heard.errors[0]?.code, 'ERR_COAP_BLOCK');
});

test('RFC 8323 6: a server that answers a BERT block with a size of its own gets blocks of that size', () => {
  const { log } = scripted(request(Method.PUT, 'options', { peer: peer(4000), payload: body(5000) }), [
    response(Code.Continue, '', [block1(0, 1, 1024)]),
    response(Code.Continue, '', [block1(3, 1, 1024)]),
    response(Code.Changed, '', [block1(4, 0, 1024)]),
  ]);
  assert.deepEqual(log, ['0.03 1:0/1/2048 (3072)', '0.03 1:3/1/1024 (1024)', '0.03 1:4/0/1024 (904)']);
});

test('RFC 8323 5.3.2: no BERT without Block-Wise-Transfer and more than 1152 bytes; what fits travels whole; small peers get small blocks', () => {
  const whole = body(5000);
  const ask = serving((_request, reply) => reply.respond(response(Code.Content, whole)));
  const get = (at: Peer): string => told(ask(request(Method.GET, 'status', { peer: at })));
  assert.equal(get(peer(1152)), '2.05 2:0/1/1024 (1024)');
  assert.equal(get(peer(4000, false)), '2.05 2:0/1/1024 (1024)');
  assert.equal(get(peer(6000, false)), '2.05 (5000)');
  assert.equal(get(peer(300)), '2.05 2:0/1/128 (128)');
});

test('RFC 7959 2.2: SZX 7 stays reserved over datagrams, and inside OSCORE', () => {
  const ask = serving((_request, reply) => reply.respond(response(Code.Content, body(5000))));
  assert.equal(ask(request(Method.GET, 'status', { options: [block2(0, 0, BERT)] })).code, Code.BadRequest);
  assert.equal(ask(request(Method.GET, 'status', { peer: peer(6000), association: association('a'), options: [block2(0, 0, BERT)] })).code, Code.BadRequest);
});
