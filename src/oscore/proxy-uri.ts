import { type Option, OptionNumber, pathOptions, queryOptions } from '../coap/index.ts';
import { fromUtf8, utf8 } from '../core/bytes.ts';
import { OscoreError } from './errors.ts';

const uriParts = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]+)([^?#]*)(?:\?([^#]*))?$/;

function decoded(parts: readonly string[]): string[] {
  try {
    return parts.map(decodeURIComponent);
  } catch (cause) {
    throw new OscoreError('ERR_OSCORE_PROXY_URI', 'expected a Proxy-Uri whose percent-encoding is UTF-8, got one that is not', { cause });
  }
}

/**
 * Take a Proxy-Uri apart: path and query go into the plaintext, scheme, host and port stay for the proxy.
 *
 * @throws {OscoreError} `ERR_OSCORE_PROXY_URI` when it is not an absolute URI with an authority and without a fragment
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-4.1.3.3
 */
export function splitProxyUri(option: Option): { readonly outer: Option; readonly inner: readonly Option[] } {
  const match = uriParts.exec(fromUtf8(option.value));
  if (match === null) throw new OscoreError('ERR_OSCORE_PROXY_URI', 'expected a Proxy-Uri with scheme and host and without fragment, got another');
  const [, proxy = '', path = '', query] = match;
  // RFC 7252 §6.4, steps 8 and 9: '/' alone is no segment.
  const segments = path === '' || path === '/' ? [] : decoded(path.slice(1).split('/'));
  const args = query === undefined ? [] : decoded(query.split('&'));
  return { outer: { number: OptionNumber.ProxyUri, value: utf8(proxy) }, inner: [...pathOptions(segments), ...queryOptions(args)] };
}
