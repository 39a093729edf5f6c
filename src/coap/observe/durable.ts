import { equalBytes, toHex } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import { digest } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import { ProtocolError } from '../../core/errors.ts';
import { Code, codeClass, formatCode } from '../message/code.ts';
import { findOption, type Option, OptionNumber, readUint, uintOf } from '../message/option.ts';
import { unverifiedResponse } from './client.ts';

/**
 * Where observations outlive their process: a port, made from a `Store` by whoever has one.
 *
 * Who comes back reads what was saved last under a name, also after `kill -9`.
 */
export interface ObservationStore {
  /** `undefined`: nothing was saved under the name. */
  load(name: string): Promise<Uint8Array | undefined>;
  /** Durable once it is fulfilled. */
  save(name: string, state: Uint8Array): Promise<void>;
}

/** A registration ended, and another one follows. `reason` is for people and holds no secret. */
export interface ObservationEvent {
  readonly type: 'observation';
  readonly name: string;
  /** Milliseconds until then. */
  readonly delay: number;
  readonly reason: string;
}

/** What a response says of the state of its resource. */
export interface Representation {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** An observation that outlives its process: what is kept, and how it is registered again. */
export interface DurableOptions<T extends Representation> {
  readonly store: ObservationStore;
  /** One loop at a time goes by it. */
  readonly name: string;
  /** What is observed: what the store has of another target under this name does not count. */
  readonly target: Uint8Array;
  readonly env: Env;
  /** Register, and give what comes until the registration ends. It heeds the signal, and fails for good once its endpoint is closed. */
  register(): AsyncIterable<T>;
  /** An abort ends a pause. */
  readonly signal?: AbortSignal | undefined;
  /** Whether an error response is of the server and of nobody else; what anybody may have sent ends nothing, and its Max-Age does not count. Absent: each is. */
  vouched?(response: T): boolean;
  /** Whether an error of whoever registers may be over later. Absent: those of network and protection alone. */
  passes?(error: ProtocolError): boolean;
  /** Hears of registrations that failed and of pauses. */
  emit(event: ObservationEvent): void;
}

/** RFC 7641, Section 3.3.1: seconds before it registers again, a random time between these. Each failure in a row doubles it. */
const pause = { least: 5, most: 15 };
const mostDoublings = 5;
/** Seconds; whatever Max-Age says. */
const longestPause = 3600;
/** Seconds that a response without Max-Age is fresh (RFC 7252, Section 5.10.5). */
const defaultMaxAge = 60;

/** What networks and busy machines do, and a response that does not verify. */
const passing: ReadonlySet<string> = new Set([
  'ERR_COAP_TIMEOUT',
  'ERR_COAP_RESET',
  'ERR_COAP_BUSY',
  'ERR_COAP_HOLD_OFF',
  'ERR_COAP_CONNECTION',
  'ERR_COAP_SESSION',
  unverifiedResponse,
]);

/**
 * An observation that outlives its registration, its server and this process: after a restart the client registers again, and the loop goes on where it stood.
 *
 * The loop gets each representation once, until another comes. One counts as processed when the loop asks for the next, and is then saved before anything else
 * happens. After a restart the representation of that moment comes, unless it is the one that was saved. An older one cannot come over OSCORE: the answer to a
 * registration is made after the request (RFC 8613, Section 7.3); notifications of an earlier registration do not verify, since the Partial IV of its request
 * is authenticated with them (Section 5.4); and those of this one are in order (Section 7.4.1).
 *
 * It registers again when the server cannot be reached, is in trouble (class 5, 4.29) or takes no registration: after Max-Age and a random time that grows with
 * each failure, never at once (Section 8.4.2). Errors of class 4, and those that do not pass, are given to the loop and end it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#appendix-B.1.3
 */
export async function* observeDurably<T extends Representation>(options: DurableOptions<T>): AsyncGenerator<T, undefined, undefined> {
  const { store, name, target, env, signal } = options;
  const kept = decodeState(await store.load(name));
  let processed = kept !== undefined && equalBytes(kept.target, target) ? kept.processed : undefined;
  if (processed === undefined) await store.save(name, encodeState({ target, processed: nothing }));
  let failures = 0;
  for (;;) {
    const end: RegistrationEnd<T> = { response: undefined, error: undefined };
    for await (const response of registration(options, end)) {
      failures = 0;
      const representation = representationKey(response);
      if (representation === processed) continue;
      yield response;
      await store.save(name, encodeState({ target, processed: representation }));
      processed = representation;
    }
    const { response, error } = end;
    const vouched = response !== undefined && isVouched(response, options) ? response : undefined;
    if (vouched !== undefined && isFinal(vouched)) {
      yield vouched;
      return undefined;
    }
    const delay = pauseAfter(vouched, failures, env);
    if (response === undefined || codeClass(response.code) !== 2) failures++;
    options.emit({
      type: 'observation',
      name,
      delay,
      reason: error?.message ?? `ended with ${response === undefined ? 'no answer' : formatCode(response.code)}`,
    });
    await rest(delay, env, signal);
  }
}

/** Of the state that was saved: what is observed. `undefined`: the bytes are no such state. */
export function observedTarget(state: Uint8Array): Uint8Array | undefined {
  return decodeState(state)?.target;
}

/** How a registration ended: by a response that is no notification, or an error that may pass; by neither, it was given up. */
interface RegistrationEnd<T> {
  response: T | undefined;
  error: ProtocolError | undefined;
}

/** The representations that come while it lasts. */
async function* registration<T extends Representation>(options: DurableOptions<T>, end: RegistrationEnd<T>): AsyncGenerator<T, void, undefined> {
  try {
    for await (const response of options.register()) {
      const success = codeClass(response.code) === 2;
      if (!success || findOption(response.options, OptionNumber.Observe) === undefined) end.response = response;
      if (success) yield response;
    }
  } catch (error) {
    if (!mayPass(error, options)) throw error;
    end.error = error;
  }
}

/** Whether the network is to blame, perhaps inside another error. */
function mayPass<T extends Representation>(error: unknown, options: DurableOptions<T>): error is ProtocolError {
  if (!(error instanceof ProtocolError)) return false;
  for (let cause: unknown = error; cause instanceof ProtocolError; cause = cause.cause) if (passing.has(cause.code)) return true;
  return options.passes?.(error) === true;
}

function isVouched<T extends Representation>(response: T, options: DurableOptions<T>): boolean {
  return codeClass(response.code) === 2 || options.vouched?.(response) !== false;
}

function isFinal({ code, options }: Representation): boolean {
  if (codeClass(code) === 2 || code === Code.TooManyRequests) return false;
  // A server that starts again while it is shown an Echo wants to see another.
  if (code === Code.Unauthorized && findOption(options, OptionNumber.Echo) !== undefined) return false;
  return codeClass(code) === 4 || code === Code.NotImplemented || code === Code.ProxyingNotSupported;
}

/** Milliseconds. */
function pauseAfter(response: Representation | undefined, failures: number, env: Env): number {
  const freshFor = response === undefined ? 0 : (uintOf(response.options, OptionNumber.MaxAge) ?? defaultMaxAge);
  const chosen = pause.least + (env.random(1)[0]! / 256) * (pause.most - pause.least);
  return 1000 * Math.min(longestPause, freshFor + chosen * 2 ** Math.min(failures, mostDoublings));
}

/** Wait; the signal cuts it short. */
function rest(delay: number, env: Env, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = env.schedule(delay, done);
    if (signal?.aborted === true) done();
    else signal?.addEventListener('abort', done);
  });
}

/** No representation was processed yet. */
const nothing: string = '';

/** Equal for equal representations. An ETag may begin anew with its server, so the bytes decide; 2.03 has nothing else. */
function representationKey({ code, options, payload }: Representation): string {
  const format = findOption(options, OptionNumber.ContentFormat);
  const content = code === Code.Valid ? (findOption(options, OptionNumber.ETag)?.value ?? payload) : payload;
  return toHex(digest('sha256', encode([code, format === undefined ? null : readUint(format.value), content])).subarray(0, 16));
}

/** The layout of what is saved. */
const version = 1;

interface State {
  readonly target: Uint8Array;
  /** `representationKey` of what was processed last, or `nothing`. */
  readonly processed: string;
}

function encodeState({ target, processed }: State): Uint8Array {
  return encode([version, target, processed]);
}

function decodeState(bytes: Uint8Array | undefined): State | undefined {
  if (bytes === undefined) return undefined;
  try {
    const value = decode(bytes);
    if (!Array.isArray(value) || value[0] !== version) return undefined;
    const [, target, processed] = value as readonly unknown[];
    return target instanceof Uint8Array && typeof processed === 'string' ? { target, processed } : undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
