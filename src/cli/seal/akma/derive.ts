import { deriveAnchor, deriveApplicationKey, formatAfId, parseAfId, parseAKid, pskIdentity, type UeAnchor } from '../../../../profiles/seal/akma/index.ts';
import { fromUtf8, toHex } from '../../../core/bytes.ts';
import { UsageError } from '../../exit.ts';
import { inputBytes } from '../../input.ts';
import { out } from '../../terminal.ts';

export interface AkmaDeriveFlags {
  readonly kausf?: string;
  readonly supi?: string;
  readonly routingIndicator: string;
  readonly homeNetwork: string;
  readonly kakma?: string;
  readonly aKid?: string;
  readonly af?: string;
  readonly gpsi?: string;
  readonly showKeys?: boolean;
  readonly json?: boolean;
}

async function anchorOf({ supi, routingIndicator, homeNetwork, aKid, ...flags }: AkmaDeriveFlags): Promise<UeAnchor> {
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

/** `ace-coap seal akma derive` */
export async function akmaDeriveCommand(flags: AkmaDeriveFlags): Promise<void> {
  const { af, supi, gpsi, showKeys = false } = flags;
  const { aKid, kAkma } = await anchorOf(flags);
  const afId = af === undefined ? undefined : parseAfId(af);
  const kAf = afId === undefined ? undefined : deriveApplicationKey(kAkma, afId);
  if (flags.json) {
    console.log(
      JSON.stringify({
        a_kid: aKid,
        ...(showKeys ? { k_akma: toHex(kAkma) } : {}),
        ...(supi === undefined ? {} : { supi }),
        ...(gpsi === undefined ? {} : { gpsi }),
        ...(afId === undefined ? {} : { af_id: formatAfId(afId), psk_identity: fromUtf8(pskIdentity(aKid)) }),
        ...(showKeys && kAf !== undefined ? { k_af: toHex(kAf) } : {}),
      }),
    );
    return;
  }
  const key = (bytes: Uint8Array): string => (showKeys ? toHex(bytes) : `${bytes.length} bytes, hidden (--show-keys shows them)`);
  const row = (name: string, value: string): void => console.log(`${out('bold', name.padEnd(14))}${value}`);
  row('A-KID', aKid);
  row('K_AKMA', key(kAkma));
  if (afId === undefined || kAf === undefined) return;
  row('AF_ID', formatAfId(afId));
  row('psk_identity', fromUtf8(pskIdentity(aKid)));
  row('K_AF', key(kAf));
}
