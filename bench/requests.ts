import { encodeMessage, encodeUint, MessageType, Method, type Option, OptionNumber, type Peer, pathOptions } from '../src/coap/index.ts';
import { emptyBytes } from '../src/core/bytes.ts';
import { type ContextParameters, deriveContext, protectRequest, type SecurityContext } from '../src/oscore/index.ts';

/** What the servers of `coap-get` and `oscore-get` answer. */
export const temperature = '21.5 C';

/** Numbers from here on take three bytes as a Partial IV, up to 2^24: datagrams of one size. */
export const firstSequence = 0x1_0000;

/** The keys of client `index` (0 to 255) with a server, from the side of the client. */
export function oscoreKeys(index: number): ContextParameters {
  return { masterSecret: new Uint8Array(16).fill(index + 1), senderId: Uint8Array.of(index), recipientId: Uint8Array.of(0xff, index), replayWindow: 256 };
}

/** The same keys from the side of the server. */
export function otherSide(keys: ContextParameters): ContextParameters {
  return { ...keys, senderId: keys.recipientId, recipientId: keys.senderId };
}

function token(index: number): Uint8Array {
  return Uint8Array.of(0x5a, index >>> 16, index >>> 8, index);
}

/** Confirmable GETs of /temperature. */
export function getRequests(count: number): Uint8Array[] {
  const options = pathOptions(['temperature']);
  return Array.from({ length: count }, (_, index) =>
    encodeMessage({ type: MessageType.CON, code: Method.GET, id: index, token: token(index), options, payload: emptyBytes }),
  );
}

/** Bytes of the resource of `coap-block-1MiB`. */
export const mebibyte = 0x10_0000;
const largestBlock = 1024;

/** Confirmable GETs of the blocks of /large, one after the other, again and again: what a client sends that fetches it whole. */
export function blockRequests(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const number = index % (mebibyte / largestBlock);
    // RFC 7959 §2.2: NUM, M 0, SZX 6.
    const value = encodeUint((number << 4) | 6);
    const options = [...pathOptions(['large']), { number: OptionNumber.Block2, value }];
    return encodeMessage({ type: MessageType.CON, code: Method.GET, id: index, token: token(0), options, payload: emptyBytes });
  });
}

/** A reply with a whole block: 2.05, and what stands before the marker is short. */
export function expectBlock(reply: Uint8Array): string | undefined {
  return reply[1] === 0x45 && reply[reply.length - largestBlock - 1] === 0xff ? undefined : 'a block of 1024 bytes';
}

export interface Inner {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

const nobody: Peer = { key: '', address: '127.0.0.1', port: 0 };

/** One client of a server: makes protected requests, each with the next Partial IV. */
export class ProtectedClient {
  readonly #context: SecurityContext;
  readonly #inner: Inner;
  #sequence = firstSequence;

  constructor(keys: ContextParameters, inner: Inner) {
    this.#context = deriveContext(keys);
    this.#inner = inner;
  }

  datagram(id: number): Uint8Array {
    const { message } = protectRequest({ ...this.#inner, peer: nobody }, this.#context, this.#sequence++);
    return encodeMessage({ type: MessageType.CON, code: message.code, id, token: token(id), options: message.options, payload: message.payload });
  }
}

/** `count` requests of the clients in turn. */
export function protectedRequests(clients: readonly ProtectedClient[], count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => clients[index % clients.length]!.datagram(index));
}

export const protectedGet: Inner = { code: Method.GET, options: pathOptions(['temperature']), payload: emptyBytes };

/** A reply with this code on the outside: `0x45` is 2.05. */
export function expectCode(code: number): (reply: Uint8Array) => string | undefined {
  return (reply) => (reply[1] === code ? undefined : `a reply with code ${code >>> 5}.${String(code & 31).padStart(2, '0')}`);
}

/** An OSCORE message as a reply: 2.04, an empty OSCORE option, a payload. */
export function expectProtected(reply: Uint8Array): string | undefined {
  const options = 4 + (reply[0]! & 15);
  // RFC 8613 §8.2: errors come unprotected, so 2.04 with the OSCORE option of length 0 (delta 9) is an answer that was protected.
  return reply[1] === 0x44 && reply[options] === 0x90 && reply[options + 1] === 0xff ? undefined : 'a protected reply';
}
