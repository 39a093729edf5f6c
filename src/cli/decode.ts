import { decodeMessage } from '../coap/index.ts';
import { BytesError, fromBase64Url, fromHex, fromUtf8, toHex } from '../core/bytes.ts';
import { decode, Tagged } from '../core/cbor.ts';
import { CwtError, encodeClaims, openCwt, type TokenKey } from '../core/cwt.ts';
import type { ItemNames } from '../core/diagnostic.ts';
import { diagnose } from '../core/diagnostic.ts';
import { ProtocolError } from '../core/errors.ts';
import { loadRsConfig } from '../operate/index.ts';
import { decodeOscoreOption } from '../oscore/index.ts';
import { UsageError } from './exit.ts';
import { claimNames, hintNames, introspectionNames, itemNames, tokenNames } from './names.ts';
import { renderDatagram } from './render.ts';
import { readInput } from './request.ts';

export interface DecodeFlags {
  readonly as: string;
  readonly config?: string;
  readonly secrets?: boolean;
  readonly json?: boolean;
}

interface Decoded {
  readonly kind: string;
  readonly lines: readonly string[];
}

/** Bytes of text in hex or base64url; `undefined`: neither. */
function bytesOfText(text: string): Uint8Array | undefined {
  const compact = text.trim().replace(/^0x/i, '');
  for (const parse of [fromHex, fromBase64Url]) {
    try {
      return parse(compact);
    } catch (error) {
      if (!(error instanceof BytesError)) throw error;
    }
  }
  return undefined;
}

/** The bytes that an argument stands for: hex or base64url, @file or -; a file may also be binary. */
export function inputBytes(input: string): Uint8Array {
  if (input !== '-' && !input.startsWith('@')) {
    const bytes = bytesOfText(input);
    if (bytes === undefined)
      throw new UsageError(`input: expected hex, base64url, @file or -, got ${input.length} characters that are neither hex nor base64url`);
    return bytes;
  }
  const content = readInput(input === '-' ? '-' : input.slice(1));
  try {
    return bytesOfText(fromUtf8(content)) ?? content;
  } catch (error) {
    if (error instanceof BytesError) return content;
    throw error;
  }
}

const cborKinds: Readonly<Record<string, ItemNames>> = {
  cose: itemNames,
  claims: claimNames,
  'token-request': tokenNames,
  'token-response': tokenNames,
  'authz-info': tokenNames,
  error: tokenNames,
  introspection: introspectionNames,
  hints: hintNames,
  cbor: itemNames,
};

function notation(bytes: Uint8Array, names: ItemNames, flags: DecodeFlags): string[] {
  return diagnose(bytes, { names, secrets: flags.secrets === true }).split('\n');
}

/** A CWT, and its claims where they can be read: they are in the clear, or the configuration has the key. */
function decodeCwt(bytes: Uint8Array, flags: DecodeFlags): Decoded {
  const lines = notation(bytes, itemNames, flags);
  const keys: readonly TokenKey[] = flags.config === undefined ? [] : loadRsConfig(flags.config).issuers.flatMap((issuer) => issuer.tokenKeys);
  if (keys.length > 0) {
    try {
      const { claims, key } = openCwt(bytes, keys);
      lines.push('', `verified with a ${key.use} key; claims:`, ...notation(encodeClaims(claims), claimNames, flags));
    } catch (error) {
      if (!(error instanceof CwtError)) throw error;
      lines.push('', `not verified: ${error.message}`);
    }
  }
  return { kind: 'cwt', lines };
}

function decodeOption(bytes: Uint8Array): Decoded {
  const { partialIv, kid, kidContext } = decodeOscoreOption(bytes);
  const field = (name: string, value: Uint8Array | undefined): string[] => (value === undefined ? [] : [`${name}: h'${toHex(value)}'`]);
  const lines = [...field('Partial IV', partialIv), ...field('kid context', kidContext), ...field('kid', kid)];
  return { kind: 'oscore-option', lines: lines.length === 0 ? ['empty: a response that uses the nonce of its request'] : lines };
}

const coseTags: ReadonlySet<unknown> = new Set([16, 17, 18]);

/** What strict CBOR this is; `undefined`: none. */
function kindOfCbor(bytes: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
  if (value instanceof Tagged && (value.tag === 61 || coseTags.has(value.tag))) return value.tag === 61 ? 'cwt' : 'cose';
  if (!(value instanceof Map) || ![...value.keys()].every((key) => typeof key === 'number')) return 'cbor';
  // The registries share numbers; these keys are in one of them only, or of a type that tells.
  if (value.has(10)) return 'introspection';
  if (typeof value.get(1) === 'string') return /^coaps?:/.test(value.get(1)) && !value.has(4) ? 'hints' : 'claims';
  if (value.get(1) instanceof Uint8Array || value.has(42) || value.has(30) || value.has(33)) return value.has(40) ? 'authz-info' : 'token-response';
  if (value.has(3) || (value.has(4) && typeof value.get(4) === 'number') || value.has(7)) return 'claims';
  return value.has(5) ? 'token-request' : 'cbor';
}

function kindOf(bytes: Uint8Array): string {
  const kind = kindOfCbor(bytes);
  if (kind !== undefined) return kind;
  for (const [other, read] of [
    ['coap', decodeMessage],
    ['oscore-option', decodeOscoreOption],
    ['cbor', diagnose],
  ] as const) {
    try {
      read(bytes);
      return other;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  throw new UsageError(`input: expected a CoAP datagram, an OSCORE option or CBOR, got ${bytes.length} bytes that are none of them; --as says why`);
}

function decodeBytes(bytes: Uint8Array, flags: DecodeFlags): Decoded {
  const kind = flags.as === 'auto' ? kindOf(bytes) : flags.as;
  if (kind === 'coap') return { kind, lines: renderDatagram(bytes) };
  if (kind === 'oscore-option') return decodeOption(bytes);
  if (kind === 'cwt') return decodeCwt(bytes, flags);
  return { kind, lines: notation(bytes, cborKinds[kind]!, flags) };
}

/** `ace-coap decode` */
export function decodeCommand(input: string, flags: DecodeFlags): void {
  const bytes = inputBytes(input);
  let decoded: Decoded;
  try {
    decoded = decodeBytes(bytes, flags);
  } catch (error) {
    if (error instanceof ProtocolError && !(error instanceof UsageError)) throw new UsageError(`input: ${error.message}`, { cause: error });
    throw error;
  }
  const { kind, lines } = decoded;
  if (flags.json) console.log(JSON.stringify({ kind, bytes: bytes.length, notation: lines.join('\n') }));
  else console.log(`# ${kind}, ${bytes.length} bytes\n${lines.join('\n')}`);
}
