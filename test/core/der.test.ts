import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BytesError, concat, fromHex, utf8 } from '../../src/core/bytes.ts';
import { boolean, DerReader, DerTag, smallInteger, takeTime } from '../../src/core/der.ts';

const refuses = (run: () => unknown): void => assert.throws(run, BytesError);

test('X.690 10.1: values one behind the other, with lengths in as few bytes as they need', () => {
  const long = concat(fromHex('04820100'), new Uint8Array(256));
  const reader = new DerReader(concat(fromHex('020105'), long, fromHex('0101ff')));
  assert.equal(smallInteger(reader.take(DerTag.INTEGER)), 5);
  assert.equal(reader.optional(DerTag.BOOLEAN), undefined);
  assert.equal(reader.whole(DerTag.OCTET_STRING).length, 260);
  refuses(() => reader.end());
  assert.equal(boolean(reader.optional(DerTag.BOOLEAN)!), true);
  assert.ok(reader.isAtEnd);
  assert.equal(reader.optional(DerTag.BOOLEAN), undefined);
  reader.end();
  for (const bytes of ['', '02', '0202', '020205', '028101', '02810105', '0282007f', '0280', '02850000000001', '030105'])
    refuses(() => new DerReader(fromHex(bytes)).take(DerTag.INTEGER));
});

test('X.690 8.2, 8.3, 11.1: BOOLEAN and small INTEGER', () => {
  assert.equal(boolean(fromHex('00')), false);
  for (const bytes of ['', '01', 'ffff']) refuses(() => boolean(fromHex(bytes)));
  assert.deepEqual(
    ['00', '7f', '0080', '7fffffff'].map((bytes) => smallInteger(fromHex(bytes))),
    [0, 127, 128, 0x7fff_ffff],
  );
  for (const bytes of ['', '80', '0001', '0080000000']) refuses(() => smallInteger(fromHex(bytes)));
});

function timeOf(tag: number, text: string): number {
  return takeTime(new DerReader(concat(Uint8Array.of(tag, text.length), utf8(text))));
}

test('RFC 5280 4.1.2.5: UTCTime from 1950 to 2049, and GeneralizedTime', () => {
  const { UTCTime, GeneralizedTime } = DerTag;
  assert.equal(timeOf(UTCTime, '700101000000Z'), 0);
  assert.equal(timeOf(UTCTime, '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59) / 1000);
  assert.equal(timeOf(UTCTime, '500101000000Z'), Date.UTC(1950, 0, 1) / 1000);
  assert.equal(timeOf(GeneralizedTime, '20240229120000Z'), Date.UTC(2024, 1, 29, 12) / 1000);
  assert.equal(timeOf(GeneralizedTime, '99991231235959Z'), 253_402_300_799);
  for (const text of ['230229000000Z', '240230000000Z', '240431000000Z']) refuses(() => timeOf(UTCTime, text));
  for (const text of ['7001010000Z', '700101000000', '700101000000+0100', '701301000000Z', '700100000000Z', '700101240000Z', '19700101000000Z', ''])
    refuses(() => timeOf(UTCTime, text));
  for (const text of ['700101000000Z', '00010101000000Z', '20200101000000.5Z', `20200101000000Z${' '.repeat(20)}`])
    refuses(() => timeOf(GeneralizedTime, text));
  refuses(() => timeOf(DerTag.INTEGER, '700101000000Z'));
});
