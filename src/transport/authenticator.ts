import { toHex } from '../core/bytes.ts';
import type { CurveKey } from '../core/crypto/index.ts';
import {
  type Admitted,
  type Authenticator,
  type Connection,
  DtlsError,
  encodeSpki,
  type KeptAnswer,
  type PeerIdentity,
  type PskAnswer,
} from '../dtls/index.ts';

/** The clients that a server knows. */
export interface KnownClients {
  readonly psk?: readonly (Admitted & { readonly identity: Uint8Array; readonly key: Uint8Array })[];
  readonly rawPublicKeys?: readonly (Admitted & { readonly key: CurveKey })[];
}

/**
 * Lets in the clients of two tables.
 *
 * @throws {DtlsError} `ERR_DTLS_CONFIG` for a key on a curve that raw public keys are not for
 */
export function authenticatorOf({ psk = [], rawPublicKeys = [] }: KnownClients): Authenticator {
  const keys = new Map(psk.map(({ identity, ...answer }): [string, PskAnswer] => [toHex(identity), answer]));
  const known = new Map(rawPublicKeys.map(({ key, ...admitted }): [string, Admitted] => [keyText(key), admitted]));
  return {
    psk: (identity) => keys.get(toHex(identity)),
    rawPublicKey: (key) => known.get(keyText(key)),
  };
}

/** Equal for the same public key, however it is written. */
export function keyText(key: CurveKey): string {
  const spki = encodeSpki(key);
  if (spki === undefined) throw new DtlsError('ERR_DTLS_CONFIG', 'expected a public key on P-256, P-384 or Ed25519, got another');
  return toHex(spki);
}

/** What the first one answers that has an answer, the newest first. */
export async function firstAnswer<T>(
  authenticators: readonly Authenticator[],
  ask: (authenticator: Authenticator) => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  for (const authenticator of authenticators.toReversed()) {
    try {
      const answer = await ask(authenticator);
      if (answer !== undefined) return answer;
    } catch {
      // Who cannot say who it is does not let it in.
    }
  }
  return undefined;
}

/** Whether a connection of an earlier process goes on under this name: whoever is asked in a handshake says the same as then, and its PSK is the one of then. */
export async function stillAdmitted(authenticators: readonly Authenticator[], connection: Connection, credential: string | undefined): Promise<boolean> {
  const peer = connection.agreement!.peerIdentity;
  // Nobody was asked about it then.
  if (peer.type === 'anonymous') return credential === undefined;
  const answer = await firstAnswer<KeptAnswer>(authenticators, (authenticator) =>
    authenticator.goesOn === undefined ? askAgain(authenticator, peer) : authenticator.goesOn(credential, peer),
  );
  if (answer === undefined || 'alert' in answer || answer.credential !== credential) return false;
  return peer.type !== 'psk' || ('key' in answer && connection.isOf(answer.key));
}

function askAgain(authenticator: Authenticator, peer: PeerIdentity): KeptAnswer | undefined | Promise<KeptAnswer | undefined> {
  switch (peer.type) {
    case 'psk':
      return authenticator.psk?.(peer.identity);
    case 'raw-public-key':
      return authenticator.rawPublicKey?.(peer.key, peer.spki);
    case 'certificate':
      return authenticator.certificate?.(peer);
    default:
      return undefined;
  }
}
