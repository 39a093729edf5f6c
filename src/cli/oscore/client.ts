import { echo, type Layer, type SecurityAssociation } from '../../coap/index.ts';
import { systemEnv } from '../../core/env.ts';
import type { OscoreEvent } from '../../oscore/index.ts';
import { err } from '../terminal.ts';
import type { Tracer } from '../trace.ts';
import { OpenContexts } from './contexts.ts';

/** What an endpoint needs to protect the requests of one command. */
export interface ClientProtection {
  readonly association: SecurityAssociation;
  readonly layers: readonly Layer[];
  close(): Promise<void>;
}

function show(event: OscoreEvent, tracer: Tracer): void {
  if (event.type === 'protected' || event.type === 'unprotected') tracer.inner(event.direction, event.inner);
  else if (event.type === 'discarded') console.error(`    ${err('dim', `OSCORE: a ${event.detail ?? 'message'} was dropped (${event.reason})`)}`);
}

/** The context of a file, for a client. */
export async function openForClient(file: string, tracer: Tracer | undefined): Promise<ClientProtection> {
  // Runs of the command line share a store.
  const contexts = await OpenContexts.open([file], { block: 1, emit: (event) => tracer !== undefined && show(event, tracer) });
  const fresh = echo({}, systemEnv);
  return {
    association: contexts.context,
    layers: [fresh, contexts.layer()],
    close: async () => {
      fresh.close();
      await contexts.close();
    },
  };
}
