import { deriveApplicationKey, formatAfId, parseAfId, pskIdentity } from '../../../../profiles/seal/akma/index.ts';
import { fromUtf8, toHex } from '../../../core/bytes.ts';
import { out } from '../../terminal.ts';
import { type AnchorFlags, anchorOfFlags } from './anchor.ts';

export interface AkmaDeriveFlags extends AnchorFlags {
  readonly af?: string;
  readonly gpsi?: string;
  readonly showKeys?: boolean;
  readonly json?: boolean;
}

/** `ace-coap seal akma derive` */
export async function akmaDeriveCommand(flags: AkmaDeriveFlags): Promise<void> {
  const { af, supi, gpsi, showKeys = false } = flags;
  const { aKid, kAkma } = await anchorOfFlags(flags);
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
