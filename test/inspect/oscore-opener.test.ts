import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { OscoreOpener } from '../../src/inspect/index.ts';
import type { ContextParameters } from '../../src/oscore/index.ts';

/** RFC 8613, Appendix C.4. */
const right: ContextParameters = {
  masterSecret: fromHex('0102030405060708090a0b0c0d0e0f10'),
  masterSalt: fromHex('9e7ca92223786340'),
  senderId: fromHex(''),
  recipientId: fromHex('01'),
};
const request = decodeMessage(fromHex('44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e'));
const wrong: ContextParameters = { ...right, masterSecret: new Uint8Array(16) };

test('a datagram is tried with a bounded number of contexts, the newest first: a token that is uploaded again and again makes many of one identifier', () => {
  for (const [later, verified] of [
    [255, true],
    [256, false],
  ] as const) {
    const opener = new OscoreOpener([]);
    opener.add({ name: 'right', parameters: right });
    for (let n = 0; n < later; n++) opener.add({ name: 'wrong', parameters: wrong });
    assert.equal(opener.open(request).verified, verified, `${later} contexts that are newer`);
  }
});
