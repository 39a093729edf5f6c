import { emptyBytes } from '../../core/bytes.ts';
import type { Env } from '../../core/env.ts';
import type { Handler, Layer, Requester } from '../layer.ts';
import { Code } from '../message/code.ts';
import { findOption, type Option, OptionNumber } from '../message/option.ts';
import { blockSize } from './block-option.ts';
import { BlockwiseClient } from './client.ts';
import { BlockwiseServer } from './server.ts';

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

/** Entries that a block-wise layer holds. All zero when nothing is under way and lifetimes have ended. */
export interface BlockwiseStats {
  readonly uploads: number;
  readonly uploadBytes: number;
  readonly representations: number;
  readonly representationBytes: number;
  readonly operations: number;
  readonly lostTags: number;
}

/** Block-wise transfer (RFC 7959) in both directions. */
export interface BlockwiseLayer extends Layer {
  /** Transfers under way, and bytes that they hold. */
  stats(): BlockwiseStats;
  /** Forget all transfers and stop the timers. */
  close(): void;
}

/**
 * Block-wise transfer in both directions, so that what is above sees whole bodies (RFC 7959), with Request-Tag and ETag as RFC 9175, Section 3 asks.
 *
 * As a server it collects a request body before it calls the handler once, and keeps a large response body for a time, so that later blocks come from the
 * same representation. As a client it splits large request bodies and fetches the later blocks of responses and notifications.
 *
 * Over a connection, what the peer takes in one message travels whole, and larger bodies in BERT blocks where the peer has said that it takes them.
 *
 * The `outer` one puts together what a proxy, or the peer, cut into blocks after OSCORE protected it. Nothing protects these blocks: they cost at most what the
 * limits say, and what comes of them has to verify.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7959, https://www.rfc-editor.org/rfc/rfc8323#section-6 and https://www.rfc-editor.org/rfc/rfc8613#section-4.1.3.4.2
 */
export function blockwise(options: BlockwiseOptions, env: Env): BlockwiseLayer {
  const szx = options.szx ?? 6;
  if (!Number.isInteger(szx) || szx < 0 || szx > 6) throw new RangeError(`expected szx 0 to 6, got ${szx}`);
  const threshold = options.threshold ?? blockSize(szx);
  const outer = options.name === 'outer';
  const { maxBody = 0x1_0000, maxUnfragmented = maxBody, outerThreshold = outer ? Number.POSITIVE_INFINITY : threshold + 256 } = options;
  const limits: BlockwiseLimits = {
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
  const server = new BlockwiseServer(limits, env);
  const client = new BlockwiseClient(limits, env);
  return {
    name: `blockwise ${options.name ?? 'inner'}`,
    outbound: (next) => (outer ? protectedRequests(client.outbound(next), next) : client.outbound(next)),
    inbound: (next) => (outer ? protectedMessages(server.inbound(next), next) : server.inbound(next)),
    stats: () => ({ ...server.stats(), ...client.stats() }),
    close: () => {
      server.close();
      client.close();
    },
  };
}

function isProtected(options: readonly Option[]): boolean {
  return findOption(options, OptionNumber.Oscore) !== undefined;
}

/** Payloads of a robust block-wise transfer are of the right size, and their responses come as they like. */
function protectedRequests(blocks: Requester, next: Requester): Requester {
  return (request, listener) => (isProtected(request.options) && request.qBlock !== true ? blocks : next)(request, listener);
}

/** RFC 9177 §4.1 has Outer Q-Block options too. No layer here processes those, and 4.02 tells the other side to go on with Block options. */
function protectedMessages(blocks: Handler, next: Handler): Handler {
  return (request, reply) => {
    const { options } = request;
    if (!isProtected(options)) next(request, reply);
    else if (options.some(({ number }) => number === OptionNumber.QBlock1 || number === OptionNumber.QBlock2))
      reply.respond({ code: Code.BadOption, options: [], payload: emptyBytes });
    else blocks(request, reply);
  };
}
