import { ProtocolError } from '../core/errors.ts';
import type { CertificateExtension, CertificateFields } from './certificate.ts';
import type { Finding, LintOptions } from './finding.ts';

/** A rule of a profile, and what of a certificate does not follow it. */
export type Rule = (certificate: CertificateFields, options: LintOptions) => readonly Finding[];

export const common = 'TS 33.310, 6.1.1';
export const entity = 'TS 33.310, 6.1.3a';
export const authority = 'TS 33.310, 6.1.4a';

export const none: readonly Finding[] = [];

export function fault(field: string, clause: string, expected: string, got: string): readonly Finding[] {
  return [{ field, clause, severity: 'fault', expected, got }];
}

export function advice(field: string, clause: string, expected: string, got: string): readonly Finding[] {
  return [{ field, clause, severity: 'advice', expected, got }];
}

export function extensionOf({ extensions }: CertificateFields, oid: string): CertificateExtension | undefined {
  return extensions.find((extension) => extension.oid === oid);
}

/** What `read` makes of the value; `undefined`: it is not what stands in such an extension. */
export function understood<Value>({ value }: CertificateExtension, read: (value: Uint8Array) => Value): Value | undefined {
  try {
    return read(value);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

/** An object identifier in hexadecimal as people write it (X.690, Section 8.19). */
export function oidText(hex: string): string {
  const numbers: bigint[] = [];
  let number = 0n;
  for (const [byte] of hex.matchAll(/../g)) {
    const digit = Number.parseInt(byte, 16);
    number = number * 128n + BigInt(digit & 0x7f);
    if (digit < 0x80) {
      numbers.push(number);
      number = 0n;
    }
  }
  const [first = 0n, ...rest] = numbers;
  const top = first < 80n ? first / 40n : 2n;
  return [top, first - top * 40n, ...rest].join('.');
}
