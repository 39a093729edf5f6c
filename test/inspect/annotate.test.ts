import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContentFormat, Method, OptionNumber, uintOption } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { annotatePayload } from '../../src/inspect/index.ts';

test('bytes that are no CBOR where keys stand are shown to those alone who asked for secrets', () => {
  const shown = (contentFormat: number, secrets: boolean): string =>
    annotatePayload({ code: Method.POST, options: [uintOption(OptionNumber.ContentFormat, contentFormat)], payload: fromHex('a1046b6579') }, [], {
      secrets,
    }).join();
  for (const format of [ContentFormat.AceCbor, ContentFormat.CoseKey]) {
    assert.match(shown(format, false), /5 bytes that may hold keys/);
    assert.doesNotMatch(shown(format, false), /6b6579/);
    assert.match(shown(format, true), /a1046b6579/);
  }
  assert.match(shown(ContentFormat.Cbor, false), /a1046b6579/);
});
