import type { CurveKey, CurveKeyPair } from '../core/crypto/index.ts';
import type { ClientConfig, ClientPsk } from '../dtls/index.ts';
import { type AceNeed, aceNeeds } from './ace-needs.ts';
import type { AsTarget, RsTarget } from './roles.ts';

/** A request that the target answers by a success. */
export interface OfferedRequest {
  /** Path and query: `/config?part=1`. */
  readonly path: string;
  readonly payload: Uint8Array;
  readonly contentFormat?: number;
}

/** Resources that are there, by what can be done with them: paths with their query, as `/sensors/temperature`. */
export interface Resources {
  /** GET gives 2.05 and a payload that fits into one message. */
  readonly get?: string;
  /** PUT of a short text gives 2.01 or 2.04, and GET what was put. */
  readonly put?: string;
  /** GET with Observe registers. */
  readonly observe?: string;
  /** A PUT of a short text here changes what is observed. Absent: it changes by itself. */
  readonly change?: string;
  /** GET gives more than 64 bytes, so that blocks of 16 bytes are several. */
  readonly large?: string;
  /** PUT of some 200 bytes in blocks gives 2.01 or 2.04. */
  readonly largePut?: string;
  /** GET is answered by an empty Acknowledgement first, and by a separate response later. */
  readonly separate?: string;
  /** GET gives an ETag. */
  readonly etag?: string;
  readonly fetch?: OfferedRequest;
  readonly patch?: OfferedRequest;
  readonly ipatch?: OfferedRequest;
}

/** An OSCORE Security Context as the checker has it: its Sender ID is the Recipient ID of the target. */
export interface OscoreKeys {
  readonly masterSecret: Uint8Array;
  readonly masterSalt?: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext?: Uint8Array;
  /** Numbers of the registry "COSE Algorithms". */
  readonly aead?: number;
  readonly hkdf?: number;
  /**
   * A sender sequence number that nobody has used, nor any above it: 0 of keys that are new. A run uses some thousands from there on; two with the same keys in one
   * process never use one twice. Only who keeps a count durably can say it of keys that stay (RFC 8613, Appendix B.1.1), no clock.
   */
  readonly firstSequence: number;
}

/** OSCORE at the target. */
export interface OscoreTarget {
  readonly contexts: readonly OscoreKeys[];
  /** Resources behind the contexts. */
  readonly resources: Resources;
}

/** What the checker shows in a DTLS handshake, and takes as proof. */
export interface DtlsTarget {
  readonly psk?: ClientPsk;
  /** `server`: the only key that is taken. */
  readonly rawPublicKey?: { readonly server: CurveKey; readonly own?: CurveKeyPair };
  readonly certificate?: NonNullable<ClientConfig['certificate']>;
}

/** Request-Tag (RFC 9175), No-Response (RFC 7967). */
export type Feature = 'requestTag' | 'noResponse';

/** What is said of the implementation under test. */
export interface Target {
  /** Where it speaks CoAP over UDP: `coap://127.0.0.1:5683`. */
  readonly coap?: string;
  /** The same over DTLS: `coaps://127.0.0.1:5684`. */
  readonly coaps?: string;
  /** The same over TCP: `coap+tcp://127.0.0.1:5683`. */
  readonly tcp?: string;
  readonly resources?: Resources;
  /** Extensions that it is said to have, where that cannot be seen from outside. */
  readonly features?: readonly Feature[];
  readonly oscore?: OscoreTarget;
  readonly dtls?: DtlsTarget;
  readonly rs?: RsTarget;
  readonly as?: AsTarget;
}

/** What a case may need to know of the target. */
export type Need = 'udp' | 'dtls' | 'tcp' | 'dtlsKeys' | 'psk' | 'rpk' | Feature | keyof Resources | AceNeed;

/** What is needed, in words for the person who could name it with where it stands in a target file, and where to find it. */
export type Known = readonly [what: string, of: (target: Target) => unknown];

const feature = (name: Feature, what: string): Known => [`${what} (features)`, ({ features }) => features?.find((one) => one === name)];

const resource = (name: keyof Resources, what: string): Known => [`a resource ${what} (resources.${name})`, ({ resources }) => resources?.[name]];

const known: Readonly<Record<Need, Known>> = {
  udp: ['an address over UDP (coap://)', ({ coap }) => coap],
  dtls: ['an address over DTLS (coaps://)', ({ coaps }) => coaps],
  tcp: ['an address over TCP (coap+tcp://)', ({ tcp }) => tcp],
  get: resource('get', 'to read'),
  put: resource('put', 'to write'),
  observe: resource('observe', 'to observe'),
  change: resource('change', 'to write that changes what is observed'),
  large: resource('large', 'of more than 64 bytes'),
  largePut: ['a resource that takes a large PUT (resources.large_put)', ({ resources }) => resources?.largePut],
  separate: resource('separate', 'that answers separately'),
  etag: resource('etag', 'with an ETag'),
  fetch: resource('fetch', 'that takes FETCH'),
  patch: resource('patch', 'that takes PATCH'),
  ipatch: resource('ipatch', 'that takes iPATCH'),
  requestTag: feature('requestTag', 'Request-Tag'),
  noResponse: feature('noResponse', 'No-Response'),
  dtlsKeys: ['what the checker proves itself by over DTLS (dtls)', ({ dtls }) => dtls],
  psk: ['a pre-shared key (dtls.psk_file)', ({ dtls }) => dtls?.psk],
  rpk: ['raw public keys (dtls.peer_key_file, own.key_file)', ({ dtls }) => dtls?.rawPublicKey],
  ...aceNeeds,
};

/** What of the needs nobody has named; `undefined` when all is there. */
export function missing(target: Target, needs: readonly Need[]): string | undefined {
  const absent = needs.filter((need) => known[need][1](target) === undefined).map((need) => known[need][0]);
  return absent.length === 0 ? undefined : absent.join(', ');
}
