import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  type GeneralNameType,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';
import { concat, fromHex, toBase64Url, toHex } from '../core/bytes.ts';
import { keyPair } from '../core/crypto/index.ts';
import { DerTag } from '../core/der.ts';
import type { Env } from '../core/env.ts';

/** A certificate and its private key, in PEM. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate of an end entity says. */
export interface CertificateInit {
  readonly commonName: string;
  readonly names: readonly { readonly type: GeneralNameType; readonly value: string }[];
  readonly usage: readonly ('server' | 'client')[];
  /** Seconds since 1970; an hour ago when absent. */
  readonly notBefore?: number;
  /** Seconds since 1970; in a year when absent. */
  readonly notAfter?: number;
  /** Where the list of revoked certificates is. */
  readonly crl?: string;
  /** In place of the usual ones, for those who want to see a certificate refused. */
  readonly extensions?: (usual: readonly Extension[]) => readonly Extension[];
}

/** What of the world an authority takes: random bytes and the time. */
export type Chance = Pick<Env, 'random' | 'epoch'>;

const hour = 3600;
const year = 365 * 24 * hour;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const secp256r1 = 1;

/**
 * A certification authority for a lab on one machine: its certificates follow TS 33.310, Section 6.1, and its key is in memory and in PEM. It is none for
 * production.
 */
export class LabAuthority {
  readonly cert: string;
  readonly key: string;
  readonly #name: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #chance: Chance;

  private constructor(name: string, keys: webcrypto.CryptoKeyPair, issued: IssuedCertificate, chance: Chance) {
    this.#name = name;
    this.#keys = keys;
    this.#chance = chance;
    this.cert = issued.cert;
    this.key = issued.key;
  }

  /** A new authority with a key of its own. */
  static async make(commonName: string, chance: Chance): Promise<LabAuthority> {
    const keys = await newKeys(chance);
    const name = `CN=${commonName}`;
    const extensions = [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
    ];
    const issued = await sign({
      name,
      issuer: name,
      keys,
      signer: keys.privateKey,
      extensions,
      from: chance.epoch() - hour,
      to: chance.epoch() + year,
      chance,
    });
    return new LabAuthority(name, keys, issued, chance);
  }

  /** A certificate of an end entity, signed by this authority. */
  async issue({ commonName, names, usage, notBefore, notAfter, crl, extensions: change }: CertificateInit): Promise<IssuedCertificate> {
    const keys = await newKeys(this.#chance);
    const purposes = usage.map((one) => (one === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth));
    const usual: readonly Extension[] = [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(purposes),
      new SubjectAlternativeNameExtension([...names]),
      await AuthorityKeyIdentifierExtension.create(this.#keys.publicKey, false, webcrypto),
      ...(crl === undefined ? [] : [new CRLDistributionPointsExtension([crl])]),
    ];
    return sign({
      name: `CN=${commonName}`,
      issuer: this.#name,
      keys,
      signer: this.#keys.privateKey,
      extensions: change?.(usual) ?? usual,
      from: notBefore ?? this.#chance.epoch() - hour,
      to: notAfter ?? this.#chance.epoch() + year,
      chance: this.#chance,
    });
  }

  /**
   * The list of those of its certificates that are revoked, in PEM, good for as long as they are (RFC 5280, Section 5).
   *
   * @param revoked - certificates in PEM
   * @param number - a whole number, one more than that of the list before
   */
  async crl(revoked: readonly string[] = [], number = 1): Promise<string> {
    const now = new Date(this.#chance.epoch() * 1000);
    const crl = await X509CrlGenerator.create(
      {
        issuer: this.#name,
        thisUpdate: new Date(now.getTime() - hour * 1000),
        nextUpdate: new Date(now.getTime() + year * 1000),
        entries: revoked.map((pem) => ({ serialNumber: new X509Certificate(pem).serialNumber, revocationDate: now })),
        extensions: [
          await AuthorityKeyIdentifierExtension.create(this.#keys.publicKey, false, webcrypto),
          new Extension(crlNumberOid, false, encodeInteger(number)),
        ],
        signingAlgorithm: algorithm,
        signingKey: this.#keys.privateKey,
      },
      webcrypto,
    );
    return `${PemConverter.encode(crl.rawData, 'X509 CRL')}\n`;
  }
}

/** RFC 5280, Section 5.2.3. */
const crlNumberOid = '2.5.29.20';

/** An INTEGER of DER, from 0 on, in as few bytes as it needs. */
function encodeInteger(number: number): Uint8Array {
  const digits = number.toString(16);
  const bytes = fromHex(digits.padStart(digits.length + (digits.length % 2), '0'));
  const content = bytes[0]! < 0x80 ? bytes : concat(Uint8Array.of(0), bytes);
  return concat(Uint8Array.of(DerTag.INTEGER, content.length), content);
}

interface ToSign {
  readonly name: string;
  readonly issuer: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly signer: webcrypto.CryptoKey;
  readonly extensions: readonly Extension[];
  /** Seconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly chance: Chance;
}

async function sign({ name, issuer, keys, signer, extensions, from, to, chance }: ToSign): Promise<IssuedCertificate> {
  const serial = chance.random(16);
  // RFC 5280, Section 4.1.2.2: positive, and of as few bytes as it needs.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: toHex(serial),
      subject: name,
      issuer,
      notBefore: new Date(from * 1000),
      notAfter: new Date(to * 1000),
      publicKey: keys.publicKey,
      signingKey: signer,
      signingAlgorithm: algorithm,
      extensions: [...extensions],
    },
    webcrypto,
  );
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: `${certificate.toString('pem')}\n`, key: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` };
}

async function newKeys({ random }: Chance): Promise<webcrypto.CryptoKeyPair> {
  const { x, y, d } = keyPair(secp256r1, random);
  const publicJwk = { kty: 'EC', crv: 'P-256', x: toBase64Url(x), y: toBase64Url(y!) };
  const [privateKey, publicKey] = await Promise.all([
    webcrypto.subtle.importKey('jwk', { ...publicJwk, d: toBase64Url(d) }, algorithm, true, ['sign']),
    webcrypto.subtle.importKey('jwk', publicJwk, algorithm, true, ['verify']),
  ]);
  return { privateKey, publicKey };
}
