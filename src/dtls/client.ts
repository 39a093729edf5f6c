import type { Env } from '../core/env.ts';
import { ClientHandshake } from './client-flights.ts';
import { type ClientConfig, clientSettings } from './config.ts';
import { Connection } from './connection.ts';
import type { ConnectionPort } from './events.ts';
import { ByteBudget } from './reassembly.ts';
import { checkConnection } from './saved-connection.ts';

/**
 * A connection to a server. It sends its first flight when `start` is called.
 *
 * @throws {DtlsError} `ERR_DTLS_CONFIG`
 */
export function clientConnection(config: ClientConfig, env: Env, port: ConnectionPort): Connection {
  const settings = clientSettings(config);
  const budget = new ByteBudget(settings.maxHandshakeBytes);
  const connection = new Connection('client', settings, env, port);
  return connection.prepare(0, 0, budget, (handshakePort) => new ClientHandshake(settings, handshakePort));
}

/**
 * The connection that `Connection.export` gave, from the side of a client. It is connected at once. The bytes are to be imported once, and deleted before.
 *
 * @throws {DtlsError} `ERR_DTLS_CONFIG`; `ERR_DTLS_IMPORT` for bytes that are damaged or of something else, a connection whose time is over, and one that the
 * configuration does not allow
 */
export function importConnection(saved: Uint8Array, config: ClientConfig, env: Env, port: ConnectionPort): Connection {
  const settings = clientSettings(config);
  const outline = checkConnection(saved, 'client', () => settings, env);
  return new Connection('client', settings, env, port).restore(saved, outline);
}
