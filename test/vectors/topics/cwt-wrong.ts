import { utf8 } from '../../../src/core/bytes.ts';
import { Algorithm } from '../../../src/core/index.ts';
import type { Notation, Vector } from '../format.ts';
import { map, ref } from '../notation.ts';
import { Recipe } from '../recipe.ts';
import { coseToken, macSteps, protectSteps, signingTokenKey, symmetricTokenKey } from '../token.ts';

const { AES_CCM_16_64_128, ES256, HMAC_256, HMAC_256_64, HMAC_512 } = Algorithm;
const place = { standard: 'RFC 8392', section: '7.2', action: 'open-token' } as const;

/** Tokens that verify, and hold what no token may hold. */
function wrongContents(seed: string): Vector[] {
  const make = (id: string, proves: string, reason: string, claims: Notation, section: string, standard = 'RFC 8392'): Vector => {
    const recipe = new Recipe(seed, { ...place, standard, section, id: `cwt-reject-${id}`, proves });
    const key = symmetricTokenKey(recipe, HMAC_256);
    recipe.step('claims', 'cbor', { value: claims });
    macSteps(recipe, key);
    return recipe.reject(reason, 'ERR_CWT_CLAIMS', 'token');
  };
  const raw = (id: string, proves: string, reason: string, hex: string): Vector => {
    const recipe = new Recipe(seed, { ...place, id: `cwt-reject-${id}`, proves });
    const key = symmetricTokenKey(recipe, HMAC_512);
    recipe.step('claims', 'concat', { parts: [{ hex }] });
    macSteps(recipe, key);
    return recipe.reject(reason, 'ERR_CWT_CLAIMS', 'token');
  };
  const secret = map([1, 4], [2, { hex: '07' }], [-1, { hex: '00112233445566778899aabbccddeeff' }]);
  return [
    make('exp-text', 'a time is a number', 'exp is a text', map([1, 'as'], [4, '1790000000']), '2'),
    make('iss-bytes', 'iss is a text', 'iss is bytes', map([1, { hex: '6173' }]), '3.1.1'),
    make('aud-number', 'aud is a text, or an array of texts', 'aud is an array of a number', map([3, [1]]), '3.1.3'),
    make('claims-array', 'the claims are a map', 'the claims are an array', [1, 'as'], '3'),
    make(
      'secret-in-the-open',
      'a symmetric key travels in encrypted tokens only',
      'cnf holds a symmetric key, and the token is only MACed',
      map([8, map([1, secret])]),
      '3.2',
      'RFC 8747',
    ),
    make(
      'osc-in-the-open',
      'a Master Secret travels in encrypted tokens only',
      'cnf holds an OSCORE_Input_Material, and the token is only MACed',
      map([8, map([4, map([0, { hex: '01' }], [2, { hex: '000102030405060708090a0b0c0d0e0f' }])])]),
      '3.2',
      'RFC 9203',
    ),
    make(
      'two-keys',
      'cnf has one key',
      'cnf holds a COSE_Key and an Encrypted_COSE_Key',
      map([8, map([1, map([1, 4], [2, { hex: '07' }])], [2, [{ hex: '' }, map(), { hex: '00' }]])]),
      '3.1',
      'RFC 8747',
    ),
    make('key-off-curve', 'a key is checked when it is read', 'the COSE_Key is no point of P-256', map([8, map([1, offCurve])]), '7.1.1', 'RFC 9053'),
    make('ckt-short', 'ckt is a whole SHA-256 hash', 'ckt has 4 bytes', map([8, map([5, { hex: '01020304' }])]), '5.6', 'RFC 9679'),
    raw('duplicate-claim', 'a claim stands once', 'exp stands twice', 'a2041a6ab13b80041a7ab13b80'),
    raw('indefinite-claims', 'the encoding is deterministic (a rule of this project)', 'the map has an indefinite length', 'bf01626173ff'),
    raw('infinite-exp', 'a time is finite', 'exp is infinite', 'a104f97c00'),
  ];
}

const offCurve = map([1, 2], [-1, 1], [-2, { hex: '11'.repeat(32) }], [-3, { hex: '22'.repeat(32) }]);

