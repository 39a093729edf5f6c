import { type Aif, decodeAif, encodeAif, intersectScopes, type Scope } from '../ace/index.ts';
import { ProtocolError } from '../core/errors.ts';

/** Both scopes in one; where they are of different kinds, the second. */
export function uniteScopes(a: Scope | undefined, b: Scope | undefined): Scope | undefined {
  if (a === undefined || b === undefined) return b ?? a;
  if (typeof a === 'string' && typeof b === 'string') return [...new Set([...a.split(' '), ...b.split(' ')])].join(' ');
  if (typeof a === 'string' || typeof b === 'string') return b;
  try {
    return encodeAif(uniteAif(decodeAif(a), decodeAif(b)));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return b;
  }
}

function uniteAif(a: Aif, b: Aif): Aif {
  const methods = new Map<string, bigint>();
  for (const [path, bits] of [...a, ...b]) methods.set(path, (methods.get(path) ?? 0n) | BigInt(bits));
  return [...methods].map(([path, bits]) => [path, bits <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bits) : bits]);
}

/** Whether `have` holds all of `want`. */
export function coversScope(have: Scope | undefined, want: Scope): boolean {
  if (have === undefined) return false;
  try {
    return intersectScopes(want, have)?.reduced === false;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}
