import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, decodeMessage, encodeMessage, MessageType, OptionNumber, uintOption } from '../../src/coap/index.ts';
import { conformanceCases, runCases } from '../../src/conformance/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { udp } from '../../src/transport/index.ts';

test('a target that never ends talking ends no case: what is awaited has its time, however much else comes', async () => {
  const server = await udp({ port: 0 });
  const timers = new Set<NodeJS.Timeout>();
  let id = 0;
  server.start((datagram, from) => {
    const request = decodeMessage(datagram);
    if (request.type === MessageType.ACK) return;
    if (request.code === 0) {
      server.send(encodeMessage({ ...request, type: MessageType.RST, token: emptyBytes, options: [], payload: emptyBytes }), from);
      return;
    }
    const notification = {
      type: MessageType.NON,
      code: Code.Content,
      token: request.token,
      options: [uintOption(OptionNumber.Observe, 1)],
      payload: emptyBytes,
    };
    server.send(encodeMessage({ ...notification, type: MessageType.ACK, id: request.id }), from);
    timers.add(setInterval(() => server.send(encodeMessage({ ...notification, id: ++id & 0xffff }), from), 5));
  });
  try {
    const cases = conformanceCases.filter((one) => one.id === 'observe-04');
    const target = { coap: `coap://127.0.0.1:${server.local.port}`, resources: { observe: '/clock' } };
    const results = [];
    for await (const result of runCases(target, cases, { patience: { answer: 100, silence: 20, change: 50 } })) results.push(result);
    assert.deepEqual(
      results.map(({ outcome, came }) => [outcome, came]),
      [['fail', 'none']],
    );
  } finally {
    for (const timer of timers) clearInterval(timer);
    await server.close();
  }
});
