import { CoapError } from '../errors.ts';
import type { Response } from '../layer.ts';
import { encodeUint, findOption, type Option, OptionNumber, uintOf, withoutOptions } from '../message/option.ts';

/** A Block1 or Block2 option value. @see https://www.rfc-editor.org/rfc/rfc7959#section-2.2 */
export interface Block {
  /** NUM: the number of the block, in blocks of this size. */
  readonly number: number;
  /** M: more blocks follow. */
  readonly more: boolean;
  /** SZX: the size exponent, 0 to 6; 7 for BERT, in units of 1024 bytes (RFC 8323, Section 6). */
  readonly szx: number;
}

/** The largest NUM, 20 bits. */
export const lastBlockNumber = 0xf_ffff;

/** Bytes of a block, the unit in which NUM counts: 16 to 1024. */
export function blockSize(szx: number): number {
  return 16 << Math.min(szx, 6);
}

/** Position of the first byte of the block in the body. At most 2^30. */
export function blockOffset(block: Block): number {
  return block.number * blockSize(block.szx);
}

/** @throws {CoapError} `ERR_COAP_BLOCK` when NUM does not fit */
export function blockOption(number: number, block: Block): Option {
  if (block.number > lastBlockNumber) throw new CoapError('ERR_COAP_BLOCK', `expected at most ${lastBlockNumber + 1} blocks, got more`);
  return { number, value: encodeUint(block.number * 16 + (block.more ? 8 : 0) + block.szx) };
}

/** @throws {CoapError} `ERR_COAP_BLOCK` for more than 3 bytes, or SZX 7 where it is reserved, which it is not with `bert` */
export function decodeBlock(value: Uint8Array, bert = false): Block {
  if (value.length > 3) throw new CoapError('ERR_COAP_BLOCK', `expected a Block option of at most 3 bytes, got ${value.length}`);
  let bits = 0;
  for (const byte of value) bits = bits * 256 + byte;
  const szx = bits & 7;
  if (szx === 7 && !bert) throw new CoapError('ERR_COAP_BLOCK', 'expected SZX 0 to 6, got the reserved 7');
  return { number: bits >>> 4, more: (bits & 8) !== 0, szx };
}

/** The Block option of that number; `bad`: it is there, but not to be read. */
export function blockOf(options: readonly Option[], number: number, bert = false): Block | 'bad' | undefined {
  const option = findOption(options, number);
  if (option === undefined) return undefined;
  try {
    return decodeBlock(option.value, bert);
  } catch {
    return 'bad';
  }
}

/** A response to a request for one block. */
export interface BlockResponse extends Response {
  readonly block: Block;
  /** The length of the whole body, if the server tells it (Size2). */
  readonly size?: number;
}

/**
 * The response to a request for one block, with what it says of the block. A success without a Block2 option is a whole body.
 *
 * @throws {CoapError} `ERR_COAP_BLOCK` when it is another block, or not of the size that it says
 * @see https://www.rfc-editor.org/rfc/rfc7959#section-2.4
 */
export function blockResponse(response: Response, asked: Block): BlockResponse {
  const block = blockOf(response.options, OptionNumber.Block2);
  if (block === undefined) return { ...response, block: { ...asked, number: 0, more: false } };
  if (block === 'bad' || blockOffset(block) !== blockOffset(asked)) {
    throw new CoapError('ERR_COAP_BLOCK', `expected the block at ${blockOffset(asked)}, got another`);
  }
  const size = blockSize(block.szx);
  if (block.more ? response.payload.length !== size : response.payload.length > size) {
    throw new CoapError('ERR_COAP_BLOCK', `expected a block of ${size} bytes, got ${response.payload.length}`);
  }
  const whole = uintOf(response.options, OptionNumber.Size2);
  return { ...withoutBlocks(response), block, ...(whole === undefined ? {} : { size: whole }) };
}

/**
 * Whether a message leaves in one piece. One that OSCORE protects may be somewhat longer than a block: it came in one piece, with an Inner block in it, and who
 * opens it may know no Outer blocks (RFC 8613, Section 4.1.3.4.2).
 */
export function travelsWhole(limits: { readonly threshold: number; readonly outerThreshold: number }, message: Pick<Response, 'options' | 'payload'>): boolean {
  const { length } = message.payload;
  if (length <= limits.threshold) return true;
  return length <= limits.outerThreshold && findOption(message.options, OptionNumber.Oscore) !== undefined;
}

/** The response as the layer above sees it: a whole body. */
export function withoutBlocks(response: Response): Response {
  return { ...response, options: withoutOptions(response.options, OptionNumber.Block1, OptionNumber.Block2, OptionNumber.Size2) };
}
