import type { Env } from '../../core/env.ts';
import { blockSize } from '../blockwise/block-option.ts';
import { checkParameters } from '../bounds.ts';
import type { Layer } from '../layer.ts';
import { OptionNumber } from '../message/option.ts';
import type { DerivedParameters } from '../messaging/parameters.ts';
import { QBlockClient } from './client.ts';
import type { QBlockLimits, QBlockOptions } from './limits.ts';
import { deriveQBlockTiming } from './parameters.ts';
import { QBlockServer } from './server.ts';

/** Robust block-wise transfer (RFC 9177) in both directions. */
export interface QBlockLayer extends Layer {
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /** Take bodies of up to so many bytes, in place of what the options say. */
  bound(maxBody: number): void;
  /** As the option `offered`. */
  offer(isOffered: boolean): void;
  /** Forget all transfers and stop the timers. */
  close(): void;
}

/**
 * Robust block-wise transfer in both directions, for Non-confirmable messages above all: many payloads at once, and only what got lost is asked for again.
 *
 * It stands around the block-wise layer: a request that cannot go this way, and one that came another way, is that one's. Both ends must support the options;
 * without protection of the messages they are not recommended (RFC 9177, Section 11).
 *
 * @throws {RangeError} for an szx out of range
 * @throws {CoapError} `ERR_COAP_PARAMETER`
 * @see https://www.rfc-editor.org/rfc/rfc9177
 */
export function qBlock(options: QBlockOptions, transmission: DerivedParameters, env: Env, fallback: Layer): QBlockLayer {
  const szx = options.szx ?? 6;
  if (!Number.isInteger(szx) || szx < 0 || szx > 6) throw new RangeError(`expected szx 0 to 6, got ${szx}`);
  const { threshold: given, maxBody, maxTransfers, maxTransfersPerPeer, maxBytes, peers, supportLifetime } = options;
  checkParameters('robust block-wise transfer', { threshold: given, maxBody, maxTransfers, maxTransfersPerPeer, maxBytes, peers, supportLifetime });
  const limits: QBlockLimits = {
    offered: options.offered ?? true,
    szx,
    threshold: options.threshold ?? blockSize(szx),
    maxBody: options.maxBody ?? 0x1_0000,
    maxTransfers: options.maxTransfers ?? 256,
    maxTransfersPerPeer: options.maxTransfersPerPeer ?? 16,
    maxBytes: options.maxBytes ?? 0x40_0000,
    discovery: options.discovery ?? 'probe',
    probePath: options.probePath ?? ['.well-known', 'core'],
    peers: options.peers ?? 1024,
    supportLifetime: options.supportLifetime ?? 3_600_000,
  };
  const timing = deriveQBlockTiming(options, transmission, env);
  const server = new QBlockServer(limits, timing, env);
  const client = new QBlockClient(limits, timing, env);
  return {
    name: 'q-block',
    understands: [OptionNumber.QBlock1, OptionNumber.QBlock2],
    outbound: (next) => client.outbound(next, fallback),
    inbound: (next) => server.inbound(next, fallback),
    stats: () => ({ ...server.stats(), ...client.stats() }),
    bound: (maxBody) => {
      limits.maxBody = maxBody;
    },
    offer: (isOffered) => {
      limits.offered = isOffered;
    },
    close: () => {
      server.close();
      client.close();
    },
  };
}
