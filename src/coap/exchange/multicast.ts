import { Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Peer, Reply, Request, Response } from '../layer.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { isUnwanted } from '../message/no-response.ts';
import { findOption, OptionNumber, readUint } from '../message/option.ts';
import type { MessageLayer } from '../messaging/message-layer.ts';
import { copyOf, type IncomingExchange } from './reply.ts';

/** "All CoAP Nodes" (RFC 7252, Section 12.8). The IPv6 addresses need a zone on a host with more than one interface. */
export const allCoapNodes = { ipv4: '224.0.1.187', ipv6LinkLocal: 'ff02::fd', ipv6SiteLocal: 'ff05::fd' } as const;

/** How requests to a group are answered (RFC 7252, Section 8.2). */
export interface MulticastOptions {
  /** Milliseconds within which a response to a group request leaves, at random. Default: DEFAULT_LEISURE. */
  readonly leisure?: number;
  /**
   * Which responses to group requests are not sent, unless the request says so by No-Response. Default: errors, and a 2.05 without payload, as a discovery gives
   * whose filter nothing matches.
   */
  suppress?(request: Request, response: Response): boolean;
}

function isUseless(_request: Request, response: Response): boolean {
  return codeClass(response.code) !== 2 || (response.code === Code.Content && response.payload.length === 0);
}

/**
 * Answers to requests that came by multicast: suppressed, or sent at a random time within the leisure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-8.2
 */
export class GroupReplies {
  readonly #messaging: MessageLayer;
  readonly #leisure: number;
  readonly #suppress: (request: Request, response: Response) => boolean;
  readonly #failed: (peer: Peer, error: unknown) => void;
  /** When the current period of each group ends. Groups are those that the transport joined, so they are few. */
  readonly #periods: Map<string, number> = new Map();

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(messaging: MessageLayer, options: MulticastOptions, failed: (peer: Peer, error: unknown) => void) {
    const leisure = options.leisure ?? messaging.parameters.defaultLeisure;
    if (!(leisure >= 0)) throw new CoapError('ERR_COAP_PARAMETER', `expected leisure to be a number of at least 0, got ${leisure}`);
    this.#messaging = messaging;
    this.#failed = failed;
    this.#leisure = leisure;
    this.#suppress = (request, response) => options.suppress?.(request, response) ?? isUseless(request, response);
  }

  /** The reply that a handler gets in place of `inner`. */
  reply(inner: IncomingExchange, request: Request): Reply {
    let task: Task | undefined;
    const respond = (response: Response): void => {
      if (inner.closed || task !== undefined) return;
      const delay = this.#isSuppressed(request, response) ? undefined : this.#delay(request.group!);
      if (delay === undefined) {
        inner.silence();
        return;
      }
      // The bytes are borrowed, and leave later.
      const copy = copyOf(response);
      task = new Task(() => inner.respond(copy));
      this.#messaging.deadlines.set(task, delay);
      inner.onCancel(() => this.#messaging.deadlines.clear(task!));
    };
    return {
      respond,
      notify: respond,
      onCancel: (cancelled) => inner.onCancel(cancelled),
      get room() {
        return inner.room;
      },
      shown: () => inner.shown(),
      acknowledge: () => inner.acknowledge(),
      dismiss: () => inner.dismiss(),
    };
  }

  #isSuppressed(request: Request, response: Response): boolean {
    if (response.suppress === true) return true;
    // RFC 7967 §2.1: the option overrides what a server would do by itself, in both directions.
    const wish = findOption(request.options, OptionNumber.NoResponse);
    if (wish !== undefined && findOption(request.options, OptionNumber.Oscore) === undefined) return isUnwanted(readUint(wish.value), response.code);
    try {
      return this.#suppress(request, response);
    } catch (error) {
      this.#failed(request.peer, error);
      return true;
    }
  }

  /**
   * A random time within the next leisure period of the group: periods follow each other. `undefined`: so many responses wait that the client would not wait for
   * this one, as when somebody asks again and again.
   */
  #delay(group: string): number | undefined {
    const { deadlines, parameters, random } = this.#messaging;
    const now = deadlines.now;
    const start = Math.max(now, this.#periods.get(group) ?? now);
    if (start - now > parameters.maxLatency) return undefined;
    this.#periods.set(group, start + this.#leisure);
    return start - now + random.fraction() * this.#leisure;
  }
}

/**
 * Refuse what must not go to a group.
 *
 * @throws {CoapError} `ERR_COAP_MULTICAST` for an ETag (RFC 7252, Section 8.2.1), Observe (RFC 7390, Section 2.10), or a peer that is no group
 */
export function checkGroupRequest(request: Request): void {
  if (request.peer.group !== true) throw new CoapError('ERR_COAP_MULTICAST', `expected a group, got the endpoint ${request.peer.address}`);
  if (request.code === Method.GET && findOption(request.options, OptionNumber.ETag) !== undefined)
    throw new CoapError('ERR_COAP_MULTICAST', 'expected a GET to a group without an ETag, got one');
  if (findOption(request.options, OptionNumber.Observe) !== undefined)
    throw new CoapError('ERR_COAP_MULTICAST', 'expected a request to a group without Observe, got one');
}
