import { CoapError, parseUri, UriMapping } from '../coap/index.ts';
import { OscoreError } from './errors.ts';

/** The one variable of the simple form (RFC 8075, Section 5.4.1). */
const variable = '{+tu}';

/** A template at a proxy of this origin. */
interface HostedMapping {
  readonly origin: string;
  readonly mapping: UriMapping;
}

function mappingOf(template: string): HostedMapping {
  const [, origin, path] = /^(https?:\/\/[^/?#@{}]+)\/([^#]*)$/i.exec(template) ?? [];
  try {
    if (origin !== undefined && path!.includes(variable)) return { origin, mapping: new UriMapping({ base: '/', template: path! }) };
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
  }
  throw new OscoreError('ERR_OSCORE_HTTP', `expected a URI of HTTP with ${variable} in it once, got ${JSON.stringify(template)}`);
}

/**
 * The Hosting HTTP URI under which an HTTP-to-CoAP proxy serves what is at a Target CoAP URI.
 *
 * @param template URI of the proxy with its mapping template in the simple form: `https://p.example.com/hc/{+tu}` (the default mapping),
 * `https://p.example.com/hc/?target_uri={+tu}`
 * @throws {OscoreError} `ERR_OSCORE_HTTP` for a template that is none
 * @throws {CoapError} `ERR_COAP_URI` for a target that is no absolute URI of CoAP
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-5.3 and #section-5.4.1
 */
export function composeHostingUri(template: string, target: string): string {
  const { origin, mapping } = mappingOf(template);
  parseUri(target);
  return origin + mapping.hostingOf(target);
}

/**
 * The Target CoAP URI in a Hosting HTTP URI.
 *
 * @param uri the effective request URI; its scheme and authority count, so the caller puts them before what stands in the request line
 * @throws {OscoreError} `ERR_OSCORE_HTTP` for a template that is none, and, to be answered with 400 (Bad Request), for a URI that is not of it
 * @throws {CoapError} `ERR_COAP_URI`, likewise: the target is no absolute URI of CoAP; one without a scheme is none (Section 5.3.1)
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-5.3 and #section-5.4.1
 */
export function parseHostingUri(template: string, uri: string): string {
  const { origin, mapping } = mappingOf(template);
  const target = uri.startsWith(origin) ? targetIn(mapping, uri.slice(origin.length)) : undefined;
  if (target === undefined) throw new OscoreError('ERR_OSCORE_HTTP', 'expected a URI of the form of the template, got another');
  parseUri(target);
  return target;
}

function targetIn(mapping: UriMapping, url: string): string | undefined {
  try {
    return mapping.targetTextOf(url);
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
    return undefined;
  }
}
