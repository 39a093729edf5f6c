import { type Body, ContentFormat, findOption, isRequest, OptionNumber } from '../coap/index.ts';
import type { Entry } from './entry.ts';
import { pathIn, uintIn } from './option.ts';

/** What an endpoint is. */
export type Role = 'client' | 'server' | 'proxy' | 'AS' | 'RS';

/** What says more takes the place of what says less. */
const rank: Readonly<Record<Role, number>> = { client: 0, server: 1, proxy: 2, RS: 3, AS: 3 };
/** Endpoints whose part is remembered. */
const mostPlaces = 4096;

/** What endpoints are, as far as their messages tell: by `address:port`. */
export class Roles {
  readonly #roles = new Map<string, Role>();

  /** What the endpoint at this place is, as far as is known. */
  of(place: string): Role | undefined {
    return this.#roles.get(place);
  }

  /** Unless something is known that says more. */
  set(place: string, role: Role): void {
    const before = this.#roles.get(place);
    if (before !== undefined ? rank[before] < rank[role] : this.#roles.size < mostPlaces) this.#roles.set(place, role);
  }

  /** `inner` is what OSCORE protects in the message, or the message. */
  note({ from, to }: Entry, outer: Body, inner: Body): void {
    if (!isRequest(outer.code)) {
      // RFC 9200, Section 5.3.
      if (outer.code === unauthorized && uintIn(outer.options, OptionNumber.ContentFormat) === ContentFormat.AceCbor) this.set(from, 'RS');
      return;
    }
    this.set(from, 'client');
    const names = [pathIn(outer.options).at(-1), pathIn(inner.options).at(-1)];
    const isAce = uintIn(inner.options, OptionNumber.ContentFormat) === ContentFormat.AceCbor;
    if (names.includes('authz-info')) this.set(to, 'RS');
    else if (isAce && (names.includes('token') || names.includes('introspect'))) this.set(to, 'AS');
    else if ([OptionNumber.ProxyUri, OptionNumber.ProxyScheme].some((number) => findOption(outer.options, number) !== undefined)) this.set(to, 'proxy');
    else this.set(to, 'server');
  }
}

const unauthorized = 0x81;
