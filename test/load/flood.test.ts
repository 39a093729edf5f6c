import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, Endpoint, encodeMessage, MessageType, Method, pathOptions } from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { udp } from '../../src/transport/index.ts';
import { root } from '../support/fixtures.ts';
import { scale } from '../support/scale.ts';
import type { Order, Report } from './victim.ts';

/** What the attacked process may hold beyond what it held before, with the default limits. */
const bound = 64 * 1024 * 1024;
/** How long the victim may take to let go of everything: its lifetimes, one after the other, for each of the observers that share an address. */
const patience = 60_000;

class Victim {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(t: TestContext): Promise<Victim> {
    const child = fork(join(root, 'dist', 'test', 'load', 'victim.js'), [], { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    t.after(() => child.kill('SIGKILL'));
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new Victim(child, port);
  }

  async tell<T = Report>(order: Order): Promise<T> {
    this.#child.send(order);
    const [answer] = (await once(this.#child, 'message')) as [T];
    return answer;
  }
}

/** Sockets of as many addresses of 127.0.0.0/8. */
async function attackers(t: TestContext, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.close();
  });
  for (let i = 0; i < count; i++) {
    const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
    sockets.push(socket);
    socket.on('error', () => {});
    await new Promise<void>((bound) => socket.bind(0, `127.1.${(i >>> 8) & 255}.${i & 255 || 1}`, bound));
  }
  return sockets;
}

/** A client of its own address that asks again and again while `attack` goes on; how late its answers came, in milliseconds. */
async function meanwhile(t: TestContext, port: number, attack: Promise<void>): Promise<readonly number[]> {
  const endpoint = new Endpoint({ transport: await udp({ address: '127.0.0.2' }) });
  t.after(() => endpoint.close());
  const peer = await endpoint.resolve('127.0.0.1', port);
  const late: number[] = [];
  let over = false;
  const attacked = attack.finally(() => {
    over = true;
  });
  while (!over) {
    const started = performance.now();
    const response = await endpoint.request({ peer, options: pathOptions(['time']) });
    assert.equal(response.code, Code.Content);
    late.push(performance.now() - started);
    await sleep(5);
  }
  await attacked;
  return late;
}

interface Flood {
  readonly name: string;
  readonly messages: number;
  datagram(i: number): Uint8Array;
}

function confirmable(i: number, code: number, options: readonly { readonly number: number; readonly value: Uint8Array }[], payload = emptyBytes): Uint8Array {
  return encodeMessage({ type: MessageType.CON, code, id: (i * 7) & 0xffff, token: Uint8Array.of(i >>> 8, i), options, payload });
}

const full = scale === 'full';
const addresses = full ? 2000 : 200;
const block = new Uint8Array(1024).fill(0x61);

const floods: readonly Flood[] = [
  { name: 'requests', messages: full ? 200_000 : 10_000, datagram: (i) => confirmable(i, Method.GET, pathOptions(['time'])) },
  {
    name: 'unfinished uploads',
    messages: full ? 20_000 : 3000,
    // Block1 0/1/1024
    datagram: (i) => confirmable(i, Method.PUT, [...pathOptions(['upload', String(i)]), { number: 27, value: Uint8Array.of(0x0e) }], block),
  },
  {
    name: 'observers',
    messages: full ? 20_000 : 1500,
    datagram: (i) => confirmable(i, Method.GET, [{ number: 6, value: emptyBytes }, ...pathOptions(['changing'])]),
  },
];

/** Send them by turns from all addresses, not faster than the kernel passes them on. */
async function flood(sockets: readonly Socket[], port: number, { messages, datagram }: Flood): Promise<void> {
  for (let i = 0; i < messages; i++) {
    // One turn of all addresses has one number, so that no two messages of one address are the same.
    sockets[i % sockets.length]!.send(datagram(Math.floor(i / sockets.length)), port, '127.0.0.1');
    if (i % 64 === 63) await new Promise(setImmediate);
  }
}

/** What is reported once nothing is held any more. */
async function released(report: () => Promise<Report>): Promise<Report> {
  const until = performance.now() + patience;
  for (;;) {
    const last = await report();
    const held = Object.entries(last.stats).filter(([, value]) => value !== 0);
    if (held.length === 0) return last;
    assert.ok(performance.now() < until, `expected all to be released within ${patience} ms, got ${JSON.stringify(held)}`);
    await sleep(250);
  }
}

for (const attack of floods) {
  test(`a flood of ${attack.name} from ${addresses} addresses: memory is bounded, others are served, all is released`, async (t) => {
    const victim = await Victim.start(t);
    const sockets = await attackers(t, addresses);
    const before = await victim.tell('report');
    const late = [...(await meanwhile(t, victim.port, flood(sockets, victim.port, attack)))].sort((a, b) => a - b);
    const { memory, stats } = await victim.tell('report');
    const grown = memory - before.memory;
    t.diagnostic(
      `${attack.messages} messages: ${(grown / 1024).toFixed(0)} KiB more held; ${late.length} answers to another client, ` +
        `median ${late[late.length >> 1]!.toFixed(1)} ms, last ${late[late.length - 1]!.toFixed(1)} ms`,
    );
    assert.ok(grown < bound, `expected less than ${bound} bytes more, got ${grown}: ${JSON.stringify(stats)}`);
    assert.ok(late.length > 0);
    if (attack.name === 'observers') {
      assert.ok(stats['observe.observers']! > 0);
      // Nobody acknowledges: each of them is let go.
      await victim.tell('change');
    }
    const after = await released(() => victim.tell('report'));
    assert.ok(after.memory - before.memory < 8 * 1024 * 1024, `expected the memory back, got ${after.memory - before.memory} bytes more`);
  });
}

test('a flood straight into receive, each message from another endpoint: memory is bounded, all is released', async (t) => {
  const victim = await Victim.start(t);
  const before = await victim.tell<Report & { answers: number }>({ inject: 0 });
  const messages = full ? 200_000 : 20_000;
  const { memory, answers, stats } = await victim.tell<Report & { answers: number }>({ inject: messages });
  t.diagnostic(`${messages} messages: ${((memory - before.memory) / 1024).toFixed(0)} KiB more held, ${answers} answered with 2.05`);
  assert.ok(memory - before.memory < bound, `expected less than ${bound} bytes more, got ${memory - before.memory}: ${JSON.stringify(stats)}`);
  assert.ok(answers >= messages / 3);
  await released(() => victim.tell({ inject: 0 }));
});
