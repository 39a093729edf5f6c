import { introspectionParameters } from '../ace/index.ts';
import { type Body, ContentFormat, codeClass, decodeMessage, findOption, isRequest, type Message, MessageType, OptionNumber } from '../coap/index.ts';
import { toHex } from '../core/bytes.ts';
import { type CborMap, decode } from '../core/cbor.ts';
import { type Confirmation, decodeConfirmation, encodeClaims } from '../core/cwt.ts';
import { ProtocolError } from '../core/errors.ts';
import { readKnownMap } from '../core/known-map.ts';
import type { ContextParameters } from '../oscore/index.ts';
import { annotateCbor } from './annotate.ts';
import type { Entry } from './entry.ts';
import { type Exchange, Exchanges } from './exchange.ts';
import type { Keyring } from './keyring.ts';
import { claimNames, itemNames } from './names.ts';
import { pathIn, uintIn } from './option.ts';
import { protectionLines } from './oscore-opener.ts';
import { type RenderOptions, renderBody, renderCode, renderDatagram, renderStreamMessage } from './render.ts';
import type { Roles } from './roles.ts';
import { aceMapOf, gistOf, titleOf } from './summary.ts';

/** Between whom a message goes, and in what. */
export interface Way {
  /** The conversation in the direction of the message, and in the other one. */
  readonly forth: string;
  readonly back: string;
  readonly isStream: boolean;
}

/** Fills entries with what their messages are: decoded, opened where the keyring has the keys, and put to the messages before them. */
export class Dissector {
  readonly #keyring: Keyring;
  readonly #roles: Roles;
  readonly #options: RenderOptions;
  readonly #exchanges = new Exchanges();

  constructor(keyring: Keyring, roles: Roles, options: RenderOptions) {
    this.#keyring = keyring;
    this.#roles = roles;
    this.#options = options;
  }

  /** A CoAP datagram, or the content of a DTLS record that is one. */
  datagram(entry: Entry, bytes: Uint8Array, way: Way): void {
    let message: Message;
    try {
      message = decodeMessage(bytes, { extendedTokens: true });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      entry.title = 'no CoAP message';
      entry.gist = error.message;
      entry.layers.push({ name: 'Bytes', lines: [error.message, `${bytes.length} bytes that begin ${toHex(bytes.subarray(0, 16))}`] });
      return;
    }
    this.message(entry, message, bytes, way);
  }

