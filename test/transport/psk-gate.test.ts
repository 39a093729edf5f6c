import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { concat, toHex, utf8 } from '../../src/core/bytes.ts';
import { PskGate, readPskIdentities } from '../../src/transport/psk-gate.ts';

const u16 = (number: number): Uint8Array => Uint8Array.of(number >> 8, number & 0xff);
const vector = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes);
const message = (type: number, body: Uint8Array): Uint8Array => concat(Uint8Array.of(type, 0), u16(body.length), body);
const record = (fragment: Uint8Array, type = 22): Uint8Array => concat(Uint8Array.of(type, 3, 3), vector(fragment));

function hello(...extensions: readonly Uint8Array[]): Uint8Array {
  const start = concat(new Uint8Array(34), Uint8Array.of(0), vector(u16(0x1301)), Uint8Array.of(1, 0));
  return message(1, concat(start, vector(concat(...extensions))));
}

function preSharedKey(...identities: readonly string[]): Uint8Array {
  const list = identities.map((identity) => concat(vector(utf8(identity)), new Uint8Array(4)));
  return concat(u16(41), vector(concat(vector(concat(...list)), new Uint8Array(35))));
}

const keyExchange = message(16, concat(vector(utf8('anna')), new Uint8Array(33)));

test('RFC 8446 4.2.11, RFC 4279 2: identities in handshake messages', () => {
  assert.deepEqual(readPskIdentities(hello(concat(u16(0), vector(utf8('x'))), preSharedKey('anna', 'bert'))), ['anna', 'bert']);
  assert.deepEqual(readPskIdentities(keyExchange), ['anna']);
  assert.equal(readPskIdentities(hello()), undefined);
  assert.equal(readPskIdentities(message(1, new Uint8Array(34))), undefined);
  const whole = hello(preSharedKey('anna'));
  for (let length = 0; length < whole.length - 39; length++) assert.equal(readPskIdentities(whole.subarray(0, length)), undefined);
  assert.equal(readPskIdentities(hello(preSharedKey(...Array<string>(9).fill('a'))))?.length, 4);
});

/** What comes through the gate of what is sent in such pieces, in the order in which it does. */
async function through(pieces: readonly Uint8Array[]): Promise<readonly string[]> {
  const seen: string[] = [];
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = await once(server, 'connection');
  const gate = new PskGate(socket, async (identities) => {
    seen.push(`? ${identities.join()}`);
    await new Promise((later) => setImmediate(later));
    seen.push('!');
  });
  let bytes = '';
  gate.on('data', (chunk: Uint8Array) => {
    bytes += toHex(chunk);
    seen.push('+');
  });
  for (const piece of pieces) {
    client.write(piece);
    await new Promise((later) => setImmediate(later));
  }
  client.end();
  await once(gate, 'end');
  gate.destroy();
  server.close();
  assert.equal(bytes, toHex(concat(...pieces)));
  return seen.filter((one, index) => one !== '+' || seen[index - 1] !== '+');
}

test('RFC 4279 2: the message that names a key waits until the key is looked up, however it is cut', async () => {
  const first = record(hello());
  const named = record(keyExchange);
  assert.deepEqual(await through([first, named, record(Uint8Array.of(1), 20)]), ['+', '? anna', '!', '+']);
  assert.deepEqual(await through([record(hello(preSharedKey('anna')))]), ['? anna', '!', '+']);
  const bytes = concat(first, named);
  assert.deepEqual(await through(Array.from(bytes, (byte) => Uint8Array.of(byte))), ['+', '? anna', '!', '+']);
  const halves = [record(keyExchange.subarray(0, 9)), record(keyExchange.subarray(9))];
  assert.deepEqual((await through([concat(...halves)])).slice(-3), ['? anna', '!', '+']);
});

test('RFC 8446 5.1: what is no handshake passes, and asks for no key', async () => {
  for (const other of [utf8('GET / HTTP/1.1\r\n\r\n'), record(keyExchange, 23), record(concat(Uint8Array.of(1, 255, 255, 255), new Uint8Array(100)))]) {
    assert.deepEqual(await through([other]), ['+']);
  }
});

test('who sends record after record without naming a key is not looked into for ever', async () => {
  const empty = record(new Uint8Array(0));
  const records = (count: number): Uint8Array => concat(...Array.from({ length: count }, () => empty), record(keyExchange));
  assert.deepEqual((await through([records(10)])).slice(-3), ['? anna', '!', '+']);
  assert.deepEqual(await through([records(1000)]), ['+']);
});
