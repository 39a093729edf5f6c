/**
 * The format of `fixtures/vectors`: what `schema.json` there says, as types.
 *
 * A vector is a recipe: `input` gives names to bytes, each of `steps` makes a named value from those before it by one operation, and `output` says which of
 * them go over the wire or have to come out.
 */
import { fromHex, utf8 } from '../../src/core/bytes.ts';

/** Bytes in hexadecimal, or a number, or text. */
export type Value = string | number | { readonly text: string };

/** Bytes in a recipe: the name of a value, or the bytes themselves. */
export type Part = string | { readonly hex: string } | { readonly text: string };

/** A CBOR item: text stands for itself, bytes are named or given, `item` is a named value that is an encoded item. */
export type Notation =
  | number
  | string
  | boolean
  | null
  | readonly Notation[]
  | { readonly hex: string }
  | { readonly ref: string }
  | { readonly item: string }
  | { readonly tag: number; readonly value: Notation }
  | { readonly map: readonly (readonly [Notation, Notation])[] };

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** What each operation takes. */
export interface Operations {
  /** A CBOR item in deterministic encoding (RFC 8949, Section 4.2.1). */
  readonly cbor: { readonly value: Notation };
  /** A message of CoAP over UDP (RFC 7252, Section 3). Options are in order of number. */
  readonly 'coap-message': {
    readonly type: number;
    readonly code: number;
    readonly id: number;
    readonly token: Part;
    readonly options: readonly (readonly [number, Part])[];
    readonly payload: Part;
  };
  /** What OSCORE encrypts: code, options, payload (RFC 8613, Section 5.3). */
  readonly 'coap-body': { readonly code: number; readonly options: readonly (readonly [number, Part])[]; readonly payload: Part };
  readonly concat: { readonly parts: readonly Part[] };
  readonly slice: { readonly data: Part; readonly start: number; readonly end: number };
  /** Both of one length. */
  readonly xor: { readonly a: Part; readonly b: Part };
  /** At `at`, `remove` bytes go and `insert` comes in: how a fault is made. */
  readonly edit: { readonly data: Part; readonly at: number; readonly remove: number; readonly insert: Part };
  /** The text of RFC 4648, Section 5, without padding, in ASCII. */
  readonly base64url: { readonly data: Part };
  /** Of the parts behind one another. */
  readonly hash: { readonly hash: HashName; readonly parts: readonly Part[] };
  /** The first `length` bytes of the MAC. */
  readonly hmac: { readonly hash: HashName; readonly key: Part; readonly data: Part; readonly length: number };
  /** Extract and expand (RFC 5869). */
  readonly hkdf: { readonly hash: HashName; readonly secret: Part; readonly salt: Part; readonly info: Part; readonly length: number };
  /** The PRF of TLS 1.2 (RFC 5246, Section 5). */
  readonly 'tls-prf': { readonly hash: HashName; readonly secret: Part; readonly label: string; readonly seed: Part; readonly length: number };
  /** Ciphertext and tag; `tag` is the length of the tag in bytes. */
  readonly 'aead-seal': {
    readonly cipher: 'aes-ccm' | 'aes-gcm' | 'chacha20-poly1305';
    readonly tag: number;
    readonly key: Part;
    readonly nonce: Part;
    readonly aad: Part;
    readonly plaintext: Part;
  };
  /** The public key of a private one: x and y behind one another on P-256, else what the curve has. */
  readonly 'public-key': { readonly curve: 'P-256' | 'Ed25519' | 'X25519'; readonly key: Part };
  /** The x-coordinate on P-256, which `public` gives as x and y behind one another; what RFC 7748 has on X25519. */
  readonly ecdh: { readonly curve: 'P-256' | 'X25519'; readonly private: Part; readonly public: Part };
  /** ECDSA with SHA-256 and the nonce of RFC 6979, as r and s behind one another; or EdDSA. */
  readonly sign: { readonly curve: 'P-256' | 'Ed25519'; readonly key: Part; readonly data: Part };
  /** r and s behind one another, as TLS writes them: a SEQUENCE of two INTEGERs (RFC 3279, Section 2.2.3). */
  readonly 'ecdsa-der': { readonly signature: Part };
}
export type Operation = keyof Operations;

export type Step<O extends Operation = Operation> = O extends Operation
  ? {
      readonly name: string;
      readonly op: O;
      readonly of: Operations[O];
      readonly value: string;
    }
  : never;

