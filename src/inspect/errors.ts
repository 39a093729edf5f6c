import { ProtocolError } from '../core/errors.ts';

/** What is no capture (`ERR_INSPECT_CAPTURE`), or a port that a tap cannot listen at (`ERR_INSPECT_TAP`). */
export class InspectError extends ProtocolError {}
