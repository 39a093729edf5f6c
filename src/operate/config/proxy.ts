import { isIP } from 'node:net';
import { list, matching, oneOf, optional, type Schema, section } from './schema.ts';

/** The section `proxy` of a face over HTTPS: what ends TLS before it. */
export interface RawProxy {
  readonly trusted: readonly string[];
  readonly public_url: string;
  readonly header?: 'x-forwarded-for' | 'forwarded';
}

/** An address, or those that have its first bits. */
export interface TrustedNetwork {
  readonly address: string;
  readonly bits: number;
}

/** Proxies that stand before a server, and may say who has asked them. */
export interface ProxyConfig {
  /** Addresses, and networks by the bits that they have in common. */
  readonly trusted: readonly TrustedNetwork[];
  readonly header: 'x-forwarded-for' | 'forwarded';
}

/** An origin: nothing stands behind host and port. */
export const origin: Schema<string> = matching('an origin of https, such as https://sims.val.example', (text) => {
  return text.startsWith('https://') && URL.canParse(text) && new URL(text).origin === text;
});

const network: Schema<string> = matching('an address, or a network such as 10.0.0.0/8', (text) => parseNetwork(text) !== undefined);

export const proxySchema: Schema<RawProxy> = section('proxies that end TLS: trusted, public_url, header', {
  trusted: list('address', network),
  public_url: origin,
  header: optional(oneOf(['x-forwarded-for', 'forwarded'] as const)),
});

export function proxyConfig({ trusted, header = 'x-forwarded-for' }: RawProxy): ProxyConfig {
  return { trusted: trusted.map((text) => parseNetwork(text)!), header };
}

/** `undefined`: it is neither an address nor a network. */
export function parseNetwork(text: string): TrustedNetwork | undefined {
  const [, address = '', length] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  return family === 0 || bits > most ? undefined : { address, bits };
}
