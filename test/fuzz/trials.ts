import { concat, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import type { CborValue } from '../../src/core/cbor.ts';
import { digest } from '../../src/core/crypto/index.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';

/** Try each; one of them has to take it, or the last refusal stands. */
export function takenBy<T>(readers: readonly T[], take: (reader: T) => unknown): void {
  let refusal: unknown;
  let taken = 0;
  for (const reader of readers) {
    try {
      take(reader);
      taken++;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refusal = error;
    }
  }
  if (taken === 0 && refusal !== undefined) throw refusal;
}

/** Bytes of the digest at the end of what DTLS saves. */
const checkLength = 16;

/** A target of what ends in a digest: without its digest it is mutated, since any change of both is refused at the first look. */
export function sealed({ name, seeds, run }: Pick<Target, 'name' | 'seeds' | 'run'>): Target {
  return {
    name,
    seeds: seeds.map((saved) => saved.slice(0, -checkLength)),
    mutate: mutateBytes,
    run: (body) => run(concat(body, digest('sha256', body).subarray(0, checkLength))),
  };
}

/** A decoder of text, that sees the bytes of strangers as UTF-8. */
export function ofText(name: string, seeds: readonly string[], run: (text: string) => unknown): Target {
  return { name, seeds: seeds.map(utf8), mutate: mutateBytes, run: (input) => run(fromUtf8(input)) };
}

/** Objects as a configuration gives them, for decoders of what is no CBOR, and CBOR to mutate in place of them. */
export const plain = {
  toCbor: (value: object): CborValue =>
    new Map(Object.entries(value).map(([name, field]) => [name, typeof field === 'object' && !(field instanceof Uint8Array) ? plain.toCbor(field) : field])),
  fromCbor: (value: CborValue): unknown =>
    value instanceof Map ? Object.fromEntries([...value].map(([name, field]) => [String(name), plain.fromCbor(field)])) : value,
};
