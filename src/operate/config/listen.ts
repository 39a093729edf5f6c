import { isIP } from 'node:net';

/** The URI schemes of the transports that there are. */
export const transportSchemes = ['coap', 'coaps', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'] as const;
/** What a server may listen at. */
export type TransportScheme = (typeof transportSchemes)[number];

/** An address of this machine. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** Where a server listens. */
export interface ListenConfig extends ListenAddress {
  readonly scheme: TransportScheme;
}

/** Whether a server of the scheme needs a certificate, as those over TLS do. */
export function isSecureScheme(scheme: TransportScheme): boolean {
  return scheme.startsWith('coaps+');
}

const isTransportScheme = (text: string): text is TransportScheme => transportSchemes.some((scheme) => scheme === text);

/** `127.0.0.1:5683`, `[::1]:5683`, `localhost:5683`, which stand for coap, and `coap+tcp://127.0.0.1:5683`. */
export function parseListen(value: string): ListenConfig | undefined {
  const [, scheme = 'coap', six, four, digits] = /^(?:([a-z+]+):\/\/)?(?:\[([0-9a-fA-F:.%\w]+)\]|([\w.-]+)):(\d{1,5})$/.exec(value) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535 || !isTransportScheme(scheme)) return undefined;
  if (six !== undefined) return isIP(six) === 6 ? { scheme, address: six, port } : undefined;
  return isIP(four!) === 4 || four === 'localhost' ? { scheme, address: four!, port } : undefined;
}

/** An address with a scheme that is no other, or without one. */
export function listenAddressOf(scheme: string, text: string): ListenAddress | undefined {
  const bare = text.startsWith(`${scheme}://`) ? text.slice(scheme.length + 3) : text;
  const parsed = bare.includes('://') ? undefined : parseListen(bare);
  return parsed && { address: parsed.address, port: parsed.port };
}

/** Whether a URI is of CoAP, of a scheme that there is a transport for, with a host and nothing that CoAP does not have. */
export function isPeerUri(value: string): boolean {
  const [, scheme] = /^([a-z+]+):\/\/[^/?#\s]+/i.exec(value) ?? [];
  if (scheme === undefined || !isTransportScheme(scheme.toLowerCase()) || !URL.canParse(value)) return false;
  const { hostname, username, password, hash } = new URL(value);
  return hostname !== '' && username === '' && password === '' && hash === '';
}
