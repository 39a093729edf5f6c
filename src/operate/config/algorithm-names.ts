import { algorithmNames, macAlgorithms, signatureAlgorithms } from '../../core/cose/index.ts';
import { aeadParameters } from '../../core/crypto/index.ts';

/** Algorithms by the name that the registry "COSE Algorithms", and so a configuration file, has for them. */
export type AlgorithmsByName = Readonly<Record<string, number>>;

function byName(offered: (algorithm: number) => boolean): AlgorithmsByName {
  return Object.fromEntries([...algorithmNames].filter(([algorithm]) => offered(algorithm)).map(([algorithm, name]) => [name, algorithm]));
}

/** For OSCORE, and for tokens as COSE_Encrypt0. */
export const aeadAlgorithms: AlgorithmsByName = byName((algorithm) => aeadParameters(algorithm) !== undefined);

/** RFC 8613, Section 3.2: HKDF by the number of its HMAC. */
export const hkdfAlgorithms: AlgorithmsByName = { 'HKDF SHA-256': 5, 'HKDF SHA-512': 7 };

/** For tokens, by how they are protected. */
export const tokenAlgorithms: Readonly<Record<'encrypt0' | 'mac0' | 'sign1', AlgorithmsByName>> = {
  encrypt0: aeadAlgorithms,
  mac0: byName((algorithm) => macAlgorithms.has(algorithm)),
  sign1: byName((algorithm) => signatureAlgorithms.has(algorithm)),
};
