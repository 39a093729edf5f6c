import { BytesError, concatAll, constantTimeEqual, equalBytes, toKey } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { HandshakeFailure } from './alert.ts';
import { verifyPath } from './certification-path.ts';
import type { CipherSuite } from './cipher-suites.ts';
import type { ClientSettings, ServerSettings } from './config.ts';
import type { PeerIdentity } from './events.ts';
import { CertificateType } from './extensions.ts';
import type { Session } from './session.ts';

/** What a client proves itself with in such a session: the PSK, or all the keys and certificates that it has. */
export function ownProof({ psk, credentials }: ClientSettings, { keyExchange }: CipherSuite): Uint8Array {
  return keyExchange === 'ECDHE_ECDSA' ? concatAll(credentials.map(({ body }) => body)) : psk!.key;
}

/** Whether these settings still trust who was known then. A certificate may have run out since. */
export function trusts(settings: ClientSettings | ServerSettings, identity: PeerIdentity, epoch: number): boolean {
  switch (identity.type) {
    case 'psk':
      return true;
    case 'anonymous':
      return !('requiresClientKey' in settings && settings.requiresClientKey);
    case 'raw-public-key':
      return settings.peerTypes.includes(CertificateType.RawPublicKey);
    case 'certificate':
      return settings.peerTypes.includes(CertificateType.X509) && hasPath(settings, identity.chain, epoch);
  }
}

function hasPath(settings: ClientSettings | ServerSettings, chain: readonly Uint8Array[], epoch: number): boolean {
  const host = 'host' in settings ? settings.host : undefined;
  const rules = { of: 'requiresClientKey' in settings ? 'client' : 'server', epoch, ...(host === undefined ? {} : { host }) } as const;
  try {
    verifyPath(chain, settings.roots, rules);
    return true;
  } catch (error) {
    if (error instanceof HandshakeFailure || error instanceof BytesError) return false;
    throw error;
  }
}

function mayGoOn(session: Session, settings: ClientSettings | ServerSettings, epoch: number): boolean {
  const { isResumable, cipherSuite, established, peerIdentity } = session;
  // A clock that was set back makes none live longer.
  const age = Math.abs(1000 * (epoch - established));
  const { sessionLifetime, maxLifetime, suites } = settings;
  return isResumable && age < sessionLifetime && age < maxLifetime && suites.includes(cipherSuite) && trusts(settings, peerIdentity, epoch);
}

/** The session that a client offers to resume: the one that it was given, unless something has changed since. */
export function offeredSession(settings: ClientSettings, epoch: number): Session | undefined {
  const { session, serverName, psk } = settings;
  if (session === undefined || !mayGoOn(session, settings, epoch) || session.serverName !== serverName) return undefined;
  const { peerIdentity } = session;
  if (peerIdentity.type === 'psk' && !(psk !== undefined && equalBytes(psk.identity, peerIdentity.identity))) return undefined;
  return session.isOf(ownProof(settings, session.cipherSuite)) ? session : undefined;
}

/** The sessions of a server that clients may resume: bounded, the oldest goes for a new one. */
export class SessionCache {
  readonly #env: Env;
  readonly #limit: number;
  readonly #lifetime: number;
  /** In the order in which they were established. */
  readonly #sessions: Map<string, Session> = new Map();
  /** Goes on where it stopped: one that is new passes over all that was ever deleted from the beginning. */
  #order: IterableIterator<[key: string, session: Session]> = this.#sessions.entries();
  #front: readonly [key: string, session: Session] | undefined;

  /** `lifetime` in milliseconds from the full handshake. */
  constructor(limit: number, lifetime: number, env: Env) {
    this.#limit = limit;
    this.#lifetime = lifetime;
    this.#env = env;
  }

  /** Sessions that may be resumed. */
  get size(): number {
    return this.all().length;
  }

  all(): readonly Session[] {
    this.#expire();
    for (const [key, { isResumable }] of this.#sessions) if (!isResumable) this.#delete(key);
    return [...this.#sessions.values()];
  }

  add(session: Session): void {
    const key = toKey(session.id);
    if (!session.isResumable || this.#sessions.has(key)) return;
    this.#expire();
    while (this.#sessions.size >= this.#limit) this.#delete(this.#oldest()![0]);
    this.#sessions.set(key, session);
  }

  /** The one that is here of a session that was saved apart from it: what one connection forgets, no other one resumes. */
  same({ id, master }: Session): Session | undefined {
    const known = this.#sessions.get(toKey(id));
    return known !== undefined && constantTimeEqual(known.master, master) ? known : undefined;
  }

  /** The session of this id, if a server with these settings goes on with it. */
  find(id: Uint8Array, settings: ServerSettings): Session | undefined {
    if (id.length === 0) return undefined;
    const session = this.#sessions.get(toKey(id));
    return session !== undefined && mayGoOn(session, settings, this.#env.epoch()) ? session : undefined;
  }

  /** By use, not by a timer: a server at rest has none. */
  #expire(): void {
    const end = this.#env.epoch() - this.#lifetime / 1000;
    for (let oldest = this.#oldest(); oldest !== undefined && oldest[1].established <= end; oldest = this.#oldest()) this.#delete(oldest[0]);
  }

  #delete(key: string): void {
    this.#sessions.delete(key);
    if (this.#front?.[0] === key) this.#front = undefined;
  }

  /** Of those that are there. */
  #oldest(): readonly [key: string, session: Session] | undefined {
    while (this.#sessions.size > 0) {
      if (this.#front !== undefined) return this.#front;
      const next = this.#order.next();
      this.#front = next.done === true ? undefined : next.value;
      if (next.done === true) this.#order = this.#sessions.entries();
    }
    return undefined;
  }
}
