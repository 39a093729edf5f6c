import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CoapError,
  Code,
  codeName,
  contentFormatName,
  contentFormatOf,
  encodeUint,
  findAll,
  findOption,
  formatCode,
  isCritical,
  isNoCacheKey,
  isRequest,
  isResponse,
  isUnsafe,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  optionDefinition,
  optionName,
  pathOf,
  pathOptions,
  queryOf,
  queryOptions,
  readUint,
  recogniseOptions,
  sortOptions,
  stringOption,
  uintOf,
  uintOption,
  withOption,
  withoutOptions,
} from '../../../src/coap/index.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';

const none = new Uint8Array(0);

test('RFC 7252 3.2: uint values without leading zeros, read with them', () => {
  for (const [value, hex] of [
    [0, ''],
    [1, '01'],
    [255, 'ff'],
    [256, '0100'],
    [65_535, 'ffff'],
    [2 ** 32, '0100000000'],
    [Number.MAX_SAFE_INTEGER, '1fffffffffffff'],
  ] as const) {
    assert.equal(toHex(encodeUint(value)), hex);
    assert.equal(readUint(fromHex(hex)), value);
  }
  assert.equal(readUint(fromHex('0000000000000005')), 5);
  assert.throws(() => readUint(new Uint8Array(9)), CoapError);
  assert.throws(() => readUint(fromHex('20000000000000')), CoapError);
  assert.throws(() => encodeUint(-1), CoapError);
  assert.throws(() => encodeUint(1.5), CoapError);
});

test('RFC 7252 5.4.6: critical, unsafe and NoCacheKey by number', () => {
  assert.deepEqual([1, 3, 7, 9, 11, 17, 23, 27, 35].map(isCritical), Array(9).fill(true));
  assert.deepEqual([4, 6, 12, 14, 28, 60, 252, 258, 292].map(isCritical), Array(9).fill(false));
  assert.deepEqual([3, 6, 7, 11, 14, 15, 23, 27, 35, 39, 258].map(isUnsafe), Array(11).fill(true));
  assert.deepEqual([1, 4, 9, 12, 17, 21, 60, 252, 292].map(isUnsafe), Array(9).fill(false));
  assert.deepEqual([28, 60, 252].map(isNoCacheKey), [true, true, true]);
  assert.deepEqual([4, 9, 17, 21, 292].map(isNoCacheKey), Array(5).fill(false));
});

test('RFC 7252 5.10: the table of options', () => {
  assert.deepEqual(optionDefinition(OptionNumber.ETag), { name: 'ETag', format: 'opaque', min: 1, max: 8, repeatable: true });
  assert.equal(optionDefinition(OptionNumber.Edhoc), undefined);
  assert.equal(optionName(292), 'Request-Tag');
  assert.equal(optionName(4711), 'option 4711');
});

test('RFC 7252 5.4.1: an unknown critical option obliges to reject, an unknown elective one does not', () => {
  const odd = opaqueOption(9999, none);
  assert.equal(recogniseOptions([odd]).bad, odd);
  assert.equal(recogniseOptions([opaqueOption(21, none)]).bad?.number, 21);
  const even = [opaqueOption(9998, none)];
  assert.equal(recogniseOptions(even).options, even);
  assert.equal(recogniseOptions(even).bad, undefined);
});

test('RFC 7252 5.4.3: an option of a wrong length is not recognised', () => {
  assert.equal(recogniseOptions([opaqueOption(OptionNumber.UriHost, none)]).bad?.number, OptionNumber.UriHost);
  assert.equal(recogniseOptions([opaqueOption(OptionNumber.Accept, new Uint8Array(3))]).bad?.number, OptionNumber.Accept);
  const etag = opaqueOption(OptionNumber.ETag, new Uint8Array(9));
  const format = uintOption(OptionNumber.ContentFormat, 60);
  assert.deepEqual(recogniseOptions([etag, format]), { bad: undefined, options: [format] });
});

