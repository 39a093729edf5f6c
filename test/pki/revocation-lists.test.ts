import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  X509CertificateGenerator,
  X509Crl,
  X509CrlGenerator,
} from '@peculiar/x509';
import { systemEnv } from '../../src/core/env.ts';
import { certificatesOfPem } from '../../src/core/pem.ts';
import { LabAuthority, RevocationLists } from '../../src/pki/index.ts';

const authority = await LabAuthority.make('lab', systemEnv);
const issue = (commonName: string): ReturnType<LabAuthority['issue']> =>
  authority.issue({ commonName, names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
const [good, revoked] = await Promise.all([issue('good'), issue('revoked')]);
const list = await authority.crl([revoked.cert]);
const path = (...pems: readonly string[]): readonly Uint8Array[] => pems.flatMap((pem) => certificatesOfPem(pem));

describe('RFC 5280, Section 6.3: lists of revoked certificates', () => {
  it('say which certificates are revoked; of the trusted one nobody is asked', async () => {
    const lists = new RevocationLists(list, systemEnv);
    assert.equal(await lists.isRevoked(path(good.cert, authority.cert)), false);
    assert.equal(await lists.isRevoked(path(revoked.cert, authority.cert)), true);
    assert.equal(await lists.isRevoked(path(revoked.cert, authority.cert)), true, 'the signature is not verified again');
    assert.equal(await lists.isRevoked(path(authority.cert)), false);
  });

  it('of several lists of one authority each counts', async () => {
    const lists = new RevocationLists(`${await authority.crl([], 1)}${await authority.crl([revoked.cert], 2)}`, systemEnv);
    assert.equal(await lists.isRevoked(path(revoked.cert, authority.cert)), true);
  });

  it('where no list of the issuer is of now, nobody knows', async () => {
    const expected = { code: 'ERR_PKI_CRL', message: /expected a list of now of CN=lab/ };
    const years = 3 * 365 * 86_400;
    for (const epoch of [systemEnv.epoch() + years, systemEnv.epoch() - years])
      await assert.rejects(new RevocationLists(list, { epoch: () => epoch }).isRevoked(path(good.cert, authority.cert)), expected);
    const namesake = await LabAuthority.make('lab', systemEnv);
    await assert.rejects(new RevocationLists(await namesake.crl(), systemEnv).isRevoked(path(good.cert, authority.cert)), expected, 'signed by another');
    const other = await LabAuthority.make('other', systemEnv);
    await assert.rejects(new RevocationLists(await other.crl(), systemEnv).isRevoked(path(good.cert, authority.cert)), expected);
  });

  it('6.3.3 (f): a list counts only if keyUsage of its issuer, where it has one, lets it sign lists', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const [from, to] = [new Date(Date.now() - 60_000), new Date(Date.now() + 60_000)];
    const common = { notBefore: from, notAfter: to, signingAlgorithm: algorithm };
    const issued = async (usages: readonly Extension[]): Promise<readonly [string, readonly Uint8Array[]]> => {
      const name = 'CN=issuer';
      const extensions = [new BasicConstraintsExtension(true, 0, true), ...usages];
      const issuer = await X509CertificateGenerator.createSelfSigned({ ...common, name, keys, extensions, serialNumber: '01' }, webcrypto);
      const signed = { ...common, subject: 'CN=end', issuer: name, publicKey: keys.publicKey, signingKey: keys.privateKey, serialNumber: '02' };
      const end = await X509CertificateGenerator.create(signed, webcrypto);
      const crl = await X509CrlGenerator.create(
        { issuer: name, thisUpdate: from, nextUpdate: to, signingAlgorithm: algorithm, signingKey: keys.privateKey, entries: [{ serialNumber: '02' }] },
        webcrypto,
      );
      return [PemConverter.encode(crl.rawData, 'X509 CRL'), [end, issuer].map(({ rawData }) => new Uint8Array(rawData))];
    };
    for (const usages of [[], [new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true)]]) {
      const [pem, chain] = await issued(usages);
      assert.equal(await new RevocationLists(pem, systemEnv).isRevoked(chain), true, `${usages.length} key usages`);
    }
    const [pem, chain] = await issued([new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)]);
    await assert.rejects(new RevocationLists(pem, systemEnv).isRevoked(chain), { code: 'ERR_PKI_CRL', message: /expected a list of now of CN=issuer/ });
  });

  it('a list that was changed is of nobody', async () => {
    const [label, ...rest] = list.split('\n');
    const bytes = Buffer.from(rest.slice(0, -2).join(''), 'base64');
    bytes[bytes.length - 1]! ^= 1;
    const changed = `${label}\n${bytes.toString('base64')}\n${rest.at(-2)}\n`;
    await assert.rejects(new RevocationLists(changed, systemEnv).isRevoked(path(good.cert, authority.cert)), { code: 'ERR_PKI_CRL' });
  });

  it('a list is numbered in as few bytes as its number needs', async () => {
    const numbers = [1, 127, 128, 255, 256, 2 ** 40];
    const lists = await Promise.all(numbers.map((number) => authority.crl([], number)));
    const values = lists.map((pem) => new X509Crl(pem).extensions.find(({ type }) => type === '2.5.29.20')!.value);
    assert.deepEqual(
      values.map((value) => Buffer.from(value).toString('hex')),
      ['020101', '02017f', '02020080', '020200ff', '02020100', '0206010000000000'],
    );
  });

  it('a file of lists that was cut is refused: what was revoked last may be what is missing', async () => {
    const [older, newer] = [await authority.crl([], 1), await authority.crl([revoked.cert], 2)];
    assert.throws(() => new RevocationLists(`${older}${newer.slice(0, -20)}`, systemEnv), { code: 'ERR_PKI_CRL' });
  });

  it('what is no list is refused', () => {
    const other = list.replace(/\nM../, '\nAAA');
    for (const text of ['', 'nothing', good.cert, other, list.slice(0, 200)])
      assert.throws(() => new RevocationLists(text, systemEnv), { code: 'ERR_PKI_CRL', message: /^expected lists of revoked certificates in PEM, got / });
  });
});
