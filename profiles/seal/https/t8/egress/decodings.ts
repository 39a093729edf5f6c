import { toKey, utf8 } from '../../../../../src/core/bytes.ts';

/** Bytes as a text of as many characters, which is what expressions look through. */
export type ByteText = string;

/** Bytes that are made text at once: each is an argument of a call. */
const atOnce = 8_192;

export function byteText(bytes: Uint8Array): ByteText {
  let text = '';
  for (let from = 0; from < bytes.length; from += atOnce) text += toKey(bytes.subarray(from, from + atOnce));
  return text;
}

export function bytesOfText(text: ByteText): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** An IMSI of a network for tests, without its zeros in front, is a number of 5 bytes: what is shorter hides none. */
const shortest = 5;
const hexRun = /[0-9a-f]{10,}/gi;
const base64Run = /[A-Za-z0-9+/_=-]{7,}/g;
/** In capitals or in small letters, not in both, and by itself unless it is long: of such runs base64 has few, and so have texts. */
const base32Run = /(?<![A-Za-z0-9+/])(?:[A-Z2-7]{8,12}|[a-z2-7]{8,12})(?![A-Za-z0-9+/])|[A-Z2-7]{13,}|[a-z2-7]{13,}/g;
const octetsRun = /\d{1,3}(?:[^0-9A-Za-z]{1,3}\d{1,3}){4,}/g;

/** What bytes may be the encoding of, by each way to encode: none, one, or as many as there are ways to cut them. */
export const decodings: readonly ((text: ByteText) => readonly ByteText[])[] = [percent, escapes, entities, quotedPrintable, octets, hex, base32, base64];

/** Characters that are kept before and behind what stands for something else: the rest of an IMSI of which that is a part. */
const near = 128;

/** Put what it stands for in the place of each match; what is far from all of them is not kept. */
function replaced(text: ByteText, pattern: RegExp, by: (match: RegExpMatchArray) => ByteText): readonly ByteText[] {
  let decoded = '';
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    const gap = text.slice(done, match.index);
    decoded += gap.length <= 2 * near ? gap : `${done === 0 ? '' : gap.slice(0, near)}\n${gap.slice(-near)}`;
    decoded += by(match);
    done = match.index + match[0].length;
  }
  return done === 0 ? [] : [decoded + text.slice(done, done + near)];
}

const byteOf = (hexadecimal: string): ByteText => String.fromCharCode(Number.parseInt(hexadecimal, 16));
const characterOf = (point: number): ByteText => (point > 0x10_ffff ? '' : byteText(utf8(String.fromCodePoint(point))));

/** RFC 3986, Section 2.1, and characters of UTF-16 as JavaScript's `escape` has them. */
function percent(text: ByteText): readonly ByteText[] {
  return replaced(text, /%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/gi, ([, unit, hexadecimal]) =>
    unit === undefined ? byteOf(hexadecimal!) : characterOf(Number.parseInt(unit, 16)),
  );
}

const controls: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** RFC 8259, Section 7, and what programming languages have beside it. */
function escapes(text: ByteText): readonly ByteText[] {
  const pattern = /((?:\\u[0-9a-f]{4})+)|\\u\{([0-9a-f]{1,6})\}|\\x([0-9a-f]{2})|\\([0-7]{3})|\\(["'\\/bfnrt])/gi;
  return replaced(text, pattern, ([, units, point, hexadecimal, octal, character]) => {
    if (units !== undefined)
      return byteText(
        utf8(
          String.fromCharCode(
            ...units
              .split('\\u')
              .slice(1)
              .map((unit) => Number.parseInt(unit, 16)),
          ),
        ),
      );
    if (point !== undefined) return characterOf(Number.parseInt(point, 16));
    if (hexadecimal !== undefined) return byteOf(hexadecimal);
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    return controls[character!] ?? character!;
  });
}

/** Characters by their numbers in HTML and XML. */
function entities(text: ByteText): readonly ByteText[] {
  const pattern = /&#(?:x([0-9a-f]{1,6})|(\d{1,7}));?/gi;
  return replaced(text, pattern, ([, hexadecimal, decimal]) => characterOf(hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16)));
}

/** RFC 2045, Section 6.7. */
function quotedPrintable(text: ByteText): readonly ByteText[] {
  return replaced(text, /=([0-9a-f]{2})|=\r?\n/gi, ([, hexadecimal]) => (hexadecimal === undefined ? '' : byteOf(hexadecimal)));
}

/** A list of the numbers of bytes. */
function octets(text: ByteText): readonly ByteText[] {
  const bytes = (text.match(octetsRun) ?? []).flatMap((list) => list.split(/[^0-9]+/).map(Number));
  return bytes.length < shortest ? [] : [bytes.map((byte) => String.fromCharCode(byte & 0xff)).join('')];
}

/** Members without their names, which may have digits of their own between those of an IMSI that is in parts. */
function members(text: ByteText): readonly ByteText[] {
  return replaced(text, /"(?:[^"\\]|\\.){0,64}"\s*:/gs, () => '');
}

