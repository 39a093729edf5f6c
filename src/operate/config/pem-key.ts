import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { fromBase64Url } from '../../core/bytes.ts';
import { type CoseKey, Curve, hidePrivateParts, KeyType } from '../../core/cose/index.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { checkMode, readNamedFile } from './key-file.ts';
import type { RawTokenKey } from './schema.ts';

const nothing: CoseKey = { kty: KeyType.EC2 };

/** COSE Elliptic Curves, by their names in a JWK. */
const curves: Readonly<Record<string, { readonly kty: number; readonly crv: number }>> = {
  'P-256': { kty: KeyType.EC2, crv: Curve.P256 },
  'P-384': { kty: KeyType.EC2, crv: Curve.P384 },
  'P-521': { kty: KeyType.EC2, crv: Curve.P521 },
  Ed25519: { kty: KeyType.OKP, crv: Curve.Ed25519 },
};

/** A signature key in PEM: PKCS#8 with its private part, SubjectPublicKeyInfo without; what is wrong is noted in `file`, and nothing of the key is said. */
export function readPemKey(file: ConfigFile, path: ConfigPath, raw: RawTokenKey): CoseKey {
  const place = [...path, 'key_pem_file'];
  if (raw.key !== undefined || raw.key_file !== undefined || raw.key_env !== undefined) {
    file.problem(path, 'expected one of key_pem_file, key_file, key and key_env, got several');
    return nothing;
  }
  const read = readNamedFile(file, place, raw.key_pem_file!, { what: 'a key file', largest: 16_384 });
  if (read === undefined) return nothing;
  const isPrivate = read.text.includes('PRIVATE KEY-----');
  if (isPrivate) checkMode(file, place, read.full, 'a key file');
  const key = coseKeyOf(read.text, isPrivate);
  if (key === undefined) file.problem(place, `expected a key in PEM (PKCS#8 or SPKI) on ${Object.keys(curves).join(', ')}, got another file`);
  return key ?? nothing;
}

function coseKeyOf(pem: string, isPrivate: boolean): CoseKey | undefined {
  let object: KeyObject;
  try {
    object = isPrivate ? createPrivateKey(pem) : createPublicKey(pem);
    if (!['ec', 'ed25519'].includes(object.asymmetricKeyType ?? '')) return undefined;
  } catch {
    // What OpenSSL says of a file that it does not take may quote it.
    return undefined;
  }
  const { crv = '', x, y, d } = object.export({ format: 'jwk' });
  const curve = curves[crv];
  if (curve === undefined || x === undefined) return undefined;
  return hidePrivateParts({
    ...curve,
    x: fromBase64Url(x),
    ...(y === undefined ? {} : { y: fromBase64Url(y) }),
    ...(d === undefined ? {} : { d: fromBase64Url(d) }),
  });
}
