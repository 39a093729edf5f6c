import { encodeLinkFormat, filterLinks, type HttpResponse, link, type ReverseRoute, type UriMapping } from '../coap/index.ts';
import { utf8 } from '../core/bytes.ts';

/**
 * What `/.well-known/core` of a gateway lists: the resource that CoAP URIs are appended to, with the template if it is not the default one, and the paths that
 * servers stand behind. `undefined`: a route takes that path.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-5.5
 */
export function gatewayLinks(mapping: UriMapping | undefined, routes: readonly ReverseRoute[]): ((query: readonly string[]) => HttpResponse) | undefined {
  const paths = routes.map(({ path = '/' }) => path);
  if (paths.some((path) => /^\/(?:\.well-known(?:\/core)?)?$/.test(path))) return undefined;
  const links = [
    ...(mapping === undefined ? [] : [link(mapping.base, { rt: 'core.hc', ...(mapping.template === '{+tu}' ? {} : { hct: mapping.template }) })]),
    ...paths.map((path) => link(path)),
  ];
  return (query) => ({
    status: 200,
    headers: { 'content-type': 'application/link-format', 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' },
    body: utf8(encodeLinkFormat(filterLinks(links, query))),
  });
}
