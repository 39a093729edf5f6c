import {
  Code,
  copyOptions,
  findOption,
  type Handler,
  type Layer,
  noResponseOf,
  type Option,
  OptionNumber,
  type OptionTable,
  opaqueOption,
  optionTable,
  type Reply,
  type Request,
  type Requester,
  type Response,
  recogniseOptions,
  uintOf,
  withoutOptions,
} from '../coap/index.ts';
import { checkBounds } from '../core/bounds.ts';
import { constantTimeEqual, emptyBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { Roster } from '../core/roster.ts';
import { ClientExchange, discardReasons, type ExchangeParts } from './client-exchange.ts';
import { SecurityContext } from './context.ts';
import type { ContextStore } from './context-store.ts';
import type { ContextTable } from './context-table.ts';
import { decodePartialIv } from './cose-object.ts';
import { longestId } from './derive.ts';
import { type OscoreError, wrongLimit } from './errors.ts';
import type { DiscardReason, OscoreEvent } from './events.ts';
import { type ContextLeases, LeaseGate, type RequestForLease } from './leases.ts';
import { type LookupLimits, Lookups, type Refusal } from './lookup.ts';
import { decodeOscoreOption, type OscoreOption, readOscoreOption } from './option.ts';
import { type UnprotectedRequest, unprotectRequest } from './protect.ts';
import { RenewableContext } from './renewable-context.ts';
import { RenewalExchange } from './renewal-exchange.ts';
import { receiveUnknown } from './renewal-server.ts';
import { Sequences } from './sequences.ts';
import { refusals, ServerReply } from './server-reply.ts';

/** Contexts, where their numbers are reserved, and what waits. */
export interface OscoreOptions {
  readonly contexts: ContextTable;
  readonly store: ContextStore;
  readonly env: Env;
  /**
   * Sender sequence numbers per durable reservation. Default: 64.
   *
   * Where several processes use one Sender Key at the same time, give 1: blocks that lie beside each other make numbers arrive out of order, past the peer's
   * replay window, and the lower limit that a peer restores after a restart (Appendix B.1.2) counts on numbers that rise with time.
   */
  readonly block?: number;
  /** How many messages of one Sender Key may wait for a number. Default: 1,024. */
  readonly waiting?: number;
  /** A `running-out` event tells when fewer sender sequence numbers than this remain for a Sender Key. Default: 2^32, a 256th of all. */
  readonly warnBelow?: number;
  /** What may wait while contexts are looked up (`ContextStore.load`). */
  readonly lookups?: LookupLimits;
  /** Where several processes serve contexts that they share. Absent: this process alone serves those of the table. */
  readonly leases?: ContextLeases;
  /** Hears of messages that were refused and why, of sequence numbers that run out, and of messages as they were before and after protection. */
  readonly emit?: (event: OscoreEvent) => void;
}

/** What requests share that arrive at one layer. */
interface ReceiverParts extends ExchangeParts {
  readonly env: Env;
  /** Absent: the table has all contexts. */
  readonly lookups: Lookups | undefined;
  /** Absent: all contexts of the table are this process's to serve. */
  readonly gate: LeaseGate | undefined;
}

/** Long enough that nobody guesses it; the tag has no more (RFC 9175, Section 5). */
const challengeLength = 8;

/**
 * The OSCORE layer, for both roles.
 *
 * Out: a request whose association is a Security Context, or the input parameters of one (`RenewableContext`), leaves protected, any other as it is. In: a
 * request with the OSCORE option is verified and decrypted, and gets its context as association; one without passes as it is, so who serves it looks at the
 * association.
 *
 * @throws {OscoreError} `ERR_OSCORE_PARAMETERS` for a limit that limits nothing
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-8
 */
export function oscore(options: OscoreOptions): Layer & {
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
} {
  const { contexts, store, env, block = 64, waiting = 1024, warnBelow = 2 ** 32, emit } = options;
  checkBounds({ block, waiting, warnBelow }, wrongLimit('sequence numbers'));
  const sequences = new Sequences({ store, block: Math.max(1, block), waiting, warnBelow, emit });
  const lookups = store.load === undefined ? undefined : new Lookups({ store, contexts, env, limits: options.lookups ?? {}, emit });
  const gate = options.leases === undefined ? undefined : new LeaseGate({ leases: options.leases, contexts, env, emit });
  const parts: ReceiverParts = { contexts, sequences, emit, options: optionTable([]), open: new Roster(), env, lookups, gate };
  contexts.onRemoved((context) => {
    sequences.release(context);
    for (const exchange of parts.open.all()) exchange.release(context);
  });

  return {
    name: 'oscore',
    understands: [OptionNumber.Oscore],
    outbound: (next: Requester, understood: readonly number[] = []): Requester => {
      parts.options = innerOptions(understood);
      return (request, listener) => {
        const { association } = request;
        if (association instanceof SecurityContext) return new ClientExchange(parts, next, request, association, listener).start();
        if (association instanceof RenewableContext) return new RenewalExchange(parts, env, next, request, association, listener).start();
        return next(request, listener);
      };
    },
    inbound: (next: Handler, understood: readonly number[] = []): Handler => {
      parts.options = innerOptions(understood);
      return (request, reply) => {
        const header = findOption(request.options, OptionNumber.Oscore);
        if (header === undefined) next(request, reply);
        else receive(parts, next, header, request, reply);
      };
    },
    stats: () => ({
      contexts: contexts.size,
      sequences: sequences.size,
      waiting: sequences.waiting,
      exchanges: parts.open.size,
      ...(contexts.renewing === undefined ? {} : { renewing: contexts.renewing }),
      ...lookups?.stats(),
      ...(gate === undefined ? {} : { leaseRequests: gate.waiting }),
    }),
  };
}

/** RFC 8613 §4.1.3.7: OSCORE does not nest, so the option is not understood as an Inner one. */
function innerOptions(understood: readonly number[]): OptionTable {
  return optionTable(understood.filter((number) => number !== OptionNumber.Oscore));
}

function refuse(parts: ExchangeParts, reply: Reply, refusal: Response, reason: DiscardReason, context?: SecurityContext, detail?: string): void {
  if (parts.emit !== undefined) {
    const event: OscoreEvent = { type: 'discarded', direction: 'in', reason };
    parts.emit({ ...event, ...(context === undefined ? {} : { context }), ...(detail === undefined ? {} : { detail }) });
  }
  reply.respond(refusal);
}

const badInnerOption: Response = { code: Code.BadOption, options: [], payload: emptyBytes };

/** RFC 8613 §8.2, step 2. */
function receive(parts: ReceiverParts, next: Handler, header: Option, message: Request, reply: Reply): void {
  const option = readOscoreOption(header.value);
  if (typeof option === 'string') {
    refuse(parts, reply, refusals.decode, 'decode', undefined, option);
    return;
  }
  // RFC 8613 §2: without payload the message is malformed.
  if (!isOfRequest(option) || message.payload.length === 0) {
    refuse(parts, reply, refusals.decode, 'decode', undefined, 'expected a kid, a Partial IV and a payload');
    return;
  }
  const { lookups } = parts;
  const context = parts.contexts.find(option.kid, option.kidContext);
  const renewed = context === undefined ? receiveUnknown(parts, parts.env, option, message, reply) : undefined;
  if (renewed === 'answered') return;
  if (renewed !== undefined) {
    serve(parts, next, message, option, renewed, reply);
    return;
  }
  // RFC 8613 §3.3: nobody has a longer ID, so there is nothing to look up.
  const mayWait = lookups !== undefined && option.kid.length <= longestId;
  if (mayWait && (context === undefined || lookups.hasWaiting(option.kid))) lookups.receive(new Arrival(parts, next, message, option, reply));
  else if (context === undefined) refuse(parts, reply, refusals.context, 'context');
  else serve(parts, next, message, option, context, reply);
}

/** Process a request, once it is known that its context is this process's to serve. */
function serve(parts: ReceiverParts, next: Handler, message: Request, option: RequestOption, context: SecurityContext, reply: Reply): void {
  if (parts.gate === undefined) process(parts, next, message, option, context, reply);
  else parts.gate.enter(context, new Arrival(parts, next, message, option, reply, true));
}

/** RFC 8613 §5: a request has both parameters. */
interface RequestOption extends OscoreOption {
  readonly kid: Uint8Array;
  readonly partialIv: Uint8Array;
}

function isOfRequest(option: OscoreOption): option is RequestOption {
  return option.kid !== undefined && option.partialIv !== undefined;
}

/** What a request that waits takes beside its options and payload. */
const requestOverhead = 512;
const optionOverhead = 64;

/** A request whose context is looked up, or is not known to be this process's to serve. */
class Arrival implements RequestForLease {
  readonly #parts: ReceiverParts;
  readonly #next: Handler;
  #message: Request;
  #option: RequestOption;
  readonly #reply: Reply;
  /** Whether nothing but the lease is waited for. */
  #found: boolean;
  #kept = false;
  readonly size: number;

  constructor(parts: ReceiverParts, next: Handler, message: Request, option: RequestOption, reply: Reply, found = false) {
    this.#found = found;
    this.#parts = parts;
    this.#next = next;
    this.#message = message;
    this.#option = option;
    this.#reply = reply;
    let size = requestOverhead + message.payload.length;
    for (const { value } of message.options) size += optionOverhead + value.length;
    this.size = size;
  }

  get kid(): Uint8Array {
    return this.#option.kid;
  }

  get kidContext(): Uint8Array | undefined {
    return this.#option.kidContext;
  }

  keep(leave: () => void): void {
    this.#reply.onCancel(leave);
    if (this.#kept) return;
    this.#kept = true;
    const options = copyOptions(this.#message.options);
    this.#message = { ...this.#message, options, payload: this.#message.payload.slice() };
    this.#option = decodeOscoreOption(findOption(options, OptionNumber.Oscore)!.value) as RequestOption;
  }

  verifies(context: SecurityContext): boolean {
    try {
      unprotectRequest(this.#message, this.#option, context);
      return true;
    } catch {
      return false;
    }
  }

  process(context: SecurityContext): void {
    const { gate } = this.#parts;
    if (gate !== undefined && !this.#found) {
      this.#found = true;
      gate.enter(context, this);
      return;
    }
    process(this.#parts, this.#next, this.#message, this.#option, context, this.#reply);
  }

  refuse(refusal: Refusal, detail?: string): void {
    refuse(this.#parts, this.#reply, refusal === 'context' ? refusals.context : refusals.unavailable, refusal, undefined, detail);
  }
}

/** RFC 8613 §8.2, from step 3 on. From the look at the replay window to its move there is no wait. */
function process(parts: ReceiverParts, next: Handler, message: Request, option: RequestOption, context: SecurityContext, reply: Reply): void {
  const { window } = context;
  const sequence = decodePartialIv(option.partialIv);
  // Below the lower limit of a restored window only a request that shows the challenge is new: it was made after the restart.
  const needsEcho = context.unverified || !window.accepts(sequence);
  if (needsEcho && !window.accepts(sequence, true)) {
    refuse(parts, reply, refusals.replay, 'replay', context);
    return;
  }
  let received: UnprotectedRequest;
  try {
    received = unprotectRequest(message, option, context);
  } catch (error) {
    const reason = discardReasons.get((error as OscoreError).code) ?? 'plaintext';
    refuse(parts, reply, reason === 'decode' ? refusals.decode : refusals.decrypt, reason, context);
    return;
  }
  const { request, binding } = received;
  const protectedReply = new ServerReply(parts, reply, context, binding);
  if (!needsEcho) window.commit(sequence);
  else if (showsChallenge(context, request.options)) restore(parts, context, sequence);
  else if (context.unverified) {
    challenge(parts, context, protectedReply);
    return;
  } else {
    refuse(parts, reply, refusals.replay, 'replay', context);
    return;
  }
  context.verified();
  parts.contexts.use(context);
  parts.emit?.({ type: 'unprotected', direction: 'in', context, inner: request });
  // RFC 7252 §5.4 for the Inner options, which no layer below can see. An OSCORE option among them would nest (RFC 8613 §4.1.3.7).
  const { bad, options } = recogniseOptions(request.options, parts.options);
  if (bad !== undefined || findOption(options, OptionNumber.Oscore) !== undefined) protectedReply.respond(badInnerOption);
  else {
    protectedReply.noResponse = noResponseOf(options);
    // RFC 7967 §2.1: who wants no success wants no notifications.
    const kept = (protectedReply.noResponse & 2) !== 0 && uintOf(options, OptionNumber.Observe) === 0 ? withoutOptions(options, OptionNumber.Observe) : options;
    next(kept === request.options ? request : { ...request, options: kept }, protectedReply);
  }
}

function showsChallenge(context: SecurityContext, options: readonly Option[]): boolean {
  const echo = findOption(options, OptionNumber.Echo);
  return echo !== undefined && context.challenge !== undefined && constantTimeEqual(echo.value, context.challenge);
}

/** The first request that shows the challenge sets the lower limit; those that were challenged beside it are taken for what they are: new. */
function restore(parts: ExchangeParts, context: SecurityContext, sequence: number): void {
  if (!context.unverified) {
    context.window.commit(sequence);
    return;
  }
  context.window.restore(sequence);
  context.unverified = false;
  parts.emit?.({ type: 'restored', context });
}

/**
 * RFC 8613 Appendix B.1.2: a protected 4.01 that has a Partial IV of its own, the Echo option and nothing else.
 *
 * All requests up to the first that shows it get the same value, so that several clients which use one context do not void each other's. It need not expire: it
 * proves that a request was made after this context was, which is all that is asked.
 */
function challenge(parts: ReceiverParts, context: SecurityContext, reply: ServerReply): void {
  context.challenge ??= parts.env.random(challengeLength);
  parts.emit?.({ type: 'discarded', direction: 'in', reason: 'unverified', context });
  reply.challenge({ code: Code.Unauthorized, options: [opaqueOption(OptionNumber.Echo, context.challenge)], payload: emptyBytes });
}
