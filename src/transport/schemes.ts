import { type CoapUri, parseUri } from '../coap/index.ts';
import { dtlsSchemes } from './dtls-schemes.ts';
import { TransportError } from './errors.ts';
import { addressOf, endpointOn, type Scheme, sourceFor } from './scheme.ts';
import { streamSchemes, tlsSchemes } from './stream-schemes.ts';
import { udp } from './udp.ts';

const coap: Scheme = {
  name: 'coap',
  defaultPort: 5683,
  route: async ({ host }) => {
    const address = await addressOf(host);
    const source = sourceFor(address);
    return { key: `coap ${source}`, host: address, open: async (options) => endpointOn(await udp({ address: source }), options) };
  },
  listen: async ({ host, port }, options) => endpointOn(await udp({ address: await addressOf(host), port }), options),
};

/** The schemes that there are. What TLS needs beyond the certificates that Node trusts is for `tlsSchemes`, the credentials of DTLS are for `dtlsSchemes`. */
export const schemes: readonly Scheme[] = [coap, ...dtlsSchemes(), ...streamSchemes, ...tlsSchemes()];

/** A URI and the row of its scheme. */
export interface Target {
  readonly scheme: Scheme;
  readonly uri: CoapUri;
}

/**
 * The row for a URI, and the URI taken apart. In a URI to listen at, port 0 may stand.
 *
 * @throws {TransportError} `ERR_TRANSPORT_SCHEME` for a scheme without a row
 * @throws {CoapError} `ERR_COAP_URI`
 */
export function targetOf(text: string, rows: readonly Scheme[], listening = false): Target {
  const [, name = '', authority = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(\/\/[^/?#]*)(.*)$/is.exec(text) ?? [];
  // The last row counts, so that what is added can take the place of what is there.
  const scheme = rows.findLast((row) => row.name === name.toLowerCase());
  if (scheme === undefined) {
    const known = rows.map((row) => `${row.name}://`).join(', ');
    throw new TransportError('ERR_TRANSPORT_SCHEME', `expected a URI that starts with one of ${known}, got ${JSON.stringify(text)}`);
  }
  const [, host = authority, port] = /^(.*?)(?::(\d*))?$/s.exec(authority) ?? [];
  if (listening && port !== undefined && /^0+$/.test(port)) return { scheme, uri: { ...parseUri(`coap:${host}${rest}`), port: 0 } };
  const uri = parseUri(`coap:${authority}${rest}`);
  return { scheme, uri: port === undefined || port === '' ? { ...uri, port: scheme.defaultPort } : uri };
}
