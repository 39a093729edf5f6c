import type { Experiment, Profile, ScopeTable } from '../ace/index.ts';
import type { EndpointOptions, Freshness, QBlockOptions, TransmissionParameters } from '../coap/index.ts';
import { checkBounds } from '../core/bounds.ts';
import { type LeewayOptions, leewayOf } from '../core/cwt-times.ts';
import type { Env } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import type { Store } from '../store/index.ts';
import type { ResourceServerEvent } from './events.ts';
import type { IntrospectionOptions } from './introspection.ts';
import type { RevocationOptions } from './revocation.ts';
import { type IssuerRegistration, issuerName, type TokenDemand } from './token-check.ts';

/** A resource server that was configured or used wrongly. Codes: `ERR_RS_*`. */
export class ResourceServerError extends ProtocolError {}

/** Bounds of what peers can make the RS hold or do. */
export interface ResourceServerLimits {
  /** Access tokens, one for each key; 1000. See `TokenTableOptions.limit` for what goes when there is one more. */
  readonly tokens?: number;
  /** Token hashes of revoked tokens; 10,000. */
  readonly revoked?: number;
  /** Bytes of a body that is sent to a resource; 65,536. */
  readonly payload?: number;
  /** Bytes of an upload to authz-info; 4096. */
  readonly upload?: number;
  /** Uploads that are worked on at once; 64. */
  readonly pending?: number;
  /** Uploads that one address, an IPv6 /64 as one, may make at once, and per second from then on; 64 and 16. */
  readonly uploadBurst?: number;
  readonly uploadRate?: number;
}

/** What a resource server answers to, whose tokens it takes, and what they permit. */
export interface ResourceServerOptions extends LeewayOptions {
  /** What the RS answers to as `aud`; the first is what clients are told to ask for. */
  readonly audience: string | readonly string[];
  /** The first is the one that clients are sent to. */
  readonly issuers: readonly IssuerRegistration[];
  readonly profiles: readonly Profile[];
  readonly store: Store;
  /** What scope names mean here. */
  readonly scopes?: ScopeTable;
  /** Take scopes of bytes as AIF (RFC 9237). Absent: when there are no `scopes`. */
  readonly aif?: boolean;
  /** Paths that need no token. */
  readonly public?: readonly string[];
  /** Paths that every token of this RS opens: their resources decide by `authorizationOf` what its scope covers, and say no in their own words. */
  readonly anyScope?: readonly string[];
  /** Ask for a token to read /.well-known/core too; without it, discovery is public. */
  readonly protectDiscovery?: boolean;
  /** Demand tokens that were requested after a hint of this RS (RFC 9200, Section 5.3.1): for an RS whose clock may be wrong. */
  readonly cnonce?: boolean;
  /** What a deployment demands of a token beyond RFC 9200: it throws `AceError` with the response code for claims that are not enough. */
  readonly demand?: TokenDemand;
  /** `token-upload`: take tokens that issuers with credentials upload on behalf of clients. */
  readonly experimental?: readonly Experiment[];
  readonly limits?: ResourceServerLimits;
  readonly env?: Env;
  /** Hears of tokens, refusals, and what the layers below tell: for logs, metrics and audit. */
  readonly emit?: (event: ResourceServerEvent) => void;
  readonly parameters?: Partial<TransmissionParameters>;
  /** Which of the requests that a token permits must be fresh (RFC 9175, Section 2.3), as those that move something should be. */
  readonly freshness?: Freshness;
  /** As for an `Endpoint`: what is sent to an address that has not shown itself. */
  readonly amplification?: EndpointOptions['amplification'];
  /** Robust block-wise transfer (RFC 9177), for clients that ask for it. Absent: off. */
  readonly qBlock?: QBlockOptions;
  /** Follow the token revocation lists of issuers (RFC 9770). Absent: a token is good until it ends. */
  readonly revocation?: RevocationOptions;
  /** Ask the AS about tokens. Absent: a token says all by itself. */
  readonly introspection?: IntrospectionOptions;
  /** `/authz-info` when absent. */
  readonly paths?: { readonly authzInfo?: string };
}

