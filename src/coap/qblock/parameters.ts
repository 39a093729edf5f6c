import type { Env } from '../../core/env.ts';
import { CoapError } from '../errors.ts';
import type { DerivedParameters } from '../messaging/parameters.ts';

/** Congestion control of Q-Block transfers; times in milliseconds. @see https://www.rfc-editor.org/rfc/rfc9177#section-7.2 */
export interface QBlockParameters {
  /** MAX_PAYLOADS: payloads that may be sent at any one time. Both ends must have the same value. Default 10. */
  readonly maxPayloads: number;
  /** NON_TIMEOUT: the delay between two MAX_PAYLOADS_SETs of a body, before ACK_RANDOM_FACTOR. Default ACK_TIMEOUT. */
  readonly nonTimeout: number;
  /** NON_RECEIVE_TIMEOUT: how long a missing payload is waited for at first. Default twice NON_TIMEOUT. */
  readonly nonReceiveTimeout: number;
  /** NON_MAX_RETRANSMIT: requests for missing payloads that may stay without an answer. Default MAX_RETRANSMIT. */
  readonly nonMaxRetransmit: number;
  /** NON_PROBING_WAIT: the longest wait that PROBING_RATE imposes between bodies. Default: as Section 7.2 derives it, with a random part. */
  readonly nonProbingWait: number;
  /** NON_PARTIAL_TIMEOUT: how long a body of which payloads are missing is kept. Default: as Section 7.2 derives it. */
  readonly nonPartialTimeout: number;
}

/** With what the message layer brings. */
export interface QBlockTiming extends Omit<QBlockParameters, 'nonProbingWait'> {
  /** NON_TIMEOUT_RANDOM, drawn for each body. */
  nonTimeoutRandom(): number;
  nonProbingWait(): number;
  /** Bytes per second. */
  readonly probingRate: number;
  readonly maxTransmitSpan: number;
  readonly maxLatency: number;
  readonly exchangeLifetime: number;
}

function fraction(env: Env): number {
  const [high, low] = env.random(2);
  return (high! * 256 + low!) / 0x1_0000;
}

/**
 * The parameters in full.
 *
 * @throws {CoapError} `ERR_COAP_PARAMETER`, also for a NON_RECEIVE_TIMEOUT that is not at least one second above any NON_TIMEOUT_RANDOM
 */
export function deriveQBlockTiming(given: Partial<QBlockParameters>, transmission: DerivedParameters, env: Env): QBlockTiming {
  const { ackRandomFactor, maxLatency, probingRate, maxTransmitSpan, exchangeLifetime } = transmission;
  const nonTimeout = given.nonTimeout ?? transmission.ackTimeout;
  const nonMaxRetransmit = given.nonMaxRetransmit ?? transmission.maxRetransmit;
  const longest = nonTimeout * ackRandomFactor;
  const nonReceiveTimeout = given.nonReceiveTimeout ?? Math.max(2 * nonTimeout, longest + 1000);
  const span = nonTimeout * (2 ** nonMaxRetransmit - 1) * ackRandomFactor + 2 * maxLatency;
  const parameters = {
    maxPayloads: given.maxPayloads ?? 10,
    nonTimeout,
    nonReceiveTimeout,
    nonMaxRetransmit,
    nonPartialTimeout: given.nonPartialTimeout ?? span + nonTimeout,
  };
  const demand = (name: string, value: number, least: number, most = Number.POSITIVE_INFINITY, whole = false): void => {
    if (value >= least && value <= most && (!whole || Number.isInteger(value))) return;
    throw new CoapError('ERR_COAP_PARAMETER', `expected ${name} to be ${whole ? 'a whole number' : 'a number'} from ${least} to ${most}, got ${value}`);
  };
  demand('maxPayloads', parameters.maxPayloads, 1, 1024, true);
  demand('nonTimeout', nonTimeout, 1);
  demand('nonMaxRetransmit', nonMaxRetransmit, 0, 20, true);
  demand('nonReceiveTimeout', nonReceiveTimeout, longest + 1000);
  demand('nonPartialTimeout', parameters.nonPartialTimeout, 1);
  if (given.nonProbingWait !== undefined) demand('nonProbingWait', given.nonProbingWait, 0);
  const nonTimeoutRandom = (): number => nonTimeout * (1 + fraction(env) * (ackRandomFactor - 1));
  return {
    ...parameters,
    nonTimeoutRandom,
    // An explicit value is used without jitter.
    nonProbingWait: () => given.nonProbingWait ?? span + nonTimeoutRandom(),
    probingRate,
    maxTransmitSpan,
    maxLatency,
    exchangeLifetime,
  };
}
