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

/** How the digits of an IMSI can be written. */
export const digitDisguises: Readonly<Record<string, (imsi: string) => Bytes>> = {
  plain: (imsi) => imsi,
  groups: (imsi) => imsi.replace(/(\d{3})(?=\d)/g, '$1 '),
  dashes: (imsi) => imsi.replace(/(\d{5})(?=\d)/g, '$1-'),
  'one by one': (imsi) => JSON.stringify([...imsi]),
  'in members': (imsi) => JSON.stringify({ mcc: imsi.slice(0, 3), mnc: imsi.slice(3, 5), msin: imsi.slice(5) }),
  number: (imsi) => String(Number(imsi)),
  exponent: (imsi) => Number(imsi).toExponential(),
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
};

/** How bytes can be written, as texts or bytes. */
export const encodings: Readonly<Record<string, (bytes: Bytes) => Bytes>> = {
  base64: (bytes) => bytesOf(bytes).toString('base64'),
  'base64 in lines': (bytes) => bytesOf(bytes).toString('base64').replace(/.{8}/g, '$&\r\n'),
  base64url: (bytes) => bytesOf(bytes).toString('base64url'),
  hex: (bytes) => bytesOf(bytes).toString('hex'),
  'hex with colons': (bytes) => each(bytes, (byte) => `${hexByte(byte).toUpperCase()}:`),
  percent: (bytes) => each(bytes, (byte) => `%${hexByte(byte)}`),
  'JSON escapes': (bytes) => each(bytes, (byte) => `\\u00${hexByte(byte)}`),
  entities: (bytes) => each(bytes, (byte) => `&#${byte};`),
  'quoted printable': (bytes) => each(bytes, (byte) => `=${hexByte(byte).toUpperCase()}`),
  octets: (bytes) => `[${[...bytesOf(bytes)].join(',')}]`,
  'UTF-16LE': (bytes) => latin1(Buffer.from(bytes, 'utf16le')),
  'UTF-16BE': (bytes) => latin1(Buffer.from(bytes, 'utf16le').swap16()),
};

/** IMSIs of networks, the test network with its zeros in front among them. */
export const imsis: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('00101', '26201', '310410', '46000'), fc.integer({ min: 1, max: 999_999_999 }))
  .map(([network, subscriber]) => network + String(subscriber).padStart(15 - network.length, '0'));
