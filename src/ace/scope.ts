import { Code, Method } from '../coap/index.ts';
import { equalBytes, fromUtf8, toHex, utf8 } from '../core/bytes.ts';
import { type CborValue, decode, encode } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { AceError, AceErrorCode } from './error.ts';

/** A scope as it stands in a message or a token: scope names with a space between them, or bytes (an AIF). */
export type Scope = string | Uint8Array;

/**
 * One entry of an AIF-REST scope: a URI-local-part (path and query) and the set of methods as a number: bit 0 is GET, bit 6 iPATCH, bit 32 and above the
 * Dynamic-* forms, so a `bigint` where 2^53 is not enough.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9237#section-3
 */
export type AifEntry = readonly [localPart: string, methods: number | bigint];
/** A scope as an Authorization Information Format for REST (RFC 9237, Section 3). */
export type Aif = readonly AifEntry[];

/** What scope names mean at a resource server: for each name, methods by path. A path that ends in `/*` stands for all paths below it. */
export type ScopeTable = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** `path`: nothing is permitted there (4.03). `method`: something else is (4.05). */
export type Verdict = 'permit' | 'path' | 'method';

/** What a token permits, made once for each token. */
export interface Permissions {
  /** `target` is made by `localPart`; `method` is the request code. */
  decide(target: string, method: number): Verdict;
}

function scopeError(message: string): AceError {
  return new AceError('ERR_ACE_SCOPE', message, { responseCode: Code.BadRequest, error: AceErrorCode.invalid_scope });
}