/** What a receiver is to do with the output. README.md says which names each of them reads. */
export const actions = [
  'open-token',
  'decode-token-request',
  'decode-token-response',
  'decode-error',
  'decode-hints',
  'decode-introspection-request',
  'decode-introspection-response',
  'decode-upload',
  'decode-psk-identity',
  'derive-context',
  'unprotect-exchange',
  'decode-exchange',
  'replay-handshake',
  'hash-token',
  'list-token-hashes',
  'decode-km-request',
  'decode-km-response',
  'derive-akma',
  'decode-a-kid',
] as const;
export type Action = (typeof actions)[number];

export interface Vector {
  readonly id: string;
  readonly standard: string;
  readonly section: string;
  /** What an implementation shows that gets it right. */
  readonly proves: string;
  readonly action: Action;
  readonly expect: 'accept' | 'reject';
  /** Of what is to be refused: why. */
  readonly reason?: string;
  /** Of what is to be refused: the code of the error that ace-coap has for it, or its reason to discard it. */
  readonly error?: string;
  readonly input: Readonly<Record<string, Value>>;
  readonly steps: readonly Step[];
  /** Names, in order. */
  readonly output: readonly string[];
}

export interface VectorFile {
  readonly format: 'ace-coap vectors 1';
  readonly topic: string;
  readonly title: string;
  readonly seed: string;
  readonly vectors: readonly Vector[];
}

export function bytesOf(value: Value): Uint8Array {
  if (typeof value === 'string') return fromHex(value);
  if (typeof value === 'object') return utf8(value.text);
  throw new Error(`expected bytes, got the number ${value}`);
}

/** The bytes of a name. */
export function readBytes(vector: Vector, name: string): Uint8Array {
  const value = findValue(vector, name);
  if (value === undefined) throw new Error(`${vector.id}: expected ${name}, got nothing of the name`);
  return bytesOf(value);
}

export function findValue({ input, steps }: Vector, name: string): Value | undefined {
  return input[name] ?? steps.find((step) => step.name === name)?.value;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isHex = (value: unknown): value is string => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/.test(value);
const isValue = (value: unknown): boolean =>
  isHex(value) || (Number.isSafeInteger(value) && (value as number) >= 0) || (isRecord(value) && typeof value['text'] === 'string');

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`vector file: expected ${what}, got another`);
}

function checkValues(record: unknown, what: string): asserts record is Readonly<Record<string, Value>> {
  check(isRecord(record), `${what} as an object`);
  for (const [name, value] of Object.entries(record)) check(isValue(value), `${what}: ${name}: bytes in hexadecimal, a number or a text`);
}

/**
 * Read a parsed vector file, whatever it holds. The operations' arguments are for who carries them out.
 *
 * @throws {Error} that says what was expected
 */
export function readVectorFile(json: unknown): VectorFile {
  check(isRecord(json) && json['format'] === 'ace-coap vectors 1', 'the format "ace-coap vectors 1"');
  for (const name of ['topic', 'title', 'seed']) check(typeof json[name] === 'string', `${name} as a text`);
  check(Array.isArray(json['vectors']) && json['vectors'].length > 0, 'vectors');
  const ids = new Set<unknown>();
  for (const vector of json['vectors'] as unknown[]) {
    check(isRecord(vector), 'a vector as an object');
    const { id, action, expect, reason, error, input, steps, output } = vector;
    for (const name of ['id', 'standard', 'section', 'proves']) check(typeof vector[name] === 'string' && vector[name] !== '', `${name} as a text`);
    check(!ids.has(id), `${id} once`);
    ids.add(id);
    check(
      actions.some((one) => one === action),
      `${id}: an action`,
    );
    check(expect === 'accept' || expect === 'reject', `${id}: accept or reject`);
    check((expect === 'reject') === (typeof reason === 'string') && (typeof error === 'string') === (typeof reason === 'string'), `${id}: reason and error`);
    checkValues(input, `${id}: input`);
    check(Array.isArray(steps), `${id}: steps`);
    const names = new Set<unknown>(Object.keys(input));
    for (const step of steps as unknown[]) {
      check(isRecord(step) && typeof step['name'] === 'string' && typeof step['op'] === 'string' && isRecord(step['of']), `${id}: a step`);
      check(isHex(step['value']), `${id}: ${step['name']}: bytes in hexadecimal`);
      check(!names.has(step['name']), `${id}: ${step['name']} once`);
      names.add(step['name']);
    }
    check(Array.isArray(output) && output.every((name) => names.has(name)), `${id}: output as names`);
  }
  return json as unknown as VectorFile;
}
