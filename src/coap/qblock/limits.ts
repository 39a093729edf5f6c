import type { QBlockParameters } from './parameters.ts';

/** When bodies travel by Q-Block1 and Q-Block2 (RFC 9177), and how fast. */
export interface QBlockOptions extends Partial<QBlockParameters> {
  /** `false`: requests go without it, and such as come by it get 4.02, until `Endpoint.adjust` says otherwise. Default `true`. */
  readonly offered?: boolean;
  /** The block size as its exponent, 0 (16 bytes) to 6 (1024 bytes). Default: that of block-wise transfer. */
  readonly szx?: number;
  /** Payloads up to this many bytes travel whole. Default: the block size. */
  readonly threshold?: number;
  /** The largest body, in bytes, in both directions. Default: that of block-wise transfer. */
  readonly maxBody?: number;
  /** Unfinished request bodies, response bodies kept for their payloads, and transfers under way, each at most this many. Default 256. */
  readonly maxTransfers?: number;
  /** The same for one endpoint. Default 16. */
  readonly maxTransfersPerPeer?: number;
  /** Bytes of all unfinished request bodies, and of all kept response bodies. Default 4 MiB each. */
  readonly maxBytes?: number;
  /**
   * How a client finds out which peers know the options: `probe` asks each by a Confirmable request and falls back to block-wise transfer, `assume` takes it for
   * granted until a peer rejects them. Default `probe`.
   */
  readonly discovery?: 'probe' | 'assume';
  /** The resource that a probe reads. Default `/.well-known/core`. */
  readonly probePath?: readonly string[];
  /** Peers of which it is remembered whether they know the options. Default 1,024. */
  readonly peers?: number;
  /** Milliseconds that it is remembered. Default one hour. */
  readonly supportLifetime?: number;
}

/** What bounds the transfers, with the defaults filled in. */
export type QBlockLimits = Required<Omit<QBlockOptions, keyof QBlockParameters | 'maxBody' | 'offered'>> & {
  /** These may change. */
  maxBody: number;
  offered: boolean;
};
