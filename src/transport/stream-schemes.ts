import { defaultPorts, type StreamTransport, type UriScheme } from '../coap/index.ts';
import { TransportError } from './errors.ts';
import { addressOf, endpointOn, type Scheme, sourceFor } from './scheme.ts';
import { type StreamOptions, type StreamServerOptions, tcp, tcpServer } from './tcp.ts';
import { type TlsClientOptions, type TlsServerOptions, tls, tlsServer } from './tls.ts';
import { type TlsPskClientOptions, type TlsPskServerOptions, tlsPsk, tlsPskServer } from './tls-psk.ts';
import { ws, wsServer, wss, wssServer } from './ws.ts';

interface Openers {
  client(options: StreamOptions): Promise<StreamTransport>;
  server(options: StreamServerOptions): Promise<StreamTransport>;
}

/** Connections to all peers leave from one endpoint, one connection for each. */
function rowOf(name: UriScheme, { client, server }: Openers): Scheme {
  return {
    name,
    defaultPort: defaultPorts[name],
    route: async ({ host }) => {
      const source = sourceFor(await addressOf(host));
      // By its name: a certificate and a Host header field go by that.
      return { key: `${name} ${source}`, host, open: async (options) => endpointOn(await client({ address: source }), options) };
    },
    listen: async ({ host, port }, options) => endpointOn(await server({ address: await addressOf(host), port }), options),
  };
}

/** CoAP over TCP and over WebSockets (RFC 8323, Sections 8.1 and 8.3). */
export const streamSchemes: readonly Scheme[] = [rowOf('coap+tcp', { client: tcp, server: tcpServer }), rowOf('coap+ws', { client: ws, server: wsServer })];

/** For clients `ca`, and `cert` with `key` where the server asks for them; for servers `cert` and `key`. */
export type TlsSchemeOptions = TlsClientOptions & Partial<TlsServerOptions>;

function serverOptions({ cert, key, clientCa }: TlsSchemeOptions): TlsServerOptions {
  if (cert === undefined || key === undefined) {
    throw new TransportError('ERR_TRANSPORT_TLS', 'expected cert and key for a server, got none; give them to tlsSchemes, and its rows to serve');
  }
  return { cert, key, ...(clientCa === undefined ? {} : { clientCa }) };
}

/**
 * The rows of `coaps+tcp` and `coaps+ws` (RFC 8323, Sections 8.2 and 8.4) with certificates of one's own.
 *
 * ```ts
 * const server = await serve({ listen: 'coaps+tcp://127.0.0.1', resources, schemes: [...schemes, ...tlsSchemes({ cert, key })] });
 * const response = await request('coaps+tcp://localhost/hello', { schemes: [...schemes, ...tlsSchemes({ ca })] });
 * ```
 */
export function tlsSchemes(options: TlsSchemeOptions = {}): readonly Scheme[] {
  const { ca, cert, key } = options;
  const ours: TlsClientOptions = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) };
  return [
    rowOf('coaps+tcp', { client: (at) => tls({ ...at, ...ours }), server: async (at) => tlsServer({ ...at, ...serverOptions(options) }) }),
    rowOf('coaps+ws', { client: (at) => wss({ ...at, ...ours }), server: async (at) => wssServer({ ...at, ...serverOptions(options) }) }),
  ];
}

/** For clients `credentials`, for servers `psk`. */
export type TlsPskSchemeOptions = Partial<TlsPskClientOptions & TlsPskServerOptions>;

const refuse = (missing: string): TransportError =>
  new TransportError('ERR_TRANSPORT_CREDENTIALS', `expected ${missing}, got none; give them to tlsPskSchemes, and its row to whoever is to use it`);

/**
 * The row of `coaps+tcp` with pre-shared keys in the place of certificates (RFC 8323, Section 9.2).
 *
 * ```ts
 * const client = new CoapClient({ schemes: [...schemes, ...tlsPskSchemes({ credentials: () => ({ identity, key }) })] });
 * ```
 */
export function tlsPskSchemes(options: TlsPskSchemeOptions = {}): readonly Scheme[] {
  const { credentials, serverName, psk, hint, suite, env } = options;
  const both = suite === undefined ? {} : { suite };
  const client = async (at: StreamOptions): Promise<StreamTransport> => {
    if (credentials === undefined) throw refuse('credentials for a client');
    return tlsPsk({ ...at, ...both, credentials, ...(serverName === undefined ? {} : { serverName }) });
  };
  const server = async (at: StreamServerOptions): Promise<StreamTransport> => {
    if (psk === undefined) throw refuse('psk for a server');
    return tlsPskServer({ ...at, ...both, psk, ...(hint === undefined ? {} : { hint }), ...(env === undefined ? {} : { env }) });
  };
  return [rowOf('coaps+tcp', { client, server })];
}
