import { composeUri, type defaultPorts, type Option, OptionNumber, parseUri, pathOptions, queryOptions, stringOption, uintOption } from '../coap/index.ts';
import { fromUtf8, utf8 } from '../core/bytes.ts';
import { OscoreError } from './errors.ts';

/** URIs of HTTP are taken apart like those of the scheme of CoAP that has their form and their default port. */
const alike: Readonly<Record<string, keyof typeof defaultPorts>> = { http: 'coap+ws', https: 'coaps+ws' };

/**
 * Take a Proxy-Uri apart: path and query go into the plaintext, scheme, host and port stay for the proxy.
 *
 * @throws {OscoreError} `ERR_OSCORE_PROXY_URI` when it is not an absolute URI of CoAP or HTTP, or has user information or a fragment
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-4.1.3.3
 */
export function splitProxyUri(option: Option): { readonly outer: Option; readonly inner: readonly Option[] } {
  try {
    const text = fromUtf8(option.value);
    const scheme = /^[a-z][a-z0-9+.-]*(?=:)/i.exec(text)?.[0].toLowerCase() ?? '';
    const { [scheme]: like = scheme } = alike;
    // RFC 7252 §6.4, of which what Uri-Host and Uri-Port hold is put together again by §6.5.
    const uri = parseUri(like + text.slice(scheme.length));
    const host = uri.host.includes(':') ? `[${uri.host}]` : uri.host;
    const parts = [stringOption(OptionNumber.UriHost, host), uintOption(OptionNumber.UriPort, uri.port)];
    const composed = composeUri(parts, { key: '', address: '', port: 0 }, uri.scheme);
    const proxy = scheme + composed.slice(uri.scheme.length).replace(/\/$/, '');
    return { outer: { number: OptionNumber.ProxyUri, value: utf8(proxy) }, inner: [...pathOptions(uri.path), ...queryOptions(uri.query)] };
  } catch (cause) {
    throw new OscoreError('ERR_OSCORE_PROXY_URI', 'expected a Proxy-Uri of CoAP or HTTP with a host and without user information and fragment, got another', {
      cause,
    });
  }
}
