import { ProtocolError } from '../core/errors.ts';

/** The checker cannot begin: nobody answers at the target (`ERR_CONFORMANCE_UNREACHABLE`), or what is said of it cannot be (`ERR_CONFORMANCE_TARGET`). */
export class ConformanceError extends ProtocolError {}

/**
 * The target does not do what the standard says (`ERR_CONFORMANCE_NONCONFORMITY`): what a case throws to accuse it. The datagrams stand in the transcript of the
 * bench.
 */
export class Nonconformity extends ProtocolError {
  /** What the standard wants, and what came; both go on from "expected" and "got". */
  readonly wanted: string;
  readonly came: string;

  constructor(wanted: string, came: string) {
    super('ERR_CONFORMANCE_NONCONFORMITY', `expected ${wanted}, got ${came}`);
    this.wanted = wanted;
    this.came = came;
  }
}

/** The target turns out not to have what the case is about (`ERR_CONFORMANCE_NOT_APPLICABLE`): neither a pass nor a failure. */
export class NotApplicable extends ProtocolError {
  constructor(reason: string) {
    super('ERR_CONFORMANCE_NOT_APPLICABLE', reason);
  }
}
