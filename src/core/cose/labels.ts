/** COSE tags (RFC 9052 Table 1, RFC 9338 Section 5.1), IANA CBOR Tags as of 2026-11. */
export const CoseTag = { Encrypt0: 16, Mac0: 17, Sign1: 18, Encrypt: 96, Mac: 97, Countersignature: 19, Sign: 98 } as const;

/** COSE Header Parameters, IANA registry as of 2026-11, as far as this stack understands them. */
export const HeaderLabel = { alg: 1, crit: 2, contentType: 3, kid: 4, iv: 5, partialIv: 6, x5bag: 32, x5chain: 33, x5t: 34, x5u: 35 } as const;

/** COSE Header Algorithm Parameters, IANA registry as of 2026-11: headers of recipients (RFC 9053 Tables 9, 10 and 15). */
export const RecipientLabel = {
  ephemeralKey: -1,
  staticKey: -2,
  staticKeyId: -3,
  salt: -20,
  partyUIdentity: -21,
  partyUNonce: -22,
  partyUOther: -23,
  partyVIdentity: -24,
  partyVNonce: -25,
  partyVOther: -26,
} as const;

/** Header parameters for countersignatures (RFC 9338 Section 5.2), all of them unprotected; the legacy ones are of RFC 8152. */
export const CountersignatureLabel = { legacy: 7, legacy0: 9, full: 11, abbreviated: 12 } as const;

/** Names of header parameters as the registry writes them. */
export const headerNames: ReadonlyMap<number, string> = new Map<number, string>([
  [HeaderLabel.alg, 'alg'],
  [HeaderLabel.crit, 'crit'],
  [HeaderLabel.contentType, 'content type'],
  [HeaderLabel.kid, 'kid'],
  [HeaderLabel.iv, 'IV'],
  [HeaderLabel.partialIv, 'Partial IV'],
  [CountersignatureLabel.legacy, 'counter signature'],
  [CountersignatureLabel.legacy0, 'CounterSignature0'],
  [CountersignatureLabel.full, 'Countersignature version 2'],
  [CountersignatureLabel.abbreviated, 'Countersignature0 version 2'],
  [HeaderLabel.x5bag, 'x5bag'],
  [HeaderLabel.x5chain, 'x5chain'],
  [HeaderLabel.x5t, 'x5t'],
  [HeaderLabel.x5u, 'x5u'],
]);

/** Names of the parameters of recipients as the registry writes them; their numbers mean other things with other algorithms. */
export const recipientNames: ReadonlyMap<number, string> = new Map<number, string>([
  [RecipientLabel.ephemeralKey, 'ephemeral key'],
  [RecipientLabel.staticKey, 'static key'],
  [RecipientLabel.staticKeyId, 'static key id'],
  [RecipientLabel.salt, 'salt'],
  [RecipientLabel.partyUIdentity, 'PartyU identity'],
  [RecipientLabel.partyUNonce, 'PartyU nonce'],
  [RecipientLabel.partyUOther, 'PartyU other'],
  [RecipientLabel.partyVIdentity, 'PartyV identity'],
  [RecipientLabel.partyVNonce, 'PartyV nonce'],
  [RecipientLabel.partyVOther, 'PartyV other'],
]);

/** COSE Key Common and Type Parameters, IANA registries as of 2026-11. */
export const KeyLabel = { kty: 1, kid: 2, alg: 3, keyOps: 4, baseIv: 5, crv: -1, x: -2, y: -3, d: -4, k: -1 } as const;

/** COSE Key Types, IANA registry as of 2026-11. */
export const KeyType = { OKP: 1, EC2: 2, Symmetric: 4 } as const;

/** COSE Elliptic Curves, IANA registry as of 2026-11. */
export const Curve = { P256: 1, P384: 2, P521: 3, X25519: 4, X448: 5, Ed25519: 6, Ed448: 7, secp256k1: 8 } as const;

/** Names of curves as the registry writes them. */
export const curveNames: ReadonlyMap<number, string> = new Map<number, string>([
  [Curve.P256, 'P-256'],
  [Curve.P384, 'P-384'],
  [Curve.P521, 'P-521'],
  [Curve.X25519, 'X25519'],
  [Curve.X448, 'X448'],
  [Curve.Ed25519, 'Ed25519'],
  [Curve.Ed448, 'Ed448'],
  [Curve.secp256k1, 'secp256k1'],
]);

/** COSE key operations (RFC 9052 Table 5). */
export const KeyOperation = {
  sign: 1,
  verify: 2,
  encrypt: 3,
  decrypt: 4,
  wrap: 5,
  unwrap: 6,
  deriveKey: 7,
  deriveBits: 8,
  macCreate: 9,
  macVerify: 10,
} as const;
export type KeyOperation = (typeof KeyOperation)[keyof typeof KeyOperation];
