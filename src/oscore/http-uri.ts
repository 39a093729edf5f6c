import { parseUri } from '../coap/index.ts';
import { OscoreError } from './errors.ts';

/** The one variable of the simple form (RFC 8075, Section 5.4.1). */
const variable = '{+tu}';

/** What stands before and after the Target CoAP URI. */
function partsOf(template: string): readonly [before: string, after: string] {
  const [before, after, ...more] = template.split(variable);
  if (after === undefined || more.length > 0 || !/^https?:\/\/[^/?#@{}]+\/[^#{}]*$/i.test(before!) || /[#{}]/.test(after))
    throw new OscoreError('ERR_OSCORE_HTTP', `expected a URI of HTTP with ${variable} in it once, got ${JSON.stringify(template)}`);
  return [before!, after];
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
  const [before, after] = partsOf(template);
  parseUri(target);
  // §5.3.2: the brackets of an IPv6 address may not stand in a path.
  return before + target.replace('[', '%5B').replace(']', '%5D') + after;
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
  const [before, after] = partsOf(template);
  if (!uri.startsWith(before) || !uri.endsWith(after) || uri.length < before.length + after.length)
    throw new OscoreError('ERR_OSCORE_HTTP', 'expected a URI of the form of the template, got another');
  const target = uri
    .slice(before.length, uri.length - after.length)
    .replace(/%5B/i, '[')
    .replace(/%5D/i, ']');
  parseUri(target);
  return target;
}
