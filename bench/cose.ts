import { createCipheriv, createDecipheriv, createSecretKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { type CborValue, decode, encode, type Tagged } from '../src/core/cbor.ts';
import { Algorithm, type CoseKey, decrypt0, encrypt0, encStructure, readEncrypt0, readSign1, sign1, verifySign1 } from '../src/core/cose/index.ts';
import { sigStructure } from '../src/core/cose/sign1.ts';
import type { Way } from './in-process.ts';

/** Ours first, from bytes to bytes; then node:crypto with the same keys over the same input, without any structure around it. */
type Pair = readonly [Way, Way];

const payload = new Uint8Array(100).fill(0x5a);
const none = new Uint8Array(0);

function pair(ours: () => unknown, bare: () => unknown): Pair {
  return [
    { name: 'ours', run: ours },
    { name: 'node:crypto', run: bare },
  ];
}

function parts(object: Tagged): readonly Uint8Array[] {
  return (object.value as readonly CborValue[]).filter((part) => part instanceof Uint8Array);
}

/** ES256: P-256 and SHA-256. */
export function signWays(): { readonly sign: Pair; readonly verify: Pair } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' });
  const part = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text!, 'base64url'));
  const key: CoseKey = { kty: 2, crv: 1, x: part(jwk.x), y: part(jwk.y), d: part(jwk.d) };
  const object = sign1({ key, algorithm: Algorithm.ES256, payload });
  const bytes = encode(object);
  const [protectedBytes, , signature] = parts(object);
  const input = sigStructure(protectedBytes!, none, payload);
  const bareVerify = (): boolean => verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature!);
  // Both sides sign and verify the same, or the row would mean nothing.
  if (!bareVerify()) throw new Error('expected a signature that node:crypto verifies');
  return {
    sign: pair(
      () => encode(sign1({ key, algorithm: Algorithm.ES256, payload })),
      () => sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    ),
    verify: pair(() => verifySign1(readSign1(decode(bytes)), { key }), bareVerify),
  };
}

/** AES-CCM-16-64-128, the algorithm of OSCORE, over 100 bytes. */
export function encryptWays(): { readonly encrypt: Pair; readonly decrypt: Pair } {
  const key: CoseKey = { kty: 4, k: new Uint8Array(16).fill(0x33) };
  const nonce = new Uint8Array(13).fill(7);
  const options = { key, algorithm: Algorithm.AES_CCM_16_64_128, plaintext: payload, nonce };
  const object = encrypt0(options);
  const bytes = encode(object);
  const [protectedBytes, sealed] = parts(object);
  const aad = encStructure(protectedBytes!, none);
  const secret = createSecretKey(key.k!);
  const ciphertext = sealed!.subarray(0, payload.length);
  const tag = sealed!.subarray(payload.length);
  const bareEncrypt = (): Uint8Array => {
    const cipher = createCipheriv('aes-128-ccm', secret, nonce, { authTagLength: 8 });
    cipher.setAAD(aad, { plaintextLength: payload.length });
    const encrypted = cipher.update(payload);
    cipher.final();
    return Buffer.concat([encrypted, cipher.getAuthTag()]);
  };
  const bareDecrypt = (): Uint8Array => {
    const decipher = createDecipheriv('aes-128-ccm', secret, nonce, { authTagLength: 8 });
    decipher.setAuthTag(tag);
    decipher.setAAD(aad, { plaintextLength: payload.length });
    const plaintext = decipher.update(ciphertext);
    decipher.final();
    return plaintext;
  };
  if (Buffer.compare(bareEncrypt(), sealed!) !== 0) throw new Error('expected the ciphertext of node:crypto');
  return { encrypt: pair(() => encode(encrypt0(options)), bareEncrypt), decrypt: pair(() => decrypt0(readEncrypt0(decode(bytes)), { key }), bareDecrypt) };
}
