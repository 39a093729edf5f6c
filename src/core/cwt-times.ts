import { type ClaimsSet, CwtError } from './cwt.ts';

/** Seconds by which a leeway may stretch a token where no other cap is configured. RFC 7519 Section 4.1.4 speaks of a few minutes. */
export const defaultLeewayCap = 300;

/** How far the clocks of issuer and recipient may be apart. */
export interface LeewayOptions {
  /** Seconds that a token counts before its `nbf` and after its `exp`; 0. */
  readonly leeway?: number;
  /** What `leeway` may be at most, in seconds; 300. Whoever sets policy sets this, so that no setting made for a bad clock lets tokens live on. */
  readonly leewayCap?: number;
}

/**
 * The leeway, in seconds.
 *
 * @throws {CwtError} `ERR_CWT_LEEWAY` when it is above its cap, or one of the two is no number from 0 on
 */
export function leewayOf({ leeway = 0, leewayCap = defaultLeewayCap }: LeewayOptions): number {
  if (!Number.isFinite(leewayCap) || leewayCap < 0) throw new CwtError('ERR_CWT_LEEWAY', `leewayCap: expected a number of seconds from 0 on, got ${leewayCap}`);
  if (!Number.isFinite(leeway) || leeway < 0 || leeway > leewayCap)
    throw new CwtError('ERR_CWT_LEEWAY', `leeway: expected 0 to ${leewayCap} seconds, got ${leeway}`);
  return leeway;
}

/**
 * Whether the time is one at which a token counts. It does from `nbf` on, and not any more at `exp`.
 *
 * @param now seconds since 1970
 * @throws {CwtError} `ERR_CWT_LEEWAY`
 * @see https://www.rfc-editor.org/rfc/rfc8392#section-3.1.4
 */
export function timeOf(claims: Pick<ClaimsSet, 'exp' | 'nbf'>, now: number, options: LeewayOptions = {}): 'valid' | 'expired' | 'not-yet' {
  const leeway = leewayOf(options);
  if (claims.exp !== undefined && claims.exp + leeway <= now) return 'expired';
  if (claims.nbf !== undefined && claims.nbf - leeway > now) return 'not-yet';
  return 'valid';
}
