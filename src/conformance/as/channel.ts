import { AceErrorCode, AceProfile, aceErrorName, decodeTokenResponse, type TokenResponse } from '../../ace/index.ts';
import { type Body, Code, ContentFormat, Method } from '../../coap/index.ts';
import { type CborMap, type CborValue, encode } from '../../core/cbor.ts';
import { DtlsError } from '../../dtls/index.ts';
import type { Bench, RequestInit } from '../bench.ts';
import { type Channel, PlainChannel } from '../channel.ts';
import { codeText } from '../code-text.ts';
import { ConformanceError, Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode, expectMap, readBy } from '../expect.ts';
import { sessionOf } from '../oscore/session.ts';
import type { AsCredentials, AsTarget } from '../roles.ts';
import { openSecure } from '../secure-channel.ts';

/** The authorization server, which a case with the need `as` has. */
export function asOf({ target: { as } }: Bench): AsTarget {
  if (as === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected an authorization server, got none');
  return as;
}

/** Path and query of a URI. */
export function pathOf(uri: string): string {
  const { pathname, search } = new URL(uri);
  return `${pathname}${search}`;
}

/** The secure channel of a peer, the client where no other is named. @throws {Nonconformity} there is none to be had */
export async function openAs(bench: Bench, credentials: AsCredentials = asOf(bench)): Promise<Channel> {
  const { token } = asOf(bench);
  const { oscore, dtls } = credentials;
  if (oscore !== undefined) return sessionOf(bench, await bench.udp(token), oscore);
  if (dtls === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected credentials with the authorization server, got none');
  try {
    return await openSecure(bench, dtls, token);
  } catch (error) {
    if (error instanceof DtlsError) throw new Nonconformity('a session with the authorization server', error.message);
    throw error;
  }
}

/** A channel without protection. @throws {NotApplicable} the authorization server is behind DTLS alone */
export async function openUnprotected(bench: Bench): Promise<Channel> {
  const { token } = asOf(bench);
  if (!token.startsWith('coap://')) throw new NotApplicable('the authorization server has no address without DTLS');
  return new PlainChannel(bench, await bench.udp(token));
}

/** Parameters by their labels in the registry (RFC 9200, Section 5.8.5). */
export const Label = {
  reqCnf: 4,
  audience: 5,
  scope: 9,
  error: 30,
  grantType: 33,
  refreshToken: 37,
  aceProfile: 38,
  cnonce: 39,
} as const;

export type Parameters = readonly (readonly [label: number, value: CborValue])[];

/** What the client may have. */
export function usual(bench: Bench): Parameters {
  const { audience, scope } = asOf(bench);
  return [
    [Label.audience, audience],
    [Label.scope, scope],
  ];
}

/** POST bytes to the token endpoint. */
export function postRequest(bench: Bench, channel: Channel, payload: Uint8Array, init: RequestInit = {}): Promise<Body> {
  return channel.ask(pathOf(asOf(bench).token), { code: Method.POST, contentFormat: ContentFormat.AceCbor, payload, ...init });
}

/** Ask for a token with these parameters over a fresh channel of the client. */
export async function askToken(bench: Bench, parameters: Parameters): Promise<Body> {
  return postRequest(bench, await openAs(bench), encode(new Map(parameters)));
}

/** The access information of an answer. @throws {Nonconformity} */
export function expectGranted(answer: Body): { readonly response: TokenResponse; readonly map: CborMap } {
  expectCode(answer, Code.Created);
  const map = expectMap(answer);
  return { response: readBy(() => decodeTokenResponse(answer.payload), 'Access Information with an access token'), map };
}

/** An error of the token or introspection endpoint, in the form of RFC 9200, Section 5.8.3. @throws {Nonconformity} */
export function expectError(answer: Body, ...wanted: readonly number[]): void {
  const codes = wanted.includes(AceErrorCode.invalid_client) ? [Code.BadRequest, Code.Unauthorized] : [Code.BadRequest];
  expectCode(answer, ...codes);
  const error = expectMap(answer).get(Label.error);
  if (typeof error !== 'number') throw new Nonconformity(`error (${Label.error}) as an integer`, error === undefined ? 'none' : 'another type');
  if (wanted.length > 0 && !wanted.includes(error)) throw new Nonconformity(wanted.map(aceErrorName).join(' or '), aceErrorName(error));
}

/** @throws {Nonconformity} a token is given */
export function expectNoToken(answer: Body, wanted: string): void {
  if (answer.code < Code.BadRequest) throw new Nonconformity(wanted, codeText(answer.code));
}

/** The profile that the tokens are for. */
export function profileNumber(bench: Bench): number {
  const { profile, oscore } = asOf(bench);
  return AceProfile[profile ?? (oscore === undefined ? 'coap_dtls' : 'coap_oscore')];
}
