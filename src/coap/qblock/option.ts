import { emptyBytes } from '../../core/bytes.ts';
import { CborError, decodeSequence, encode } from '../../core/cbor.ts';
import { type Block, blockOption, decodeBlock } from '../blockwise/block-option.ts';
import type { Response } from '../layer.ts';
import { Code } from '../message/code.ts';
import { ContentFormat } from '../message/content-format.ts';
import { type Option, OptionNumber, uintOf, uintOption, withoutOptions } from '../message/option.ts';

/** The Block and Q-Block options of a message. */
export interface QBlocks {
  readonly qBlock1: Option | undefined;
  readonly qBlock2: readonly Option[];
  /** A Block1 or Block2 option is there too, which is not allowed (RFC 9177, Section 4.1). */
  readonly mixed: boolean;
}

const noOptions: readonly Option[] = [];

/** The Q-Block options of a message; `undefined` when there are none, which nearly all messages pay for. */
export function qBlocksOf(options: readonly Option[]): QBlocks | undefined {
  let qBlock1: Option | undefined;
  let qBlock2: Option[] | undefined;
  let mixed = false;
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    if (option.number > OptionNumber.QBlock2) break;
    if (option.number === OptionNumber.QBlock1) qBlock1 = option;
    else if (option.number === OptionNumber.QBlock2) (qBlock2 ??= []).push(option);
    else if (option.number === OptionNumber.Block1 || option.number === OptionNumber.Block2) mixed = true;
  }
  return qBlock1 === undefined && qBlock2 === undefined ? undefined : { qBlock1, qBlock2: qBlock2 ?? noOptions, mixed };
}

/** A Q-Block option value, which has the structure of a Block option (RFC 9177, Section 4.2); `bad`: it is not to be read. */
export function decodeQBlock(option: Option): Block | 'bad' {
  try {
    return decodeBlock(option.value);
  } catch {
    return 'bad';
  }
}

/** The options with these Q-Block2 options in their place. */
export function withQBlock2(options: readonly Option[], blocks: readonly Block[]): Option[] {
  const others = withoutOptions(options, OptionNumber.QBlock2);
  const at = others.findIndex(({ number }) => number > OptionNumber.QBlock2);
  const added = blocks.map((block) => blockOption(OptionNumber.QBlock2, block));
  return at < 0 ? [...others, ...added] : [...others.slice(0, at), ...added, ...others.slice(at)];
}

/** A response as the layer above sees it: a whole body. */
export function withoutQBlocks(response: Response): Response {
  const { qBlock: _, ...rest } = response;
  return { ...rest, options: withoutOptions(response.options, OptionNumber.QBlock1, OptionNumber.QBlock2, OptionNumber.Size2) };
}

/** A list of missing blocks that is longer than this is none: a datagram holds no more. */
const longestList = 0x1_0000;

/**
 * A 4.08 that names the missing blocks, as a CBOR sequence.
 *
 * @param missing ascending, without duplicates
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-5
 */
export function missingBlocksResponse(missing: readonly number[]): Response {
  const items = missing.map((number) => encode(number));
  const payload = new Uint8Array(items.reduce((length, item) => length + item.length, 0));
  let at = 0;
  for (const item of items) {
    payload.set(item, at);
    at += item.length;
  }
  return { code: Code.RequestEntityIncomplete, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.MissingBlocks)], payload };
}

/** Whether a 4.08 lists missing blocks; without the Content-Format it is the one of RFC 7959. */
export function listsMissingBlocks(response: Response): boolean {
  return response.code === Code.RequestEntityIncomplete && uintOf(response.options, OptionNumber.ContentFormat) === ContentFormat.MissingBlocks;
}

/**
 * The missing blocks that a 4.08 lists. `undefined`: it breaks the rules, and is to be dropped: no CBOR sequence of unsigned integers, none at all, or not in
 * ascending order. Of duplicates, which must be ignored, one remains.
 */
export function decodeMissingBlocks(payload: Uint8Array): readonly number[] | undefined {
  if (payload.length === 0 || payload.length > longestList) return undefined;
  let items: readonly unknown[];
  try {
    items = decodeSequence(payload);
  } catch (error) {
    if (error instanceof CborError) return undefined;
    throw error;
  }
  const missing: number[] = [];
  for (const item of items) {
    if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < 0) return undefined;
    const last = missing[missing.length - 1] ?? -1;
    if (item < last) return undefined;
    if (item > last) missing.push(item);
  }
  return missing;
}

export function codeOnly(code: number): Response {
  return { code, options: [], payload: emptyBytes };
}
