import { checkParameters } from '../bounds.ts';
import { blockSize } from './block-option.ts';

/** When bodies travel in blocks, how large those are, and how much is put together. */
export interface BlockwiseOptions {
  /** Which of the two places in the stack this is: `inner` (above OSCORE, the default), or `outer`: below it, for what OSCORE protects and nothing else. */
  readonly name?: 'inner' | 'outer';
  /** The preferred block size as its exponent, 0 (16 bytes) to 6 (1024 bytes, the default). Below 6, requests ask for it (RFC 7959, Section 2.4). */
  readonly szx?: number;
  /** Payloads up to this many bytes travel whole. Default: the block size. */
  readonly threshold?: number;
  /**
   * What OSCORE protects travels whole up to this many bytes, and above in Outer blocks. Default: however long where it was protected, so that Outer blocks leave
   * only for who asks for them; 256 above the threshold at a proxy, where an Inner block that came in one piece goes on in one piece.
   */
  readonly outerThreshold?: number;
  /**
   * MAX_UNFRAGMENTED_SIZE, in bytes of payload: longer OSCORE messages are not put together from Outer blocks, and a body that would make one travels in Inner
   * blocks (RFC 8613, Section 4.1.3.4.2). Default: `maxBody`.
   */
  readonly maxUnfragmented?: number;
  /** The largest body, in bytes, that is put together from blocks, in both directions. Default 65,536. */
  readonly maxBody?: number;
  /** Unfinished request bodies, and response bodies kept for their later blocks, each at most this many. Default 256. */
  readonly maxTransfers?: number;
  /** The same for one endpoint. Default 16. */
  readonly maxTransfersPerPeer?: number;
  /** Bytes of all unfinished request bodies, and of all kept response bodies. Default 4 MiB each. */
  readonly maxBytes?: number;
  /** Milliseconds that a transfer is kept after its last block. Default 247,000 (EXCHANGE_LIFETIME). */
  readonly lifetime?: number;
}

/** {@link BlockwiseOptions} with the defaults filled in. */
export interface BlockwiseLimits extends Required<Omit<BlockwiseOptions, 'name'>> {
  /** Neither size is asked for: connections may carry larger messages, and BERT blocks. */
  readonly free: boolean;
  readonly outer: boolean;
  /** Messages are cut without being asked for it. */
  readonly cuts: boolean;
}

/** @throws {RangeError} for an szx out of range; `CoapError` `ERR_COAP_PARAMETER` */
export function blockwiseLimits(options: BlockwiseOptions): BlockwiseLimits {
  const szx = options.szx ?? 6;
  if (!Number.isInteger(szx) || szx < 0 || szx > 6) throw new RangeError(`expected szx 0 to 6, got ${szx}`);
  const { name: _name, ...bounds } = options;
  checkParameters('block-wise transfer', bounds);
  const threshold = options.threshold ?? blockSize(szx);
  const outer = options.name === 'outer';
  const { maxBody = 0x1_0000, maxUnfragmented = maxBody, outerThreshold = outer ? Number.POSITIVE_INFINITY : threshold + 256 } = options;
  return {
    szx,
    threshold: outer ? outerThreshold : threshold,
    outerThreshold,
    free: szx === 6 && (outer ? options.outerThreshold : options.threshold) === undefined,
    outer,
    cuts: !outer || options.outerThreshold !== undefined,
    maxBody: outer ? maxUnfragmented : maxBody,
    maxUnfragmented,
    maxTransfers: options.maxTransfers ?? 256,
    maxTransfersPerPeer: options.maxTransfersPerPeer ?? 16,
    maxBytes: options.maxBytes ?? 0x40_0000,
    lifetime: options.lifetime ?? 247_000,
  };
}
