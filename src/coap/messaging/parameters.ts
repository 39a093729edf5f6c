import { CoapError } from '../errors.ts';

/** Transmission parameters; times in milliseconds. @see https://www.rfc-editor.org/rfc/rfc7252#section-4.8 */
export interface TransmissionParameters {
  readonly ackTimeout: number;
  readonly ackRandomFactor: number;
  readonly maxRetransmit: number;
  /** Interactions with one peer that may be outstanding at once. */
  readonly nstart: number;
  /** Above `nstart`: up to so many, as what is answered and what is lost shows that the path takes them (Sections 4.7 and 4.8.1). Default: `nstart`. */
  readonly nstartLimit: number;
  /** Bytes per second that may go to a peer that does not respond. */
  readonly probingRate: number;
  /** The time within which a response to a group request leaves, at random, unless the endpoint knows better (RFC 7252, Section 8.2). */
  readonly defaultLeisure: number;
  readonly maxLatency: number;
  /** How long a handler may take before its request is acknowledged by an Empty message and the response travels separately. Below PROCESSING_DELAY. */
  readonly ackDelay: number;
  /** Least time between two Non-confirmable notifications to one peer (RFC 7641, Section 4.5.1). */
  readonly notificationInterval: number;
  /** Non-confirmable notifications in a row after which one is Confirmable (RFC 7641, Sections 4.5 and 7). */
  readonly nonConfirmableNotifications: number;
}

/** With the values that RFC 7252, Section 4.8.2 derives. */
export interface DerivedParameters extends TransmissionParameters {
  readonly maxTransmitSpan: number;
  readonly maxTransmitWait: number;
  readonly exchangeLifetime: number;
  readonly nonLifetime: number;
}

const defaults: TransmissionParameters = {
  ackTimeout: 2000,
  ackRandomFactor: 1.5,
  maxRetransmit: 4,
  nstart: 1,
  nstartLimit: 1,
  probingRate: 1,
  defaultLeisure: 5000,
  maxLatency: 100_000,
  // A quarter of the time after which the client asks again: the Empty ACK may be slow and still be in time.
  ackDelay: 500,
  notificationInterval: 3000,
  nonConfirmableNotifications: 8,
};

/**
 * The parameters in full. An `ackDelay` that is not given is a quarter of `ackTimeout`, an `nstartLimit` is `nstart`.
 *
 * @throws {CoapError} `ERR_COAP_PARAMETER`
 */
export function deriveParameters(given: Partial<TransmissionParameters> = {}): DerivedParameters {
  const p = { ...defaults, ackDelay: (given.ackTimeout ?? defaults.ackTimeout) / 4, nstartLimit: given.nstart ?? defaults.nstart, ...given };
  const demand = (name: keyof TransmissionParameters, least: number, whole = false): void => {
    if (!Number.isFinite(p[name]) || p[name] < least || (whole && !Number.isInteger(p[name]))) {
      throw new CoapError('ERR_COAP_PARAMETER', `expected ${name} to be ${whole ? 'a whole number' : 'a number'} of at least ${least}, got ${p[name]}`);
    }
  };
  demand('ackTimeout', 1);
  demand('ackRandomFactor', 1);
  demand('maxRetransmit', 0, true);
  demand('nstart', 1, true);
  demand('nstartLimit', p.nstart, true);
  demand('probingRate', Number.MIN_VALUE);
  demand('defaultLeisure', 0);
  demand('maxLatency', 0);
  demand('ackDelay', 0);
  demand('notificationInterval', 0);
  demand('nonConfirmableNotifications', 0, true);
  if (p.maxRetransmit > 20) throw new CoapError('ERR_COAP_PARAMETER', `expected maxRetransmit to be at most 20, got ${p.maxRetransmit}`);
  const maxTransmitSpan = p.ackTimeout * (2 ** p.maxRetransmit - 1) * p.ackRandomFactor;
  const maxTransmitWait = p.ackTimeout * (2 ** (p.maxRetransmit + 1) - 1) * p.ackRandomFactor;
  // PROCESSING_DELAY is ACK_TIMEOUT. When the last waiting period is longer than MAX_LATENCY, the simplified sum of §4.8.2 would be too short.
  const exchangeLifetime = Math.max(maxTransmitSpan + 2 * p.maxLatency + p.ackTimeout, maxTransmitWait);
  return { ...p, maxTransmitSpan, maxTransmitWait, exchangeLifetime, nonLifetime: maxTransmitSpan + p.maxLatency };
}