// The characters that a path segment or query may hold without percent-encoding (RFC 3986, Section 3.3), here as RFC 7252, Section 6.5 has them.
const plainSegment = /^[A-Za-z0-9\-._~!$&'()*+,;=:@]*$/;
const plainByte = /[A-Za-z0-9\-._~!$&'()*+,;=:@]/;

function percentEncode(text: string): string {
  if (plainSegment.test(text)) return text;
  let encoded = '';
  for (const byte of utf8(text)) {
    const character = String.fromCharCode(byte);
    encoded += byte < 0x80 && plainByte.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; ) {
    if (text[i] === '%') {
      const digits = text.slice(i + 1, i + 3);
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) throw scopeError('expected two hexadecimal digits after % in a local part, got others');
      bytes.push(Number.parseInt(digits, 16));
      i += 3;
    } else {
      const character = String.fromCodePoint(text.codePointAt(i)!);
      bytes.push(...utf8(character));
      i += character.length;
    }
  }
  try {
    return fromUtf8(Uint8Array.from(bytes));
  } catch (error) {
    throw new AceError('ERR_ACE_SCOPE', 'expected percent-encoded UTF-8 in a local part, got other bytes', {
      responseCode: Code.BadRequest,
      error: AceErrorCode.invalid_scope,
      cause: error,
    });
  }
}

/**
 * The URI-local-part of Uri-Path and Uri-Query values, in the one form that permissions are compared in: `/a/b`, `/a/b?x=1`.
 *
 * A slash inside a segment comes out as `%2F`, so that the segment `a/b` and the segments `a`, `b` stay two resources.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-6.5
 */
export function localPart(path: readonly string[], query: readonly string[] = []): string {
  let text = '';
  for (const segment of path) text += `/${percentEncode(segment)}`;
  if (text === '') text = '/';
  return query.length === 0 ? text : `${text}?${query.map(percentEncode).join('&')}`;
}

/** A local part as somebody wrote it, in the form that `localPart` makes. RFC 9237 does not say whether `temp` and `/temp` differ; here they are one. */
function normalizeLocalPart(text: string): string {
  const question = text.indexOf('?');
  const path = question < 0 ? text : text.slice(0, question);
  const query =
    question < 0
      ? []
      : text
          .slice(question + 1)
          .split('&')
          .map(percentDecode);
  const relative = path.startsWith('/') ? path.slice(1) : path;
  return localPart(relative === '' ? [] : relative.split('/').map(percentDecode), query);
}

const methodBits: ReadonlyMap<string, number> = new Map(Object.entries(Method).map(([name, code]) => [name.toUpperCase(), code - 1]));

/**
 * The methods number of method names: `['GET', 'PUT']` is 5. `Dynamic-GET` and the like are the bits from 32 on.
 *
 * @throws {AceError} `ERR_ACE_SCOPE`
 */
export function aifMethods(names: readonly string[]): number {
  let bits = 0n;
  for (const name of names) {
    const dynamic = /^dynamic-/i.test(name);
    const bit = methodBits.get(name.replace(/^dynamic-/i, '').toUpperCase());
    if (bit === undefined) throw scopeError(`expected a CoAP method, got "${name}"`);
    bits |= 1n << BigInt(dynamic ? bit + 32 : bit);
  }
  return Number(bits);
}

/** @see https://www.rfc-editor.org/rfc/rfc9237#section-3 */
export function encodeAif(aif: Aif): Uint8Array {
  return encode(aif.map(([path, methods]) => [path, methods]));
}

/**
 * Read an AIF-REST scope.
 *
 * @throws {AceError} `ERR_ACE_SCOPE`, 4.00
 */
export function decodeAif(bytes: Uint8Array): Aif {
  let value: CborValue;
  try {
    value = decode(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new AceError('ERR_ACE_SCOPE', `scope: expected an AIF: ${error.message}`, {
      responseCode: Code.BadRequest,
      error: AceErrorCode.invalid_scope,
      cause: error,
    });
  }
  if (!Array.isArray(value)) throw scopeError('scope: expected an AIF, an array of [local part, methods], got something else');
  return value.map((entry: CborValue, index): AifEntry => {
    if (!Array.isArray(entry) || entry.length !== 2) throw scopeError(`scope: expected AIF entry ${index} to be [local part, methods], got something else`);
    const [path, methods] = entry as readonly CborValue[];
    if (typeof path !== 'string') throw scopeError(`scope: expected the local part of AIF entry ${index} to be text`);
    if (!(typeof methods === 'bigint' ? methods >= 0n : typeof methods === 'number' && Number.isInteger(methods) && methods >= 0)) {
      throw scopeError(`scope: expected the methods of AIF entry ${index} to be an unsigned integer`);
    }
    return [path, methods as number | bigint];
  });
}

/** Entries with one local part are one entry with the union of their methods (RFC 9237, Section 3). */
function mergeAif(aif: Aif): Map<string, bigint> {
  const merged = new Map<string, bigint>();
  for (const [path, methods] of aif) {
    const key = normalizeLocalPart(path);
    merged.set(key, (merged.get(key) ?? 0n) | BigInt(methods));
  }
  return merged;
}

// RFC 6749, Section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
const scopeNames = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

function namesOf(scope: string): string[] {
  if (!scopeNames.test(scope)) throw scopeError('scope: expected scope names with one space between them (RFC 6749, Section 3.3)');
  return scope.split(' ');
}

class PermissionTable implements Permissions {
  /** Bit `code - 1` of the request methods that are permitted. */
  readonly #methods = new Map<string, number>();
  /** The same for all paths below one, by that path with a slash at its end. */
  readonly #subtrees = new Map<string, number>();
  readonly #anyQuery: boolean;

  constructor(anyQuery: boolean) {
    this.#anyQuery = anyQuery;
  }

  add(target: string, methods: number): void {
    this.#methods.set(target, ((this.#methods.get(target) ?? 0) | methods) >>> 0);
  }

  addSubtree(prefix: string, methods: number): void {
    this.#subtrees.set(prefix, ((this.#subtrees.get(prefix) ?? 0) | methods) >>> 0);
  }

  decide(target: string, method: number): Verdict {
    let methods = this.#methods.get(target);
    if (methods === undefined && this.#anyQuery) {
      const question = target.indexOf('?');
      if (question >= 0) methods = this.#methods.get(target.slice(0, question));
    }
    if (this.#subtrees.size > 0) methods = (methods ?? 0) | this.#below(target);
    if (methods === undefined || methods === 0) return 'path';
    // Codes 0.01 to 0.31 are bits 0 to 30; the shift operators would wrap around for others.
    return method >= 1 && method <= 31 && (methods >>> (method - 1)) & 1 ? 'permit' : 'method';
  }

  #below(target: string): number {
    const question = target.indexOf('?');
    const path = question < 0 ? target : target.slice(0, question);
    let methods = 0;
    for (let slash = path.lastIndexOf('/'); slash >= 0; slash = slash === 0 ? -1 : path.lastIndexOf('/', slash - 1)) {
      methods |= this.#subtrees.get(path.slice(0, slash + 1)) ?? 0;
    }
    return methods;
  }
}

/**
 * What a scope permits at a resource server.
 *
 * Scope names are looked up in `table`; a path there covers every query of it, and one that ends in `/*` what is below it. Bytes are an AIF: an entry covers exactly its path and query (RFC 9237,
 * Section 2.1), and its Dynamic-* bits are carried and permit nothing by themselves (Section 6).
 *
 * @throws {AceError} `ERR_ACE_SCOPE`, 4.00, for a scope that is not understood as a whole
 */
export function parseScope(scope: Scope, table: ScopeTable = {}): Permissions {
  if (typeof scope !== 'string') {
    const permissions = new PermissionTable(false);
    for (const [target, methods] of mergeAif(decodeAif(scope))) permissions.add(target, Number(BigInt.asUintN(31, methods)));
    return permissions;
  }
  const permissions = new PermissionTable(true);
  for (const name of namesOf(scope)) {
    const paths = Object.hasOwn(table, name) ? table[name] : undefined;
    if (paths === undefined) throw scopeError('scope: expected names that this resource server knows, got another');
    for (const [path, methods] of Object.entries(paths)) {
      if (path.endsWith('/*')) permissions.addSubtree(normalizeLocalPart(path.slice(0, -1)), aifMethods(methods));
      else permissions.add(normalizeLocalPart(path), aifMethods(methods));
    }
  }
  return permissions;
}

/** A scope and whether it is less than what was asked. */
export interface ScopeIntersection {
  readonly scope: Scope;
  readonly reduced: boolean;
}

/**
 * What of `requested` lies within `granted`; `undefined`: nothing, or the two are of different kinds.
 *
 * Names: those that both have, in the order of the request. AIF: for each local part the methods that both have. Bytes that are no AIF match only as a whole.
 *
 * @throws {AceError} `ERR_ACE_SCOPE` for a request that is neither names nor bytes of a known form
 */
export function intersectScopes(requested: Scope, granted: Scope): ScopeIntersection | undefined {
  if (typeof requested === 'string') {
    const names = namesOf(requested);
    if (typeof granted !== 'string') return undefined;
    const allowed = new Set(namesOf(granted));
    const kept = [...new Set(names)].filter((name) => allowed.has(name));
    return kept.length === 0 ? undefined : { scope: kept.join(' '), reduced: names.some((name) => !allowed.has(name)) };
  }
  if (typeof granted === 'string') return undefined;
  if (equalBytes(requested, granted)) return { scope: requested, reduced: false };
  const allowed = aifOrUndefined(granted);
  if (allowed === undefined) return undefined;
  return intersectAif(decodeAif(requested), mergeAif(allowed));
}

function aifOrUndefined(bytes: Uint8Array): Aif | undefined {
  try {
    return decodeAif(bytes);
  } catch {
    return undefined;
  }
}

function smallest(methods: bigint): number | bigint {
  return methods <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(methods) : methods;
}

function intersectAif(requested: Aif, allowed: ReadonlyMap<string, bigint>): ScopeIntersection | undefined {
  const kept: AifEntry[] = [];
  let reduced = false;
  for (const [path, methods] of requested) {
    const both = BigInt(methods) & (allowed.get(normalizeLocalPart(path)) ?? 0n);
    if (both !== BigInt(methods)) reduced = true;
    if (both !== 0n) kept.push([path, smallest(both)]);
  }
  return kept.length === 0 ? undefined : { scope: encodeAif(kept), reduced };
}

/**
 * What either scope permits; `undefined`: the two are of different kinds, or bytes that are no AIF.
 *
 * @throws {AceError} `ERR_ACE_SCOPE` for malformed names
 */
export function unionScopes(a: Scope, b: Scope): Scope | undefined {
  if (typeof a === 'string') return typeof b === 'string' ? [...new Set([...namesOf(a), ...namesOf(b)])].join(' ') : undefined;
  if (typeof b === 'string') return undefined;
  if (equalBytes(a, b)) return a;
  const [first, second] = [aifOrUndefined(a), aifOrUndefined(b)];
  if (first === undefined || second === undefined) return undefined;
  return encodeAif([...mergeAif([...first, ...second])].map(([path, methods]) => [path, smallest(methods)]));
}

/** A scope for people: names as they are, an AIF as JSON, other bytes as hexadecimal. */
export function scopeText(scope: Scope): string {
  if (typeof scope === 'string') return scope;
  const aif = aifOrUndefined(scope);
  if (aif === undefined) return `h'${toHex(scope)}'`;
  return `[${aif.map(([path, methods]) => `[${JSON.stringify(path)}, ${methods}]`).join(', ')}]`;
}
