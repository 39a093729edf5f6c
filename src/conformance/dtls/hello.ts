import { emptyBytes } from '../../core/bytes.ts';
import {
  alertName,
  type ClientHello,
  ContentType,
  type DtlsRecord,
  decodeAlert,
  decodeFragments,
  decodeHelloVerifyRequest,
  decodeRecords,
  decodeServerHello,
  ExtensionType,
  encodeClientHello,
  encodeHandshake,
  encodePlaintextRecord,
  type HandshakeFragment,
  HandshakeType,
  type HelloVerifyRequest,
  type ServerHello,
} from '../../dtls/index.ts';
import type { Bench } from '../bench.ts';
import type { DatagramLine } from '../datagram-line.ts';
import { Nonconformity } from '../errors.ts';

/** DTLS 1.2 on the wire. */
const dtls12 = 0xfefd;

/** Suites that CoAP makes mandatory (RFC 7252, Section 9.1.3), and some that servers have beside them. */
const suites: readonly number[] = [0xc0a8, 0xc0ae, 0xc0a4, 0xc0ac, 0x00a8, 0xc02b, 0x00ae, 0xc023, 0x008c];

/** Extensions that go with the suites: P-256, uncompressed points, ECDSA with SHA-256. */
const extensions: ReadonlyMap<number, Uint8Array> = new Map([
  [ExtensionType.supported_groups, Uint8Array.of(0, 2, 0, 23)],
  [ExtensionType.ec_point_formats, Uint8Array.of(1, 0)],
  [ExtensionType.signature_algorithms, Uint8Array.of(0, 2, 4, 3)],
  [ExtensionType.extended_master_secret, emptyBytes],
  [ExtensionType.renegotiation_info, Uint8Array.of(0)],
  [ExtensionType.client_certificate_type, Uint8Array.of(2, 2, 0)],
  [ExtensionType.server_certificate_type, Uint8Array.of(2, 2, 0)],
]);

export function clientHello(bench: Bench, change: Partial<ClientHello> = {}): ClientHello {
  return {
    version: dtls12,
    random: bench.env.random(32),
    sessionId: emptyBytes,
    cookie: emptyBytes,
    suites,
    compressions: Uint8Array.of(0),
    extensions,
    ...change,
  };
}

/** A ClientHello in a datagram. `sequence`: of the message and of its record. */
export function helloDatagram(hello: ClientHello, sequence: number, recordSequence: number = sequence): Uint8Array {
  const message = encodeHandshake({ type: HandshakeType.client_hello, sequence, body: encodeClientHello(hello) });
  return encodePlaintextRecord(ContentType.handshake, recordSequence, message);
}

/** What the target says to a ClientHello. */
export type Reply =
  | { readonly type: 'verify'; readonly record: DtlsRecord; readonly message: HelloVerifyRequest }
  | { readonly type: 'server-hello'; readonly record: DtlsRecord; readonly message: ServerHello }
  | { readonly type: 'alert'; readonly name: string; readonly level: number }
  | { readonly type: 'other' };

function replyIn(record: DtlsRecord): Reply | undefined {
  if (record.epoch !== 0) return undefined;
  if (record.type === ContentType.alert) {
    const alert = decodeAlert(record.fragment);
    return alert === undefined ? { type: 'other' } : { type: 'alert', name: alertName(alert.description), level: alert.level };
  }
  if (record.type !== ContentType.handshake) return { type: 'other' };
  const [first] = decodeFragments(record.fragment) ?? [];
  return first === undefined ? { type: 'other' } : messageIn(record, first);
}

function messageIn(record: DtlsRecord, { type, offset, length, bytes }: HandshakeFragment): Reply {
  if (offset !== 0 || bytes.length !== length) return { type: 'other' };
  if (type === HandshakeType.hello_verify_request) return { type: 'verify', record, message: decodeHelloVerifyRequest(bytes) };
  if (type === HandshakeType.server_hello) return { type: 'server-hello', record, message: decodeServerHello(bytes) };
  return { type: 'other' };
}

/** Send a ClientHello and read what comes; `undefined`: nothing. @throws {Nonconformity} what comes cannot be read */
export async function sayHello(line: DatagramLine, hello: ClientHello, sequence: number, recordSequence: number = sequence): Promise<Reply | undefined> {
  line.send(helloDatagram(hello, sequence, recordSequence));
  const datagram = await line.next();
  if (datagram === undefined) return undefined;
  try {
    const [record] = decodeRecords(datagram).records;
    return record === undefined ? { type: 'other' } : replyIn(record);
  } catch (error) {
    throw new Nonconformity('a HelloVerifyRequest or a ServerHello', `what cannot be read (${(error as Error).message})`);
  }
}

export function describeReply(reply: Reply | undefined): string {
  if (reply === undefined) return 'nothing';
  if (reply.type === 'alert') return `the alert ${reply.name}`;
  return { verify: 'a HelloVerifyRequest', 'server-hello': 'a ServerHello', other: 'something else' }[reply.type];
}

/** Say hello until the target has shown its own: with the cookie that it gives, if it gives one. */
export async function serverHello(line: DatagramLine, hello: ClientHello): Promise<Reply | undefined> {
  const first = await sayHello(line, hello, 0);
  return first?.type === 'verify' ? sayHello(line, { ...hello, cookie: first.message.cookie }, 1) : first;
}

/** The HelloVerifyRequest to a ClientHello. @throws {Nonconformity} there is none */
export async function helloVerify(line: DatagramLine, hello: ClientHello, recordSequence = 0): Promise<Extract<Reply, { readonly type: 'verify' }>> {
  const reply = await sayHello(line, hello, 0, recordSequence);
  if (reply?.type !== 'verify') throw new Nonconformity('a HelloVerifyRequest', describeReply(reply));
  return reply;
}
