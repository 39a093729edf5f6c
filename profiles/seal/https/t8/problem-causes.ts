/**
 * What programs find in `cause` of problem details, with the status that each goes with. A refusal that neither document has a word for has none: the member is
 * optional (TS 29.122, 5.2.1.2.12).
 *
 * Those of TS 29.500 are in Table 5.2.7.2-1 there. Of a status alone it is Table 5.2.6-1 of TS 29.122 that says when.
 */
export const problemCauses = {
  /** TS 29.500: the body is not what the media type says. */
  INVALID_MSG_FORMAT: 400,
  /** TS 29.500: what is wrong is a member that has to be there. */
  MANDATORY_IE_INCORRECT: 400,
  /** TS 29.500: a member that has to be there is not. */
  MANDATORY_IE_MISSING: 400,
  /** TS 29.500: what is wrong is a member that may be left out. */
  OPTIONAL_IE_INCORRECT: 400,
  /** TS 29.500: the members of a patch that are not to be changed. */
  MODIFICATION_NOT_ALLOWED: 403,
  /** TS 29.122, 4.4.5.3.1: more than `maximumPacketSize` of the configuration. */
  DATA_TOO_LARGE: 403,
  /** TS 29.122, 4.4.8.2, as of each API: an SCS/AS has used up what it may have. */
  QUOTA_EXCEEDED: 403,
  /** TS 29.500: the path has no such fixed part. */
  RESOURCE_URI_STRUCTURE_NOT_FOUND: 404,
  /** TS 29.122, 5.6: data that has left cannot be replaced or taken back. */
  ALREADY_DELIVERED: 404,
  /** TS 29.122, 5.6: nor can data that is on its way. */
  SENDING: 409,
  /** TS 29.122, 4.4.8.2, as of each API, has the status for an SCS/AS that exceeds its rate, TS 29.500 the word. */
  NF_CONGESTION_RISK: 429,
  /** TS 29.500: an error of this side. */
  SYSTEM_FAILURE: 500,
  /** TS 29.500: there is too much to do now. */
  NF_CONGESTION: 503,
} as const;

/** A cause of problem details. */
export type ProblemCause = keyof typeof problemCauses;
