import { BlockList, isIP } from 'node:net';
import { list, matching, oneOf, optional, type Schema, section } from './schema.ts';

/** The section `proxy` of a face over HTTPS: what ends TLS before it. */
export interface RawProxy {
  readonly trusted: readonly string[];
  readonly public_url: string;
  readonly header?: 'x-forwarded-for' | 'forwarded';
}

/** Proxies that stand before a server, and may say who has asked them. */
export interface ProxyConfig {
  /** Addresses, and networks such as 10.0.0.0/8. */
  readonly trusted: readonly string[];
  readonly header: 'x-forwarded-for' | 'forwarded';
}

/** An origin: nothing stands behind host and port. */
export const origin: Schema<string> = matching('an origin of https, such as https://sims.val.example', (text) => {
  return text.startsWith('https://') && URL.canParse(text) && new URL(text).origin === text;
});

const network: Schema<string> = matching('an address, or a network such as 10.0.0.0/8', isNetwork);

export const proxySchema: Schema<RawProxy> = section('proxies that end TLS: trusted, public_url, header', {
  trusted: list('address', network),
  public_url: origin,
  header: optional(oneOf(['x-forwarded-for', 'forwarded'] as const)),
});

export function proxyConfig({ trusted, header = 'x-forwarded-for' }: RawProxy): ProxyConfig {
  return { trusted, header };
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  try {
    new BlockList().addSubnet(address, bits === undefined ? (family === 4 ? 32 : 128) : Number(bits), family === 4 ? 'ipv4' : 'ipv6');
    return true;
  } catch {
    return false;
  }
}
