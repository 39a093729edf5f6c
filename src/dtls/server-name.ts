import { ByteReader, ByteWriter, fromUtf8, utf8 } from '../core/bytes.ts';
import { HandshakeFailure } from './alert.ts';
import { expectEnd, putVector16, takeVector16 } from './vector.ts';

const hostName = 0;
const longestName = 253;
/** Labels of letters, digits and hyphens, and of the underscore that some names have. The last one is not a number, so an IPv4 address is none. */
const names = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** Whether a host is a DNS name, in ASCII and without a trailing dot. Addresses are none: they do not go into server_name. */
export function isServerName(host: string): boolean {
  return host.length <= longestName && names.test(host);
}

/**
 * A ServerNameList with one host name.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6066#section-3
 */
export function encodeServerName(name: string): Uint8Array {
  const entry = putVector16(new ByteWriter().u8(hostName), utf8(name)).finish();
  return putVector16(new ByteWriter(), entry).finish();
}

/**
 * The host name of a ServerNameList, in lower case; `undefined` when there is none that can be one.
 *
 * @throws {HandshakeFailure} `decode_error`, `illegal_parameter` for two of them
 * @throws {BytesError} `ERR_BYTES_END`
 */
export function decodeServerName(data: Uint8Array): string | undefined {
  const outer = new ByteReader(data);
  const list = new ByteReader(takeVector16(outer));
  expectEnd(outer, 'server_name');
  if (list.remaining === 0) throw new HandshakeFailure('decode_error', 'expected a name of the server, got none');
  let found: Uint8Array | undefined;
  while (list.remaining > 0) {
    const type = list.u8();
    // All types that may come have a length of two bytes.
    const name = takeVector16(list);
    if (type !== hostName) continue;
    if (found !== undefined) throw new HandshakeFailure('illegal_parameter', 'expected one host name, got two');
    if (name.length === 0) throw new HandshakeFailure('decode_error', 'expected a host name, got an empty one');
    found = name;
  }
  return found === undefined || found.some((byte) => byte >= 0x80) ? undefined : asServerName(fromUtf8(found));
}

function asServerName(text: string): string | undefined {
  return isServerName(text) ? text.toLowerCase() : undefined;
}