test('RFC 7252 5.4.5: a second occurrence of an option that may stand once is not recognised', () => {
  const host = stringOption(OptionNumber.UriHost, 'a');
  assert.equal(recogniseOptions([host, host]).bad, host);
  const first = uintOption(OptionNumber.ContentFormat, 60);
  const second = uintOption(OptionNumber.ContentFormat, 0);
  assert.deepEqual(recogniseOptions([first, second]).options, [first]);
  const path = pathOptions(['a', 'a']);
  assert.equal(recogniseOptions(path).options, path);
});

test('RFC 7252 5.4.5: an elective misfit does not shut out the one behind it', () => {
  const tooLong = opaqueOption(OptionNumber.ContentFormat, new Uint8Array(3));
  const good = uintOption(OptionNumber.ContentFormat, 60);
  assert.deepEqual(recogniseOptions([tooLong, good]).options, [good]);
});

test('options are found, replaced, removed and sorted', () => {
  const options: readonly Option[] = [...pathOptions(['a', 'b']), uintOption(OptionNumber.ContentFormat, 60), ...queryOptions(['x=1', 'y'])];
  assert.deepEqual(pathOf(options), ['a', 'b']);
  assert.deepEqual(queryOf(options), ['x=1', 'y']);
  assert.equal(uintOf(options, OptionNumber.ContentFormat), 60);
  assert.equal(uintOf(options, OptionNumber.MaxAge), undefined);
  assert.equal(findAll(options, OptionNumber.UriPath).length, 2);
  assert.equal(findOption(options, OptionNumber.Block2), undefined);
  const numbers = (list: readonly Option[]): number[] => list.map(({ number }) => number);
  assert.deepEqual(numbers(withOption(options, uintOption(OptionNumber.Observe, 0))), [6, 11, 11, 12, 15, 15]);
  assert.deepEqual(numbers(withOption(options, stringOption(OptionNumber.UriPath, 'c'))), [11, 12, 15, 15]);
  assert.deepEqual(numbers(withOption(options, uintOption(OptionNumber.Size1, 0))), [11, 11, 12, 15, 15, 60]);
  assert.deepEqual(numbers(withoutOptions(options, 11, 15)), [12]);
  assert.deepEqual(pathOf(sortOptions([...options].reverse())), ['b', 'a']);
  assert.deepEqual(numbers(sortOptions([...options].reverse())), [11, 11, 12, 15, 15]);
});

test('RFC 7252 12.1: codes and their names', () => {
  assert.equal(formatCode(Code.Content), '2.05');
  assert.equal(formatCode(Code.TooManyRequests), '4.29');
  assert.equal(codeName(Method.iPATCH), 'iPATCH');
  assert.equal(codeName(Code.UnsupportedContentFormat), 'Unsupported Content Format');
  assert.equal(codeName(190), '5.30');
  assert.deepEqual([0, 1, 31, 32, 64, 95, 96, 128, 191, 192, 255].map(isRequest), [false, true, true, ...Array(8).fill(false)]);
  assert.deepEqual([0, 1, 31, 32, 64, 95, 96, 128, 191, 192, 255].map(isResponse), [false, false, false, false, true, true, false, true, true, false, false]);
});

test('RFC 7252 12.3: Content-Formats by number and by media type', () => {
  assert.equal(contentFormatName(19), 'application/ace+cbor');
  assert.equal(contentFormatName(4711), 'content-format 4711');
  assert.equal(contentFormatOf('application/ace+cbor'), 19);
  assert.equal(contentFormatOf('text/plain'), 0);
  assert.equal(contentFormatOf('text/plain;charset=utf-8'), 0);
  assert.equal(contentFormatOf('60'), 60);
  assert.equal(contentFormatOf('70000'), undefined);
  assert.equal(contentFormatOf('image/x-unheard-of'), undefined);
});
