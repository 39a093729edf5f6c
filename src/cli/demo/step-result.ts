import type { RecordedExchange } from './recorder.ts';

/** One thing that was shown. */
export interface StepResult {
  readonly step: string;
  /** `null`: no answer came. */
  readonly code: string | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly ok: boolean;
  /** What was seen, for people. */
  readonly detail: string;
}

/** What came of a request, which has to be this code. */
export function result(step: string, expected: string, exchange: RecordedExchange | undefined, detail: string, alsoNeeded = true): StepResult {
  return {
    step,
    code: exchange?.code ?? null,
    requestBytes: exchange?.requestBytes ?? 0,
    responseBytes: exchange?.responseBytes ?? 0,
    ok: exchange?.code === expected && alsoNeeded,
    detail,
  };
}
