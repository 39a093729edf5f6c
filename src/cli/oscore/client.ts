import { Code, echo, type Layer, Method, type Request, type Response, type ResponseListener, type SecurityAssociation } from '../../coap/index.ts';
import { equalBytes, utf8 } from '../../core/bytes.ts';
import { type Cancel, systemEnv } from '../../core/env.ts';
import type { OscoreEvent } from '../../oscore/index.ts';
import { err } from '../terminal.ts';
import type { Tracer } from '../trace.ts';
import { OpenContexts } from './contexts.ts';

/** What an endpoint needs to protect the requests of one command. */
export interface ClientProtection {
  readonly association: SecurityAssociation;
  readonly layers: readonly Layer[];
  /** Exchanges that are open, those among them that wait for a sequence number and have not left yet. */
  pending(): number;
  close(): Promise<void>;
}

function show(event: OscoreEvent, tracer: Tracer | undefined): void {
  if (event.type === 'running-out') console.error(err('yellow', `only ${event.remaining} sequence numbers remain: it is time for a new context`));
  if (tracer === undefined) return;
  if (event.type === 'protected' || event.type === 'unprotected') tracer.inner(event.direction, event.inner);
  else if (event.type === 'discarded') console.error(`    ${err('dim', `OSCORE: a ${event.detail ?? 'message'} was dropped (${event.reason})`)}`);
}

/** How often a request gets a new number. */
const repetitions = 2;
const replayDetected = utf8('Replay detected');

function isReplayRefusal({ association, code, payload }: Response): boolean {
  return association === undefined && code === Code.Unauthorized && equalBytes(payload, replayDetected);
}

/**
 * Sends what was refused as a replay once more, with a new number: of commands that run at once, one may be overtaken until its number is too old, or while a
 * server restores its window. The refusal is not protected, so that only what may be carried out twice is sent again.
 */
function newNumbers(): Layer {
  const repeatable = ({ association, code }: Request): boolean => association !== undefined && code !== Method.POST && code !== Method.PATCH;
  return {
    name: 'new numbers',
    inbound: (next) => next,
    outbound: (next) => (request, listener) => {
      if (!repeatable(request)) return next(request, listener);
      let sent = 0;
      let cancel: Cancel | undefined;
      const again: ResponseListener = {
        response: (response, last) => {
          if (last && isReplayRefusal(response) && sent <= repetitions) send();
          else listener.response(response, last);
        },
        error: (error) => listener.error(error),
        acknowledged: () => listener.acknowledged?.(),
      };
      const send = (): void => {
        const mine = ++sent;
        const stop = next(request, again);
        // An answer that came at once has sent the next one.
        if (mine === sent) cancel = stop;
      };
      send();
      return () => cancel?.();
    },
  };
}

/** The context of a file, for a client. */
export async function openForClient(file: string, tracer: Tracer | undefined): Promise<ClientProtection> {
  // Runs of the command line share a store.
  const contexts = await OpenContexts.open([file], { block: 1, emit: (event) => show(event, tracer) });
  const fresh = echo({}, systemEnv);
  const layer = contexts.layer();
  return {
    association: contexts.context,
    layers: [newNumbers(), fresh, layer],
    pending: () => layer.stats()['exchanges'] ?? 0,
    close: async () => {
      fresh.close();
      await contexts.close();
    },
  };
}
