import { inputMaterialParameters } from '../../profiles/oscore/index.ts';
import { AceErrorCode, AceProfile, GrantType, hintParameters, introspectionParameters, TokenType, tokenParameters } from '../ace/index.ts';
import { algorithmNames, CoseTag, Curve, HeaderLabel, KeyLabel, KeyOperation, KeyType } from '../core/cose/index.ts';
import { confirmationMethods, cwtClaims } from '../core/cwt.ts';
import type { ItemNames } from '../core/diagnostic.ts';
import type { MapSpec } from '../core/known-map.ts';

type Named = { readonly name: string } & ItemNames;

/** Names of an enumeration's values: `{ GET: 1 }` gives 1 its name. */
function valuesOf(enumeration: Readonly<Record<string, number>>): ItemNames {
  return { values: new Map(Object.entries(enumeration).map(([name, value]) => [value, name])) };
}

/** A registry table as names for diagnostic notation; `more` says what a parameter's value is. */
function entriesOf(spec: MapSpec, more: Readonly<Record<string, ItemNames>> = {}): ItemNames {
  return { entries: new Map(Object.entries(spec).map(([field, { label, name }]): [number, Named] => [label, { name: name ?? field, ...more[field] }])) };
}

function labelled(labels: Readonly<Record<string, number>>, more: Readonly<Record<string, ItemNames>> = {}): ItemNames {
  return { entries: new Map(Object.entries(labels).map(([name, label]): [number, Named] => [label, { name, ...more[name] }])) };
}

const algorithm: ItemNames = { values: algorithmNames };
const keyOperations = valuesOf(KeyOperation);

/** A COSE_Key; what -1 to -4 mean hangs on the key type, and the private ones are secret whatever it is. */
export const coseKeyNames: ItemNames = {
  entries: new Map<number, Named>([
    [KeyLabel.kty, { name: 'kty', ...valuesOf(KeyType) }],
    [KeyLabel.kid, { name: 'kid' }],
    [KeyLabel.alg, { name: 'alg', ...algorithm }],
    [KeyLabel.keyOps, { name: 'key_ops', elements: Array.from({ length: 10 }, () => keyOperations) }],
    [KeyLabel.baseIv, { name: 'Base IV' }],
    // A byte string at -1 is the symmetric key, an integer is the curve.
    [KeyLabel.crv, { name: 'crv or k', secret: true, ...valuesOf(Curve) }],
    [KeyLabel.x, { name: 'x' }],
    [KeyLabel.y, { name: 'y' }],
    [KeyLabel.d, { name: 'd', secret: true }],
  ]),
};

const inputMaterial = entriesOf(inputMaterialParameters, { ms: { secret: true }, alg: algorithm, hkdf: algorithm });
const confirmation = entriesOf(confirmationMethods, { coseKey: coseKeyNames, osc: inputMaterial });
const aceProfile = valuesOf(AceProfile);
/** A scope of bytes is an AIF as a rule (RFC 9237). */
const scope: ItemNames = { embedded: {} };

export const claimNames: ItemNames = entriesOf(cwtClaims, { cnf: confirmation, scope, aceProfile });

const headers: ItemNames = labelled(HeaderLabel, { alg: algorithm });
const threePart = (name: string, last: string): Named => ({
  name,
  elements: [{ name: 'protected', embedded: headers }, { name: 'unprotected', ...headers }, { name: last }],
});
const fourPart = (name: string, last: string): Named => ({
  name,
  elements: [{ name: 'protected', embedded: headers }, { name: 'unprotected', ...headers }, { name: 'payload', embedded: claimNames }, { name: last }],
});

/** The parts of a COSE object without its tag, which could be any of three. */
export const untaggedCose: readonly Named[] = [
  { name: 'protected', embedded: headers },
  { name: 'unprotected', ...headers },
  { name: 'payload or ciphertext', embedded: claimNames },
  { name: 'signature or tag' },
];

/** Any item: the tags that COSE and CWT define. */
export const itemNames: ItemNames = {
  tags: new Map<number, Named>([
    [CoseTag.Encrypt0, threePart('COSE_Encrypt0', 'ciphertext')],
    [CoseTag.Mac0, fourPart('COSE_Mac0', 'tag')],
    [CoseTag.Sign1, fourPart('COSE_Sign1', 'signature')],
    [
      61,
      {
        name: 'CWT',
        tags: new Map<number, Named>([
          [CoseTag.Encrypt0, threePart('COSE_Encrypt0', 'ciphertext')],
          [CoseTag.Mac0, fourPart('COSE_Mac0', 'tag')],
          [CoseTag.Sign1, fourPart('COSE_Sign1', 'signature')],
        ]),
      },
    ],
  ]),
};

/** Parameters between client, AS and RS: token request and response, upload to authz-info, error. */
export const tokenNames: ItemNames = entriesOf(tokenParameters, {
  accessToken: { embedded: itemNames },
  reqCnf: confirmation,
  cnf: confirmation,
  rsCnf: confirmation,
  scope,
  aceProfile,
  clientSecret: { secret: true },
  password: { secret: true },
  refreshToken: { secret: true },
  error: valuesOf(AceErrorCode),
  grantType: valuesOf(GrantType),
  tokenType: valuesOf(TokenType),
});

export const introspectionNames: ItemNames = entriesOf(introspectionParameters, {
  cnf: confirmation,
  scope,
  aceProfile,
  token: { embedded: itemNames },
  tokenType: valuesOf(TokenType),
  tokenTypeHint: valuesOf(TokenType),
  error: valuesOf(AceErrorCode),
});

export const hintNames: ItemNames = entriesOf(hintParameters, { scope });

/** What comes with a 4.xx: hints of an RS, or the error of an AS. No number is in both. */
export const refusalNames: ItemNames = {
  entries: new Map([
    ...hintNames.entries!,
    ...[...tokenNames.entries!].filter(([label]) =>
      [tokenParameters.error, tokenParameters.errorDescription, tokenParameters.errorUri].some((p) => p.label === label),
    ),
  ]),
};