  /** `bytes`: the message as it was sent. */
  message(entry: Entry, message: Message, bytes: Uint8Array, way: Way): void {
    const { exchange, isRepeated } = this.#exchanges.match(entry, message, bytes, way.forth, way.back, way.isStream);
    if (exchange !== undefined) entry.exchange = exchange.number;
    if (entry.kind === 'other') entry.kind = 'coap';
    const path = exchange?.path;
    entry.layers.push({ name: 'CoAP', lines: this.#lines(message, bytes, way, path) });
    let innermost: Body = message;
    if (findOption(message.options, OptionNumber.Oscore) !== undefined) {
      const opened = this.#open(entry, message, way, path);
      if (opened === undefined) return;
      innermost = opened;
    }
    entry.title = message.code === 0 ? emptyTitles[message.type]! : titleOf(innermost);
    entry.gist = gistOf(innermost);
    if (isRequest(innermost.code) && exchange !== undefined && !isRepeated) exchange.path = pathIn(innermost.options);
    this.#roles.note(entry, message, innermost);
    this.#tokens(entry, innermost, exchange, isRepeated);
  }

  /** The token that a client names itself by in a handshake (RFC 9202, Section 3.3.2). */
  pskIdentity(entry: Entry, identity: Uint8Array): void {
    try {
      // Other identities are text, a map that names a key, or anything.
      if (decode(identity) instanceof Map) return;
      entry.layers.push({ name: 'PSK identity', lines: annotateCbor(identity, itemNames, this.#options.secrets) });
      this.#token(entry, identity);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  finish(): void {
    this.#exchanges.finish();
  }

  #lines(message: Message, bytes: Uint8Array, { isStream }: Way, path: readonly string[] | undefined): readonly string[] {
    const answered = isRequest(message.code) ? undefined : path;
    return isStream ? renderStreamMessage(message, answered, this.#options) : renderDatagram(bytes, answered, this.#options);
  }

  /** What OSCORE protects; `undefined`: it is not opened. */
  #open(entry: Entry, message: Message, way: Way, path: readonly string[] | undefined): Body | undefined {
    const conversation = isRequest(message.code) ? way.forth : way.back;
    const opened = this.#keyring.opener.open(message, conversation);
    entry.protection.push('OSCORE');
    entry.layers.push({ name: 'OSCORE', lines: protectionLines(opened) });
    if (!opened.verified) {
      entry.isSealed = true;
      entry.title = isRequest(message.code) ? `${renderCode(message.code)} /${pathIn(message.options).join('/')}` : renderCode(message.code);
      return undefined;
    }
    const { inner } = opened;
    const answered = isRequest(inner.code) ? undefined : path;
    entry.layers.push({ name: 'Inside OSCORE', lines: [renderCode(inner.code), ...renderBody(inner, '  ', answered, this.#options)] });
    return inner;
  }

  /** Tokens in a message, whoever they go to, and what is derived from them. */
  #tokens(entry: Entry, body: Body, exchange: Exchange | undefined, isRepeated: boolean): void {
    const format = uintIn(body.options, OptionNumber.ContentFormat);
    const isRefusal = codeClass(body.code) >= 4;
    if (format === ContentFormat.Cwt && isRequest(body.code)) this.#token(entry, body.payload);
    if (format !== ContentFormat.AceCbor || isRefusal) return;
    entry.kind = 'token';
    const introspected = exchange?.path.at(-1) === 'introspect' ? introspectedToken(body) : undefined;
    if (introspected !== undefined) this.#token(entry, introspected);
    const known = exchange?.path.at(-1) === 'introspect' ? undefined : aceMapOf(body);
    if (known === undefined) return;
    const { accessToken, cnf, nonce1, nonce2, aceClientRecipientId: id1, aceServerRecipientId: id2 } = known;
    if (accessToken !== undefined) {
      const confirmation = cnf === undefined ? undefined : confirmationOf(cnf);
      if (confirmation !== undefined) this.#keyring.learn(accessToken, confirmation);
      this.#token(entry, accessToken);
      if (exchange !== undefined && isRequest(body.code) && nonce1 !== undefined && id1 !== undefined)
        exchange.upload = { token: accessToken.slice(), nonce1: nonce1.slice(), id1: id1.slice() };
    }
    const upload = exchange?.upload;
    if (upload === undefined || nonce2 === undefined || id2 === undefined || isRepeated) return;
    const name = `the context of the token in message ${exchange!.request.number}`;
    const context = this.#keyring.derive({ ...upload, nonce2: nonce2.slice(), id2: id2.slice() }, name);
    entry.layers.push({ name: 'Security context', lines: 'reason' in context ? [`not derived: ${context.reason}`] : this.#contextLines(context.parameters) });
  }

  #token(entry: Entry, token: Uint8Array): void {
    entry.kind = 'token';
    const opened = this.#keyring.openToken(token);
    const lines =
      'reason' in opened
        ? [`not opened: ${opened.reason}`]
        : [`verified with the ${opened.use} key that is known`, ...annotateCbor(encodeClaims(opened.claims), claimNames, this.#options.secrets)];
    entry.layers.push({ name: 'Claims of the access token', lines });
  }

  #contextLines(parameters: ContextParameters): readonly string[] {
    const { masterSecret, masterSalt, senderId, recipientId, idContext } = parameters;
    const shown = (id: Uint8Array): string => (id.length === 0 ? "'' (empty)" : toHex(id));
    return [
      'derived from the token and both nonces (RFC 9203, Section 4.3)',
      `Sender ID of the client: ${shown(senderId)}`,
      `Sender ID of the server: ${shown(recipientId)}`,
      ...(idContext === undefined ? [] : [`ID Context: ${shown(idContext)}`]),
      ...(masterSalt === undefined ? [] : [`Master Salt: ${toHex(masterSalt)}`]),
      ...(this.#options.secrets ? [`Master Secret: ${toHex(masterSecret)}`] : []),
    ];
  }
}

/** RFC 7252, Section 4.3: an Empty Confirmable message asks whether anybody is there. */
const emptyTitles: Readonly<Record<number, string>> = {
  [MessageType.CON]: 'ping',
  [MessageType.NON]: 'Empty',
  [MessageType.ACK]: 'ACK',
  [MessageType.RST]: 'RST',
};

function introspectedToken({ payload }: Body): Uint8Array | undefined {
  try {
    return readKnownMap('payload', introspectionParameters, decode(payload)).known.token;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

function confirmationOf(cnf: CborMap): Confirmation | undefined {
  try {
    return decodeConfirmation(cnf);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
