import { fromHex } from '../../src/core/bytes.ts';

/** A vector of TLS: its length in so many bytes, then it. */
const vector = (size: number, hex: string): string => (hex.length / 2).toString(16).padStart(2 * size, '0') + hex;
const record = (type: string, hex: string): string => `${type}0303${vector(2, hex)}`;
const message = (type: string, hex: string): string => type + vector(3, hex);
const extension = (type: string, hex = ''): string => type + vector(2, hex);

const serverHello = (random: string, suite: string, extensions: readonly string[]): string =>
  message('02', `0303${random}${vector(1, '')}${suite}00${vector(2, extensions.join(''))}`);
const renegotiationInfo = extension('ff01', '00');
const extendedMasterSecret = extension('0017');
/** RFC 8422, Section 5.4: on P-256, signed by ECDSA with SHA-256. */
const serverKeyExchange = message('0c', `030017${vector(1, `04${'11'.repeat(64)}`)}0403${vector(2, '22'.repeat(70))}`);
/** RFC 8446, Section 4.1.3: the random value of a HelloRetryRequest. */
const helloRetryRequest = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

/** TLS 1.2: ServerHello, ServerKeyExchange, ServerHelloDone, of which a certificate is left out. */
export const tls12Answer: Uint8Array = fromHex(
  record('16', serverHello('00'.repeat(32), 'c02b', [renegotiationInfo, extendedMasterSecret])) + record('16', serverKeyExchange + message('0e', '')),
);
/** TLS 1.3: a HelloRetryRequest that asks for P-256. */
export const tls13Answer: Uint8Array = fromHex(record('16', serverHello(helloRetryRequest, '1301', [extension('002b', '0304'), extension('0033', '0017')])));
/** The alert handshake_failure. */
export const tlsRefusal: Uint8Array = fromHex(record('15', '0228'));
