/** How long the checker waits, in milliseconds. */
export interface Patience {
  /** For an answer that must come. */
  readonly answer: number;
  /** For one that must not. */
  readonly silence: number;
  /** Between cases. */
  readonly pace: number;
}

export const defaultPatience: Patience = { answer: 3000, silence: 500, pace: 0 };
