import type { Env } from '../core/env.ts';
import { ClientHandshake } from './client-flights.ts';
import { type ClientConfig, clientSettings } from './config.ts';
import { Connection, type ConnectionPort } from './connection.ts';
import { ByteBudget } from './reassembly.ts';

/**
 * A connection to a server. It sends its first flight when `start` is called.
 *
 * @throws {DtlsError} `ERR_DTLS_CONFIG`
 */
export function clientConnection(config: ClientConfig, env: Env, port: ConnectionPort): Connection {
  const settings = clientSettings(config);
  const budget = new ByteBudget(settings.maxHandshakeBytes);
  return new Connection({ role: 'client', receive: 0, send: 0 }, settings, env, budget, port, (handshakePort) => new ClientHandshake(settings, handshakePort));
}
