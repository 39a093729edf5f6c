import type { Env } from '../../core/env.ts';
import { CoapError } from '../errors.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Peer } from '../layer.ts';
import { longestPlainToken, longestToken } from '../message/message.ts';

/** Extended tokens at an endpoint: the wider message format in both directions, and what is kept of peers that were asked whether they have it. */
export interface ExtendedTokenOptions {
  /**
   * The longest token that a request may have, 8 to 65,804, default 256. Over datagrams a request with a longer one is answered with 4.00; on connections the CSM
   * announces it, and a longer one is a format error.
   */
  readonly accept?: number;
  /**
   * Milliseconds that the answer of a peer is believed, since addresses change hands. Default 1,800,000: the least that RFC 8974, Section 2.2.2 names.
   */
  readonly lifetime?: number;
  /** Peers of which it is remembered. Default 1,024; when there are more, the one that was asked about longest ago is forgotten. */
  readonly peers?: number;
}

interface Finding {
  readonly length: number;
  readonly until: number;
}

/**
 * How long the tokens may be that a peer takes: on a connection by its CSM, else as far as it was found out by trial and error.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8974#section-2.2
 */
export class TokenSupport {
  readonly #env: Env;
  readonly #lifetime: number;
  readonly #findings: ExpiringTable<Finding>;
  readonly accept: number;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(env: Env, { accept = 256, lifetime = 1_800_000, peers = 1024 }: ExtendedTokenOptions = {}) {
    if (!Number.isInteger(accept) || accept < longestPlainToken || accept > longestToken)
      throw new CoapError('ERR_COAP_PARAMETER', `expected accept to be a whole number from 8 to ${longestToken}, got ${accept}`);
    if (!(lifetime > 0) || !(peers >= 1)) throw new CoapError('ERR_COAP_PARAMETER', `expected a lifetime and peers above 0, got ${lifetime} and ${peers}`);
    this.#env = env;
    this.#lifetime = lifetime;
    this.accept = accept;
    this.#findings = new ExpiringTable(env, { lifetime, entries: peers });
  }

  get size(): number {
    return this.#findings.size;
  }

  /** The longest token that the peer is known to take; 8 for one that is known not to have the extension; `undefined`: it was not asked, or long ago. */
  lengthOf(peer: Peer): number | undefined {
    if (peer.capabilities !== undefined) return peer.capabilities.extendedTokenLength;
    const finding = this.#findings.get(peer.key);
    if (finding === undefined) return undefined;
    if (finding.until > this.#env.now()) return finding.length;
    this.#findings.delete(peer.key);
    return undefined;
  }

  learn(peer: Peer, length: number): void {
    this.#findings.set(peer.key, peer.key, { length, until: this.#env.now() + this.#lifetime });
  }

  close(): void {
    this.#findings.clear();
  }
}
