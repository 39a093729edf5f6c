/** An address of IPv4 as the resolver reads it, or a number in another script, which it maps to one. */
const mayBeIPv4 = /(?:(?:^|\.)(?:\d+|0x[\da-f]*)\.?|[^\0-\u007f].*)$/i;
const ipv4 = /^\d+\.\d+\.\d+\.\d+$/;

function hostnameOf(authority: string): string | undefined {
  return URL.canParse(`http://${authority}/`) ? new URL(`http://${authority}/`).hostname : undefined;
}

/**
 * One way to write a host that can be written in many, so that what decides by hosts cannot be written around: addresses of IPv6 as in RFC 5952 and without a zone
 * that means nothing, those of IPv4 (`127.1`, `0x7f000001`, `::ffff:127.0.0.1`) as four numbers. A name stays as it is.
 *
 * @param host - in lower case; IPv6 without brackets
 */
export function canonicalHost(host: string): string {
  if (host.includes(':')) return canonicalIPv6(host);
  if (!mayBeIPv4.test(host)) return host;
  const hostname = hostnameOf(host);
  return hostname !== undefined && ipv4.test(hostname) ? hostname : host;
}

function canonicalIPv6(host: string): string {
  const [address = '', zone] = host.split('%', 2);
  const hostname = hostnameOf(`[${address}]`);
  if (hostname === undefined) return host;
  const canonical = hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical);
  if (mapped !== null) {
    const bytes = mapped.slice(1).flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 0xff]);
    return bytes.join('.');
  }
  // RFC 4007 §6: only addresses of a link or a group are in a zone.
  return zone !== undefined && /^f(?:e[89ab]|f)/.test(canonical) ? `${canonical}%${zone}` : canonical;
}

/** Whether an address is of this machine alone. */
export function isLoopback(address: string): boolean {
  const canonical = canonicalHost(address.toLowerCase());
  return canonical === '::1' || (ipv4.test(canonical) && canonical.startsWith('127.'));
}
