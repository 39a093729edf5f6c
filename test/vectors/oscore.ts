import {
  Code,
  encodeBody,
  encodeMessage,
  type Message,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  type Peer,
  type Request,
} from '../../src/coap/index.ts';
import { emptyBytes, toHex } from '../../src/core/bytes.ts';
import { cipherParameters } from '../../src/core/crypto/aead-parameters.ts';
import {
  type ContextParameters,
  checkParameters,
  composeInfo,
  deriveContext,
  deriveKeys,
  encodeOscoreOption,
  encodePartialIv,
  protectRequest,
  protectResponse,
  type RequestBinding,
  type SecurityContext,
} from '../../src/oscore/index.ts';
import type { Part } from './format.ts';
import type { Recipe } from './recipe.ts';
import { cipherOf } from './token.ts';

/** Both ends of a Security Context. */
export interface ContextPair {
  readonly parameters: ContextParameters;
  readonly client: SecurityContext;
  readonly server: SecurityContext;
}

export const somePeer: Peer = { key: '192.0.2.1:5683', address: '192.0.2.1', port: 5683 };

export const mirrored = (parameters: ContextParameters): ContextParameters => ({
  ...parameters,
  senderId: parameters.recipientId,
  recipientId: parameters.senderId,
});

/**
 * The derivation of a Security Context from the names `masterSecret`, `masterSalt`, `clientId`, `serverId` and, with an ID Context, `idContext`, seen from the
 * client: `clientKey` is its Sender Key. With `infos` each `info` and the PRK are steps of their own.
 */
export function derivationSteps(recipe: Recipe, parameters: ContextParameters, infos: boolean): ContextPair {
  const checked = checkParameters(parameters);
  const { senderId, recipientId, idContext, aead, keyLength, nonceLength, hash } = checked;
  const keys = deriveKeys(checked);
  if (infos) recipe.step('prk', 'hmac', { hash, key: 'masterSalt', data: 'masterSecret', length: hash === 'sha256' ? 32 : 64 });
  for (const [end, id, type, length, expected] of [
    ['clientKey', senderId, 'Key', keyLength, keys.senderKey],
    ['serverKey', recipientId, 'Key', keyLength, keys.recipientKey],
    ['commonIv', emptyBytes, 'IV', nonceLength, keys.commonIv],
  ] as const) {
    const info = composeInfo(id, idContext, aead, type, length);
    if (infos) recipe.cbor(`${end}Info`, info);
    recipe.step(end, 'hkdf', { hash, secret: 'masterSecret', salt: 'masterSalt', info: infos ? `${end}Info` : { hex: toHex(info) }, length }, expected);
  }
  return { parameters, client: deriveContext(parameters), server: deriveContext(mirrored(parameters)) };
}

/** An identifier that the nonce has room for, and that is not of one byte where there is more: so it is none of a client's. */
export function someServerId(recipe: Recipe, aead: number): Uint8Array {
  return cipherParameters.get(aead)!.nonceLength === 7 ? emptyBytes : recipe.random(2);
}

/** What of a context is not chance. */
export interface ContextShape {
  readonly aead?: number;
  readonly hkdf?: number;
  readonly clientId?: Uint8Array;
  readonly serverId?: Uint8Array;
  readonly idContext?: Uint8Array;
  /** Bytes of the Master Salt. */
  readonly salt?: number;
}

/** A context of chance, and its derivation. */
export function contextSteps(recipe: Recipe, { aead = 10, hkdf = 5, clientId, serverId, idContext, salt = 8 }: ContextShape = {}): ContextPair {
  const parameters: ContextParameters = {
    masterSecret: recipe.chance('masterSecret', 16),
    masterSalt: recipe.chance('masterSalt', salt),
    senderId: recipe.input('clientId', clientId ?? recipe.random(1)),
    recipientId: recipe.input('serverId', serverId ?? someServerId(recipe, aead)),
    ...(idContext === undefined ? {} : { idContext: recipe.input('idContext', idContext) }),
    aead: recipe.number('aead', aead),
    hkdf: recipe.number('hkdf', hkdf),
  };
  return derivationSteps(recipe, parameters, false);
}

/** A message before OSCORE. */
export interface Plain {
  readonly code: number;
  readonly options?: readonly Option[];
  readonly payload?: Uint8Array;
}

/** An exchange in the making: its messages are numbered, and responses belong to the last request. */
export class ExchangeSteps {
  readonly recipe: Recipe;
  readonly pair: ContextPair;
  readonly names: string[] = [];
  #requests = 0;
  #responses = 0;
  #id = 0x4a00;
  #token: Uint8Array = emptyBytes;
  #request: { readonly binding: RequestBinding; readonly name: string } | undefined;

  constructor(recipe: Recipe, pair: ContextPair) {
    this.recipe = recipe;
    this.pair = pair;
  }

