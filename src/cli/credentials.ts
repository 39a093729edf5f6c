import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { CoapUri } from '../coap/index.ts';
import { BytesError, fromBase64Url, fromHex, fromUtf8, utf8 } from '../core/bytes.ts';
import type { CurveKey, CurveKeyPair } from '../core/crypto/index.ts';
import { systemEnv } from '../core/env.ts';
import {
  type Admitted,
  type CertificateAnswer,
  type CommonConfig,
  type DtlsServerConfig,
  encodeSpki,
  type PeerCertificate,
  type SessionCredentials,
  type SuiteChoice,
} from '../dtls/index.ts';
import type { RevocationLists } from '../pki/index.ts';
import { authenticatorOf, type CredentialsOf, type DtlsSchemeOptions } from '../transport/index.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input.ts';

/** What proves either side of a DTLS session, beside the certificates of TLS. */
export interface DtlsFlags {
  readonly pskIdentity?: string;
  readonly psk?: string;
  /** File of our private key. */
  readonly rpk?: string;
  /** File of the server's public key. */
  readonly peerKey?: string;
  /** The name of a list, or names with a comma between. */
  readonly suites?: string;
  readonly mtu?: number;
  /** File that keeps the session for the next run. */
  readonly session?: string;
  /** Lists of revoked certificates. */
  readonly crl?: string;
  /** Seconds in which there has to be an answer, and so a session before it. */
  readonly timeout?: number;
}

