export { ProtocolError } from './core/errors.ts';
