import { utf8 } from '../../../src/core/bytes.ts';
import { Algorithm, algorithmNames, type ClaimsSet } from '../../../src/core/index.ts';
import type { Vector } from '../format.ts';
import { Recipe } from '../recipe.ts';
import { type NamedTokenKey, signingTokenKey, symmetricTokenKey, tokenSteps } from '../token.ts';
import type { Topic } from '../topic.ts';
import { wrongTokens } from './cwt-wrong.ts';

const { A128GCM, A192GCM, A256GCM, AES_CCM_16_64_128, ChaCha20_Poly1305, EdDSA, ES256, HMAC_256, HMAC_256_64, HMAC_384, HMAC_512 } = Algorithm;
const ccm = [10, 11, 12, 13, 30, 31, 32, 33];

const slug = (algorithm: number): string =>
  algorithmNames
    .get(algorithm)!
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');

const place = { standard: 'RFC 8392', section: '7.1', action: 'open-token' } as const;

/** Claims that no two tokens share. */
function someClaims(recipe: Recipe, number: number): ClaimsSet {
  const issued = 1_790_000_000 + 86_400 * number;
  return {
    iss: `coaps://as${number}.example`,
    aud: `rs${number}.example`,
    exp: issued + 3600,
    iat: issued,
    cti: recipe.random(4 + (number % 5)),
    scope: ['r_temp', 'r_led w_led', 'valve:open', 'r_log'][number % 4]!,
    cnf: { kid: recipe.random(1 + (number % 8)) },
  };
}

function each(seed: string): Vector[] {
  const vectors: Vector[] = [];
  const add = (algorithm: number, kind: string, key: (recipe: Recipe) => NamedTokenKey): void => {
    const recipe = new Recipe(seed, {
      ...place,
      id: `cwt-${kind.slice(5).toLowerCase()}-${slug(algorithm)}`,
      proves: `a token in ${kind} is opened with ${algorithmNames.get(algorithm)}`,
    });
    tokenSteps(recipe, someClaims(recipe, vectors.length), key(recipe));
    vectors.push(recipe.accept('token'));
  };
  for (const algorithm of [ES256, EdDSA] as const) add(algorithm, 'COSE_Sign1', (recipe) => signingTokenKey(recipe, algorithm));
  for (const algorithm of [HMAC_256_64, HMAC_256, HMAC_384, HMAC_512]) add(algorithm, 'COSE_Mac0', (recipe) => symmetricTokenKey(recipe, algorithm));
  for (const algorithm of [A128GCM, A192GCM, A256GCM, ...ccm, ChaCha20_Poly1305])
    add(algorithm, 'COSE_Encrypt0', (recipe) => symmetricTokenKey(recipe, algorithm));
  return vectors;
}

function nested(seed: string): Vector[] {
  const pairs = [
    [ES256, AES_CCM_16_64_128],
    [EdDSA, ChaCha20_Poly1305],
  ] as const;
  return pairs.map(([signing, encrypting], number) => {
    const recipe = new Recipe(seed, {
      ...place,
      id: `cwt-nested-${slug(signing)}-${slug(encrypting)}`,
      proves: `a token that is signed with ${algorithmNames.get(signing)} and then encrypted with ${algorithmNames.get(encrypting)} is opened, and may hold a secret key`,
    });
    const keys = [signingTokenKey(recipe, signing), symmetricTokenKey(recipe, encrypting, 'outer')] as const;
    const k = recipe.chance('popKey', 16);
    tokenSteps(recipe, { ...someClaims(recipe, 30 + number), cnf: { coseKey: { kty: 4, kid: recipe.random(2), k } } }, keys);
    return recipe.accept('token');
  });
}

/** Each way to confirm a key, and claims of every kind. */
function contents(seed: string): Vector[] {
  const make = (id: string, section: string, proves: string, alg: number, claims: (recipe: Recipe) => ClaimsSet, standard = 'RFC 8747'): Vector => {
    const recipe = new Recipe(seed, { ...place, standard, section, id: `cwt-${id}`, proves });
    const key = symmetricTokenKey(recipe, alg);
    tokenSteps(recipe, claims(recipe), key);
    return recipe.accept('token');
  };
  const osc = (recipe: Recipe): ClaimsSet => ({
    aud: 'lamp',
    scope: 'r_led',
    aceProfile: 2,
    cnf: {
      osc: new Map<number, Uint8Array>([
        [0, recipe.chance('inputMaterialId', 1)],
        [2, recipe.chance('masterSecret', 16)],
        [5, new Uint8Array(0)],
      ]),
    },
  });
  return [
    make('cnf-cose-key', '3.2', 'a symmetric proof-of-possession key is read from an encrypted token', A128GCM, (recipe) => ({
      aud: 'valve',
      exp: 1_800_000_000,
      cnf: { coseKey: { kty: 4, kid: recipe.random(3), k: recipe.chance('popKey', 16) } },
    })),
    make('cnf-osc', '3.2', 'an OSCORE_Input_Material with an empty salt is read from an encrypted token', AES_CCM_16_64_128, osc, 'RFC 9203'),
    make(
      'cnf-ckt',
      '5.6',
      'a key is confirmed by its SHA-256 thumbprint',
      HMAC_256,
      (recipe) => ({ sub: 'meter-17', cnf: { ckt: recipe.chance('thumbprint', 32) } }),
      'RFC 9679',
    ),
    make(
      'audiences',
      '3.1.3',
      'aud may be an array of texts',
      HMAC_256_64,
      () => ({ iss: 'coap://as.example', aud: ['rs1', 'rs2'], nbf: 1_790_000_000, exp: 1_790_000_060 }),
      'RFC 8392',
    ),
    make(
      'exi-cnonce',
      '5.10.3',
      'exi and cnonce are read, for an RS without a clock',
      AES_CCM_16_64_128,
      (recipe) => ({ aud: 'clockless', cti: Uint8Array.of(0x65, 0, 0, 1), exi: 600, cnonce: recipe.chance('cnonce', 8), aceProfile: 1 }),
      'RFC 9200',
    ),
    make(
      'scope-bytes',
      '5',
      'a scope of bytes is read as it stands: here AIF, which says paths and methods',
      AES_CCM_16_64_128,
      (recipe) => ({ aud: 'rs-aif', scope: recipe.cbor('aif', Uint8Array.of(0x82, 0x82, 0x64, ...utf8('/led'), 5, 0x82, 0x65, ...utf8('/temp'), 1)) }),
      'RFC 9237',
    ),
  ];
}

