import { makeAKid, parseAKid } from './a-kid.ts';
import { AkmaError } from './error.ts';
import { checkedKey, deriveAnchorKey, deriveATid } from './kdf.ts';

/** What a UE has of AKMA after it has registered with its network (TS 33.535, Section 6.1). */
export interface UeAnchor {
  readonly aKid: string;
  readonly kAkma: Uint8Array;
}

/**
 * What primary authentication leaves.
 *
 * @throws {AkmaError} `ERR_AKMA_KEY`, `ERR_AKMA_SUPI`, `ERR_AKMA_A_KID`
 */
export function deriveAnchor(from: {
  readonly kAusf: Uint8Array;
  readonly supi: string;
  readonly routingIndicator: string;
  /** The realm of the A-KID: `5gc.mnc001.mcc001.3gppnetwork.org`. */
  readonly homeNetwork: string;
}): UeAnchor {
  const { kAusf, supi, routingIndicator, homeNetwork } = from;
  return { aKid: makeAKid({ routingIndicator, aTid: deriveATid(kAusf, supi), homeNetwork }), kAkma: deriveAnchorKey(kAusf, supi) };
}

/**
 * The anchor, if it is there and can be one.
 *
 * @throws {AkmaError} `ERR_AKMA_NO_KEY` before primary authentication, `ERR_AKMA_A_KID`, `ERR_AKMA_KEY`
 */
export function anchorOf(anchor: UeAnchor | undefined): UeAnchor {
  if (anchor === undefined) throw new AkmaError('ERR_AKMA_NO_KEY', 'expected K_AKMA and A-KID of a primary authentication, got none');
  parseAKid(anchor.aKid);
  checkedKey('K_AKMA', anchor.kAkma);
  return anchor;
}
