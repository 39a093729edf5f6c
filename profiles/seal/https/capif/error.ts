import { ProtocolError } from '../../../../src/core/errors.ts';

/**
 * What is wrong with messages of CAPIF or their use. Codes: `ERR_CAPIF_SCOPE`, `ERR_CAPIF_FORMAT` for what is read, `ERR_CAPIF_METHOD` for a call by a method
 * that the core function has not selected, `ERR_CAPIF_REFUSED` for what the core function refuses, `ERR_CAPIF_CONFIG` for settings. Messages hold no token.
 */
export class CapifError extends ProtocolError {}
