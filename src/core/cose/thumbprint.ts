import { fromBase64Url, toBase64Url } from '../bytes.ts';
import { type CborKey, type CborValue, encode } from '../cbor.ts';
import { affineY, CryptoError, digest, type HashName } from '../crypto/index.ts';
import { CoseError } from './errors.ts';
import type { CoseKey } from './key.ts';
import { KeyLabel, KeyType } from './labels.ts';

function ordinate(key: CoseKey): Uint8Array | undefined {
  if (typeof key.y !== 'boolean') return key.y;
  try {
    return affineY(key);
  } catch (cause) {
    if (cause instanceof CryptoError) throw new CoseError('ERR_COSE_KEY', cause.message, { cause });
    throw cause;
  }
}

/** What identifies a key of its type, and nothing else. */
function required(key: CoseKey): readonly (readonly [number, CborValue])[] {
  switch (key.kty) {
    case KeyType.OKP:
      return [
        [KeyLabel.crv, key.crv],
        [KeyLabel.x, key.x],
      ];
    case KeyType.EC2:
      return [
        [KeyLabel.crv, key.crv],
        [KeyLabel.x, key.x],
        [KeyLabel.y, ordinate(key)],
      ];
    case KeyType.Symmetric:
      return [[KeyLabel.k, key.k]];
    default:
      throw new CoseError('ERR_COSE_KEY', `COSE_Key: kty: expected one of 1 (OKP), 2 (EC2), 4 (Symmetric), got ${key.kty}`);
  }
}

/**
 * The thumbprint of a key: the same for a private key as for its public part, with any `kid`, `alg` or `key_ops`, compressed or not.
 *
 * That of a symmetric key tells whoever sees it a hash of the secret: only for keys of high entropy (RFC 9679 Section 4.4).
 *
 * @throws {CoseError} `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9679#section-3
 */
export function thumbprint(key: CoseKey, hash: HashName = 'sha256'): Uint8Array {
  const entries: readonly (readonly [number, CborValue])[] = [[KeyLabel.kty, key.kty], ...required(key)];
  if (entries.some(([, value]) => value === undefined)) throw new CoseError('ERR_COSE_KEY', 'COSE_Key: expected the required members of its type, got not all');
  return digest(hash, encode(new Map<CborKey, CborValue>(entries)));
}

const prefix = 'urn:ietf:params:oauth:ckt:';
/** Names in the Named Information Hash Algorithm registry, and the bytes of the hash. */
const hashes: readonly { readonly name: string; readonly hash: HashName; readonly length: number }[] = [
  { name: 'sha-256', hash: 'sha256', length: 32 },
  { name: 'sha-384', hash: 'sha384', length: 48 },
  { name: 'sha-512', hash: 'sha512', length: 64 },
];

/**
 * `urn:ietf:params:oauth:ckt:sha-256:` and the thumbprint.
 *
 * @throws {CoseError} `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9679#section-5.7
 */
export function thumbprintUri(key: CoseKey, hash: HashName = 'sha256'): string {
  return `${prefix}${hashes.find((entry) => entry.hash === hash)!.name}:${toBase64Url(thumbprint(key, hash))}`;
}

/**
 * The hash and the thumbprint that a URI names.
 *
 * @throws {CoseError} `ERR_COSE_KEY`
 */
export function parseThumbprintUri(uri: string): { readonly hash: HashName; readonly thumbprint: Uint8Array } {
  const [name, encoded, ...more] = uri.startsWith(prefix) ? uri.slice(prefix.length).split(':') : [];
  const found = hashes.find((entry) => entry.name === name);
  if (found === undefined || encoded === undefined || more.length > 0)
    throw new CoseError('ERR_COSE_KEY', `expected ${prefix} with sha-256, sha-384 or sha-512 and a thumbprint, got another URI`);
  let bytes: Uint8Array | undefined;
  try {
    bytes = fromBase64Url(encoded);
  } catch {
    bytes = undefined;
  }
  if (bytes?.length !== found.length || toBase64Url(bytes) !== encoded)
    throw new CoseError('ERR_COSE_KEY', `expected ${found.length} bytes in base64url in the thumbprint URI, got others`);
  return { hash: found.hash, thumbprint: bytes };
}
