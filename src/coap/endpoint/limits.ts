import { boundsWith } from '../../core/bounds.ts';
import { CoapError } from '../errors.ts';
import { defaultExchangeLimits } from '../exchange/exchange.ts';
import { defaultMessagingLimits } from '../messaging/port.ts';
import { defaultStreamLimits, type StreamLimits } from '../stream/limits.ts';
import type { EndpointLimits } from './options.ts';

const { duplicates: usualDuplicates, ...usualMessaging } = defaultMessagingLimits;
const usual = { ...usualMessaging, ...defaultExchangeLimits, notifications: 64 };

const badLimit =
  (what: string) =>
  (message: string): CoapError =>
    new CoapError('ERR_COAP_PARAMETER', `${what}: ${message}`);

/** @throws {CoapError} `ERR_COAP_PARAMETER` for one that bounds nothing */
export function endpointLimits({ duplicates, ...limits }: Partial<EndpointLimits> = {}): EndpointLimits {
  return { ...boundsWith(usual, limits, badLimit('limits')), duplicates: boundsWith(usualDuplicates, duplicates, badLimit('limits: duplicates')) };
}

/** @throws {CoapError} `ERR_COAP_PARAMETER` for one that bounds nothing */
export function streamLimits(limits: Partial<StreamLimits> | undefined): StreamLimits {
  return boundsWith(defaultStreamLimits, limits, badLimit('connections'));
}
