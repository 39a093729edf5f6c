import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAif, encodeAif, localPart, parseScope } from '../../src/ace/index.ts';
import { Method } from '../../src/coap/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { fixture } from '../support/fixtures.ts';

interface Document {
  readonly examples: readonly { readonly section: string; readonly figure: string; readonly json: [string, number][]; readonly hex: string }[];
}

for (const example of fixture<Document>('ace/rfc9237.json').examples) {
  test(`RFC 9237 ${example.section}: Figures ${example.figure}`, () => {
    assert.equal(toHex(encodeAif(example.json)), example.hex);
    assert.deepEqual(decodeAif(fromHex(example.hex)), example.json);
    assert.equal(fromHex(example.hex).length, 28);
  });
}

test('RFC 9237 2.1: Table 1, permissions', () => {
  const [example] = fixture<Document>('ace/rfc9237.json').examples;
  const permissions = parseScope(fromHex(example?.hex ?? ''));
  assert.equal(permissions.decide(localPart(['s', 'temp']), Method.GET), 'permit');
  assert.equal(permissions.decide(localPart(['s', 'temp']), Method.PUT), 'method');
  assert.equal(permissions.decide(localPart(['a', 'led']), Method.PUT), 'permit');
  assert.equal(permissions.decide(localPart(['a', 'led']), Method.GET), 'permit');
  assert.equal(permissions.decide(localPart(['a', 'led']), Method.DELETE), 'method');
  assert.equal(permissions.decide(localPart(['dtls']), Method.POST), 'permit');
  assert.equal(permissions.decide(localPart(['other']), Method.GET), 'path');
});
