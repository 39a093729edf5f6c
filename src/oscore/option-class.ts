import { OptionNumber } from '../coap/index.ts';

/** How an option may travel: `E` encrypted (Inner), `U` unprotected (Outer), `EU` as an Inner and as an Outer one with meanings of their own. */
export type OptionClass = 'E' | 'U' | 'EU';

/**
 * RFC 8613 Figure 5, with Echo and Request-Tag (RFC 9175, Sections 2.2.1 and 3.2.1), Q-Block (RFC 9177, Section 4.1) and EDHOC (RFC 9668,
 * Section 3.1). No option is of Class I.
 */
const classes: ReadonlyMap<number, OptionClass> = new Map<number, OptionClass>([
  [OptionNumber.IfMatch, 'E'],
  [OptionNumber.UriHost, 'U'],
  [OptionNumber.ETag, 'E'],
  [OptionNumber.IfNoneMatch, 'E'],
  [OptionNumber.Observe, 'EU'],
  [OptionNumber.UriPort, 'U'],
  [OptionNumber.LocationPath, 'E'],
  [OptionNumber.Oscore, 'U'],
  [OptionNumber.UriPath, 'E'],
  [OptionNumber.ContentFormat, 'E'],
  [OptionNumber.MaxAge, 'EU'],
  [OptionNumber.UriQuery, 'E'],
  [OptionNumber.Accept, 'E'],
  [OptionNumber.LocationQuery, 'E'],
  [OptionNumber.Edhoc, 'U'],
  [OptionNumber.Block2, 'EU'],
  [OptionNumber.Block1, 'EU'],
  [OptionNumber.Size2, 'EU'],
  [OptionNumber.QBlock1, 'EU'],
  [OptionNumber.QBlock2, 'EU'],
  [OptionNumber.ProxyUri, 'U'],
  [OptionNumber.ProxyScheme, 'U'],
  [OptionNumber.Size1, 'EU'],
  [OptionNumber.Echo, 'EU'],
  [OptionNumber.NoResponse, 'EU'],
  [OptionNumber.RequestTag, 'EU'],
]);

/**
 * The class of an option. One that is unknown, or for which nobody defined OSCORE processing, is of Class E.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-4.1
 */
export function optionClass(number: number): OptionClass {
  return classes.get(number) ?? 'E';
}

/** Whether the option is of Class U only: it never is Inner, and a receiver keeps the Outer one. */
export function isOuterOnly(number: number): boolean {
  return classes.get(number) === 'U';
}
