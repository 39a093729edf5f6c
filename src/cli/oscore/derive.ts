import { emptyBytes, toHex } from '../../core/bytes.ts';
import { algorithmNames } from '../../core/cose/index.ts';
import { diagnose } from '../../core/diagnostic.ts';
import { loadOscoreContext } from '../../operate/index.ts';
import { checkParameters, composeAad, composeInfo, composeNonce, deriveKeys, encodePartialIv } from '../../oscore/index.ts';
import { out } from '../terminal.ts';

export interface DeriveFlags {
  readonly partialIv: number;
  readonly json?: boolean;
}

/** What HKDF is given for one output, and what it gives. */
interface Derived {
  readonly info: string;
  readonly infoNotation: string;
  readonly value: string;
}

/** One of the two endpoints of a context. */
interface End {
  readonly id: string;
  readonly key: Derived;
  /** For the Partial IV that was asked for. */
  readonly nonce: string;
  /** Of a request that this end sends with it, and of the responses to that. */
  readonly aad: string;
}

interface Derivation {
  readonly aead: string;
  readonly hkdf: string;
  readonly idContext: string | undefined;
  readonly partialIv: string;
  readonly sender: End;
  readonly recipient: End;
  readonly commonIv: Derived;
}

/** @see https://www.rfc-editor.org/rfc/rfc8613#section-3.2.1 */
function derivationOf(path: string, sequence: number): Derivation {
  const checked = checkParameters(loadOscoreContext(path).parameters);
  const { aead, keyLength, nonceLength, idContext, senderId, recipientId } = checked;
  const keys = deriveKeys(checked);
  const partialIv = encodePartialIv(sequence);
  const derived = (id: Uint8Array, type: 'Key' | 'IV', length: number, value: Uint8Array): Derived => {
    const info = composeInfo(id, idContext, aead, type, length);
    return { info: toHex(info), infoNotation: diagnose(info, { width: 0 }), value: toHex(value) };
  };
  const end = (id: Uint8Array, key: Uint8Array): End => ({
    id: toHex(id),
    key: derived(id, 'Key', keyLength, key),
    nonce: toHex(composeNonce(keys.commonIv, id, partialIv)),
    aad: toHex(composeAad(aead, id, partialIv)),
  });
  return {
    aead: algorithmNames.get(aead) ?? String(aead),
    hkdf: `HKDF ${checked.hash === 'sha256' ? 'SHA-256' : 'SHA-512'}`,
    idContext: idContext === undefined ? undefined : toHex(idContext),
    partialIv: toHex(partialIv),
    sender: end(senderId, keys.senderKey),
    recipient: end(recipientId, keys.recipientKey),
    commonIv: derived(emptyBytes, 'IV', nonceLength, keys.commonIv),
  };
}

const jsonOf = ({ value, info, infoNotation }: Derived): object => ({ value, info, info_notation: infoNotation });
const jsonOfEnd = ({ id, key, nonce, aad }: End): object => ({ id, key: jsonOf(key), nonce, aad });

const width = 18;
const row = (name: string, value: string): string => `${out('bold', name.padEnd(width))}${value === '' ? "'' (empty)" : value}`;
const rowsOf = (name: string, { value, info, infoNotation }: Derived): string[] => [row(name, value), row('  info', info), row('', infoNotation)];

function textOf({ aead, hkdf, idContext, partialIv, sender, recipient, commonIv }: Derivation): string {
  const end = (name: string, { id, key }: End): string[] => [row(`${name} ID`, id), ...rowsOf(`${name} Key`, key)];
  const forNumber = (name: string, { nonce, aad }: End): string[] => [row(`  ${name} nonce`, nonce), row('  AAD', aad)];
  return [
    row('AEAD', aead),
    row('HKDF', hkdf),
    row('ID Context', idContext ?? 'none'),
    ...end('Sender', sender),
    ...end('Recipient', recipient),
    ...rowsOf('Common IV', commonIv),
    `Partial IV ${partialIv}; the AAD is that of a request and its responses:`,
    ...forNumber('sender', sender),
    ...forNumber('recipient', recipient),
  ].join('\n');
}

/** `ace-coap oscore derive` */
export function deriveCommand(path: string, flags: DeriveFlags): void {
  const derivation = derivationOf(path, flags.partialIv);
  const { aead, hkdf, idContext, partialIv, sender, recipient, commonIv } = derivation;
  if (!flags.json) console.log(textOf(derivation));
  else
    console.log(
      JSON.stringify({
        aead,
        hkdf,
        ...(idContext === undefined ? {} : { id_context: idContext }),
        sender: jsonOfEnd(sender),
        recipient: jsonOfEnd(recipient),
        common_iv: jsonOf(commonIv),
        partial_iv: partialIv,
      }),
    );
}
