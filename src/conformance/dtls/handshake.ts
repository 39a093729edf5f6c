import { equalBytes, toHex } from '../../core/bytes.ts';
import {
  ContentType,
  decodeClientHello,
  decodeFragments,
  decodeRecords,
  ExtensionType,
  encodeClientHello,
  encodeFragment,
  encodeHandshake,
  encodePlaintextRecord,
  HandshakeType,
} from '../../dtls/index.ts';
import { udp } from '../../transport/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import type { DatagramLine } from '../datagram-line.ts';
import { DtlsLine, eachRecord, type Mutation } from '../dtls-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import type { DtlsTarget } from '../target.ts';
import { clientHello, describeReply, helloVerify, sayHello, serverHello } from './hello.ts';

const rfc6347 = { standard: 'RFC 6347', level: 'MUST', needs: ['dtls'] } as const;
const keyed = { ...rfc6347, needs: ['dtls', 'dtlsKeys'] } as const;

/** The wait of our side before it sends a flight again, in milliseconds: a target that lost one is not to wait long. */
const retransmission = { initialTimeout: 200, maxTimeout: 60_000 };

/** A handshake with these credentials comes to no good end. @throws {Nonconformity} it does */
async function fails(bench: Bench, wanted: string, options: Parameters<typeof DtlsLine.open>[1]): Promise<void> {
  const line = await DtlsLine.open(bench, { ...options, config: { retransmission, ...options?.config } });
  const outcome = await line.handshake(bench.patience.answer);
  if (outcome === 'connected') throw new Nonconformity(wanted, 'a handshake that succeeds');
}

/** Handshake messages in epoch 0 in fragments that overlap, each in a record of its own. The ClientHello stays whole: a target that keeps no state before the cookie cannot collect it. */
function fragmented(): Mutation {
  let sequence = 0;
  return eachRecord((record, type, epoch) => {
    if (epoch !== 0) return [record];
    const { fragment } = decodeRecords(record).records[0]!;
    const parts = type === ContentType.handshake ? (decodeFragments(fragment) ?? []) : [];
    const pieces = parts.flatMap(({ type: message, sequence: number, bytes, length }) => {
      if (message === HandshakeType.client_hello || bytes.length !== length || length < 4) return [];
      const whole = { type: message, sequence: number, body: bytes };
      const middle = length >>> 1;
      return [encodeFragment(whole, 0, middle + 1), encodeFragment(whole, middle - 1, length - middle + 1)];
    });
    return (pieces.length === 0 ? [fragment] : pieces).map((piece) => encodePlaintextRecord(type, sequence++, piece));
  });
}

/** The first datagram for which `isIt` holds does not arrive. */
function dropOnce(isIt: (datagram: Uint8Array) => boolean): Mutation {
  let isDropped = false;
  return (datagram) => {
    if (isDropped || !isIt(datagram)) return [datagram];
    isDropped = true;
    return [];
  };
}

const hasRecord = (datagram: Uint8Array, type: number, epoch: number): boolean =>
  decodeRecords(datagram).records.some((one) => one.type === type && one.epoch === epoch);

function startsWith(datagram: Uint8Array, message: number): boolean {
  const [record] = decodeRecords(datagram).records;
  return record?.type === ContentType.handshake && record.epoch === 0 && record.fragment[0] === message;
}

/** The ClientHello arrives without an extension that our side has put into it: both have other handshake messages in their Finished then. */
function withoutExtension(extension: number): Mutation {
  return eachRecord((record, type, epoch) => {
    const { fragment, sequence } = decodeRecords(record).records[0]!;
    const [part] = type === ContentType.handshake && epoch === 0 ? (decodeFragments(fragment) ?? []) : [];
    if (part?.type !== HandshakeType.client_hello) return [record];
    const hello = decodeClientHello(part.bytes);
    const body = encodeClientHello({ ...hello, extensions: new Map([...hello.extensions].filter(([number]) => number !== extension)) });
    return [encodePlaintextRecord(ContentType.handshake, sequence, encodeHandshake({ type: part.type, sequence: part.sequence, body }))];
  });
}