/** What the flags say of handshakes, of either side. The engine knows whether there are such suites. */
export function handshakeOf({
  suites,
  mtu,
  timeout,
}: Pick<DtlsFlags, 'suites' | 'mtu' | 'timeout'>): Pick<CommonConfig, 'suites' | 'mtu' | 'handshakeTimeout'> {
  const named = suites?.split(',').map((name) => name.trim());
  return {
    ...(named === undefined ? {} : { suites: (named.length === 1 && !named[0]!.startsWith('TLS_') ? named[0]! : named) as SuiteChoice }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(timeout === undefined ? {} : { handshakeTimeout: Math.ceil(1000 * timeout) }),
  };
}

/** The files that are for TLS, too. */
interface CertificateFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** In place of --psk-identity and --psk, so that they show in no list of processes. */
const variables = { identity: 'ACE_COAP_PSK_IDENTITY', key: 'ACE_COAP_PSK' } as const;

const bad = (what: string, expected: string, cause?: unknown): UsageError => new UsageError(`${what}: expected ${expected}`, { cause });

/** `hex:00ff`, `text:sesame`; anything else is text. */
function bytesOf(what: string, written: string): Uint8Array {
  if (!written.startsWith('hex:')) return utf8(written.startsWith('text:') ? written.slice(5) : written);
  try {
    return fromHex(written.slice(4).replace(/\s+/g, ''));
  } catch (cause) {
    throw bad(what, 'an even number of hexadecimal digits after hex:, got something else', cause);
  }
}

/** What a flag or a variable says: text, `hex:`, `text:`, or with `@` a file, whose bytes count as they are unless it begins with `hex:` or `text:`. */
async function secretOf(what: string, written: string): Promise<Uint8Array> {
  if (!written.startsWith('@')) return bytesOf(what, written);
  const content = await readInput(written.slice(1));
  let text: string;
  try {
    text = fromUtf8(content);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    return content;
  }
  return /^(?:hex|text):/.test(text) ? bytesOf(what, text.replace(/\r?\n$/, '')) : content;
}

/**
 * A pre-shared key and its identity, of the command line or of the environment. `undefined`: there is none.
 *
 * @throws {UsageError} for half of the pair, and a file that cannot be read
 */
export async function pskOf(
  identity: string | undefined,
  key: string | undefined,
): Promise<{ readonly identity: Uint8Array; readonly key: Uint8Array } | undefined> {
  const given = { identity: identity ?? process.env[variables.identity], key: key ?? process.env[variables.key] };
  if (given.identity === undefined && given.key === undefined) return undefined;
  if (given.identity === undefined || given.key === undefined)
    throw new UsageError(`--psk-identity and --psk (or ${variables.identity} and ${variables.key}): expected both or neither, got one`);
  const psk = { identity: await secretOf('--psk-identity', given.identity), key: await secretOf('--psk', given.key) };
  if (psk.key.length === 0) throw bad('--psk', 'a key of one byte at least, got none');
  return psk;
}

/** COSE Elliptic Curves, by their names in a JWK. */
const curves: Readonly<Record<string, number>> = { 'P-256': 1, 'P-384': 2, Ed25519: 6 };
const ofCurves = `a key on ${Object.keys(curves).join(', ')} in PEM`;

async function keyObject(flag: string, file: string, read: (pem: string) => KeyObject): Promise<KeyObject> {
  const pem = fromUtf8(await readInput(file));
  try {
    return read(pem);
  } catch (cause) {
    throw bad(flag, `${ofCurves}, got what is none in ${file}`, cause);
  }
}

function fieldsOf(flag: string, key: KeyObject): CurveKey & { readonly crv: number; readonly x: Uint8Array; readonly y?: Uint8Array } {
  const { crv = '', x, y, d } = ['ec', 'ed25519'].includes(key.asymmetricKeyType ?? '') ? key.export({ format: 'jwk' }) : {};
  const curve = curves[crv];
  if (curve === undefined || x === undefined) throw bad(flag, `${ofCurves}, got another`);
  const part = (name: 'y' | 'd', value: string | undefined): object => (value === undefined ? {} : { [name]: fromBase64Url(value) });
  return { crv: curve, x: fromBase64Url(x), ...part('y', y), ...part('d', d) };
}

/** A private key in PEM. */
async function privateKey(flag: string, file: string): Promise<CurveKeyPair> {
  return fieldsOf(flag, await keyObject(flag, file, createPrivateKey)) as CurveKeyPair;
}

/** A public key in PEM; that of a certificate or of a private key is taken, too. */
async function publicKey(flag: string, file: string): Promise<CurveKey> {
  return fieldsOf(flag, await keyObject(flag, file, createPublicKey));
}

/**
 * Who names keys for a session wants its protection: a request that would leave without it, since its URI is of another scheme, does not leave.
 *
 * @throws {UsageError}
 */
export function expectSession({ scheme }: CoapUri, { pskIdentity, psk, rpk, peerKey }: DtlsFlags): void {
  const flags = { '--psk-identity': pskIdentity, '--psk': psk, '--rpk': rpk, '--peer-key': peerKey } as const;
  const [named] = Object.entries(flags).find(([, given]) => given !== undefined) ?? [];
  if (named !== undefined && scheme !== 'coaps') throw new UsageError(`${named}: expected a URI of coaps, whose sessions it is for, got one of ${scheme}`);
}

/**
 * What a client proves itself with, and takes as proof: raw public keys, else a PSK, else certificates. What stands on the command line comes before what stands
 * in the environment. `undefined`: nothing was given.
 *
 * @throws {UsageError} for half of a pair, and files that are none
 */
export async function clientCredentials(flags: DtlsFlags & CertificateFiles): Promise<CredentialsOf | undefined> {
  const { rpk, peerKey, ca, cert, key, pskIdentity, psk } = flags;
  if (rpk !== undefined || peerKey !== undefined) {
    if (peerKey === undefined) throw new UsageError('--rpk: expected --peer-key with it, the public key of the server, got none');
    const server = await publicKey('--peer-key', peerKey);
    const own = rpk === undefined ? {} : { own: await privateKey('--rpk', rpk) };
    return () => ({ rawPublicKey: { server, ...own } });
  }
  const isCertificate = ca !== undefined && pskIdentity === undefined && psk === undefined;
  if (flags.crl !== undefined && !isCertificate) throw new UsageError('--crl: expected --ca with it, whose certificates the lists are of, got none');
  if (!isCertificate) {
    const given = await pskOf(pskIdentity, psk);
    return given === undefined ? undefined : () => ({ psk: given });
  }
  const roots = fromUtf8(await readInput(ca));
  const own = cert === undefined || key === undefined ? {} : { own: { chain: fromUtf8(await readInput(cert)), key: await privateKey('--key', key) } };
  const lists = flags.crl === undefined ? undefined : await listsOf(flags.crl);
  const check = lists === undefined ? {} : { isRevoked: ({ chain }: PeerCertificate) => lists.isRevoked(chain) };
  return (host): SessionCredentials => ({ certificate: { roots, host, ...own, ...check } });
}

/** What reads them is loaded only where there are some. */
async function listsOf(file: string): Promise<RevocationLists> {
  const { PkiError, RevocationLists } = await import('../pki/index.ts');
  try {
    return new RevocationLists(fromUtf8(await readInput(file)), systemEnv);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new UsageError(`--crl: ${file}: ${error.message}`, { cause: error });
  }
}

/** The flags of a server: it may know several clients. */
export interface DtlsServerFlags {
  readonly pskIdentity?: readonly string[];
  readonly psk?: readonly string[];
  readonly rpk?: string;
  readonly peerKey?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly suites?: string;
  readonly mtu?: number;
  readonly connectionId?: number;
  readonly crl?: string;
}

/**
 * What a server proves itself with, and which clients it knows, each by its identity or its key. `undefined`: nothing was given.
 *
 * @throws {UsageError} for half of a pair, and files that are none
 */
export async function serverCredentials(flags: DtlsServerFlags): Promise<Pick<DtlsSchemeOptions, 'server' | 'authenticator'> | undefined> {
  const { pskIdentity = [], psk = [], rpk, peerKey = [], cert, key, clientCa } = flags;
  if (pskIdentity.length !== psk.length && psk.length + pskIdentity.length !== 1)
    throw new UsageError(`--psk-identity and --psk: expected as many of each, got ${pskIdentity.length} and ${psk.length}`);
  const pairs = await Promise.all(Array.from({ length: Math.max(1, psk.length, pskIdentity.length) }, (_, i) => pskOf(pskIdentity[i], psk[i])));
  const known = pairs.flatMap((pair) => (pair === undefined ? [] : [{ ...pair, credential: nameOf(pair.identity) }]));
  const keys = await Promise.all(peerKey.map((file) => publicKey('--peer-key', file)));
  if (rpk === undefined && keys.length > 0) throw new UsageError('--peer-key: expected --rpk with it, the key of this server, got none');
  const certificate = cert === undefined || key === undefined ? undefined : { chain: fromUtf8(await readInput(cert)), key: await privateKey('--key', key) };
  if (known.length === 0 && rpk === undefined && certificate === undefined) return undefined;
  if (flags.crl !== undefined && clientCa === undefined)
    throw new UsageError('--crl: expected --client-ca with it, whose certificates the lists are of, got none');
  const roots = clientCa === undefined ? {} : ({ client: 'require', roots: fromUtf8(await readInput(clientCa)) } as const);
  const server: DtlsServerConfig = {
    ...handshakeOf(flags),
    ...(flags.connectionId === undefined ? {} : { connectionIdLength: flags.connectionId }),
    ...(known.length === 0 ? {} : { psk: {} }),
    ...(rpk === undefined ? {} : { rawPublicKey: { own: await privateKey('--rpk', rpk), client: keys.length === 0 ? 'none' : 'require' } as const }),
    ...(certificate === undefined ? {} : { certificate: { own: certificate, ...roots } }),
  };
  const clients = authenticatorOf({
    psk: known,
    rawPublicKeys: keys.map((one): Admitted & { readonly key: CurveKey } => ({ key: one, credential: keyName(one) })),
  });
  const lists = flags.crl === undefined ? undefined : await listsOf(flags.crl);
  return { server, authenticator: { ...clients, certificate: (shown) => admission(shown, lists) } };
}

async function admission({ subject, chain }: PeerCertificate, lists: RevocationLists | undefined): Promise<CertificateAnswer> {
  try {
    if ((await lists?.isRevoked(chain)) === true) return { alert: 'certificate_revoked' };
  } catch {
    return { alert: 'certificate_unknown' };
  }
  return { credential: subject.replace(/\n/g, ', ') };
}

/** An identity as the log shows it. */
function nameOf(identity: Uint8Array): string {
  const text = String.fromCharCode(...identity.subarray(0, 64));
  return /^[\x21-\x7e]+$/.test(text) ? text : `hex:${Buffer.from(identity.subarray(0, 64)).toString('hex')}`;
}

/** A raw public key as the log shows it. */
function keyName(key: CurveKey): string {
  return `spki:${Buffer.from(encodeSpki(key)!).toString('base64url')}`;
}
