import { deriveAnchor, parseAKid, type UeAnchor } from '../../../../profiles/seal/akma/index.ts';
import { UsageError } from '../../exit.ts';
import { inputBytes } from '../../input.ts';

/** What a UE has of AKMA: K_AUSF and its SUPI, or K_AKMA and its A-KID. */
export interface AnchorFlags {
  readonly kausf?: string;
  readonly supi?: string;
  readonly routingIndicator: string;
  readonly homeNetwork: string;
  readonly kakma?: string;
  readonly aKid?: string;
}

/** The anchor key of the flags, or of the environment where they name none. */
export async function anchorOfFlags({ supi, routingIndicator, homeNetwork, aKid, ...flags }: AnchorFlags): Promise<UeAnchor> {
  const kausf = flags.kausf ?? (flags.kakma === undefined ? process.env['ACE_COAP_KAUSF'] : undefined);
  const kakma = flags.kakma ?? (kausf === undefined ? process.env['ACE_COAP_KAKMA'] : undefined);
  if (kausf !== undefined && kakma !== undefined) throw new UsageError('expected one of --kausf and --kakma, got both');
  if (kausf !== undefined) {
    if (supi === undefined) throw new UsageError('--supi: expected a SUPI with --kausf, got none');
    return deriveAnchor({ kAusf: await inputBytes(kausf), supi, routingIndicator, homeNetwork });
  }
  if (kakma === undefined) throw new UsageError('expected --kausf or --kakma, ACE_COAP_KAUSF or ACE_COAP_KAKMA, got none of them');
  if (aKid === undefined) throw new UsageError('--a-kid: expected an A-KID with --kakma, got none');
  parseAKid(aKid);
  return { aKid, kAkma: await inputBytes(kakma) };
}