/** A list of texts as one text. */
function pieces(text: ByteText): readonly ByteText[] {
  return replaced(text, /["']\s*,\s*["']/g, () => '');
}

/** With whatever separates the pairs, and from either of two half bytes on. */
function hex(text: ByteText): readonly ByteText[] {
  const runs = text.replace(/0x|\\x|[\s:,;._"'[\]-]+/gi, '').match(hexRun);
  if (runs === null) return [];
  return [0, 1].map((from) => runs.map((run) => hexBytes(run.slice(from))).join('\n'));
}

/** RFC 4648, Section 6, broken into lines or not, and from any of eight characters on, since others may stand right before it. */
function base32(text: ByteText): readonly ByteText[] {
  const runs = text.replace(/\s*\n\s*/g, '').match(base32Run);
  if (runs === null) return [];
  return [0, 1, 2, 3, 4, 5, 6, 7].map((from) => runs.map((run) => base32Bytes(run.slice(from))).join('\n'));
}

/** RFC 4648, Sections 4 and 5, broken into lines or not, and from any of four characters on, since others may stand right before it. */
function base64(text: ByteText): readonly ByteText[] {
  const runs = text.replace(/\s+/g, '').match(base64Run);
  if (runs === null) return [];
  return [0, 1, 2, 3].map((from) => runs.map((run) => base64Bytes(run, from)).join('\n'));
}

function hexBytes(digits: string): ByteText {
  return (digits.match(/../g) ?? []).map(byteOf).join('');
}

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Bits that are left over at the end are no byte. */
function base32Bytes(text: string): ByteText {
  let bytes = '';
  let bits = 0;
  let left = 0;
  for (const digit of text.toUpperCase()) {
    bits = ((bits << 5) | base32Alphabet.indexOf(digit)) & 0xfff;
    left += 5;
    if (left < 8) continue;
    left -= 8;
    bytes += String.fromCharCode((bits >> left) & 0xff);
  }
  return bytes;
}

/** What stands behind padding begins anew; a character that is left over at the end is no byte. */
function base64Bytes(text: string, from: number): ByteText {
  const parts = text.replace(/-/g, '+').replace(/_/g, '/').split(/=+/);
  return parts
    .map((part) => part.slice(from))
    .map((digits) => atob(digits.length % 4 === 1 ? digits.slice(0, -1) : digits))
    .join('');
}

/** How often a form of a text has other forms. */
const rounds = 3;

/** A text in all its forms: as it is, with what stands in several members or texts of a list as one, with wide characters made narrow, and with all digits as those of ASCII. */
export function forms(text: ByteText): ReadonlySet<ByteText> {
  const all = new Set([text]);
  let last: readonly ByteText[] = [text];
  for (let round = 0; round < rounds && last.length > 0; round++) {
    last = last.flatMap(otherForms).filter((form) => form.length >= shortest && !all.has(form));
    for (const form of last) all.add(form);
  }
  return all;
}

function otherForms(text: ByteText): readonly ByteText[] {
  const wholes = [...members(text), ...pieces(text)];
  if (!/[^\s -~]/.test(text)) return wholes;
  const bytes = bytesOfText(text);
  return [
    ...wholes,
    ...([0, 1] as const).flatMap((from) => [narrowed(text, from, 0), narrowed(text, from, 1)]),
    // Bytes that were taken for characters by somebody.
    ...replaced(text, /[\xc2\xc3][\x80-\xbf]/g, ([pair]) => String.fromCharCode(((pair!.charCodeAt(0) & 3) << 6) | (pair!.charCodeAt(1) & 63))),
    digitsFolded(asUtf8.decode(bytes)),
    ...[bytes, bytes.subarray(1)].flatMap((from) => [digitsFolded(asUtf16.decode(from)), digitsFolded(asUtf16BigEndian.decode(from))]),
  ];
}

const asUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const asUtf16 = new TextDecoder('utf-16le', { ignoreBOM: true });
const asUtf16BigEndian = new TextDecoder('utf-16be', { ignoreBOM: true });

/** The bytes of runs of characters of two, one of which is zero: the pairs begin at `from`, and `kept` says which of each stays. */
function narrowed(text: ByteText, from: 0 | 1, kept: 0 | 1): ByteText {
  if (!text.includes('\0')) return '';
  const runs: ByteText[] = [];
  let run = '';
  const end = (): void => {
    if (run.length >= shortest) runs.push(run);
    run = '';
  };
  for (let at = from; at + 1 < text.length; at += 2) {
    if (text.charCodeAt(at + 1 - kept) === 0) run += text[at + kept]!;
    else end();
  }
  end();
  return runs.join('\n');
}

const foreignDigit = /(?![0-9])\p{Nd}/gu;
const foreignNumber = /(?![0-9])[\p{Nd}\p{No}]/u;
/** As many digits as an IMSI has at least, zeros in front not counted, with little between them. */
const manyNumbers = /(?:[\p{Nd}\p{No}]\P{N}{0,3}){12}/u;

/** What is ASCII when compatible characters and digits are; empty where there are no such digits. */
function digitsFolded(text: string): ByteText {
  if (!foreignNumber.test(text) || !manyNumbers.test(text)) return '';
  const folded = text.normalize('NFKC').replace(foreignDigit, (digit) => asciiDigit(digit.codePointAt(0)!));
  return folded.replace(/[^ -~]+/g, '\n');
}

/** The digits of a script follow each other from zero to nine. */
function asciiDigit(point: number): string {
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value++;
  return String(value);
}
