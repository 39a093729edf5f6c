import { inputMaterialParameters } from '../../profiles/oscore/index.ts';
import { AceErrorCode, AceProfile, GrantType, hintParameters, introspectionParameters, TokenType, tokenParameters } from '../ace/index.ts';
import { confirmationMethods, cwtClaims } from '../core/cwt.ts';
import type { ItemNames } from '../core/diagnostic.ts';
import type { MapSpec } from '../core/known-map.ts';
import { algorithm, coseKeyNames, coseTags, type Named, untaggedCose, valuesOf } from './cose-names.ts';

/** A registry table as names for diagnostic notation; `more` says what a parameter's value is. */
function entriesOf(spec: MapSpec, more: Readonly<Record<string, ItemNames>> = {}): ItemNames {
  return { entries: new Map(Object.entries(spec).map(([field, { label, name }]): [number, Named] => [label, { name: name ?? field, ...more[field] }])) };
}

const inputMaterial = entriesOf(inputMaterialParameters, { ms: { secret: true }, alg: algorithm, hkdf: algorithm });
// An Encrypted_COSE_Key (RFC 8747 Section 3.3) holds what nobody reads here.
const encryptedKey: ItemNames = { tags: coseTags({}), elements: untaggedCose({}) };
const confirmation = entriesOf(confirmationMethods, { coseKey: coseKeyNames, encryptedCoseKey: encryptedKey, osc: inputMaterial });
const aceProfile = valuesOf(AceProfile);
/** A scope of bytes is an AIF as a rule (RFC 9237). */
const scope: ItemNames = { embedded: {} };

/** CWT claims. */
export const claimNames: ItemNames = entriesOf(cwtClaims, { cnf: confirmation, scope, aceProfile });

/** What is signed or MACed is claims, as far as is known, or a token that is nested in this one. */
const payload: { -readonly [K in keyof ItemNames]: ItemNames[K] } = { ...claimNames };

/** Any item: the tags that COSE and CWT define. */
export const itemNames: ItemNames = {
  tags: new Map<number, Named>([...coseTags(payload), [61, { name: 'CWT', tags: coseTags(payload) }]]),
};
payload.tags = itemNames.tags!;

/** A COSE object without its tag. */
export const coseNames: ItemNames = { ...itemNames, elements: untaggedCose(payload) };

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

/** Introspection requests and responses (RFC 9200, Section 5.9). */
export const introspectionNames: ItemNames = entriesOf(introspectionParameters, {
  cnf: confirmation,
  scope,
  aceProfile,
  token: { embedded: itemNames },
  tokenType: valuesOf(TokenType),
  tokenTypeHint: valuesOf(TokenType),
  error: valuesOf(AceErrorCode),
});

/** AS request creation hints (RFC 9200, Section 5.3). */
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
