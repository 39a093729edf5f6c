import assert from 'node:assert/strict';
import { type CipherGCMTypes, createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { ContentType, type DtlsRecord, decodeRecords, encodePlaintextRecord, largestPlaintext, lastSequence, RecordProtection } from '../../src/dtls/record.ts';
import { SeededRandom } from '../support/random.ts';

const random = new SeededRandom(6347);

function only(datagram: Uint8Array, cidLength = 0): DtlsRecord {
  const { records, malformed } = decodeRecords(datagram, cidLength);
  assert.equal(malformed, 0);
  assert.equal(records.length, 1);
  return records[0]!;
}

test('RFC 6347 4.1: a record of epoch 0, byte by byte', () => {
  const record = encodePlaintextRecord(ContentType.handshake, 0x0102_0304_0506, fromHex('aabb'));
  assert.equal(toHex(record), '16fefd00000102030405060002aabb');
  assert.deepEqual(only(record), {
    type: 22,
    version: 0xfefd,
    epoch: 0,
    sequence: 0x0102_0304_0506,
    cid: emptyBytes,
    fragment: fromHex('aabb'),
  });
});

test('RFC 6347 4.1.1: several records in a datagram, up to the first byte that begins none', () => {
  const one = encodePlaintextRecord(ContentType.alert, 1, fromHex('0100'));
  const two = encodePlaintextRecord(ContentType.application_data, 2, emptyBytes);
  const both = decodeRecords(concat(one, two));
  assert.deepEqual(
    both.records.map(({ sequence }) => sequence),
    [1, 2],
  );
  assert.equal(both.malformed, 0);
  for (let length = 0; length < one.length; length++) assert.deepEqual(decodeRecords(one.subarray(0, length)), { records: [], malformed: length });
  for (let length = one.length; length < one.length + two.length; length++) {
    const cut = decodeRecords(concat(one, two).subarray(0, length));
    assert.equal(cut.records.length, 1);
    assert.equal(cut.malformed, length - one.length);
  }
  assert.equal(decodeRecords(fromHex('160303000000000000000000010a')).malformed, 14, 'a record of TLS');
});

test('RFC 5246 6.2.1: a record without protection has at most 16,384 bytes', () => {
  const [most, more] = [largestPlaintext, largestPlaintext + 1].map((length) => encodePlaintextRecord(ContentType.handshake, 0, new Uint8Array(length)));
  assert.equal(decodeRecords(most!).records.length, 1);
  assert.deepEqual(decodeRecords(more!), { records: [], malformed: more!.length });
});

test('RFC 6347 4.1: a thousand empty records in one datagram end', () => {
  const { records } = decodeRecords(concat(...Array.from({ length: 1000 }, (_, sequence) => encodePlaintextRecord(22, sequence, emptyBytes))));
  assert.equal(records.length, 1000);
});

for (const { name, cipher } of suitesOf('default')) {
  const key = random.bytes(cipher.keyLength);
  const salt = random.bytes(4);
  const protection = new RecordProtection(cipher, key, salt);
  const reference = (nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): string => {
    const sealing = createCipheriv(`aes-${8 * cipher.keyLength}-${cipher.mode}` as CipherGCMTypes, key, nonce, { authTagLength: cipher.tagLength });
    sealing.setAAD(aad, { plaintextLength: plaintext.length });
    const body = sealing.update(plaintext);
    sealing.final();
    return toHex(concat(body, sealing.getAuthTag()));
  };

  test(`RFC 5246 6.2.3.3: ${name}: nonce, additional data and length of a record`, () => {
    const plaintext = utf8('a plaintext');
    const sealed = protection.seal(ContentType.application_data, 1, 0x0a0b0c, plaintext);
    const explicit = '00010000000a0b0c';
    const length = 8 + plaintext.length + cipher.tagLength;
    assert.equal(toHex(sealed.subarray(0, 13)), `17fefd${explicit}00${length.toString(16).padStart(2, '0')}`);
    assert.equal(toHex(sealed.subarray(13, 21)), explicit);
    assert.equal(toHex(sealed.subarray(21)), reference(concat(salt, fromHex(explicit)), fromHex(`${explicit}17fefd000b`), plaintext));
    assert.equal(sealed.length, plaintext.length + protection.expansion);
  });

  test(`RFC 9146 5.3: ${name}: additional data with a connection ID, the type inside, padding`, () => {
    const cid = fromHex('c1d2e3');
    const sealed = protection.seal(ContentType.alert, 1, 5, fromHex('0100'), cid);
    const explicit = '0001000000000005';
    assert.equal(toHex(sealed.subarray(0, 16)), `19fefd${explicit}c1d2e300${(11 + cipher.tagLength).toString(16).padStart(2, '0')}`);
    const aad = `ffffffffffffffff190319fefd${explicit}c1d2e3`;
    assert.equal(toHex(sealed.subarray(24)), reference(concat(salt, fromHex(explicit)), fromHex(`${aad}0003`), fromHex('010015')));
    assert.deepEqual(protection.open(only(sealed, 3)), { type: ContentType.alert, content: fromHex('0100') });
    const hand = (inner: string): DtlsRecord => {
      const plaintext = fromHex(inner);
      const hidden = reference(concat(salt, fromHex(explicit)), fromHex(`${aad}${plaintext.length.toString(16).padStart(4, '0')}`), plaintext);
      const length = (8 + hidden.length / 2).toString(16).padStart(4, '0');
      return only(fromHex(`19fefd${explicit}c1d2e3${length}${explicit}${hidden}`), 3);
    };
    assert.deepEqual(protection.open(hand('010015000000')), { type: ContentType.alert, content: fromHex('0100') });
    assert.deepEqual(protection.open(hand('17')), { type: ContentType.application_data, content: emptyBytes });
    assert.equal(protection.open(hand('000000')), undefined, 'only zeros');
  });

  test(`RFC 6347 4.1.2.1: ${name}: every bit of a record counts, every prefix is refused, and the explicit nonce is the peer's`, () => {
    for (const cid of [emptyBytes, fromHex('07')]) {
      const sealed = protection.seal(ContentType.application_data, 1, 77, utf8('data'), cid);
      assert.deepEqual(protection.open(only(sealed, cid.length)), { type: 23, content: utf8('data') });
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const changed = sealed.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        for (const record of decodeRecords(changed, cid.length).records) assert.equal(protection.open(record), undefined, `bit ${bit}`);
      }
      const record = only(sealed, cid.length);
      for (let length = 0; length < record.fragment.length; length++)
        assert.equal(protection.open({ ...record, fragment: record.fragment.subarray(0, length) }), undefined);
    }
    const other = fromHex('1122334455667788');
    const hidden = reference(concat(salt, other), fromHex('000100000000000117fefd0001'), fromHex('2a'));
    const length = (8 + hidden.length / 2).toString(16).padStart(4, '0');
    assert.deepEqual(protection.open(only(fromHex(`17fefd0001000000000001${length}${toHex(other)}${hidden}`))), { type: 23, content: fromHex('2a') });
  });

  test(`RFC 5246 6.2.1: ${name}: empty and largest plaintexts, the last sequence number`, () => {
    for (const length of [0, 1, 2 ** 14]) {
      const record = only(protection.seal(23, 1, lastSequence, new Uint8Array(length)));
      assert.equal(record.sequence, lastSequence);
      assert.equal(protection.open(record)?.content.length, length);
    }
    assert.equal(protection.open(only(protection.seal(23, 1, 0, new Uint8Array(2 ** 14 + 1)))), undefined);
  });
}
