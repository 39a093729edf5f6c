import type { DatagramTransport, Peer } from '../coap/index.ts';

/** A datagram that passes. It is borrowed: whoever keeps it copies it. */
export interface TapEvent {
  readonly direction: 'in' | 'out';
  readonly datagram: Uint8Array;
  readonly peer: Peer;
}

/** The same transport, with a look at every datagram before it goes on. */
export function tap(transport: DatagramTransport, on: (event: TapEvent) => void): DatagramTransport {
  return {
    start: (receive) =>
      transport.start((datagram, peer) => {
        on({ direction: 'in', datagram, peer });
        receive(datagram, peer);
      }),
    send: (datagram, peer) => {
      on({ direction: 'out', datagram, peer });
      transport.send(datagram, peer);
    },
    resolve: (host, port, scheme) => transport.resolve(host, port, scheme),
    local: transport.local,
    close: () => transport.close(),
  };
}
