import type { Peer } from './layer.ts';

/**
 * Datagrams in and out: the port through which an endpoint reaches the world. `src/transport` implements it over UDP.
 *
 * Datagrams change hands: the receiver may keep what it gets, and neither side writes a datagram after it was handed over.
 */
export interface DatagramTransport {
  /** Deliver what comes in to `receive`, from now on, with the group address that it was sent to, if it was. Called once. */
  start(receive: (datagram: Uint8Array, peer: Peer, group?: string) => void): void;
  /** Send, or fail in silence: datagrams get lost anyway. Never throws. */
  send(datagram: Uint8Array, peer: Peer): void;
  /**
   * The peer at a host (a name or a numeric address; IPv6 without brackets) and port.
   *
   * @throws {ProtocolError} when the host cannot be resolved
   */
  resolve(host: string, port: number): Promise<Peer>;
  readonly local: { readonly address: string; readonly port: number };
  close(): Promise<void>;
}
