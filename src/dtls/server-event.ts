import type { Connection } from './connection.ts';
import type { ConnectionEvent, DiscardReason } from './events.ts';

/** A peer, by the address that it sends from. */
export interface DatagramPeer {
  /** The same for the same address and port. */
  readonly key: string;
  /** Without the port: peers of one address share its part of the handshakes. Absent: the key. */
  readonly address?: string;
}

/** What a server tells and asks: what its connections do, and what belongs to none of them. */
export type ServerEvent<P extends DatagramPeer> =
  | (ConnectionEvent & { readonly connection: Connection; readonly peer: P })
  /** The peer, known by its connection ID, sends from another address: answer with `move`, at once or once it was reached there. */
  | { readonly type: 'moved'; readonly to: P; readonly connection: Connection; readonly peer: P }
  | { readonly type: 'discarded'; readonly reason: DiscardReason; readonly connection?: undefined; readonly peer: P };

/** What a connection tells, with whose it is. Field by field, as `connectedEvent`, for all that each handshake tells. */
export function ownedEvent<P extends DatagramPeer>(event: ConnectionEvent, connection: Connection, peer: P): ServerEvent<P> {
  switch (event.type) {
    case 'data':
      return { type: 'data', data: event.data, connection, peer };
    case 'psk-identity': {
      const { identity, serverName } = event;
      return serverName === undefined ? { type: 'psk-identity', identity, connection, peer } : { type: 'psk-identity', identity, serverName, connection, peer };
    }
    case 'peer-key':
      return { type: 'peer-key', key: event.key, spki: event.spki, connection, peer };
    case 'connected': {
      const { suite, extendedMasterSecret, peerIdentity, isResumed, serverName } = event;
      return serverName === undefined
        ? { type: 'connected', suite, extendedMasterSecret, peerIdentity, isResumed, connection, peer }
        : { type: 'connected', suite, extendedMasterSecret, peerIdentity, isResumed, serverName, connection, peer };
    }
    case 'closed':
      return event.error === undefined ? { type: 'closed', connection, peer } : { type: 'closed', error: event.error, connection, peer };
    case 'discarded':
      return { type: 'discarded', reason: event.reason, connection, peer };
    default:
      return { ...event, connection, peer };
  }
}
