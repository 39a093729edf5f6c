import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { Code, decodeMessage, encodeMessage, MessageType, OptionNumber, type Peer, type StreamTransport, uintOption, type Wire } from '../../src/coap/index.ts';
import { type CaseResult, conformanceCases, renderReport, runCases, type Target } from '../../src/conformance/index.ts';
import { StreamLine } from '../../src/conformance/stream-line.ts';
import { Transcript } from '../../src/conformance/transcript.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { authenticatorOf, dtlsOver, udp } from '../../src/transport/index.ts';

const patience = { answer: 300, silence: 20, handshake: 5000 };

async function resultsOf(target: Target, ids: readonly string[], env = systemEnv): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  const cases = conformanceCases.filter(({ id }) => ids.includes(id));
  assert.equal(cases.length, ids.length);
  for await (const result of runCases(target, cases, { patience, env })) results.push(result);
  return results;
}

test('a target that says in a session what is no message is accused, and the checker is not', async () => {
  const psk = { identity: utf8('checker'), key: systemEnv.random(16) };
  const server = dtlsOver(await udp(), { server: { psk: {} }, authenticator: authenticatorOf({ psk: [{ ...psk, credential: 'psk' }] }) });
  server.start((_datagram, from) => server.send(utf8('no message'), from));
  try {
    const [result] = await resultsOf({ coaps: `coaps://127.0.0.1:${server.local.port}`, dtls: { psk } }, ['dtls-shake-01']);
    assert.deepEqual([result!.outcome, result!.wanted], ['fail', 'a CoAP message']);
  } finally {
    await server.close();
  }
});

/** A server whose answer to every request is a list of resources. */
async function listing(payload: Uint8Array): Promise<{ readonly target: Target; close(): Promise<void> }> {
  const server = await udp();
  server.start((datagram, from) => {
    const { type, code, id, token } = decodeMessage(datagram);
    if (type !== MessageType.CON || code === 0) return;
    const options = [uintOption(OptionNumber.ContentFormat, 40)];
    server.send(encodeMessage({ type: MessageType.ACK, code: Code.Content, id, token, options, payload }), from);
  });
  return { target: { coap: `coap://127.0.0.1:${server.local.port}` }, close: () => server.close() };
}

test('a list of resources that is no text is the fault of the target', async () => {
  const { target, close } = await listing(Uint8Array.of(0x3c, 0xff, 0x3e));
  try {
    const [result] = await resultsOf(target, ['disc-02']);
    assert.deepEqual([result!.outcome, result!.wanted], ['fail', 'links as text of UTF-8']);
  } finally {
    await close();
  }
});

test('what a target says of itself plays with no terminal and makes no line of its own in the report', async () => {
  const { target, close } = await listing(utf8('</a\u001b[2J>,<\u001b[31m\nPASS>'));
  try {
    const results = await resultsOf(target, ['disc-02']);
    const accused = { ...results[0]!, outcome: 'fail' as const, wanted: 'one link', came: '/a\u001b[2J\nPASS  all' };
    const report = renderReport([accused]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    assert.doesNotMatch(report, /[\u0000-\u0009\u000b-\u001f]|^PASS/m);
    assert.match(report, /got \/a\\u\{1b\}\[2J\\u\{a\}PASS/);
  } finally {
    await close();
  }
});

test('a connection that was opened leaves no timer behind', async () => {
  const sockets = new Set<Socket>();
  const flood = new Uint8Array(0x1_0000).fill(0xff);
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(flood);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  let timers = 0;
  const env = {
    ...systemEnv,
    schedule: (delay: number, task: () => void) => {
      let isOpen = true;
      const end = (): void => {
        timers -= isOpen ? 1 : 0;
        isOpen = false;
      };
      timers++;
      const cancel = systemEnv.schedule(delay, () => {
        end();
        task();
      });
      return () => {
        end();
        cancel();
      };
    },
  };
  try {
    const { port } = server.address() as { readonly port: number };
    const [result] = await resultsOf({ tcp: `coap+tcp://127.0.0.1:${port}` }, ['tcp-01'], env);
    assert.equal(result!.outcome, 'fail');
    assert.equal(timers, 0);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

test('behind what is no message nothing of a connection is read', async () => {
  let received: (bytes: Uint8Array) => void = () => {};
  const transport = {
    connect: (_peer: Peer, events: { readonly opened: () => void; readonly received: (bytes: Uint8Array) => void }): Wire => {
      ({ received } = events);
      queueMicrotask(events.opened);
      return {} as Wire;
    },
  } as unknown as StreamTransport;
  const line = new StreamLine({ env: systemEnv, patience: { ...patience, retransmission: 0, change: 0, pace: 0 }, transcript: new Transcript(systemEnv.now) });
  await line.connect(transport, { key: 'target', address: '127.0.0.1', port: 1 });
  for (let count = 0; count < 100; count++) received(new Uint8Array(0x1_0000).fill(0xff));
  assert.equal(await line.next(1), 'malformed');
  assert.equal(await line.next(1), undefined);
});
