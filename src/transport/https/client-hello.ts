import { ByteReader, BytesError, ByteWriter, emptyBytes, utf8 } from '../../core/bytes.ts';

/** What a client offers a TLS server: numbers of the IANA registries of TLS. */
export interface TlsOffer {
  /** `legacy_version`; 0x0303 is TLS 1.2. */
  readonly version: number;
  /** With it, those of `supported_versions`: 0x0304 is TLS 1.3. */
  readonly versions?: readonly number[];
  readonly suites: readonly number[];
  readonly groups: readonly number[];
  readonly signatures: readonly number[];
  /** `null` alone when absent. */
  readonly compression?: readonly number[];
  readonly serverName?: string;
}

/** What a TLS server makes of an offer. */
export type TlsAnswer =
  /** It refuses; without `alert`, the connection ended. */
  | { readonly refused: true; readonly alert?: number }
  | {
      readonly refused: false;
      readonly version: number;
      readonly suite: number;
      readonly compression: number;
      /** Of its ServerHello. */
      readonly extensions: ReadonlySet<number>;
      /** Of its HelloRetryRequest. */
      readonly group?: number;
      /** Of its ServerKeyExchange. */
      readonly signature?: number;
    };

const recordHandshake = 22;
const recordAlert = 21;
/** Of SSL 3.0 too. */
const tlsMajor = 3;

/** Handshake types. */
const Handshake = { ClientHello: 1, ServerHello: 2, ServerKeyExchange: 12, ServerHelloDone: 14 } as const;

/** Extensions that tell whether a server has what TS 33.210 asks for. */
export const TlsExtension = {
  server_name: 0,
  supported_groups: 10,
  ec_point_formats: 11,
  signature_algorithms: 13,
  extended_master_secret: 23,
  supported_versions: 43,
  key_share: 51,
  renegotiation_info: 0xff01,
} as const;

/** A vector: its length in so many bytes, then it. */
function vector(size: 1 | 2 | 3, bytes: Uint8Array): Uint8Array {
  const writer = new ByteWriter(bytes.length + size);
  if (size === 3) writer.u8(bytes.length >>> 16);
  if (size > 1) writer.u16(bytes.length);
  else writer.u8(bytes.length);
  return writer.bytes(bytes).finish();
}

function numbers(size: 1 | 2, list: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const number of list)
    if (size === 1) writer.u8(number);
    else writer.u16(number);
  return writer.finish();
}

/**
 * The first record of a client, with this offer. In TLS 1.3 it has no key share, so that the server names the group that it takes and goes no further.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2
 */
export function encodeClientHello(offer: TlsOffer, random: Uint8Array): Uint8Array {
  const extensions = new ByteWriter();
  const add = (type: number, content: Uint8Array): void => void extensions.u16(type).bytes(vector(2, content));
  // RFC 6066 §3: of type host_name.
  if (offer.serverName !== undefined)
    add(
      TlsExtension.server_name,
      vector(
        2,
        new ByteWriter()
          .u8(0)
          .bytes(vector(2, utf8(offer.serverName)))
          .finish(),
      ),
    );
  add(TlsExtension.supported_groups, vector(2, numbers(2, offer.groups)));
  add(TlsExtension.ec_point_formats, vector(1, Uint8Array.of(0)));
  add(TlsExtension.signature_algorithms, vector(2, numbers(2, offer.signatures)));
  add(TlsExtension.extended_master_secret, emptyBytes);
  add(TlsExtension.renegotiation_info, vector(1, emptyBytes));
  if (offer.versions !== undefined) {
    add(TlsExtension.supported_versions, vector(1, numbers(2, offer.versions)));
    add(TlsExtension.key_share, vector(2, emptyBytes));
  }
  const hello = new ByteWriter()
    .u16(offer.version)
    .bytes(random.subarray(0, 32))
    .bytes(vector(1, random.subarray(0, 32)))
    .bytes(vector(2, numbers(2, offer.suites)))
    .bytes(vector(1, numbers(1, offer.compression ?? [0])));
  // SSL 3.0 has no extensions.
  if (offer.version > 0x0300) hello.bytes(vector(2, extensions.finish()));
  const message = new ByteWriter().u8(Handshake.ClientHello).bytes(vector(3, hello.finish())).finish();
  return new ByteWriter().u8(recordHandshake).u16(Math.min(offer.version, 0x0301)).bytes(vector(2, message)).finish();
}

type Accepted = Exclude<TlsAnswer, { readonly refused: true }>;

/**
 * Read what a server has sent so far; `undefined`: not yet enough.
 *
 * @throws {BytesError} `ERR_BYTES_TLS`, `ERR_BYTES_END`: it is no TLS
 */
export function readTlsAnswer(bytes: Uint8Array): TlsAnswer | undefined {
  const handshake = new ByteWriter();
  const records = new ByteReader(bytes);
  while (records.remaining >= 5) {
    const type = records.u8();
    if (records.u8() !== tlsMajor) throw new BytesError('ERR_BYTES_TLS', `expected a record of TLS, got one with type ${type}`);
    records.u8();
    const length = records.u16();
    if (records.remaining < length) break;
    const fragment = records.take(length);
    if (type === recordAlert) return { refused: true, ...(fragment[1] === undefined ? {} : { alert: fragment[1] }) };
    // After a HelloRetryRequest comes a ChangeCipherSpec for old boxes between.
    if (type !== recordHandshake) break;
    handshake.bytes(fragment);
  }
  return readMessages(handshake.finish());
}

function readMessages(bytes: Uint8Array): TlsAnswer | undefined {
  const messages = new ByteReader(bytes);
  let answer: Accepted | undefined;
  while (messages.remaining >= 4) {
    const type = messages.u8();
    const length = (messages.u8() << 16) | messages.u16();
    if (messages.remaining < length) return undefined;
    const body = new ByteReader(messages.take(length));
    if (type === Handshake.ServerHello) {
      answer = readServerHello(body);
      if (answer.version > 0x0303) return answer;
    } else if (type === Handshake.ServerKeyExchange && answer !== undefined) {
      answer = { ...answer, ...readSignature(body) };
    } else if (type === Handshake.ServerHelloDone) {
      return answer;
    }
  }
  return undefined;
}

function readServerHello(body: ByteReader): Accepted {
  let version = body.u16();
  body.take(32);
  body.take(body.u8());
  const suite = body.u16();
  const compression = body.u8();
  const extensions = new Set<number>();
  let group: number | undefined;
  if (body.remaining > 0) {
    const block = new ByteReader(body.take(body.u16()));
    while (block.remaining > 0) {
      const type = block.u16();
      const content = new ByteReader(block.take(block.u16()));
      extensions.add(type);
      if (type === TlsExtension.supported_versions) version = content.u16();
      if (type === TlsExtension.key_share) group = content.u16();
    }
  }
  return { refused: false, version, suite, compression, extensions, ...(group === undefined ? {} : { group }) };
}

const namedCurve = 3;

/** RFC 8422, Section 5.4, for a named curve; what has another form tells nothing. */
function readSignature(body: ByteReader): { readonly signature?: number; readonly group?: number } {
  if (body.remaining < 4 || body.u8() !== namedCurve) return {};
  const group = body.u16();
  body.take(body.u8());
  return body.remaining < 2 ? { group } : { group, signature: body.u16() };
}
