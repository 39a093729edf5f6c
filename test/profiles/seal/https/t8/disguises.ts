import fc from 'fast-check';

/** Text of bytes, one character each. */
export type Bytes = string;

const latin1 = (bytes: Uint8Array): Bytes => Buffer.from(bytes).toString('latin1');
const utf8 = (text: string): Bytes => latin1(Buffer.from(text, 'utf8'));
const bytesOf = (text: Bytes): Buffer => Buffer.from(text, 'latin1');
const each = (text: Bytes, one: (byte: number) => string): Bytes => [...bytesOf(text)].map(one).join('');
const hexByte = (byte: number): string => byte.toString(16).padStart(2, '0');

const swapped = (digits: string): string => (digits.length % 2 === 0 ? digits : `${digits}f`).replace(/(.)(.)/g, '$2$1');
const number = (imsi: string): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(imsi));
  return bytes;
};

const double = (imsi: string): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(Number(imsi));
  return bytes;
};
const varint = (value: bigint): Uint8Array => {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
  return Uint8Array.from(bytes);
};

/** How the digits of an IMSI can be written. */
export const digitDisguises: Readonly<Record<string, (imsi: string) => Bytes>> = {
  plain: (imsi) => imsi,
  groups: (imsi) => imsi.replace(/(\d{3})(?=\d)/g, '$1 '),
  dashes: (imsi) => imsi.replace(/(\d{5})(?=\d)/g, '$1-'),
  'one by one': (imsi) => JSON.stringify([...imsi]),
  'in members': (imsi) => JSON.stringify({ mcc: imsi.slice(0, 3), mnc: imsi.slice(3, 5), msin: imsi.slice(5) }),
  number: (imsi) => String(Number(imsi)),
  exponent: (imsi) => Number(imsi).toExponential(),
  'hexadecimal number': (imsi) => `0x${Number(imsi).toString(16)}`,
  'hexadecimal number in capitals': (imsi) => Number(imsi).toString(16).toUpperCase(),
  'full-width': (imsi) => utf8(imsi.replace(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit)))),
  'Arabic-Indic': (imsi) => utf8(imsi.replace(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit)))),
  'full-width UTF-16': (imsi) =>
    latin1(
      Buffer.from(
        imsi.replace(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
        'utf16le',
      ),
    ),
  'telephony order': (imsi) => latin1(Buffer.from(swapped(imsi), 'hex')),
  'mobile identity': (imsi) => latin1(Buffer.from(swapped(`9${imsi}`), 'hex')),
  'packed decimal': (imsi) => latin1(Buffer.from(`0${imsi}`.slice(-16), 'hex')),
  'big-endian number': (imsi) => latin1(number(imsi)),
  'little-endian number': (imsi) => latin1(number(imsi).reverse()),
  'digits as small integers, in CBOR': (imsi) => latin1(Uint8Array.from([0x98, imsi.length, ...[...imsi].map(Number)])),
  'number in CBOR': (imsi) => latin1(Uint8Array.from([0x1b, ...number(imsi)])),
  'number of as few bytes as it needs': (imsi) => latin1(number(imsi)).replace(/^\0+/, ''),
  'float in CBOR': (imsi) => latin1(Uint8Array.from([0xfb, ...double(imsi)])),
  'text in CBOR, in chunks': (imsi) => `\x7f\x65${imsi.slice(0, 5)}\x6a${imsi.slice(5)}\xff`,
  'little-endian float': (imsi) => latin1(double(imsi).reverse()),
  'groups of seven bits': (imsi) => latin1(varint(BigInt(imsi))),
  'decimal with a fraction': (imsi) => `${Number(imsi)}.0`,
  'in members with digits': (imsi) => JSON.stringify({ part1: imsi.slice(0, 5), part2: imsi.slice(5, 10), part3: [imsi.slice(10)] }),
  'error text': (imsi) => `Error: no subscriber ${imsi} (at lookup.ts:12:3)`,
  address: (imsi) => `https://udm.op.example/nudm-sdm/v2/${imsi}/am-data?x=1`,
  'folded over lines': (imsi) => `${imsi.slice(0, 5)}\r\n ${imsi.slice(5, 9)}\r\n\t${imsi.slice(9)}`,
};

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** RFC 4648, Section 6. */
const base32 = (bytes: Bytes): string => {
  const bits = each(bytes, (byte) => byte.toString(2).padStart(8, '0'));
  const digits = (bits.match(/.{1,5}/g) ?? []).map((five) => base32Alphabet[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
  return digits.padEnd(Math.ceil(digits.length / 8) * 8, '=');
};

/** How bytes can be written, as texts or bytes. */
export const encodings: Readonly<Record<string, (bytes: Bytes) => Bytes>> = {
  base64: (bytes) => bytesOf(bytes).toString('base64'),
  'base64 in lines': (bytes) => bytesOf(bytes).toString('base64').replace(/.{8}/g, '$&\r\n'),
  'base64 without padding': (bytes) => bytesOf(bytes).toString('base64').replace(/=+$/, ''),
  'base64, a byte before it': (bytes) => bytesOf(`#${bytes}`).toString('base64'),
  'base64, two bytes before it': (bytes) => bytesOf(`#!${bytes}`).toString('base64'),
  'base64 in pieces': (bytes) =>
    JSON.stringify(
      bytesOf(bytes)
        .toString('base64')
        .match(/.{1,8}/g) ?? [],
    ),
  'pieces in base64': (bytes) => JSON.stringify((bytes.match(/[\s\S]{1,4}/g) ?? []).map((piece) => bytesOf(piece).toString('base64'))),
  'base64url with padding': (bytes) => bytesOf(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
  base64url: (bytes) => bytesOf(bytes).toString('base64url'),
  base32,
  'base32 in small letters, without padding': (bytes) => base32(bytes).toLowerCase().replace(/=+$/, ''),
  'base32 in lines': (bytes) => base32(bytes).replace(/.{12}/g, '$&\r\n'),
  'base32, bytes before it': (bytes) => base32(`#!%${bytes}`),
  hex: (bytes) => bytesOf(bytes).toString('hex'),
  'hex in capitals': (bytes) => bytesOf(bytes).toString('hex').toUpperCase(),
  'hex in pieces': (bytes) =>
    JSON.stringify(
      bytesOf(bytes)
        .toString('hex')
        .match(/.{1,6}/g) ?? [],
    ),
  'hex with blanks': (bytes) => each(bytes, (byte) => `${hexByte(byte)} `),
  'hex with colons': (bytes) => each(bytes, (byte) => `${hexByte(byte).toUpperCase()}:`),
  percent: (bytes) => each(bytes, (byte) => `%${hexByte(byte)}`),
  'percent, in capitals': (bytes) => each(bytes, (byte) => `%${hexByte(byte).toUpperCase()}`),
  'percent, with UTF-16': (bytes) => each(bytes, (byte) => `%u00${hexByte(byte)}`),
  'percent, each second': (bytes) =>
    [...bytesOf(bytes)].map((byte, index) => (index % 2 === 0 && byte >= 0x30 ? String.fromCharCode(byte) : `%${hexByte(byte)}`)).join(''),
  'JSON escapes': (bytes) => each(bytes, (byte) => `\\u00${hexByte(byte)}`),
  'entities in hexadecimal': (bytes) => each(bytes, (byte) => `&#x${hexByte(byte)};`),
  entities: (bytes) => each(bytes, (byte) => `&#${byte};`),
  'quoted printable': (bytes) => each(bytes, (byte) => `=${hexByte(byte).toUpperCase()}`),
  octets: (bytes) => `[${[...bytesOf(bytes)].join(',')}]`,
  'UTF-16LE': (bytes) => latin1(Buffer.from(bytes, 'utf16le')),
  'UTF-16 with a mark': (bytes) => `\xff\xfe${latin1(Buffer.from(bytes, 'utf16le'))}`,
  'UTF-16BE': (bytes) => latin1(Buffer.from(bytes, 'utf16le').swap16()),
};

/** IMSIs of networks, the test network with its zeros in front among them. */
export const imsis: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('00101', '26201', '310410', '46000'), fc.integer({ min: 1, max: 999_999_999 }))
  .map(([network, subscriber]) => network + String(subscriber).padStart(15 - network.length, '0'));
