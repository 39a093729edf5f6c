import { ProtocolError } from '../../core/errors.ts';

/** A listener that uses its response in a way that node-coap does not know either. Codes: `ERR_NODE_COAP_*`. */
export class NodeCoapError extends ProtocolError {}
