import { carver, constantTimeEqual } from '../core/bytes.ts';
import { hmac } from '../core/crypto/index.ts';
import type { CipherSuite, CipherSuiteName } from './cipher-suites.ts';
import type { Agreement, PeerIdentity } from './events.ts';

const masterLength = 48;
const proofLength = 16;

const carveSecret = carver();

export interface SessionState {
  /** As the server gave it; empty when the session cannot be resumed. */
  readonly id: Uint8Array;
  readonly cipherSuite: CipherSuite;
  readonly master: Uint8Array;
  readonly extendedMasterSecret: boolean;
  readonly peerIdentity: PeerIdentity;
  /** The server_name that the client asked for. */
  readonly serverName: string | undefined;
  /** Seconds since 1970 at the end of the full handshake. */
  readonly established: number;
  /** @see proofOf */
  readonly proof: Uint8Array;
}

/** Binds a session to the PSK, or to the key of the client, with which it came to be, without holding it: with another one it is not resumed, and no server that comes after goes on with it. */
export function proofOf(master: Uint8Array, credential: Uint8Array): Uint8Array {
  return hmac('sha256', master, credential).slice(0, proofLength);
}

/**
 * What two sides share beyond one connection: a client that keeps it connects again in a short handshake, in which no key is exchanged.
 *
 * It holds the master secret: whoever reads it can read all that its connections say.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-7
 */
export class Session {
  readonly cipherSuite: CipherSuite;
  readonly extendedMasterSecret: boolean;
  readonly peerIdentity: PeerIdentity;
  readonly serverName: string | undefined;
  readonly established: number;
  /** Master secret, proof and id, in one array: a server holds many. */
  readonly #secret: Uint8Array;
  #isForgotten = false;

  /** @internal */
  constructor({ id, cipherSuite, master, extendedMasterSecret, peerIdentity, serverName, established, proof }: SessionState) {
    this.cipherSuite = cipherSuite;
    this.extendedMasterSecret = extendedMasterSecret;
    this.peerIdentity = peerIdentity;
    this.serverName = serverName;
    this.established = established;
    this.#secret = carveSecret(masterLength + proofLength + id.length);
    this.#secret.set(master);
    this.#secret.set(proof, masterLength);
    this.#secret.set(id, masterLength + proofLength);
  }

  /** By which the server finds it; empty: it cannot be resumed. */
  get id(): Uint8Array {
    return this.#secret.slice(masterLength + proofLength);
  }

  /** The name of its cipher suite. */
  get suite(): CipherSuiteName {
    return this.cipherSuite.name;
  }

  /** What the handshake of a connection of it agreed on. */
  agreement(isResumed: boolean): Agreement {
    const { suite, extendedMasterSecret, peerIdentity, serverName } = this;
    return serverName === undefined
      ? { suite, extendedMasterSecret, peerIdentity, isResumed }
      : { suite, extendedMasterSecret, peerIdentity, isResumed, serverName };
  }

  /** The master secret itself, 48 bytes: neither to be changed nor to be kept. */
  get master(): Uint8Array {
    return this.#secret.subarray(0, masterLength);
  }

  /** What shows that a credential is still the one of the handshake. */
  get proof(): Uint8Array {
    return this.#secret.subarray(masterLength, masterLength + proofLength);
  }

  /** Whether it may be resumed. RFC 7627 §5.3: not without the extended master secret. */
  get isResumable(): boolean {
    return this.extendedMasterSecret && !this.#isForgotten && this.#secret.length > masterLength + proofLength;
  }

  /** Whether it came to be with this PSK, or with this key of the client. */
  isOf(credential: Uint8Array): boolean {
    return constantTimeEqual(this.proof, proofOf(this.master, credential));
  }

  /** A connection of it failed: no other one comes of it (RFC 5246, Section 7.2.2). Those that are there go on. */
  forget(): void {
    this.#isForgotten = true;
  }
}
