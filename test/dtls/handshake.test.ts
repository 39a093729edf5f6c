import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import { type FlightItem, packFlight, type RecordWriter } from '../../src/dtls/flight.ts';
import { decodeFragments, encodeFragment, encodeHandshake, type HandshakeFragment, HandshakeType, Transcript } from '../../src/dtls/handshake.ts';
import { ByteBudget, Reassembly } from '../../src/dtls/reassembly.ts';
import { decodeRecords, encodePlaintextRecord } from '../../src/dtls/record.ts';
import { SeededRandom } from '../support/random.ts';

const message = { type: HandshakeType.certificate, sequence: 2, body: Uint8Array.from({ length: 200 }, (_, i) => i) };
const part = (offset: number, length: number): HandshakeFragment => decodeFragments(encodeFragment(message, offset, length))![0]!;
const fresh = (limit = 1000): Reassembly => new Reassembly(2, limit, new ByteBudget(1000));

test('RFC 6347 4.2.2: the header of a message and of a part of it, byte by byte', () => {
  const finished = { type: HandshakeType.finished, sequence: 0x0102, body: fromHex('aabbcc') };
  assert.equal(toHex(encodeHandshake(finished)), '14000003010200000000' + '0003aabbcc');
  assert.equal(toHex(encodeFragment(finished, 1, 2)), '14000003010200000100' + '0002bbcc');
});

test('RFC 6347 4.2.3: several messages in a record; one that is longer than the record, or outside of its message, is none', () => {
  const done = encodeHandshake({ type: HandshakeType.server_hello_done, sequence: 3, body: emptyBytes });
  assert.deepEqual(
    decodeFragments(concat(encodeHandshake(message), done))!.map(({ type, length }) => [type, length]),
    [
      [11, 200],
      [14, 0],
    ],
  );
  const whole = encodeHandshake(message);
  for (let length = 0; length < whole.length; length++) assert.equal(decodeFragments(whole.subarray(0, length)), undefined, `${length}`);
  assert.equal(decodeFragments(fromHex('0b00000a0002000009000002aabb')), undefined, 'offset 9 and 2 bytes of 10');
});

test('RFC 6347 4.2.6: the transcript holds messages as if they had travelled in one piece', () => {
  const transcript = new Transcript();
  transcript.add(message);
  transcript.reset();
  transcript.add({ type: 1, sequence: 1, body: fromHex('01') });
  transcript.add({ type: 2, sequence: 1, body: fromHex('02') });
  assert.equal(toHex(transcript.bytes()), '01000001000100000000000101' + '02000001000100000000000102');
});

test('RFC 6347 4.2.3: fragments in any order, overlapping, split anew, repeated', () => {
  const random = new SeededRandom(423);
  for (let round = 0; round < 500; round++) {
    const reassembly = fresh();
    const parts: HandshakeFragment[] = [];
    for (let offset = 0; offset < 200; ) {
      const length = 1 + random.below(60);
      const start = Math.max(0, offset - random.below(10));
      parts.push(part(start, Math.min(length, 200 - start)));
      offset = start + length;
    }
    const there = new Set<number>();
    while (there.size < 200) {
      assert.equal(reassembly.take(), undefined);
      const [next] = parts.splice(random.below(parts.length), 1);
      assert.equal(reassembly.add(next!, 0), 'kept');
      if (random.chance(0.2)) reassembly.add(next!, 0);
      for (let i = 0; i < next!.bytes.length; i++) there.add(next!.offset + i);
    }
    assert.deepEqual(reassembly.take(), { ...message, epoch: 0 });
    assert.equal(reassembly.bytes, 0);
    assert.equal(reassembly.next, 3);
    assert.equal(reassembly.add(part(0, 200), 0), 'old');
  }
});

