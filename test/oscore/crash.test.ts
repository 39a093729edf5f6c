import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMessage, findOption, isRequest, OptionNumber } from '../../src/coap/index.ts';
import { deriveContext } from '../../src/oscore/index.ts';
import { auditWire } from '../flows/wire-audit.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { SeededRandom } from '../support/random.ts';
import { Relay } from '../support/relay.ts';
import { repeat } from '../support/scale.ts';
import { pause, until } from '../support/wait.ts';
import { checkNotes, type Note } from './observation-world.ts';
import { parameters } from './support.ts';

const script = new URL('crash-process.js', import.meta.url);
const killsOfRound = 10;
const leastExecuted = 50;
const leastValues = 5;

function linesOf(folder: string, name: string): string[] {
  try {
    return readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

/** Somebody on the path who sends requests again that were recorded, under message ids of its own. */
class Replayer {
  replayed = 0;
  readonly #socket: Socket = createSocket('udp4');
  readonly #relay: Relay;
  readonly #random: SeededRandom;
  #timer: NodeJS.Timeout | undefined;

  constructor(relay: Relay, random: SeededRandom) {
    this.#relay = relay;
    this.#random = random;
    this.#socket.on('error', () => {});
  }

  start(): void {
    this.#timer = setInterval(() => this.#replay(), 10);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }

  /** Half of the time one of the latest, which the client may still wait for. */
  #replay(): void {
    const { length } = this.#relay.wire;
    const latest = Math.min(length, 50);
    const recorded = this.#relay.wire[this.#random.chance(0.5) ? this.#random.below(length) : length - 1 - this.#random.below(latest)];
    if (recorded === undefined || recorded.to !== 'server' || !isProtectedRequest(recorded.datagram)) return;
    const again = recorded.datagram.slice();
    again.set(this.#random.bytes(2), 2);
    this.#socket.send(again, this.#relay.port, '127.0.0.1');
    this.replayed++;
  }
}

function isProtectedRequest(datagram: Uint8Array): boolean {
  const { code, options } = decodeMessage(datagram);
  return isRequest(code) && findOption(options, OptionNumber.Oscore) !== undefined;
}

type Role = 'server' | 'client';

/** A server and a client that are killed again and again, each on one store, and the relay between them. */
class Crashes {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ace-coap-crash-'));
  readonly #seed: number;
  readonly #instants: SeededRandom;
  readonly #relay: Relay;
  readonly #ports: Readonly<Record<Role, number>>;
  readonly #children = new Map<Role, Child>();
  #runs = 0;

  constructor(seed: number, relay: Relay, ports: Readonly<Record<Role, number>>) {
    this.#seed = seed;
    this.#instants = new SeededRandom(`crash ${seed} instants`);
    this.#relay = relay;
    this.#ports = ports;
  }

  start(role: Role): void {
    const own = role === 'client' ? [`${this.#relay.port}`, `${this.#seed}.${this.#runs++}`] : [];
    this.#children.set(role, new Child(script, [role, this.folder, `${this.#ports[role]}`, ...own]));
  }

  async kill(role: Role): Promise<void> {
    const child = this.#children.get(role)!;
    assert.equal(child.failed, false, `the ${role} ended by itself`);
    await child.kill();
  }

  /** Kill after so much traffic as the seed chooses, or before the process is ready, and start again. */
  async crash(): Promise<Role> {
    const role = this.#instants.pick(['server', 'client'] as const);
    if (this.#instants.chance(0.2)) await pause(this.#instants.below(500));
    else {
      await this.#children.get(role)!.ready();
      const enough = this.#relay.wire.length + this.#instants.below(300);
      await until(() => this.#relay.wire.length >= enough, 60);
      await pause(this.#instants.below(10));
    }
    await this.kill(role);
    this.start(role);
    return role;
  }

  get executed(): string[] {
    return linesOf(this.folder, 'executed');
  }

  get notes(): Note[] {
    return linesOf(this.folder, 'notes').map((line) => line.split(' ') as unknown as Note);
  }

  /** After all crashes requests are carried out as before, until there is enough to judge by: a slow machine has done less between them. */
  async goesOn(): Promise<void> {
    for (const child of this.#children.values()) await child.ready();
    const enough = Math.max(this.executed.length + 10, leastExecuted + 1);
    await until(() => this.executed.length >= enough && checkNotes(this.notes).got > leastValues, 60);
  }

  async end(): Promise<void> {
    for (const role of this.#children.keys()) await this.kill(role);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

test('RFC 8613 7.2, 7.4, B.1: kill -9 at random instants: no (key, nonce) pair is used twice, no request is carried out twice', async () => {
  const totals = await repeat('oscore-crash', { quick: 1, full: 30 }, async (seed) => {
    // On one port all its life, a client gets what was meant for the process before it; on any other its server sees it move.
    const ports = { server: await freePort(), client: seed % 2 === 0 ? 0 : await freePort() };
    const loss = new SeededRandom(`crash ${seed} loss`);
    const relay = await Relay.open('server', ports.server, () => loss.chance(0.1));
    const crashes = new Crashes(seed, relay, ports);
    const replayer = new Replayer(relay, new SeededRandom(`crash ${seed} replays`));
    const kills = { server: 0, client: 0 };
    try {
      crashes.start('server');
      crashes.start('client');
      replayer.start();
      for (let i = 0; i < killsOfRound; i++) kills[await crashes.crash()]++;
      await crashes.goesOn();
      const { executed, notes } = crashes;
      assert.equal(new Set(executed).size, executed.length, 'a request was carried out twice');
      const { got: values, again } = checkNotes(notes);
      const { messages, pairs, repeated } = auditWire(relay.wire, [deriveContext(parameters)]);
      const { replayed } = replayer;
      return { servers: kills.server, clients: kills.client, executed: executed.length, replayed, messages, pairs, repeated, values, again };
    } finally {
      replayer.stop();
      await crashes.end();
      relay.close();
    }
  });
  assert.ok(totals['servers']! > 0 && totals['clients']! > 0);
  assert.ok(
    totals['executed']! > leastExecuted && totals['pairs']! > 200 && totals['replayed']! > 20 && totals['values']! > leastValues,
    JSON.stringify(totals),
  );
});
