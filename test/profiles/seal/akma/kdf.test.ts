import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { readDateTime, writeDateTime } from '../../../../profiles/seal/akma/date-time.ts';
import {
  deriveAnchor,
  deriveAnchorKey,
  deriveApplicationKey,
  encodeAfId,
  formatAfId,
  kdf,
  makeAKid,
  parseAfId,
  parseAKid,
  uaStarTls12,
  uaStarTls13,
} from '../../../../profiles/seal/akma/index.ts';
import { toHex } from '../../../../src/core/bytes.ts';
import { homeNetwork, kAusf } from './lab.ts';

test('TS 33.220 B.2: HMAC-SHA-256 over FC, and each parameter with its length after it', () => {
  const s = Buffer.from('82616200026300010000', 'hex');
  assert.equal(toHex(kdf(kAusf, 0x82, Buffer.from('ab'), Buffer.from('c'), new Uint8Array(0))), createHmac('sha256', kAusf).update(s).digest('hex'));
  assert.throws(() => kdf(kAusf, 0x80, new Uint8Array(0x10000)), { code: 'ERR_AKMA_PARAMETER' });
});

test('TS 33.535 A.2 and A.4: keys of another length, and what is no SUPI, are refused without being told', () => {
  for (const key of [new Uint8Array(31), new Uint8Array(0), new Uint8Array(33)]) {
    assert.throws(() => deriveAnchorKey(key, '001010000000001'), { code: 'ERR_AKMA_KEY', message: `K_AUSF: expected 32 bytes, got ${key.length}` });
    assert.throws(() => deriveApplicationKey(key, { fqdn: 'af.example', protocol: uaStarTls13 }), { code: 'ERR_AKMA_KEY' });
  }
  for (const supi of ['', '1234', 'imsi-', 'imsi-12345678901234567', '00101 0000', 'user@', '@realm']) {
    assert.throws(() => deriveAnchorKey(kAusf, supi), { code: 'ERR_AKMA_SUPI', message: /got another$/ });
  }
  assert.deepEqual(deriveAnchorKey(kAusf, 'nai-user@realm.example'), deriveAnchorKey(kAusf, 'user@realm.example'));
});

test('TS 33.535 A.4: AF_ID is FQDN and Ua* security protocol identifier, as octets and as text', () => {
  const afId = { fqdn: 'MSGin5G.example.com', protocol: uaStarTls12(0xd001) };
  assert.equal(toHex(encodeAfId(afId)), `${toHex(Buffer.from('msgin5g.example.com'))}010001d001`);
  assert.equal(formatAfId(afId), 'msgin5g.example.com/010001d001');
  assert.deepEqual(parseAfId(formatAfId(afId)), { ...afId, fqdn: 'msgin5g.example.com' });
  for (const text of ['', 'af.example', 'af.example/01', 'af.example/010001d00', '/010001d001', '10.0.0.1/010001d001', 'a b/010001d001', 'a/b/010001d001'])
    assert.throws(() => parseAfId(text), { code: 'ERR_AKMA_AF_ID' }, text);
  assert.throws(() => encodeAfId({ fqdn: 'af.example', protocol: Uint8Array.of(1) }), { code: 'ERR_AKMA_AF_ID' });
  assert.throws(() => encodeAfId({ fqdn: '10.0.0.1', protocol: uaStarTls13 }), { code: 'ERR_AKMA_AF_ID' });
});

test('TS 33.535 6.1: the A-KID is a network access identifier', () => {
  const { aKid } = deriveAnchor({ kAusf, supi: 'imsi-001010000000001', routingIndicator: '678', homeNetwork });
  assert.deepEqual(parseAKid(aKid), { username: aKid.split('@')[0], realm: homeNetwork });
  assert.match(aKid, /^rid678\.atid[\w-]{43}@/);
  for (const text of [
    '',
    'name',
    '@realm.example',
    'name@',
    'a@b@c.example',
    'na me@realm.example',
    'name@realm',
    `${'n'.repeat(250)}@realm.example`,
    'n\0@realm.example',
  ])
    assert.throws(() => parseAKid(text), { code: 'ERR_AKMA_A_KID', message: /got another text$/ }, text);
  for (const routingIndicator of ['', '12345', 'x']) {
    assert.throws(() => makeAKid({ routingIndicator, aTid: new Uint8Array(32), homeNetwork }), { code: 'ERR_AKMA_A_KID' });
  }
});

test('TS 29.571 5.2.2: date-times, read and written', () => {
  const texts = [
    '1970-01-01T00:00:00Z',
    '2000-02-29T23:59:59Z',
    '2024-12-31T12:34:56Z',
    '2100-03-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '2400-02-29T00:00:01Z',
  ];
  for (const text of texts) {
    assert.equal(readDateTime(text), Date.parse(text) / 1000);
    assert.equal(writeDateTime(Date.parse(text) / 1000), text);
  }
  for (let day = 0; day < 150_000; day += 97) assert.equal(writeDateTime(day * 86_400), new Date(day * 86_400_000).toISOString().replace('.000', ''));
  assert.equal(readDateTime('2026-11-26T07:00:00.5+01:00'), 1_795_672_800.5);
  for (const text of ['', '2026-11-26', '2026-13-26T07:00:00Z', '2026-11-26T07:00:00', '2026-11-26 07:00:00Z', 'tomorrow'])
    assert.equal(readDateTime(text), undefined);
});
