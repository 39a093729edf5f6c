import type { CborValue } from '../../src/core/cbor.ts';
import type { ClaimsSet } from '../../src/core/cwt.ts';

/**
 * The VAL claims of access tokens (TS 33.434, B.3.6.3), which 3GPP gives no numbers: labels are of the private use range of the CWT Claims registry (below
 * -65536), names are the ones that the same claims have in a JWT.
 */
export const valClaims = {
  valUserId: { label: -65_537, name: 'val_user_id' },
  valUeId: { label: -65_538, name: 'val_ue_id' },
  valServiceIds: { label: -65_539, name: 'val_service_ids' },
  valSystemId: { label: -65_540, name: 'val_system_id' },
  /** TS 33.434 v19, Table A.2.2.3-1: the bearer may provision key material. */
  sKeyProv: { label: -65_541, name: 'SKeyProv' },
} as const;

/** What a token says of a VAL user and its device. */
export interface ValClaims {
  readonly valUserId?: string;
  readonly valUeId?: string;
  /** VAL services that the token is for. */
  readonly valServiceIds?: readonly string[];
  readonly valSystemId?: string;
  readonly sKeyProv?: boolean;
}

/** VAL claims as they stand in a CWT beside the claims of RFC 8392. */
export function encodeValClaims(claims: ValClaims): ReadonlyMap<number, CborValue> {
  const map = new Map<number, CborValue>();
  for (const name of Object.keys(valClaims) as (keyof ValClaims)[]) {
    const value = claims[name];
    if (value !== undefined) map.set(valClaims[name].label, value as CborValue);
  }
  return map;
}

/** The VAL claims of a token. A claim of another type than it should have counts as absent, as an unknown one does. */
export function readValClaims({ unknown }: Pick<ClaimsSet, 'unknown'>): ValClaims {
  const text = (name: 'valUserId' | 'valUeId' | 'valSystemId'): { readonly [key: string]: string } => {
    const value = unknown?.get(valClaims[name].label);
    return typeof value === 'string' ? { [name]: value } : {};
  };
  const services = unknown?.get(valClaims.valServiceIds.label);
  const isList = Array.isArray(services) && services.every((service) => typeof service === 'string');
  const sKeyProv = unknown?.get(valClaims.sKeyProv.label);
  return {
    ...text('valUserId'),
    ...text('valUeId'),
    ...text('valSystemId'),
    ...(isList ? { valServiceIds: services as readonly string[] } : {}),
    ...(typeof sKeyProv === 'boolean' ? { sKeyProv } : {}),
  };
}
