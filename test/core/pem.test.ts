import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../../src/core/bytes.ts';
import { certificatesOfPem, crlsOfPem } from '../../src/core/pem.ts';

const block = (label: string, base64: string): string => `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;

test('RFC 7468 5 and 6: certificates and lists in their order, whatever stands between them', () => {
  const text = `Subject: one\n${block('CERTIFICATE', 'AAEC\r\nAwQ=')}${block('X509 CRL', '_w=='.replace('_', '/'))}\n${block('CERTIFICATE', 'BQ==')}`;
  assert.deepEqual(certificatesOfPem(text), [fromHex('0001020304'), fromHex('05')]);
  assert.deepEqual(crlsOfPem(text), [fromHex('ff')]);
  assert.deepEqual(crlsOfPem('nothing'), []);
});

test('RFC 7468 2: of a text that was cut or damaged no block is left out without a word', () => {
  const whole = block('X509 CRL', 'AAEC');
  for (const text of [whole.slice(0, 30) + whole, whole + whole.slice(0, -8), whole + block('X509 CRL', 'AA*C'), `${whole}-----BEGIN X509 CRL-----`])
    assert.throws(() => crlsOfPem(text), { code: 'ERR_BYTES_PEM', message: /expected 2 whole blocks of PEM \(X509 CRL\), got 1/ });
});

test('a block of white space without an end takes time in proportion to its length', () => {
  const start = performance.now();
  assert.throws(() => certificatesOfPem(`-----BEGIN CERTIFICATE-----${'\n'.repeat(200_000)}`), { code: 'ERR_BYTES_PEM' });
  assert.ok(performance.now() - start < 2_000);
});
