import { ProtocolError } from '../errors.ts';

/** A COSE object or key that is malformed (`ERR_COSE_FORMAT`, `ERR_COSE_KEY`), does not fit its key (`ERR_COSE_ALGORITHM`) or does not verify (`ERR_COSE_VERIFY`). */
export class CoseError extends ProtocolError {}
