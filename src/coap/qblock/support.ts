import { emptyBytes } from '../../core/bytes.ts';
import type { Cancel, Env } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Request, Requester } from '../layer.ts';
import { endpointKey, sameAssociation } from '../message/cache-key.ts';
import { Code, Method } from '../message/code.ts';
import { findOption, type Option, OptionNumber, pathOptions, sortOptions } from '../message/option.ts';
import { withQBlock2 } from './option.ts';

export interface SupportOptions {
  /** Peers that are remembered. */
  readonly peers: number;
  /** Milliseconds after which a peer is asked again. */
  readonly lifetime: number;
  /** What the question is about. */
  readonly path: readonly string[];
}

/** What is heard of a probe; `undefined`: nothing that tells. */
type Answered = (supported: boolean | undefined, error?: ProtocolError) => void;

/**
 * Which peers know the Q-Block options. It takes a Confirmable request to find out, since a Non-confirmable one may be rejected in silence.
 *
 * Only a response that bears a Q-Block option shows support: there are servers that overlook critical options, and these would take each payload for a body.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-4.1
 */
export class Support {
  readonly #env: Env;
  readonly #options: SupportOptions;
  readonly #known: ExpiringTable<{ readonly supported: boolean; readonly until: number }>;
  readonly #probes = new Map<string, { readonly waiting: Set<Answered>; cancel: Cancel }>();

  constructor(env: Env, options: SupportOptions) {
    this.#env = env;
    this.#options = options;
    this.#known = new ExpiringTable(env, { lifetime: options.lifetime, entries: options.peers });
  }

  get size(): number {
    return this.#known.size;
  }

  of(request: Request): boolean | undefined {
    const known = this.#known.get(endpointKey(request));
    return known === undefined || known.until <= this.#env.now() ? undefined : known.supported;
  }

  learn(request: Request, supported: boolean): void {
    const key = endpointKey(request);
    this.#known.set(key, key, { supported, until: this.#env.now() + this.#options.lifetime });
  }

  /** Ask the endpoint of a request, once for all who want to know. The answer never comes before this returns. */
  probe(request: Request, next: Requester, answered: Answered): Cancel {
    const key = endpointKey(request);
    let probe = this.#probes.get(key);
    if (probe === undefined) {
      probe = { waiting: new Set(), cancel: () => {} };
      this.#probes.set(key, probe);
      const asked = probe;
      const cancelStart = this.#env.schedule(0, () => {
        asked.cancel = this.#ask(key, request, next, asked.waiting);
      });
      probe.cancel = cancelStart;
    }
    const { waiting } = probe;
    const mine = probe;
    waiting.add(answered);
    return () => {
      if (!waiting.delete(answered) || waiting.size > 0 || this.#probes.get(key) !== mine) return;
      this.#probes.delete(key);
      mine.cancel();
    };
  }

  close(): void {
    for (const { cancel } of this.#probes.values()) cancel();
    this.#probes.clear();
    this.#known.clear();
  }

  /** A GET for the first 16 bytes of a resource that every server has, for the host that the request is for. */
  #ask(key: string, request: Request, next: Requester, waiting: Set<Answered>): Cancel {
    const { nonConfirmable: _, observation: __, ...rest } = request;
    const host = request.options.filter(({ number }) => number === OptionNumber.UriHost || number === OptionNumber.UriPort);
    const options: readonly Option[] = withQBlock2(sortOptions([...host, ...pathOptions(this.#options.path)]), [{ number: 0, more: false, szx: 0 }]);
    const tell = (supported: boolean | undefined, error?: ProtocolError): void => {
      this.#probes.delete(key);
      if (supported !== undefined) this.learn(request, supported);
      for (const answered of [...waiting]) answered(supported, error);
      waiting.clear();
    };
    return attempt(
      next,
      { ...rest, code: Method.GET, options, payload: emptyBytes },
      {
        response: (response) => {
          if (!sameAssociation(request, response)) tell(undefined);
          else if (response.code === Code.BadOption) tell(false);
          else tell(findOption(response.options, OptionNumber.QBlock2) !== undefined);
        },
        error: (error) => tell(undefined, error),
      },
    );
  }
}
