import { type TlsAnswer, TlsExtension, type TlsOffer } from './client-hello.ts';

/** A rule of TS 33.210 that an offer shows to be kept or not. */
export interface OfferCheck {
  readonly name: string;
  readonly clause: string;
  /** `should`: who does not follow it has a reason, or an old peer. */
  readonly strength: 'shall' | 'should';
  readonly offer: TlsOffer;
  /** What is wrong with the answer; `undefined`: nothing. */
  readonly wrong: (answer: TlsAnswer) => string | undefined;
}

const Version = { ssl3: 0x0300, tls10: 0x0301, tls11: 0x0302, tls12: 0x0303, tls13: 0x0304 } as const;
const Group = { secp256r1: 23, secp384r1: 24, x25519: 29 } as const;
const allGroups = [Group.x25519, Group.secp256r1, Group.secp384r1];

/** ECDSA, RSA-PSS and RSA with SHA-256, SHA-384 and SHA-512, and Ed25519. */
const goodSignatures = [0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601];
const sha1Signatures = [0x0203, 0x0201, 0x0202];

/** By ECDSA, ECDHE with RSA, and DHE with RSA. */
const aes128Gcm = [0xc02b, 0xc02f, 0x009e];
const aes256Gcm = [0xc02c, 0xc030, 0x009f];

const Weak = {
  cbc: [0xc009, 0xc013, 0xc00a, 0xc014, 0xc023, 0xc027, 0xc024, 0xc028, 0x0033, 0x0039, 0x0067, 0x006b],
  rsa: [0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0xc09c, 0xc0a0],
  static: [0xc02d, 0xc031, 0xc02e, 0xc032, 0xc004, 0xc00e, 0xc005, 0xc00f, 0x00a0, 0x00a4, 0x0030, 0x0031],
  null: [0xc006, 0xc010, 0x003b, 0x0002, 0x0001, 0x002c],
  anonymous: [0xc018, 0xc019, 0xc015, 0x00a6, 0x00a7, 0x006c, 0x006d, 0x0034, 0x003a],
  old: [0xc007, 0xc011, 0x0005, 0x0004, 0xc008, 0xc012, 0x0016, 0x000a, 0x0009, 0x0015, 0x0003, 0x0006, 0x0008, 0x0014],
  psk: [0x00a8, 0x00a9, 0x00ae, 0x00af, 0x008c, 0x008d, 0xc0a4, 0xc0a8],
} as const;

const general = 'TS 33.210, 6.2';
const tls12Suites = 'TS 33.210, 6.2.3';
const mandatory13 = 'RFC 8446, 9.1';

const hex = (number: number): string => `0x${number.toString(16).padStart(4, '0')}`;

function tls12(changes: Partial<TlsOffer> = {}): TlsOffer {
  return { version: Version.tls12, suites: [...aes128Gcm, ...aes256Gcm], groups: allGroups, signatures: goodSignatures, ...changes };
}

function tls13(changes: Partial<TlsOffer> = {}): TlsOffer {
  return tls12({ versions: [Version.tls13], suites: [0x1301, 0x1302], ...changes });
}

/** Everything that those who know no better have: what an old version is offered with. */
const everything = [...aes128Gcm, ...aes256Gcm, ...Weak.cbc, ...Weak.rsa, ...Weak.old];

function refusal(answer: TlsAnswer & { readonly refused: true }): string {
  return answer.alert === undefined ? 'the server ended the connection' : `the server refuses with alert ${answer.alert}`;
}

const accepts =
  (version: number) =>
  (answer: TlsAnswer): string | undefined =>
    answer.refused ? refusal(answer) : answer.version === version ? undefined : `the server answers with version ${hex(answer.version)}`;

const refuses = (answer: TlsAnswer): string | undefined =>
  answer.refused ? undefined : `the server goes on, with version ${hex(answer.version)} and suite ${hex(answer.suite)}`;

const has =
  (name: keyof typeof TlsExtension) =>
  (answer: TlsAnswer): string | undefined =>
    answer.refused ? refusal(answer) : answer.extensions.has(TlsExtension[name]) ? undefined : `the server does not answer ${name}`;

const usesNoSha1 = (answer: TlsAnswer): string | undefined =>
  !answer.refused && (answer.signature === undefined || sha1Signatures.includes(answer.signature))
    ? 'the server goes on, and signs with SHA-1 for all that it says'
    : undefined;

const withoutCompression = (answer: TlsAnswer): string | undefined =>
  answer.refused ? refusal(answer) : answer.compression === 0 ? undefined : `the server compresses, by method ${answer.compression}`;

const shall = (name: string, clause: string, offer: TlsOffer, wrong: OfferCheck['wrong']): OfferCheck => ({ name, clause, strength: 'shall', offer, wrong });
const should = (name: string, clause: string, offer: TlsOffer, wrong: OfferCheck['wrong']): OfferCheck => ({ name, clause, strength: 'should', offer, wrong });

/** What TS 33.210, Section 6.2, has a TLS server accept and refuse, one offer for each. */
export const offerChecks: readonly OfferCheck[] = [
  shall('TLS 1.3 with TLS_AES_128_GCM_SHA256 on secp256r1', mandatory13, tls13({ suites: [0x1301], groups: [Group.secp256r1] }), accepts(Version.tls13)),
  should('TLS 1.3 with TLS_AES_256_GCM_SHA384', mandatory13, tls13({ suites: [0x1302] }), accepts(Version.tls13)),
  should('TLS 1.3 on secp384r1', general, tls13({ groups: [Group.secp384r1] }), accepts(Version.tls13)),
  shall('TLS 1.2 with ephemeral keys and AES-128-GCM', tls12Suites, tls12({ suites: aes128Gcm }), accepts(Version.tls12)),
  should('TLS 1.2 with ephemeral keys and AES-256-GCM', tls12Suites, tls12({ suites: aes256Gcm }), accepts(Version.tls12)),
  shall('TLS 1.2 has renegotiation_info', 'TS 33.210, 6.2.3; RFC 5746', tls12(), has('renegotiation_info')),
  shall('TLS 1.2 has extended_master_secret', 'TS 33.210, 6.2.3; RFC 7627', tls12(), has('extended_master_secret')),
  shall('no compression', general, tls12({ compression: [1, 64, 0] }), withoutCompression),
  shall('no SSL 3.0', general, tls12({ version: Version.ssl3, suites: everything }), refuses),
  shall('no TLS 1.0', general, tls12({ version: Version.tls10, suites: everything }), refuses),
  shall('no TLS 1.1', general, tls12({ version: Version.tls11, suites: everything }), refuses),
  shall('no CBC suites', tls12Suites, tls12({ suites: Weak.cbc }), refuses),
  shall('no RSA key exchange', tls12Suites, tls12({ suites: Weak.rsa }), refuses),
  shall('no static Diffie-Hellman', tls12Suites, tls12({ suites: Weak.static }), refuses),
  shall('no NULL encryption', tls12Suites, tls12({ suites: Weak.null }), refuses),
  shall('no anonymous suites', tls12Suites, tls12({ suites: Weak.anonymous }), refuses),
  shall('no RC4, DES, 3DES and export suites', tls12Suites, tls12({ suites: Weak.old }), refuses),
  shall('no pre-shared keys without forward secrecy', tls12Suites, tls12({ suites: Weak.psk }), refuses),
  shall('no signatures with SHA-1', general, tls12({ signatures: sha1Signatures }), usesNoSha1),
];