/** The handshake of DTLS 1.2 (RFC 6347, Section 4.2), as CoAP uses it (RFC 7252, Section 9, and RFC 7925). */
export const handshakeCases: readonly ConformanceCase[] = [
  {
    ...rfc6347,
    id: 'dtls-hello-01',
    section: '4.2.1',
    level: 'SHOULD',
    title: 'a ClientHello without a cookie is answered by a HelloVerifyRequest',
    run: async (bench) => void (await helloVerify(await bench.dtlsSocket(), clientHello(bench))),
  },
  {
    ...rfc6347,
    id: 'dtls-hello-02',
    section: '4.2.1',
    level: 'SHOULD',
    title: 'the HelloVerifyRequest is of DTLS 1.0, whatever is negotiated later',
    async run(bench) {
      const { message } = await verifyOf(bench);
      if (message.version !== 0xfeff) throw new Nonconformity('server_version feff', message.version.toString(16));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-03',
    section: '4.2.1',
    title: 'the HelloVerifyRequest has the record sequence number of the ClientHello',
    async run(bench) {
      await verifyOf(bench);
      const { record } = await helloVerify(await bench.dtlsSocket(), clientHello(bench), 7);
      if (record.sequence !== 7) throw new Nonconformity('record sequence number 7', String(record.sequence));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-04',
    section: '4.2.1',
    level: 'SHOULD',
    title: 'a ClientHello with a cookie that the server has not given is treated as one without',
    async run(bench) {
      const { message } = await verifyOf(bench);
      const line = await bench.dtlsSocket();
      const forged = message.cookie.map((byte) => byte ^ 0x55);
      const reply = await sayHello(line, clientHello(bench, { cookie: forged }), 0);
      if (reply?.type !== 'verify') throw new Nonconformity('a HelloVerifyRequest', describeReply(reply));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-05',
    section: '4.2.1',
    level: 'SHOULD',
    title: 'a cookie is good for the IP address that it was given to alone',
    async run(bench) {
      const hello = clientHello(bench);
      const { message } = await verifyOf(bench, hello);
      const withCookie = { ...hello, cookie: message.cookie };
      const atAnotherPort = await sayHello(await bench.dtlsSocket(), withCookie, 1);
      if (atAnotherPort?.type !== 'server-hello') return;
      // The port is nothing that the section speaks of.
      const elsewhere = await sayHello(await neighbour(bench), withCookie, 1);
      if (elsewhere?.type === 'server-hello') throw new Nonconformity('no ServerHello at another IP address than the cookie was given to', 'a ServerHello');
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-06',
    section: '4.2.1',
    title: 'the ServerHello after a cookie exchange has the record sequence number of the second ClientHello',
    async run(bench) {
      const line = await bench.dtlsSocket();
      const hello = clientHello(bench);
      const { message } = await helloOrNotApplicable(hello, line);
      const reply = await sayHello(line, { ...hello, cookie: message.cookie }, 1, 5);
      if (reply?.type !== 'server-hello') throw new NotApplicable(`the target answers by ${describeReply(reply)}`);
      if (reply.record.sequence !== 5) throw new Nonconformity('record sequence number 5', String(reply.record.sequence));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-07',
    standard: 'RFC 5246',
    section: '7.4.1.4',
    title: 'extensions and cipher suites that the server does not know are ignored',
    async run(bench) {
      const { suites, extensions } = clientHello(bench);
      const hello = clientHello(bench, { suites: [0x0a0a, ...suites], extensions: new Map([[0x1a1a, Uint8Array.of(1, 2, 3)], ...extensions]) });
      const [without, reply] = [await serverHello(await bench.dtlsSocket(), clientHello(bench)), await serverHello(await bench.dtlsSocket(), hello)];
      if (without?.type !== 'server-hello') throw new NotApplicable(`the target answers by ${describeReply(without)}, also without them`);
      if (reply?.type !== 'server-hello') throw new Nonconformity('a ServerHello', describeReply(reply));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-08',
    standard: 'RFC 5746',
    section: '3.6',
    title: 'the ServerHello has an empty renegotiation_info, where the ClientHello had one',
    async run(bench) {
      const reply = await serverHello(await bench.dtlsSocket(), clientHello(bench));
      if (reply?.type !== 'server-hello') throw new NotApplicable(`the target answers by ${describeReply(reply)}`);
      const info = reply.message.extensions.get(ExtensionType.renegotiation_info);
      if (info === undefined || !equalBytes(info, Uint8Array.of(0)))
        throw new Nonconformity('renegotiation_info 00', info === undefined ? 'none' : toHex(info));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-09',
    standard: 'RFC 5246',
    section: '7.4.1.3',
    title: 'the ServerHello selects a suite and extensions that were offered',
    async run(bench) {
      const hello = clientHello(bench);
      const reply = await serverHello(await bench.dtlsSocket(), hello);
      if (reply?.type !== 'server-hello') throw new NotApplicable(`the target answers by ${describeReply(reply)}`);
      if (!hello.suites.includes(reply.message.suite)) throw new Nonconformity('a suite that was offered', reply.message.suite.toString(16));
      const unasked = [...reply.message.extensions.keys()].find((number) => !hello.extensions.has(number));
      if (unasked !== undefined) throw new Nonconformity('extensions that were offered', `extension ${unasked}`);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-10',
    standard: 'RFC 5246',
    section: '7.4.1.3',
    level: 'SHOULD',
    title: 'a ClientHello without a suite that the server has is answered by the alert handshake_failure',
    async run(bench) {
      const reply = await serverHello(await bench.dtlsSocket(), clientHello(bench, { suites: [0x0a0a] }));
      if (reply?.type !== 'alert' || reply.name !== 'handshake_failure') throw new Nonconformity('the alert handshake_failure', describeReply(reply));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-hello-11',
    section: '4.1.2.7',
    level: 'SHOULD',
    title: 'datagrams that hold no record are dropped in silence',
    async run(bench) {
      const line = await bench.dtlsSocket();
      line.send(Uint8Array.of(22, 0xfe, 0xfd, 0, 0));
      line.send(bench.env.random(40).map((byte, index) => (index === 0 ? 0x40 : byte)));
      const datagram = await line.next(bench.patience.silence);
      if (datagram !== undefined) throw new Nonconformity('silence', toHex(datagram));
    },
  },
  {
    ...keyed,
    id: 'dtls-shake-01',
    standard: 'RFC 7252',
    section: '9.1',
    title: 'a handshake succeeds, and a request is answered over the association',
    run: async (bench) => void (await (await DtlsLine.connected(bench)).ask(bench.request(bench.somePath))),
  },
  {
    ...keyed,
    id: 'dtls-shake-02',
    standard: 'RFC 7252',
    section: '9.1.3.1',
    needs: ['dtls', 'psk'],
    title: 'TLS_PSK_WITH_AES_128_CCM_8, which is mandatory to implement, is taken',
    run: async (bench) => void (await DtlsLine.connected(bench, { credentials: pskOf(bench), config: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] } })),
  },
  {
    ...keyed,
    id: 'dtls-shake-03',
    standard: 'RFC 7252',
    section: '9.1.3.2',
    needs: ['dtls', 'rpk'],
    title: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 with secp256r1 and raw public keys, which are mandatory to implement, are taken',
    async run(bench) {
      const config = { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], groups: ['secp256r1'] } as const;
      await DtlsLine.connected(bench, { credentials: { rawPublicKey: bench.target.dtls!.rawPublicKey! }, config });
    },
  },
  {
    ...keyed,
    id: 'dtls-shake-04',
    standard: 'RFC 4279',
    section: '2',
    needs: ['dtls', 'psk'],
    title: 'a client with another key than its identity has does not get in',
    async run(bench) {
      const { identity, key } = bench.target.dtls!.psk!;
      await fails(bench, 'a handshake that fails, with another key', { credentials: { psk: { identity, key: key.map((byte) => byte ^ 0xff) } } });
    },
  },
  {
    ...keyed,
    id: 'dtls-shake-05',
    standard: 'RFC 4279',
    section: '2',
    needs: ['dtls', 'psk'],
    title: 'a client with an identity that the server does not know does not get in, and hears of it by unknown_psk_identity, decrypt_error or nothing',
    async run(bench) {
      const { key } = bench.target.dtls!.psk!;
      const line = await DtlsLine.open(bench, { credentials: { psk: { identity: bench.token(12), key } }, config: { retransmission } });
      const outcome = await line.handshake(bench.patience.answer);
      if (outcome === 'connected') throw new NotApplicable('the target takes any identity with this key');
      const alert = outcome === undefined ? undefined : /: (\w+)$/.exec(outcome.message)?.[1];
      if (outcome?.code === 'ERR_DTLS_ALERT' && !['unknown_psk_identity', 'decrypt_error', 'bad_record_mac'].includes(alert ?? ''))
        throw new Nonconformity('unknown_psk_identity, or as for a wrong key', `the alert ${alert}`);
    },
  },
  {
    ...keyed,
    id: 'dtls-shake-06',
    standard: 'RFC 5246',
    section: '7.4.9',
    title: 'a Finished that does not fit the handshake messages is not taken',
    run: (bench) =>
      // Without the extension the keys hang on the randoms alone, so that the record of Finished verifies and what it holds does not.
      fails(bench, 'a handshake that fails, with a Finished over other messages', { outgoing: withoutExtension(ExtensionType.extended_master_secret) }),
  },
  {
    ...keyed,
    id: 'dtls-shake-07',
    section: '4.2.3',
    title: 'handshake messages in fragments that overlap are put together',
    run: async (bench) => void (await DtlsLine.connected(bench, { outgoing: fragmented() })),
  },
  {
    ...keyed,
    id: 'dtls-shake-08',
    section: '4.2.4',
    title: 'a flight of the server that got lost is sent again',
    run: async (bench) =>
      void (await DtlsLine.connected(bench, {
        config: { retransmission },
        incoming: dropOnce((datagram) => startsWith(datagram, HandshakeType.server_hello)),
      })),
  },
  {
    ...keyed,
    id: 'dtls-shake-09',
    section: '4.2.4',
    title: 'the last flight of the server, when it got lost, is sent again as often as the client repeats its own',
    run: async (bench) =>
      void (await DtlsLine.connected(bench, { config: { retransmission }, incoming: dropOnce((datagram) => hasRecord(datagram, ContentType.handshake, 1)) })),
  },
  {
    ...keyed,
    id: 'dtls-shake-10',
    section: '4.2.2',
    title: 'a handshake message that comes twice does no harm',
    run: async (bench) => void (await (await DtlsLine.connected(bench, { outgoing: (datagram) => [datagram, datagram] })).ask(bench.request(bench.somePath))),
  },
  {
    ...keyed,
    id: 'dtls-shake-11',
    standard: 'RFC 7925',
    section: '16',
    level: 'SHOULD',
    title: 'the extended master secret (RFC 7627) is used where the client offers it',
    async run(bench) {
      const line = await DtlsLine.connected(bench);
      if (line.connection.agreement?.extendedMasterSecret !== true) throw new Nonconformity('extended_master_secret in the ServerHello', 'none');
    },
  },
];

/** A socket at another IP address, which a machine has of itself on loopback alone. @throws {NotApplicable} there is none */
async function neighbour(bench: Bench): Promise<DatagramLine> {
  const { source } = bench;
  const address = source === '127.0.0.2' ? '127.0.0.3' : '127.0.0.2';
  if (!source.startsWith('127.'))
    throw new NotApplicable('the cookie is good for the IP address, whatever the port, and there is no other address to try it at');
  const transport = await udp({ address, sourcePorts: 1 }).catch(() => undefined);
  if (transport === undefined) throw new NotApplicable(`the cookie is good for the IP address, whatever the port, and this machine has no ${address}`);
  return bench.udp(bench.target.coaps, 'dtls', transport);
}

type Verify = Awaited<ReturnType<typeof helloVerify>>;

/** @throws {NotApplicable} the target exchanges no cookies, which dtls-hello-01 is about */
async function helloOrNotApplicable(hello: ReturnType<typeof clientHello>, line: Awaited<ReturnType<Bench['dtlsSocket']>>): Promise<Verify> {
  const reply = await sayHello(line, hello, 0);
  if (reply?.type !== 'verify') throw new NotApplicable(`the target exchanges no cookies: it answers by ${describeReply(reply)}`);
  return reply;
}

async function verifyOf(bench: Bench, hello: ReturnType<typeof clientHello> = clientHello(bench)): Promise<Verify> {
  return helloOrNotApplicable(hello, await bench.dtlsSocket());
}

function pskOf(bench: Bench): DtlsTarget {
  return { psk: bench.target.dtls!.psk! };
}
