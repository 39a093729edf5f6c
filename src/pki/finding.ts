/** What a certificate is for. */
export type CertificateRole = 'client' | 'server' | 'ca';

/** In what a certificate differs from its profile. */
export interface Finding {
  /** As RFC 5280 names it. */
  readonly field: string;
  /** Where the rule stands: of TS 33.310, or of RFC 5280, which it profiles. */
  readonly clause: string;
  /** `fault` for what must be otherwise, `advice` for what should. */
  readonly severity: 'fault' | 'advice';
  readonly expected: string;
  readonly got: string;
}

/** What a certificate is held against. */
export interface LintOptions {
  readonly as: CertificateRole;
  /** Seconds since 1970. */
  readonly now: number;
}
