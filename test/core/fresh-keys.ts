import { generateKeyPairSync } from 'node:crypto';
import { fromBase64Url } from '../../src/core/bytes.ts';
import { type CoseKey, Curve } from '../../src/core/cose/index.ts';

const ec: Readonly<Record<number, string>> = {
  [Curve.P256]: 'prime256v1',
  [Curve.P384]: 'secp384r1',
  [Curve.P521]: 'secp521r1',
  [Curve.secp256k1]: 'secp256k1',
};
const okp: Readonly<Record<number, string>> = { [Curve.Ed25519]: 'ed25519', [Curve.Ed448]: 'ed448', [Curve.X25519]: 'x25519', [Curve.X448]: 'x448' };

/** A new key pair on a curve, made by OpenSSL and not by what is under test. */
export function freshKey(crv: number): CoseKey {
  const namedCurve = ec[crv];
  const { privateKey } = namedCurve === undefined ? generateKeyPairSync(okp[crv] as 'ed25519') : generateKeyPairSync('ec', { namedCurve });
  const { x, y, d } = privateKey.export({ format: 'jwk' });
  return { kty: y === undefined ? 1 : 2, crv, x: fromBase64Url(x!), ...(y === undefined ? {} : { y: fromBase64Url(y) }), d: fromBase64Url(d!) };
}

/** The key as others may have it. */
export const publicPart = ({ d: _, ...rest }: CoseKey): CoseKey => rest;
