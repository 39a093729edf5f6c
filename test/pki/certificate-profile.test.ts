import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import fc from 'fast-check';
import { toHex } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { certificatesOfPem } from '../../src/core/pem.ts';
import { type CertificateInit, type CertificateRole, certificateNames, LabAuthority, lintCertificate } from '../../src/pki/index.ts';
import { holds } from '../support/property.ts';

const authority = await LabAuthority.make('lab', systemEnv);
const now = systemEnv.epoch();
const good: CertificateInit = {
  commonName: 'val-a',
  names: [{ type: 'dns', value: 'val-a.example' }],
  usage: ['client', 'server'],
  crl: 'http://pki.example/lab.crl',
};

const derOf = (pem: string): Uint8Array => certificatesOfPem(pem)[0]!;

async function issued(change: Partial<CertificateInit> = {}): Promise<Uint8Array> {
  return derOf((await authority.issue({ ...good, ...change })).cert);
}

/** The certificate with one extension in the place of the one of the same kind. */
const withExtension = (extension: Extension): Promise<Uint8Array> =>
  issued({ extensions: (usual) => [...usual.filter(({ type }) => type !== extension.type), extension] });

const without = (type: string): Promise<Uint8Array> => issued({ extensions: (usual) => usual.filter((extension) => extension.type !== type) });

/** Severity, field and clause of all that is found. */
const found = (der: Uint8Array, as: CertificateRole = 'client'): readonly string[] =>
  lintCertificate(der, { as, now }).map(({ severity, field, clause }) => `${severity} ${field} (${clause})`);

/** Bytes in hexadecimal put in the place of others, wherever they stand. */
function patched(der: Uint8Array, from: string, to: string): Uint8Array {
  const hex = toHex(der);
  assert.ok(hex.includes(from), `expected ${from} in the certificate`);
  assert.equal(from.length, to.length);
  return Uint8Array.from(Buffer.from(hex.replaceAll(from, to), 'hex'));
}

const entity = 'TS 33.310, 6.1.3a';
const common = 'TS 33.310, 6.1.1';

test('TS 33.310 6.1.3a and 6.1.4a: nothing is found in certificates that have their profile', async () => {
  const der = await issued();
  for (const as of ['client', 'server'] as const) assert.deepEqual(found(der, as), []);
  assert.deepEqual(found(await issued({ names: [{ type: 'url', value: 'urn:val:a' }] })), []);
  assert.deepEqual(found(derOf(authority.cert), 'ca'), []);
});

test('TS 33.310 6.1.3a: each field at fault is named', async () => {
  const { digitalSignature, keyCertSign, keyAgreement } = KeyUsageFlags;
  const rows: readonly (readonly [what: string, der: Uint8Array, findings: readonly string[]])[] = [
    ['no subjectAltName', await without('2.5.29.17'), [`fault subjectAltName (${entity})`]],
    ['an address alone', await issued({ names: [{ type: 'ip', value: '127.0.0.1' }] }), [`fault subjectAltName (${entity})`]],
    ['a wildcard', await issued({ names: [{ type: 'dns', value: '*.example' }] }), [`fault subjectAltName (${entity})`]],
    ['a broken subjectAltName', await withExtension(new Extension('2.5.29.17', false, Uint8Array.of(0x30, 5))), ['fault subjectAltName (RFC 5280, 4.2.1.6)']],
    ['no keyUsage', await without('2.5.29.15'), [`fault keyUsage (${entity})`]],
    ['keyUsage that is not critical', await withExtension(new KeyUsagesExtension(digitalSignature, false)), [`fault keyUsage (${entity})`]],
    ['another keyUsage', await withExtension(new KeyUsagesExtension(keyAgreement, true)), [`fault keyUsage (${entity})`]],
    ['keyUsage of an authority', await withExtension(new KeyUsagesExtension(digitalSignature | keyCertSign, true)), ['fault keyUsage (RFC 5280, 4.2.1.3)']],
    ['no extKeyUsage', await without('2.5.29.37'), [`fault extKeyUsage (${entity})`]],
    ['extKeyUsage of a server', await issued({ usage: ['server'] }), [`fault extKeyUsage (${entity})`]],
    ['any extKeyUsage', await withExtension(new ExtendedKeyUsageExtension(['2.5.29.37.0'])), [`fault extKeyUsage (${entity})`]],
    ['no CRL', await without('2.5.29.31'), [`fault cRLDistributionPoints (${entity})`]],
    ['a CRL nowhere', await withExtension(new CRLDistributionPointsExtension(['file:///crl'])), [`fault cRLDistributionPoints (${entity})`]],
    ['an authority', await withExtension(new BasicConstraintsExtension(true, 0, true)), [`fault basicConstraints (${entity})`]],
    ['name constraints', await withExtension(new Extension('2.5.29.30', true, Uint8Array.of(0x30, 0))), ['fault nameConstraints (RFC 5280, 4.2.1.10)']],
    ['an unknown critical extension', await withExtension(new Extension('1.2.3.4', true, Uint8Array.of(5, 0))), ['fault extensions (RFC 5280, 4.2)']],
    ['an unknown extension', await withExtension(new Extension('1.2.3.4', false, Uint8Array.of(5, 0))), []],
    [
      'one twice',
      await issued({ extensions: (usual) => [...usual, ...usual.filter(({ type }) => type === '2.5.29.15')] }),
      ['fault extensions (RFC 5280, 4.2)'],
    ],
    ['expired', await issued({ notAfter: now - 60 }), ['fault validity.notAfter (RFC 5280, 4.1.2.5)']],
    ['not yet', await issued({ notBefore: now + 60 }), ['fault validity.notBefore (RFC 5280, 4.1.2.5)']],
    ['for too long', await issued({ notAfter: now + 2000 * 86_400 }), ['advice validity (TS 33.310, 6.1.3c)']],
  ];
  for (const [what, der, findings] of rows) assert.deepEqual(found(der), findings, what);
  const wildcard = await issued({ names: [{ type: 'dns', value: '*.example' }] });
  assert.deepEqual(found(wildcard, 'server'), [`advice subjectAltName (${entity})`]);
});

