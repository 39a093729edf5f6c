import { type DatagramTransport, decodeMessage, encodeMessage, type Message, type Peer, type SessionWatcher } from '../../src/coap/index.ts';

/** What is done to a datagram on its way between the socket and the server: another one, several, or none. */
export interface Sabotage {
  readonly incoming?: (datagram: Uint8Array) => readonly Uint8Array[];
  readonly outgoing?: (datagram: Uint8Array) => readonly Uint8Array[];
}

/** A transport that makes a server that does as it should one that breaks a rule. */
export function sabotaged(transport: DatagramTransport, { incoming, outgoing }: Sabotage): DatagramTransport {
  return {
    ...(transport.scheme === undefined ? {} : { scheme: transport.scheme }),
    local: transport.local,
    resolve: (host, port, scheme) => transport.resolve(host, port, scheme),
    start: (receive: (datagram: Uint8Array, peer: Peer) => void, watcher?: SessionWatcher) =>
      transport.start((datagram, peer) => {
        for (const one of incoming?.(datagram) ?? [datagram]) receive(one, peer);
      }, watcher),
    send: (datagram, peer) => {
      for (const one of outgoing?.(datagram) ?? [datagram]) transport.send(one, peer);
    },
    close: () => transport.close(),
  };
}

/** A change of messages; datagrams that are none pass as they are. */
export function messages(change: (message: Message) => Partial<Message> | undefined): (datagram: Uint8Array) => readonly Uint8Array[] {
  return (datagram) => {
    let message: Message;
    try {
      message = decodeMessage(datagram, { extendedTokens: true });
    } catch {
      return [datagram];
    }
    const changed = change(message);
    return changed === undefined ? [] : [encodeMessage({ ...message, ...changed }, { extendedTokens: true })];
  };
}

/** Each datagram passes once, copies of it do not. */
export function once(): (datagram: Uint8Array) => readonly Uint8Array[] {
  const seen = new Set<string>();
  return (datagram) => {
    const key = String(datagram);
    if (seen.has(key)) return [];
    seen.add(key);
    return [datagram];
  };
}
