import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { encodeCoseKey, KeyType, macAlgorithms, signatureAlgorithms } from '../core/cose/index.ts';
import { aeadParameters, keyPair } from '../core/crypto/index.ts';
import { tokenAlgorithms } from './config/algorithm-names.ts';
import { ConfigError } from './config/error.ts';
import { writeNewFiles } from './new-files.ts';

/** What the token key that follows is for, and from when on. */
export interface NextKeyOptions {
  /** `length` fresh bytes of cryptographic quality; `env.random`. */
  readonly random: (length: number) => Uint8Array;
  readonly use: 'encrypt0' | 'mac0' | 'sign1';
  /** As the registry "COSE Algorithms" has it. */
  readonly alg: string;
  /** As the key before has it. */
  readonly untagged?: boolean;
  /** Seconds since 1970 from which on the AS protects with it. */
  readonly from: number;
}

/** What stands in `token_keys` of the AS and of the resource server, each in a file. */
export interface NextKey {
  readonly kid: string;
  readonly as: string;
  readonly rs: string;
  /** Take all of it away again. */
  remove(): void;
}

/** Random: nobody has to know which were used before. */
const kidLength = 4;

/**
 * Makes the next token key of a resource server in a folder of its own: the key, and an entry for either side. The folder gets mode 0700, the files 0600.
 *
 * @throws {ConfigError} `ERR_CONFIG_EXISTS` if the folder is there already, `ERR_CONFIG_FILE` if it cannot be written or no key of this algorithm can be made
 */
export function writeNextKey(folder: string, { random, use, alg, untagged, from }: NextKeyOptions): NextKey {
  const keys = freshKey(use, tokenAlgorithms[use][alg], random);
  if (keys === undefined)
    throw new ConfigError('ERR_CONFIG_FILE', folder, [{ path: '', message: `expected an algorithm that a key can be made for here, got ${alg}` }]);
  const kid = toHex(random(kidLength));
  const entry = (file: string): string =>
    `use: ${use}\nalg: ${JSON.stringify(alg)}\nkey_file: ${file}\nkid: "${kid}"\n${untagged === true ? 'untagged: true\n' : ''}`;
  const begins = `from: "${isoTime(from)}"\n`;
  const files = [
    ['token.key', `${toHex(keys.own)}\n`],
    ...(keys.shown === undefined ? [] : [['token.pub', `${toHex(keys.shown)}\n`] as const]),
    ['as-entry.yaml', entry('token.key') + begins],
    ['rs-entry.yaml', entry(keys.shown === undefined ? 'token.key' : 'token.pub')],
  ] as const;
  const { remove } = writeNewFiles(folder, files, { expected: 'a folder that is not there yet', taken: ['.'] });
  return { kid, as: join(folder, 'as-entry.yaml'), rs: join(folder, 'rs-entry.yaml'), remove };
}

/** A key as it stands in its file; of a signature key also the public part. */
function freshKey(
  use: NextKeyOptions['use'],
  algorithm: number | undefined,
  random: NextKeyOptions['random'],
): { readonly own: Uint8Array; readonly shown?: Uint8Array } | undefined {
  if (algorithm === undefined) return undefined;
  if (use !== 'sign1') {
    const length = use === 'encrypt0' ? aeadParameters(algorithm)?.keyLength : macAlgorithms.get(algorithm)?.keyLength;
    return length === undefined ? undefined : { own: random(length) };
  }
  const signature = signatureAlgorithms.get(algorithm);
  const curve = signature?.kty === KeyType.EC2 ? signature.curves[0] : undefined;
  if (curve === undefined) return undefined;
  const { d, ...point } = keyPair(curve, random);
  const shown = { kty: KeyType.EC2, ...point };
  return { own: encodeCoseKey({ ...shown, d }), shown: encodeCoseKey(shown) };
}

/** Whole seconds since 1970 as a configuration has them. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
