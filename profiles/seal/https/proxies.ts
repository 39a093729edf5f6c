import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { AuthorizationServerError } from '../../../src/as/index.ts';

/** Proxies that end TLS before a SIM-S. */
export interface TrustedProxies {
  /** Their addresses: single ones, and with `bits` networks, such as 10.0.0.0 with 8. */
  readonly trusted: readonly { readonly address: string; readonly bits?: number }[];
  /** Where they write down who has asked them; the other one is whatever a client has sent. `x-forwarded-for` when absent. */
  readonly header?: 'x-forwarded-for' | 'forwarded';
}

/** Addresses in a header that are looked at: more proxies than these stand in no row. */
const mostHops = 32;

/** Tells where requests come from when proxies stand before the server. */
export class ProxyAddresses {
  readonly #trusted = new BlockList();
  readonly #header: 'x-forwarded-for' | 'forwarded';

  /** @throws {AuthorizationServerError} `ERR_AS_CONFIG` for what is no address and no network */
  constructor({ trusted, header = 'x-forwarded-for' }: TrustedProxies) {
    this.#header = header;
    for (const { address, bits } of trusted) {
      const [most, family] = isIP(address) === 4 ? ([32, 'ipv4'] as const) : ([128, 'ipv6'] as const);
      try {
        this.#trusted.addSubnet(address, bits ?? most, family);
      } catch (cause) {
        throw new AuthorizationServerError('ERR_AS_CONFIG', `proxies: expected an address or a network, got ${address} with ${bits ?? 'all'} bits`, { cause });
      }
    }
  }

  /** Whether a request comes from one of the proxies. */
  isTrusted({ socket }: Pick<IncomingMessage, 'socket'>): boolean {
    return this.#has(plain(socket.remoteAddress ?? ''));
  }

  /**
   * Who has sent a request: the last address before the trusted proxies. What stands before that is what a client says of itself, and is not looked at; where a
   * trusted proxy has written no address, it is that proxy.
   */
  addressOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    let address = plain(socket.remoteAddress ?? 'unknown');
    if (!this.#has(address)) return address;
    for (const hop of readHops(headers, this.#header).reverse()) {
      if (hop === undefined) return address;
      address = hop;
      if (!this.#has(address)) return address;
    }
    return address;
  }

  #has(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** The last addresses of the header, in its order; `undefined` stands for what is none. */
export function readHops(headers: IncomingHttpHeaders, header: 'x-forwarded-for' | 'forwarded'): (string | undefined)[] {
  const text = [headers[header] ?? []].flat().join(',');
  if (text.trim() === '') return [];
  const elements = header === 'forwarded' ? splitElements(text) : text.split(',');
  return elements.slice(-mostHops).map((element) => readHop(header === 'forwarded' ? forOf(element) : element.trim()));
}

/** RFC 7239, Section 4: commas may stand in quotes. */
function splitElements(text: string): readonly string[] {
  const elements: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\' && quoted) at++;
    else if (text[at] === '"') quoted = !quoted;
    else if (text[at] === ',' && !quoted) {
      elements.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...elements, text.slice(start)];
}

/** The node of the parameter `for`. */
function forOf(element: string): string {
  const [, quoted, token] = /(?:^|;)\s*for=(?:"([^"\\]*)"|([^\s";,]+))\s*(?:;|$)/i.exec(element) ?? [];
  return quoted ?? token ?? '';
}

/** RFC 7239, Section 6: an address, one of IPv6 in brackets, and a port that may follow it. X-Forwarded-For has IPv6 without brackets too. */
function readHop(text: string): string | undefined {
  const [, bracketed, bare] = /^(?:\[([^\]]+)\]|([0-9.]+))(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(text) ?? [];
  const address = plain(bracketed ?? bare ?? text);
  return isIP(address) === 0 ? undefined : address;
}

/** Without its zone, and IPv4 as itself. */
function plain(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  return mapped ?? address.replace(/%.*$/, '');
}