test('RFC 6347 4.2.2: messages come out in the order of message_seq', () => {
  const reassembly = fresh();
  const later = decodeFragments(encodeHandshake({ ...message, sequence: 3 }))![0]!;
  assert.equal(reassembly.add(later, 0), 'kept');
  assert.equal(reassembly.take(), undefined);
  reassembly.add(part(0, 200), 0);
  assert.equal(reassembly.take()?.sequence, 2);
  assert.equal(reassembly.take()?.sequence, 3);
  assert.equal(reassembly.take(), undefined);
});

test('reassembly is bounded: bytes of one, bytes of all, messages ahead, gaps; fragments are merged by message_seq and must agree', () => {
  assert.equal(fresh(199).add(part(0, 10), 0), 'refused', 'the declared length counts');
  const budget = new ByteBudget(300);
  const one = new Reassembly(2, 1000, budget);
  assert.equal(one.add(part(0, 10), 0), 'kept');
  assert.equal(new Reassembly(2, 1000, budget).add(part(0, 10), 0), 'refused');
  one.clear();
  assert.equal(budget.left, 300);
  assert.equal(new Reassembly(2, 1000, budget).add(part(0, 10), 0), 'kept');
  assert.equal(fresh().add({ ...part(0, 10), sequence: 10 }, 0), 'refused');
  const other = fresh();
  other.add(part(0, 10), 0);
  assert.equal(other.add({ ...part(10, 10), type: 16 }, 0), 'refused');
  assert.equal(other.add({ ...part(10, 10), length: 201 }, 0), 'refused');
  assert.equal(other.add(part(10, 0), 0), 'refused', 'nothing of something');
  const gaps = fresh();
  for (let i = 0; i < 64; i++) assert.equal(gaps.add(part(3 * i, 1), 0), 'kept');
  assert.equal(gaps.add(part(195, 1), 0), 'refused');
});

test('reassembly: what came protected takes the place of what anybody may have sent', () => {
  const reassembly = fresh();
  reassembly.add(part(0, 10), 0);
  assert.equal(reassembly.add(part(0, 200), 1), 'kept');
  assert.equal(reassembly.add(part(0, 200), 0), 'refused');
  assert.equal(reassembly.take()?.epoch, 1);
});

function writer(): RecordWriter {
  let sequence = 0;
  return { expansion: () => 13, write: (type, _epoch, content) => encodePlaintextRecord(type, sequence++, content) };
}

test('RFC 6347 4.2.3: a flight at every MTU from 40 to 600 fits, and comes together again', () => {
  const items: FlightItem[] = [
    { epoch: 0, message: { type: HandshakeType.server_hello, sequence: 1, body: new Uint8Array(70).fill(7) } },
    { epoch: 0, message },
    { epoch: 0, message: { type: HandshakeType.server_hello_done, sequence: 3, body: emptyBytes } },
    { epoch: 0 },
    { epoch: 0, message: { type: HandshakeType.finished, sequence: 4, body: new Uint8Array(12).fill(9) } },
  ];
  for (let mtu = 40; mtu <= 600; mtu++) {
    const datagrams = packFlight(items, mtu, writer());
    const reassembly = new Reassembly(1, 1000, new ByteBudget(1000));
    for (const datagram of datagrams) {
      assert.ok(datagram.length <= mtu, `${datagram.length} bytes at ${mtu}`);
      const { records, malformed } = decodeRecords(datagram);
      assert.equal(malformed, 0);
      for (const { type, fragment } of records) {
        if (type === 20) assert.equal(toHex(fragment), '01');
        else for (const piece of decodeFragments(fragment)!) assert.equal(reassembly.add(piece, 0), 'kept');
      }
    }
    for (const { message: sent } of items) if (sent !== undefined) assert.deepEqual(reassembly.take(), { ...sent, epoch: 0 });
  }
  assert.equal(packFlight(items, 600, writer()).length, 1, 'one datagram where there is room');
});

test('RFC 6347 4.2.1: a ClientHello is not split', () => {
  const hello = { type: HandshakeType.client_hello, sequence: 0, body: new Uint8Array(300) };
  assert.equal(packFlight([{ epoch: 0, message: hello }], 100, writer()).length, 1);
});