  #nonce(name: string, id: 'clientId' | 'serverId', partialIv: Uint8Array): void {
    const { recipe, pair } = this;
    const { nonceLength } = cipherParameters.get(pair.client.aead)!;
    const length = recipe.bytes(id).length;
    // RFC 8613 §5.2: the length of the ID, the ID on the right of its place, the Partial IV on the right of 5 bytes.
    const start = length.toString(16).padStart(2, '0') + '00'.repeat(nonceLength - 6 - length);
    recipe.step(`${name}Padded`, 'concat', { parts: [{ hex: start }, id, { hex: '00'.repeat(5 - partialIv.length) }, `${name}PartialIv`] });
    recipe.step(`${name}Nonce`, 'xor', { a: `${name}Padded`, b: 'commonIv' });
  }

  #seal(name: string, key: 'clientKey' | 'serverKey', nonce: string, aad: string, expected: Uint8Array): void {
    const of = { ...cipherOf(this.pair.client.aead), key, nonce, aad, plaintext: `${name}Plaintext` };
    this.recipe.step(`${name}Ciphertext`, 'aead-seal', of, expected);
  }

  #datagram(name: string, type: number, message: Pick<Message, 'code' | 'options'>, payload: Uint8Array): string {
    this.recipe.message(
      name,
      encodeMessage({ type: type as Message['type'], id: this.#id++, token: this.#token, code: message.code, options: message.options, payload }),
    );
    this.names.push(name);
    return name;
  }

  /** A request of the client, of this sender sequence number. */
  request(plain: Plain, sequence: number): string {
    const { recipe, pair } = this;
    const name = `request${++this.#requests}`;
    const { code, options = [], payload = emptyBytes } = plain;
    const request: Request = { code, options, payload, peer: somePeer };
    const { message, binding } = protectRequest(request, pair.client, sequence);
    const partialIv = recipe.input(`${name}PartialIv`, encodePartialIv(sequence));
    const outer = options.filter(({ number }) => number === OptionNumber.UriHost || number === OptionNumber.UriPort);
    recipe.body(`${name}Plaintext`, encodeBody({ code, options: options.filter((option) => !outer.includes(option)), payload }));
    const of = (bytes: Uint8Array, known: string): { readonly hex: string } | { readonly ref: string } => (bytes.length === 0 ? { hex: '' } : { ref: known });
    recipe.step(`${name}ExternalAad`, 'cbor', {
      value: [1, [pair.client.aead], of(pair.client.senderId, 'clientId'), { ref: `${name}PartialIv` }, { hex: '' }],
    });
    recipe.step(`${name}Aad`, 'cbor', { value: ['Encrypt0', { hex: '' }, { ref: `${name}ExternalAad` }] }, binding.aad);
    this.#nonce(name, 'clientId', partialIv);
    this.#seal(name, 'clientKey', `${name}Nonce`, `${name}Aad`, message.payload);
    const { idContext, senderId } = pair.client;
    const head = (idContext === undefined ? 0x08 : 0x18) | partialIv.length;
    const context: Part[] = idContext === undefined ? [] : [{ hex: idContext.length.toString(16).padStart(2, '0') }, 'idContext'];
    recipe.step(
      `${name}Option`,
      'concat',
      { parts: [{ hex: head.toString(16).padStart(2, '0') }, `${name}PartialIv`, ...context, 'clientId'] },
      encodeOscoreOption({ partialIv, kid: senderId, ...(idContext === undefined ? {} : { kidContext: idContext }) }),
    );
    this.#token = recipe.random(1 + (this.#requests % 4));
    this.#request = { binding, name };
    return this.#datagram(name, MessageType.CON, message, message.payload);
  }

  /** A response to the last request, with the nonce of that or, with a sender sequence number, one of its own. */
  response(plain: Plain, sequence?: number): string {
    const { recipe, pair } = this;
    const name = `response${++this.#responses}`;
    const { binding, name: request } = this.#request!;
    const { code, options = [], payload = emptyBytes } = plain;
    const message = protectResponse({ code, options, payload }, pair.server, binding, sequence);
    // RFC 8613 §4.1.3.5.2: the Inner Observe is empty.
    const inner = options.map((option) => (option.number === OptionNumber.Observe ? { number: option.number, value: emptyBytes } : option));
    recipe.body(`${name}Plaintext`, encodeBody({ code, options: inner, payload }));
    if (sequence !== undefined) {
      const partialIv = recipe.input(`${name}PartialIv`, encodePartialIv(sequence));
      this.#nonce(name, 'serverId', partialIv);
      recipe.step(`${name}Option`, 'concat', { parts: [{ hex: `0${partialIv.length}` }, `${name}PartialIv`] }, encodeOscoreOption({ partialIv }));
    }
    this.#seal(name, 'serverKey', sequence === undefined ? `${request}Nonce` : `${name}Nonce`, `${request}Aad`, message.payload);
    const isFirst = this.names.at(-1) === request;
    return this.#datagram(name, isFirst ? MessageType.ACK : MessageType.NON, message, message.payload);
  }
}

export const get = (options: readonly Option[] = []): Plain => ({ code: Method.GET, options });
export const content = (payload: Uint8Array, options: readonly Option[] = []): Plain => ({ code: Code.Content, options, payload });
