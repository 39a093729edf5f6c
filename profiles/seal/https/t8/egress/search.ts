import { type ByteText, bytesOfText, byteText, decodings, forms } from './decodings.ts';
import type { EgressRule } from './finding.ts';
import type { KnownImsis } from './known-imsis.ts';

/** How often something may be encoded, the encoding of the message itself included. */
const depth = 4;
/** Characters that are looked through for one message, all decodings together. */
const mostWork = 8_388_608;

const named = /(?:imsi|supi)[\W_]{0,8}\d{5,}/i;
/** TS 33.501, C.2, as TS 29.571 and TS 23.003, 28.7.3, write it: by the null scheme what names the subscriber stands in it as it is. */
const unconcealed = /suci-(?:0-\d{3}-\d{2,3}|[1-7]-[!-~]{1,253}?)-\d{1,4}-0-0-[!-~]|\.schid0\.userid[!-~]/i;
const numbers = /\d{1,20}(?:\.\d{1,20})?e[+-]?\d{1,2}/gi;
const hexadecimal = /[0-9a-f]{11,}/gi;
/** Digits of an IMSI in hexadecimal that are no whole bytes: those that are, are found as the bytes of a number. */
const oddDigits = [11, 13] as const;

/** Look for an IMSI in bytes, and in whatever they may be the encoding of. */
export function searchBytes(message: Uint8Array, imsis: KnownImsis): EgressRule | undefined {
  const seen = new Set<ByteText>();
  let work = 0;
  let level: readonly ByteText[] = [byteText(message)];
  for (let encodings = 0; level.length > 0; encodings++) {
    const next: ByteText[] = [];
    for (const text of level)
      for (const form of forms(text)) {
        if (seen.has(form)) continue;
        seen.add(form);
        work += form.length;
        if (work > mostWork) return 'unreadable';
        if (named.test(form) || unconcealed.test(form)) return 'imsi-name';
        const bytes = bytesOfText(form);
        if (imsis.haveSuciIn(bytes)) return 'imsi-name';
        if (imsis.areIn(bytes) || holdsNumber(form, imsis)) return 'known-imsi';
        if (encodings < depth) for (const decode of decodings) next.push(...decode(form));
      }
    level = next;
  }
  return undefined;
}

function holdsNumber(text: ByteText, imsis: KnownImsis): boolean {
  return (text.match(numbers)?.some((number) => imsis.hasNumber(Number(number))) ?? false) || holdsHexadecimal(text, imsis);
}

/** Others may stand right before and behind it. */
function holdsHexadecimal(text: ByteText, imsis: KnownImsis): boolean {
  for (const run of text.match(hexadecimal) ?? [])
    for (const length of oddDigits)
      for (let at = 0; at + length <= run.length; at++) if (imsis.hasNumber(Number.parseInt(run.slice(at, at + length), 16))) return true;
  return false;
}
