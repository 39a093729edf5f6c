import assert from 'node:assert/strict';
import { codeClass, decodeMessage, findOption, isRequest, type Message, OptionNumber } from '../../src/coap/index.ts';
import { equalBytes, toHex } from '../../src/core/bytes.ts';
import { decodeOscoreOption, type OscoreOption, type SecurityContext } from '../../src/oscore/index.ts';

/** A datagram as a recorder has it. */
export interface RecordedDatagram {
  readonly from: string;
  readonly to: string;
  readonly datagram: Uint8Array;
}

export interface WireAudit {
  /** Datagrams with the OSCORE option. */
  readonly messages: number;
  /** Different (key, nonce) pairs among them. */
  readonly pairs: number;
  /** Sender Keys among them. */
  readonly keys: number;
  /** Requests among them that arrived with the same pair again: sent by a message layer a second time, or recorded and replayed. */
  readonly repeated: number;
}

/** A request on the wire, and the context whose key opens it. */
interface SeenRequest {
  readonly context: SecurityContext;
  readonly partialIv: Uint8Array;
}

/**
 * Read a whole recording and make sure that no (key, nonce) pair protects two different messages, in either direction (RFC 8613, Sections 7.2 and D.4).
 *
 * Nothing is believed of what the endpoints say of themselves: each message is attributed to the key that opens it, so a `kid` that was used by several
 * contexts in turn is no problem. `contexts` are those of the clients; a message that none of them opens fails the audit, unless `foreign` says that it is an
 * attacker's.
 */
export function auditWire(
  wire: readonly RecordedDatagram[],
  contexts: Iterable<SecurityContext>,
  foreign: (datagram: RecordedDatagram) => boolean = () => false,
): WireAudit {
  const known = [...contexts];
  /** By client, server and token. */
  const requests = new Map<string, SeenRequest[]>();
  const ciphertexts = new Map<string, string>();
  const keys = new Set<string>();
  let messages = 0;
  let repeated = 0;
  const use = (key: string, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): void => {
    const pair = `${key} ${toHex(nonce)}`;
    const content = `${toHex(aad)} ${toHex(ciphertext)}`;
    const before = ciphertexts.get(pair);
    assert.ok(before === undefined || before === content, `a nonce was used twice with one key: ${pair}`);
    if (before !== undefined) repeated++;
    ciphertexts.set(pair, content);
    keys.add(key);
  };
  for (const recorded of wire) {
    const message = decode(recorded.datagram);
    const header = message === undefined ? undefined : findOption(message.options, OptionNumber.Oscore);
    if (message === undefined || header === undefined) continue;
    const option = decodeOscoreOption(header.value);
    const token = toHex(message.token);
    if (isRequest(message.code)) {
      const context = known.find((one) => opensRequest(one, option, message.payload));
      if (context === undefined) {
        assert.ok(foreign(recorded), `no context opens the request ${recorded.from} -> ${recorded.to} ${toHex(recorded.datagram)}`);
        continue;
      }
      const partialIv = option.partialIv!;
      const exchange = `${recorded.from} ${recorded.to} ${token}`;
      requests.set(exchange, [{ context, partialIv }, ...(requests.get(exchange) ?? [])]);
      use(`${context.senderKeyId} client`, context.sender.nonce(partialIv), context.sender.aad(partialIv), message.payload);
    } else {
      assert.ok(codeClass(message.code) === 2, 'RFC 8613 4.2: the Outer Code of a response is 2.04 or 2.05');
      // A token that is kept for an observation may have seen several registrations.
      const asked = requests.get(`${recorded.to} ${recorded.from} ${token}`) ?? [];
      const request = asked.find((one) => opensResponse(one, option, message.payload));
      if (request === undefined) {
        assert.ok(foreign(recorded), `no request fits the response ${recorded.from} -> ${recorded.to} ${toHex(recorded.datagram)}`);
        continue;
      }
      const { context, partialIv } = request;
      use(`${context.senderKeyId} server`, responseNonce(request, option), context.sender.aad(partialIv), message.payload);
    }
    messages++;
  }
  return { messages, pairs: ciphertexts.size, keys: keys.size, repeated };
}

function decode(datagram: Uint8Array): Message | undefined {
  try {
    return decodeMessage(datagram);
  } catch {
    return undefined;
  }
}

function opensRequest({ sender, idContext }: SecurityContext, option: OscoreOption, ciphertext: Uint8Array): boolean {
  const { kid, partialIv, kidContext } = option;
  if (kid === undefined || partialIv === undefined || !equalBytes(kid, sender.id)) return false;
  if (kidContext !== undefined && !(idContext !== undefined && equalBytes(kidContext, idContext))) return false;
  return opens(() => sender.aead.open(sender.nonce(partialIv), sender.aad(partialIv), ciphertext));
}

function responseNonce({ context, partialIv }: SeenRequest, option: OscoreOption): Uint8Array {
  return option.partialIv === undefined ? context.sender.nonce(partialIv) : context.recipient.nonce(option.partialIv);
}

function opensResponse(request: SeenRequest, option: OscoreOption, ciphertext: Uint8Array): boolean {
  const { context, partialIv } = request;
  return opens(() => context.recipient.aead.open(responseNonce(request, option), context.sender.aad(partialIv), ciphertext));
}

function opens(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}