test('TS 33.310 6.1.1: version, serial number, signature algorithm and key', async () => {
  const der = await issued();
  const serial = /02(?:10)([0-9a-f]{32})/.exec(toHex(der))![1]!;
  const sha256 = '2a8648ce3d040302';
  const rows: readonly (readonly [what: string, der: Uint8Array, findings: readonly string[]])[] = [
    ['version 2', patched(der, 'a003020102', 'a003020101'), [`fault version (${common})`]],
    ['a negative serial number', patched(der, serial, `f${serial.slice(1)}`), ['fault serialNumber (RFC 5280, 4.1.2.2)']],
    ['0 as serial number', patched(der, serial, '0'.repeat(32)), ['fault serialNumber (RFC 5280, 4.1.2.2)']],
    ['SHA-384', patched(der, sha256, '2a8648ce3d040303'), []],
    ['SHA-224', patched(der, sha256, '2a8648ce3d040301'), [`fault signatureAlgorithm (${common})`]],
    ['an unknown algorithm', patched(der, sha256, '2a8648ce3d04030f'), [`fault signatureAlgorithm (${common})`]],
    ['secp256k1, as it were', patched(der, '2a8648ce3d030107', '2a8648ce3d030101'), [`fault subjectPublicKeyInfo (${common})`]],
  ];
  for (const [what, one, findings] of rows) assert.deepEqual(found(one), findings, what);
  const inner = toHex(der).indexOf(sha256);
  const twoAlgorithms = Uint8Array.from(Buffer.from(`${toHex(der).slice(0, inner)}2a8648ce3d040303${toHex(der).slice(inner + 16)}`, 'hex'));
  assert.deepEqual(found(twoAlgorithms), ['fault signature (RFC 5280, 4.1.2.3)']);
});

test('TS 33.310 6.1.1: RSA keys by their size, RSA signatures by their padding, and no MD5 and no SHA-1', async () => {
  const make = async (algorithm: webcrypto.RsaHashedKeyGenParams): Promise<Uint8Array> => {
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const extensions = [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.2']),
      new SubjectAlternativeNameExtension([{ type: 'dns', value: 'val-a.example' }]),
      new CRLDistributionPointsExtension([good.crl!]),
    ];
    const certificate = await X509CertificateGenerator.createSelfSigned(
      {
        serialNumber: '01',
        name: 'CN=rsa',
        notBefore: new Date(now * 1000 - 1000),
        notAfter: new Date(now * 1000 + 1e6),
        keys,
        signingAlgorithm: { ...algorithm, saltLength: 32 },
        extensions,
      },
      webcrypto,
    );
    return new Uint8Array(certificate.rawData);
  };
  const publicExponent = Uint8Array.of(1, 0, 1);
  const pkcs1 = { name: 'RSASSA-PKCS1-v1_5', publicExponent, modulusLength: 2048, hash: 'SHA-256' };
  const rsa = await make(pkcs1);
  assert.deepEqual(found(rsa), [`advice signatureAlgorithm (${common})`, `advice subjectPublicKeyInfo (${common})`]);
  for (const last of ['02', '04', '05']) {
    assert.ok(found(patched(rsa, '2a864886f70d01010b', `2a864886f70d0101${last}`)).includes(`fault signatureAlgorithm (${common})`), last);
  }
  assert.ok(found(await make({ ...pkcs1, modulusLength: 1024 })).includes(`fault subjectPublicKeyInfo (${common})`));
  const pss = await make({ ...pkcs1, name: 'RSA-PSS', modulusLength: 1024 });
  assert.deepEqual(found(pss), [`fault subjectPublicKeyInfo (${common})`]);
  assert.ok(found(patched(pss, '608648016503040201', '608648016503040204')).includes(`fault signatureAlgorithm (${common})`));
});

