import { checkBounds } from '../core/bounds.ts';
import { CoapError } from './errors.ts';

/** @throws {CoapError} `ERR_COAP_PARAMETER` for what of the given bounds nothing */
export function checkParameters(what: string, given: object): void {
  checkBounds(given, (message) => new CoapError('ERR_COAP_PARAMETER', `${what}: ${message}`));
}

/** @throws {CoapError} `ERR_COAP_PARAMETER` for a time to wait that is no number; one that is over already is one */
export function checkTime(name: string, milliseconds: number | undefined): void {
  if (milliseconds === undefined || (typeof milliseconds === 'number' && !Number.isNaN(milliseconds))) return;
  throw new CoapError('ERR_COAP_PARAMETER', `${name}: expected a number of milliseconds, got ${String(milliseconds)}`);
}
