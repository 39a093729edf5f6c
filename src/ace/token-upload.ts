import { Code } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { type CborValue, decode, encode, Tagged } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { readKnownMap, writeKnownMap } from '../core/known-map.ts';
import { AceError, AceErrorCode, refuseBadFormat } from './error.ts';
import { tokenParameters } from './params.ts';
import type { AccessInformation, TokenRequest, TokenResponse } from './token.ts';
import { tokenHash } from './token-hash.ts';

/*
 * The Short Distribution Chain: the AS uploads a token to the RS on behalf of the client. All that a message of it has beyond RFC 9200 is here, as
 * draft-ietf-ace-workflow-and-params-08 has it. The numbers are those of its CDDL model; IANA has registered none of them.
 */

/** What is tried out before it is a standard, each behind its name in the options of a role. */
export type Experiment = 'token-upload';

const parameters = {
  tokenUpload: { label: 49, type: 'uint', name: 'token_upload' },
  tokenHash: { label: 50, type: 'bstr', name: 'token_hash' },
  toRs: { label: 51, type: 'any', name: 'to_rs' },
  fromRs: { label: 52, type: 'any', name: 'from_rs' },
} as const;

/** What the client wants to have of a token that was uploaded: nothing, its hash, or the token. */
export const WantedToken = { none: 0, hash: 1, token: 2 } as const;
export type WantedToken = (typeof WantedToken)[keyof typeof WantedToken];

/** Bytes and the Content-Format that they have; absent: that of the profile. */
export interface Relayed {
  readonly contentFormat?: number;
  readonly payload: Uint8Array;
}

/** What a token request asks for beside the token. */
export interface UploadWish {
  readonly wanted: WantedToken;
  /** What the RS is to be told beside the token. */
  readonly toRs?: Relayed;
}

/** What became of an upload. */
export type UploadOutcome = { readonly uploaded: true; readonly fromRs: Relayed } | { readonly uploaded: false };

/** RFC 9277, Appendix B: the tag of Content-Format 0; that of another is so many more. */
const firstFormatTag = 1668546817;
/** Content-Formats above it have no such tag. */
const lastFormat = 65_024;

function relayedToCbor({ contentFormat, payload }: Relayed): CborValue {
  return contentFormat === undefined || contentFormat > lastFormat ? payload : new Tagged(firstFormatTag + contentFormat, payload);
}

function readRelayed(what: string, value: CborValue): Relayed {
  if (value instanceof Uint8Array) return { payload: value.slice() };
  if (value instanceof Tagged && value.value instanceof Uint8Array) {
    const contentFormat = Number(value.tag) - firstFormatTag;
    if (contentFormat >= 0 && contentFormat <= lastFormat) return { contentFormat, payload: value.value.slice() };
  }
  throw new AceError('ERR_ACE_FORMAT', `${what}: expected a byte string, or one with the tag of a Content-Format, got another`, {
    responseCode: Code.BadRequest,
    error: AceErrorCode.invalid_request,
  });
}

/** The parameters of a token request (Sections 3.1.1 and 3.3.1). */
export function uploadWishParameters({ wanted, toRs }: UploadWish): Pick<TokenRequest, 'unknown'> {
  return { unknown: writeKnownMap(parameters, { tokenUpload: wanted, ...(toRs === undefined ? {} : { toRs: relayedToCbor(toRs) }) }) };
}

/**
 * What a token request says of an upload. `undefined`: nothing, or a value that has no meaning; then there must be none.
 *
 * @throws {AceError} `ERR_ACE_FORMAT`, 4.00 with invalid_request
 */
export function uploadWishOf({ unknown }: TokenRequest): UploadWish | undefined {
  return refuseBadFormat(() => {
    const { tokenUpload, toRs } = readKnownMap('token request', parameters, unknown ?? new Map()).known;
    const wanted = Object.values(WantedToken).find((value) => value === tokenUpload);
    return wanted === undefined ? undefined : { wanted, ...(toRs === undefined ? {} : { toRs: readRelayed('to_rs', toRs) }) };
  });
}

/** The access information after an upload was tried: with the token, its hash, or neither (Sections 3.1.2, 3.2 and 3.3.2). */
export function uploadedInformation(response: TokenResponse, wanted: WantedToken, outcome: UploadOutcome): AccessInformation {
  const { accessToken, unknown = new Map(), ...rest } = response;
  const withToken = !outcome.uploaded || wanted === WantedToken.token;
  const added = writeKnownMap(parameters, {
    tokenUpload: outcome.uploaded ? 0 : 1,
    ...(outcome.uploaded ? { fromRs: relayedToCbor(outcome.fromRs) } : {}),
    ...(outcome.uploaded && wanted === WantedToken.hash ? { tokenHash: tokenHash(accessToken) } : {}),
  });
  return { ...rest, ...(withToken ? { accessToken } : {}), unknown: new Map([...unknown, ...added]) };
}

/**
 * What the RS answered to the AS. `undefined`: the AS has not uploaded the token.
 *
 * @throws {AceError} `ERR_ACE_FORMAT`
 */
export function relayedAnswerOf({ unknown }: AccessInformation): Relayed | undefined {
  return refuseBadFormat(() => {
    const { tokenUpload, fromRs } = readKnownMap('token response', parameters, unknown ?? new Map()).known;
    return tokenUpload === 0 ? readRelayed('from_rs', fromRs ?? emptyBytes) : undefined;
  });
}

/** The token hash of the token that access information is about, where that can be told. */
export function tokenHashOf({ accessToken, unknown }: AccessInformation): Uint8Array | undefined {
  if (accessToken !== undefined) return tokenHash(accessToken);
  const hash = unknown?.get(parameters.tokenHash.label);
  return hash instanceof Uint8Array ? hash : undefined;
}

/** The payload of an upload in application/ace+cbor: what the RS is to be told, and the token. `undefined`: there is nothing that a token can be put to. */
export function aceUpload(token: Uint8Array, toRs: Uint8Array): Uint8Array | undefined {
  const { label } = tokenParameters.accessToken;
  try {
    const map = decode(toRs);
    return map instanceof Map && !map.has(label) ? encode(new Map([...map, [label, token]])) : undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