/** Tokens that are built in a way that a recipient must not follow. */
function wrongProtection(seed: string): Vector[] {
  const make = (
    id: string,
    proves: string,
    reason: string,
    error: string,
    build: (recipe: Recipe) => void,
    where: { readonly standard: string; readonly section: string } = place,
  ): Vector => {
    const recipe = new Recipe(seed, { ...place, ...where, id: `cwt-reject-${id}`, proves });
    build(recipe);
    return recipe.reject(reason, error, 'token');
  };
  const claims = (recipe: Recipe): void => {
    recipe.chance('cti', 6);
    recipe.step('claims', 'cbor', { value: map([3, 'rs7'], [7, ref('cti')]) });
  };
  /** The tag of HMAC 256/256 under any value as the key. */
  const tag = (recipe: Recipe, key: string, kid: string): void => {
    recipe.step('protected', 'cbor', { value: map([1, HMAC_256], [4, ref(kid)]) });
    recipe.step('macStructure', 'cbor', { value: ['MAC0', ref('protected'), { hex: '' }, ref('claims')] });
    recipe.step('tag', 'hmac', { hash: 'sha256', key, data: 'macStructure', length: 32 });
  };
  return [
    make('unknown-header', 'every header parameter is understood, or the token refused', 'a protected header of label 99', 'ERR_CWT_FORMAT', (recipe) => {
      const key = symmetricTokenKey(recipe, HMAC_256_64);
      claims(recipe);
      macSteps(recipe, key, [[99, 1]]);
    }),
    make(
      'crit',
      'crit names what must be understood',
      'crit names label 99',
      'ERR_CWT_FORMAT',
      (recipe) => {
        const key = symmetricTokenKey(recipe, HMAC_256_64);
        claims(recipe);
        macSteps(recipe, key, [
          [2, [99]],
          [99, true],
        ]);
      },
      { standard: 'RFC 9052', section: '3.1' },
    ),
    make('detached', 'the claims are in the token', 'the payload is nil', 'ERR_CWT_FORMAT', (recipe) => {
      const key = symmetricTokenKey(recipe, HMAC_256);
      claims(recipe);
      protectSteps(recipe, key, { payload: 'claims' });
      coseToken(recipe, 17, [null, ref('tag')]);
    }),
    make('other-kid', 'a token that names another key is not tried with this one', 'kid is of a key that the recipient has not', 'ERR_CWT_KEY', (recipe) => {
      symmetricTokenKey(recipe, HMAC_256);
      recipe.input('otherKid', utf8('somebody'));
      claims(recipe);
      tag(recipe, 'k', 'otherKid');
      coseToken(recipe, 17, [ref('claims'), ref('tag')]);
    }),
    make(
      'algorithm-confusion',
      'a public key is no MAC key',
      'the token is MACed with the x-coordinate of the public key that the recipient verifies signatures with',
      'ERR_CWT_KEY',
      (recipe) => {
        signingTokenKey(recipe, ES256);
        claims(recipe);
        tag(recipe, 'x', 'kid');
        coseToken(recipe, 17, [ref('claims'), ref('tag')]);
      },
      { standard: 'RFC 9052', section: '7.1' },
    ),
    make(
      'der-signature',
      'an ECDSA signature in COSE is r and s in full length',
      'the signature is the DER that TLS has',
      'ERR_CWT_PROTECTION',
      (recipe) => {
        const key = signingTokenKey(recipe, ES256);
        claims(recipe);
        protectSteps(recipe, key, { payload: 'claims' });
        recipe.step('der', 'ecdsa-der', { signature: 'signature' });
        coseToken(recipe, 18, [ref('claims'), ref('der')]);
      },
      { standard: 'RFC 9053', section: '2.1' },
    ),
    make(
      'zero-signature',
      'r and s are above 0',
      'the signature is all zeros',
      'ERR_CWT_PROTECTION',
      (recipe) => {
        signingTokenKey(recipe, ES256);
        claims(recipe);
        recipe.step('protected', 'cbor', { value: map([1, ES256], [4, ref('kid')]) });
        coseToken(recipe, 18, [ref('claims'), { hex: '00'.repeat(64) }]);
      },
      { standard: 'RFC 9053', section: '2.1' },
    ),
    make(
      'short-iv',
      'an IV has the length of the nonce of the algorithm',
      'the IV has 12 bytes, and the nonce of AES-CCM-16-64-128 has 13',
      'ERR_CWT_PROTECTION',
      (recipe) => {
        symmetricTokenKey(recipe, AES_CCM_16_64_128);
        recipe.chance('nonce', 12);
        recipe.step('protected', 'cbor', { value: map([1, AES_CCM_16_64_128], [4, ref('kid')], [5, ref('nonce')]) });
        recipe.chance('ciphertext', 40);
        coseToken(recipe, 16, [ref('ciphertext')]);
      },
      { standard: 'RFC 9053', section: '4.2' },
    ),
    make('three-deep', 'a token in a token, and no deeper (a bound of this project)', 'a third token is inside the second', 'ERR_CWT_CLAIMS', (recipe) => {
      const key = symmetricTokenKey(recipe, HMAC_256_64);
      claims(recipe);
      recipe.step('innerToken', 'cbor', { value: protectSteps(recipe, key, { payload: 'claims' }) });
      for (const [prefix, payload, token] of [
        ['second', 'innerToken', 'secondToken'],
        ['third', 'secondToken', 'token'],
      ] as const)
        recipe.step(token, 'cbor', { value: protectSteps(recipe, { ...key, prefix }, { payload, secret: 'k', kid: 'kid' }) });
    }),
  ];
}

export const wrongTokens = (seed: string): readonly Vector[] => [...wrongContents(seed), ...wrongProtection(seed)];
