import { defaultPorts } from '../coap/index.ts';
import { dtls } from './dtls.ts';
import type { DtlsTransportOptions } from './dtls-options.ts';
import { TransportError } from './errors.ts';
import { addressOf, endpointOn, type Scheme, sourceFor } from './scheme.ts';

/** For clients `credentials`, for servers `server` and `authenticator`. */
export type DtlsSchemeOptions = Omit<DtlsTransportOptions, 'env'>;

function refuse(missing: string): TransportError {
  return new TransportError('ERR_TRANSPORT_CREDENTIALS', `expected ${missing}, got none; give them to dtlsSchemes, and its row to whoever is to use it`);
}

/**
 * The row of `coaps` (RFC 7252, Section 6.2) with credentials of one's own.
 *
 * ```ts
 * const known = authenticatorOf({ psk: [{ identity, key }] });
 * const rows = [...schemes, ...dtlsSchemes({ credentials: { psk: { identity, key } }, server: { psk: {} }, authenticator: known })];
 * const server = await serve({ listen: 'coaps://127.0.0.1', resources, schemes: rows });
 * const client = new CoapClient({ schemes: rows });
 * ```
 */
export function dtlsSchemes(options: DtlsSchemeOptions = {}): readonly Scheme[] {
  const { credentials, server, authenticator, ...both } = options;
  return [
    {
      name: 'coaps',
      defaultPort: defaultPorts.coaps,
      route: async ({ host }) => {
        if (credentials === undefined) throw refuse('credentials for a client');
        const source = sourceFor(await addressOf(host));
        // By its name: the credentials may depend on it.
        return {
          key: `coaps ${source}`,
          host,
          open: async (given) => endpointOn(await dtls({ ...both, credentials, address: source, ...envOf(given) }), given),
        };
      },
      listen: async ({ host, port }, given) => {
        if (server === undefined || authenticator === undefined) throw refuse('server and authenticator for a server');
        return endpointOn(await dtls({ ...both, server, authenticator, address: await addressOf(host), port, ...envOf(given) }), given);
      },
    },
  ];
}

const envOf = ({ env }: Pick<DtlsTransportOptions, 'env'>): Pick<DtlsTransportOptions, 'env'> => (env === undefined ? {} : { env });
