import { longestPlainToken } from './message/message.ts';

/** The base value of Max-Message-Size (RFC 8323, Section 5.3.1). */
export const baseMessageSize = 1152;

/** What a peer said of itself in its CSMs (RFC 8323, Section 5.3). They are cumulative, so the object changes as they come. */
export interface Capabilities {
  /** The largest message that it takes, with its header, in bytes. */
  maxMessageSize: number;
  /** It said that it does block-wise transfer. */
  blockwise: boolean;
  /** The longest token that a request to it may have (RFC 8974, Section 2.2.1). */
  extendedTokenLength: number;
}

/** The values before any CSM. */
export function baseCapabilities(): Capabilities {
  return { maxMessageSize: baseMessageSize, blockwise: false, extendedTokenLength: longestPlainToken };
}

/** Whether blocks of several times 1024 bytes may be sent (RFC 8323, Section 5.3.2). */
export function takesBert(capabilities: Capabilities): boolean {
  return capabilities.blockwise && capabilities.maxMessageSize > baseMessageSize;
}
