export const scheme = 'audience:';

/** The resource indicator (RFC 8707) of an audience, which has to be a URI: the audience itself where it is one. */
export function resourceOf(audience: string): string {
  return URL.canParse(audience) && !audience.includes('#') ? audience : scheme + encodeURIComponent(audience);
}
