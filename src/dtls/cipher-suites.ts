import type { CipherParameters } from '../core/crypto/index.ts';
import { DtlsError } from './errors.ts';

/** How the premaster secret comes about: RFC 4279, RFC 5489, RFC 8422. */
export type KeyExchange = 'PSK' | 'ECDHE_PSK' | 'ECDHE_ECDSA';

/** As in the registry "TLS Cipher Suites". */
export type CipherSuiteName = `TLS_${KeyExchange}_WITH_AES_${string}`;

/** What a cipher suite consists of. */
export interface CipherSuite {
  readonly id: number;
  readonly name: CipherSuiteName;
  readonly keyExchange: KeyExchange;
  readonly cipher: CipherParameters;
  /** The hash of the PRF, of Finished and of the session hash. */
  readonly hash: 'sha256' | 'sha384';
}

const ccm8: CipherParameters = { mode: 'ccm', keyLength: 16, nonceLength: 12, tagLength: 8 };
const ccm: CipherParameters = { mode: 'ccm', keyLength: 16, nonceLength: 12, tagLength: 16 };
const gcm128: CipherParameters = { mode: 'gcm', keyLength: 16, nonceLength: 12, tagLength: 16 };
const gcm256: CipherParameters = { mode: 'gcm', keyLength: 32, nonceLength: 12, tagLength: 16 };

/** TLS Cipher Suites, IANA registry as of 2026-11: those that we have, forward secrecy first, then the longer tag. */
const table: readonly CipherSuite[] = [
  { id: 0xc02c, name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', keyExchange: 'ECDHE_ECDSA', cipher: gcm256, hash: 'sha384' },
  { id: 0xc02b, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', keyExchange: 'ECDHE_ECDSA', cipher: gcm128, hash: 'sha256' },
  { id: 0xc0ac, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM', keyExchange: 'ECDHE_ECDSA', cipher: ccm, hash: 'sha256' },
  { id: 0xc0ae, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', keyExchange: 'ECDHE_ECDSA', cipher: ccm8, hash: 'sha256' },
  { id: 0xd001, name: 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256', keyExchange: 'ECDHE_PSK', cipher: gcm128, hash: 'sha256' },
  { id: 0xd003, name: 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256', keyExchange: 'ECDHE_PSK', cipher: ccm8, hash: 'sha256' },
  { id: 0x00a8, name: 'TLS_PSK_WITH_AES_128_GCM_SHA256', keyExchange: 'PSK', cipher: gcm128, hash: 'sha256' },
  { id: 0xc0a4, name: 'TLS_PSK_WITH_AES_128_CCM', keyExchange: 'PSK', cipher: ccm, hash: 'sha256' },
  { id: 0xc0a8, name: 'TLS_PSK_WITH_AES_128_CCM_8', keyExchange: 'PSK', cipher: ccm8, hash: 'sha256' },
];

const byName: ReadonlyMap<string, CipherSuite> = new Map(table.map((suite) => [suite.name, suite]));

const byId: ReadonlyMap<number, CipherSuite> = new Map(table.map((suite) => [suite.id, suite]));

export function suiteById(id: number): CipherSuite | undefined {
  return byId.get(id);
}

/** The signal that stands for an empty renegotiation_info; never negotiated (RFC 5746, Section 3.3). */
export const emptyRenegotiationInfoScsv = 0x00ff;

/** Lists by name, in order of preference. */
const lists: Readonly<Record<SuiteListName, readonly CipherSuiteName[]>> = {
  default: table.map(({ name }) => name),
  // RFC 7925 §4.
  iot: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'TLS_PSK_WITH_AES_128_CCM_8'],
  // TS 33.210 §6.2: forward secrecy and an AEAD; the tags of 16 bytes are ours to ask.
  'seal-strict': [
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
    'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  ],
};

/** `iot` is what RFC 7925 names, `seal-strict` what TS 33.210 leaves, `default` is all. */
export type SuiteListName = 'default' | 'iot' | 'seal-strict';
/** The name of a list, or names of suites in order of preference. */
export type SuiteChoice = SuiteListName | readonly CipherSuiteName[];

/** The suites of a choice. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function suitesOf(choice: SuiteChoice): readonly CipherSuite[] {
  const names: readonly string[] | undefined = typeof choice === 'string' ? lists[choice] : choice;
  if (names === undefined) throw new DtlsError('ERR_DTLS_CONFIG', `expected a list of suites (${Object.keys(lists).join(', ')}), got ${String(choice)}`);
  return [...new Set(names)].map((name) => {
    const suite = byName.get(name);
    if (suite === undefined) throw new DtlsError('ERR_DTLS_CONFIG', `expected a cipher suite that we have, got ${name}`);
    return suite;
  });
}
