import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/core/bytes.ts';
import { encode } from '../../src/core/cbor.ts';
import { coveredStructure } from '../../src/core/cose/structure.ts';

test('RFC 9052 9: what is signed, MACed or authenticated is deterministic CBOR, at the edges of each length', () => {
  const lengths = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 70_000];
  for (const context of ['Encrypt0', 'Encrypt', 'MAC0', 'MAC', 'Signature1', 'Signature', 'Enc_Recipient']) {
    for (const length of lengths) {
      const part = new Uint8Array(length).fill(length);
      const other = Uint8Array.of(1, 2, 3);
      for (const parts of [[part], [part, other], [other, part, other], [other, other, part, part]])
        assert.equal(toHex(coveredStructure(context, ...parts)), toHex(encode([context, ...parts])), `${context}, ${length}`);
    }
  }
});
