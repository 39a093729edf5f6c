import { Code, type Reply, type Request, type Response } from '../coap/index.ts';
import { concat, emptyBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import type { ExchangeParts } from './client-exchange.ts';
import type { SecurityContext } from './context.ts';
import { decodeExchangedId, encodeExchangedId, shortestNonce, withOscoreOption } from './exchanged-ids.ts';
import type { OscoreOption } from './option.ts';
import { protectResponse, unprotectRequest } from './protect.ts';
import type { RenewableContext } from './renewable-context.ts';
import { refusals } from './server-reply.ts';

/**
 * The server's part of RFC 8613, Appendix B.2: a request whose kid and kid context no context of the table has, though its kid is known.
 *
 * The result is the context to verify it with, when it is a request #2; `answered`, when it was a request #1 and response #1 is on its way; or nothing.
 *
 * Nothing is kept of a request #1, however often it comes: R2 is recognised by its HMAC, the first two contexts are derived and forgotten, and the context in
 * use stays until a request #2 verifies. A replay gets one response, of about the size of the request. No key and nonce are used twice: the key of response #1
 * is new with R2 and protects that one message; and the Sender Key of a third context is used again after a restart only where its owner gives it back as the
 * `current` one, whose numbers are counted by the `ContextStore` and whose window is to be restored by Echo. A request #2 from before the restart, or from
 * before another run was completed, has an R2 that is not recognised, so that it is a request #1 under an ID that the server has lost.
 */
export function receiveUnknown(
  parts: ExchangeParts,
  env: Env,
  option: OscoreOption & { readonly kid: Uint8Array },
  message: Request,
  reply: Reply,
): SecurityContext | 'answered' | undefined {
  const { contexts, emit } = parts;
  const { kid, kidContext } = option;
  const renewable = contexts.renewable(kid);
  if (renewable === undefined) return undefined;
  const id = kidContext === undefined ? undefined : decodeExchangedId(kidContext);
  if (id !== undefined) {
    // Request #2 again: the replay window decides.
    const known = contexts.find(kid, id);
    if (known !== undefined && renewable.contexts.includes(known)) return known;
    if (renewable.recognises(id, env)) {
      if (!renewable.hasRoom(contexts)) {
        reply.respond(refusals.unavailable);
        return 'answered';
      }
      return deriveThird(parts, renewable, id);
    }
  }
  // An established ID Context comes as it is, one of the procedure as a byte string; by chance an established one may look like a byte string.
  const candidates: (Uint8Array | undefined)[] = id !== undefined && id.length >= shortestNonce ? [id, kidContext] : [kidContext];
  for (const idContext of candidates) {
    const response = composeResponse1(renewable, idContext, option, message, env);
    if (response === undefined) continue;
    emit?.({ type: 'renewing', role: 'server', step: 'response-1', renewable });
    reply.respond(response);
    return 'answered';
  }
  return undefined;
}

/** Step 2: response #1, if the request verifies under the ID. */
function composeResponse1(
  renewable: RenewableContext,
  idContext: Uint8Array | undefined,
  option: OscoreOption,
  message: Request,
  env: Env,
): Response | undefined {
  const { partialIv } = option;
  if (partialIv === undefined) return undefined;
  try {
    const first = renewable.derive(idContext);
    unprotectRequest(message, option, first);
    const r2 = renewable.makeR2(env);
    const second = renewable.derive(concat(r2, idContext ?? emptyBytes));
    // §5.2: the nonce from the request, as it stands.
    const binding = { aad: second.recipient.aad(partialIv), nonce: first.recipient.nonce(partialIv) };
    const response = protectResponse({ code: Code.Unauthorized, options: [], payload: emptyBytes }, second, binding);
    return withOscoreOption(response, { kidContext: encodeExchangedId(r2) });
  } catch {
    // It does not verify, or its ID leaves no room for R2.
    return undefined;
  }
}

/** Step 4. The context replaces the one in use once the request has verified. */
function deriveThird(parts: ExchangeParts, renewable: RenewableContext, id3: Uint8Array): SecurityContext | undefined {
  const onVerified = (): void => {
    renewable.establish(parts.contexts, third, 'server');
    parts.emit?.({ type: 'renewed', role: 'server', renewable, context: third });
  };
  let third: SecurityContext;
  try {
    third = renewable.derive(id3, { onVerified });
  } catch {
    return undefined;
  }
  return third;
}
