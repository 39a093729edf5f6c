/** Where a request is wrong (TS 29.122, 5.2.1.2). */
export interface InvalidParam {
  /** A JSON Pointer, or the name of a header. */
  readonly param: string;
  readonly reason?: string;
}

/** What came of a request that is not served (TS 29.122, 5.2.1.2; RFC 9457). */
export interface ProblemDetails {
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** What programs look at. */
  readonly cause?: string;
  readonly invalidParams?: readonly InvalidParam[];
}

/** The media type of ProblemDetails. */
export const problemType = 'application/problem+json';

/** In place of an answer that may not leave: it says nothing of it. */
export const withheld: ProblemDetails = {
  title: 'Internal Server Error',
  status: 500,
  cause: 'SYSTEM_FAILURE',
  detail: 'the answer may not leave this domain',
};