/** A right token, changed on the way. */
function altered(seed: string): Vector[] {
  interface Change {
    readonly id: string;
    readonly proves: string;
    readonly reason: string;
    readonly error: string;
    readonly key: (recipe: Recipe) => NamedTokenKey;
    readonly change: (token: Uint8Array) => { readonly at: number; readonly remove: number; readonly insert: string };
    readonly section?: string;
  }
  const mac = (recipe: Recipe): NamedTokenKey => symmetricTokenKey(recipe, HMAC_256_64);
  const last = (token: Uint8Array) => ({ at: token.length - 1, remove: 1, insert: (token.at(-1)! ^ 1).toString(16).padStart(2, '0') });
  const forged = { proves: 'a token is taken only when it verifies', error: 'ERR_CWT_PROTECTION', section: '7.2' } as const;
  const broken = { proves: 'what is no whole CWT is refused', error: 'ERR_CWT_FORMAT', key: mac } as const;
  const changes: readonly Change[] = [
    { ...forged, id: 'mac-tag-altered', reason: 'the last bit of the tag is another', key: mac, change: last },
    { ...forged, id: 'signature-altered', reason: 'the last bit of s is another', key: (recipe) => signingTokenKey(recipe, ES256), change: last },
    { ...forged, id: 'eddsa-altered', reason: 'a bit of S is another', key: (recipe) => signingTokenKey(recipe, EdDSA), change: last },
    ...[A128GCM, AES_CCM_16_64_128, ChaCha20_Poly1305].map((algorithm) => ({
      ...forged,
      id: `ciphertext-altered-${slug(algorithm)}`,
      reason: 'the last bit of the tag is another',
      key: (recipe: Recipe) => symmetricTokenKey(recipe, algorithm),
      change: last,
    })),
    {
      ...forged,
      id: 'claims-altered',
      proves: 'the MAC covers the claims',
      reason: 'the audience is another',
      key: mac,
      change: (token) => ({ at: indexOf(token, utf8('rs40')) + 2, remove: 1, insert: '39' }),
    },
    { ...broken, id: 'truncated', reason: 'the last byte is missing', change: (token) => ({ at: token.length - 1, remove: 1, insert: '' }) },
    { ...broken, id: 'trailing', reason: 'a byte stands behind the item', change: (token) => ({ at: token.length, remove: 0, insert: '00' }) },
    { ...broken, id: 'no-cose-tag', reason: 'the COSE tag is missing, so that nothing says what this is', change: () => ({ at: 2, remove: 1, insert: '' }) },
    {
      ...broken,
      id: 'other-cose-tag',
      reason: 'the COSE tag is that of COSE_Encrypt0, the object a COSE_Mac0',
      change: () => ({ at: 2, remove: 1, insert: 'd0' }),
    },
    {
      ...broken,
      id: 'kid-unprotected-twice',
      proves: 'no header parameter stands in both maps (RFC 9052, Section 3)',
      reason: 'kid is in the unprotected headers too',
      change: (token) => ({ at: indexOf(token, Uint8Array.of(0xa0, 0x58)), remove: 1, insert: 'a1044101' }),
    },
    {
      ...broken,
      id: 'long-form-tag',
      reason: 'tag 61 stands in a longer form than it needs, which a deterministic decoder does not take',
      proves: 'a token has one form only, so that its hash is its own (RFC 9770, Section 11.1)',
      change: () => ({ at: 0, remove: 2, insert: 'd9003d' }),
    },
  ];
  return changes.map(({ id, proves, reason, error, key, change, section }) => {
    const recipe = new Recipe(seed, { ...place, section: section ?? '7.2', id: `cwt-reject-${id}`, proves });
    const made = key(recipe);
    const { at, remove, insert } = change(tokenSteps(recipe, { ...someClaims(recipe, 40), cti: recipe.chance('cti', 8) }, made));
    recipe.step('alteredToken', 'edit', { data: 'token', at, remove, insert: { hex: insert } });
    return recipe.reject(reason, error, 'alteredToken');
  });
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  throw new Error('expected the bytes in the token, they are not');
}

export const cwt: Topic = {
  name: 'cwt',
  title: 'CBOR Web Tokens in each kind of COSE object, and tokens to refuse',
  vectors: (seed) => [...each(seed), ...nested(seed), ...contents(seed), ...altered(seed), ...wrongTokens(seed)],
};
