import { takesBert } from '../capabilities.ts';
import type { Peer, SecurityAssociation } from '../layer.ts';
import { bodyLength } from '../message/message.ts';
import type { Option } from '../message/option.ts';
import { blockSize } from './block-option.ts';

/** The SZX of a BERT Option: the payload is several blocks of 1024 bytes. */
export const bertSzx = 7;
const unit = 1024;
/** Header with Extended Length, token, marker, and the options that block-wise transfer adds. */
const overhead = 48;
/** What OSCORE puts to options and payload of a message: the code, the payload marker and a tag. */
const protection = 1 + 1 + 16;

/** The part of a request that says how its blocks travel. */
export interface Path {
  readonly peer: Peer;
  readonly association?: SecurityAssociation;
}

/**
 * Bytes of payload that fit into one message beside these options; infinite over datagrams, where no peer says what it takes.
 *
 * @param maxUnfragmented MAX_UNFRAGMENTED_SIZE: bytes of payload that the message may have once OSCORE protects it (RFC 8613, Section 4.1.3.4.2)
 */
export function roomFor(path: Path, options: readonly Option[], maxUnfragmented: number = Number.POSITIVE_INFINITY): number {
  const { capabilities } = path.peer;
  const room = capabilities === undefined ? Number.POSITIVE_INFINITY : Math.max(0, capabilities.maxMessageSize - bodyLength(options, 0) - overhead);
  if (path.association?.kind !== 'oscore') return room;
  return Math.min(room, Math.max(0, maxUnfragmented - bodyLength(options, 0) - protection));
}

/**
 * Whether BERT Options are understood: on a connection. What OSCORE protects may cross proxies to transports of another kind, so that its blocks stay those of
 * RFC 7959.
 */
export function isBertPath({ peer, association }: Path): boolean {
  return peer.capabilities !== undefined && association === undefined;
}

/** Whether the peer has said that it takes BERT blocks. */
export function mayBert(path: Path): boolean {
  return isBertPath(path) && takesBert(path.peer.capabilities!);
}

/** The bytes of the next block: of a BERT block as many times 1024 as fit. */
export interface BlockLength {
  readonly szx: number;
  readonly length: number;
}

/**
 * The block to send where `szx` is what both sides would take: smaller ones where the peer's Max-Message-Size asks for it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-6
 */
export function blockLength(path: Path, options: readonly Option[], szx: number, maxUnfragmented?: number): BlockLength {
  const room = roomFor(path, options, maxUnfragmented);
  if (szx === bertSzx && room >= unit) return { szx, length: room - (room % unit) };
  let fitting = Math.min(szx, 6);
  while (fitting > 0 && blockSize(fitting) > room) fitting--;
  return { szx: fitting, length: blockSize(fitting) };
}

/** Whether a payload has a length that a block of this kind may have. */
export function isBlockLength(szx: number, more: boolean, length: number): boolean {
  if (szx === bertSzx) return !more || (length > 0 && length % unit === 0);
  return more ? length === blockSize(szx) : length <= blockSize(szx);
}
