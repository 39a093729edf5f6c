import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type CipherSuite, suiteById } from '../../src/dtls/cipher-suites.ts';
import { decodeFragments, encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { keyBlockLength } from '../../src/dtls/key-schedule.ts';
import { ContentType, type DtlsRecord, decodeRecords } from '../../src/dtls/record.ts';
import type { Part } from './format.ts';
import { Pair } from './handshake.ts';
import type { Recipe } from './recipe.ts';

type Party = 'client' | 'server';

export interface HandshakeOptions {
  readonly suite: number;
  /** Of ECDHE. */
  readonly group?: 'x25519' | 'secp256r1';
  /** Of raw public keys. */
  readonly curve?: 'P-256' | 'Ed25519';
  readonly pskIdentity?: Uint8Array;
  /** Bytes of the connection IDs. */
  readonly cids?: { readonly client: number; readonly server: number };
  readonly resumable?: boolean;
}

const spkiPrefix = { 'P-256': '3059301306072a8648ce3d020106082a8648ce3d03010703420004', Ed25519: '302a300506032b6570032100' } as const;

const messageNames: ReadonlyMap<number, (party: Party) => string> = new Map<number, (party: Party) => string>([
  [HandshakeType.client_hello, () => 'clientHello'],
  [HandshakeType.hello_verify_request, () => 'helloVerifyRequest'],
  [HandshakeType.server_hello, () => 'serverHello'],
  [HandshakeType.certificate, (party) => `${party}Certificate`],
  [HandshakeType.server_key_exchange, () => 'serverKeyExchange'],
  [HandshakeType.certificate_request, () => 'certificateRequest'],
  [HandshakeType.server_hello_done, () => 'serverHelloDone'],
  [HandshakeType.client_key_exchange, () => 'clientKeyExchange'],
  [HandshakeType.certificate_verify, () => 'certificateVerify'],
]);

const hex = (...bytes: readonly number[]): Part => ({ hex: toHex(Uint8Array.from(bytes)) });
const u16 = (value: number): Part => hex(value >>> 8, value & 0xff);
const u48 = (value: number): Part => ({ hex: value.toString(16).padStart(12, '0') });

/** A handshake in the making: our client and our server shake hands, and each datagram is taken apart into steps. */
export class HandshakeSteps {
  readonly recipe: Recipe;
  readonly pair: Pair;
  /** The datagrams, in order. */
  readonly names: string[] = [];
  readonly #options: HandshakeOptions;
  readonly #suite: CipherSuite;
  readonly #counts = { client: 0, server: 0 };
  readonly #lastSequences = { client: 0, server: 0 };
  #prefix = '';
  #transcript: string[] = [];

  constructor(recipe: Recipe, options: HandshakeOptions) {
    this.recipe = recipe;
    this.#options = options;
    this.#suite = suiteById(options.suite)!;
    this.#drawAll();
    this.pair = new Pair((name) => (recipe.has(name) ? recipe.bytes(name) : undefined), options.suite, options.group ?? 'secp256r1');
  }

  get #isEphemeral(): boolean {
    return this.#suite.keyExchange !== 'PSK';
  }

  #drawAll(): void {
    const { recipe } = this;
    const { suite, group = 'secp256r1', curve = 'P-256', pskIdentity, cids, resumable = false } = this.#options;
    recipe.number('suite', suite);
    if (this.#isEphemeral) recipe.text('group', group);
    if (this.#suite.keyExchange === 'ECDHE_ECDSA') {
      for (const party of ['client', 'server'] as const) {
        recipe.chance(`${party}Key`, 32);
        recipe.step(curve === 'P-256' ? `${party}KeyPoint` : `${party}KeyX`, 'public-key', { curve, key: `${party}Key` });
        recipe.step(`${party}Spki`, 'concat', { parts: [{ hex: spkiPrefix[curve] }, curve === 'P-256' ? `${party}KeyPoint` : `${party}KeyX`] });
      }
    } else {
      recipe.chance('psk', 16);
      recipe.input('pskIdentity', pskIdentity!);
    }
    if (cids !== undefined) for (const party of ['client', 'server'] as const) recipe.chance(`${party}Cid`, cids[party]);
    recipe.chance('clientRandom', 32);
    recipe.chance('serverRandom', 32);
    recipe.chance('cookieSecret', 32);
    if (resumable) {
      recipe.chance('sessionId', 32);
      recipe.chance('resumedClientRandom', 32);
      recipe.chance('resumedServerRandom', 32);
    }
    if (!this.#isEphemeral) return;
    for (const party of ['client', 'server'] as const) {
      recipe.chance(`${party}Ephemeral`, 32);
      recipe.step(`${party}Point`, 'public-key', { curve: group === 'x25519' ? 'X25519' : 'P-256', key: `${party}Ephemeral` });
    }
  }

  /** A name of this handshake: the second one of a session has a prefix. */
  #name(name: string): string {
    return this.#prefix === '' ? name : this.#prefix + name[0]!.toUpperCase() + name.slice(1);
  }

  /** A full handshake, or its first flights. */
  run(flights = 6): this {
    this.pair.start();
    for (let flight = 0; flight < flights; flight++) this.#pass(flight % 2 === 0 ? 'client' : 'server');
    return this;
  }

  /** The short handshake of the session of the one before. */
  resume(): this {
    const { session } = this.pair.client.connection!;
    this.#prefix = 'resumed';
    this.#transcript = [];
    Object.assign(this.#counts, { client: 0, server: 0 });
    this.pair.start(session!);
    for (let flight = 0; flight < 5; flight++) this.#pass(flight % 2 === 0 ? 'client' : 'server');
    return this;
  }

  /** Application data of one side. */
  data(party: Party, data: Uint8Array): this {
    this.#write(party, data);
    this.#pass(party);
    return this;
  }

  /** The same, and the datagram stays with whoever asks. */
  heldData(party: Party, data: Uint8Array): string {
    this.#write(party, data);
    return this.hold(party);
  }

  #write(party: Party, data: Uint8Array): void {
    this.pair[party].connection!.send(this.recipe.input(this.#name(`${party}Data`), data));
  }

  /** The next datagram of one side goes to the other. */
  #pass(party: Party): void {
    const name = this.hold(party);
    this.names.push(name);
    this.pair[party === 'client' ? 'server' : 'client'].receive(this.recipe.bytes(name));
  }

  /** The next datagram of one side, taken apart: it goes nowhere. */
  hold(party: Party): string {
    const other = party === 'client' ? 'server' : 'client';
    const datagram = this.pair[party].next();
    const name = this.#name(`${party}Datagram${++this.#counts[party]}`);
    const cid = this.#options.cids?.[other] ?? 0;
    const parts: string[] = [];
    for (const record of decodeRecords(datagram, cid).records) parts.push(...this.#record(party, record));
    this.recipe.compose(name, datagram, parts);
    return name;
  }

  /** The names of what is inside of a record as it travels. */
  #record(party: Party, record: DtlsRecord): string[] {
    if (record.type === ContentType.change_cipher_spec) return [];
    if (record.epoch === 1) return [this.#protected(party, record)];
    return decodeFragments(record.fragment)!.map(({ type, sequence, bytes }) => {
      const base = messageNames.get(type)!(party);
      const message = encodeHandshake({ type, sequence, body: bytes });
      const isFirstHello = type === HandshakeType.client_hello && sequence === 0;
      const name = this.#name(isFirstHello ? 'clientHello1' : base);
      this.#before(base, bytes);
      this.#lastSequences[party] = sequence;
      this.recipe.compose(name, message, this.#inside(base, isFirstHello));
      if (!isFirstHello && type !== HandshakeType.hello_verify_request) this.#transcript.push(name);
      this.#after(base);
      return name;
    });
  }

  /** The values that stand in a message. */
  #inside(message: string, isFirstHello: boolean): string[] {
    const { cids, resumable = false } = this.#options;
    const resumed = this.#prefix !== '';
    switch (message) {
      case 'clientHello':
        return [
          this.#name('clientRandom'),
          ...(resumed ? ['sessionId'] : []),
          ...(isFirstHello ? [] : [this.#name('cookie')]),
          ...(cids === undefined ? [] : ['clientCid']),
        ];
      case 'helloVerifyRequest':
        return [this.#name('cookie')];
      case 'serverHello':
        return [this.#name('serverRandom'), ...(resumable ? ['sessionId'] : []), ...(cids === undefined ? [] : ['serverCid'])];
      case 'serverCertificate':
        return ['serverSpki'];
      case 'clientCertificate':
        return ['clientSpki'];
      case 'serverKeyExchange':
        return this.#suite.keyExchange === 'ECDHE_ECDSA' ? ['serverPoint', this.#signatureName('server')] : ['serverPoint'];
      case 'clientKeyExchange':
        return [...(this.#suite.keyExchange === 'ECDHE_ECDSA' ? [] : ['pskIdentity']), ...(this.#isEphemeral ? ['clientPoint'] : [])];
      case 'certificateVerify':
        return [this.#signatureName('client')];
      default:
        return [];
    }
  }

  #signatureName(party: Party): string {
    return this.#options.curve === 'Ed25519' ? `${party}Signature` : `${party}SignatureDer`;
  }

  #sign(party: Party, data: string): void {
    const { curve = 'P-256' } = this.#options;
    this.recipe.step(`${party}Signature`, 'sign', { curve, key: `${party}Key`, data });
    if (curve === 'P-256') this.recipe.step(`${party}SignatureDer`, 'ecdsa-der', { signature: `${party}Signature` });
  }

  /** What has to be known before a message can be made. */
  #before(message: string, body: Uint8Array): void {
    const { recipe } = this;
    // server_version, then the length of the cookie.
    if (message === 'helloVerifyRequest') recipe.input(this.#name('cookie'), body.slice(3));
    if (message === 'serverKeyExchange' && this.#suite.keyExchange === 'ECDHE_ECDSA') {
      const isX25519 = this.#options.group === 'x25519';
      // ServerECDHParams: named_curve, the group, the length of the point, which begins with 04 on P-256.
      const head = isX25519 ? hex(3, 0, 29, 32) : hex(3, 0, 23, 65, 4);
      recipe.step('signedParams', 'concat', { parts: ['clientRandom', 'serverRandom', head, 'serverPoint'] });
      this.#sign('server', 'signedParams');
    }
    if (message === 'certificateVerify') {
      recipe.step('verifiedMessages', 'concat', { parts: [...this.#transcript] });
      this.#sign('client', 'verifiedMessages');
    }
  }

  #after(message: string): void {
    if (message === 'clientKeyExchange') this.#secrets();
    if (message === 'serverHello' && this.#prefix !== '') this.#keys();
  }

  /** From the premaster secret to the keys. */
  #secrets(): void {
    const { recipe } = this;
    const { keyExchange, hash } = this.#suite;
    const curve = this.#options.group === 'x25519' ? 'X25519' : 'P-256';
    if (this.#isEphemeral) {
      const shared = keyExchange === 'ECDHE_ECDSA' ? 'premasterSecret' : 'sharedSecret';
      recipe.step(shared, 'ecdh', { curve, private: 'clientEphemeral', public: 'serverPoint' });
    }
    if (keyExchange !== 'ECDHE_ECDSA') {
      const psk = recipe.bytes('psk').length;
      const other: Part = this.#isEphemeral ? 'sharedSecret' : { hex: '00'.repeat(psk) };
      recipe.step('premasterSecret', 'concat', { parts: [u16(this.#isEphemeral ? 32 : psk), other, u16(psk), 'psk'] });
    }
    recipe.step('sessionHash', 'hash', { hash, parts: [...this.#transcript] });
    // The key log of the client says what our engine came to.
    const logged = this.pair.client.keyLog.at(-1)!.split(' ')[2]!;
    const of = { hash, secret: 'premasterSecret', label: 'extended master secret', seed: 'sessionHash', length: 48 } as const;
    recipe.step('masterSecret', 'tls-prf', of, fromHex(logged));
    this.#keys();
  }

  #keys(): void {
    const { recipe } = this;
    const { hash, cipher } = this.#suite;
    const { keyLength } = cipher;
    const seed = this.#name('keyExpansionSeed');
    recipe.step(seed, 'concat', { parts: [this.#name('serverRandom'), this.#name('clientRandom')] });
    const block = this.#name('keyBlock');
    recipe.step(block, 'tls-prf', { hash, secret: 'masterSecret', label: 'key expansion', seed, length: keyBlockLength(cipher) });
    let start = 0;
    for (const [name, length] of [
      ['clientWriteKey', keyLength],
      ['serverWriteKey', keyLength],
      ['clientWriteIv', 4],
      ['serverWriteIv', 4],
    ] as const) {
      recipe.step(this.#name(name), 'slice', { data: block, start, end: start + length });
      start += length;
    }
  }

  /** A record under keys: Finished, or application data. */
  #protected(party: Party, record: DtlsRecord): string {
    const { recipe } = this;
    const { type, version, epoch, sequence, cid, fragment } = record;
    const { cipher } = this.#suite;
    const isFinished = sequence === 0;
    const base = isFinished ? `${party}Finished` : `${party}Data`;
    const content = this.#name(base);
    if (isFinished) this.#finished(party, content);
    const inCid = type === ContentType.tls12_cid;
    let plaintext = content;
    if (inCid) {
      plaintext = this.#name(`${base}InnerPlaintext`);
      recipe.step(plaintext, 'concat', { parts: [content, hex(isFinished ? ContentType.handshake : ContentType.application_data)] });
    }
    const nonce = this.#name(`${base}Nonce`);
    recipe.step(nonce, 'concat', { parts: [this.#name(`${party}WriteIv`), { hex: toHex(fragment.subarray(0, 8)) }] });
    const length = fragment.length - 8 - cipher.tagLength;
    const cidPart: Part = cid.length === 0 ? hex() : party === 'client' ? 'serverCid' : 'clientCid';
    const numbers: Part[] = [u16(epoch), u48(sequence)];
    // RFC 5246 §6.2.3.3; RFC 9146 §5.3.
    const aadParts: Part[] = inCid
      ? [{ hex: 'ff'.repeat(8) }, hex(type, cid.length, type), u16(version), ...numbers, cidPart, u16(length)]
      : [...numbers, hex(type), u16(version), u16(length)];
    const aad = this.#name(`${base}Aad`);
    recipe.step(aad, 'concat', { parts: aadParts });
    const ciphertext = this.#name(`${base}Ciphertext`);
    recipe.step(
      ciphertext,
      'aead-seal',
      { cipher: `aes-${cipher.mode as 'ccm' | 'gcm'}`, tag: cipher.tagLength, key: this.#name(`${party}WriteKey`), nonce, aad, plaintext },
      fragment.slice(8),
    );
    return ciphertext;
  }

  #finished(party: Party, name: string): void {
    const { recipe } = this;
    const { hash } = this.#suite;
    const seed = this.#name(`${party}FinishedHash`);
    recipe.step(seed, 'hash', { hash, parts: [...this.#transcript] });
    const data = this.#name(`${party}VerifyData`);
    recipe.step(data, 'tls-prf', { hash, secret: 'masterSecret', label: `${party} finished`, seed, length: 12 });
    // message_seq goes on behind the last message of this side.
    const sequence = this.#lastSequences[party] + 1;
    recipe.step(name, 'concat', { parts: [hex(HandshakeType.finished, 0, 0, 12, sequence >>> 8, sequence & 0xff, 0, 0, 0, 0, 0, 12), data] });
    this.#transcript.push(name);
  }
}
