import { equalBytes } from '../bytes.ts';
import { type CborMap, type CborValue, encode } from '../cbor.ts';
import { CoseError } from './errors.ts';
import { RecipientLabel } from './labels.ts';

/** What one party adds to the derivation of a key. */
export interface PartyInfo {
  readonly identity?: Uint8Array;
  readonly nonce?: Uint8Array | number;
  readonly other?: Uint8Array;
}

/** What the application adds to the derivation of a key; both sides give the same. */
export interface KdfInfo {
  /** The sender. When sending it becomes headers; when receiving it is what headers must say, or stands for what they leave out. */
  readonly partyU?: PartyInfo;
  /** The receiver. */
  readonly partyV?: PartyInfo;
  readonly suppPubOther?: Uint8Array;
  readonly suppPrivInfo?: Uint8Array;
}

const partyLabels = {
  partyU: { identity: RecipientLabel.partyUIdentity, nonce: RecipientLabel.partyUNonce, other: RecipientLabel.partyUOther },
  partyV: { identity: RecipientLabel.partyVIdentity, nonce: RecipientLabel.partyVNonce, other: RecipientLabel.partyVOther },
} as const;
const parties = ['partyU', 'partyV'] as const;
const parts = ['identity', 'nonce', 'other'] as const;

/** The headers that say what the parties add. */
export function partyHeaders(info: KdfInfo): Map<number, CborValue> {
  const headers = new Map<number, CborValue>();
  for (const party of parties)
    for (const part of parts) {
      const value = info[party]?.[part];
      if (value !== undefined) headers.set(partyLabels[party][part], value);
    }
  return headers;
}

/**
 * The types of the headers that go into a derivation.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function checkPartyHeaders(headers: CborMap): void {
  for (const party of parties)
    for (const part of parts) {
      const label = partyLabels[party][part];
      const value = headers.get(label);
      const fits = value === undefined || value instanceof Uint8Array || (part === 'nonce' && (typeof value === 'bigint' || Number.isSafeInteger(value)));
      if (!fits)
        throw new CoseError(
          'ERR_COSE_FORMAT',
          `header ${label} (${party} ${part}): expected byte string${part === 'nonce' ? ' or integer' : ''}, got another type`,
        );
    }
}

function partyInfo(party: (typeof parties)[number], headers: CborMap, info: KdfInfo): CborValue[] {
  return parts.map((part) => {
    const label = partyLabels[party][part];
    const said = headers.get(label);
    const expected = info[party]?.[part];
    const same = said instanceof Uint8Array && expected instanceof Uint8Array ? equalBytes(said, expected) : said === expected;
    if (said !== undefined && expected !== undefined && !same)
      throw new CoseError('ERR_COSE_VERIFY', `header ${label} (${party} ${part}): expected what the application says, got another`);
    return said ?? expected ?? null;
  });
}

/**
 * COSE_KDF_Context.
 *
 * @param algorithm the algorithm that the key is for: of the content, or a key wrap
 * @param keyLength bytes of that key
 * @param protectedBytes the protected headers of the recipient, as they are in the message
 * @param headers both buckets of the recipient
 * @throws {CoseError} `ERR_COSE_VERIFY` when a header says another thing than the application
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-5.2
 */
export function kdfContext(algorithm: number, keyLength: number, protectedBytes: Uint8Array, headers: CborMap, info: KdfInfo): Uint8Array {
  const suppPubInfo: CborValue[] = [keyLength * 8, protectedBytes];
  if (info.suppPubOther !== undefined) suppPubInfo.push(info.suppPubOther);
  const context: CborValue[] = [algorithm, partyInfo('partyU', headers, info), partyInfo('partyV', headers, info), suppPubInfo];
  if (info.suppPrivInfo !== undefined) context.push(info.suppPrivInfo);
  return encode(context);
}
