import { ProtocolError } from '../../../src/core/errors.ts';

/** What is wrong with AKMA credentials, with what an AAnF says, or with their use. Codes: `ERR_AKMA_*`. Messages hold no key and no SUPI. */
export class AkmaError extends ProtocolError {}
