import { encode } from '../src/core/cbor.ts';
import { audience, scope } from './token-requests.ts';

/** The messages of one authorization. */
export const wireNames = ['wire-access-token', 'wire-token-request', 'wire-token-response', 'wire-authz-info-request', 'wire-authz-info-response'] as const;
export type WireName = (typeof wireNames)[number];

/**
 * The shortest messages that the standards allow for what the `wire-*` rows carry out: a token for audience "rs1" with `exp` and an AIF scope of one path, IDs of
 * one byte and nonces of eight, a Master Secret of 16 bytes, AES-CCM with a tag of 8.
 *
 * They are encodings without a parameter that a standard lets go: no tags around the token (RFC 8392, Section 7.2, step 4), no kid (there is one key), no salt and
 * no `expires_in`. A nonce has to be somewhere: as a Partial IV of one byte, whose other bytes both sides have with the key (RFC 9052, Section 3.1). Ours has a whole
 * random IV, which needs no counter that survives a crash.
 */
export function wireFloors(): Readonly<Record<WireName, Uint8Array>> {
  const id = Uint8Array.of(1);
  const nonce = new Uint8Array(8);
  const exp = 0x6b00_0000;
  const material = new Map<number, Uint8Array>([
    [0, id],
    [2, new Uint8Array(16)],
  ]);
  // RFC 9203, Section 3.2: osc holds id and ms at least.
  const cnf = new Map([[4, material]]);
  // RFC 8392, Section 4: aud, exp, cnf (RFC 8747), scope (RFC 9200).
  const claims = new Map<number, string | number | Uint8Array | typeof cnf>([
    [3, audience],
    [4, exp],
    [8, cnf],
    [9, scope],
  ]);
  const tag = 8;
  const header = new Map<number, number | Uint8Array>([
    [1, 10],
    [6, Uint8Array.of(0)],
  ]);
  const accessToken = encode([encode(header), new Map(), new Uint8Array(encode(claims).length + tag)]);
  return {
    'wire-access-token': accessToken,
    // RFC 9200, Section 5.8.1: without a grant_type it is client_credentials.
    'wire-token-request': encode(
      new Map<number, string | Uint8Array>([
        [5, audience],
        [9, scope],
      ]),
    ),
    // RFC 9203, Section 3.2: the token, and cnf with the same osc.
    'wire-token-response': encode(
      new Map<number, Uint8Array | typeof cnf>([
        [1, accessToken],
        [8, cnf],
      ]),
    ),
    // RFC 9203, Section 4.1.
    'wire-authz-info-request': encode(
      new Map([
        [1, accessToken],
        [40, nonce],
        [43, id],
      ]),
    ),
    // RFC 9203, Section 4.2.
    'wire-authz-info-response': encode(
      new Map([
        [42, nonce],
        [44, id],
      ]),
    ),
  };
}
