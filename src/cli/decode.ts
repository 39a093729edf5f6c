import { decodeMessage, type Message } from '../coap/index.ts';
import { toHex } from '../core/bytes.ts';
import { type CborMap, type CborValue, decode, Tagged } from '../core/cbor.ts';
import { CoseTag, KeyLabel } from '../core/cose/index.ts';
import { CwtError, encodeClaims, openCwt, type TokenKey } from '../core/cwt.ts';
import type { ItemNames } from '../core/diagnostic.ts';
import { diagnose } from '../core/diagnostic.ts';
import { ProtocolError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import {
  claimNames,
  coseKeyNames,
  coseKeySetNames,
  coseNames,
  hintNames,
  introspectionNames,
  itemNames,
  kdfContextNames,
  renderDatagram,
  tokenNames,
} from '../inspect/index.ts';
import { decodeOscoreOption } from '../oscore/index.ts';
import { configPath } from './config-path.ts';
import { ExitCode, UsageError } from './exit.ts';
import { inputBytes } from './input.ts';
import type { DatagramOpener } from './oscore/open-datagram.ts';

export interface DecodeFlags {
  readonly as: string;
  readonly config?: string;
  /** Files of OSCORE contexts. */
  readonly oscore?: readonly string[];
  /** The request that a response answers. */
  readonly request?: string;
  readonly secrets?: boolean;
  readonly json?: boolean;
}

interface Decoded {
  readonly kind: string;
  readonly lines: readonly string[];
  /** What OSCORE protects in it. */
  readonly oscore?: Readonly<Record<string, unknown>>;
}

const cborKinds: Readonly<Record<string, ItemNames>> = {
  cose: coseNames,
  'cose-key': coseKeyNames,
  'cose-key-set': coseKeySetNames,
  'kdf-context': kdfContextNames,
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

/** The token keys of a configuration; what reads it is loaded only where there is one. */
async function tokenKeysOf(config: string | undefined): Promise<readonly TokenKey[]> {
  if (config === undefined) return [];
  const { loadRsConfig } = await import('../operate/index.ts');
  return loadRsConfig(configPath(config)).issuers.flatMap((issuer) => issuer.tokenKeys);
}

/** A CWT, and its claims where they can be read: they are in the clear, or the configuration has the key. */
async function decodeCwt(bytes: Uint8Array, flags: DecodeFlags): Promise<Decoded> {
  const lines = notation(bytes, itemNames, flags);
  const keys = await tokenKeysOf(flags.config);
  if (keys.length > 0) {
    try {
      const { claims, key } = openCwt(bytes, keys);
      lines.push('', `verified with the ${key.use} key of ${flags.config}; claims:`, ...notation(encodeClaims(claims), claimNames, flags));
    } catch (error) {
      if (!(error instanceof CwtError)) throw error;
      lines.push('', `not verified: ${error.message}`);
      process.exitCode = ExitCode.refused;
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

const coseTags: ReadonlySet<unknown> = new Set(Object.values(CoseTag));

/** Why the bytes are not what `read` reads; `undefined`: they are. */
function fault(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string | undefined {
  try {
    read(bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.message;
  }
}

/** Tokens of any length that can be: who looks at a datagram wants to see it (RFC 8974). */
function decodeDatagram(bytes: Uint8Array): Message {
  return decodeMessage(bytes, { extendedTokens: true });
}

function kindOfMap(value: CborMap): string {
  if (![...value.keys()].every((key) => typeof key === 'number')) return 'cbor';
  const first = value.get(1);
  // The registries share numbers; these keys are in one of them only, or of a type that tells.
  if (value.has(10) || value.has(11)) return 'introspection';
  if (typeof first === 'number') return 'cose-key';
  if (typeof first === 'string') return /^coaps?(?:\+tcp|\+ws)?:/.test(first) && !value.has(4) ? 'hints' : 'claims';
  if (value.has(30)) return 'error';
  if (value.has(40) || value.has(42) || value.has(43) || value.has(44)) return 'authz-info';
  if (first instanceof Uint8Array) return 'token-response';
  if (value.has(3) || typeof value.get(4) === 'number' || value.has(6) || value.has(7)) return 'claims';
  return value.has(5) || value.has(33) ? 'token-request' : 'cbor';
}

/** COSE without its tag: protected and unprotected header, then what differs. */
function isCoseArray(value: readonly CborValue[]): boolean {
  const [protectedHeader, unprotected, content, ...rest] = value;
  const isContent = content === null || content instanceof Uint8Array;
  if (!(protectedHeader instanceof Uint8Array) || !(unprotected instanceof Map) || !isContent || rest.length > 2) return false;
  // A signature or a tag; signatures or recipients; a tag, then recipients.
  return rest.every((part, index) => (part instanceof Uint8Array && index === 0) || (Array.isArray(part) && part.length > 0 && index === rest.length - 1));
}

const isCoseKey = (value: CborValue): boolean => value instanceof Map && typeof value.get(KeyLabel.kty) === 'number';

/** Algorithm, two parties of three parts each, and the length of a key. */
function isKdfContext(value: readonly CborValue[]): boolean {
  const [algorithm, partyU, partyV, publicInfo] = value;
  const isParty = (party: CborValue): boolean => Array.isArray(party) && party.length === 3;
  return typeof algorithm === 'number' && isParty(partyU) && isParty(partyV) && Array.isArray(publicInfo) && typeof publicInfo[0] === 'number';
}

function kindOfArray(value: readonly CborValue[]): string {
  if (isCoseArray(value)) return 'cose';
  if (value.length > 0 && value.every(isCoseKey)) return 'cose-key-set';
  return isKdfContext(value) ? 'kdf-context' : 'cbor';
}

function kindOfValue(value: CborValue): string {
  if (value instanceof Tagged && (value.tag === 61 || coseTags.has(value.tag))) return value.tag === 61 ? 'cwt' : 'cose';
  if (Array.isArray(value)) return kindOfArray(value);
  return value instanceof Map ? kindOfMap(value) : 'cbor';
}

/** What strict CBOR this is; `undefined`: none. */
function kindOfCbor(bytes: Uint8Array): string | undefined {
  if (fault(decode, bytes) !== undefined) return undefined;
  const value = decode(bytes);
  // A Non-confirmable message with a token may look like a byte string that is as long as the rest; nobody decodes a bare byte string.
  if (value instanceof Uint8Array && fault(decodeDatagram, bytes) === undefined) return undefined;
  return kindOfValue(value);
}

/** What CBOR this is that is not deterministic: a key is a key in whatever form, and its secrets stay hidden. */
function kindOfLenient(bytes: Uint8Array): string {
  const read = (input: Uint8Array): CborValue => decode(input, { lenient: true });
  return fault(read, bytes) === undefined ? kindOfValue(read(bytes)) : 'cbor';
}

function kindOf(bytes: Uint8Array): string {
  const kind = kindOfCbor(bytes);
  if (kind !== undefined) return kind;
  const faults: string[] = [];
  for (const [other, name, read] of [
    ['coap', 'CoAP', decodeDatagram],
    ['oscore-option', 'OSCORE option', decodeOscoreOption],
    ['cbor', 'CBOR', diagnose],
  ] as const) {
    const said = fault(read, bytes);
    if (said === undefined) return other === 'cbor' ? kindOfLenient(bytes) : other;
    faults.push(`\n  as ${name}: ${said}`);
  }
  throw new UsageError(
    `input: expected a CoAP datagram, an OSCORE option or CBOR, got ${bytes.length} byte${bytes.length === 1 ? '' : 's'} that are none:${faults.join('')}`,
  );
}

/** A datagram, and with contexts what they protect in it. */
function decodeCoap(bytes: Uint8Array, opener: DatagramOpener | undefined): Decoded {
  const lines = renderDatagram(bytes);
  if (opener === undefined) return { kind: 'coap', lines };
  const { verified, lines: inside, json } = opener.open(decodeDatagram(bytes));
  if (!verified) process.exitCode = ExitCode.refused;
  return { kind: 'coap', lines: [...lines, '', ...inside], oscore: json };
}

async function decodeBytes(bytes: Uint8Array, flags: DecodeFlags, opener: DatagramOpener | undefined): Promise<Decoded> {
  // Who names a context means a datagram, where the bytes are one.
  const isDatagram = opener !== undefined && fault(decodeDatagram, bytes) === undefined;
  const kind = flags.as !== 'auto' ? flags.as : isDatagram ? 'coap' : kindOf(bytes);
  if (kind === 'coap') return decodeCoap(bytes, opener);
  if (opener !== undefined) throw new UsageError(`input: expected a CoAP datagram with --oscore, got ${kind}`);
  if (kind === 'oscore-option') return decodeOption(bytes);
  if (kind === 'cwt') return decodeCwt(bytes, flags);
  return { kind, lines: notation(bytes, cborKinds[kind]!, flags) };
}

/** What opens protected datagrams is loaded only where it is wanted. */
async function openerFor({ oscore, request }: DecodeFlags): Promise<DatagramOpener | undefined> {
  if (oscore === undefined) {
    if (request !== undefined) throw new UsageError('--request: expected --oscore with it, got none');
    return undefined;
  }
  const { openerOf } = await import('./oscore/open-datagram.ts');
  return openerOf(oscore, request === undefined ? undefined : await inputBytes(request));
}

async function decodeInput(input: string, flags: DecodeFlags, opener: DatagramOpener | undefined): Promise<void> {
  const bytes = await inputBytes(input);
  let decoded: Decoded;
  try {
    decoded = await decodeBytes(bytes, flags, opener);
  } catch (error) {
    if (error instanceof ProtocolError && !(error instanceof UsageError)) throw new UsageError(`input: ${error.message}`, { cause: error });
    throw error;
  }
  const { kind, lines, oscore } = decoded;
  if (flags.json) console.log(printableJson({ kind, bytes: bytes.length, notation: lines.join('\n'), ...(oscore === undefined ? {} : { oscore }) }));
  else console.log(`# ${kind}, ${bytes.length} bytes\n${lines.join('\n')}`);
}

/** `ace-coap decode` */
export async function decodeCommand(inputs: readonly string[], flags: DecodeFlags): Promise<void> {
  const opener = await openerFor(flags);
  for (const [index, input] of inputs.entries()) {
    if (index > 0 && !flags.json) console.log('');
    await decodeInput(input, flags, opener);
  }
}
