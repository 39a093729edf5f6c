import type { Handler, Layer, Option, Reply, Request, Response } from '../coap/index.ts';
import { Code, codeName, formatCode, OptionNumber, readUint } from '../coap/index.ts';
import type { Emit, RefusalReason } from './events.ts';
import { LastingReply } from './lasting-reply.ts';
import type { RefusalHints } from './refusal-hints.ts';
import { decide, type Target, type Targets } from './targets.ts';
import type { TokenTable } from './token-table.ts';

export interface GuardOptions {
  /** Those of the moment. */
  readonly targets: () => Targets;
  readonly tokens: TokenTable;
  /** Those of the moment. */
  readonly hints: () => RefusalHints;
  /** Looks at each upload to authz-info, block by block; an answer refuses it. */
  admit(request: Request): { readonly response: Response; readonly reason: RefusalReason } | undefined;
  readonly emit: Emit | undefined;
}

/**
 * Decides about every request before anything of it is kept: it stands directly above the layers of the profiles, so it sees each block of a body by itself,
 * and below the block-wise layer, so a body that nobody may send is refused at its first block.
 *
 * Without a valid token all paths look alike: one that does not exist is answered as one that is protected.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.10.2
 */
export function guard(options: GuardOptions): Layer {
  return {
    name: 'rs-guard',
    outbound: (next) => next,
    inbound: (next) => {
      const door = new Door(options, next);
      return (request, reply) => door.receive(request, reply);
    },
  };
}

class Door {
  readonly #options: GuardOptions;
  readonly #next: Handler;
  readonly #public = new Set<LastingReply>();

  constructor(options: GuardOptions, next: Handler) {
    this.#options = options;
    this.#next = next;
  }

  receive(request: Request, reply: Reply): void {
    const target = this.#options.targets().of(request.options);
    if (target.kind === 'authz-info') this.#upload(request, reply, target);
    else if (target.kind === 'public') this.#serve(request, this.#whilePublic(request, reply, target), target, 'public');
    else this.#protect(request, reply, target);
  }

  #upload(request: Request, reply: Reply, target: Target): void {
    const refusal = this.#options.admit(request);
    if (refusal === undefined) this.#serve(request, reply, target, 'authz-info');
    else this.#refuse(request, reply, target, refusal.reason, refusal.response);
  }

  /** What is public now need not be for as long as somebody observes it. */
  #whilePublic(request: Request, reply: Reply, target: Target): Reply {
    if (!isRegistration(request.options)) return reply;
    const isAuthorized = (): boolean => this.#options.targets().of(request.options).kind === 'public';
    return new LastingReply(reply, this.#public, { target, method: request.code, association: request.association, isObservation: true, isAuthorized });
  }

  #protect(request: Request, reply: Reply, target: Target): void {
    const { tokens, hints } = this.#options;
    const { association } = request;
    const binding = association === undefined ? undefined : tokens.authorize(association);
    if (association === undefined || binding === undefined) {
      const reason = association === undefined ? 'unprotected' : 'no-token';
      this.#refuse(request, reply, target, reason, hints().respond(Code.Unauthorized, target, request.code));
      return;
    }
    const verdict = decide(target, binding.token.permissions, request.code);
    if (verdict !== 'permit') {
      const code = verdict === 'path' ? Code.Forbidden : Code.MethodNotAllowed;
      this.#refuse(request, reply, target, verdict, hints().respond(code, target, request.code));
      return;
    }
    const isObservation = isRegistration(request.options);
    const isAuthorized = (): boolean => tokens.isValid(binding.token);
    const answers = new LastingReply(reply, binding.lasting, { target, method: request.code, association, isObservation, isAuthorized });
    this.#serve(request, answers, target, 'permitted');
  }

  #serve(request: Request, reply: Reply, target: Target, reason: 'permitted' | 'public' | 'authz-info'): void {
    this.#options.emit?.({ type: 'request-served', reason, path: target.local, ...about(request) });
    this.#next(request, reply);
  }

  #refuse(request: Request, reply: Reply, target: Target, reason: RefusalReason, response: Response): void {
    this.#options.emit?.({ type: 'request-refused', reason, path: target.local, code: formatCode(response.code), ...about(request) });
    reply.respond(response);
  }
}

function about(request: Request): { readonly method: string; readonly peer: string; readonly credential?: string } {
  const credential = request.association?.credential;
  return { method: codeName(request.code), peer: request.peer.key, ...(credential === undefined ? {} : { credential }) };
}

/** Observe = 0 (RFC 7641, Section 2). */
function isRegistration(options: readonly Option[]): boolean {
  for (const { number, value } of options) {
    if (number > OptionNumber.Observe) return false;
    if (number === OptionNumber.Observe) return value.length <= 3 && readUint(value) === 0;
  }
  return false;
}
