import {
  Code,
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
import { constantTimeEqual, emptyBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { ClientExchange, discardReasons, type ExchangeParts } from './client-exchange.ts';
import { SecurityContext } from './context.ts';
import type { ContextStore } from './context-store.ts';
import type { ContextTable } from './context-table.ts';
import { decodePartialIv } from './cose-object.ts';
import type { OscoreError } from './errors.ts';
import type { DiscardReason, OscoreEvent } from './events.ts';
import { readOscoreOption } from './option.ts';
import { type UnprotectedRequest, unprotectRequest } from './protect.ts';
import { RenewableContext } from './renewable-context.ts';
import { RenewalExchange } from './renewal-exchange.ts';
import { receiveUnknown } from './renewal-server.ts';
import { Sequences } from './sequences.ts';
import { refusals, ServerReply } from './server-reply.ts';

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
  readonly emit?: (event: OscoreEvent) => void;
}

/** Long enough that nobody guesses it; the tag has no more (RFC 9175, Section 5). */
const challengeLength = 8;

/**
 * The OSCORE layer, for both roles.
 *
 * Out: a request whose association is a Security Context, or the input parameters of such (`RenewableContext`), leaves protected, any other as it is. In: a request with the OSCORE option is verified and decrypted,
 * and gets its context as association; one without passes as it is, so who serves it looks at the association.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-8
 */
export function oscore(options: OscoreOptions): Layer & { stats(): Readonly<Record<string, number>> } {
  const { contexts, store, env, emit } = options;
  const sequences = new Sequences({ store, block: Math.max(1, options.block ?? 64), waiting: options.waiting ?? 1024, emit });
  const parts: ExchangeParts = { contexts, sequences, emit, options: optionTable([]), open: 0 };
  contexts.onRemoved((context) => sequences.release(context));

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
        else receive(parts, env, next, header, request, reply);
      };
    },
    stats: () => ({ contexts: contexts.size, sequences: sequences.size, waiting: sequences.waiting, exchanges: parts.open, renewing: contexts.renewing }),
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

/** RFC 8613 §8.2. From the look at the replay window to its move there is no wait. */
function receive(parts: ExchangeParts, env: Env, next: Handler, header: Option, message: Request, reply: Reply): void {
  const option = readOscoreOption(header.value);
  if (typeof option === 'string') {
    refuse(parts, reply, refusals.decode, 'decode', undefined, option);
    return;
  }
  const { kid, partialIv } = option;
  // RFC 8613 §2: without payload the message is malformed; §5: a request has both parameters.
  if (kid === undefined || partialIv === undefined || message.payload.length === 0) {
    refuse(parts, reply, refusals.decode, 'decode', undefined, 'expected a kid, a Partial IV and a payload');
    return;
  }
  const context = parts.contexts.find(kid, option.kidContext) ?? receiveUnknown(parts, env, { ...option, kid }, message, reply);
  if (context === 'answered') return;
  if (context === undefined) {
    refuse(parts, reply, refusals.context, 'context');
    return;
  }
  const { window } = context;
  const sequence = decodePartialIv(partialIv);
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
    challenge(parts, env, context, protectedReply);
    return;
  } else {
    refuse(parts, reply, refusals.replay, 'replay', context);
    return;
  }
  context.verified();
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
function challenge(parts: ExchangeParts, env: Env, context: SecurityContext, reply: ServerReply): void {
  context.challenge ??= env.random(challengeLength);
  parts.emit?.({ type: 'discarded', direction: 'in', reason: 'unverified', context });
  reply.challenge({ code: Code.Unauthorized, options: [opaqueOption(OptionNumber.Echo, context.challenge)], payload: emptyBytes });
}
