import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { CredentialFailureRates, GuardEvent, KeySource } from '../../../profiles/seal/https/index.ts';
import { BytesError, fromUtf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import type { AuthorizeRequest } from '../../gateway/index.ts';
import { UsageError } from '../exit.ts';
import { readInput } from '../input.ts';

export interface AuthorizeFlags {
  readonly clientCa?: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly jwks?: string;
  readonly jwksCa?: string;
  readonly scope?: string;
  readonly anonymous?: boolean;
  readonly failuresPerClient?: NonNullable<CredentialFailureRates['client']>;
  readonly failuresPerAddress?: NonNullable<CredentialFailureRates['address']>;
}

type KeySet = Exclude<KeySource, () => unknown>;

/** The keys of an issuer, as files have them. */
export interface IssuerFiles {
  /** Absent: they are at a URI. */
  readonly keySet?: { readonly keys: object[] };
  /** What the server of the URI is known by. */
  readonly ca?: Uint8Array;
}

export interface AuthorizeParts {
  /** As it was read last. */
  readonly files: () => IssuerFiles;
  /** Hears of who is refused. */
  readonly emit: (event: GuardEvent) => void;
}

/** @throws {UsageError} */
export async function issuerFiles({ jwks, jwksCa }: AuthorizeFlags): Promise<IssuerFiles> {
  return {
    ...(jwks === undefined || isUri(jwks) ? {} : { keySet: await usable(keySetOf(await readInput(jwks))) }),
    ...(jwksCa === undefined ? {} : { ca: await readInput(jwksCa) }),
  };
}

/** As who verifies tokens has it. */
async function usable<Keys extends { readonly keys: object[] }>(keySet: Keys): Promise<Keys> {
  const { accessTokenVerifier } = await import('../../../profiles/seal/https/index.ts');
  try {
    accessTokenVerifier({ issuer: '', audience: '', keys: keySet as KeySet, env: systemEnv });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new UsageError(`--jwks: ${cause.message}`, { cause });
  }
  return keySet;
}

const isUri = (jwks: string): boolean => /^https:/i.test(jwks);

/**
 * Who may ask a gateway. RFC 8075, Section 10: all are authenticated, unless somebody says that they need not be; whoever has it listen to plain HTTP on loopback
 * has said so.
 */
export async function authorizeOf(flags: AuthorizeFlags, scheme: 'http' | 'https', parts: AuthorizeParts): Promise<AuthorizeRequest | false> {
  const { issuer, audience, jwks, jwksCa, clientCa, scope } = flags;
  const isBearer = issuer !== undefined || audience !== undefined || jwks !== undefined || scope !== undefined || jwksCa !== undefined;
  if (flags.anonymous === true && (isBearer || clientCa !== undefined))
    throw new UsageError('--anonymous: expected neither --client-ca nor access tokens beside it, got one of them');
  if (!isBearer && (flags.failuresPerClient ?? flags.failuresPerAddress) !== undefined)
    throw new UsageError('--failures-per-client and --failures-per-address: expected --issuer, --audience and --jwks beside them, got none of these');
  if (!isBearer && clientCa !== undefined) return byCertificate;
  if (isBearer) {
    if (issuer === undefined || audience === undefined || jwks === undefined)
      throw new UsageError('--issuer, --audience and --jwks: expected all of them for access tokens, got some');
    return byToken({ ...flags, issuer, audience, jwks }, parts);
  }
  if (scheme === 'https' && flags.anonymous !== true)
    throw new UsageError('expected --client-ca, or --issuer, --audience and --jwks, or --anonymous, got none of them: clients of a gateway are authenticated');
  return false;
}

/** TLS lets nobody in without a certificate, so whoever asks has one. */
const byCertificate: AuthorizeRequest = ({ socket }) => {
  const { raw } = (socket as TLSSocket).getPeerCertificate();
  return { permit: true, client: new X509Certificate(raw).fingerprint256 };
};

type TokenFlags = AuthorizeFlags & Readonly<Record<'issuer' | 'audience' | 'jwks', string>>;

async function byToken(
  { issuer, audience, jwks, clientCa, scope, failuresPerClient: client, failuresPerAddress: address }: TokenFlags,
  { files, emit }: AuthorizeParts,
): Promise<AuthorizeRequest> {
  // With it come libraries that nobody else needs.
  const { accessTokenVerifier, Guard, GuardRefusal, keysAt } = await import('../../../profiles/seal/https/index.ts');
  const keys = async (): Promise<KeySet> => {
    const { keySet, ca } = files();
    return (keySet ?? (await keysAt(jwks, ca === undefined ? {} : { ca })())) as KeySet;
  };
  const guard = new Guard({
    verifier: accessTokenVerifier({ issuer, audience, keys, env: systemEnv }),
    realm: 'gateway',
    certificates: clientCa === undefined ? 'none' : 'required',
    ...(scope === undefined ? {} : { scope }),
    failures: { ...(client === undefined ? {} : { client }), ...(address === undefined ? {} : { address }) },
    emit,
  });
  return async (request) => {
    try {
      const { clientId } = await guard.check(request);
      return { permit: true, client: clientId };
    } catch (error) {
      if (!(error instanceof GuardRefusal)) throw error;
      return { permit: false, status: error.status, detail: error.message, headers: error.headers };
    }
  };
}

const expectedKeys = '--jwks: expected an https URI or a file with a JSON Web Key Set (RFC 7517) of public keys';

/** The keys of a set, none of them a secret. */
function keySetOf(text: Uint8Array): { keys: object[] } {
  let keys: unknown;
  try {
    ({ keys } = JSON.parse(fromUtf8(text)) as { readonly keys?: unknown });
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError || cause instanceof BytesError)) throw cause;
  }
  const found = Array.isArray(keys) ? (keys as readonly unknown[]) : [];
  if (found.length === 0 || found.some((key) => typeof key !== 'object' || key === null)) throw new UsageError(`${expectedKeys}, got another`);
  if (found.some((key) => Object.hasOwn(key as object, 'd') || Object.hasOwn(key as object, 'k')))
    throw new UsageError(`${expectedKeys}, got one with a secret`);
  return { keys: found as object[] };
}
