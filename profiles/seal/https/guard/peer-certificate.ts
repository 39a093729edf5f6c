import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { toBase64Url } from '../../../../src/core/bytes.ts';
import { digest } from '../../../../src/core/crypto/index.ts';
import type { Env } from '../../../../src/core/env.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import { certificateNames, type Finding, lintCertificate } from '../../../../src/pki/index.ts';

/** The certificate of the other end of a connection, which TLS has verified. */
export interface PeerCertificate {
  /** DNS names and URIs of its subjectAltName. */
  readonly names: readonly string[];
  /** SHA-256 of it in base64url (RFC 8705, Section 3.1). */
  readonly thumbprint: string;
  /** In what it differs from the profile of TS 33.310, if that was looked for. */
  readonly findings: readonly Finding[];
}

/** Reads certificates of peers, once for each connection: it stays the same as long as it lasts, since there is no renegotiation. */
export class PeerCertificates {
  readonly #known = new WeakMap<Socket, PeerCertificate>();
  readonly #clock: Pick<Env, 'epoch'> | undefined;

  /** With a clock, certificates are held against the profile of a client. */
  constructor(clock: Pick<Env, 'epoch'> | undefined) {
    this.#clock = clock;
  }

  /** `undefined`: it has shown none that the listener trusts. */
  of(socket: Socket): PeerCertificate | undefined {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    const shown = socket.getPeerX509Certificate();
    if (shown === undefined) return undefined;
    const read = this.#read(shown);
    this.#known.set(socket, read);
    return read;
  }

  #read({ raw }: X509Certificate): PeerCertificate {
    const findings = this.#clock === undefined ? [] : lintCertificate(raw, { as: 'client', now: this.#clock.epoch() });
    return { names: namesOf(raw), thumbprint: toBase64Url(digest('sha256', raw)), findings };
  }
}

/** An authority may have signed what nobody can read: that is nobody's. */
function namesOf(raw: Uint8Array): readonly string[] {
  try {
    return certificateNames(raw);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [];
  }
}
