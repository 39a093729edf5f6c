import type { Option } from '../message/option.ts';

/** What a resource function answers: text, bytes, or more than that. `undefined` is success without a payload. */
export type Answer = string | Uint8Array | AnswerFields | undefined;

/** A response, field by field; what is absent follows from the method. */
export interface AnswerFields {
  /** Default: 2.05 for GET and FETCH, 2.02 for DELETE, 2.04 for the others. */
  readonly code?: number;
  readonly payload?: string | Uint8Array;
  /** Default: 0 for text; for bytes in answer to GET and FETCH the `ct` of the resource, if it is one. Errors have none. */
  readonly contentFormat?: number;
  /** Seconds. */
  readonly maxAge?: number;
  /** 1 to 8 bytes; different for different representations. */
  readonly etag?: Uint8Array;
  /** Where the resource is that was created: an absolute path with or without a query, as in a URI. For 2.01. */
  readonly location?: string;
  readonly options?: readonly Option[];
  /** The type of the message, where it has one of its own: notifications that are soon followed by others need not be acknowledged. */
  readonly nonConfirmable?: boolean;
}
