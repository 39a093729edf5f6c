import {
  CoapError,
  isIdempotent,
  type Layer,
  type Peer,
  type Request,
  type Requester,
  type ResponseListener,
  type SecurityAssociation,
} from '../../src/coap/index.ts';
import type { Cancel } from '../../src/core/env.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import type { DtlsAssociation, DtlsSessions, SessionCredentials } from '../../src/dtls/index.ts';
import { DtlsProfileError } from './credentials.ts';

type SessionPeer = Peer & { readonly association: DtlsAssociation };

/** Where the sessions of a server are, beside its plain CoAP: one port above it, as 5684 is above 5683 (RFC 7252, Section 12.7). */
function securePeer(peer: Peer): Peer {
  return peer.scheme === 'coaps' ? peer : { ...peer, port: peer.port + 1, scheme: 'coaps' };
}

/** Where a server takes requests that nothing protects: the other way round. */
export function plainPeer(peer: Peer): Peer {
  if (peer.scheme !== 'coaps' || peer.association !== undefined) return peer;
  const { address } = peer;
  const port = peer.port - 1;
  // The key that a socket for datagrams gives to an address.
  return { key: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`, address, port };
}

/**
 * What a client has with a server, for as long as its keys are good: a session that is opened when a request needs one, and again where it was lost.
 */
export class ClientSession implements SecurityAssociation {
  readonly kind = 'dtls';
  readonly id: string;
  readonly credential: string | undefined = undefined;
  readonly #sessions: DtlsSessions<Peer>;
  /** How the first session is opened, and how those after it. */
  #credentials: SessionCredentials;
  readonly #again: SessionCredentials;
  #peer: SessionPeer | undefined;
  #last: DtlsAssociation | undefined;
  #opening: Promise<SessionPeer> | undefined;
  #ended = false;

  constructor(sessions: DtlsSessions<Peer>, id: string, credentials: SessionCredentials, again: SessionCredentials = credentials) {
    this.#sessions = sessions;
    this.id = id;
    this.#credentials = credentials;
    this.#again = again;
  }

  /** The cipher suite of the session that was opened last. */
  get suite(): DtlsAssociation['suite'] | undefined {
    return this.#last?.suite;
  }

  /** Whether it went on with an earlier one. */
  get isResumed(): boolean | undefined {
    return this.#last?.isResumed;
  }

  /** The peer in the session that is there. */
  get peer(): SessionPeer | undefined {
    return this.#peer;
  }

  /** @throws {DtlsError} why there is no session; `DtlsProfileError` `ERR_DTLS_PROFILE_SESSION` when it was given up meanwhile */
  open(peer: Peer): Promise<SessionPeer> {
    this.#opening ??= this.#open(peer).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  lost(peer: SessionPeer): void {
    if (this.#peer === peer) this.#peer = undefined;
  }

  /** For good: a session whose handshake still goes on ends when that is over. */
  end(): void {
    this.#ended = true;
    this.#peer = undefined;
    this.#sessions.end(this.id);
  }

  async #open(peer: Peer): Promise<SessionPeer> {
    const opened = await this.#sessions.connect(securePeer(peer), { ...this.#credentials, credential: this.id });
    if (this.#ended) {
      this.#sessions.end(this.id);
      throw new DtlsProfileError('ERR_DTLS_PROFILE_SESSION', 'the session was given up');
    }
    this.#peer = opened;
    this.#last = opened.association;
    this.#credentials = this.#again;
    return opened;
  }
}

/** Requests under a session go to its peer; those that nothing protects go where nothing needs to. */
export function sessionLayer(holds: (association: SecurityAssociation | undefined) => ClientSession | undefined): Layer {
  return {
    name: 'dtls-profile',
    inbound: (next) => next,
    outbound: (next) => (request, listener) => {
      const session = holds(request.association);
      if (session !== undefined) return new Errand(session, request, listener, next).start();
      return next(request.association === undefined ? { ...request, peer: plainPeer(request.peer) } : request, listener);
    },
  };
}

/** A request on its way into a session. */
class Errand implements ResponseListener {
  readonly #session: ClientSession;
  readonly #request: Request;
  readonly #listener: ResponseListener;
  readonly #next: Requester;
  #peer: SessionPeer | undefined;
  #cancel: Cancel | undefined;
  #cancelled = false;
  #answered = false;
  #repeated = false;

  constructor(session: ClientSession, request: Request, listener: ResponseListener, next: Requester) {
    this.#session = session;
    this.#request = request;
    this.#listener = listener;
    this.#next = next;
  }

  start(): Cancel {
    const { peer } = this.#session;
    if (peer !== undefined) this.#send(peer);
    else this.#reopen();
    return () => {
      this.#cancelled = true;
      this.#cancel?.();
    };
  }

  response(...[response, last]: Parameters<ResponseListener['response']>): void {
    this.#answered = true;
    const isOurs = response.association !== undefined && response.association === this.#peer?.association;
    this.#listener.response(isOurs ? { ...response, association: this.#session, peer: this.#request.peer } : response, last);
  }

  acknowledged(): void {
    this.#listener.acknowledged?.();
  }

  error(error: ProtocolError): void {
    const { code } = error;
    if (error instanceof CoapError && (code === 'ERR_COAP_SESSION' || code === 'ERR_COAP_TIMEOUT')) {
      this.#session.lost(this.#peer!);
      if (code === 'ERR_COAP_SESSION') {
        this.#retry(error);
        return;
      }
    }
    this.#listener.error(error);
  }

  /** The server may have carried out what was sent in the session that ended. */
  #retry(error: ProtocolError): void {
    const { code, idempotent = isIdempotent(code) } = this.#request;
    if (idempotent && !this.#answered && !this.#repeated) {
      this.#repeated = true;
      this.#reopen();
    } else this.#listener.error(new DtlsProfileError('ERR_DTLS_PROFILE_SESSION', error.message, { cause: error }));
  }

  #reopen(): void {
    this.#session.open(this.#request.peer).then(
      (peer) => this.#send(peer),
      (error: ProtocolError) => {
        if (!this.#cancelled)
          this.#listener.error(new DtlsProfileError('ERR_DTLS_PROFILE_SESSION', `the server opens no session: ${error.message}`, { cause: error }));
      },
    );
  }

  #send(peer: SessionPeer): void {
    if (this.#cancelled) return;
    this.#peer = peer;
    try {
      this.#cancel = this.#next({ ...this.#request, peer, association: peer.association }, this);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.error(error);
    }
  }
}
