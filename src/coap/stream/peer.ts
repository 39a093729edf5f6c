import { baseCapabilities, type Capabilities } from '../capabilities.ts';
import type { Peer, SecurityAssociation } from '../layer.ts';
import type { UriScheme } from '../message/uri-scheme.ts';

/** Where a `StreamPeer` is. */
export interface StreamAddress {
  readonly scheme: UriScheme;
  /** Numeric; IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** The name that was asked for. */
  readonly host?: string;
  /** Tells connections that came in apart: the next one from the same address and port is another peer. */
  readonly serial?: number;
  /** What protects all that the connection carries. */
  readonly association?: SecurityAssociation;
}

const kinds: Readonly<Partial<Record<UriScheme, string>>> = { 'coap+tcp': 'tcp', 'coaps+tcp': 'tls', 'coap+ws': 'ws', 'coaps+ws': 'wss' };

/** A peer at the other end of a connection, or of one that is still to be opened. */
export class StreamPeer implements Peer {
  readonly key: string;
  readonly scheme: UriScheme;
  readonly address: string;
  readonly port: number;
  readonly host: string;
  /** It came to us, and cannot be connected to. */
  readonly accepted: boolean;
  readonly association?: SecurityAssociation;
  /** Those of the connection that was used last. */
  capabilities: Readonly<Capabilities> = baseCapabilities();

  constructor(at: StreamAddress) {
    this.scheme = at.scheme;
    this.address = at.address;
    this.port = at.port;
    this.accepted = at.serial !== undefined;
    this.host = at.host ?? at.address;
    if (at.association !== undefined) this.association = at.association;
    // The name is a part: what was verified for one name is not for another.
    const place = `${this.host.includes(':') ? `[${this.host}]` : this.host}:${at.port}`;
    this.key = `${kinds[at.scheme] ?? at.scheme}:${place}${at.serial === undefined ? '' : `#${at.serial}`}`;
  }
}