/** What of a resource server may be another while it runs, each as in `ResourceServerOptions`; `undefined` is what it is there when absent. */
export interface ResourceServerChanges {
  /** The same as before, with other token keys. */
  readonly issuers?: readonly IssuerRegistration[];
  readonly scopes?: ScopeTable | undefined;
  readonly public?: readonly string[] | undefined;
  readonly introspection?: IntrospectionOptions | undefined;
  /** Where fewer `tokens` are held than there are, those that were used least recently end; `revoked` tokens stay so, however many. */
  readonly limits?: ResourceServerLimits;
  /** Whether robust block-wise transfer is offered, as the options say how. Transfers and observations that have begun by it go on. */
  readonly qBlock?: boolean;
}

export function checkedLeeway(options: LeewayOptions): number {
  try {
    return leewayOf(options);
  } catch (cause) {
    if (cause instanceof ProtocolError) throw new ResourceServerError('ERR_RS_CONFIG', cause.message, { cause });
    throw cause;
  }
}

function checkKeys(issuers: readonly IssuerRegistration[]): void {
  for (const { uri, tokenKeys } of issuers) {
    if (tokenKeys.length === 0) throw new ResourceServerError('ERR_RS_CONFIG', `issuers: ${uri}: tokenKeys: expected at least one, got none`);
  }
}

export function checkOptions(options: ResourceServerOptions, audiences: readonly string[]): void {
  if (audiences.length === 0 || audiences.includes('')) throw refuse('audience', 'at least one name, and none of them empty');
  if (options.issuers.length === 0) throw refuse('issuers', 'at least one, got none');
  checkKeys(options.issuers);
  checkLimits(options.limits);
  checkAsked(options, options.issuers);
  if (new Set(options.issuers.map(issuerName)).size !== options.issuers.length) throw refuse('issuers', 'different ones, got one twice');
}

/** @throws {ResourceServerError} `ERR_RS_CONFIG` where somebody would be asked who is no issuer */
export function checkAsked(
  { revocation, introspection }: Pick<ResourceServerOptions, 'revocation'> & Pick<ResourceServerChanges, 'introspection'>,
  issuers: readonly IssuerRegistration[],
): void {
  const asked = { 'revocation: lists': revocation?.lists, 'introspection: issuers': introspection?.issuers };
  for (const [what, table] of Object.entries(asked))
    for (const name of Object.keys(table ?? {}))
      if (!issuers.some((issuer) => issuerName(issuer) === name)) throw refuse(`${what}: ${name}`, 'the name of an issuer, got another');
}

/** @throws {ResourceServerError} `ERR_RS_CONFIG` */
export function checkLimits(limits: ResourceServerLimits = {}): void {
  checkBounds(limits, (message) => new ResourceServerError('ERR_RS_CONFIG', `limits: ${message}`));
  const { uploadBurst = 1, uploadRate = 1 } = limits;
  if (uploadBurst < 1 || uploadRate <= 0) throw refuse('limits', 'uploadBurst of at least 1 and uploadRate above 0, got less');
}

function refuse(what: string, expected: string): ResourceServerError {
  return new ResourceServerError('ERR_RS_CONFIG', `${what}: expected ${expected}`);
}

/** @throws {ResourceServerError} `ERR_RS_CONFIG` for other issuers than before, and for one without keys */
export function checkSameIssuers(issuers: readonly IssuerRegistration[], before: readonly IssuerRegistration[]): void {
  const names = (list: readonly IssuerRegistration[]): string => JSON.stringify(list.map((issuer) => [issuerName(issuer), issuer.uri]));
  if (names(issuers) !== names(before)) throw new ResourceServerError('ERR_RS_CONFIG', 'issuers: expected the same as before, got others');
  checkKeys(issuers);
}
