import { ProtocolError } from '../core/errors.ts';

/** What is no capture (`ERR_INSPECT_CAPTURE`), no key log (`ERR_INSPECT_KEY_LOG`), or a port that cannot be listened at (`ERR_INSPECT_TAP`). */
export class InspectError extends ProtocolError {}
