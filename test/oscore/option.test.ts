import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { decodeOscoreOption, encodeOscoreOption, OscoreError, type OscoreOption } from '../../src/oscore/index.ts';

const wellFormed: readonly (readonly [name: string, value: string, option: { partialIv?: string; kid?: string; kidContext?: string }])[] = [
  ['RFC 8613 6.3, example 1: request', '090525', { partialIv: '05', kid: '25' }],
  ['RFC 8613 6.3, example 2: request with an empty kid', '0900', { partialIv: '00', kid: '' }],
  ['RFC 8613 6.3, example 3: request with kid context', '19050544616c656b', { partialIv: '05', kidContext: '44616c656b', kid: '' }],
  ['RFC 8613 6.3, example 4: response', '', {}],
  ['RFC 8613 6.3, example 5: response with Partial IV', '0107', { partialIv: '07' }],
  ['Partial IV of 5 bytes', '0dffffffffff01', { partialIv: 'ffffffffff', kid: '01' }],
  ['kid context of no bytes', '18002a', { kidContext: '', kid: '2a' }],
  ['kid only', '082a2b', { kid: '2a2b' }],
  ['kid of no bytes only', '08', { kid: '' }],
  ['kid context only', '1001aa', { kidContext: 'aa' }],
];

function fromTexts(option: { partialIv?: string; kid?: string; kidContext?: string }): OscoreOption {
  return Object.fromEntries(Object.entries(option).map(([name, hex]) => [name, fromHex(hex)]));
}

function toTexts(option: OscoreOption): Record<string, string> {
  return Object.fromEntries(Object.entries(option).map(([name, bytes]) => [name, toHex(bytes as Uint8Array)]));
}

for (const [name, value, option] of wellFormed) {
  test(`RFC 8613 6.1: ${name}`, () => {
    assert.deepEqual(toTexts(decodeOscoreOption(fromHex(value))), option);
    assert.equal(toHex(encodeOscoreOption(fromTexts(option))), value);
  });
}

const malformed: readonly (readonly [name: string, value: string])[] = [
  ['reserved flag 5', '290525'],
  ['reserved flag 6', '490525'],
  ['reserved flag 7', '890525'],
  ['reserved length n = 6', '0e01020304050625'],
  ['reserved length n = 7', '0f0102030405060725'],
  ['Partial IV cut off', '0d01020304'],
  ['Partial IV missing', '09'],
  ['kid context without its length', '1905'],
  ['kid context cut off', '1905020a'],
  ['kid context longer than all that follows', '1905ff0a0b'],
  ['bytes after the Partial IV without kid', '010500'],
  ['bytes after the kid context without kid', '1105010aff'],
  ['zero flags that are not left out', '00'],
  ['zero flags with bytes behind', '0001'],
  ['Partial IV with a leading zero', '0a000525'],
  ['Partial IV of 0 in two bytes', '0a000025'],
  ['256 bytes', `08${'00'.repeat(255)}`],
];

for (const [name, value] of malformed) {
  test(`RFC 8613 6.1: malformed option, ${name}`, () => {
    assert.throws(() => decodeOscoreOption(fromHex(value)), { name: 'OscoreError', code: 'ERR_OSCORE_DECODE' });
  });
}

test('RFC 8613 6.1: an option that the format cannot hold is not encoded', () => {
  const refused = (option: OscoreOption): void => assert.throws(() => encodeOscoreOption(option), OscoreError);
  refused({ partialIv: new Uint8Array(0) });
  refused({ partialIv: new Uint8Array(6) });
  refused({ partialIv: fromHex('0001') });
  refused({ kidContext: new Uint8Array(254), kid: new Uint8Array(0) });
  assert.equal(encodeOscoreOption({ kidContext: new Uint8Array(253), kid: new Uint8Array(0) }).length, 255);
});

test('RFC 8613 6.1: every option of up to 3 bytes is refused or comes back the same', () => {
  let accepted = 0;
  const check = (value: Uint8Array): void => {
    let option: OscoreOption;
    try {
      option = decodeOscoreOption(value);
    } catch (error) {
      assert.equal((error as OscoreError).code, 'ERR_OSCORE_DECODE');
      return;
    }
    accepted++;
    assert.equal(toHex(encodeOscoreOption(option)), toHex(value));
  };
  check(new Uint8Array(0));
  for (let a = 0; a < 256; a++) {
    check(Uint8Array.of(a));
    for (const b of [0, 1, 2, 3, 255]) {
      check(Uint8Array.of(a, b));
      for (const c of [0, 1, 255]) check(Uint8Array.of(a, b, c));
    }
  }
  assert.ok(accepted > 20);
});