test('TS 33.310 6.1.4a: each field of an authority at fault is named', async () => {
  const { keyCertSign, cRLSign } = KeyUsageFlags;
  const clause = 'TS 33.310, 6.1.4a';
  const ca = (...extensions: Extension[]): Promise<Uint8Array> => issued({ extensions: () => extensions });
  const basic = new BasicConstraintsExtension(true, 0, true);
  const usage = new KeyUsagesExtension(keyCertSign | cRLSign, true);
  const crl = new CRLDistributionPointsExtension(['ldap://pki.example/cn=lab']);
  const rows: readonly (readonly [what: string, der: Uint8Array, findings: readonly string[]])[] = [
    ['good', await ca(basic, usage, crl), []],
    ['no basicConstraints', await ca(usage, crl), [`fault basicConstraints (${clause})`]],
    ['not critical', await ca(new BasicConstraintsExtension(true, 0, false), usage, crl), [`fault basicConstraints (${clause})`]],
    [
      'no authority',
      await ca(new BasicConstraintsExtension(false, undefined, true), usage, crl),
      [`fault basicConstraints (${clause})`, `advice basicConstraints (${clause})`],
    ],
    ['no path length', await ca(new BasicConstraintsExtension(true, undefined, true), usage, crl), [`advice basicConstraints (${clause})`]],
    ['no keyUsage', await ca(basic, crl), [`fault keyUsage (${clause})`]],
    ['no keyCertSign', await ca(basic, new KeyUsagesExtension(cRLSign, true), crl), [`fault keyUsage (${clause})`]],
    ['no cRLSign', await ca(basic, new KeyUsagesExtension(keyCertSign, true), crl), [`fault keyUsage (${clause})`]],
    ['keyUsage that is not critical', await ca(basic, new KeyUsagesExtension(keyCertSign | cRLSign, false), crl), [`fault keyUsage (${clause})`]],
    [
      'a CRL by https',
      await ca(basic, usage, new CRLDistributionPointsExtension(['https://pki.example/lab.crl'])),
      ['advice cRLDistributionPoints (RFC 5280, 8)'],
    ],
    ['no CRL', await ca(basic, usage), [`fault cRLDistributionPoints (${clause})`]],
    [
      'loose constraints',
      await ca(basic, usage, crl, new Extension('2.5.29.30', false, Uint8Array.of(0x30, 0))),
      ['fault nameConstraints (RFC 5280, 4.2.1.10)'],
    ],
  ];
  for (const [what, der, findings] of rows) assert.deepEqual(found(der, 'ca'), findings, what);
});

test('whatever bytes come, they are read or said to be no certificate, and OpenSSL reads the same names', async () => {
  const der = await issued({
    names: [
      { type: 'dns', value: 'VAL-a.example' },
      { type: 'url', value: 'urn:val:a' },
      { type: 'email', value: 'a@val.example' },
    ],
  });
  assert.deepEqual(certificateNames(der), ['val-a.example', 'urn:val:a']);
  assert.equal(new X509Certificate(der).subjectAltName, 'DNS:VAL-a.example, URI:urn:val:a, email:a@val.example');
  for (let length = 0; length < der.length; length++) {
    assert.deepEqual(found(der.subarray(0, length)), ['fault certificate (RFC 5280, 4.1)']);
  }
  await holds(
    'certificate-profile',
    { quick: 500, full: 100_000 },
    fc.property(fc.nat(der.length - 1), fc.nat(255), fc.constantFrom<CertificateRole>('client', 'server', 'ca'), (at, byte, as) => {
      const changed = der.slice();
      changed[at] = byte;
      found(changed, as);
    }),
  );
});
