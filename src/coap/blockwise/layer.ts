import { emptyBytes } from '../../core/bytes.ts';
import type { Env } from '../../core/env.ts';
import type { Handler, Layer, Requester } from '../layer.ts';
import { Code } from '../message/code.ts';
import { findOption, type Option, OptionNumber } from '../message/option.ts';
import { BlockwiseClient } from './client.ts';
import { type BlockwiseOptions, blockwiseLimits } from './limits.ts';
import { BlockwiseServer } from './server.ts';

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
  /** Put together bodies of up to so many bytes, in place of what the options say. */
  bound(maxBody: number): void;
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
  const limits = blockwiseLimits(options);
  const server = new BlockwiseServer(limits, env);
  const client = new BlockwiseClient(limits, env);
  return {
    name: `blockwise ${options.name ?? 'inner'}`,
    outbound: (next) => (limits.outer ? protectedRequests(client.outbound(next), next) : client.outbound(next)),
    inbound: (next) => (limits.outer ? protectedMessages(server.inbound(next), next) : server.inbound(next)),
    stats: () => ({ ...server.stats(), ...client.stats() }),
    bound: (maxBody) => void Object.assign(limits, blockwiseLimits({ ...options, maxBody })),
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
