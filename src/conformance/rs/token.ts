import { ContentFormat } from '../../coap/index.ts';
import { emptyBytes } from '../../core/bytes.ts';
import { type CborMap, type CborValue, encode } from '../../core/cbor.ts';
import { type CoseKey, KeyType } from '../../core/cose/index.ts';
import { type ClaimsSet, type Confirmation, protectCwt, type TokenKey } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import { ConformanceError } from '../errors.ts';
import type { RsTarget } from '../roles.ts';

/** Seconds that a token is good for, where a case says nothing else. */
export const lifetime = 600;

/** The resource server, which a case with the need `rs` has. */
export function rsOf({ target: { rs } }: Bench): RsTarget {
  if (rs === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected a resource server, got none');
  return rs;
}

export function authzInfoOf(bench: Bench): string {
  return rsOf(bench).authzInfo ?? '/authz-info';
}

/** The claims of a token that the resource server takes. */
export function goodClaims(bench: Bench, cnf: Confirmation): ClaimsSet {
  const { audience, scope, issuer } = rsOf(bench);
  return { ...(issuer === undefined ? {} : { iss: issuer }), aud: audience, exp: Math.floor(bench.env.epoch()) + lifetime, scope, cnf };
}

/** A token as its authorization server would make it. */
export function mint(bench: Bench, claims: ClaimsSet, key: TokenKey = rsOf(bench).tokenKey): Uint8Array {
  return protectCwt(claims, key, bench.env.random);
}

/** A key of the same kind that the resource server does not know. */
export function strangeKey(bench: Bench): TokenKey {
  const { key, kid, ...rest } = rsOf(bench).tokenKey;
  if (key.k === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected a symmetric key of tokens, got another');
  return { ...rest, key: { ...key, k: bench.env.random(key.k.length) }, ...(kid === undefined ? {} : { kid }) };
}

/** What the OSCORE_Input_Material of a token says (RFC 9203, Section 3.2.1). */
export interface Material {
  readonly id: Uint8Array;
  readonly ms: Uint8Array;
  readonly hkdf?: number;
  readonly alg?: number;
  readonly salt?: Uint8Array;
  readonly contextId?: Uint8Array;
}

/** By their labels in the registry. */
const labels = { id: 0, ms: 2, hkdf: 3, alg: 4, salt: 5, contextId: 6 } as const;

/** The salt is there, though empty: whether an absent one takes part in the Master Salt is where implementations differ. */
export function freshMaterial(bench: Bench): Material {
  return { id: bench.env.random(8), ms: bench.env.random(16), salt: emptyBytes };
}

/** A pre-shared key of the DTLS profile. */
export interface Psk {
  readonly kid: Uint8Array;
  readonly k: Uint8Array;
}

export function freshPsk(bench: Bench): Psk {
  return { kid: bench.env.random(8), k: bench.env.random(16) };
}

export function pskKey({ kid, k }: Psk): CoseKey {
  return { kty: KeyType.Symmetric, kid, k };
}

export function materialMap(material: Partial<Material>): CborMap {
  return new Map(
    Object.entries(labels).flatMap(([name, label]): [number, CborValue][] => {
      const value = material[name as keyof Material];
      return value === undefined ? [] : [[label, value]];
    }),
  );
}

/** What goes to authz-info in the OSCORE profile, by the labels of the registry (RFC 9203, Section 9.3). */
export interface Upload {
  readonly token?: CborValue;
  readonly nonce1?: CborValue;
  readonly id1?: CborValue;
}

export function encodeUpload({ token, nonce1, id1 }: Upload): Uint8Array {
  const entries: readonly (readonly [number, CborValue | undefined])[] = [
    [1, token],
    [40, nonce1],
    [43, id1],
  ];
  return encode(new Map(entries.filter((entry): entry is [number, CborValue] => entry[1] !== undefined)));
}

/** An upload of a token in the profile of the resource server. */
export function uploadOf(bench: Bench, token: Uint8Array): { readonly payload: Uint8Array; readonly contentFormat: number } {
  if (rsOf(bench).profile === 'coap_dtls') return { payload: token, contentFormat: ContentFormat.Cwt };
  return { payload: encodeUpload({ token, nonce1: bench.env.random(8), id1: bench.env.random(2) }), contentFormat: ContentFormat.AceCbor };
}
