/** Why something does not leave. */
export type EgressRule =
  /** An IMSI of a subscriber of this operator, in whatever encoding. */
  | 'known-imsi'
  /** What says of itself that it is an IMSI or a SUPI, or a SUCI that conceals nothing. */
  | 'imsi-name'
  /** A member for a SUPI or an IMSI. */
  | 'supi-member'
  /** 14 or 15 digits where an identity stands. */
  | 'identity-digits'
  /** Bytes that cannot be looked through: compressed, or too many, with what they may be the encoding of. */
  | 'unreadable';

/** What was found, without the value. */
export interface EgressFinding {
  readonly rule: EgressRule;
  /** The part of the message: `body`, `uri`, `headers`, or the name of a header. */
  readonly part: string;
}
