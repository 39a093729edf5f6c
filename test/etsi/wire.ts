import assert from 'node:assert/strict';
import { findOption, formatCode, type Message, MessageType, type Option, OptionNumber, pathOf, queryOf, uintOf } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { pause } from '../support/wait.ts';

/** Milliseconds that a step may take. */
const patience = 20_000;

export type Side = 'client' | 'server';

/** A message as the sockets saw it. On a stream it has neither type nor Message ID. */
export interface WireMessage {
  readonly code: number;
  readonly token: Uint8Array;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  readonly type?: number;
  readonly id?: number;
}

export interface Passed {
  readonly from: Side;
  readonly message: WireMessage;
  /** Bytes of the whole message. */
  readonly length: number;
}

/** What a step of a test description says of a message; what it does not say is absent. */
export interface Expected {
  /** Not looked at on a stream. */
  readonly type?: number;
  readonly code: number | readonly number[];
  /** The Message ID is that of this message. Not looked at on a stream. */
  readonly idOf?: WireMessage;
  /** The Message ID is a new one. Not looked at on a stream. */
  readonly idOtherThan?: readonly WireMessage[];
  readonly tokenOf?: WireMessage;
  readonly path?: readonly string[];
  readonly query?: readonly string[];
  readonly payload?: 'empty' | 'some' | string;
  /** `none`: there is no such option; `any`: there is one. */
  readonly format?: number | 'any' | 'none' | 'with payload';
  readonly observe?: number | 'any' | 'none';
  /** NUM, M and SZX. */
  readonly block1?: readonly [number, boolean, number] | 'none';
  readonly block2?: readonly [number, boolean, number] | 'none';
}

/** Everything that left either socket, in order, and a place in it: each step reads on from there. */
export class Wire {
  readonly passed: Passed[] = [];
  readonly datagrams: boolean;
  #at = 0;

  constructor(datagrams: boolean) {
    this.datagrams = datagrams;
  }

  add(from: Side, message: WireMessage, length: number): void {
    this.passed.push({ from, message, length });
  }

  /** The next message, which must be the expected one. */
  async next(from: Side, expected: Expected): Promise<WireMessage> {
    const passed = await this.#take();
    assert.equal(passed.from, from, `who sent ${formatCode(passed.message.code)}`);
    this.#check(passed.message, expected);
    return passed.message;
  }

  /** An Empty acknowledgement of a message is next, or follows what its receiver had to send at once. A stream has none. */
  async acknowledgement(from: Side, of: WireMessage): Promise<void> {
    if (!this.datagrams) return;
    const isIt = ({ from: side, message, length }: Passed): boolean =>
      side === from && message.type === MessageType.ACK && message.code === 0 && message.id === of.id && length === 4;
    for (let waited = 0; ; waited += 5) {
      const at = this.passed.findIndex((passed, index) => index >= this.#at && isIt(passed));
      if (at >= 0) {
        this.passed.splice(this.#at++, 0, ...this.passed.splice(at, 1));
        return;
      }
      assert.ok(waited < patience, `expected an acknowledgement of ${formatCode(of.code)}, got none`);
      await pause(5);
    }
  }

  /** No further message within some milliseconds. */
  async quiet(milliseconds: number): Promise<void> {
    await pause(milliseconds);
    assert.deepEqual(
      this.passed.slice(this.#at).map(({ from, message }) => `${from} ${formatCode(message.code)}`),
      [],
      'nothing more is sent',
    );
  }

  /** The bytes of the message that was read last. */
  get length(): number {
    return this.passed[this.#at - 1]!.length;
  }

  /** Read on from the end. */
  toEnd(): void {
    this.#at = this.passed.length;
  }

  async #take(): Promise<Passed> {
    for (let waited = 0; this.passed.length <= this.#at; waited += 5) {
      assert.ok(waited < patience, 'expected a further message, got none');
      await pause(5);
    }
    return this.passed[this.#at++]!;
  }

  #check(message: WireMessage, expected: Expected): void {
    const codes = typeof expected.code === 'number' ? [expected.code] : expected.code;
    assert.ok(codes.includes(message.code), `expected ${codes.map(formatCode).join(' or ')}, got ${formatCode(message.code)}`);
    if (this.datagrams) {
      if (expected.type !== undefined) assert.equal(message.type, expected.type, 'type');
      if (expected.idOf !== undefined) assert.equal(message.id, expected.idOf.id, 'Message ID');
      for (const other of expected.idOtherThan ?? []) assert.notEqual(message.id, other.id, 'Message ID');
    }
    if (expected.tokenOf !== undefined) assert.equal(toHex(message.token), toHex(expected.tokenOf.token), 'token');
    if (expected.path !== undefined) assert.deepEqual(pathOf(message.options), expected.path);
    if (expected.query !== undefined) assert.deepEqual(queryOf(message.options), expected.query);
    checkPayload(message, expected.payload);
    checkOption(message, OptionNumber.ContentFormat, expected.format);
    checkOption(message, OptionNumber.Observe, expected.observe);
    checkBlock(message, OptionNumber.Block1, expected.block1);
    checkBlock(message, OptionNumber.Block2, expected.block2);
  }
}

export function block(message: WireMessage, number: number): readonly [number, boolean, number] | undefined {
  const value = uintOf(message.options, number);
  return value === undefined ? undefined : [value >>> 4, (value & 8) !== 0, value & 7];
}

export function observeOf(message: WireMessage | Message): number | undefined {
  return uintOf(message.options, OptionNumber.Observe);
}

function checkPayload(message: WireMessage, expected: Expected['payload']): void {
  if (expected === undefined) return;
  if (expected === 'empty') assert.equal(message.payload.length, 0, 'payload');
  else if (expected === 'some') assert.ok(message.payload.length > 0, 'payload');
  else assert.equal(new TextDecoder().decode(message.payload), expected);
}

function checkOption(message: WireMessage, number: number, expected: number | string | undefined): void {
  const there = findOption(message.options, number) !== undefined;
  if (typeof expected === 'number') {
    assert.ok(there, `option ${number}`);
    assert.equal(uintOf(message.options, number), expected, `option ${number}`);
  } else if (expected === 'any') assert.ok(there, `option ${number}`);
  else if (expected === 'none') assert.ok(!there, `no option ${number}`);
  else if (expected === 'with payload' && message.payload.length > 0) assert.ok(there, `option ${number} beside a payload`);
}

function checkBlock(message: WireMessage, number: number, expected: Expected['block1']): void {
  if (expected === undefined) return;
  assert.deepEqual(block(message, number), expected === 'none' ? undefined : expected, `option ${number}`);
}
