import type { Peer, Request } from '../layer.ts';
import { findOption, OptionNumber, readUint, sortOptions, stringOption, uintOption } from '../message/option.ts';

const defaultPort = 5683;

/**
 * The origin server at a host and port, as it is reached through a forward proxy: an endpoint sends requests for this peer to the proxy.
 *
 * The host may be a name that only the proxy can resolve.
 */
export function originVia(proxy: Peer, host: string, port: number = defaultPort): Peer {
  const origin = { key: `${proxy.key} ${host}:${port}`, address: host, port, via: proxy };
  // What comes back comes in the session with the proxy.
  return proxy.association === undefined ? origin : { ...origin, association: proxy.association };
}

/**
 * The request as its proxy gets it: with Proxy-Scheme, Uri-Host and Uri-Port. These are what OSCORE leaves in the clear (RFC 8613, Section 4.1.3.2), so a
 * protected request tells the proxy nothing else of its target.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.10.2
 */
export function requestVia(request: Request, proxy: Peer): Request {
  const { options, peer } = request;
  const added = [stringOption(OptionNumber.ProxyScheme, 'coap')];
  if (findOption(options, OptionNumber.UriHost) === undefined)
    added.push(stringOption(OptionNumber.UriHost, peer.address.includes(':') ? `[${peer.address}]` : peer.address));
  const stated = findOption(options, OptionNumber.UriPort);
  const port = stated === undefined ? peer.port : readUint(stated.value);
  // §6.5 takes an absent port for that of the request, others for that of the scheme: it may be left out where both are right.
  if (stated === undefined && (port !== defaultPort || port !== proxy.port)) added.push(uintOption(OptionNumber.UriPort, port));
  return { ...request, peer: proxy, options: sortOptions([...options, ...added]) };
}
