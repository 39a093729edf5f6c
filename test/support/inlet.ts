import { Code, type DatagramTransport, type Peer } from '../../src/coap/index.ts';

export function peerAt(address: string, port: number): Peer {
  return { key: `${address}:${port}`, address, port };
}

/** A transport into which datagrams are put by hand, and from which nothing leaves. */
export class Inlet implements DatagramTransport {
  receive: (datagram: Uint8Array, peer: Peer) => void = () => {};
  /** Datagrams with 2.05 that would have left. */
  answers = 0;
  readonly local = { address: '127.0.0.1', port: 5683 };

  start(receive: (datagram: Uint8Array, peer: Peer) => void): void {
    this.receive = receive;
  }

  send(datagram: Uint8Array): void {
    if (datagram[1] === Code.Content) this.answers++;
  }

  resolve(address: string, port: number): Promise<Peer> {
    return Promise.resolve(peerAt(address, port));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
